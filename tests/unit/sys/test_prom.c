/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sys/prom.h"

#include "t.h"

static char text[4096];

static struct prom page(struct wr *w, struct prom_label all)
{
	memset(text, 0, sizeof(text));
	*w = wr_from(text, sizeof(text) - 1);
	return (struct prom){ w, all };
}

/* The text format 0.0.4: HELP, TYPE, then series; labels in a fixed order, quotes and backslashes escaped. */
static void lines_of_the_format(void)
{
	static const char *const kinds[] = { "audio", NULL, "video" };
	static const uint64_t v[] = { 1, 2, 3 };
	struct wr w;
	struct prom p = page(&w, (struct prom_label){ 0 });

	prom_counter(&p, "x_total", "Some x.", 7);
	EQ_STR(text, "# HELP x_total Some x.\n# TYPE x_total counter\nx_total 7\n");
	p = page(&w, (struct prom_label){ "edge_id", "a\"b\\c" });
	prom_gauge(&p, "x", "X.", UINT64_MAX);
	EQ_STR(text, "# HELP x X.\n# TYPE x gauge\nx{edge_id=\"a\\\"b\\\\c\"} 18446744073709551615\n");
	p = page(&w, (struct prom_label){ 0 });
	prom_family(&p, "x", "X.", "kind", kinds, v, 3);
	EQ_STR(text, "# HELP x X.\n# TYPE x counter\nx{kind=\"audio\"} 1\nx{kind=\"video\"} 3\n");
	p = page(&w, (struct prom_label){ "e", "1" });
	prom_sample(&p, "x", (struct prom_label){ "a", "2" }, (struct prom_label){ "b", "3" }, 4);
	EQ_STR(text, "x{e=\"1\",a=\"2\",b=\"3\"} 4\n");
}

/* Buckets are cumulative, bounds are seconds, and the last one is +Inf. */
static void histograms(void)
{
	static const struct hist_bounds b = { 3, { 20, DUR_MS(1500), DUR_SEC(60) } };
	struct hist h = { 0 };
	struct wr w;
	struct prom p = page(&w, (struct prom_label){ "e", "1" });

	hist_add(&h, &b, 10, 2);
	hist_add(&h, &b, DUR_SEC(61), 1);
	prom_histogram(&p, "x", "X.", &h, &b);
	EQ_STR(text, "# HELP x X.\n# TYPE x histogram\nx_bucket{e=\"1\",le=\"0.00002\"} 2\nx_bucket{e=\"1\",le=\"1.5\"} 2\n"
		     "x_bucket{e=\"1\",le=\"60\"} 2\nx_bucket{e=\"1\",le=\"+Inf\"} 3\n"
		     "x_sum{e=\"1\"} 61.00002\nx_count{e=\"1\"} 3\n");
}

/* A page that does not fit is no page: the writer has failed. */
static void too_long_is_bad(void)
{
	struct wr w;
	struct prom p = page(&w, (struct prom_label){ 0 });

	for (int i = 0; i < 200; i++)
		prom_counter(&p, "x_total", "Some x.", 7);
	OK(w.bad);
}

T_MAIN(T(lines_of_the_format), T(histograms), T(too_long_is_bad))
