/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sfud/media/twcc.h"

#include "base/rng.h"
#include "base/seqno.h"
#include "sfud/media/rtcp.h"
#include "t.h"

#define MS(n) ((mono_t){ DUR_MS(n) })
#define PKT(...) span_of((const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))
#define CYCLE_US (UINT64_C(64000) << 24) /* what the reference time can tell */

/* What a sender learns: for each number the last word about it. */
struct view {
	uint64_t ref_seq;                    /* extends what is read */
	uint64_t at_us;                      /* running arrival time, modulo CYCLE_US */
	uint32_t packets, lost, received;
	uint8_t fb_count;
	void (*each)(struct view *v, uint64_t seq, bool received, uint64_t at_us);
};

static void on_packet(void *arg, uint16_t seq, bool received, int64_t delta_us)
{
	struct view *v = arg;

	if (received) {
		v->at_us = (v->at_us + (uint64_t)delta_us + CYCLE_US) % CYCLE_US;
		v->received++;
	} else {
		v->lost++;
		EQ(delta_us, 0);
	}
	if (v->each)
		v->each(v, seq16_extend(v->ref_seq, seq), received, v->at_us);
}

/* Reads a datagram of feedback packets as its receiver would. */
static void read_all(struct span dgram, struct view *v)
{
	struct rtcp p;
	size_t at = 0;
	int r;

	while ((r = rtcp_next(dgram, &at, &p)) == 1) {
		EQ(p.type, RTCP_RTPFB);
		EQ(p.count, RTPFB_TWCC);
		v->at_us = be24_at(p.body.p + 12) * UINT64_C(64000);
		EQ(p.body.p[15], v->fb_count);
		v->fb_count++;
		v->packets++;
		EQ(twcc_read(p.body, on_packet, v), 0);
	}
	EQ(r, 0);
}

/* draft-holmer-rmcat-transport-wide-cc-extensions-01 3.1: the packet of the figure, byte by byte. */
static void a_report_has_the_shape_of_the_draft(void)
{
	const struct {
		const char *row;
		struct {
			uint16_t seq;
			uint32_t us; /* after 100 * 64 ms */
		} in[5];
		size_t n;
		struct span want; /* from the packet status count on */
	} c[] = {
		{ "a run of small deltas: ", { { 10, 0 }, { 11, 250 }, { 12, 1249 } }, 3,
		  PKT(0, 3, 0, 0, 100, 0, 0x20, 3, 0, 1, 3, 0, 0, 0) },
		{ "starts within the 64 ms: ", { { 10, 63999 } }, 1, PKT(0, 1, 0, 0, 100, 0, 0x20, 1, 255, 0) },
		{ "loss makes a vector: ", { { 10, 0 }, { 12, 0 } }, 2, PKT(0, 3, 0, 0, 100, 0, 0xa8, 0, 0, 0) },
		{ "a large delta needs two bits: ", { { 10, 0 }, { 11, 64000 } }, 2,
		  PKT(0, 2, 0, 0, 100, 0, 0xd8, 0, 0, 1, 0, 0, 0, 0) },
		{ "disorder is negative: ", { { 10, 0 }, { 12, 500 }, { 11, 1000 } }, 3,
		  PKT(0, 3, 0, 0, 100, 0, 0xd6, 0, 0, 4, 0xff, 0xfe, 0, 0) },
		{ "duplicates keep the first time: ", { { 10, 250 }, { 10, 5000 } }, 2,
		  PKT(0, 1, 0, 0, 100, 0, 0x20, 1, 1, 0) },
		{ "a long loss is a run: ", { { 10, 0 }, { 70, 0 } }, 2,
		  PKT(0, 61, 0, 0, 100, 0, 0xa0, 0, 0, 46, 0x20, 1, 0, 0) },
	};
	const mono_t base = MS(6400);

	for (size_t i = 0; i < ARRAY_LEN(c); i++) {
		uint8_t buf[128];
		struct wr w = wr_from(buf, sizeof(buf));
		struct twcc t;

		t_row = c[i].row;
		twcc_init(&t);
		for (size_t k = 0; k < c[i].n; k++)
			twcc_seen(&t, c[i].in[k].seq, mono_add(base, c[i].in[k].us));
		EQ(twcc_report(&t, &w, 0x01020304, 0x05060708, mono_add(base, 70000)), true);
		EQ(buf[3], wr_len(&w) / 4 - 1);
		EQ_SPAN(span_of(buf, 14), PKT(0x8f, 205, 0, buf[3], 1, 2, 3, 4, 5, 6, 7, 8, 0, 10));
		EQ_SPAN(span_of(buf + 14, wr_len(&w) - 14), c[i].want);
	}
}

/* A report is due TWCC_INTERVAL after the first packet that is new in it, and never without one. */
static void the_timer_runs_while_there_is_news(void)
{
	const struct {
		const char *row;
		uint64_t at_ms;
		int seq; /* -1: report */
		bool want;
		uint64_t next_ms; /* 0: never */
	} step[] = {
		{ "nothing to say: ", 0, -1, false, 0 },
		{ "first packet: ", 1, 5, false, 51 },
		{ "second packet: ", 40, 6, false, 51 },
		{ "early call: ", 45, -1, true, 0 },
		{ "duplicate: ", 46, 6, false, 0 },
		{ "repeated call: ", 51, -1, false, 0 },
		{ "next one: ", 60, 9, false, 110 },
		{ "late call: ", 500, -1, true, 0 },
		{ "late packet: ", 510, 8, false, 560 },
		{ "is news: ", 560, -1, true, 0 },
	};
	struct twcc t;

	twcc_init(&t);
	for (size_t i = 0; i < ARRAY_LEN(step); i++) {
		uint8_t buf[256];
		struct wr w = wr_from(buf, sizeof(buf));

		t_row = step[i].row;
		if (step[i].seq < 0)
			EQ(twcc_report(&t, &w, 1, 2, MS(step[i].at_ms)), step[i].want);
		else
			twcc_seen(&t, (uint16_t)step[i].seq, MS(step[i].at_ms));
		EQ(wr_len(&w) != 0, step[i].want);
		EQ(twcc_next(&t).us, step[i].next_ms ? DUR_MS(step[i].next_ms) : UINT64_MAX);
	}
}

/* 3.1.5: a delta has 16 bits, 8.2 seconds either way. A longer pause begins another feedback packet. */
static void a_pause_too_long_for_a_delta_starts_anew(void)
{
	const struct {
		const char *row;
		uint64_t us;
		uint32_t packets;
	} c[] = {
		{ "longest delta: ", 32767 * 250, 1 },
		{ "one tick more: ", 32768 * 250, 2 },
		{ "a minute: ", 60000000, 2 },
	};

	for (size_t i = 0; i < ARRAY_LEN(c); i++) {
		for (int swapped = 0; swapped < 2; swapped++) {
			uint8_t buf[256];
			struct wr w = wr_from(buf, sizeof(buf));
			struct view v = { 0 };
			struct twcc t;

			t_row = c[i].row;
			twcc_init(&t);
			twcc_seen(&t, swapped ? 8 : 5, MS(64));
			twcc_seen(&t, swapped ? 5 : 8, mono_add(MS(64), c[i].us + (swapped && i ? 250 : 0)));
			EQ(twcc_report(&t, &w, 1, 2, MS(100000)), true);
			read_all(wr_span_of(&w), &v);
			EQ(v.packets, c[i].packets);
			EQ(v.received, 2);
			EQ(v.lost, 2);
		}
	}
}

/* What finds no room is reported by the next call; a packet of feedback is never cut. */
static void little_room_takes_several_calls(void)
{
	for (size_t room = 24; room < 200; room += 4) {
		struct view v = { .ref_seq = 66000 };
		struct twcc t;
		int calls = 0;

		twcc_init(&t);
		for (unsigned s = 0; s < 500; s++)
			if (s % 7 != 3)
				twcc_seen(&t, (uint16_t)s, mono_add(MS(100), s * 1000));
		for (mono_t now = MS(700); !mono_is_never(twcc_next(&t)) && calls < 1000; calls++) {
			uint8_t buf[200];
			struct wr w = wr_from(buf, room);

			EQ(twcc_report(&t, &w, 1, 2, now), true);
			EQ(w.bad, false);
			read_all(wr_span_of(&w), &v);
		}
		EQ(v.received + v.lost, 500);
		EQ(v.lost, 71);
		OK(calls > 1);
	}
	{
		uint8_t buf[20];
		struct wr w = wr_from(buf, sizeof(buf));
		struct twcc t;

		twcc_init(&t);
		twcc_seen(&t, 1, MS(1));
		EQ(twcc_report(&t, &w, 1, 2, MS(51)), false);
		EQ(wr_len(&w), 0);
		EQ(twcc_next(&t).us, DUR_MS(101)); /* no busy loop */
	}
}

/* Only TWCC_WINDOW numbers are remembered; older ones are not reported, whatever jump the sender makes. */
static void a_jump_forgets_the_old(void)
{
	const struct {
		const char *row;
		uint16_t jump;
		uint32_t received, lost;
	} c[] = {
		{ "window just full: ", TWCC_WINDOW - 1, 2, TWCC_WINDOW - 2 },
		{ "first one forgotten: ", TWCC_WINDOW, 1, TWCC_WINDOW - 1 },
		{ "far: ", 30000, 1, TWCC_WINDOW - 1 },
		{ "backwards beyond the window: ", (uint16_t)-TWCC_WINDOW, 1, 0 },
		{ "backwards within it: ", (uint16_t)(1 - TWCC_WINDOW), 2, TWCC_WINDOW - 2 },
	};

	for (size_t i = 0; i < ARRAY_LEN(c); i++) {
		static uint8_t buf[8192];
		struct wr w = wr_from(buf, sizeof(buf));
		struct view v = { 0 };
		struct twcc t;

		t_row = c[i].row;
		twcc_init(&t);
		twcc_seen(&t, 40000, MS(100));
		twcc_seen(&t, (uint16_t)(40000 + c[i].jump), MS(101));
		EQ(twcc_report(&t, &w, 1, 2, MS(150)), true);
		read_all(wr_span_of(&w), &v);
		EQ(v.received, c[i].received);
		EQ(v.lost, c[i].lost);
	}
}

/* Oracle state of the simulation below: what truly arrived, and what was told. */
enum { SIM_N = 30000 };
static uint64_t sim_at[SIM_N + 64]; /* 0: not arrived (yet) */
static bool sim_told[SIM_N + 64];
static uint64_t sim_first; /* extended number of index 0 */

static void check_told(struct view *v, uint64_t seq, bool received, uint64_t at_us)
{
	uint64_t i = seq - sim_first;

	v->ref_seq = seq;
	if (i >= SIM_N) {
		OK(!received);
		return;
	}
	EQ(received, sim_at[i] != 0);
	if (received)
		EQ(at_us, sim_at[i] / 250 * 250 % CYCLE_US);
	sim_told[i] |= received;
}

/* Oracle: the truth. Under loss, disorder, duplicates and pauses, over wrap-arounds of the number, of the low 32 bits
 * of the clock and of the reference time, each report says of each number exactly what is true, to 250 us. */
static void what_is_read_is_what_arrived(void)
{
	const uint64_t start[] = { 1, 5000000, UINT32_MAX - UINT64_C(9000000), CYCLE_US - 9000000, UINT64_C(1) << 50 };
	struct rng rng;

	rng_seed(&rng, 8);
	for (size_t k = 0; k < ARRAY_LEN(start); k++) {
		struct view v = { .each = check_told };
		mono_t now = { start[k] };
		struct twcc t;

		memset(sim_at, 0, sizeof(sim_at));
		memset(sim_told, 0, sizeof(sim_told));
		twcc_init(&t);
		sim_first = v.ref_seq = UINT64_C(65536) + 65000;
		for (uint64_t i = 0; i < SIM_N; i++) {
			uint64_t at = i && !rng_below(&rng, 8) ? i - rng_below(&rng, i < 20 ? (uint32_t)i : 20) : i;
			uint32_t kind = rng_below(&rng, 2000);

			now.us += rng_below(&rng, kind == 0 ? 20000000 : kind < 50 ? 400000 : 1500);
			if (rng_below(&rng, i / 1000 % 2 ? 2 : 50)) {
				twcc_seen(&t, (uint16_t)(sim_first + at), now);
				if (sim_at[at] == 0)
					sim_at[at] = (uint32_t)now.us ? now.us : now.us - 1;
			}
			if (mono_reached(now, twcc_next(&t))) {
				uint8_t buf[1200];
				struct wr w = wr_from(buf, sizeof(buf));

				EQ(twcc_report(&t, &w, 1, 2, now), true);
				read_all(wr_span_of(&w), &v);
			}
			if (t_failures)
				return;
		}
		{
			static uint8_t buf[16384];
			struct wr w = wr_from(buf, sizeof(buf));

			(void)twcc_report(&t, &w, 1, 2, now);
			read_all(wr_span_of(&w), &v);
			EQ(mono_is_never(twcc_next(&t)), true);
		}
		for (size_t i = 0; i < SIM_N; i++)
			EQ(sim_told[i], sim_at[i] != 0);
		OK(v.packets > 300 && v.lost > 1000);
	}
}

static void count(void *arg, uint16_t seq, bool received, int64_t delta_us)
{
	(void)seq, (void)received, (void)delta_us;
	++*(int *)arg;
}

/* 3.1.1 to 3.1.5: chunks must cover the count, deltas must be there, symbol 3 is reserved; a wrong packet tells
 * nothing. */
static void a_wrong_report_is_not_read(void)
{
	const struct {
		const char *row;
		struct span tail; /* behind both SSRCs */
		int want, calls;
	} c[] = {
		{ "no packet: ", PKT(0, 1, 0, 0, 0, 0, 1, 0), 0, 0 },
		{ "lost run, longer than the count: ", PKT(0, 1, 0, 2, 0, 0, 1, 0, 0x00, 9), 0, 2 },
		{ "two-bit vector: ", PKT(0, 1, 0, 3, 0, 0, 1, 0, 0xd8, 0, 7, 0xff, 0xff), 0, 3 },
		{ "fixed part cut: ", PKT(0, 1, 0, 1, 0, 0, 1), ERR_SHORT, 0 },
		{ "chunk missing: ", PKT(0, 1, 0, 1, 0, 0, 1, 0), ERR_SHORT, 0 },
		{ "second chunk missing: ", PKT(0, 1, 0, 15, 0, 0, 1, 0, 0x80, 0), ERR_SHORT, 0 },
		{ "delta missing: ", PKT(0, 1, 0, 2, 0, 0, 1, 0, 0x20, 2, 7), ERR_SHORT, 0 },
		{ "large delta cut: ", PKT(0, 1, 0, 1, 0, 0, 1, 0, 0x40, 1, 7), ERR_SHORT, 0 },
		{ "reserved run: ", PKT(0, 1, 0, 1, 0, 0, 1, 0, 0x60, 1, 7, 7, 7), ERR_MALFORMED, 0 },
		{ "reserved in a vector: ", PKT(0, 1, 0, 1, 0, 0, 1, 0, 0xf0, 0, 7, 7, 7), ERR_MALFORMED, 0 },
		{ "run of none: ", PKT(0, 1, 0, 1, 0, 0, 1, 0, 0x20, 0, 7, 7, 7), ERR_MALFORMED, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(c); i++) {
		uint8_t body[64] = { 0 };
		int calls = 0;

		t_row = c[i].row;
		memcpy(body + 8, c[i].tail.p, c[i].tail.n);
		EQ(twcc_read(span_of(body, 8 + c[i].tail.n), count, &calls), c[i].want);
		EQ(calls, c[i].calls);
	}
}

T_MAIN(T(a_report_has_the_shape_of_the_draft), T(the_timer_runs_while_there_is_news),
       T(a_pause_too_long_for_a_delta_starts_anew), T(little_room_takes_several_calls), T(a_jump_forgets_the_old),
       T(what_is_read_is_what_arrived), T(a_wrong_report_is_not_read))
