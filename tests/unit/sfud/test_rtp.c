/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sfud/media/rtp.h"

#include "base/rng.h"
#include "t.h"

#define PKT(...) span_of((const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))
#define FIXED(b0, b1) b0, b1, 0x12, 0x34, 1, 2, 3, 4, 0xca, 0xfe, 0xba, 0xbe

/* RFC 3550 5.1: fixed header, CSRCs, extension, payload and padding are where their lengths say. */
static void every_field_is_read_where_it_is(void)
{
	struct span pkt = PKT(FIXED(0xb2, 0xe0), 0, 0, 0, 1, 0, 0, 0, 2,     /* two CSRCs */
			      0xbe, 0xde, 0, 2, 0x10, 0xaa, 0x31, 1, 2, 0, 0, 0, /* ids 1 and 3 */
			      'h', 'i', 0, 0, 3);
	struct rtp r;

	EQ(rtp_parse(pkt, &r), 0);
	EQ(r.n, pkt.n);
	EQ(r.pt, 0x60);
	EQ(r.marker, true);
	EQ(r.seq, 0x1234);
	EQ(r.ts, 0x01020304);
	EQ(r.ssrc, 0xcafebabe);
	EQ(r.n_csrc, 2);
	EQ(r.payload_at, 32);
	EQ(r.payload_n, 2);
	EQ(r.pad, 3);
	EQ(r.n_ext, 2);
	EQ_SPAN(rtp_ext_get(&r, 1), PKT(0xaa));
	EQ_SPAN(rtp_ext_get(&r, 3), PKT(1, 2));
	EQ(rtp_ext_get(&r, 2).n, 0);
	EQ(rtp_ext_get(&r, 0).n, 0);
}

/* RFC 3550 5.1, A.1: version 2, lengths within the packet, a padding count between 1 and what is left. */
static void wrong_lengths_are_refused(void)
{
	const struct {
		const char *row;
		struct span pkt;
		int want;
	} c[] = {
		{ "header only: ", PKT(FIXED(0x80, 0)), 0 },
		{ "empty: ", { (const uint8_t *)"", 0 }, ERR_SHORT },
		{ "11 bytes: ", PKT(0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), ERR_SHORT },
		{ "version 1: ", PKT(FIXED(0x40, 0)), ERR_MALFORMED },
		{ "version 3: ", PKT(FIXED(0xc0, 0)), ERR_MALFORMED },
		{ "csrc cut: ", PKT(FIXED(0x81, 0), 1, 2, 3), ERR_SHORT },
		{ "csrc whole: ", PKT(FIXED(0x81, 0), 1, 2, 3, 4), 0 },
		{ "extension header cut: ", PKT(FIXED(0x90, 0), 0xbe, 0xde, 0), ERR_SHORT },
		{ "extension cut: ", PKT(FIXED(0x90, 0), 0xbe, 0xde, 0, 1, 0x10, 0, 0), ERR_SHORT },
		{ "extension of no words: ", PKT(FIXED(0x90, 0), 0xbe, 0xde, 0, 0), 0 },
		{ "padding of nothing: ", PKT(FIXED(0xa0, 0)), ERR_MALFORMED },
		{ "padding 0: ", PKT(FIXED(0xa0, 0), 9, 0), ERR_MALFORMED },
		{ "padding beyond the header: ", PKT(FIXED(0xa0, 0), 9, 3), ERR_MALFORMED },
		{ "nothing but padding: ", PKT(FIXED(0xa0, 0), 0, 2), 0 },
	};
	static const uint8_t huge[65536] = { 0x80 };

	for (size_t i = 0; i < ARRAY_LEN(c); i++) {
		struct rtp r = { .n = 4711 };

		t_row = c[i].row;
		EQ(rtp_parse(c[i].pkt, &r), c[i].want);
		EQ(r.n, c[i].want ? 4711 : c[i].pkt.n); /* untouched on failure */
	}
	t_row = "no datagram is that long: ";
	EQ(rtp_parse(span_of(huge, sizeof(huge)), &(struct rtp){ 0 }), ERR_MALFORMED);
}

/* RFC 8285 4.2, 4.3: zero bytes pad; id 15, and id 0 with a length, end a one-byte list; an element that
 * runs out of the block is malformed; other profiles are skipped. */
static void both_extension_forms_are_read(void)
{
	const struct {
		const char *row;
		struct span pkt;
		int want, n, id, len; /* of the last element */
	} c[] = {
		{ "padding between: ", PKT(FIXED(0x90, 0), 0xbe, 0xde, 0, 1, 0, 0x20, 7, 0), 0, 1, 2, 1 },
		{ "16 bytes: ", PKT(FIXED(0x90, 0), 0xbe, 0xde, 0, 5, 0xef, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,
		   13, 14, 15, 0, 0, 0), 0, 1, 14, 16 },
		{ "id 15 ends: ", PKT(FIXED(0x90, 0), 0xbe, 0xde, 0, 1, 0x10, 7, 0xf0, 0x20), 0, 1, 1, 1 },
		{ "id 0 with length ends: ", PKT(FIXED(0x90, 0), 0xbe, 0xde, 0, 1, 0x10, 7, 0x01, 0x20), 0, 1, 1, 1 },
		{ "one-byte too long: ", PKT(FIXED(0x90, 0), 0xbe, 0xde, 0, 1, 0x13, 1, 2, 3), ERR_MALFORMED, 0, 0, 0 },
		{ "two-byte: ", PKT(FIXED(0x90, 0), 0x10, 0, 0, 2, 1, 0, 0, 200, 2, 8, 9, 0), 0, 2, 200, 2 },
		{ "two-byte, appbits: ", PKT(FIXED(0x90, 0), 0x10, 0x0f, 0, 1, 15, 2, 8, 9), 0, 1, 15, 2 },
		{ "two-byte, empty at the end: ", PKT(FIXED(0x90, 0), 0x10, 0, 0, 1, 0, 0, 9, 0), 0, 1, 9, 0 },
		{ "two-byte, no length: ", PKT(FIXED(0x90, 0), 0x10, 0, 0, 1, 0, 0, 0, 9), ERR_MALFORMED, 0, 0, 0 },
		{ "two-byte too long: ", PKT(FIXED(0x90, 0), 0x10, 0, 0, 1, 9, 3, 1, 2), ERR_MALFORMED, 0, 0, 0 },
		{ "another profile: ", PKT(FIXED(0x90, 0), 0x12, 0x34, 0, 1, 0xff, 0xff, 0xff, 0xff), 0, 0, 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(c); i++) {
		struct rtp r = { 0 };

		t_row = c[i].row;
		EQ(rtp_parse(c[i].pkt, &r), c[i].want);
		EQ(r.n_ext, c[i].n);
		if (r.n_ext) {
			EQ(r.ext[r.n_ext - 1].id, c[i].id);
			EQ(r.ext[r.n_ext - 1].len, c[i].len);
		}
	}
}

/* What we read is bounded: elements beyond RTP_EXTS_MAX are passed over, but still checked. */
static void more_elements_than_we_keep(void)
{
	uint8_t pkt[RTP_HDR_LEN + 4 + 40] = { FIXED(0x90, 0), 0xbe, 0xde, 0, 10 };
	struct rtp r;

	for (size_t i = 0; i < 20; i++)
		pkt[16 + 2 * i] = (uint8_t)((i % 14 + 1) << 4);
	EQ(rtp_parse(span_of(pkt, sizeof(pkt)), &r), 0);
	EQ(r.n_ext, RTP_EXTS_MAX);
	EQ(r.payload_at, sizeof(pkt));
	pkt[16 + 38] = 0x1f;
	EQ(rtp_parse(span_of(pkt, sizeof(pkt)), &r), ERR_MALFORMED);
}

/* RFC 8285 4.1.2: the one-byte form when every value fits it, else the two-byte form; unmapped elements and
 * ids above 14 stay behind; the mid comes from us alone. */
static void the_new_header_says_what_was_mapped(void)
{
	static const uint8_t map[16] = { [1] = 5, [2] = 20, [3] = 4, [15] = 9 };
	const uint8_t mid32[] = "0123456789abcdef0123456789abcdef";
	const struct {
		const char *row;
		struct span pkt;
		uint8_t mid_id;
		struct span mid, want; /* of the extension block */
	} c[] = {
		{ "nothing to say: ", PKT(FIXED(0x90, 0), 0xbe, 0xde, 0, 1, 0x40, 1, 0, 0), 0, { 0 }, { 0 } },
		{ "one-byte: ", PKT(FIXED(0x90, 0), 0xbe, 0xde, 0, 1, 0x10, 1, 0x40, 2), 0, { 0 },
		  PKT(0xbe, 0xde, 0, 1, 0x50, 1, 0, 0) },
		{ "id 20 wants two bytes: ", PKT(FIXED(0x90, 0), 0xbe, 0xde, 0, 1, 0x10, 1, 0x20, 2), 0, { 0 },
		  PKT(0x10, 0, 0, 2, 5, 1, 1, 20, 1, 2, 0, 0) },
		{ "empty wants two bytes: ", PKT(FIXED(0x90, 0), 0x10, 0, 0, 1, 1, 0, 15, 0), 0, { 0 },
		  PKT(0x10, 0, 0, 1, 5, 0, 0, 0) },
		{ "two-byte in, one-byte out: ", PKT(FIXED(0x90, 0), 0x10, 0, 0, 1, 1, 1, 7, 0), 0, { 0 },
		  PKT(0xbe, 0xde, 0, 1, 0x50, 7, 0, 0) },
		{ "mid only: ", PKT(FIXED(0x80, 0)), 4, SPAN_LIT("12"), PKT(0xbe, 0xde, 0, 1, 0x41, '1', '2', 0) },
		{ "empty mid: ", PKT(FIXED(0x80, 0)), 4, { 0 }, { 0 } },
		{ "mid of 16: ", PKT(FIXED(0x80, 0)), 4, { mid32, 16 },
		  PKT(0xbe, 0xde, 0, 5, 0x4f, '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd',
		      'e', 'f', 0, 0, 0) },
		{ "mid of 17: ", PKT(FIXED(0x80, 0)), 4, { mid32, 17 },
		  PKT(0x10, 0, 0, 5, 4, 17, '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e',
		      'f', '0', 0) },
		{ "a mid of the sender's: ", PKT(FIXED(0x90, 0), 0xbe, 0xde, 0, 1, 0x30, 'x', 0x10, 1), 4,
		  SPAN_LIT("7"), PKT(0xbe, 0xde, 0, 1, 0x50, 1, 0x40, '7') },
	};

	for (size_t i = 0; i < ARRAY_LEN(c); i++) {
		struct rtp_out o = { .ext_map = map, .mid_id = c[i].mid_id, .mid = c[i].mid };
		uint8_t out[128];
		struct rtp r;
		size_t n;

		t_row = c[i].row;
		EQ(rtp_parse(c[i].pkt, &r), 0);
		n = rtp_write_header(out, sizeof(out), &r, &o);
		EQ(n, RTP_HDR_LEN + c[i].want.n);
		EQ_SPAN(span_of(out + RTP_HDR_LEN, n - RTP_HDR_LEN), c[i].want);
		EQ(out[0], c[i].want.n ? 0x90 : 0x80);
		EQ(rtp_write_header(out, n, &r, &o), n);
		EQ(rtp_write_header(out, n - 1, &r, &o), 0);
	}
}

/* RFC 3550 5.1: marker and CSRCs pass; number, timestamp, SSRC and payload type are the subscriber's; a
 * payload type has seven bits; padding stays behind. */
static void the_fixed_part_is_the_subscribers(void)
{
	static const uint8_t map[16];
	struct span pkt = PKT(FIXED(0xa1, 0xe0), 9, 8, 7, 6, 'x', 1);
	struct rtp_out o = { .pt = 0xff, .seq = 0xabcd, .ts = 0x11223344, .ssrc = 0x55667788, .ext_map = map };
	uint8_t out[64];
	struct rtp r;

	EQ(rtp_parse(pkt, &r), 0);
	EQ(rtp_write_header(out, sizeof(out), &r, &o), 16);
	EQ_SPAN(span_of(out, 16), PKT(0x81, 0xff, 0xab, 0xcd, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88,
				       9, 8, 7, 6));
	o.mid_id = 1;
	o.mid = span_of(pkt.p, 256);
	EQ(rtp_write_header(out, sizeof(out), &r, &o), 0);
}

static size_t random_packet(struct rng *rng, uint8_t *p)
{
	size_t n = RTP_HDR_LEN, ext_at, words;
	bool two = rng_below(rng, 2);

	rng_bytes(rng, p, 512);
	p[0] = (uint8_t)(0x90 | rng_below(rng, 4));
	n += 4u * (p[0] & 15);
	put_be16(p + n, two ? 0x1000 : 0xbede);
	ext_at = n += 4;
	for (size_t i = rng_below(rng, 8); i; i--) {
		uint8_t len = (uint8_t)(two ? rng_below(rng, 40) : 1 + rng_below(rng, 16));
		uint8_t id = (uint8_t)(1 + rng_below(rng, 14));

		if (two) {
			p[n++] = id;
			p[n++] = len;
		} else {
			p[n++] = (uint8_t)(id << 4 | (len - 1));
		}
		n += len;
		if (rng_below(rng, 3) == 0)
			p[n++] = 0;
	}
	while ((n - ext_at) % 4)
		p[n++] = 0;
	words = (n - ext_at) / 4;
	put_be16(p + ext_at - 2, (uint16_t)words);
	return n + rng_below(rng, 20);
}

/* Whatever the shape, a header written with every id mapped to itself reads back to the same elements. */
static void any_header_survives_an_identity_map(void)
{
	static const uint8_t map[16] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14 };
	struct rng rng;

	rng_seed(&rng, 1);
	for (int turn = 0; turn < 20000; turn++) {
		uint8_t in[1024], out[1024];
		struct rtp a, b;
		struct rtp_out o = { .ext_map = map };
		size_t n = random_packet(&rng, in);

		EQ(rtp_parse(span_of(in, n), &a), 0);
		o.pt = a.pt, o.seq = a.seq, o.ts = a.ts, o.ssrc = a.ssrc;
		n = rtp_write_header(out, sizeof(out), &a, &o);
		memcpy(out + n, in + a.payload_at, a.payload_n);
		EQ(rtp_parse(span_of(out, n + a.payload_n), &b), 0);
		EQ(b.n_ext, a.n_ext);
		for (size_t i = 0; i < a.n_ext; i++) {
			EQ(b.ext[i].id, a.ext[i].id);
			EQ_SPAN(span_of(out + b.ext[i].at, b.ext[i].len), span_of(in + a.ext[i].at, a.ext[i].len));
		}
		EQ(b.payload_at, n);
		EQ(b.marker, a.marker);
		if (t_failures)
			return;
	}
}

T_MAIN(T(every_field_is_read_where_it_is), T(wrong_lengths_are_refused), T(both_extension_forms_are_read),
       T(more_elements_than_we_keep), T(the_new_header_says_what_was_mapped), T(the_fixed_part_is_the_subscribers),
       T(any_header_survives_an_identity_map))
