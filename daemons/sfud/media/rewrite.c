/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sfud/media/rewrite.h"

#include "base/seqno.h"

void rewrite_init(struct rewrite *w, uint16_t out_seq, uint32_t out_ts)
{
	/* The first packet takes the number behind out_top, which is out_seq itself. */
	*w = (struct rewrite){ .out_top = UINT64_C(65535) + out_seq, .out_ts = out_ts };
}

/* At least one: two frames never share a timestamp. */
static uint32_t ticks(uint64_t us, uint32_t clock)
{
	uint64_t t = us / US_PER_SEC * clock + us % US_PER_SEC * clock / US_PER_SEC;

	return (uint32_t)(t ? t : 1);
}

void rewrite_switch(struct rewrite *w, uint8_t layer, uint64_t in_seq, uint32_t in_ts, uint32_t clock, mono_t now)
{
	uint32_t ts = w->out_ts;

	if (w->started)
		ts += ticks(mono_since(now, w->out_at), clock);
	else
		w->out_at = now;
	w->started = true;
	w->layer = layer;
	w->in_first = in_seq;
	w->seq_off = (int64_t)(w->out_top + 1 - in_seq);
	w->ts_off = ts - in_ts;
}

bool rewrite_map(struct rewrite *w, uint64_t in_seq, uint32_t in_ts, mono_t now, uint64_t *ret_out_seq,
		 uint32_t *ret_out_ts)
{
	uint64_t seq = in_seq + (uint64_t)w->seq_off;
	uint32_t ts = in_ts + w->ts_off;

	if (!w->started || in_seq < w->in_first)
		return false;
	if (seq > w->out_top) {
		w->out_top = seq;
		w->out_ts = ts;
		w->out_at = now;
	}
	*ret_out_seq = seq;
	*ret_out_ts = ts;
	return true;
}

bool rewrite_unmap(const struct rewrite *w, uint16_t out_seq, uint64_t *ret_in_seq, uint64_t *ret_out_seq)
{
	uint64_t out = seq16_extend(w->out_top, out_seq);
	uint64_t first = w->in_first + (uint64_t)w->seq_off; /* of the segment */

	if (!w->started || out > w->out_top || out < first)
		return false;
	*ret_in_seq = out - (uint64_t)w->seq_off;
	*ret_out_seq = out;
	return true;
}
