/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * One participant of one room: transport, m-lines and the state of negotiation. The WebSocket may come and go; the
 * member lives until its media ends or the grace after a lost WebSocket is over.
 *
 *   session   event                    next       does
 *   OFFER     offer                    STABLE     answers, sends tracks_map
 *   OFFER     OFFER_WAIT passed        -          close 4002
 *   STABLE    a line must change       OFFERED    offer-renegotiate (one in flight)
 *   OFFERED   answer-renegotiate       STABLE     opens the subscriptions in it
 *   OFFERED   ANSWER_WAIT passed       STABLE     offers again, OFFER_TRIES times in all
 *   any       WebSocket lost           DETACHED   waits GRACE for a new one
 *   DETACHED  WebSocket of the same sub  OFFER    the same certificate: media lives on; another: starts anew
 */
#ifndef SFUD_MEMBER_H
#define SFUD_MEMBER_H

#include "base/dq.h"
#include "sfud/media/twcc.h"
#include "sfud/room/track.h"
#include "sfud/transport/transport.h"

#define LINES_MAX SDP_MEDIA_MAX
#define MEMBER_TRACKS_MAX 4 /* published by one member: microphone, camera, screen and its sound */
#define SSRC_MAP_MAX SRTP_STREAMS_MAX
#define OFFER_WAIT DUR_SEC(30)
#define ANSWER_WAIT DUR_SEC(10)
#define OFFER_TRIES 3
#define GRACE DUR_SEC(10)
#define REPORT_INTERVAL DUR_SEC(1)

enum session { SESSION_OFFER, SESSION_STABLE, SESSION_OFFERED, SESSION_DETACHED, SESSION_MAX_ };

enum line_role {
	LINE_REFUSED, /* port 0: data channels, unknown kinds */
	LINE_IN,      /* theirs: may carry a track to us */
	LINE_OUT,     /* ours: carries a subscription, or is free for the next one */
};

struct line {
	enum line_role role;
	enum sdp_kind kind;
	enum sdp_dir dir;     /* as negotiated, seen from here */
	bool want_idle;       /* LINE_OUT whose track is gone: to be offered as inactive */
	char mid[SDP_MID_MAX + 1];
	char proto[32], fmt[200]; /* of a refused line */
	char rid[SDP_RIDS_MAX][SDP_MID_MAX + 1];
	uint8_t n_rids;
	struct handle track;  /* LINE_IN */
	struct handle sub;    /* LINE_OUT, none when free */
};

struct ssrc_entry {
	uint32_t ssrc;
	bool rtx;
	struct handle stream;
};

struct member {
	struct handle self, room;
	uint64_t sub; /* of the JWT: the id on the wire */
	enum session session;
	bool was_connected;
	struct transport tp;
	struct dq_node timer;
	mono_t session_by; /* deadline of the session state */
	uint8_t tries;
	bool renegotiate;  /* lines changed since the last offer … */
	bool kicked;       /* … and at the next tick another may go */
	uint64_t sdp_version;
	struct caps audio, video;
	struct line *lines; /* grows, LINES_MAX at most */
	uint32_t cap_lines;
	uint8_t n_lines;
	uint32_t next_mid;
	struct handle subs[LINES_MAX]; /* in the order they are to be offered */
	uint8_t n_subs;
	struct ssrc_entry ssrcs[SSRC_MAP_MAX];
	uint8_t n_ssrcs;
	struct twcc *twcc;  /* allocated at the first numbered packet */
	uint32_t rtcp_ssrc; /* ours, as receiver */
	mono_t report_at;   /* next receiver report */
	uint64_t remb_bps;  /* 0: none received */
	uint64_t rtt_us;    /* 0: unknown */
	mono_t bwe_hint_at;
	uint64_t delivered; /* packets sent to this member */
};

static inline bool member_attached(const struct member *m)
{
	return m->session != SESSION_DETACHED;
}

static inline struct caps *member_caps(struct member *m, bool video)
{
	return video ? &m->video : &m->audio;
}

#endif
