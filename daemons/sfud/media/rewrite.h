/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * One subscriber's view of a published stream: continuous sequence numbers and timestamps across layer switches and
 * source restarts. Within a segment (between two switches) the mapping is a constant offset, so gaps and reordering
 * of the source stay visible to the receiver, and a lost number can be mapped back for a retransmission.
 */
#ifndef SFUD_REWRITE_H
#define SFUD_REWRITE_H

#include "base/mono.h"

struct rewrite {
	bool started;
	uint8_t layer;     /* source layer of the current segment */
	uint64_t in_first; /* first source number of the segment (extended) */
	int64_t seq_off;   /* out = in + off */
	uint32_t ts_off;
	uint64_t out_top;  /* highest extended number sent */
	uint32_t out_ts;   /* its timestamp */
	mono_t out_at;     /* when it was sent */
};

/* out_seq/out_ts: random starts, chosen by the caller; the extended number starts above 65536. */
void rewrite_init(struct rewrite *w, uint16_t out_seq, uint32_t out_ts);
/* A new segment starts with this packet: it gets the next number after everything sent, and a timestamp that
 * advances by the time since the last packet at `clock` Hz (at least one tick). */
void rewrite_switch(struct rewrite *w, uint8_t layer, uint64_t in_seq, uint32_t in_ts, uint32_t clock, mono_t now);
/* False when in_seq lies before the segment (a straggler of an earlier one): do not send. */
bool rewrite_map(struct rewrite *w, uint64_t in_seq, uint32_t in_ts, mono_t now, uint64_t *ret_out_seq, uint32_t *ret_out_ts);
/* The source number behind a sent one; false when it is of an earlier segment or was never sent. */
bool rewrite_unmap(const struct rewrite *w, uint16_t out_seq, uint64_t *ret_in_seq, uint64_t *ret_out_seq);

#endif
