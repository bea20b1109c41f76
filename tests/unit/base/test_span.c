/* SPDX-License-Identifier: AGPL-3.0-only */
#include "base/span.h"

#include "t.h"

/* Big-endian in, big-endian out: what the writer writes the reader reads. */
static void reader_undoes_writer(void)
{
	uint8_t buf[64];
	struct wr w = wr_from(buf, sizeof(buf));
	struct rd r;

	wr_u8(&w, 0x01);
	wr_be16(&w, 0x2345);
	wr_be24(&w, 0x6789ab);
	wr_be32(&w, 0xcdef0123);
	wr_be64(&w, UINT64_C(0xfedcba9876543210));
	wr_str(&w, "hi");
	wr_zero(&w, 2);
	EQ_SPAN(wr_span_of(&w), SPAN_LIT("\x01\x23\x45\x67\x89\xab\xcd\xef\x01\x23\xfe\xdc\xba\x98\x76\x54\x32\x10hi\0\0"));
	r = rd_from(wr_span_of(&w));
	EQ(rd_u8(&r), 0x01);
	EQ(rd_be16(&r), 0x2345);
	EQ(rd_be24(&r), 0x6789ab);
	EQ(rd_be32(&r), 0xcdef0123);
	OK(rd_be64(&r) == UINT64_C(0xfedcba9876543210));
	EQ_SPAN(rd_span(&r, 2), SPAN_LIT("hi"));
	rd_skip(&r, 2);
	EQ(rd_left(&r), 0);
	OK(!r.bad);
}

/* A reader fails once, stays failed and yields zeros, even for what would still fit. */
static void failed_reader_yields_zeros(void)
{
	struct rd r = rd_from(SPAN_LIT("\xff\xff\xff"));

	EQ(rd_be32(&r), 0);
	OK(r.bad);
	EQ(rd_u8(&r), 0);
	EQ(rd_be16(&r), 0);
	EQ(rd_be24(&r), 0);
	OK(rd_be64(&r) == 0);
	EQ(rd_left(&r), 0);
	EQ(rd_span(&r, 0).n, 0);
	OK(!rd_take(&r, 1));
}

/* A writer that ran out writes nothing more and shows nothing of what it wrote. */
static void failed_writer_shows_nothing(void)
{
	uint8_t buf[4] = { 9, 9, 9, 9 };
	struct wr w = wr_from(buf, 3);

	wr_be16(&w, 0x0102);
	wr_be16(&w, 0x0304);
	OK(w.bad);
	wr_u8(&w, 5);
	wr_zero(&w, 1);
	wr_bytes(&w, "x", 1);
	EQ_SPAN(span_of(buf, 4), SPAN_LIT("\x01\x02\x09\x09"));
	EQ(wr_span_of(&w).n, 0);
	EQ(wr_left(&w), 0);
}

/* An empty span may have no address; nothing is read from it or written through it. */
static void empty_spans_need_no_address(void)
{
	struct rd r = rd_from(span_of(NULL, 0));
	struct wr w = wr_from(NULL, 0);

	EQ(rd_left(&r), 0);
	EQ(rd_span(&r, 0).n, 0);
	OK(!r.bad);
	EQ(rd_u8(&r), 0);
	OK(r.bad);
	wr_span(&w, span_of(NULL, 0));
	wr_zero(&w, 0);
	OK(!w.bad);
	wr_u8(&w, 1);
	OK(w.bad);
	OK(span_eq(span_of(NULL, 0), SPAN_LIT("")));
	OK(span_is(span_of(NULL, 0), ""));
	OK(!span_is(SPAN_LIT("a"), "ab"));
	OK(!span_is(SPAN_LIT("ab"), "ac"));
}

/* The length in front of a block is its size, blocks nest, and more than 65535 bytes is an error. */
static void length_prefix_covers_its_block(void)
{
	static uint8_t big[70000];
	uint8_t buf[16];
	struct wr w = wr_from(buf, sizeof(buf));
	size_t outer = wr_len16(&w), inner;

	wr_u8(&w, 1);
	inner = wr_len16(&w);
	wr_be16(&w, 0xabcd);
	wr_len16_end(&w, inner);
	wr_len16_end(&w, outer);
	EQ_SPAN(wr_span_of(&w), SPAN_LIT("\0\x05\x01\0\x02\xab\xcd"));

	w = wr_from(big, sizeof(big));
	outer = wr_len16(&w);
	wr_zero(&w, 65535);
	wr_len16_end(&w, outer);
	OK(!w.bad);
	EQ(be16_at(big), 65535);
	wr_u8(&w, 0);
	wr_len16_end(&w, outer);
	OK(w.bad);
}

/* Text forms: decimal without padding, two lower-case digits per byte. */
static void writes_numbers_as_text(void)
{
	static const struct { uint64_t v; const char *want; } rows[] = {
		{ 0, "0" }, { 9, "9" }, { 10, "10" }, { 1234567890, "1234567890" }, { UINT64_MAX, "18446744073709551615" },
	};
	uint8_t buf[32];
	struct wr w;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		w = wr_from(buf, sizeof(buf));
		wr_dec(&w, rows[i].v);
		EQ_SPAN(wr_span_of(&w), span_str(rows[i].want));
	}
	w = wr_from(buf, sizeof(buf));
	wr_hex(&w, SPAN_LIT("\x00\x9f\xff"));
	EQ_SPAN(wr_span_of(&w), SPAN_LIT("009fff"));
}

T_MAIN(T(reader_undoes_writer), T(failed_reader_yields_zeros), T(failed_writer_shows_nothing),
       T(empty_spans_need_no_address), T(length_prefix_covers_its_block), T(writes_numbers_as_text))
