/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * An accepted head ends where it says: one byte less is too short, and what follows changes nothing. No span of it
 * holds a line end or NUL, whoever prints or forwards it.
 */
#include "fuzz.h"
#include "wire/http_head.h"

static void must_be_clean(struct span s, struct span head)
{
	MUST(s.n == 0 || (s.p >= head.p && s.p + s.n <= head.p + head.n));
	for (size_t i = 0; i < s.n; i++)
		MUST(s.p[i] != '\r' && s.p[i] != '\n' && s.p[i] != '\0');
}

/* CR and LF come in pairs, one per line: request line, fields, and the empty one at the end. */
static void must_have_lines(struct span head, uint32_t lines)
{
	uint32_t pairs = 0;

	for (size_t i = 0; i < head.n; i++) {
		bool lf = i + 1 < head.n && head.p[i + 1] == '\n';

		MUST((head.p[i] == '\r') == lf);
		pairs += lf;
	}
	MUST(pairs == lines);
	MUST(head.n >= 4 && memcmp(head.p + head.n - 4, "\r\n\r\n", 4) == 0);
}

/* The list walk ends, and yields trimmed elements without commas. */
static void must_list(const struct http_head *h, struct span name)
{
	char text[64];
	uint32_t pos = 0;
	struct span e;

	if (name.n >= sizeof(text))
		return;
	memcpy(text, name.p, name.n);
	text[name.n] = '\0';
	MUST(http_head_get(h, text).p != NULL);
	for (size_t i = 0; http_head_list(h, text, &pos, &e); i++) {
		MUST(i <= h->len);
		MUST(e.n && !memchr(e.p, ',', e.n));
		MUST(e.p[0] != ' ' && e.p[0] != '\t' && e.p[e.n - 1] != ' ' && e.p[e.n - 1] != '\t');
	}
}

static void must_hold(const struct http_head *h, struct span head)
{
	must_have_lines(head, h->n_fields + 2);
	for (uint32_t i = 0; i < h->n_fields; i++) {
		must_be_clean(h->field[i].name, head);
		must_be_clean(h->field[i].value, head);
		MUST(h->field[i].name.n > 0);
		must_list(h, h->field[i].name);
	}
}

static int request(struct span in)
{
	struct http_head h, again;
	struct span head;
	int r;

	r = http_head_parse(in, &h);
	MUST(r == 0 || r == ERR_SHORT || r == ERR_MALFORMED || r == ERR_LIMIT);
	if (r < 0)
		return r;
	MUST(h.len <= in.n && h.n_fields <= HTTP_FIELDS_MAX);
	head = span_of(in.p, h.len);
	MUST(http_head_parse(span_of(in.p, h.len - 1), &again) == ERR_SHORT);
	MUST(http_head_parse(head, &again) == 0);
	MUST(again.len == h.len && again.n_fields == h.n_fields);
	must_be_clean(h.method, head);
	must_be_clean(h.target, head);
	must_be_clean(h.path, head);
	MUST(h.path.p == h.target.p && h.path.n <= h.target.n && h.path.n > 0);
	must_hold(&h, head);
	return 0;
}

static int reply(struct span in)
{
	struct http_reply_head h, again;
	struct span head;
	int r;

	r = http_reply_parse(in, &h);
	MUST(r == 0 || r == ERR_SHORT || r == ERR_MALFORMED || r == ERR_LIMIT);
	if (r < 0)
		return r;
	MUST(h.head.len <= in.n && h.head.n_fields <= HTTP_FIELDS_MAX);
	head = span_of(in.p, h.head.len);
	MUST(http_reply_parse(span_of(in.p, h.head.len - 1), &again) == ERR_SHORT);
	MUST(http_reply_parse(head, &again) == 0);
	MUST(again.head.len == h.head.len && again.status == h.status && again.length == h.length);
	MUST(h.status >= 100 && h.status <= 599);
	MUST(!(h.chunked && h.has_length) && (h.has_length || h.length == 0));
	must_hold(&h.head, head);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	/* No bytes are both. */
	MUST(request(span_of(data, n)) < 0 || reply(span_of(data, n)) < 0);
	return 0;
}
