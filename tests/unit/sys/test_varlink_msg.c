/* SPDX-License-Identifier: AGPL-3.0-only */
#include "t.h"

#include "sys/varlink_msg.h"

#define TOKENS 64

/* A request is a JSON object with a method; flags are booleans, parameters an object or null. */
static void requests(void)
{
	const struct {
		const char *text;
		int want;
	} rows[] = {
		{ "{\"method\":\"io.oxpulse.Edge.Status\"}", 0 },
		{ " {\"method\":\"io.oxpulse.Edge.Status\",\"parameters\":{}} ", 0 },
		{ "{\"parameters\":null,\"method\":\"a.b.C\"}", 0 },
		{ "{\"method\":\"a.b.C\",\"parameters\":{\"x\":[1,{\"y\":2}]}}", 0 },
		{ "{\"method\":\"a.b.C\",\"oneway\":true}", 0 },
		{ "{\"method\":\"a.b.C\",\"oneway\":false,\"more\":true}", 0 },
		{ "{\"method\":\"a.b.C\",\"new member\":1}", 0 },
		{ "{\"method\":\"a.b.\\u0043\"}", 0 },
		{ "", ERR_MALFORMED },
		{ "{}", ERR_MALFORMED },
		{ "[]", ERR_MALFORMED },
		{ "null", ERR_MALFORMED },
		{ "\"a.b.C\"", ERR_MALFORMED },
		{ "{\"method\":\"a.b.C\"", ERR_MALFORMED },
		{ "{\"method\":\"a.b.C\"}}", ERR_MALFORMED },
		{ "{\"method\":\"a.b.C\"}{}", ERR_MALFORMED },
		{ "{\"method\":null}", ERR_MALFORMED },
		{ "{\"method\":1}", ERR_MALFORMED },
		{ "{\"method\":\"a.b.C\",\"method\":\"a.b.D\"}", ERR_MALFORMED },
		{ "{\"method\":\"a.b.C\",\"parameters\":[]}", ERR_MALFORMED },
		{ "{\"method\":\"a.b.C\",\"parameters\":\"{}\"}", ERR_MALFORMED },
		{ "{\"method\":\"a.b.C\",\"oneway\":1}", ERR_MALFORMED },
		{ "{\"method\":\"a.b.C\",\"more\":\"yes\"}", ERR_MALFORMED },
		{ "{\"method\":\"a.b.C\",\"upgrade\":null}", ERR_MALFORMED },
		{ "{\"method\":\"a.b.C\",\"oneway\":true,\"more\":true}", ERR_MALFORMED },
		{ "{\"method\":\"a.b.C\\n\"}", ERR_MALFORMED },
		{ "{\"method\":\"a.b.C\xff\"}", ERR_MALFORMED },
		{ "GET / HTTP/1.1\r\n\r\n", ERR_MALFORMED },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct json_tok tok[TOKENS];
		struct varlink_msg m = { .params = -7 };
		int r;

		t_row = rows[i].text;
		r = varlink_parse(span_str(rows[i].text), tok, TOKENS, &m);
		if (rows[i].want == ERR_MALFORMED && r == ERR_SHORT)
			r = ERR_MALFORMED;
		EQ(r, rows[i].want);
		EQ(m.params == -7, rows[i].want < 0); /* no output on failure */
	}
}

/* What was asked for comes out: names unescaped, parameters as a token, absent ones as -1. */
static void parts_of_a_request(void)
{
	static const char text[] = "{\"more\":true,\"parameters\":{\"n\":5},\"method\":\"io.ox\\u0070ulse.Edge.Status\"}";
	struct json_tok tok[TOKENS];
	struct varlink_msg m;
	uint64_t n = 0;

	EQ(varlink_parse(span_str(text), tok, TOKENS, &m), 0);
	EQ_STR(m.method, "io.oxpulse.Edge.Status");
	EQ(m.interface_n, strlen("io.oxpulse.Edge"));
	OK(m.more && !m.oneway && !m.upgrade);
	EQ(json_get_u64(&m.doc, m.params, "n", &n), 0);
	EQ(n, 5);
	EQ(varlink_parse(SPAN_LIT("{\"method\":\"a.b.C\",\"oneway\":true,\"parameters\":null}"), tok, TOKENS, &m), 0);
	OK(m.oneway && !m.more);
	EQ(m.params, -1);
}

/* Depth, number of tokens and length of the name have bounds. */
static void bounds(void)
{
	static const char head[] = "{\"method\":\"a.b.C\",\"parameters\":{\"x\":";
	struct json_tok tok[TOKENS];
	struct varlink_msg m;
	char text[1024];
	struct wr w;

	w = wr_from(text, sizeof(text));
	wr_str(&w, head);
	for (int i = 0; i < 300; i++)
		wr_u8(&w, '[');
	for (int i = 0; i < 300; i++)
		wr_u8(&w, ']');
	wr_str(&w, "}}");
	EQ(varlink_parse(wr_span_of(&w), tok, TOKENS, &m), ERR_LIMIT);
	w = wr_from(text, sizeof(text));
	wr_str(&w, head);
	wr_str(&w, "[0");
	for (int i = 0; i < TOKENS; i++)
		wr_str(&w, ",0");
	wr_str(&w, "]}}");
	EQ(varlink_parse(wr_span_of(&w), tok, TOKENS, &m), ERR_LIMIT);
	for (size_t n = VARLINK_METHOD_MAX - 1; n <= VARLINK_METHOD_MAX; n++) {
		w = wr_from(text, sizeof(text));
		wr_str(&w, "{\"method\":\"a.b.C");
		for (size_t i = 5; i < n; i++)
			wr_u8(&w, 'c');
		wr_str(&w, "\"}");
		EQ(varlink_parse(wr_span_of(&w), tok, TOKENS, &m), n < VARLINK_METHOD_MAX ? 0 : ERR_MALFORMED);
	}
}

/* A method is a reverse domain name of two labels or more, a dot, and a name that begins with a capital. */
static void method_names(void)
{
	const struct {
		const char *text;
		size_t want;
	} rows[] = {
		{ "a.b.C", 3 },	  { "io.oxpulse.Edge.Status", 15 }, { "org.varlink.service.GetInfo", 19 },
		{ "a.1.C2", 3 },  { "xn--lgbbat1ad8j.b.C", 17 },    { "A.B.C", 3 },
		{ "", 0 },	  { "C", 0 },			    { "a.C", 0 },
		{ ".a.b.C", 0 },  { "a..b.C", 0 },		    { "a.b.", 0 },
		{ "a.b.c", 0 },	  { "a.b.1", 0 },		    { "1.b.C", 0 },
		{ "a.-b.C", 0 },  { "a.b-.C", 0 },		    { "a.b.C-d", 0 },
		{ "a.b.C_d", 0 }, { "a b.c.D", 0 },		    { "a.b.C ", 0 },
		{ "...", 0 },	  { "a.b./C", 0 },		    { "a.b\xc3\xa4.C", 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		t_row = rows[i].text;
		EQ(varlink_method_split(span_str(rows[i].text)), rows[i].want);
	}
}

T_MAIN(T(requests), T(parts_of_a_request), T(bounds), T(method_names))
