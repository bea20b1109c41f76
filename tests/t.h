/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * The whole test framework: rows, checks, a list of tests, TAP output. A failed check prints where, the
 * current row and both values, and the test goes on, so one run shows every wrong row.
 */
#ifndef TESTS_T_H
#define TESTS_T_H

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/span.h"

static const char *t_row = "";
static int t_failures;

static inline void t_fail(const char *file, int line, const char *what)
{
	t_failures++;
	printf("# %s:%d: %s%s\n", file, line, t_row, what);
}

static inline void t_eq(const char *file, int line, const char *a, const char *b, intmax_t x, intmax_t y)
{
	if (x == y)
		return;
	t_failures++;
	printf("# %s:%d: %s%s = %jd, want %s = %jd\n", file, line, t_row, a, x, b, y);
}

static inline void t_mem(const char *file, int line, const char *a, struct span x, struct span y)
{
	if (span_eq(x, y))
		return;
	t_failures++;
	printf("# %s:%d: %s%s differs\n#  got ", file, line, t_row, a);
	for (size_t i = 0; i < x.n; i++)
		printf("%02x", x.p[i]);
	printf("\n# want ");
	for (size_t i = 0; i < y.n; i++)
		printf("%02x", y.p[i]);
	printf("\n");
}

static inline void t_str(const char *file, int line, const char *a, const char *x, const char *y)
{
	if (strcmp(x, y) == 0)
		return;
	t_failures++;
	printf("# %s:%d: %s%s = \"%s\", want \"%s\"\n", file, line, t_row, a, x, y);
}

#define OK(cond) ((cond) ? (void)0 : t_fail(__FILE__, __LINE__, #cond " is false"))
#define EQ(a, b) t_eq(__FILE__, __LINE__, #a, #b, (intmax_t)(a), (intmax_t)(b))
#define EQ_STR(a, b) t_str(__FILE__, __LINE__, #a, a, b)
#define EQ_SPAN(a, b) t_mem(__FILE__, __LINE__, #a, a, b)

struct t_case {
	const char *name;
	void (*fn)(void);
};

#define T(fn) { #fn, fn }
#define T_MAIN(...)                                                                                          \
	int main(void)                                                                                       \
	{                                                                                                    \
		static const struct t_case cases[] = { __VA_ARGS__ };                                        \
		return t_run(cases, ARRAY_LEN(cases));                                                       \
	}

static inline int t_run(const struct t_case *cases, size_t n)
{
	int failed = 0;

	printf("1..%zu\n", n);
	for (size_t i = 0; i < n; i++) {
		t_failures = 0;
		t_row = "";
		cases[i].fn();
		failed += t_failures != 0;
		printf("%s %zu - %s\n", t_failures ? "not ok" : "ok", i + 1, cases[i].name);
		fflush(stdout);
	}
	return failed != 0;
}

#endif
