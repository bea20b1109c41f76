/* SPDX-License-Identifier: AGPL-3.0-only */
/* budget: a row of the reject tables is read as one line */
#include "base/json.h"

#include "base/rng.h"
#include "t.h"

#define TOKENS 256

static struct json_tok tok[TOKENS];

static int parse(const char *text, struct json *ret)
{
	return json_parse(span_str(text), tok, TOKENS, ret);
}

/* RFC 8259: every text of its grammar is read. */
static void accepts_the_grammar(void)
{
	static const char *const rows[] = {
		"null", "true", "false", "0", "-0", "1", "-1", "10", "0.5", "-0.5e10", "1E+2", "1e-2", "1e0001", "0e0",
		"123456789012345678901234567890123456789012345678901234567890.1e999999999", "\"\"", "\"a\"", " \t\r\n1 \t\r\n",
		"[]", "[ ]", "{}", "{ }", "[1,2]", "[ 1 , 2 ]", "[[],[],{}]", "{\"a\":1}", "{ \"a\" : 1 , \"b\" : [ ] }",
		"{\"\":0}", "{\"a\":{\"a\":{\"a\":0}}}", "{\"a\":1,\"A\":2}", "[{\"a\":1},{\"a\":1}]",
		"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\u0001\\u00e9\\u20AC\\ud83d\\ude00\"", "\"\\uDBFF\\uDFFF\"", "\"\x7f\"",
		"\"\xc2\x80\xdf\xbf\"", "\"\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf\"", "\"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\"",
		"[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]",
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct json j;

		t_row = rows[i];
		EQ(parse(rows[i], &j), 0);
		EQ(j.tok[0].skip, j.n);
	}
}

/* RFC 8259 and json.h: anything else is refused, and so is what two readers could read differently. */
static void refuses_everything_else(void)
{
	static const char *const rows[] = {
		"", " ", "nul", "nulL", "True", "truefalse", "true false", "1 2", "+1", "-", "01", "-01", "1.", ".5", "1.e1", "1e",
		"1e+", "1e+-1", "0x10", "Infinity", "NaN", "1a", "'a'", "\"", "\"a", "\"\\\"", "\"\\", "\"\\a\"", "\"\\x41\"", "\"\\U0041\"",
		"\"\\u\"", "\"\\u004\"", "\"\\u004g\"", "\"\\u 041\"", "\"\\u0000\"", "\"a\\u0000b\"",
		"\"\\ud800\"", "\"\\udc00\"", "\"\\ud800x\"", "\"\\ud800\\n\"", "\"\\ud800\\ud800\"", "\"\\ud800\\u0041\"",
		"\"\\ude00\\ud83d\"", "\"\\ud83d\\ude0\"", "\"\\ud83d\\",
		"\"\n\"", "\"\t\"", "\"\x1f\"", "\"\x80\"", "\"\xc0\x80\"", "\"\xc1\xbf\"", "\"\xc2\"", "\"\xc2\x20\"", "\"\xe0\x80\x80\"",
		"\"\xe0\x9f\xbf\"", "\"\xed\xa0\x80\"", "\"\xed\xbf\xbf\"", "\"\xe2\x82\"", "\"\xf0\x80\x80\x80\"", "\"\xf0\x8f\xbf\xbf\"",
		"\"\xf4\x90\x80\x80\"", "\"\xf5\x80\x80\x80\"", "\"\xf8\x88\x80\x80\x80\"", "\"\xff\"", "\xef\xbb\xbf{}",
		"[", "]", "[1", "[1,", "[1,]", "[,1]", "[1 2]", "[1}", "{", "}", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,", "{\"a\":1,}",
		"{,\"a\":1}", "{a:1}", "{1:1}", "{\"a\" 1}", "{\"a\":1 \"b\":2}", "{\"a\":1]", "{\"a\":,}", "[1]]", "{}{}", "/**/1",
		"{\"a\":1,\"a\":1}", "{\"a\":1,\"b\":2,\"a\":3}", "{\"a\":1,\"\\u0061\":2}", "{\"\\u00e9\":1,\"\xc3\xa9\":2}",
		"{\"\\ud83d\\ude00\":1,\"\xf0\x9f\x98\x80\":2}", "{\"\":1,\"\":2}", "[{\"x\":{\"k\":[{}],\"k\":0}}]", "\v1", "\f1",
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct json j = { .n = 77 };

		t_row = rows[i];
		EQ(parse(rows[i], &j), ERR_MALFORMED);
		EQ(j.n, 77);
	}
	t_row = "NUL byte: ";
	EQ(json_parse(SPAN_LIT("\"a\0b\""), tok, TOKENS, &(struct json){ 0 }), ERR_MALFORMED);
	EQ(json_parse(SPAN_LIT("1\0"), tok, TOKENS, &(struct json){ 0 }), ERR_MALFORMED);
	EQ(json_parse(span_of(NULL, 0), tok, TOKENS, &(struct json){ 0 }), ERR_MALFORMED);
}

/* The bounds are the caller's tokens and JSON_DEPTH; both are told from malformed text. */
static void bounds_are_limits(void)
{
	static char deep[100000];
	struct json j;

	EQ(parse("[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]", &j), ERR_LIMIT);
	memset(deep, '[', sizeof(deep));
	EQ(json_parse(span_of(deep, sizeof(deep)), tok, TOKENS, &j), ERR_LIMIT);
	for (size_t i = 0; i + 5 <= sizeof(deep); i += 5)
		memcpy(deep + i, "{\"a\":", 5);
	EQ(json_parse(span_of(deep, sizeof(deep)), tok, TOKENS, &j), ERR_LIMIT);
	EQ(json_parse(SPAN_LIT("[1,{\"a\":2}]"), tok, 5, &j), 0);
	EQ(j.n, 5);
	for (uint32_t max = 0; max < 5; max++)
		EQ(json_parse(SPAN_LIT("[1,{\"a\":2}]"), tok, max, &j), ERR_LIMIT);
}

/* A walk over siblings meets each element once; for objects it meets keys, and the value is the next token. */
static void walks_siblings(void)
{
	struct json j;
	int at, n = 0;

	EQ(parse("{\"a\":[1,[2,3],{\"x\":[]}],\"b\":{},\"c\":[],\"d\":\"s\\n\"}", &j), 0);
	for (at = json_first(&j, 0); at >= 0; at = json_next(&j, 0, at)) {
		EQ(j.text.p[j.tok[at].at], 'a' + n);
		EQ(j.tok[at].children, 0);
		n++;
	}
	EQ(n, 4);
	EQ(j.tok[0].children, 4);
	at = json_get(&j, 0, "a");
	EQ(json_type_of(&j, at), JSON_ARRAY);
	EQ(j.tok[at].children, 3);
	at = json_first(&j, at);
	EQ(json_type_of(&j, at), JSON_NUMBER);
	at = json_next(&j, json_get(&j, 0, "a"), at);
	EQ_SPAN(json_raw(&j, at), SPAN_LIT("[2,3]"));
	at = json_next(&j, json_get(&j, 0, "a"), at);
	EQ_SPAN(json_raw(&j, at), SPAN_LIT("{\"x\":[]}"));
	EQ(json_next(&j, json_get(&j, 0, "a"), at), -1);
	EQ(json_first(&j, json_get(&j, 0, "b")), -1);
	EQ(json_first(&j, json_get(&j, 0, "c")), -1);
	EQ(json_first(&j, json_get(&j, 0, "d")), -1);
	EQ_SPAN(json_raw(&j, json_get(&j, 0, "d")), SPAN_LIT("\"s\\n\""));
	EQ(json_raw(&j, -1).n, 0);
	EQ(json_first(&j, -1), -1);
	EQ(json_next(&j, -1, 3), -1);
	EQ(json_first(&j, (int)j.n), -1);
}

/* Keys are compared unescaped, whole, and only among the members of the object asked. */
static void finds_members(void)
{
	static const struct { const char *key; int want; } rows[] = {
		{ "a", 0 }, { "e\n", 1 }, { "\xc3\xa9", 2 }, { "", 3 }, { "a\\nb", 4 }, { "inner", -1 }, { "A", -1 }, { "aa", -1 },
		{ "e", -1 }, { "e\\n", -1 }, { "\xc3", -1 }, { "\xff", -1 }, { "a\nb", -1 }, { "\\u00e9", -1 },
	};
	struct json j;
	uint64_t v;

	EQ(parse("{\"a\":0,\"e\\n\":1,\"\\u00e9\":2,\"\":3,\"a\\\\nb\":4,\"o\":{\"inner\":9}}", &j), 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		t_row = rows[i].key;
		v = 99;
		EQ(json_get_u64(&j, 0, rows[i].key, &v), rows[i].want < 0 ? ERR_MISSING : 0);
		EQ(v, rows[i].want < 0 ? 99 : (uint64_t)rows[i].want);
	}
	EQ(json_get(&j, -1, "a"), -1);
	EQ(json_get(&j, 1, "a"), -1);
	EQ(json_get_u64(&j, json_get(&j, 0, "o"), "inner", &v), 0);
	EQ(v, 9);
}

/* Integers are read exactly or not at all. */
static void numbers_are_exact(void)
{
	static const struct { const char *text; int want; uint64_t v; } rows[] = {
		{ "{\"n\":0}", 0, 0 }, { "{\"n\":18446744073709551615}", 0, UINT64_MAX },
		{ "{\"n\":9007199254740993}", 0, UINT64_C(9007199254740993) },
		{ "{\"n\":18446744073709551616}", ERR_MALFORMED, 0 }, { "{\"n\":99999999999999999999}", ERR_MALFORMED, 0 },
		{ "{\"n\":-1}", ERR_MALFORMED, 0 }, { "{\"n\":-0}", ERR_MALFORMED, 0 }, { "{\"n\":1.0}", ERR_MALFORMED, 0 },
		{ "{\"n\":1e3}", ERR_MALFORMED, 0 }, { "{\"n\":\"1\"}", ERR_MALFORMED, 0 }, { "{\"n\":null}", ERR_MALFORMED, 0 },
		{ "{\"n\":true}", ERR_MALFORMED, 0 }, { "{\"n\":[1]}", ERR_MALFORMED, 0 }, { "{}", ERR_MISSING, 0 },
		{ "[1]", ERR_MISSING, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t v = 5;
		struct json j;

		t_row = rows[i].text;
		EQ(parse(rows[i].text, &j), 0);
		EQ(json_get_u64(&j, 0, "n", &v), rows[i].want);
		OK(v == (rows[i].want ? 5 : rows[i].v));
	}
}

/* Strings come unescaped and terminated, or the buffer stays as it was. */
static void strings_fit_or_nothing_is_written(void)
{
	struct json j;
	char buf[16] = "before";
	uint8_t small[2];
	struct wr w = wr_from(small, 2);
	size_t n = 77;
	bool b = false;

	EQ(parse("{\"s\":\"a\\u00e9\\ud83d\\ude00\\/\",\"e\":\"\",\"t\":true,\"f\":false}", &j), 0);
	EQ(json_get_str(&j, 0, "s", buf, 8, &n), ERR_LIMIT);
	EQ(json_get_str(&j, 0, "s", buf, 0, &n), ERR_LIMIT);
	EQ(json_get_str(&j, 0, "t", buf, 16, &n), ERR_MALFORMED);
	EQ(json_get_str(&j, 0, "x", buf, 16, &n), ERR_MISSING);
	EQ_STR(buf, "before");
	EQ(n, 77);
	EQ(json_get_str(&j, 0, "s", buf, 9, &n), 0);
	EQ_STR(buf, "a\xc3\xa9\xf0\x9f\x98\x80/");
	EQ(n, 8);
	EQ(json_get_str(&j, 0, "e", buf, 1, NULL), 0);
	EQ_STR(buf, "");
	EQ(json_get_bool(&j, 0, "t", &b), 0);
	OK(b);
	EQ(json_get_bool(&j, 0, "f", &b), 0);
	OK(!b);
	EQ(json_get_bool(&j, 0, "s", &b), ERR_MALFORMED);
	json_unescape(&j, json_get(&j, 0, "s"), &w);
	OK(w.bad);
	w = wr_from(buf, sizeof(buf));
	json_unescape(&j, json_get(&j, 0, "t"), &w);
	OK(w.bad);
	w = wr_from(buf, sizeof(buf));
	json_unescape(&j, -1, &w);
	OK(w.bad);
}

/* The writer puts every comma, and only there. */
static void writer_knows_its_commas(void)
{
	uint8_t buf[256];
	struct wr w = wr_from(buf, sizeof(buf));
	struct json_out o = json_out(&w);

	jo_obj(&o);
	jo_key(&o, "a");
	jo_arr(&o);
	jo_u64(&o, 0);
	jo_u64(&o, UINT64_MAX);
	jo_arr(&o);
	jo_arr_end(&o);
	jo_obj(&o);
	jo_obj_end(&o);
	jo_raw(&o, SPAN_LIT("-1.5"));
	jo_arr_end(&o);
	jo_key(&o, "b\"");
	jo_bool(&o, true);
	jo_key(&o, "c");
	jo_str(&o, SPAN_LIT("/\\\"\b\f\n\r\t\x01\x1f\x7f\xc3\xa9"));
	jo_key(&o, "d");
	jo_bool(&o, false);
	jo_obj_end(&o);
	EQ_SPAN(wr_span_of(&w),
		SPAN_LIT("{\"a\":[0,18446744073709551615,[],{},-1.5],\"b\\\"\":true,"
			 "\"c\":\"/\\\\\\\"\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\xc3\xa9\",\"d\":false}"));
}

/* A misuse or a string our own parser would refuse spoils the writer instead of the document. */
static void writer_fails_rather_than_lies(void)
{
	static const char *const bad[] = { "\xff", "\xc3", "\xed\xa0\x80", "a\x80" };
	uint8_t buf[64];
	struct json_out o;
	struct wr w;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		w = wr_from(buf, sizeof(buf));
		o = json_out(&w);
		jo_str(&o, span_str(bad[i]));
		OK(w.bad);
	}
	w = wr_from(buf, sizeof(buf)), o = json_out(&w);
	jo_str(&o, SPAN_LIT("a\0b"));
	OK(w.bad);
	w = wr_from(buf, sizeof(buf)), o = json_out(&w);
	jo_obj_end(&o);
	OK(w.bad);
	w = wr_from(buf, sizeof(buf)), o = json_out(&w);
	jo_u64(&o, 1);
	jo_u64(&o, 2);
	OK(w.bad);
	w = wr_from(buf, sizeof(buf)), o = json_out(&w);
	jo_obj(&o);
	jo_key(&o, "a");
	jo_obj_end(&o);
	OK(w.bad);
	w = wr_from(buf, sizeof(buf)), o = json_out(&w);
	for (int i = 0; i < 40; i++)
		jo_arr(&o);
	OK(w.bad);
	w = wr_from(buf, 3), o = json_out(&w);
	jo_str(&o, SPAN_LIT("abc"));
	OK(w.bad);
}

static void write_random(struct json_out *o, struct rng *rng, int depth)
{
	char key[] = "k0\n";
	uint8_t s[3];

	switch (rng_below(rng, depth < 4 ? 6 : 4)) {
	case 0:
		jo_u64(o, rng_u64(rng));
		return;
	case 1:
		jo_bool(o, rng_below(rng, 2));
		return;
	case 2:
		jo_raw(o, SPAN_LIT("null"));
		return;
	case 3:
		for (size_t i = 0; i < sizeof(s); i++)
			s[i] = (uint8_t)(1 + rng_below(rng, 127));
		jo_str(o, span_of(s, sizeof(s)));
		return;
	case 4:
		jo_arr(o);
		for (uint32_t n = rng_below(rng, 4); n; n--)
			write_random(o, rng, depth + 1);
		jo_arr_end(o);
		return;
	default:
		jo_obj(o);
		for (uint32_t n = rng_below(rng, 4); n; n--) {
			key[1]++;
			jo_key(o, key);
			write_random(o, rng, depth + 1);
		}
		jo_obj_end(o);
	}
}

static void copy(const struct json *j, int at, struct json_out *o)
{
	char buf[64];
	struct wr w = wr_from(buf, sizeof(buf) - 1);
	enum json_type type = json_type_of(j, at);

	if (type == JSON_STRING) {
		json_unescape(j, at, &w);
		jo_str(o, wr_span_of(&w));
	} else if (type == JSON_OBJECT) {
		jo_obj(o);
		for (int k = json_first(j, at); k >= 0; k = json_next(j, at, k)) {
			w = wr_from(buf, sizeof(buf) - 1);
			json_unescape(j, k, &w);
			buf[wr_len(&w)] = 0;
			EQ(json_get(j, at, buf), k + 1);
			jo_key(o, buf);
			copy(j, k + 1, o);
		}
		jo_obj_end(o);
	} else if (type == JSON_ARRAY) {
		jo_arr(o);
		for (int k = json_first(j, at); k >= 0; k = json_next(j, at, k))
			copy(j, k, o);
		jo_arr_end(o);
	} else {
		jo_raw(o, json_raw(j, at));
	}
}

/* What is written parses, and writing what was parsed gives the same bytes. */
static void writer_and_parser_agree(void)
{
	static uint8_t a[65536], b[65536];
	struct rng rng;

	rng_seed(&rng, 10);
	for (int i = 0; i < 3000; i++) {
		struct wr wa = wr_from(a, sizeof(a)), wb = wr_from(b, sizeof(b));
		struct json_out oa = json_out(&wa), ob = json_out(&wb);
		struct json j;

		write_random(&oa, &rng, 0);
		OK(!wa.bad);
		EQ(json_parse(wr_span_of(&wa), tok, TOKENS, &j), 0);
		copy(&j, 0, &ob);
		EQ_SPAN(wr_span_of(&wb), wr_span_of(&wa));
	}
}

/* No damage to a document makes the parser read outside it or produce tokens outside it. */
static void damage_stays_inside(void)
{
	static const char good[] = "{\"a\":[1,2.5e3,\"x\\u00e9\\ud83d\\ude00\"],\"b\":{\"c\":null,\"d\":[true,false,{}]}}";
	struct rng rng;

	rng_seed(&rng, 11);
	for (int i = 0; i < 50000; i++) {
		char text[sizeof(good)];
		size_t n = rng_below(&rng, sizeof(good));
		struct json j;

		memcpy(text, good, sizeof(good));
		for (uint32_t k = rng_below(&rng, 3); k; k--)
			text[rng_below(&rng, sizeof(good) - 1)] = good[rng_below(&rng, sizeof(good) - 1)];
		if (rng_below(&rng, 2))
			n = sizeof(good) - 1;
		if (json_parse(span_of(text, n), tok, TOKENS, &j) < 0)
			continue;
		for (uint32_t t = 0; t < j.n; t++) {
			OK(tok[t].at + tok[t].len <= n);
			OK(tok[t].skip > t && tok[t].skip <= j.n);
		}
	}
}

T_MAIN(T(accepts_the_grammar), T(refuses_everything_else), T(bounds_are_limits), T(walks_siblings), T(finds_members),
       T(numbers_are_exact), T(strings_fit_or_nothing_is_written), T(writer_knows_its_commas),
       T(writer_fails_rather_than_lies), T(writer_and_parser_agree), T(damage_stays_inside))
