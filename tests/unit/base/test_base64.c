/* SPDX-License-Identifier: AGPL-3.0-only */
#include "base/base64.h"

#include "t.h"

/* RFC 4648 10: the test vectors, both ways. */
static void rfc4648_vectors_read_and_write(void)
{
	const struct {
		const char *plain, *std, *url;
	} rows[] = {
		{ "", "", "" },
		{ "f", "Zg==", "Zg" },
		{ "fo", "Zm8=", "Zm8" },
		{ "foo", "Zm9v", "Zm9v" },
		{ "foob", "Zm9vYg==", "Zm9vYg" },
		{ "fooba", "Zm9vYmE=", "Zm9vYmE" },
		{ "foobar", "Zm9vYmFy", "Zm9vYmFy" },
		{ "\xfb\xff\xbf", "+/+/", "-_-_" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t buf[16];
		struct wr w;

		t_row = rows[i].plain;
		w = wr_from(buf, sizeof(buf));
		base64_write(&w, span_str(rows[i].plain));
		EQ_SPAN(wr_span_of(&w), span_str(rows[i].std));
		w = wr_from(buf, sizeof(buf));
		base64url_write(&w, span_str(rows[i].plain));
		EQ_SPAN(wr_span_of(&w), span_str(rows[i].url));
		w = wr_from(buf, sizeof(buf));
		EQ(base64_read(span_str(rows[i].std), &w), 0);
		EQ_SPAN(wr_span_of(&w), span_str(rows[i].plain));
		w = wr_from(buf, sizeof(buf));
		EQ(base64url_read(span_str(rows[i].url), &w), 0);
		EQ_SPAN(wr_span_of(&w), span_str(rows[i].plain));
	}
}

/* RFC 4648 3.2 to 3.5: one text per value; a failed reader leaves the writer as it was. */
static void second_spellings_are_refused(void)
{
	const struct {
		const char *row, *text;
		bool url;
	} rows[] = {
		{ "no padding: ", "Zg", false },
		{ "half of the padding: ", "Zg=", false },
		{ "too much padding: ", "Zm9v====", false },
		{ "nothing but padding: ", "====", false },
		{ "padding inside: ", "Zg==Zg==", false },
		{ "one padding, then a letter: ", "Zg=v", false },
		{ "trailing bits of two letters: ", "Zh==", false },
		{ "trailing bits of three letters: ", "Zm9=", false },
		{ "white space: ", "Zm 9", false },
		{ "line end: ", "Zm9v\n", false },
		{ "letters of the other alphabet: ", "-_-_", false },
		{ "url, padded: ", "Zg==", true },
		{ "url, one letter left: ", "Zm9vZ", true },
		{ "url, trailing bits: ", "Zh", true },
		{ "url, letters of the other alphabet: ", "+/+/", true },
		{ "url, beyond ASCII: ", "Zm9\xc3", true },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t buf[16];
		struct wr w = wr_from(buf, sizeof(buf));

		t_row = rows[i].row;
		EQ((rows[i].url ? base64url_read : base64_read)(span_str(rows[i].text), &w), ERR_MALFORMED);
		EQ(wr_len(&w), 0);
		OK(!w.bad);
	}
}

/* A value that does not fit is ERR_LIMIT when read and a failed writer when written. */
static void room_is_counted_exactly(void)
{
	uint8_t buf[8];
	struct wr w = wr_from(buf, 5);

	EQ(base64_read(SPAN_LIT("Zm9vYmFy"), &w), ERR_LIMIT);
	EQ(wr_len(&w), 0);
	w = wr_from(buf, 6);
	EQ(base64_read(SPAN_LIT("Zm9vYmFy"), &w), 0);
	w = wr_from(buf, 7);
	base64_write(&w, SPAN_LIT("fooba"));
	OK(w.bad);
	w = wr_from(buf, 7);
	base64url_write(&w, SPAN_LIT("fooba"));
	OK(!w.bad);
	EQ(wr_len(&w), 7);
}

T_MAIN(T(rfc4648_vectors_read_and_write), T(second_spellings_are_refused), T(room_is_counted_exactly))
