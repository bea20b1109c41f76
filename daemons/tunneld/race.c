/* SPDX-License-Identifier: AGPL-3.0-only */
#include "tunneld/race.h"

void race_init(struct race *c, const struct pool_list *cand, uint64_t limit_us, mono_t now)
{
	uint64_t share = cand->n ? limit_us / cand->n : limit_us;

	*c = (struct race){ .cand = *cand, .began = now, .next_at = now, .limit_at = mono_add(now, limit_us),
			    .stagger = share < RACE_STAGGER ? share : RACE_STAGGER };
}

int race_begin(struct race *c, mono_t now)
{
	uint32_t index = c->begun;

	if (index >= c->cand.n || mono_reached(now, c->limit_at) || !mono_reached(now, c->next_at))
		return -1;
	c->begun++;
	c->pending |= 1u << index;
	c->next_at = mono_add(now, c->stagger);
	return (int)index;
}

void race_failed(struct race *c, uint32_t index)
{
	if (!(c->pending >> index & 1))
		return;
	c->pending &= ~(1u << index);
	c->next_at = c->began; /* no reason to wait for what has failed */
}

bool race_over(const struct race *c, mono_t now)
{
	return mono_reached(now, c->limit_at) || (c->pending == 0 && c->begun >= c->cand.n);
}

mono_t race_next(const struct race *c)
{
	return c->begun < c->cand.n ? mono_min(c->next_at, c->limit_at) : c->limit_at;
}
