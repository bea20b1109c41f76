/* SPDX-License-Identifier: AGPL-3.0-only */
#include "base/bucket.h"

#include "base/rng.h"
#include "t.h"

#define MOST (UINT64_C(1) << 40)
#define AT(us_) ((mono_t){ us_ })

/* Starts full; `rate` units come back per second, never beyond the burst; all units of a request or none. */
static void fills_at_its_rate(void)
{
	static const struct {
		const char *row;
		uint64_t rate, burst;
		struct { uint64_t at, n; bool want; } step[5];
	} rows[] = {
		{ "starts full: ", 10, 3, { { 0, 3, true }, { 0, 1, false } } },
		{ "all or none: ", 10, 3, { { 0, 2, true }, { 0, 2, false }, { 0, 1, true } } },
		{ "more than burst: ", 10, 3, { { 0, 4, false }, { 0, 3, true }, { 1000000000, 4, false } } },
		{ "one unit: ", 10, 3, { { 0, 3, true }, { 99999, 1, false }, { 100000, 1, true }, { 100000, 1, false } } },
		{ "no more than burst: ", 10, 3, { { 0, 3, true }, { 60000000, 3, true }, { 60000000, 1, false } } },
		{ "slow, in small gaps: ", 1, 1, { { 0, 1, true }, { 1, 1, false }, { 2, 1, false }, { 999999, 1, false },
						   { 1000000, 1, true } } },
		{ "a refusal costs nothing: ", 2, 2, { { 0, 2, true }, { 500000, 2, false }, { 500000, 1, true } } },
		{ "backwards: ", 10, 3, { { 1000000, 3, true }, { 0, 1, false }, { 1050000, 1, false },
					  { 1100000, 1, true } } },
		{ "a very late look: ", 10, 3, { { 0, 3, true }, { UINT64_MAX, 3, true }, { UINT64_MAX, 1, false } } },
		{ "largest: ", MOST, MOST, { { 0, MOST, true }, { 1, MOST, false }, { 1, MOST / 1000000, true },
					     { UINT64_MAX, MOST, true } } },
		{ "no limit: ", 0, 0, { { 0, 1, true }, { 0, UINT64_MAX, true }, { 5, MOST, true } } },
		{ "nothing is free: ", 1, 1, { { 0, 1, true }, { 0, 0, true } } },
		{ "no burst: ", 1000, 0, { { 0, 1, false }, { 10000000, 1, false } } },
		{ "absurd request: ", 1, 1, { { 0, UINT64_MAX, false }, { 0, 1, true } } },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct bucket b;

		t_row = rows[i].row;
		bucket_init(&b, rows[i].rate, rows[i].burst, AT(0));
		for (size_t k = 0; k < ARRAY_LEN(rows[i].step); k++) {
			if (k && !rows[i].step[k].at && !rows[i].step[k].n)
				break;
			EQ(bucket_take(&b, rows[i].step[k].n, AT(rows[i].step[k].at)), rows[i].step[k].want);
		}
	}
}

/* However time is cut, what passes in it is the burst and rate x time: no gap is rounded away. */
static void loses_nothing_to_short_gaps(void)
{
	static const uint64_t rates[] = { 1, 7, 999, 1000003 };

	for (size_t i = 0; i < ARRAY_LEN(rates); i++) {
		uint64_t now = 0, passed = 0;
		struct bucket b;
		struct rng rng;

		rng_seed(&rng, i);
		bucket_init(&b, rates[i], 50, AT(0));
		while (now < DUR_SEC(10)) {
			while (bucket_take(&b, 1, AT(now)))
				passed++;
			now += 1 + rng_below(&rng, 40);
		}
		OK(passed <= 50 + rates[i] * 10);
		OK(passed + 50 >= 50 + rates[i] * 10);
	}
}

/* A new rate counts from now on; the level stays within the new burst; a bucket without a limit was full. */
static void changes_while_it_runs(void)
{
	struct bucket b;

	bucket_init(&b, 10, 10, AT(0));
	OK(bucket_take(&b, 10, AT(0)));
	bucket_set(&b, 1000, 10, AT(DUR_MS(500))); /* 5 units of the old rate */
	EQ(b.tokens, 5000000);
	OK(bucket_take(&b, 6, AT(DUR_MS(501))));
	OK(!bucket_take(&b, 1, AT(DUR_MS(501))));
	OK(bucket_take(&b, 10, AT(DUR_MS(600))));
	bucket_set(&b, 1000, 100, AT(DUR_MS(700)));
	OK(!bucket_take(&b, 11, AT(DUR_MS(700))));
	OK(bucket_take(&b, 10, AT(DUR_MS(700))));
	OK(bucket_take(&b, 100, AT(DUR_MS(900))));
	bucket_set(&b, 1000, 100, AT(DUR_SEC(5)));
	bucket_set(&b, 1000, 7, AT(DUR_SEC(5)));
	OK(!bucket_take(&b, 8, AT(DUR_SEC(5))));
	OK(bucket_take(&b, 7, AT(DUR_SEC(5))));
	bucket_set(&b, 0, 0, AT(DUR_SEC(5)));
	OK(bucket_take(&b, MOST, AT(DUR_SEC(5))));
	bucket_set(&b, 1, 4, AT(DUR_SEC(6)));
	OK(bucket_take(&b, 4, AT(DUR_SEC(6))));
	OK(!bucket_take(&b, 1, AT(DUR_SEC(6))));
	OK(bucket_take(&b, 1, AT(DUR_SEC(7))));
}

T_MAIN(T(fills_at_its_rate), T(loses_nothing_to_short_gaps), T(changes_while_it_runs))
