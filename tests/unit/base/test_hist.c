/* SPDX-License-Identifier: AGPL-3.0-only */
#include "base/hist.h"

#include "t.h"

/* Prometheus "le": a value equal to a bound belongs to that bucket. */
static void bounds_are_inclusive(void)
{
	static const struct {
		const char *row;
		const struct hist_bounds *bounds;
		uint64_t us;
		int bucket;
	} rows[] = {
		{ "zero: ", &hist_latency, 0, 0 },
		{ "at the first: ", &hist_latency, 10, 0 },
		{ "above it: ", &hist_latency, 11, 1 },
		{ "middle: ", &hist_latency, 1000, 6 },
		{ "above the middle: ", &hist_latency, 1001, 7 },
		{ "the last: ", &hist_latency, 1000000, 15 },
		{ "+Inf: ", &hist_latency, 1000001, 16 },
		{ "huge: ", &hist_latency, UINT32_MAX + 1ull, 16 },
		{ "a session of an hour: ", &hist_session, 3600000000, 6 },
		{ "a longer one: ", &hist_session, 3600000001, 7 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct hist h = { 0 };

		t_row = rows[i].row;
		hist_add(&h, rows[i].bounds, rows[i].us, 3);
		EQ(h.count[rows[i].bucket], 3);
		EQ(hist_total(&h), 3);
		EQ(h.sum_us, rows[i].us * 3);
	}
}

/* A walk that stops at the first bound not below the value needs them ascending. */
static void bounds_ascend(void)
{
	static const struct hist_bounds *const all[] = { &hist_latency, &hist_session };

	for (size_t k = 0; k < ARRAY_LEN(all); k++) {
		OK(all[k]->n > 0 && all[k]->n <= HIST_BUCKETS);
		for (uint32_t i = 1; i < all[k]->n; i++)
			OK(all[k]->us[i - 1] < all[k]->us[i]);
	}
}

T_MAIN(T(bounds_are_inclusive), T(bounds_ascend))
