/* SPDX-License-Identifier: AGPL-3.0-only */
#include "refreshd/node/doc.h"

#include "base/slab.h"

#define DOC_TOKENS_MAX 16384

static const uint8_t *value_end(const struct json *j, int key)
{
	struct span raw = json_raw(j, key + 1);

	return raw.p + raw.n;
}

/* What is to become of the member whose value is at `value`: NULL when it stays. */
static const struct doc_set *change_of(const struct json *j, int value, const struct doc_set *set, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (json_get(j, 0, set[i].key) == value)
			return &set[i];
	}
	return NULL;
}

/* The members that stay, each with the white space and comma in front of it. Whoever becomes the first has the first's white
 * space. */
static bool write_members(const struct json *j, const struct doc_set *set, size_t n, struct wr *w)
{
	const uint8_t *first = j->text.p + j->tok[0].at + 1, *at = first;
	struct span lead = { NULL, 0 };
	bool any = false;

	for (int k = json_first(j, 0); k >= 0; k = json_next(j, 0, k)) {
		const struct doc_set *c = change_of(j, k + 1, set, n);
		struct span key = json_raw(j, k), value = json_raw(j, k + 1);
		struct span gap = span_of(at, (size_t)(key.p - at));

		if (at == first)
			lead = gap;
		at = value_end(j, k);
		if (c && c->json.n == 0)
			continue;
		wr_span(w, any ? gap : lead);
		wr_bytes(w, key.p, (size_t)(value.p - key.p));
		wr_span(w, c ? c->json : value);
		any = true;
	}
	return any;
}

static void append_members(const struct json *j, const struct doc_set *set, size_t n, bool any, struct wr *w)
{
	for (size_t i = 0; i < n; i++) {
		struct json_out o = json_out(w);

		if (set[i].json.n == 0 || json_get(j, 0, set[i].key) >= 0)
			continue;
		if (any)
			wr_str(w, ",");
		jo_str(&o, span_str(set[i].key));
		wr_str(w, ":");
		wr_span(w, set[i].json);
		any = true;
	}
}

static int patch(struct span doc, struct json_tok *tok, const struct doc_set *set, size_t n, struct wr *out)
{
	struct wr w = *out;
	struct json j;
	const uint8_t *tail;
	bool any;
	int r = json_parse(doc, tok, DOC_TOKENS_MAX, &j);

	if (r < 0 || json_type_of(&j, 0) != JSON_OBJECT)
		return r < 0 ? r : ERR_MALFORMED;
	wr_bytes(&w, doc.p, j.tok[0].at + 1);
	any = write_members(&j, set, n, &w);
	append_members(&j, set, n, any, &w);
	tail = doc.p + j.tok[0].at + 1;
	for (int k = json_first(&j, 0); k >= 0; k = json_next(&j, 0, k))
		tail = value_end(&j, k);
	wr_bytes(&w, tail, (size_t)(doc.p + doc.n - tail));
	if (w.bad)
		return ERR_LIMIT;
	/* A new value that was no JSON, or one member named twice, must not reach the disk. */
	r = json_parse(span_of(out->p, wr_len(&w) - wr_len(out)), tok, DOC_TOKENS_MAX, &j);
	if (r == 0)
		*out = w;
	return r;
}

int doc_patch(struct span doc, const struct doc_set *set, size_t n, struct wr *out)
{
	struct json_tok *tok = mem_alloc(DOC_TOKENS_MAX * sizeof(*tok));
	int r;

	if (!tok)
		return ERR_NOMEM;
	r = out->bad ? ERR_LIMIT : patch(doc, tok, set, n, out);
	mem_free(tok);
	return r;
}
