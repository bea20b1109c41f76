/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * What was read can be written, over the file it came from and into an empty one, and means the same when it is read again. Written
 * a second time it does not change. A refusal has printable words.
 */
#include "fuzz.h"
#include "refreshd/node/local.h"

#define OUT_MAX (4 * LOCAL_ENV_MAX)

static struct span written(const struct local *l, struct span old, uint8_t *buf)
{
	struct wr w = wr_from(buf, OUT_MAX);

	MUST(local_write(l, old, &w) == 0);
	return wr_span_of(&w);
}

static void must_mean_the_same(const struct local *l, struct span text)
{
	static uint8_t a[OUT_MAX], b[OUT_MAX];
	struct node_diag d;
	struct local again;

	if (text.n > LOCAL_ENV_MAX)
		return;
	MUST(local_parse(text, &again, &d) == 0);
	MUST(span_eq(written(l, span_of(NULL, 0), a), written(&again, span_of(NULL, 0), b)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static uint8_t fresh[OUT_MAX], over[OUT_MAX], twice[OUT_MAX];
	struct node_diag d;
	struct local l;
	struct span s;

	if (local_parse(span_of(data, n), &l, &d) < 0) {
		MUST(d.text[0]);
		for (const char *c = d.text; *c; c++)
			MUST(*c >= 0x20 && *c < 0x7f);
		return 0;
	}
	must_mean_the_same(&l, written(&l, span_of(NULL, 0), fresh));
	s = written(&l, span_of(data, n), over);
	must_mean_the_same(&l, s);
	MUST(span_eq(s, written(&l, s, twice)));
	return 0;
}
