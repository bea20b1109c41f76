/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sfud/media/layer.h"

int layer_target(const struct layer_seen layers[LAYERS_MAX], uint64_t budget_bps, int current, mono_t now)
{
	int lowest = current;

	for (int i = LAYERS_MAX - 1; i >= 0; i--) {
		if (!layers[i].known || mono_since(now, layers[i].last) >= LAYER_STALE)
			continue;
		if (budget_bps == 0 || layers[i].bps <= budget_bps)
			return i;
		lowest = i;
	}
	return lowest;
}

static int size_of_rid(struct span rid)
{
	static const char *const sizes[LAYERS_MAX] = { "q", "h", "f" };

	for (int i = 0; i < LAYERS_MAX; i++)
		if (span_is(rid, sizes[i]))
			return i;
	return -1;
}

int layer_of_rid(const struct span *rids, uint32_t n, struct span rid)
{
	bool sized = true;

	for (uint32_t i = 0; i < n; i++)
		sized &= size_of_rid(rids[i]) >= 0;
	for (uint32_t i = 0; rid.n && i < n; i++)
		if (span_eq(rid, rids[i]))
			return sized ? size_of_rid(rid) : (int)i;
	return -1;
}
