/* SPDX-License-Identifier: AGPL-3.0-only */
#include "base/slab.h"
#include "refreshd/node/doc.h"
#include "t.h"

static void members_change_where_they_stand(void)
{
	static const struct {
		const char *doc, *key, *json, *want;
	} rows[] = {
		{ "{\"a\":1}", "a", "2", "{\"a\":2}" },
		{ " { \"a\" : 1 ,\n \"b\":[1, 2.50] } \n", "a", "\"x\"", " { \"a\" : \"x\" ,\n \"b\":[1, 2.50] } \n" },
		{ "{\"a\":1,\"b\":{\"a\":7},\"c\":3}", "b", "[]", "{\"a\":1,\"b\":[],\"c\":3}" },
		{ "{\"\\u0061\":1}", "a", "2", "{\"\\u0061\":2}" },
		{ "{\"b\":{\"a\":7}}", "a", "1", "{\"b\":{\"a\":7},\"a\":1}" },
		{ "{}", "a", "1", "{\"a\":1}" },
		{ "{ }", "a", "1", "{\"a\":1 }" },
		{ "{\"x\":1.0e5 }", "q\"", "true", "{\"x\":1.0e5,\"q\\\"\":true }" },
		{ "{\"a\":1}", "a", "", "{}" },
		{ "{\n  \"a\":1,\n  \"b\":2\n}", "a", "", "{\n  \"b\":2\n}" },
		{ "{\n  \"a\":1,\n  \"b\":2\n}", "b", "", "{\n  \"a\":1\n}" },
		{ "{\"a\":1,\"b\":2,\"c\":3}", "b", "", "{\"a\":1,\"c\":3}" },
		{ "{\"a\":1}", "z", "", "{\"a\":1}" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct doc_set set = { rows[i].key, span_str(rows[i].json) };
		char out[256];
		struct wr w = wr_from(out, sizeof(out));

		t_row = rows[i].want;
		EQ(doc_patch(span_str(rows[i].doc), &set, 1, &w), 0);
		EQ_SPAN(wr_span_of(&w), span_str(rows[i].want));
	}
}

static void several_at_once(void)
{
	const struct doc_set set[] = {
		{ "a", { NULL, 0 } }, { "new", SPAN_LIT("{}") }, { "c", SPAN_LIT("null") }, { "more", SPAN_LIT("0") },
	};
	char out[256];
	struct wr w = wr_from(out, sizeof(out));

	wr_str(&w, "before ");
	EQ(doc_patch(SPAN_LIT("{ \"a\":1, \"b\":2, \"c\":3 }"), set, ARRAY_LEN(set), &w), 0);
	EQ_SPAN(wr_span_of(&w), SPAN_LIT("before { \"b\":2, \"c\":null,\"new\":{},\"more\":0 }"));
}

static void what_is_refused_leaves_nothing(void)
{
	static const struct {
		const char *doc, *json;
		int err;
		size_t cap;
	} rows[] = {
		{ "[]", "1", ERR_MALFORMED, 64 },
		{ "", "1", ERR_MALFORMED, 64 },
		{ "{\"a\":1", "1", ERR_MALFORMED, 64 },
		{ "{\"a\":1,\"a\":2}", "1", ERR_MALFORMED, 64 },
		{ "{}", "1,\"b\":", ERR_MALFORMED, 64 },
		{ "{}", "nope", ERR_MALFORMED, 64 },
		{ "{\"a\":1}", "\"longer\"", ERR_LIMIT, 8 },
		{ "{}", "1", ERR_LIMIT, 3 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct doc_set set = { "a", span_str(rows[i].json) };
		char out[64];
		struct wr w = wr_from(out, rows[i].cap);

		t_row = rows[i].json;
		EQ(doc_patch(span_str(rows[i].doc), &set, 1, &w), rows[i].err);
		EQ(wr_len(&w), 0);
		OK(!w.bad);
	}
}

static void memory(void)
{
	char out[64];
	struct wr w = wr_from(out, sizeof(out));

	(void)mem_fail_at(0);
	EQ(doc_patch(SPAN_LIT("{}"), NULL, 0, &w), ERR_NOMEM);
	(void)mem_fail_at(SIZE_MAX);
	EQ(doc_patch(SPAN_LIT("{}"), NULL, 0, &w), 0);
	EQ_SPAN(wr_span_of(&w), SPAN_LIT("{}"));
}

T_MAIN(T(members_change_where_they_stand), T(several_at_once), T(what_is_refused_leaves_nothing), T(memory))
