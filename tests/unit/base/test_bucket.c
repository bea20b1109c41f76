/* SPDX-License-Identifier: AGPL-3.0-only */
#include "base/bucket.h"

#include "base/rng.h"
#include "t.h"

/* A fresh bucket holds `burst`; then `rate` per second come back, never more than `burst`. */
static void spends_burst_then_rate(void)
{
	static const struct bucket_conf c = { .rate = 2, .burst = 4 };
	static const struct { const char *row; uint64_t ms; uint32_t n; bool want; } step[] = {
		{ "more than the burst: ", 0, 5, false },
		{ "whole burst: ", 0, 4, true },
		{ "empty: ", 0, 1, false },
		{ "nothing is always there: ", 0, 0, true },
		{ "half a token: ", 250, 1, false },
		{ "one token: ", 500, 1, true },
		{ "spent: ", 500, 1, false },
		{ "time runs back: ", 100, 1, false },
		{ "no credit for it: ", 600, 1, false },
		{ "full again, not fuller: ", 60000, 5, false },
		{ "full again: ", 60000, 4, true },
		{ "very late: ", UINT64_MAX / 1000, 4, true },
	};
	struct bucket b = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(step); i++) {
		t_row = step[i].row;
		EQ(bucket_take(&b, &c, step[i].n, (mono_t){ DUR_MS(step[i].ms) }), step[i].want);
	}
}

/* No rate gains or loses by rounding: over ten seconds of greedy taking the sum is burst + 10 * rate, to a token. */
static void long_run_equals_rate(void)
{
	static const struct bucket_conf rows[] = { { 1, 1 }, { 3, 7 }, { 999, 10 }, { 1000003, 64 }, { 30000000, 3000 },
						   { UINT32_MAX, UINT32_MAX } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct bucket_conf *c = &rows[i];
		struct bucket b = { 0 };
		struct rng rng;
		uint64_t sum = 0, want = c->burst + 10ull * c->rate;

		rng_seed(&rng, i);
		for (uint64_t us = 0; us <= DUR_SEC(10); us += 1 + rng_below(&rng, 40)) {
			uint32_t n = c->burst;

			for (; n; n /= 2) {
				while (bucket_take(&b, c, n, (mono_t){ us }))
					sum += n;
			}
		}
		OK(sum <= want);
		OK(sum + 2 + c->rate / 10000 >= want); /* the last step may fall 40 us short */
	}
}

/* Rate 0 is a budget that never refills; burst 0 lets nothing pass. */
static void zero_is_a_value(void)
{
	struct bucket b = { 0 }, e = { 0 };

	OK(bucket_take(&b, &(struct bucket_conf){ 0, 1 }, 1, (mono_t){ 1 }));
	OK(!bucket_take(&b, &(struct bucket_conf){ 0, 1 }, 1, (mono_t){ DUR_SEC(100000) }));
	OK(!bucket_take(&e, &(struct bucket_conf){ 5, 0 }, 1, (mono_t){ DUR_SEC(1) }));
}

T_MAIN(T(spends_burst_then_rate), T(long_run_equals_rate), T(zero_is_a_value))
