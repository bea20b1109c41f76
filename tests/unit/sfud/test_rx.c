/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sfud/media/rx.h"

#include "t.h"

#define MS(n) ((mono_t){ DUR_MS(n) })
#define EXT(cycle, seq) (UINT64_C(65536) * (1 + (cycle)) + (seq))

/* RFC 3550 A.1: a step below max_dropout is loss, one within max_misorder is reordering, any other one is a
 * restart; numbers extend over wrap-arounds and ascend over restarts. */
static void steps_are_loss_disorder_or_restart(void)
{
	const struct {
		const char *row;
		uint16_t seq;
		enum rx_verdict want;
		uint64_t ext;
	} step[] = {
		{ "first: ", 65000, RX_NEW, EXT(0, 65000) },
		{ "duplicate: ", 65000, RX_OLD_FILL, EXT(0, 65000) },
		{ "before the first: ", 64999, RX_OLD_FILL, EXT(0, 64999) },
		{ "next: ", 65001, RX_NEW, EXT(0, 65001) },
		{ "wrap with loss: ", 5, RX_NEW, EXT(1, 5) },
		{ "late, from before the wrap: ", 65535, RX_OLD_FILL, EXT(0, 65535) },
		{ "largest dropout: ", 5 + RX_DROPOUT - 1, RX_NEW, EXT(1, 5 + RX_DROPOUT - 1) },
		{ "oldest straggler: ", 5 + RX_DROPOUT - RX_MISORDER, RX_OLD_FILL,
		  EXT(1, 5 + RX_DROPOUT - RX_MISORDER) },
		{ "forward jump: ", 4 + 2 * RX_DROPOUT, RX_RESTART, EXT(1, 4 + 2 * RX_DROPOUT) },
		{ "goes on: ", 5 + 2 * RX_DROPOUT, RX_NEW, EXT(1, 5 + 2 * RX_DROPOUT) },
		{ "backward jump: ", 5 + 2 * RX_DROPOUT - RX_MISORDER, RX_RESTART,
		  EXT(2, 5 + 2 * RX_DROPOUT - RX_MISORDER) },
		{ "half way round: ", (uint16_t)(32773 + 2 * RX_DROPOUT - RX_MISORDER), RX_RESTART,
		  EXT(2, 32773 + 2 * RX_DROPOUT - RX_MISORDER) },
	};
	struct rx x;

	rx_init(&x, 1, 90000);
	for (size_t i = 0; i < ARRAY_LEN(step); i++) {
		uint64_t ext = 0;

		t_row = step[i].row;
		EQ(rx_seen(&x, step[i].seq, 0, 100, MS(i), &ext), step[i].want);
		EQ(ext, step[i].ext);
		EQ(x.top >= ext, true);
	}
	EQ(x.bytes, 100 * ARRAY_LEN(step));
}

/* Extended numbers follow the sender's true count for any number of wrap-arounds. */
static void a_long_stream_extends_without_error(void)
{
	uint64_t ext, loss = 0;
	struct rtcp_report b;
	struct rx x;

	rx_init(&x, 1, 90000);
	for (uint64_t n = 65530; n < 65530 + 400000; n++) {
		if (n % 97 == 3) {
			loss++;
			continue;
		}
		EQ(rx_seen(&x, (uint16_t)n, (uint32_t)n * 90, 1000, MS(n), &ext), RX_NEW);
		EQ(ext, 65536 + n);
		if (t_failures)
			return;
	}
	EQ(rx_report(&x, MS(0), &b), true);
	EQ(b.highest_seq, 65529 + 400000);
	EQ(b.lost_total, loss);
	EQ(b.jitter, 0); /* one millisecond is exactly 90 ticks, also across gaps */
}

/* RFC 3550 6.4.1, A.3: cumulative loss of the whole stream, fraction of the time since the last report;
 * duplicates make loss negative and a negative fraction is 0; both are clamped. */
static void a_report_counts_what_is_missing(void)
{
	const struct {
		const char *row;
		uint16_t from, to; /* received */
		int lost;
		uint8_t fraction;
	} step[] = {
		{ "all there: ", 100, 199, 0, 0 },
		{ "first half missing: ", 250, 299, 50, 128 },
		{ "filled later: ", 200, 249, 0, 0 },
		{ "no news: ", 1, 0, 0, 0 },
		{ "duplicates: ", 290, 299, -10, 0 },
		{ "one of 256: ", 555, 555, 245, 255 },
	};
	struct rtcp_report b;
	struct rx x;
	uint64_t ext;

	rx_init(&x, 0xabc, 48000);
	EQ(rx_report(&x, MS(0), &b), false);
	for (size_t i = 0; i < ARRAY_LEN(step); i++) {
		t_row = step[i].row;
		for (unsigned s = step[i].from; s <= step[i].to; s++)
			(void)rx_seen(&x, (uint16_t)s, 0, 10, MS(0), &ext);
		EQ(rx_report(&x, MS(0), &b), true);
		EQ(b.ssrc, 0xabc);
		EQ(b.lost_total, step[i].lost);
		EQ(b.lost_fraction, step[i].fraction);
	}
	t_row = "most ever: ";
	x.first = x.top - (UINT64_C(1) << 40);
	EQ(rx_report(&x, MS(0), &b), true);
	EQ(b.lost_total, 0x7fffff);
	t_row = "least ever: ";
	x.first = x.top;
	x.packets = UINT64_C(1) << 40;
	EQ(rx_report(&x, MS(0), &b), true);
	EQ(b.lost_total, -0x800000);
}

/* RFC 3550 A.1: after a restart loss is counted from the restart on. */
static void a_restart_is_no_loss(void)
{
	struct rtcp_report b;
	struct rx x;
	uint64_t ext;

	rx_init(&x, 1, 90000);
	(void)rx_seen(&x, 10, 0, 1, MS(0), &ext);
	(void)rx_seen(&x, 15, 0, 1, MS(0), &ext);
	EQ(rx_seen(&x, 30000, 0, 1, MS(0), &ext), RX_RESTART);
	(void)rx_seen(&x, 30002, 0, 1, MS(0), &ext);
	EQ(rx_report(&x, MS(0), &b), true);
	EQ(b.lost_total, 1);
	EQ(b.highest_seq, 30002);
	EQ(x.bytes, 4);
}

/* RFC 3550 6.4.1, A.8: J += (|D| - J) / 16, over packets in order only. */
static void jitter_follows_the_formula(void)
{
	struct rtcp_report b;
	double want = 0, last = 0;
	struct rx x;
	uint64_t ext;

	rx_init(&x, 1, 90000);
	for (unsigned i = 0; i < 2000; i++) {
		uint32_t late = i * 7919 % 13; /* ms */
		double d = late * 90.0 - last;
		uint32_t ts = UINT32_MAX - 90000 + i * 1800;

		(void)rx_seen(&x, (uint16_t)i, ts, 1, MS(20 * i + late), &ext);
		if (i)
			want += ((d > 0 ? d : -d) - want) / 16;
		last = late * 90.0;
		(void)rx_seen(&x, (uint16_t)(i - 5), 0, 1, MS(20 * i + 15), &ext);
	}
	EQ(rx_report(&x, MS(0), &b), true);
	OK(b.jitter + 2.0 > want && b.jitter - 2.0 < want);
}

/* A sender that lies about its timestamps makes jitter large, never undefined. */
static void jitter_saturates(void)
{
	struct rtcp_report b;
	struct rx x;
	uint64_t ext;

	rx_init(&x, 1, 90000);
	for (unsigned i = 0; i < 1000; i++)
		(void)rx_seen(&x, (uint16_t)i, i & 1 ? 0x80000000 : 0, 1, MS(0), &ext);
	EQ(rx_report(&x, MS(0), &b), true);
	OK(b.jitter > 0x0f000000);
}

/* RFC 3550 6.4.1: LSR is the middle of the last SR's NTP time, DLSR the time since, in 1/65536 s; both 0
 * before any SR. */
static void the_last_sender_report_is_echoed(void)
{
	const struct rtcp_sr sr = { .ssrc = 1, .ntp_sec = 0x11112222, .ntp_frac = 0x33334444 };
	const struct {
		const char *row;
		uint64_t after_ms;
		uint32_t dlsr;
	} c[] = {
		{ "at once: ", 0, 0 },
		{ "half a second: ", 500, 32768 },
		{ "five seconds: ", 5000, 5 * 65536 },
		{ "a day: ", 86400000, UINT32_MAX },
	};
	struct rtcp_report b;
	struct rx x;
	uint64_t ext;

	rx_init(&x, 1, 90000);
	(void)rx_seen(&x, 1, 0, 1, MS(1), &ext);
	EQ(rx_report(&x, MS(1), &b), true);
	EQ(b.lsr, 0);
	EQ(b.dlsr, 0);
	rx_sr(&x, &sr, MS(1000));
	for (size_t i = 0; i < ARRAY_LEN(c); i++) {
		t_row = c[i].row;
		EQ(rx_report(&x, MS(1000 + c[i].after_ms), &b), true);
		EQ(b.lsr, 0x22223333);
		EQ(b.dlsr, c[i].dlsr);
	}
	EQ(x.sr.ssrc, 1);
}

T_MAIN(T(steps_are_loss_disorder_or_restart), T(a_long_stream_extends_without_error),
       T(a_report_counts_what_is_missing), T(a_restart_is_no_loss), T(jitter_follows_the_formula), T(jitter_saturates),
       T(the_last_sender_report_is_echoed))
