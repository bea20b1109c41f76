/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * A script of four-byte steps (what, time, number): packets of three source layers and switches between them. No number
 * is sent for two packets, a switch leaves no hole, the last packets of a segment are found by their numbers.
 */
#include "fuzz.h"
#include "sfud/media/rewrite.h"

#define STEPS 300

struct sent {
	uint64_t in, out;
	unsigned segment;
};

static struct sent log_[STEPS];
static size_t n_log;

static void remember(struct sent s)
{
	for (size_t i = 0; i < n_log; i++) {
		bool same = log_[i].segment == s.segment && log_[i].in == s.in;

		MUST((log_[i].out == s.out) == same);
	}
	log_[n_log++] = s;
}

static void find_all(const struct rewrite *w, unsigned segment)
{
	for (size_t i = 0; i < n_log; i++) {
		uint64_t in = 0, out = 0;

		if (w->out_top - log_[i].out >= 32768)
			continue;
		if (!rewrite_unmap(w, (uint16_t)log_[i].out, &in, &out)) {
			MUST(log_[i].segment != segment);
			continue;
		}
		MUST(out == log_[i].out && in == log_[i].in && log_[i].segment == segment);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct rd r = rd_from(span_of(data, n));
	uint64_t src[3] = { UINT64_C(1) << 17, UINT64_C(1) << 20, UINT64_C(1) << 30 };
	uint16_t first = rd_be16(&r);
	mono_t now = { 0 };
	unsigned segment = 0;
	struct rewrite w;

	n_log = 0;
	rewrite_init(&w, first, 77);
	for (int i = 0; i < STEPS && rd_left(&r) >= 4; i++) {
		uint8_t what = rd_u8(&r), dt = rd_u8(&r);
		uint16_t step = rd_be16(&r);
		uint8_t layer = what & 3 ? w.layer : what >> 2 & 1;
		uint64_t top = w.out_top, out = 0, in;
		uint32_t ts = 0;
		bool fresh = (what & 3) == 0;

		now = mono_add(now, (uint64_t)dt << (what >> 4));
		/* Mostly small steps, either way; sometimes far ahead. */
		src[layer] = what & 8 ? src[layer] + step : src[layer] + 3 - step % 8;
		in = src[layer];
		if (fresh) {
			rewrite_switch(&w, layer, in, (uint32_t)in, 90000, now);
			segment++;
		}
		if (!rewrite_map(&w, in, (uint32_t)in, now, &out, &ts)) {
			MUST(segment == 0 || in < w.in_first);
			continue;
		}
		MUST(segment && in >= w.in_first);
		MUST(!fresh || out == top + 1);
		MUST(w.out_top == (out > top ? out : top));
		MUST(segment > 1 || out >= UINT64_C(65536) + first);
		remember((struct sent){ in, out, segment });
		find_all(&w, segment);
	}
	return 0;
}
