/* SPDX-License-Identifier: AGPL-3.0-only */
#include "refreshd/node/same.h"

#include "base/slab.h"
#include "t.h"

static void rows(void)
{
	static const struct {
		const char *a, *b;
		bool want;
	} row[] = {
		{ "{}", "{ }", true },
		{ "{\"a\":1,\"b\":[1,2]}", "{ \"b\" : [ 1, 2 ], \"a\" : 1 }", true },
		{ "{\"a\":1}", "{\"a\":2}", false },
		{ "{\"a\":1}", "{\"a\":\"1\"}", false },
		{ "{\"a\":1}", "{\"b\":1}", false },
		{ "{\"a\":1}", "{\"a\":1,\"b\":1}", false },
		{ "[1,2]", "[2,1]", false },
		{ "[1,2]", "[1]", false },
		{ "[1]", "[1,2]", false },
		{ "{\"a\":{\"b\":{\"c\":null}}}", "{\"a\":{\"b\":{\"c\":null}}}", true },
		{ "{\"a\":{\"b\":{\"c\":null}}}", "{\"a\":{\"b\":{\"c\":false}}}", false },
		{ "\"x\"", "\"x\"", true },
		{ "\"\\u0078\"", "\"x\"", false }, /* other texts of one string count as others */
		{ "", "{}", false },
		{ "{", "{ ", false },
		{ "nonsense", "nonsense", true }, /* the same bytes */
	};

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		t_row = row[i].a;
		EQ(json_same(span_str(row[i].a), span_str(row[i].b)), row[i].want);
		EQ(json_same(span_str(row[i].b), span_str(row[i].a)), row[i].want);
	}
}

static void without_memory_nothing_is_the_same(void)
{
	mem_fail_at(0);
	EQ(json_same(span_str("{}"), span_str("{ }")), false);
	mem_fail_at(SIZE_MAX);
	EQ(json_same(span_str("{}"), span_str("{ }")), true);
}

T_MAIN(T(rows), T(without_memory_nothing_is_the_same))
