/* SPDX-License-Identifier: AGPL-3.0-only */
/* Who is in which room, and what they publish and receive. Knows people, not bytes. Internal to the core: the
 * shell uses sfu.h. */
#ifndef SFUD_ROOM_H
#define SFUD_ROOM_H

#include "sfud/room/sfu.h"
#include "sfud/signal/signal.h"

/* room.c: membership */
struct room *room_get(const struct sfu *s, struct handle h);
struct member *member_get(const struct sfu *s, struct handle h);
void room_tick(struct sfu *s, struct room *r, mono_t now);
/* Ends a member: its tracks, subscriptions, paths and place in the room. code: sent to its WebSocket, NONE when it
 * is gone. */
void member_end(struct sfu *s, struct member *m, enum sig_close code, const char *reason, mono_t now);
/* The same member with nothing negotiated: before a new call of the same sub. ERR_NOMEM: it could not be renewed. */
int member_renew(struct sfu *s, struct member *m, mono_t now);
/* Files the member's next deadline, or only pulls it earlier. */
void member_file(struct sfu *s, struct member *m);
void member_file_by(struct sfu *s, struct member *m, mono_t at);

/* track.c: publications and subscriptions */
struct track *track_get(const struct sfu *s, struct handle h);
struct stream *stream_get(const struct sfu *s, struct handle h);
struct sub *sub_get(const struct sfu *s, struct handle h);
/* A track on the owner's line. NULL at the bound or without memory. */
struct track *track_open(struct sfu *s, struct member *owner, uint8_t line, bool extra);
void track_close(struct sfu *s, struct track *t, mono_t now);
/* Subscribes everyone else in the room. */
void track_announce(struct sfu *s, struct track *t, mono_t now);
/* The stream of a layer, made when new. NULL at the bound or without memory. */
struct stream *track_stream(struct sfu *s, struct track *t, uint8_t layer, uint32_t ssrc, uint32_t clock);
/* NULL when the subscriber shares no codec, at a bound or without memory. */
struct sub *sub_open(struct sfu *s, struct track *t, struct member *subscriber);
void sub_close(struct sfu *s, struct sub *sub);
void sub_move(struct sfu *s, struct sub *sub, enum sub_state to);

/* session.c: the state table of member.h */
void session_message(struct sfu *s, struct member *m, const struct sig_in *in, mono_t now);
void session_detach(struct sfu *s, struct member *m, mono_t now);
/* Sends the next offer when something changed and none is in flight. */
void session_kick(struct sfu *s, struct member *m, mono_t now);
/* The same at the member's next tick: tracks that come or go together are in one offer. */
void session_kick_soon(struct sfu *s, struct member *m, mono_t now);
void session_tick(struct sfu *s, struct member *m, mono_t now);

/* negotiate.c: m-lines and descriptions */
/* Takes over an offer's lines. *why: for the close. ERR_MALFORMED, ERR_LIMIT, ERR_NOMEM. */
int negotiate_offer(struct sfu *s, struct member *m, const struct sdp *offer, mono_t now);
/* Writes the answer to the last offer, or our next offer. False when it does not fit. */
bool negotiate_write(struct sfu *s, struct member *m, bool answer, struct span *ret);
/* Puts changes into lines: idles those whose track is gone, gives every waiting subscription a line. The mid of the
 * last line changed, or NULL when nothing changes. */
const char *negotiate_next(struct sfu *s, struct member *m);
/* Takes over the directions of the client's answer. */
void negotiate_answered(struct sfu *s, struct member *m, const struct sdp *answer, mono_t now);

/* forward.c: media */
enum drop media_rtp(struct sfu *s, struct member *m, uint8_t *p, size_t n, mono_t now);
void forward_flush(struct sfu *s, mono_t now);
/* Resends packets the subscriber misses. */
void forward_resend(struct sfu *s, struct sub *sub, const uint16_t *seqs, unsigned n, mono_t now);

/* feedback.c: RTCP */
enum drop media_rtcp(struct sfu *s, struct member *m, struct span pkt, mono_t now);
/* Receiver reports, transport-wide feedback, NACKs and keyframe requests that are due. */
void feedback_tick(struct sfu *s, struct member *m, mono_t now);
mono_t feedback_next(const struct sfu *s, const struct member *m);
/* A subscriber needs a keyframe of this stream: asks its publisher now or at the end of the gap. */
void feedback_want_keyframe(struct sfu *s, struct stream *st, mono_t now);

#endif
