/* SPDX-License-Identifier: AGPL-3.0-only */
#include "healthd/page/prom_line.h"

#include "t.h"

/* Prometheus text format 0.0.4, as its own parser reads it. */
static void lines(void)
{
	static const struct {
		const char *line;
		int want;
		enum prom_kind kind;
	} rows[] = {
		{ "", 0, PROM_OTHER },
		{ "   \t", 0, PROM_OTHER },
		{ "# a comment", 0, PROM_OTHER },
		{ "#", 0, PROM_OTHER },
		{ "#HELP x_total no blank is needed", 0, PROM_HELP },
		{ "# HELP x_total What it \\n counts", 0, PROM_HELP },
		{ "# HELP x_total", 0, PROM_HELP },
		{ "# HELP", ERR_MALFORMED, 0 },
		{ "# HELP 9x what", ERR_MALFORMED, 0 },
		{ "# HELP x-y what", ERR_MALFORMED, 0 },
		{ "# HELPER x", 0, PROM_OTHER },
		{ "# TYPE x_total counter", 0, PROM_TYPE },
		{ "#\tTYPE  x_total\tgauge ", 0, PROM_TYPE },
		{ "# TYPE x_total", ERR_MALFORMED, 0 },
		{ "# TYPE x_total number", ERR_MALFORMED, 0 },
		{ "# TYPE x_total gauge 1", ERR_MALFORMED, 0 },
		{ "x 1", 0, PROM_SAMPLE },
		{ "  x\t1  ", 0, PROM_SAMPLE },
		{ "x{} 1", 0, PROM_SAMPLE },
		{ "x{a=\"b\"}1", 0, PROM_SAMPLE },
		{ "x {a=\"b\",} 1", 0, PROM_SAMPLE },
		{ "x{ a = \"b\" , c=\"d\" } 1 1395066363000", 0, PROM_SAMPLE },
		{ "x{a=\"\\\\ \\\" \\n\"} 1 -5", 0, PROM_SAMPLE },
		{ "x{a=\"}\"} 1", 0, PROM_SAMPLE },
		{ "x{a=\"\xd1\x8f\"} 1", 0, PROM_SAMPLE },
		{ "a:b_C9 1", 0, PROM_SAMPLE },
		{ "x", ERR_MALFORMED, 0 },
		{ "x ", ERR_MALFORMED, 0 },
		{ "9x 1", ERR_MALFORMED, 0 },
		{ "x-y 1", ERR_MALFORMED, 0 },
		{ "{a=\"b\"} 1", ERR_MALFORMED, 0 },
		{ "x{a=\"b\" 1", ERR_MALFORMED, 0 },
		{ "x{a=\"b} 1", ERR_MALFORMED, 0 },
		{ "x{a=b} 1", ERR_MALFORMED, 0 },
		{ "x{a} 1", ERR_MALFORMED, 0 },
		{ "x{a:b=\"c\"} 1", ERR_MALFORMED, 0 },
		{ "x{,} 1", ERR_MALFORMED, 0 },
		{ "x{a=\"b\"c=\"d\"} 1", ERR_MALFORMED, 0 },
		{ "x{a=\"1\",a=\"2\"} 1", ERR_MALFORMED, 0 },
		{ "x{a=\"\\t\"} 1", ERR_MALFORMED, 0 },
		{ "x 1 2 3", ERR_MALFORMED, 0 },
		{ "x 1 2.5", ERR_MALFORMED, 0 },
		{ "x 1 {{NAME}}", ERR_MALFORMED, 0 },
		{ "x{a=\"\xff\"} 1", ERR_MALFORMED, 0 },
		{ "x 1\r", ERR_MALFORMED, 0 },
	};
	struct prom_line l;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		t_row = rows[i].line;
		EQ(prom_line_parse(span_str(rows[i].line), &l), rows[i].want);
		if (rows[i].want == 0)
			EQ(l.kind, rows[i].kind);
	}
}

static void numbers(void)
{
	static const char *const good[] = {"0",   "1.5",    ".5",  "5.",  "-1",   "+1",
					   "1e9", "1.5E-3", "NaN", "Inf", "+Inf", "-Inf"};
	static const char *const bad[] = { ".", "1e", "e5", "1.2.3", "0x10", "nan", "1,5", "--1", "1_000", "inf", "12abc" };
	struct prom_line l;
	char text[40];

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		t_row = good[i];
		snprintf(text, sizeof(text), "x %s", good[i]);
		EQ(prom_line_parse(span_str(text), &l), 0);
		OK(span_is(l.value, good[i]));
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		t_row = bad[i];
		snprintf(text, sizeof(text), "x %s", bad[i]);
		EQ(prom_line_parse(span_str(text), &l), ERR_MALFORMED);
	}
}

static void what_it_says(void)
{
	struct prom_line l;

	EQ(prom_line_parse(SPAN_LIT("x_bucket{le=\"0.5\",a=\"q\\\"\"} 7 99"), &l), 0);
	OK(span_is(l.name, "x_bucket"));
	EQ(l.n_labels, 2);
	OK(span_is(l.label[0].name, "le") && span_is(l.label[0].value, "0.5"));
	OK(span_is(l.label[1].value, "q\\\""));
	OK(span_is(l.value, "7"));
	EQ(prom_line_parse(SPAN_LIT("# HELP x  Two blanks. "), &l), 0);
	OK(span_is(l.text, "Two blanks. "));
	EQ(prom_line_parse(SPAN_LIT("# TYPE x histogram"), &l), 0);
	EQ(l.type, PROM_HISTOGRAM);
	for (int t = 0; t < PROM_TYPE_MAX_; t++)
		OK(prom_type_str((enum prom_type)t)[0]);
	EQ_STR(prom_type_str(PROM_TYPE_MAX_), "");
}

static void too_many_labels(void)
{
	char text[32 * 16];

	for (uint32_t n = PROM_MERGE_LABELS; n <= PROM_MERGE_LABELS + 1; n++) {
		struct wr w = wr_from(text, sizeof(text));
		struct prom_line l;

		wr_str(&w, "x{");
		for (uint32_t i = 0; i < n; i++) {
			wr_str(&w, i ? ",l" : "l");
			wr_dec(&w, i);
			wr_str(&w, "=\"\"");
		}
		wr_str(&w, "} 1");
		EQ(prom_line_parse(wr_span_of(&w), &l), n > PROM_MERGE_LABELS ? ERR_MALFORMED : 0);
	}
}

T_MAIN(T(lines), T(numbers), T(what_it_says), T(too_many_labels))
