/* SPDX-License-Identifier: AGPL-3.0-only */
/* The browser's JSON messages: text in, text out. Handshake frames are keyed by "kind", later ones by "type"
 * (docs/signalling.md). */
#ifndef SFUD_SIGNAL_H
#define SFUD_SIGNAL_H

#include "base/err.h"
#include "base/span.h"

#define SIG_MID_MAX 16

enum sig_kind {
	SIG_OFFER,    /* {"kind":"offer","sdp":S} */
	SIG_ANSWER,   /* {"type":"answer-renegotiate","sdp":S,"mid":M} */
	SIG_BWE_HINT, /* {"kind":"bwe-hint","bps":N,…} */
	SIG_ICE,      /* {"kind":"ice","candidate":S}: accepted, not needed by an ICE-lite server */
	SIG_OTHER,    /* JSON, but nothing we know: ignored */
	SIG_MALFORMED /* not a JSON object, or a known message with a wrong field */
};

struct sig_in {
	enum sig_kind kind;
	struct span sdp; /* SIG_OFFER, SIG_ANSWER: not empty; lives in the caller's buffer */
	uint64_t bps;    /* SIG_BWE_HINT */
};

/* buf receives the unescaped SDP: as large as the text. */
void sig_parse(struct span text, uint8_t *buf, size_t cap, struct sig_in *ret);

struct sig_track { /* one element of tracks_map_update */
	const char *mid;
	uint64_t peer_id;
	bool video, screen;
};

void sig_write_answer(struct wr *w, struct span sdp);
void sig_write_offer(struct wr *w, struct span sdp, const char *mid);
void sig_write_map(struct wr *w, const uint64_t *peer_ids, size_t n);
void sig_write_update(struct wr *w, const struct sig_track *tracks, size_t n);

/* "peer-7", the stream id of a peer's microphone and camera. */
void sig_stream_id(struct wr *w, uint64_t peer_id);

#endif
