/* SPDX-License-Identifier: AGPL-3.0-only */
#include "healthd/page/prom_merge.h"

#include <stdlib.h>

#include "base/slab.h"
#include "t.h"

static char out[65536];

static const char *written(struct prom_merge *m)
{
	struct wr w = wr_from(out, sizeof(out) - 1);

	prom_merge_write(m, &w);
	OK(!w.bad);
	out[wr_len(&w)] = '\0';
	return out;
}

static int add(struct prom_merge *m, const char *page)
{
	return prom_merge_add(m, span_str(page), NULL);
}

/* Series of one family stand together behind one HELP and one TYPE, whatever pages they came from; families in order. */
static void one_page_of_many(void)
{
	struct prom_merge *m = prom_merge_new();

	EQ(add(m, "# HELP b_total Bees.\n# TYPE b_total counter\nb_total{x=\"1\"} 1\n\n# TYPE h "
		  "histogram\nh_bucket{le=\"1\"} 1\n"
		  "h_bucket{le=\"+Inf\"} 2\nh_sum 3\nh_count 2\n"),
	   0);
	EQ(add(m, "# a comment\n# HELP a Ants.\n# TYPE a gauge\na 5\n"), 0);
	EQ(add(m, "# HELP b_total Others say so.\n# TYPE b_total counter\nb_total{x=\"2\"} 2\nuntold 9\n"), 0);
	EQ_STR(written(m), "# HELP a Ants.\n# TYPE a gauge\na 5\n"
			   "# HELP b_total Bees.\n# TYPE b_total counter\nb_total{x=\"1\"} 1\nb_total{x=\"2\"} 2\n"
			   "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 3\nh_count 2\n"
			   "untold 9\n");
	EQ(prom_merge_dropped(m), 0);
	EQ(prom_merge_series(m), 8);
	prom_merge_free(m);
}

/* The first page wins; the order of labels is no difference. */
static void duplicates_are_dropped_and_counted(void)
{
	struct prom_merge *m = prom_merge_new();

	EQ(add(m,
	       "# TYPE a gauge\na{x=\"1\",y=\"2\"} 1\na{x=\"1\",y=\"2\"} 7\na{y=\"2\",x=\"1\"} 8\na{x=\"2\",y=\"1\"} 2\n"),
	   0);
	EQ(add(m, "# TYPE a gauge\na{x=\"1\",y=\"2\"} 9\na{x=\"12\",y=\"\"} 3\n"), 0);
	EQ_STR(written(m), "# TYPE a gauge\na{x=\"1\",y=\"2\"} 1\na{x=\"2\",y=\"1\"} 2\na{x=\"12\",y=\"\"} 3\n");
	EQ(prom_merge_dropped(m), 3);
	prom_merge_free(m);
}

/* One name cannot have two types: the later page's series go, the rest of it stays. */
static void a_type_is_settled_once(void)
{
	struct prom_merge *m = prom_merge_new();

	EQ(add(m, "# TYPE a gauge\na 1\nplain 1\n"), 0);
	EQ(add(m, "# TYPE a counter\na{x=\"1\"} 2\n# TYPE plain gauge\nplain{x=\"1\"} 2\n# TYPE c gauge\nc 3\n"), 0);
	EQ(add(m, "a{x=\"2\"} 3\n"), 0);
	EQ_STR(written(m), "# TYPE a gauge\na 1\n# TYPE c gauge\nc 3\nplain 1\n");
	EQ(prom_merge_dropped(m), 3);
	prom_merge_free(m);
}

/* Mistake 19 of the control plane: one bad page took all metrics of a node with it. */
static void a_bad_page_is_left_out_alone(void)
{
	static const struct {
		const char *row, *page;
		uint32_t line;
	} rows[] = {
		{ "TYPE twice: ", "# TYPE x gauge\nx 1\n# TYPE y gauge\n# TYPE y gauge\ny 1\n", 4 },
		{ "HELP twice: ", "# HELP x a\n# HELP x a\nx 1\n", 2 },
		{ "TYPE behind its series: ", "x 1\n# TYPE x gauge\n", 2 },
		{ "HELP behind its series: ", "x 1\n# HELP x a\n", 2 },
		{ "no number: ", "x 1\ny {{VALUE}}\n", 2 },
		{ "an HTML page: ", "<!DOCTYPE html>\n", 1 },
		{ "cut in the middle: ", "x 1\ny{a=\"b", 2 },
		{ "cut before its end: ", "x 1\ny 23", 2 },
		{ "not UTF-8: ", "x{a=\"\xc3\"} 1\n", 1 },
		{ "a NUL: ", "x 1\n\x01 1\n", 2 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct prom_merge *m = prom_merge_new();
		uint32_t line = 0;

		t_row = rows[i].row;
		EQ(add(m, "# HELP a Ants.\n# TYPE a gauge\na 1\n"), 0);
		EQ(prom_merge_add(m, span_str(rows[i].page), &line), ERR_MALFORMED);
		EQ(line, rows[i].line);
		EQ(add(m, "# TYPE x counter\n# HELP x Good.\nx 2\ny 3\n"), 0);
		EQ_STR(written(m), "# HELP a Ants.\n# TYPE a gauge\na 1\n# HELP x Good.\n# TYPE x counter\nx 2\ny 3\n");
		EQ(prom_merge_dropped(m), 0);
		prom_merge_free(m);
	}
}

/* A family that is only announced makes no line. */
static void nothing_without_series(void)
{
	struct prom_merge *m = prom_merge_new();

	EQ(add(m, ""), 0);
	EQ(add(m, "\n\n# HELP a Ants.\n# TYPE a gauge\n"), 0);
	EQ_STR(written(m), "");
	EQ(add(m, "# TYPE a counter\na 1\n"), 0);
	EQ_STR(written(m), ""); /* it was a gauge by then */
	EQ(prom_merge_dropped(m), 1);
	prom_merge_free(m);
}

/* The parts of a histogram belong to it only where it was said to be one. */
static void parts_of_histograms(void)
{
	struct prom_merge *m = prom_merge_new();

	EQ(add(m, "x_count 1\nx_sum 2\n# TYPE s summary\ns{quantile=\"0.5\"} 1\ns_sum 1\ns_count 1\ns_bucket 1\n_sum 5\n"),
	   0);
	EQ_STR(written(m),
	       "_sum 5\n# TYPE s summary\ns{quantile=\"0.5\"} 1\ns_sum 1\ns_count 1\ns_bucket 1\nx_count 1\nx_sum 2\n");
	prom_merge_free(m);
}

/* What one page calls a part and another a family of its own cannot stand on one page: the first one stays. */
static void parts_of_others(void)
{
	struct prom_merge *m = prom_merge_new();

	EQ(add(m, "# TYPE h histogram\nh_sum 1\n"), 0);
	EQ(add(m, "h_sum{a=\"1\"} 2\n# TYPE h_count gauge\nh_count 3\nok 1\n"), 0);
	EQ_STR(written(m), "# TYPE h histogram\nh_sum 1\nok 1\n");
	EQ(prom_merge_dropped(m), 2);
	prom_merge_free(m);
	m = prom_merge_new();
	EQ(add(m, "h_sum 2\n"), 0);
	EQ(add(m, "# TYPE h histogram\nh_sum{a=\"1\"} 1\nh_bucket{le=\"1\"} 1\nok 1\n"), 0);
	EQ_STR(written(m), "h_sum 2\nok 1\n");
	EQ(add(m, "h_sum 1\n# TYPE h histogram\n"), ERR_MALFORMED);
	prom_merge_free(m);
}

static char *numbered(const char *before, uint32_t n, const char *after)
{
	size_t cap = (size_t)n * 32 + 1;
	char *text = malloc(cap);
	struct wr w = wr_from(text, cap - 1);

	for (uint32_t i = 0; i < n; i++) {
		wr_str(&w, before);
		wr_dec(&w, i);
		wr_str(&w, after);
	}
	OK(!w.bad);
	text[wr_len(&w)] = '\0';
	return text;
}

static void bounds(void)
{
	static const struct {
		const char *row, *before, *after;
		uint32_t n;
		int want;
	} rows[] = {
		{ "families: ", "f", " 1\n", PROM_MERGE_FAMILIES, 0 },
		{ "one family more: ", "f", " 1\n", PROM_MERGE_FAMILIES + 1, ERR_LIMIT },
		{ "series: ", "f{a=\"", "\"} 1\n", PROM_MERGE_SAMPLES, 0 },
		{ "one series more: ", "f{a=\"", "\"} 1\n", PROM_MERGE_SAMPLES + 1, ERR_LIMIT },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct prom_merge *m = prom_merge_new();
		char *text = numbered(rows[i].before, rows[i].n, rows[i].after);

		t_row = rows[i].row;
		EQ(add(m, text), rows[i].want);
		EQ(prom_merge_series(m), rows[i].want ? 0 : rows[i].n);
		if (rows[i].want == 0)
			EQ(add(m, rows[i].before[1] ? "f 2\n" : "zz 2\n"), ERR_LIMIT);
		else
			EQ(add(m, "zz 2\n"), 0);
		free(text);
		prom_merge_free(m);
	}
}

static void without_memory(void)
{
	size_t n;

	mem_fail_at(SIZE_MAX);
	prom_merge_free(prom_merge_new());
	n = mem_fail_at(0);
	mem_fail_at(SIZE_MAX);
	for (size_t i = 0; i < n; i++) {
		mem_fail_at(i);
		OK(prom_merge_new() == NULL);
	}
	mem_fail_at(SIZE_MAX);
}

static void sums(void)
{
	static const char page[] =
		"# TYPE t counter\nt{d=\"up\"} 5\nt{d=\"down\"} 7.9\ntt 100\nt_x 3\nbad{ 1\ne 1e3\nneg -5\nlast 4";
	static const struct {
		const char *name;
		bool want;
		uint64_t sum;
	} rows[] = {
		{ "t", true, 12 }, { "tt", true, 100 }, { "none", false, 99 },
		{ "e", true, 1 },  { "neg", true, 0 },  { "last", true, 4 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t sum = 99;

		t_row = rows[i].name;
		EQ(prom_sum(SPAN_LIT(page), rows[i].name, &sum), rows[i].want);
		EQ(sum, rows[i].sum);
	}
}

T_MAIN(T(one_page_of_many), T(duplicates_are_dropped_and_counted), T(a_type_is_settled_once), T(a_bad_page_is_left_out_alone),
       T(nothing_without_series), T(parts_of_histograms), T(parts_of_others), T(bounds), T(without_memory), T(sums))
