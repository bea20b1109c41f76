/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * Pages are separated by NUL. What was merged is itself a page that is taken whole, says each series and each head once,
 * and, merged alone, is written the same; a refused page leaves nothing behind.
 */
#include "fuzz.h"
#include "healthd/page/prom_merge.h"

#define PAGES 4
#define OUT_MAX (1u << 20)

static uint8_t first[OUT_MAX], second[OUT_MAX];

static struct span written(struct prom_merge *m, uint8_t *out)
{
	struct wr w = wr_from(out, OUT_MAX);

	prom_merge_write(m, &w);
	MUST(!w.bad);
	return wr_span_of(&w);
}

static void must_stay_the_same(struct span page)
{
	struct prom_merge *m = prom_merge_new();
	uint32_t line = 0;

	MUST(m);
	MUST(prom_merge_add(m, page, &line) == 0);
	MUST(prom_merge_dropped(m) == 0);
	MUST(span_eq(written(m, second), page));
	MUST(prom_merge_add(m, page, &line) == 0); /* all of it is there already */
	MUST(span_eq(written(m, second), page));
	prom_merge_free(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct prom_merge *m = prom_merge_new();
	uint32_t line, pages = 0;
	uint64_t sum;

	if (!m || n >= OUT_MAX / 4) {
		prom_merge_free(m);
		return 0;
	}
	for (size_t at = 0; at < n && pages < PAGES; pages++) {
		const uint8_t *end = memchr(data + at, 0, n - at);
		struct span page = span_of(data + at, (end ? (size_t)(end - data) : n) - at);
		uint32_t series = prom_merge_series(m), dropped = prom_merge_dropped(m);
		int r = prom_merge_add(m, page, &line);

		MUST(r == 0 || r == ERR_MALFORMED || r == ERR_LIMIT);
		MUST(r == 0 || (prom_merge_series(m) == series && prom_merge_dropped(m) == dropped));
		(void)prom_sum(page, "x", &sum);
		at += page.n + 1;
	}
	must_stay_the_same(written(m, first));
	prom_merge_free(m);
	return 0;
}
