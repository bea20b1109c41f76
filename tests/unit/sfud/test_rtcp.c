/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sfud/media/rtcp.h"

#include "base/rng.h"
#include "t.h"

#define PKT(...) span_of((const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

/* The only packet of a writer. */
static struct rtcp only(const struct wr *w)
{
	struct rtcp p = { 0 };
	size_t at = 0;

	EQ(w->bad, false);
	EQ(rtcp_next(wr_span_of(w), &at, &p), 1);
	EQ(at, wr_len(w));
	EQ(rtcp_next(wr_span_of(w), &at, &p), 0);
	return p;
}

/* RFC 3550 6.1, A.2; RFC 5506: one packet after the other, whatever comes first, each within the datagram. */
static void a_walk_visits_each_packet(void)
{
	const struct {
		const char *row;
		struct span dgram;
		int packets, end;
	} c[] = {
		{ "nothing: ", { (const uint8_t *)"", 0 }, 0, 0 },
		{ "RR, BYE: ", PKT(0x80, 201, 0, 1, 0, 0, 0, 1, 0x81, 203, 0, 1, 0, 0, 0, 1), 2, 0 },
		{ "PLI alone: ", PKT(0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2), 1, 0 },
		{ "a type nobody knows: ", PKT(0x80, 220, 0, 0), 1, 0 },
		{ "header cut: ", PKT(0x80, 201, 0), 0, ERR_MALFORMED },
		{ "body cut: ", PKT(0x80, 201, 0, 1, 0, 0, 0), 0, ERR_MALFORMED },
		{ "rest after a packet: ", PKT(0x80, 201, 0, 0, 7), 1, ERR_MALFORMED },
		{ "version 1: ", PKT(0x40, 201, 0, 0), 0, ERR_MALFORMED },
		{ "padding: ", PKT(0xa0, 201, 0, 2, 0, 0, 0, 1, 0, 0, 0, 4), 1, 0 },
		{ "padding of one byte, not last: ", PKT(0xaf, 205, 0, 1, 0, 0, 0, 1, 0x80, 201, 0, 0), 2, 0 },
		{ "padding 0: ", PKT(0xa0, 201, 0, 1, 0, 0, 0, 0), 0, ERR_MALFORMED },
		{ "padding too long: ", PKT(0xa0, 201, 0, 1, 0, 0, 0, 5), 0, ERR_MALFORMED },
		{ "padding without body: ", PKT(0xa0, 201, 0, 0), 0, ERR_MALFORMED },
	};

	for (size_t i = 0; i < ARRAY_LEN(c); i++) {
		struct rtcp p;
		size_t at = 0;
		int n = 0, r;

		t_row = c[i].row;
		while ((r = rtcp_next(c[i].dgram, &at, &p)) == 1)
			n++;
		EQ(n, c[i].packets);
		EQ(r, c[i].end);
	}
	t_row = "cursor outside: ";
	EQ(rtcp_next(PKT(0x80, 201, 0, 0), &(size_t){ 5 }, &(struct rtcp){ 0 }), ERR_MALFORMED);
}

/* RFC 3550 5.1, 6.4.1: padding is no content. */
static void padding_is_not_part_of_the_body(void)
{
	struct span dgram = PKT(0xa1, 203, 0, 2, 0, 0, 0, 9, 0, 0, 0, 4);
	struct rtcp p;
	size_t at = 0;

	EQ(rtcp_next(dgram, &at, &p), 1);
	EQ(p.type, RTCP_BYE);
	EQ(p.count, 1);
	EQ_SPAN(p.body, PKT(0, 0, 0, 9));
}

static bool same_report(const struct rtcp_report *a, const struct rtcp_report *b)
{
	return a->ssrc == b->ssrc && a->lost_fraction == b->lost_fraction && a->lost_total == b->lost_total &&
	       a->highest_seq == b->highest_seq && a->jitter == b->jitter && a->lsr == b->lsr && a->dlsr == b->dlsr;
}

/* RFC 3550 6.4.1, 6.4.2: sender info and up to 31 report blocks; the loss count is signed and has 24 bits. */
static void reports_read_back_as_written(void)
{
	struct rtcp_sr sr = { 1, 2, 3, 4, 5, 6 }, got;
	struct rtcp_report b[31], one;
	uint8_t buf[1024];

	for (unsigned i = 0; i < 31; i++)
		b[i] = (struct rtcp_report){ i, (uint8_t)(255 - i), i & 1 ? -(int32_t)i : 0x7fffff, 1u << i, i, i, i };
	b[2].lost_total = -0x800000;
	for (unsigned n = 0; n <= 31; n++) {
		for (int with_sr = 0; with_sr < 2; with_sr++) {
			struct wr w = wr_from(buf, sizeof(buf));
			struct rtcp p;

			if (with_sr)
				rtcp_put_sr(&w, &sr, b, n);
			else
				rtcp_put_rr(&w, 77, b, n);
			p = only(&w);
			EQ(p.count, n);
			EQ(rtcp_read_sr(&p, &got), with_sr ? 0 : ERR_MALFORMED);
			if (with_sr)
				EQ(memcmp(&got, &sr, sizeof(sr)), 0);
			for (unsigned i = 0; i < n; i++) {
				EQ(rtcp_read_report(&p, i, &one), 0);
				OK(same_report(&one, &b[i]));
			}
			EQ(rtcp_read_report(&p, n, &one), ERR_SHORT);
		}
	}
	{
		struct wr w = wr_from(buf, sizeof(buf));

		rtcp_put_rr(&w, 1, b, 32);
		EQ(w.bad, true);
	}
}

/* A count that promises more than the body holds is not believed. */
static void a_lying_count_reads_nothing(void)
{
	struct span dgram = PKT(0x83, 201, 0, 1, 0, 0, 0, 9);
	struct rtcp_report b;
	struct rtcp_sr sr;
	struct rtcp p;
	size_t at = 0;

	EQ(rtcp_next(dgram, &at, &p), 1);
	EQ(rtcp_read_report(&p, 0, &b), ERR_SHORT);
	p.type = RTCP_SR;
	EQ(rtcp_read_sr(&p, &sr), ERR_SHORT);
	p.type = RTCP_BYE;
	EQ(rtcp_read_report(&p, 0, &b), ERR_MALFORMED);
}

/* RFC 3550 6.5, 6.6: a chunk ends with a null byte and at a word; BYE names its SSRC. */
static void cname_and_bye_have_their_shape(void)
{
	const struct {
		const char *cname;
		struct span want;
	} c[] = {
		{ "", PKT(0x81, 202, 0, 2, 0, 0, 0, 5, 1, 0, 0, 0) },
		{ "a", PKT(0x81, 202, 0, 2, 0, 0, 0, 5, 1, 1, 'a', 0) },
		{ "ab", PKT(0x81, 202, 0, 3, 0, 0, 0, 5, 1, 2, 'a', 'b', 0, 0, 0, 0) },
		{ "abcde", PKT(0x81, 202, 0, 3, 0, 0, 0, 5, 1, 5, 'a', 'b', 'c', 'd', 'e', 0) },
	};
	char long_name[257];
	uint8_t buf[512];
	struct wr w;

	for (size_t i = 0; i < ARRAY_LEN(c); i++) {
		t_row = c[i].cname;
		w = wr_from(buf, sizeof(buf));
		rtcp_put_cname(&w, 5, c[i].cname);
		EQ_SPAN(wr_span_of(&w), c[i].want);
	}
	memset(long_name, 'x', sizeof(long_name));
	long_name[256] = 0;
	w = wr_from(buf, sizeof(buf));
	rtcp_put_cname(&w, 5, long_name);
	EQ(w.bad, true);
	w = wr_from(buf, sizeof(buf));
	rtcp_put_bye(&w, 0x01020304);
	EQ_SPAN(wr_span_of(&w), PKT(0x81, 203, 0, 1, 1, 2, 3, 4));
}

/* RFC 4585 6.2.1: PID is the first lost number, bit i of BLP the one i + 1 behind it. */
static void a_nack_is_packed_into_pairs(void)
{
	const struct {
		const char *row;
		uint16_t seqs[4];
		unsigned n;
		struct span want; /* FCI */
	} c[] = {
		{ "one: ", { 100 }, 1, PKT(0, 100, 0, 0) },
		{ "next and 16 behind: ", { 100, 101, 116 }, 3, PKT(0, 100, 0x80, 1) },
		{ "17 behind: ", { 100, 117 }, 2, PKT(0, 100, 0, 0, 0, 117, 0, 0) },
		{ "across the wrap: ", { 65535, 0, 15 }, 3, PKT(0xff, 0xff, 0x80, 1) },
		{ "twice the same: ", { 5, 5, 6 }, 3, PKT(0, 5, 0, 1) },
	};

	for (size_t i = 0; i < ARRAY_LEN(c); i++) {
		uint8_t buf[64];
		struct wr w = wr_from(buf, sizeof(buf));
		uint32_t sender = 0, media = 0;
		struct rtcp p;

		t_row = c[i].row;
		rtcp_put_nack(&w, 11, 22, c[i].seqs, c[i].n);
		p = only(&w);
		EQ(rtcp_read_fb(&p, &sender, &media), 0);
		EQ(sender, 11);
		EQ(media, 22);
		EQ_SPAN(span_of(p.body.p + 8, p.body.n - 8), c[i].want);
	}
}

/* Any ascending set of numbers comes out of the reader as it went into the writer, and `max` bounds it. */
static void any_nack_reads_back(void)
{
	struct rng rng;

	rng_seed(&rng, 2);
	for (int turn = 0; turn < 2000; turn++) {
		uint16_t seqs[200], got[200], at = (uint16_t)rng_u32(&rng);
		unsigned n = 1 + rng_below(&rng, 200), max = rng_below(&rng, 201);
		uint8_t buf[1024];
		struct wr w = wr_from(buf, sizeof(buf));
		struct rtcp p;

		for (unsigned i = 0; i < n; i++)
			seqs[i] = at = (uint16_t)(at + 1 + rng_below(&rng, turn % 2 ? 3 : 40));
		rtcp_put_nack(&w, 1, 2, seqs, n);
		p = only(&w);
		EQ(rtcp_read_nack(&p, got, 200), n);
		EQ(memcmp(got, seqs, n * sizeof(seqs[0])), 0);
		EQ(rtcp_read_nack(&p, got, max), max < n ? max : n);
	}
}

/* RFC 4585 6.3.1, RFC 5104 4.3.1: PLI has no FCI; FIR names the stream in its FCI and 0 in its header. */
static void pli_and_fir_have_their_shape(void)
{
	uint8_t buf[64];
	struct wr w = wr_from(buf, sizeof(buf));
	uint32_t sender, media, ssrc[2];
	struct rtcp p;

	rtcp_put_pli(&w, 1, 2);
	EQ_SPAN(wr_span_of(&w), PKT(0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2));
	w = wr_from(buf, sizeof(buf));
	rtcp_put_fir(&w, 1, 2, 9);
	EQ_SPAN(wr_span_of(&w), PKT(0x84, 206, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 9, 0, 0, 0));
	p = only(&w);
	EQ(rtcp_read_fb(&p, &sender, &media), 0);
	EQ(media, 0);
	EQ(rtcp_read_fir(&p, ssrc, 2), 1);
	EQ(ssrc[0], 2);
	EQ(rtcp_read_fir(&p, ssrc, 0), 0);
	EQ(rtcp_read_nack(&p, (uint16_t[1]){ 0 }, 1), ERR_MALFORMED);
	p.count = PSFB_PLI;
	EQ(rtcp_read_fir(&p, ssrc, 2), ERR_MALFORMED);
	p.type = RTCP_RR;
	EQ(rtcp_read_fb(&p, &sender, &media), ERR_MALFORMED);
	p = (struct rtcp){ .type = RTCP_PSFB, .body = span_of(buf, 4) };
	EQ(rtcp_read_fb(&p, &sender, &media), ERR_SHORT);
}

/* draft-alvestrand-rmcat-remb-03 2.2: "REMB", the number of SSRCs, six bits of exponent, 18 of mantissa. */
static void a_remb_is_a_bit_rate(void)
{
	const struct {
		const char *row;
		uint8_t fci[12];
		size_t n;
		int want;
		uint64_t bps;
	} c[] = {
		{ "1 Mbit/s: ", { 'R', 'E', 'M', 'B', 1, 0x0b, 0xd0, 0x90, 0, 0, 0, 1 }, 12, 0, 250000 << 2 },
		{ "no ssrc: ", { 'R', 'E', 'M', 'B', 0, 0, 0, 7 }, 8, 0, 7 },
		{ "largest: ", { 'R', 'E', 'M', 'B', 0, 0xbb, 0xff, 0xff }, 8, 0, UINT64_C(0x3ffff) << 46 },
		{ "beyond 64 bits: ", { 'R', 'E', 'M', 'B', 0, 0xbf, 0xff, 0xff }, 8, ERR_MALFORMED, 0 },
		{ "another application's: ", { 'R', 'E', 'M', 'X', 0, 0, 0, 7 }, 8, ERR_MALFORMED, 0 },
		{ "ssrc cut: ", { 'R', 'E', 'M', 'B', 2, 0, 0, 7, 0, 0, 0, 1 }, 12, ERR_MALFORMED, 0 },
		{ "cut: ", { 'R', 'E', 'M', 'B' }, 4, ERR_MALFORMED, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(c); i++) {
		uint8_t body[20] = { 0, 0, 0, 1, 0, 0, 0, 0 };
		struct rtcp p = { RTCP_PSFB, PSFB_AFB, span_of(body, 8 + c[i].n) };
		uint64_t bps = 0;

		t_row = c[i].row;
		memcpy(body + 8, c[i].fci, c[i].n);
		EQ(rtcp_read_remb(&p, &bps), c[i].want);
		EQ(bps, c[i].bps);
	}
}

/* A builder without room fails and stays failed, and writes nothing behind the end. */
static void a_full_writer_is_bad_not_overrun(void)
{
	struct rtcp_report b = { .ssrc = 1 };
	const uint16_t seqs[] = { 1, 100, 1000 };

	for (size_t cap = 0; cap < 60; cap++) {
		uint8_t buf[64] = { 0 };
		struct wr w = wr_from(buf, cap);

		buf[cap] = 0xee;
		rtcp_put_rr(&w, 1, &b, 1); /* 32 */
		rtcp_put_nack(&w, 1, 2, seqs, 3); /* 24 */
		EQ(w.bad, cap < 56);
		EQ(buf[cap], 0xee);
	}
}

T_MAIN(T(a_walk_visits_each_packet), T(padding_is_not_part_of_the_body), T(reports_read_back_as_written),
       T(a_lying_count_reads_nothing), T(cname_and_bye_have_their_shape), T(a_nack_is_packed_into_pairs),
       T(any_nack_reads_back), T(pli_and_fir_have_their_shape), T(a_remb_is_a_bit_rate),
       T(a_full_writer_is_bad_not_overrun))
