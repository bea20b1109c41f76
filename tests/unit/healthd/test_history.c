/* SPDX-License-Identifier: AGPL-3.0-only */
#include "healthd/verdict/history.h"

#include "t.h"

#define MIN(n) ((mono_t){ (uint64_t)(n) * HISTORY_STEP })
#define DAY HISTORY_SLOTS

static struct history_sum sum_at(const struct history *h, mono_t now)
{
	struct history_sum s;

	history_sum(h, now, &s);
	return s;
}

/* A minute has one value: the last, but a failure stays; what is over stays as it is. */
static void one_value_a_minute(void)
{
	static const struct {
		const char *row;
		uint64_t minute, v;
		bool fail;
		uint32_t n, failed, most;
	} rows[] = {
		{ "the first: ", 5000, 10, false, 1, 0, 10 },
		{ "the same minute: ", 5000, 7, false, 1, 0, 7 },
		{ "it failed: ", 5000, 0, true, 0, 1, 0 },
		{ "a failure stays: ", 5000, 9, false, 0, 1, 0 },
		{ "the next: ", 5001, 30, false, 1, 1, 30 },
		{ "the past: ", 4999, 90, false, 1, 1, 30 },
		{ "after a gap: ", 5010, 20, false, 2, 1, 30 },
		{ "too large: ", 5011, UINT64_MAX, false, 3, 1, HISTORY_FAILED - 1 },
	};
	static struct history h;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		t_row = rows[i].row;
		if (rows[i].fail)
			history_fail(&h, MIN(rows[i].minute));
		else
			history_add(&h, MIN(rows[i].minute), rows[i].v);
		struct history_sum s = sum_at(&h, MIN(5011));

		EQ(s.n, rows[i].n);
		EQ(s.failed, rows[i].failed);
		EQ(s.most, rows[i].most);
	}
}

/* 24 hours and no more, also when nothing was added for longer, and also in the first minutes after boot. */
static void forgets_after_a_day(void)
{
	static struct history h;

	EQ(sum_at(&h, MIN(0)).n, 0);
	history_add(&h, MIN(0), 1);
	history_add(&h, MIN(3), 2);
	EQ(sum_at(&h, MIN(3)).n, 2);
	EQ(sum_at(&h, MIN(DAY - 1)).n, 2);
	EQ(sum_at(&h, MIN(DAY)).n, 1);
	EQ(sum_at(&h, MIN(DAY + 3)).n, 0);
	history_add(&h, MIN(DAY + 1), 3);
	EQ(sum_at(&h, MIN(DAY + 1)).n, 2);
	history_add(&h, MIN(9 * DAY), 4);
	EQ(sum_at(&h, MIN(9 * DAY)).n, 1);
	EQ(sum_at(&h, MIN(9 * DAY)).median, 4);
	EQ(sum_at(&h, (mono_t){ UINT64_MAX }).n, 0);
}

static void median_is_the_middle_one(void)
{
	static struct history h;
	static const uint32_t v[] = { 50, 10, 30, 1000000, 20 };

	for (size_t i = 0; i < ARRAY_LEN(v); i++)
		history_add(&h, MIN(9000 + i), v[i]);
	struct history_sum s = sum_at(&h, MIN(9004));

	EQ(s.least, 10);
	EQ(s.median, 30);
	EQ(s.most, 1000000);
	history_add(&h, MIN(9005), 0);
	EQ(sum_at(&h, MIN(9005)).median, 20);
}

/* A drawn point is the worst of its minutes. */
static void points_show_the_worst(void)
{
	static struct history h;
	struct history_point p[144];

	history_points(&h, MIN(9999), p, 144);
	for (int i = 0; i < 144; i++)
		EQ(p[i].v, HISTORY_NONE);
	for (int m = 0; m < DAY; m++)
		history_add(&h, MIN(10080 + m), (uint64_t)(m % 10));
	history_fail(&h, MIN(10080 + DAY)); /* the oldest minute goes */
	history_points(&h, MIN(10080 + DAY), p, 144);
	EQ(p[0].v, 9);
	EQ(p[142].v, 9);
	EQ(p[143].v, HISTORY_FAILED);
	EQ(p[143].failed, 1);
}

T_MAIN(T(one_value_a_minute), T(forgets_after_a_day), T(median_is_the_middle_one), T(points_show_the_worst))
