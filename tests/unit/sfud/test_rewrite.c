/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sfud/media/rewrite.h"

#include "base/rng.h"
#include "t.h"

#define MS(n) ((mono_t){ DUR_MS(n) })
#define EXT(n) (UINT64_C(65536) + (n))

/* RFC 3550 5.1: numbers and timestamps start at random values, which are the caller's; the first packet has
 * exactly these. */
static void the_first_packet_has_the_start_values(void)
{
	const uint16_t start[] = { 0, 1, 32768, 65535 };

	for (size_t i = 0; i < ARRAY_LEN(start); i++) {
		struct rewrite w;
		uint64_t seq = 0, in;
		uint32_t ts = 0;

		rewrite_init(&w, start[i], 0xfffffff0);
		EQ(rewrite_map(&w, EXT(7), 5, MS(1), &seq, &ts), false); /* no segment yet */
		EQ(rewrite_unmap(&w, start[i], &in, &seq), false);
		EQ(rewrite_unmap(&w, (uint16_t)(start[i] - 1), &in, &seq), false);
		rewrite_switch(&w, 2, EXT(7), 5, 90000, MS(1));
		EQ(w.layer, 2);
		EQ(rewrite_map(&w, EXT(7), 5, MS(1), &seq, &ts), true);
		EQ(seq, EXT(start[i]));
		EQ(ts, 0xfffffff0);
	}
}

/* Within a segment the offset is constant: loss and disorder of the source reach the receiver as they are. */
static void a_segment_keeps_gaps_and_disorder(void)
{
	const struct {
		const char *row;
		uint64_t in;
		uint32_t ts;
		bool want;
		uint64_t out;
		uint32_t out_ts;
	} step[] = {
		{ "first: ", EXT(500), 1000, true, EXT(65534), 90 },
		{ "next: ", EXT(501), 1000, true, EXT(65535), 90 },
		{ "two lost, wrap: ", EXT(504), 4000, true, EXT(65538), 3090 },
		{ "late: ", EXT(502), 1000, true, EXT(65536), 90 },
		{ "before the segment: ", EXT(499), 900, false, 0, 0 },
		{ "duplicate: ", EXT(504), 4000, true, EXT(65538), 3090 },
	};
	struct rewrite w;

	rewrite_init(&w, 65534, 90);
	rewrite_switch(&w, 0, EXT(500), 1000, 90000, MS(0));
	for (size_t i = 0; i < ARRAY_LEN(step); i++) {
		uint64_t seq = 0;
		uint32_t ts = 0;

		t_row = step[i].row;
		EQ(rewrite_map(&w, step[i].in, step[i].ts, MS(0), &seq, &ts), step[i].want);
		EQ(seq, step[i].out);
		EQ(ts, step[i].out_ts);
	}
}

/* A new segment follows everything sent; its timestamp advances by the time that passed, one tick at least. */
static void a_switch_continues_number_and_time(void)
{
	const struct {
		const char *row;
		uint64_t in;
		uint32_t ts;
		uint32_t clock;
		uint64_t at_ms;
		uint32_t out_ts;
	} step[] = {
		{ "begin: ", EXT(10), 77, 90000, 1000, 500 },
		{ "another layer 33 ms later: ", EXT(60000), 0xffffff00, 90000, 1033, 500 + 2970 },
		{ "in the same instant: ", EXT(5), 0, 90000, 1033, 500 + 2971 },
		{ "audio, 20 ms: ", EXT(6), 3, 48000, 1053, 500 + 2971 + 960 },
		{ "a year later: ", EXT(7), 3, 90000, 1053 + UINT64_C(31536000000),
		  (uint32_t)(500 + 2971 + 960 + UINT64_C(31536000) * 90000) },
		{ "clock goes back: ", EXT(8), 3, 90000, 0, (uint32_t)(500 + 2971 + 961 + UINT64_C(31536000) * 90000) },
	};
	struct rewrite w;

	rewrite_init(&w, 100, 500);
	for (size_t i = 0; i < ARRAY_LEN(step); i++) {
		uint64_t seq = 0;
		uint32_t ts = 0;

		t_row = step[i].row;
		rewrite_switch(&w, 0, step[i].in, step[i].ts, step[i].clock, MS(step[i].at_ms));
		EQ(rewrite_map(&w, step[i].in, step[i].ts, MS(step[i].at_ms), &seq, &ts), true);
		EQ(seq, EXT(100 + i));
		EQ(ts, step[i].out_ts);
	}
}

/* A switch whose packet was never sent leaves no hole in the numbers. */
static void an_unused_switch_costs_nothing(void)
{
	struct rewrite w;
	uint64_t seq = 0, in;
	uint32_t ts;

	rewrite_init(&w, 9, 9);
	rewrite_switch(&w, 0, EXT(1), 0, 90000, MS(0));
	rewrite_switch(&w, 1, EXT(900), 0, 90000, MS(5));
	EQ(rewrite_unmap(&w, 9, &in, &seq), false);
	EQ(rewrite_map(&w, EXT(900), 0, MS(5), &seq, &ts), true);
	EQ(seq, EXT(9));
}

/* RFC 4588: what a receiver misses is named by its own numbers; only those of the current segment lead back. */
static void a_sent_number_leads_back(void)
{
	const struct {
		const char *row;
		uint16_t out;
		bool want;
		uint64_t in;
	} c[] = {
		{ "first of the segment: ", 12, true, EXT(700) },
		{ "last sent: ", 22, true, EXT(710) },
		{ "lost at the source: ", 17, true, EXT(705) },
		{ "last of the segment before: ", 11, false, 0 },
		{ "not yet sent: ", 23, false, 0 },
		{ "half way round: ", (uint16_t)(22 + 32768), false, 0 },
	};
	struct rewrite w;
	uint64_t seq, in;
	uint32_t ts;

	rewrite_init(&w, 10, 0);
	rewrite_switch(&w, 0, EXT(1), 0, 90000, MS(0));
	(void)rewrite_map(&w, EXT(1), 0, MS(0), &seq, &ts);
	(void)rewrite_map(&w, EXT(2), 0, MS(0), &seq, &ts);
	rewrite_switch(&w, 1, EXT(700), 0, 90000, MS(0));
	(void)rewrite_map(&w, EXT(700), 0, MS(0), &seq, &ts);
	(void)rewrite_map(&w, EXT(710), 0, MS(0), &seq, &ts);
	for (size_t i = 0; i < ARRAY_LEN(c); i++) {
		t_row = c[i].row;
		in = 0;
		EQ(rewrite_unmap(&w, c[i].out, &in, &seq), c[i].want);
		EQ(in, c[i].in);
		if (c[i].want)
			EQ(seq, EXT(c[i].out));
	}
}

/* Oracle: a list of everything sent, over many switches, loss, disorder and wrap-arounds. No number is given
 * to two packets, a switch leaves no hole, and each recent packet of the segment is found by its number. */
static void agrees_with_a_list_of_everything_sent(void)
{
	enum { TURNS = 300000 };
	static struct {
		uint64_t in;
		uint32_t segment;
	} sent[TURNS * 5 + 65536]; /* by outgoing number */
	struct rewrite w;
	struct rng rng;
	uint64_t src[3], top = 0;
	uint32_t segment = 0;

	rng_seed(&rng, 5);
	for (int i = 0; i < 3; i++)
		src[i] = EXT(rng_below(&rng, 65536));
	rewrite_init(&w, (uint16_t)rng_u32(&rng), rng_u32(&rng));
	for (uint32_t i = 0; i < TURNS; i++) {
		bool fresh = segment == 0 || rng_below(&rng, 400) == 0;
		uint8_t layer = fresh ? (uint8_t)rng_below(&rng, 3) : w.layer;
		uint64_t in, out = 0, back = 0, ext = 0;
		uint32_t ts;

		for (int l = 0; l < 3; l++)
			src[l] += 1 + (rng_below(&rng, 20) ? 0 : rng_below(&rng, 40));
		in = fresh || rng_below(&rng, 6) ? src[layer] : src[layer] - rng_below(&rng, 30);
		if (fresh) {
			rewrite_switch(&w, layer, in, 0, 90000, MS(i));
			segment++;
		}
		if (!rewrite_map(&w, in, 0, MS(i), &out, &ts)) {
			OK(in < w.in_first);
			continue;
		}
		if (fresh && top)
			EQ(out, top + 1);
		top = out > top ? out : top;
		OK(sent[out - 65536].in == 0 ||
		   (sent[out - 65536].in == in && sent[out - 65536].segment == segment));
		sent[out - 65536].in = in;
		sent[out - 65536].segment = segment;
		for (uint64_t o = top; o > top - 40 && o >= 65536; o -= 1 + rng_below(&rng, 9)) {
			if (rewrite_unmap(&w, (uint16_t)o, &back, &ext)) {
				EQ(ext, o);
				OK(sent[o - 65536].in == 0 || sent[o - 65536].in == back);
			} else {
				OK(sent[o - 65536].segment != segment);
			}
		}
		if (t_failures)
			return;
	}
	OK(top > 4 * UINT64_C(65536) && segment > 500);
}

T_MAIN(T(the_first_packet_has_the_start_values), T(a_segment_keeps_gaps_and_disorder),
       T(a_switch_continues_number_and_time), T(an_unused_switch_costs_nothing), T(a_sent_number_leads_back),
       T(agrees_with_a_list_of_everything_sent))
