/* SPDX-License-Identifier: AGPL-3.0-only */
#include "base/replay.h"

#include "base/rng.h"
#include "t.h"

#define SPAN 20000

/* A naive set agrees on every answer: fresh unless seen, or REPLAY_WINDOW or more behind the newest. */
static void agrees_with_a_set(void)
{
	static const uint32_t reach[] = { 1, 70, 1500, 5000 };
	static bool seen[SPAN];

	for (size_t k = 0; k < ARRAY_LEN(reach); k++) {
		struct replay r = { 0 };
		struct rng rng;
		uint64_t top = 0, base = k & 1 ? UINT64_MAX - SPAN : 0;
		bool any = false;

		memset(seen, 0, sizeof(seen));
		rng_seed(&rng, k);
		for (int i = 0; i < 40000 && top + reach[k] + 1 < SPAN; i++) {
			uint64_t at = top + rng_below(&rng, reach[k] + 1);
			uint64_t back = rng_below(&rng, 3) ? rng_below(&rng, 1100) : 0;
			bool want;

			at = at > back ? at - back : 0;
			want = !any || at > top || (top - at < REPLAY_WINDOW && !seen[at]);
			EQ(replay_fresh(&r, base + at), want);
			if (rng_below(&rng, 4) == 0)
				continue; /* failed authentication: must change nothing */
			replay_mark(&r, base + at);
			seen[at] = true;
			if (!any || at > top)
				top = at;
			any = true;
		}
	}
}

/* RFC 3711 3.3.2: the edges of the window. */
static void edges(void)
{
	static const struct { const char *row; uint64_t number; bool want, mark; } step[] = {
		{ "first is anything: ", 5000, true, true },
		{ "repeat: ", 5000, false, false },
		{ "oldest inside: ", 5000 - 1023, true, true },
		{ "again: ", 5000 - 1023, false, false },
		{ "just outside: ", 5000 - 1024, false, false },
		{ "marking outside is ignored: ", 0, false, true },
		{ "zero: ", 0, false, false },
		{ "jump by a window: ", 6024, true, true },
		{ "old top fell out: ", 5000, false, false },
		{ "its neighbour is unseen: ", 5001, true, false },
		{ "jump far: ", UINT64_MAX, true, true },
		{ "repeat the last: ", UINT64_MAX, false, false },
		{ "before the last: ", UINT64_MAX - 1, true, true },
		{ "last inside: ", UINT64_MAX - 1023, true, true },
		{ "last outside: ", UINT64_MAX - 1024, false, false },
	};
	struct replay r = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(step); i++) {
		t_row = step[i].row;
		EQ(replay_fresh(&r, step[i].number), step[i].want);
		if (step[i].mark)
			replay_mark(&r, step[i].number);
	}
}

T_MAIN(T(agrees_with_a_set), T(edges))
