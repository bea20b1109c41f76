/* SPDX-License-Identifier: AGPL-3.0-only */
/* What a client receives of one publisher's stream: numbers, gaps, frames. Independent of the SFU's own bookkeeping. */
#ifndef TESTS_SIM_TRACK_IN_H
#define TESTS_SIM_TRACK_IN_H

#include "base/mono.h"
#include "sfud/signal/sdp.h"

#define IN_MISSING 512
#define IN_FRAMES 4096
#define IN_GIVE_UP DUR_SEC(3)
#define STAMP_LEN 12

/* What every payload carries behind its codec header, so that the account needs no decoder. */
struct stamp {
	uint8_t publisher, layer, index, count; /* publisher: its place in the world */
	uint32_t frame;
	bool key;
};

struct track_in {
	bool live, video;
	char mid[SDP_MID_MAX + 1], msid[96];
	uint64_t from;             /* from the msid */
	uint64_t mapped;           /* from tracks_map_update */
	uint32_t ssrc, rtx_ssrc;
	bool started;
	uint64_t first, top;       /* extended numbers; first: the lowest received */
	mono_t first_at, last_at, key_at, live_at, asked_at;
	uint64_t max_silence;      /* longest time between two packets */
	uint8_t seen[65536];       /* by number: received */
	uint64_t packets, recovered, twice, given_up;
	uint32_t resets;           /* jumps too large to be a gap */
	struct {
		uint64_t seq;
		mono_t since, due;
		uint32_t tries;
	} missing[IN_MISSING];
	uint32_t n_missing;
	bool key_complete, first_was_key;
	uint32_t plis;
	uint32_t first_frame, last_frame, key_frame; /* key_frame: the first one from which it can decode */
	uint16_t got[IN_FRAMES];
	uint8_t layer;
	uint32_t switches, bad_switches; /* bad: not at the beginning of a keyframe. Without loss and reordering. */
	uint32_t foreign;          /* packets of somebody else */
	uint32_t sr_mid;
	mono_t sr_at;
};

void track_in_bind(struct track_in *t, mono_t now);
/* A packet, original or recovered. False when it was there before. */
bool track_in_seen(struct track_in *t, uint16_t seq, bool recovered, mono_t now);
void track_in_stamp(struct track_in *t, const struct stamp *st, mono_t now);
/* The numbers to ask for. */
uint32_t track_in_nack(struct track_in *t, mono_t now, uint64_t rtt_us, uint16_t *ret, uint32_t max);
/* Numbers between the first and the newest that never came. */
uint32_t track_in_holes(const struct track_in *t, uint32_t margin);

#endif
