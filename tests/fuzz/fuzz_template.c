/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * The input is a template, values and more values, a NUL between them. A result is the same twice, has no mark left and no control
 * character but tabs and line ends, and no line that the template did not have. A refusal has printable words.
 */
#include "fuzz.h"
#include "refreshd/render/template.h"

#define OUT_MAX 65536

static struct span part(struct rd *r)
{
	const uint8_t *nul = rd_left(r) ? memchr(r->p, 0, rd_left(r)) : NULL;
	struct span s = rd_span(r, nul ? (size_t)(nul - r->p) : rd_left(r));

	if (nul)
		rd_skip(r, 1);
	return s;
}

static size_t lines(struct span s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += s.p[i] == '\n';
	return n + (s.n && s.p[s.n - 1] != '\n');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static uint8_t out[OUT_MAX], again[OUT_MAX];
	struct wr w = wr_from(out, sizeof(out)), v = wr_from(again, sizeof(again));
	struct rd r = rd_from(span_of(data, n));
	struct template_values values[2] = { { .from = "front.values" }, { .from = "mine" } };
	struct node_diag d;
	struct span text = part(&r);

	values[0].text = part(&r);
	values[1].text = part(&r);
	if (template_fill(text, values, 2, "1.25.1", true, &w, &d) < 0) {
		MUST(d.text[0]);
		for (const char *c = d.text; *c; c++)
			MUST(*c >= 0x20 && *c < 0x7f);
		return 0;
	}
	MUST(d.text[0] == '\0');
	for (size_t i = 0; i < wr_len(&w); i++)
		MUST(out[i] != '@' && out[i] != 0x7f && (out[i] >= 0x20 || out[i] == '\t' || out[i] == '\n'));
	MUST(lines(wr_span_of(&w)) <= lines(text));
	MUST(template_fill(text, values, 2, "1.25.1", true, &v, &d) == 0);
	MUST(span_eq(wr_span_of(&w), wr_span_of(&v)));
	return 0;
}
