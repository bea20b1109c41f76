/* SPDX-License-Identifier: AGPL-3.0-only */
#include "tunneld/race.h"

#include "t.h"

#define MS(n) ((mono_t){ DUR_SEC(50) + DUR_MS(n) })
#define LIMIT DUR_MS(1800)

static struct race of(uint32_t n, uint64_t limit)
{
	struct pool_list l = { .n = n, .slot = { 5, 3, 1, 0, 2, 4 } };
	struct race c;

	race_init(&c, &l, limit, MS(0));
	return c;
}

/* Nobody answers: each is begun in its turn, and all are over before two seconds. */
static void staggers_what_is_silent(void)
{
	static const struct {
		const char *row;
		uint32_t n;
		uint64_t limit;
		uint64_t at[POOL_CHANNELS]; /* ms */
	} rows[] = {
		{ "one: ", 1, LIMIT, { 0 } },
		{ "two: ", 2, LIMIT, { 0, 400 } },
		{ "three: ", 3, LIMIT, { 0, 400, 800 } },
		{ "four: ", 4, LIMIT, { 0, 400, 800, 1200 } },
		{ "five share the time: ", 5, LIMIT, { 0, 360, 720, 1080, 1440 } },
		{ "six: ", 6, LIMIT, { 0, 300, 600, 900, 1200, 1500 } },
		{ "in a hurry: ", 2, DUR_MS(100), { 0, 50 } },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct race c = of(rows[i].n, rows[i].limit);

		t_row = rows[i].row;
		for (uint32_t k = 0; k < rows[i].n; k++) {
			mono_t at = MS(rows[i].at[k]);

			EQ(race_next(&c).us, at.us);
			EQ(race_begin(&c, (mono_t){ at.us - 1 }), -1);
			EQ(race_begin(&c, at), k);
			EQ(race_begin(&c, at), -1);
			OK(!race_over(&c, at));
		}
		EQ(race_next(&c).us, mono_add(MS(0), rows[i].limit).us);
		OK(!race_over(&c, (mono_t){ MS(0).us + rows[i].limit - 1 }));
		OK(race_over(&c, race_next(&c)));
		EQ(race_begin(&c, race_next(&c)), -1);
	}
}

static void does_not_wait_for_what_failed(void)
{
	struct race c = of(3, LIMIT);

	EQ(race_begin(&c, MS(0)), 0);
	race_failed(&c, 0);
	OK(!race_over(&c, MS(1)));
	EQ(race_begin(&c, MS(1)), 1);
	EQ(race_begin(&c, MS(1)), -1);
	EQ(race_next(&c).us, MS(401).us);
	race_failed(&c, 1);
	race_failed(&c, 1); /* twice is once */
	EQ(race_begin(&c, MS(2)), 2);
	race_failed(&c, 2);
	OK(race_over(&c, MS(2)));
	EQ(race_begin(&c, MS(3)), -1);
}

/* The first is slow, the second fails: the first may still win. */
static void waits_for_those_that_are_left(void)
{
	struct race c = of(2, LIMIT);

	EQ(race_begin(&c, MS(0)), 0);
	EQ(race_begin(&c, MS(400)), 1);
	race_failed(&c, 1);
	OK(!race_over(&c, MS(500)));
	EQ(c.pending, 1);
	EQ(race_next(&c).us, MS(1800).us);
	race_failed(&c, 0);
	OK(race_over(&c, MS(500)));
}

static void nobody_is_no_race(void)
{
	struct race c = of(0, LIMIT);

	EQ(race_begin(&c, MS(0)), -1);
	OK(race_over(&c, MS(0)));
	race_failed(&c, 0);
	EQ(c.pending, 0);
}

/* A late tick begins one, not all that would have been due. */
static void tolerates_being_late(void)
{
	struct race c = of(3, LIMIT);

	EQ(race_begin(&c, MS(0)), 0);
	EQ(race_begin(&c, MS(1500)), 1);
	EQ(race_begin(&c, MS(1500)), -1);
	EQ(race_next(&c).us, MS(1800).us);
	EQ(race_begin(&c, MS(5000)), -1);
	OK(race_over(&c, MS(5000)));
}

T_MAIN(T(staggers_what_is_silent), T(does_not_wait_for_what_failed), T(waits_for_those_that_are_left), T(nobody_is_no_race),
       T(tolerates_being_late))
