/* SPDX-License-Identifier: AGPL-3.0-only */
#include "refreshd/node/same.h"

#include "base/json.h"
#include "base/slab.h"
#include "refreshd/node/node.h"

/* Depth is bounded by the parser's. */
static bool same_value(const struct json *a, int x, const struct json *b, int y);

static bool same_text(const struct json *a, int x, const struct json *b, int y)
{
	return span_eq(json_raw(a, x), json_raw(b, y));
}

static bool same_array(const struct json *a, int x, const struct json *b, int y)
{
	int k = json_first(b, y);

	for (int i = json_first(a, x); i >= 0; i = json_next(a, x, i)) {
		if (k < 0 || !same_value(a, i, b, k))
			return false;
		k = json_next(b, y, k);
	}
	return k < 0;
}

static int member(const struct json *j, int obj, struct span key)
{
	for (int i = json_first(j, obj); i >= 0; i = json_next(j, obj, i)) {
		if (span_eq(json_raw(j, i), key))
			return i + 1;
	}
	return -1;
}

/* A key that is spelt with other escapes counts as another one. */
static bool same_object(const struct json *a, int x, const struct json *b, int y)
{
	if (a->tok[x].children != b->tok[y].children)
		return false;
	for (int i = json_first(a, x); i >= 0; i = json_next(a, x, i)) {
		int k = member(b, y, json_raw(a, i));

		if (k < 0 || !same_value(a, i + 1, b, k))
			return false;
	}
	return true;
}

static bool same_value(const struct json *a, int x, const struct json *b, int y)
{
	if (json_type_of(a, x) != json_type_of(b, y))
		return false;
	switch (json_type_of(a, x)) {
	case JSON_ARRAY:
		return same_array(a, x, b, y);
	case JSON_OBJECT:
		return same_object(a, x, b, y);
	case JSON_NULL:
	case JSON_BOOL:
	case JSON_NUMBER:
	case JSON_STRING:
		break;
	}
	return same_text(a, x, b, y);
}

bool json_same(struct span a, struct span b)
{
	struct json_tok *tok;
	struct json x, y;
	bool same = false;

	if (span_eq(a, b))
		return true;
	tok = mem_alloc(2 * NODE_TOKENS_MAX * sizeof(*tok));
	if (tok && json_parse(a, tok, NODE_TOKENS_MAX, &x) == 0 && json_parse(b, tok + NODE_TOKENS_MAX, NODE_TOKENS_MAX, &y) == 0)
		same = same_value(&x, 0, &y, 0);
	mem_free(tok);
	return same;
}
