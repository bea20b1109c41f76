/* SPDX-License-Identifier: AGPL-3.0-only */
#include "turnd/pace.h"

void pace_init(struct pace *p, uint64_t longest, mono_t now)
{
	*p = (struct pace){ .longest = longest, .since = now };
}

/* Two and a half batches for a nap: fewer would hardly pay for it. */
static uint64_t nap_at(uint64_t longest, uint64_t batches, uint64_t dgrams, uint64_t took)
{
	if (batches * longest * 2 <= took * 5)
		return 0;
	return dgrams * longest <= PACE_DGRAMS * took ? longest : PACE_DGRAMS * took / dgrams;
}

uint64_t pace_turn(struct pace *p, uint64_t batches, uint64_t dgrams, mono_t now)
{
	uint64_t took = mono_since(now, p->since);

	if (took >= PACE_WINDOW) {
		p->nap = nap_at(p->longest, batches - p->batches, dgrams - p->dgrams, took);
		p->batches = batches;
		p->dgrams = dgrams;
		p->since = now;
	}
	return p->nap;
}
