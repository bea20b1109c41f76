/* SPDX-License-Identifier: AGPL-3.0-only */
#include "turnd/pace.h"

#define SAMPLE_MIN 100 /* datagrams: the cost of fewer says nothing */

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

/* What a datagram costs depends on how many there are: at twice or half the rate nothing is known. */
static void learn(struct pace *p, uint64_t dgrams, uint64_t cpu_ns, uint64_t took)
{
	uint64_t rate = dgrams * US_PER_SEC / took, cost = cpu_ns * 1000 / dgrams;
	uint64_t *known = &p->cost[p->nap > 0];

	if (rate > 2 * p->rate || 2 * rate < p->rate) {
		p->cost[0] = p->cost[1] = 0;
		p->rate = rate;
	}
	*known = *known ? (*known + cost) / 2 : cost;
}

static bool try_other(struct pace *p)
{
	if (++p->windows < PACE_TRY && p->cost[0] && p->cost[1])
		return false;
	p->windows = 0;
	return true;
}

void pace_window(struct pace *p, uint64_t batches, uint64_t dgrams, uint64_t cpu_ns, mono_t now)
{
	uint64_t took = mono_since(now, p->since), n = dgrams - p->dgrams;
	uint64_t nap = nap_at(p->longest, batches - p->batches, n, took);

	if (nap && n >= SAMPLE_MIN) {
		bool pays;

		learn(p, n, cpu_ns - p->cpu_ns, took);
		pays = p->cost[1] * 10 < p->cost[0] * 9;
		nap = (try_other(p) ? p->nap == 0 : pays) ? nap : 0;
	}
	p->nap = n >= SAMPLE_MIN ? nap : 0;
	p->batches = batches;
	p->dgrams = dgrams;
	p->cpu_ns = cpu_ns;
	p->since = now;
}
