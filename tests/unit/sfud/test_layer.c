/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sfud/media/layer.h"

#include "base/rng.h"
#include "t.h"

#define MS(n) ((mono_t){ DUR_MS(n) })

/* The highest active layer that fits, else the lowest active one, else what it was. */
static void the_best_layer_that_fits(void)
{
	const struct {
		const char *row;
		uint64_t bps[LAYERS_MAX];  /* 0: never received */
		uint64_t age[LAYERS_MAX];  /* ms since the newest packet */
		uint64_t budget;
		int current, want;
	} c[] = {
		{ "no limit: ", { 150, 500, 2500 }, { 0, 0, 0 }, 0, 0, 2 },
		{ "all fit: ", { 150, 500, 2500 }, { 0, 0, 0 }, 2500, 0, 2 },
		{ "one bit short: ", { 150, 500, 2500 }, { 0, 0, 0 }, 2499, 2, 1 },
		{ "none fits: ", { 150, 500, 2500 }, { 0, 0, 0 }, 10, 2, 0 },
		{ "highest is not sent: ", { 150, 500, 2500 }, { 0, 0, 1000 }, 0, 2, 1 },
		{ "just not stale: ", { 150, 500, 2500 }, { 0, 0, 999 }, 0, 1, 2 },
		{ "lowest is not sent: ", { 150, 500, 2500 }, { 5000, 0, 0 }, 10, 0, 1 },
		{ "one stream without simulcast: ", { 900, 0, 0 }, { 0, 0, 0 }, 10, -1, 0 },
		{ "all stale: ", { 150, 500, 2500 }, { 2000, 2000, 2000 }, 0, 1, 1 },
		{ "nothing yet: ", { 0, 0, 0 }, { 0, 0, 0 }, 0, -1, -1 },
		{ "a smaller rate above: ", { 150, 500, 100 }, { 0, 0, 0 }, 120, 0, 2 },
	};

	for (size_t i = 0; i < ARRAY_LEN(c); i++) {
		struct layer_seen l[LAYERS_MAX];

		t_row = c[i].row;
		for (int k = 0; k < LAYERS_MAX; k++)
			l[k] = (struct layer_seen){ c[i].bps[k] != 0, MS(9000 - c[i].age[k]), c[i].bps[k] };
		EQ(layer_target(l, c[i].budget, c[i].current, MS(9000)), c[i].want);
	}
}

static int brute_force(const struct layer_seen *l, uint64_t budget, int current, mono_t now)
{
	int best = current, best_score = 0;

	for (int i = 0; i < LAYERS_MAX; i++) {
		bool active = l[i].known && now.us < l[i].last.us + LAYER_STALE;
		int score = !active ? 0 : budget == 0 || l[i].bps <= budget ? 100 + i : 50 - i;

		if (score > best_score) {
			best = i;
			best_score = score;
		}
	}
	return best;
}

/* Oracle: score every layer, take the best. */
static void agrees_with_brute_force(void)
{
	struct rng rng;

	rng_seed(&rng, 6);
	for (int i = 0; i < 100000; i++) {
		struct layer_seen l[LAYERS_MAX];
		uint64_t budget = rng_below(&rng, 5);
		int current = (int)rng_below(&rng, 4) - 1;

		for (int k = 0; k < LAYERS_MAX; k++)
			l[k] = (struct layer_seen){
				.known = rng_below(&rng, 4) != 0,
				.last = MS(rng_below(&rng, 2501)),
				.bps = rng_below(&rng, 6),
			};
		EQ(layer_target(l, budget, current, MS(2500)), brute_force(l, budget, current, MS(2500)));
	}
}

/* Sizes go by name when every rid names one, else by place; a mixture must not put two rids on one layer. */
static void rids_become_layers(void)
{
	static const struct {
		const char *row, *rids[LAYERS_MAX];
		uint32_t n;
		int want[LAYERS_MAX];
	} rows[] = {
		{ "by name: ", { "f", "h", "q" }, 3, { 2, 1, 0 } },
		{ "two names: ", { "h", "q" }, 2, { 1, 0 } },
		{ "other names: ", { "lo", "mid", "hi" }, 3, { 0, 1, 2 } },
		{ "a mixture: ", { "lo", "q", "f" }, 3, { 0, 1, 2 } },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct span rids[LAYERS_MAX];

		t_row = rows[i].row;
		for (uint32_t k = 0; k < rows[i].n; k++)
			rids[k] = span_str(rows[i].rids[k]);
		for (uint32_t k = 0; k < rows[i].n; k++)
			EQ(layer_of_rid(rids, rows[i].n, rids[k]), rows[i].want[k]);
		EQ(layer_of_rid(rids, rows[i].n, span_str("x")), -1);
		EQ(layer_of_rid(rids, rows[i].n, span_of(NULL, 0)), -1);
	}
}

T_MAIN(T(rids_become_layers), T(the_best_layer_that_fits), T(agrees_with_brute_force))
