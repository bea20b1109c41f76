/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * What is published and who gets it. A track is one m-line of a publisher; it owns its streams (one per
 * simulcast layer, one SSRC each) and lists its subscriptions. A subscription is one m-line of a subscriber.
 */
#ifndef SFUD_TRACK_H
#define SFUD_TRACK_H

#include "base/replay.h"
#include "base/slab.h"
#include "sfud/media/cache.h"
#include "sfud/media/keyframe.h"
#include "sfud/media/layer.h"
#include "sfud/media/nack.h"
#include "sfud/media/rewrite.h"
#include "sfud/media/rtx.h"
#include "sfud/media/rx.h"
#include "sfud/room/caps.h"

#define TRACK_CACHE_BYTES (512 * 1024) /* about 2 s of 2 Mbit/s, per layer */
#define STREAM_RATE_WINDOW DUR_MS(500)

/* One received SSRC (with the SSRC of its retransmissions). */
struct stream {
	struct handle self, track;
	uint8_t layer;
	uint8_t epoch; /* counts the jumps of its numbers: each begins a new segment for everyone */
	struct rx rx;
	struct replay seen; /* extended numbers forwarded: a copy under the same SRTP index would break GCM */
	struct nack nack;
	struct cache cache; /* video only */
	struct keyframe keyframe;
	uint64_t window_bytes, bps; /* meter of the recent rate */
	mono_t window_at;
	uint64_t lost; /* packets never recovered */
};

struct track {
	struct handle self, owner; /* owner: the publishing member */
	bool video, announced;     /* announced: subscriptions exist or are being negotiated */
	bool extra;                /* a further video line (screen): announced at its first packet */
	uint8_t line;              /* index of the owner's m-line */
	uint8_t n_layers;          /* 1 without simulcast */
	struct handle stream[LAYERS_MAX];
	struct layer_seen seen[LAYERS_MAX];
	struct handle *subs; /* grows */
	uint32_t n_subs, cap_subs;
};

enum sub_state { SUB_TO_OPEN, SUB_NEGOTIATING, SUB_OPEN, SUB_STATE_MAX_ };

struct sub {
	struct handle self, track, owner; /* owner: the subscribing member */
	enum sub_state state;
	uint8_t line; /* index of the owner's m-line, from SUB_NEGOTIATING on */
	bool video;
	uint32_t ssrc, rtx_ssrc;
	uint8_t pt_map[128]; /* publisher's payload type -> ours */
	uint8_t ext_map[16];
	uint8_t mid_id, mid_n;
	char mid[SDP_MID_MAX];
	struct rewrite rw;
	uint8_t epoch;        /* of the stream, at the start of the segment */
	int target;           /* layer to switch to at its next keyframe; -1: none chosen */
	bool asked;           /* waits for a keyframe of `target` … */
	mono_t waiting_since; /* … since then */
	uint64_t rtx_index;   /* packet index of the RTX stream */
	struct rtx_budget budget;
	uint64_t packets, octets; /* sent, for SR */
	struct {
		uint32_t mid; /* middle of the NTP time of an SR sent … */
		mono_t at;    /* … and when, for the round trip */
	} sr[2];              /* the last and the one before: a report may have crossed the last */
};

/* An RTP packet between its arrival and the end of the receive batch. Borrows the receive buffer. */
#define BURST_PACKETS 32

struct burst {
	struct handle track;
	uint32_t n;
	struct {
		struct rtp rtp;
		uint64_t seq;
		uint8_t layer, epoch;
		uint8_t pad; /* bytes that make it as long as its successor */
		bool key;
	} item[BURST_PACKETS];
};

#endif
