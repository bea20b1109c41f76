/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * An object patched parses again, and member by member it is what it was, byte for byte and in its order, but for what was named.
 * The empty patch changes no byte.
 */
#include "fuzz.h"
#include "refreshd/node/doc.h"

#define TOKENS 1024
#define INPUT_MAX 8192

static const struct doc_set set[] = {
	{ "a", { (const uint8_t *)"[1, {\"x\":null}]", 15 } },
	{ "b", { NULL, 0 } },
	{ "reality_public_key", { (const uint8_t *)"\"k\"", 3 } },
};

static const struct doc_set *named(const struct json *j, int value)
{
	for (size_t i = 0; i < ARRAY_LEN(set); i++) {
		if (json_get(j, 0, set[i].key) == value)
			return &set[i];
	}
	return NULL;
}

static void must_keep_the_rest(const struct json *old, const struct json *new)
{
	int at = json_first(new, 0);

	for (int k = json_first(old, 0); k >= 0; k = json_next(old, 0, k)) {
		const struct doc_set *s = named(old, k + 1);

		if (s && s->json.n == 0)
			continue;
		MUST(at >= 0);
		MUST(span_eq(json_raw(old, k), json_raw(new, at)));
		MUST(span_eq(s ? s->json : json_raw(old, k + 1), json_raw(new, at + 1)));
		at = json_next(new, 0, at);
	}
	for (size_t i = 0; i < ARRAY_LEN(set); i++) {
		int v = json_get(new, 0, set[i].key);

		MUST((v >= 0) == (set[i].json.n > 0));
		MUST(v < 0 || span_eq(json_raw(new, v), set[i].json));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static uint8_t out[2 * INPUT_MAX], same[2 * INPUT_MAX];
	struct wr w = wr_from(out, sizeof(out)), s = wr_from(same, sizeof(same));
	struct json_tok tok[TOKENS], new_tok[TOKENS + 16];
	struct json old, new;
	bool object;

	if (n > INPUT_MAX)
		return 0;
	object = json_parse(span_of(data, n), tok, TOKENS, &old) == 0 && json_type_of(&old, 0) == JSON_OBJECT;
	if (doc_patch(span_of(data, n), set, ARRAY_LEN(set), &w) < 0) {
		MUST(!object);
		MUST(wr_len(&w) == 0);
		return 0;
	}
	if (!object)
		return 0; /* more tokens than here */
	MUST(json_parse(wr_span_of(&w), new_tok, TOKENS + 16, &new) == 0);
	must_keep_the_rest(&old, &new);
	MUST(doc_patch(span_of(data, n), NULL, 0, &s) == 0);
	MUST(span_eq(wr_span_of(&s), span_of(data, n)));
	return 0;
}
