/* SPDX-License-Identifier: AGPL-3.0-only */
#include "base/hist.h"

#include "t.h"

/* Prometheus "le": a value equal to a bound belongs to that bucket. */
static void bounds_are_inclusive(void)
{
	static const struct { const char *row; uint64_t us; int bucket; } rows[] = {
		{ "zero: ", 0, 0 },          { "at the first: ", 10, 0 },        { "above it: ", 11, 1 },
		{ "middle: ", 1000, 6 },     { "above the middle: ", 1001, 7 },  { "the last: ", 1000000, 15 },
		{ "+Inf: ", 1000001, 16 },   { "huge: ", UINT32_MAX + 1ull, 16 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct hist h = { 0 };

		t_row = rows[i].row;
		hist_add(&h, rows[i].us, 3);
		EQ(h.count[rows[i].bucket], 3);
		EQ(hist_total(&h), 3);
		EQ(h.sum_us, rows[i].us * 3);
	}
	for (int i = 1; i < HIST_BUCKETS; i++)
		OK(hist_bounds_us[i - 1] < hist_bounds_us[i]);
	EQ(hist_bounds_us[HIST_BUCKETS - 1], 1000000);
}

T_MAIN(T(bounds_are_inclusive))
