/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * An accepted document, written again from its tokens, parses to the same values; any value of it, passed through as
 * written, is a document of its own.
 */
#include "fuzz.h"
#include "base/json.h"

#define TOKENS 512
#define TEXT_MAX 4096

static void write_value(const struct json *j, int at, struct json_out *o);

static struct span string_at(const struct json *j, int at, uint8_t *buf)
{
	struct wr w = wr_from(buf, TEXT_MAX);

	json_unescape(j, at, &w);
	MUST(!w.bad);
	return wr_span_of(&w);
}

static void write_children(const struct json *j, int at, struct json_out *o)
{
	bool object = json_type_of(j, at) == JSON_OBJECT;

	for (int k = json_first(j, at); k >= 0; k = json_next(j, at, k)) {
		uint8_t key[TEXT_MAX + 1];

		if (object) {
			struct span s = string_at(j, k, key);

			MUST(!memchr(s.p, 0, s.n));
			key[s.n] = '\0';
			jo_key(o, (const char *)key);
			MUST(json_get(j, at, (const char *)key) == k + 1);
		}
		write_value(j, object ? k + 1 : k, o);
	}
}

static void write_value(const struct json *j, int at, struct json_out *o)
{
	uint8_t text[TEXT_MAX];

	switch (json_type_of(j, at)) {
	case JSON_OBJECT:
		jo_obj(o);
		write_children(j, at, o);
		jo_obj_end(o);
		break;
	case JSON_ARRAY:
		jo_arr(o);
		write_children(j, at, o);
		jo_arr_end(o);
		break;
	case JSON_STRING:
		jo_str(o, string_at(j, at, text));
		break;
	case JSON_BOOL:
		jo_bool(o, json_raw(j, at).p[0] == 't');
		break;
	case JSON_NUMBER:
	case JSON_NULL:
		jo_raw(o, json_raw(j, at));
		break;
	}
}

/* Same shape and same values, whatever the spelling of strings and white space. */
static void must_agree(const struct json *a, int at, const struct json *b, int bt, uint32_t n)
{
	uint8_t x[TEXT_MAX], y[TEXT_MAX];

	for (uint32_t i = 0; i < n; i++) {
		int ai = at + (int)i, bi = bt + (int)i;
		enum json_type type = json_type_of(a, ai);

		MUST(type == json_type_of(b, bi));
		MUST(a->tok[ai].children == b->tok[bi].children);
		MUST(a->tok[ai].skip - (uint32_t)at == b->tok[bi].skip - (uint32_t)bt);
		if (type == JSON_STRING)
			MUST(span_eq(string_at(a, ai, x), string_at(b, bi, y)));
		else if (type != JSON_OBJECT && type != JSON_ARRAY)
			MUST(span_eq(json_raw(a, ai), json_raw(b, bi)));
	}
}

static void must_write_back(const struct json *j)
{
	static uint8_t out[6 * TEXT_MAX + 64];
	struct json_tok tok[TOKENS];
	struct wr w = wr_from(out, sizeof(out));
	struct json_out o = json_out(&w);
	struct json again;

	write_value(j, 0, &o);
	MUST(!w.bad);
	MUST(json_parse(wr_span_of(&w), tok, TOKENS, &again) == 0);
	MUST(again.n == j->n);
	must_agree(j, 0, &again, 0, j->n);
}

static void must_pass_through(const struct json *j, uint32_t at)
{
	struct json_tok tok[TOKENS];
	struct json part;
	uint32_t n = j->tok[at].skip - at;

	MUST(n >= 1 && j->tok[at].skip <= j->n);
	MUST(json_parse(json_raw(j, (int)at), tok, TOKENS, &part) == 0);
	MUST(part.n == n);
	must_agree(j, (int)at, &part, 0, n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct json_tok tok[TOKENS];
	struct json j;

	if (n > TEXT_MAX || json_parse(span_of(data, n), tok, TOKENS, &j) < 0)
		return 0;
	MUST(j.n >= 1 && j.tok[0].skip == j.n);
	must_write_back(&j);
	/* Bounded, or a deep document of many tokens costs the square. */
	for (uint32_t i = 0; i < j.n && i < 64; i++)
		must_pass_through(&j, i);
	return 0;
}
