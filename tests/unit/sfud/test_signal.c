/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sfud/signal/signal.h"

#include "t.h"

static struct sig_in got;
static uint8_t buf[4096];

static enum sig_kind parse(const char *text)
{
	sig_parse(span_str(text), buf, sizeof(buf), &got);
	return got.kind;
}

/* docs/signalling.md: every message of a client is known by its key, in any order, with members nobody knows. */
static void messages_are_known_by_their_key(void)
{
	const struct {
		const char *text;
		enum sig_kind want;
	} rows[] = {
		{ "{\"kind\":\"offer\",\"sdp\":\"v=0\\r\\n\"}", SIG_OFFER },
		{ "{\"sdp\":\"v=0\\r\\n\",\"future\":[1,{}],\"kind\":\"offer\"}", SIG_OFFER },
		{ "{\"type\":\"answer-renegotiate\",\"sdp\":\"v=0\\r\\n\",\"mid\":\"3\"}", SIG_ANSWER },
		{ "{\"type\":\"answer-renegotiate\",\"sdp\":\"v=0\\r\\n\"}", SIG_ANSWER },
		{ "{\"kind\":\"bwe-hint\",\"bps\":0}", SIG_BWE_HINT },
		{ "{\"kind\":\"bwe-hint\",\"bps\":18446744073709551615}", SIG_BWE_HINT },
		{ "{\"kind\":\"ice\",\"candidate\":\"candidate:1\"}", SIG_ICE },
		{ "{\"kind\":\"ice\"}", SIG_ICE },
		{ "{}", SIG_OTHER },
		{ "{\"kind\":\"answer\",\"sdp\":\"x\"}", SIG_OTHER },
		{ "{\"type\":\"offer\",\"sdp\":\"x\"}", SIG_OTHER },
		{ "{\"kind\":\"Offer\",\"sdp\":\"x\"}", SIG_OTHER },
		{ "{\"kind\":1}", SIG_OTHER },
		{ "{\"kind\":\"a kind that is longer than any we know\"}", SIG_OTHER },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		t_row = rows[i].text;
		EQ(parse(rows[i].text), rows[i].want);
		if (rows[i].want == SIG_OFFER || rows[i].want == SIG_ANSWER)
			EQ_SPAN(got.sdp, span_str("v=0\r\n"));
	}
	EQ(parse("{\"kind\":\"bwe-hint\",\"bps\":18446744073709551615}"), SIG_BWE_HINT);
	OK(got.bps == UINT64_MAX);
}

/* What is not an object, or is one of ours with a wrong field, is malformed; nothing of it is kept. */
static void wrong_messages_are_malformed(void)
{
	const char *const rows[] = {
		"", " ", "offer", "\"offer\"", "null", "[]", "[{\"kind\":\"ice\"}]", "{\"kind\":\"ice\"", "{\"kind\":\"ice\"}x",
		"{\"kind\":\"ice\",\"kind\":\"offer\"}", "{kind:\"ice\"}", "{\"kind\":\"ice\",}", "{\"kind\":\"\xff\"}",
		"{\"kind\":\"offer\"}", "{\"kind\":\"offer\",\"sdp\":\"\"}", "{\"kind\":\"offer\",\"sdp\":7}",
		"{\"kind\":\"offer\",\"sdp\":null}", "{\"kind\":\"offer\",\"sdp\":{\"sdp\":\"x\"}}",
		"{\"kind\":\"offer\",\"sdp\":\"\\u0000\"}",
		"{\"type\":\"answer-renegotiate\"}", "{\"type\":\"answer-renegotiate\",\"sdp\":[]}", "{\"kind\":\"bwe-hint\"}",
		"{\"kind\":\"bwe-hint\",\"bps\":-1}", "{\"kind\":\"bwe-hint\",\"bps\":1.5}",
		"{\"kind\":\"bwe-hint\",\"bps\":\"1\"}",
		"{\"kind\":\"bwe-hint\",\"bps\":18446744073709551616}",
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		t_row = rows[i];
		EQ(parse(rows[i]), SIG_MALFORMED);
		EQ(got.sdp.n, 0);
		EQ(got.bps, 0);
	}
}

/* signal.h: a buffer as large as the text is always enough, and a smaller one is never overrun. */
static void sdp_fits_a_buffer_of_the_size_of_the_text(void)
{
	static const char text[] = "{\"kind\":\"offer\",\"sdp\":\"0123456789\"}";

	sig_parse(span_str(text), buf, sizeof(text) - 1, &got);
	EQ(got.kind, SIG_OFFER);
	sig_parse(span_str(text), buf, 11, &got); /* with its NUL */
	EQ(got.kind, SIG_OFFER);
	EQ_SPAN(got.sdp, span_str("0123456789"));
	for (size_t cap = 0; cap < 11; cap++) {
		sig_parse(span_str(text), buf, cap, &got);
		EQ(got.kind, SIG_MALFORMED);
	}
}

/* A message with more members than any of ours is not read to its end. */
static void token_bound_is_malformed_not_a_crash(void)
{
	static char text[2048];
	struct wr w = wr_from(text, sizeof(text));

	wr_str(&w, "{\"kind\":\"ice\",\"x\":[0");
	for (int i = 0; i < 200; i++)
		wr_str(&w, ",0");
	wr_str(&w, "]}");
	sig_parse(wr_span_of(&w), buf, sizeof(buf), &got);
	EQ(got.kind, SIG_MALFORMED);
}

/* docs/signalling.md: what clients of the existing system read, to the byte. */
static void messages_are_written_to_the_byte(void)
{
	static const uint64_t ids[] = { 7, 0, UINT64_MAX };
	const struct sig_track tracks[] = { { "3", 7, false, false }, { "4", 7, true, true } };
	char text[512];
	struct wr w = wr_from(text, sizeof(text));

	sig_write_answer(&w, span_str("v=0\r\n"));
	EQ_SPAN(wr_span_of(&w), span_str("{\"kind\":\"answer\",\"sdp\":\"v=0\\r\\n\"}"));
	w = wr_from(text, sizeof(text));
	sig_write_offer(&w, span_str("v=0\r\n"), "3");
	EQ_SPAN(wr_span_of(&w), span_str("{\"type\":\"offer-renegotiate\",\"sdp\":\"v=0\\r\\n\",\"mid\":\"3\"}"));
	w = wr_from(text, sizeof(text));
	sig_write_map(&w, ids, 3);
	EQ_SPAN(wr_span_of(&w), span_str("{\"type\":\"tracks_map\",\"tracks\":[{\"stream_id\":\"peer-7\",\"peer_id\":7},"
					 "{\"stream_id\":\"peer-0\",\"peer_id\":0},{\"stream_id\":"
					 "\"peer-18446744073709551615\",\"peer_id\":18446744073709551615}]}"));
	w = wr_from(text, sizeof(text));
	sig_write_map(&w, NULL, 0);
	EQ_SPAN(wr_span_of(&w), span_str("{\"type\":\"tracks_map\",\"tracks\":[]}"));
	w = wr_from(text, sizeof(text));
	sig_write_update(&w, tracks, 2);
	EQ_SPAN(wr_span_of(&w),
		span_str("{\"type\":\"tracks_map_update\",\"tracks\":[{\"mid\":\"3\",\"peer_id\":7,\"kind\":\"audio\","
			 "\"stream_id\":\"peer-7\"},{\"mid\":\"4\",\"peer_id\":7,\"kind\":\"video\","
			 "\"stream_id\":\"peer-7-screen\"}]}"));
	w = wr_from(text, sizeof(text));
	sig_stream_id(&w, 7);
	EQ_SPAN(wr_span_of(&w), span_str("peer-7"));
}

/* A message that does not fit is none: the writer says so at every size that is too small. */
static void a_message_that_does_not_fit_is_bad(void)
{
	static const size_t whole = sizeof("{\"kind\":\"answer\",\"sdp\":\"v=0\\r\\n\"}") - 1;
	char text[128];

	for (size_t n = 0; n <= whole; n++) {
		struct wr w = wr_from(text, n);

		sig_write_answer(&w, span_str("v=0\r\n"));
		EQ(w.bad, n < whole);
	}
}

T_MAIN(T(messages_are_known_by_their_key), T(wrong_messages_are_malformed), T(sdp_fits_a_buffer_of_the_size_of_the_text),
       T(token_bound_is_malformed_not_a_crash), T(messages_are_written_to_the_byte), T(a_message_that_does_not_fit_is_bad))
