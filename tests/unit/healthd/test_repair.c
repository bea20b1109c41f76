/* SPDX-License-Identifier: AGPL-3.0-only */
#include "healthd/verdict/repair.h"

#include "t.h"

#define AT(sec) ((mono_t){ DUR_SEC(100000 + (sec)) })

static const struct repair_conf conf = { true, 3, DUR_SEC(3600) };

static struct repair_seen fails(void)
{
	return (struct repair_seen){ .alive = true, .uptime = DUR_SEC(7200), .serves = REPAIR_FAILS_TO_SERVE };
}

/* Runs of one minute, each seeing the same; the act of the last. */
static enum repair_act runs(struct repair *r, const struct repair_seen *s, int *sec, int n)
{
	enum repair_act a = REPAIR_NOTHING;

	for (int i = 0; i < n; i++, *sec += 60)
		a = repair_step(r, &conf, s, AT(*sec));
	return a;
}

/* Operations 3, selfheal: three failures in a row of what is alive for three minutes. Everything else is left alone. */
static void restarts_what_is_alive_and_does_not_serve(void)
{
	static const struct {
		const char *row;
		struct repair_seen s;
		enum repair_act want; /* of the third run */
	} rows[] = {
		{ "fails: ", {.alive = true, .uptime = DUR_SEC(181), .serves = REPAIR_FAILS_TO_SERVE}, REPAIR_RESTART },
		{ "serves: ", {.alive = true, .uptime = DUR_SEC(999), .serves = REPAIR_SERVES}, REPAIR_NOTHING },
		{ "not probed: ", {.alive = true, .uptime = DUR_SEC(999)}, REPAIR_NOTHING },
		{ "stopped by the operator: ", {.serves = REPAIR_FAILS_TO_SERVE}, REPAIR_NOTHING },
		{ "draining: ",
		 {.alive = true, .leaving = true, .uptime = DUR_SEC(999), .serves = REPAIR_FAILS_TO_SERVE },
		 REPAIR_NOTHING },
		{ "young: ", {.alive = true, .uptime = DUR_SEC(179), .serves = REPAIR_FAILS_TO_SERVE}, REPAIR_WATCH },
		{ "held: ",
		 {.alive = true, .uptime = DUR_SEC(999), .serves = REPAIR_FAILS_TO_SERVE, .held = true },
		 REPAIR_HELD },
		{ "an apply under way: ",
		 {.alive = true, .uptime = DUR_SEC(999), .serves = REPAIR_FAILS_TO_SERVE, .busy = true },
		 REPAIR_BUSY },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct repair r = { 0 };
		int sec = 0;

		t_row = rows[i].row;
		EQ(runs(&r, &rows[i].s, &sec, 3), rows[i].want);
	}
}

static void counts_failures_in_a_row(void)
{
	struct repair_seen bad = fails(), good = fails(), gone = fails(), dark = fails();
	struct repair r = { 0 };
	int sec = 0;

	good.serves = REPAIR_SERVES;
	gone.alive = false;
	dark.serves = REPAIR_UNKNOWN;
	EQ(runs(&r, &bad, &sec, 2), REPAIR_WATCH);
	EQ(runs(&r, &good, &sec, 1), REPAIR_NOTHING);
	EQ(runs(&r, &bad, &sec, 2), REPAIR_WATCH);
	EQ(runs(&r, &gone, &sec, 1), REPAIR_NOTHING);
	EQ(runs(&r, &bad, &sec, 2), REPAIR_WATCH);
	EQ(runs(&r, &dark, &sec, 5), REPAIR_WATCH); /* no word is no success, either */
	EQ(runs(&r, &bad, &sec, 1), REPAIR_RESTART);
	EQ(r.n, 1);
}

/* One that does not say its age, as nginx: since when it was seen without a break. */
static void age_without_a_word_of_it(void)
{
	struct repair_seen s = fails();
	struct repair r = { 0 };
	int sec = 0;

	s.uptime = 0;
	EQ(runs(&r, &s, &sec, 3), REPAIR_WATCH); /* seen for two minutes */
	EQ(runs(&r, &s, &sec, 1), REPAIR_RESTART);
	s.alive = false;
	EQ(runs(&r, &s, &sec, 10), REPAIR_NOTHING);
	s.alive = true;
	EQ(runs(&r, &s, &sec, 3), REPAIR_WATCH);
	EQ(runs(&r, &s, &sec, 1), REPAIR_RESTART);
}

/* At most 3 an hour, five minutes apart; then one last word until the window is over or it serves. */
static void budget(void)
{
	struct repair_seen s = fails(), good = fails();
	struct repair r = { 0 };
	int sec = 0, restarts = 0, given_up = 0;
	int at[4] = { 0 };

	good.serves = REPAIR_SERVES;
	for (; sec < 3600; sec += 60) {
		enum repair_act a = repair_step(&r, &conf, &s, AT(sec));

		if (a == REPAIR_RESTART && restarts < 4)
			at[restarts++] = sec;
		given_up += a == REPAIR_GIVEN_UP;
	}
	EQ(restarts, 3);
	OK(at[1] - at[0] >= 300 && at[2] - at[1] >= 300);
	OK(given_up > 0);
	OK(r.given_up);
	EQ(repair_spent(&r, &conf, AT(sec)), 3);
	EQ(repair_step(&r, &conf, &good, AT(sec)), REPAIR_NOTHING);
	OK(!r.given_up);
	sec = 120 + 3600;
	EQ(repair_spent(&r, &conf, AT(sec)), 2);
	EQ(runs(&r, &s, &sec, 3), REPAIR_RESTART);
}

static void too_soon_is_a_pause(void)
{
	struct repair_seen s = fails();
	struct repair r = { 0 };
	int sec = 0;

	EQ(runs(&r, &s, &sec, 3), REPAIR_RESTART);
	EQ(runs(&r, &s, &sec, 3), REPAIR_PAUSE);
	EQ(runs(&r, &s, &sec, 2), REPAIR_RESTART);
}

static void switched_off(void)
{
	static const struct repair_conf rows[] = { { false, 3, DUR_SEC(3600) }, { true, 0, DUR_SEC(3600) } };
	static const enum repair_act want[] = { REPAIR_OFF, REPAIR_GIVEN_UP };
	struct repair_seen s = fails();

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct repair r = { 0 };

		for (int k = 0; k < 2; k++)
			EQ(repair_step(&r, &rows[i], &s, AT(60 * k)), REPAIR_WATCH);
		EQ(repair_step(&r, &rows[i], &s, AT(120)), want[i]);
		EQ(r.n, 0);
	}
}

static void acts_have_names(void)
{
	for (int a = 0; a < REPAIR_ACT_MAX_; a++)
		OK(repair_act_str((enum repair_act)a)[0]);
	EQ_STR(repair_act_str(REPAIR_ACT_MAX_), "");
}

T_MAIN(T(restarts_what_is_alive_and_does_not_serve), T(counts_failures_in_a_row), T(age_without_a_word_of_it), T(budget),
       T(too_soon_is_a_pause), T(switched_off), T(acts_have_names))
