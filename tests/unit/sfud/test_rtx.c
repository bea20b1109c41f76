/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sfud/media/rtx.h"

#include "t.h"

#define MS(n) ((mono_t){ DUR_MS(n) })

/* RFC 4588 4: marker, timestamp, CSRCs and extensions are the original's already; number, SSRC and payload
 * type are put back, and the two bytes of the original number leave the payload. */
static void a_retransmission_becomes_the_original(void)
{
	uint8_t pkt[] = { 0xb1, 0xe1, 0, 9, 1, 2, 3, 4, 0, 0, 0, 5, 0, 0, 0, 7, 0xbe, 0xde, 0, 1, 0x10, 'x', 0, 0,
			  0x12, 0x34, 'd', 'a', 't', 'a', 0, 2 };
	const uint8_t want[] = { 0xb1, 0xe0, 0x12, 0x34, 1, 2, 3, 4, 0, 0, 0, 6, 0, 0, 0, 7, 0xbe, 0xde, 0, 1,
				 0x10, 'x', 0, 0, 'd', 'a', 't', 'a', 0, 2 };
	size_t n = sizeof(pkt);
	struct rtp r;

	EQ(rtp_parse(span_of(pkt, n), &r), 0);
	EQ(rtx_unwrap(pkt, &n, &r, 6, 0x60), 0);
	EQ_SPAN(span_of(pkt, n), span_of(want, sizeof(want)));
	EQ(rtp_parse(span_of(pkt, n), &r), 0);
	EQ(r.seq, 0x1234);
	EQ(r.payload_n, 4);
	EQ(r.pad, 2);
}

/* An RTX packet without an original number probes for bandwidth; it repeats nothing and is left as it is. */
static void padding_repeats_nothing(void)
{
	const struct {
		const char *row;
		uint8_t pkt[16];
		size_t n;
		int want;
	} c[] = {
		{ "only padding: ", { 0xa0, 97, 0, 9, [15] = 4 }, 16, ERR_SHORT },
		{ "empty: ", { 0x80, 97 }, 12, ERR_SHORT },
		{ "one byte: ", { 0x80, 97, [12] = 1 }, 13, ERR_SHORT },
		{ "an empty original: ", { 0x80, 97, [12] = 1, 2 }, 14, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(c); i++) {
		uint8_t pkt[16];
		size_t n = c[i].n;
		struct rtp r;

		t_row = c[i].row;
		memcpy(pkt, c[i].pkt, 16);
		EQ(rtp_parse(span_of(pkt, n), &r), 0);
		EQ(rtx_unwrap(pkt, &n, &r, 1, 96), c[i].want);
		EQ(n, c[i].want ? c[i].n : c[i].n - 2);
		if (c[i].want)
			EQ_SPAN(span_of(pkt, n), span_of(c[i].pkt, n));
	}
}

/* Half of what was sent may be resent, up to RTX_SAVED saved; time alone gives RTX_FLOOR per second, and only
 * up to one second's worth. */
static void the_budget_is_a_share_with_a_floor(void)
{
	const struct {
		const char *row;
		uint64_t at_ms;
		size_t sent, take;
		bool want;
		uint64_t left;
	} step[] = {
		{ "a fresh budget is a second's floor: ", 1000, 0, 0, true, RTX_FLOOR },
		{ "all of it: ", 1000, 0, RTX_FLOOR, true, 0 },
		{ "nothing left: ", 1000, 0, 1, false, 0 },
		{ "the share: ", 1000, 3000, 1500, true, 0 },
		{ "25 us are a byte: ", 1001, 0, 41, false, 40 },
		{ "time is not lost by asking: ", 1001, 0, 40, true, 0 },
		{ "half a second: ", 1501, 0, 0, true, RTX_FLOOR / 2 },
		{ "an hour is not more than a second: ", 3600000, 0, 0, true, RTX_FLOOR },
		{ "media lifts it above the floor: ", 3600000, 200000, 0, true, RTX_FLOOR + 100000 },
		{ "time does not: ", 3700000, 0, 0, true, RTX_FLOOR + 100000 },
		{ "the most that is saved: ", 3700000, 10 * RTX_SAVED, 0, true, RTX_SAVED },
		{ "clock goes back: ", 5, 0, RTX_SAVED, true, 0 },
	};
	struct rtx_budget b = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(step); i++) {
		t_row = step[i].row;
		rtx_budget_sent(&b, step[i].sent);
		EQ(rtx_budget_take(&b, step[i].take, MS(step[i].at_ms)), step[i].want);
		EQ(b.bytes, step[i].left);
	}
}

/* However often it is asked, the floor comes out at its rate. */
static void many_small_steps_lose_nothing(void)
{
	struct rtx_budget b = { 0 };
	uint64_t got = 0;

	EQ(rtx_budget_take(&b, RTX_FLOOR, MS(1000)), true);
	for (uint64_t us = 1000000; us <= 3000000; us += 7)
		got += rtx_budget_take(&b, 1, (mono_t){ us });
	OK(got >= 2 * RTX_FLOOR - 1 && got <= 2 * RTX_FLOOR);
}

T_MAIN(T(a_retransmission_becomes_the_original), T(padding_repeats_nothing), T(the_budget_is_a_share_with_a_floor),
       T(many_small_steps_lose_nothing))
