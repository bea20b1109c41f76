/* SPDX-License-Identifier: AGPL-3.0-only */
#include "t.h"
#include "turnd/pace.h"

/* The nap that a steady rate comes to. */
static uint64_t nap_at(uint64_t longest, uint64_t gap_us, uint64_t batches, uint64_t dgrams)
{
	struct pace p;
	mono_t now = { 1000 };
	uint64_t nap = 0, seen[2] = { 7, 11 };

	pace_init(&p, longest, now);
	for (uint64_t us = 0; us < US_PER_SEC; us += gap_us) {
		now = mono_add(now, gap_us);
		seen[0] += batches;
		seen[1] += dgrams;
		nap = pace_turn(&p, seen[0], seen[1], now);
	}
	return nap;
}

static void the_rate_decides(void)
{
	static const struct {
		const char *row;
		uint64_t longest, gap, batches, dgrams, nap;
	} row[] = {
		{ "idle: ", 1000, 100000, 0, 0, 0 },
		{ "a call: ", 1000, 5000, 1, 6, 0 },
		{ "two batches a nap: ", 1000, 500, 1, 1, 0 },
		{ "just enough: ", 1000, 400, 1, 1, 0 },
		{ "a little more: ", 1000, 380, 1, 1, 1000 },
		{ "bursts of video: ", 1000, 333, 1, 6, 1000 },
		{ "64 datagrams in a nap: ", 1000, 100, 6, 6, 1000 },
		{ "more of them: ", 1000, 100, 12, 12, 533 },
		{ "a flood: ", 1000, 100, 160, 1000, 6 },
		{ "switched off: ", 0, 100, 160, 1000, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		t_row = row[i].row;
		EQ(nap_at(row[i].longest, row[i].gap, row[i].batches, row[i].dgrams), row[i].nap);
	}
}

/* The first packet after silence waits for nothing. */
static void silence_ends_the_naps(void)
{
	struct pace p;
	mono_t now = { 0 };
	uint64_t n = 0;

	pace_init(&p, 1000, now);
	for (int i = 0; i < 100; i++) {
		now = mono_add(now, 1000);
		n += 10;
		(void)pace_turn(&p, n, n, now);
	}
	EQ(pace_turn(&p, n, n, now), 1000);
	now = mono_add(now, DUR_SEC(1));
	EQ(pace_turn(&p, n + 1, n + 1, now), 0);
}

T_MAIN(T(the_rate_decides), T(silence_ends_the_naps))
