/* SPDX-License-Identifier: AGPL-3.0-only */
/* Which simulcast layer a subscriber gets. A pure function of what was observed; layer control by estimate comes
 * later. */
#ifndef SFUD_LAYER_H
#define SFUD_LAYER_H

#include "base/mono.h"
#include "base/span.h"

#define LAYERS_MAX 3            /* q, h, f: index 0 is the smallest */
#define LAYER_STALE DUR_SEC(1)  /* a layer without packets for this long is not sent at present */

struct layer_seen {
	bool known;       /* ever received */
	mono_t last;      /* newest packet */
	uint64_t bps;     /* recent bit rate */
};

/*
 * The layer to aim for: the highest active one whose rate fits into budget_bps (0: unknown, no limit), else the
 * lowest active one; `current` when nothing is active (-1: none yet). The caller switches only at a keyframe of that
 * layer.
 */
int layer_target(const struct layer_seen layers[LAYERS_MAX], uint64_t budget_bps, int current, mono_t now);

/*
 * The layer of a simulcast stream from its rid. q, h and f name sizes, whatever their order in a=simulcast (RFC 8853 says nothing
 * of size); when another name is among the n (<= LAYERS_MAX) rids, they count as listed. -1: not one of them.
 */
int layer_of_rid(const struct span *rids, uint32_t n, struct span rid);

#endif
