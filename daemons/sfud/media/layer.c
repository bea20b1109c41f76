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
