/* SPDX-License-Identifier: AGPL-3.0-only */
#include "t.h"
#include "turnd/pace.h"

/* A worker whose datagrams cost so much without and with naps. */
struct load {
	uint64_t longest, gap, batches, dgrams; /* per gap, in us */
	uint64_t ns[2];                         /* per datagram */
};

struct run {
	uint64_t nap;      /* the longest seen */
	uint32_t windows, naps; /* windows, and those with naps, after the first second */
};

static struct run run(const struct load *l)
{
	struct run r = { 0 };
	struct pace p;
	mono_t now = { 1000 };
	uint64_t batches = 0, dgrams = 0, cpu = 0;

	pace_init(&p, l->longest, now);
	for (uint64_t us = 0; us < DUR_SEC(6); us += l->gap) {
		now = mono_add(now, l->gap);
		batches += l->batches;
		dgrams += l->dgrams;
		cpu += l->dgrams * l->ns[p.nap > 0];
		if (!pace_due(&p, now))
			continue;
		pace_window(&p, batches, dgrams, cpu, now);
		r.nap = p.nap > r.nap ? p.nap : r.nap;
		if (us > US_PER_SEC) {
			r.windows++;
			r.naps += p.nap > 0;
		}
	}
	return r;
}

/* Where naps would pay, the rate decides whether and how long. */
static void the_rate_decides(void)
{
	static const struct {
		const char *row;
		uint64_t longest, gap, batches, dgrams, nap;
	} row[] = {
		{ "idle: ", 1000, 100000, 0, 0, 0 },
		{ "a call: ", 1000, 5000, 1, 6, 0 },
		{ "two batches a nap: ", 1000, 500, 1, 6, 0 },
		{ "just enough: ", 1000, 400, 1, 6, 0 },
		{ "a little more: ", 1000, 380, 1, 6, 1000 },
		{ "64 datagrams in a nap: ", 1000, 100, 6, 6, 1000 },
		{ "more of them: ", 1000, 100, 12, 12, 533 },
		{ "a flood: ", 1000, 100, 160, 1000, 6 },
		{ "switched off: ", 0, 100, 160, 1000, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		const struct load l = { row[i].longest, row[i].gap, row[i].batches, row[i].dgrams, { 4000, 2000 } };

		t_row = row[i].row;
		EQ(run(&l).nap, row[i].nap);
	}
}

/* Naps that do not pay are only tried, one window in PACE_TRY; those that pay are only left that often. */
static void the_cost_decides(void)
{
	static const struct {
		const char *row;
		uint64_t ns[2];
		bool naps;
	} row[] = {
		{ "half: ", { 4000, 2000 }, true }, { "a fifth less: ", { 4000, 3200 }, true },
		{ "hardly less: ", { 4000, 3800 }, false }, { "the same: ", { 4000, 4000 }, false },
		{ "more: ", { 3000, 5000 }, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		const struct load l = { 1000, 100, 6, 6, { row[i].ns[0], row[i].ns[1] } };
		struct run r = run(&l);

		t_row = row[i].row;
		OK(r.windows >= 90);
		OK(row[i].naps ? r.naps >= r.windows * 9 / 10 : r.naps <= r.windows / 10 && r.naps > 0);
	}
}

/* The first packet after silence waits for nothing. */
static void silence_ends_the_naps(void)
{
	struct pace p;
	mono_t now = { 0 };
	uint64_t n = 0, cpu = 0;

	pace_init(&p, 1000, now);
	for (int i = 0; i < 10; i++) {
		now = mono_add(now, PACE_WINDOW);
		n += 500;
		cpu += p.nap ? 500 * 1000 : 500 * 3000;
		pace_window(&p, n, n, cpu, now);
	}
	EQ(p.nap, 1000);
	now = mono_add(now, DUR_SEC(1));
	OK(pace_due(&p, now));
	pace_window(&p, n + 1, n + 1, cpu + 9000, now);
	EQ(p.nap, 0);
}

T_MAIN(T(the_rate_decides), T(the_cost_decides), T(silence_ends_the_naps))
