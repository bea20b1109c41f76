/* SPDX-License-Identifier: AGPL-3.0-only */
#include "tunneld/pool.h"

#define SMOOTH 8 /* a new round trip's share is one eighth, as TCP's (RFC 6298 2) */

void pool_init(struct pool *p, const struct pool_conf *c)
{
	*p = (struct pool){ .conf = *c };
}

int pool_add(struct pool *p, mono_t now)
{
	for (uint32_t i = 0; i < POOL_SLOTS; i++) {
		struct pool_channel *c = &p->ch[i];

		if (c->used)
			continue;
		*c = (struct pool_channel){ .used = true, .state = POOL_UNKNOWN, .since = now, .probe_at = now };
		return (int)i;
	}
	return ERR_LIMIT;
}

static void order_without(struct pool_list *l, uint32_t slot)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < l->n; i++) {
		if (l->slot[i] != slot)
			l->slot[n++] = l->slot[i];
	}
	l->n = n;
}

static void unlist(struct pool *p, uint32_t slot)
{
	for (int o = 0; o < ORDER_MAX_; o++)
		order_without(&p->order[o], slot);
}

void pool_drop(struct pool *p, uint32_t slot)
{
	unlist(p, slot);
	p->ch[slot] = (struct pool_channel){ 0 };
}

bool pool_retire(struct pool *p, uint32_t slot)
{
	unlist(p, slot);
	p->ch[slot].retired = true;
	if (pool_open(p, slot))
		return false;
	pool_drop(p, slot);
	return true;
}

void pool_set_order(struct pool *p, enum order o, const struct pool_list *l)
{
	p->order[o] = *l;
}

void pool_choose(const struct pool *p, enum order o, struct pool_list *ret)
{
	const struct pool_list *l = &p->order[o];

	ret->n = 0;
	for (int rank = 0; rank < 4; rank++) {
		enum pool_state want = rank < 2 ? POOL_UP : POOL_UNKNOWN;

		for (uint32_t i = 0; i < l->n; i++) {
			const struct pool_channel *c = &p->ch[l->slot[i]];

			if (c->used && c->state == want && c->suspect == (rank % 2 == 1))
				ret->slot[ret->n++] = l->slot[i];
		}
	}
}

mono_t pool_next(const struct pool *p)
{
	mono_t at = MONO_NEVER;

	for (uint32_t i = 0; i < POOL_SLOTS; i++) {
		if (p->ch[i].used && !p->ch[i].probing)
			at = mono_min(at, p->ch[i].probe_at);
	}
	return at;
}

int pool_tick(struct pool *p, mono_t now)
{
	for (uint32_t i = 0; i < POOL_SLOTS; i++) {
		struct pool_channel *c = &p->ch[i];

		if (!c->used || c->probing || !mono_reached(now, c->probe_at))
			continue;
		c->probing = true;
		c->probe_at = MONO_NEVER;
		return (int)i;
	}
	return -1;
}

static void wrong(struct pool_channel *c, enum why why, mono_t now)
{
	c->error = why;
	c->error_at = now;
}

static void passed(struct pool_channel *c, uint64_t rtt)
{
	c->passes++;
	c->fails = 0;
	c->suspect = false;
	c->rtt = rtt;
	c->rtt_smooth = c->rtt_smooth ? c->rtt_smooth - c->rtt_smooth / SMOOTH + rtt / SMOOTH : rtt;
}

static void failed(struct pool_channel *c, enum why why, mono_t now)
{
	wrong(c, why, now);
	if (why == WHY_LOCAL)
		return;
	c->fails++;
	c->passes = 0;
	c->suspect = true;
}

enum pool_change pool_probed(struct pool *p, uint32_t slot, enum why why, uint64_t rtt, mono_t now)
{
	struct pool_channel *c = &p->ch[slot];
	enum pool_state was = c->state;
	bool eager;

	if (!c->used || !c->probing)
		return POOL_SAME;
	c->probing = false;
	c->n.probes[why]++;
	if (why == WHY_NONE)
		passed(c, rtt);
	else
		failed(c, why, now);
	if (c->passes >= p->conf.passes)
		c->state = POOL_UP;
	else if (c->fails >= p->conf.fails)
		c->state = POOL_DOWN;
	eager = c->state == POOL_UNKNOWN || why == WHY_LOCAL;
	c->probe_at = mono_add(now, eager && p->conf.interval > POOL_EAGER ? POOL_EAGER : p->conf.interval);
	if (c->state == was)
		return POOL_SAME;
	c->since = now;
	return c->state == POOL_UP ? POOL_WENT_UP : POOL_WENT_DOWN;
}

void pool_broken(struct pool *p, uint32_t slot, enum why why, mono_t now)
{
	struct pool_channel *c = &p->ch[slot];

	if (!c->used)
		return;
	c->suspect = true;
	wrong(c, why, now);
	if (!c->probing)
		c->probe_at = now;
}

void pool_connected(struct pool *p, uint32_t slot, bool failover, uint64_t waited_us)
{
	struct pool_channel *c = &p->ch[slot];

	c->suspect = c->fails > 0; /* connecting is not being well */
	c->n.streams++;
	c->n.failovers += failover;
	if (waited_us > c->n.connect_us_max)
		c->n.connect_us_max = waited_us;
}

void pool_failed(struct pool *p, uint32_t slot, enum why why, mono_t now)
{
	struct pool_channel *c = &p->ch[slot];

	if (!c->used)
		return;
	c->n.connect_failed[why]++;
	if (why == WHY_LOCAL)
		return;
	c->suspect = true;
	wrong(c, why, now);
}

void pool_opened(struct pool *p, uint32_t slot, unsigned use)
{
	p->ch[slot].open[use]++;
}

bool pool_closed(struct pool *p, uint32_t slot, unsigned use)
{
	struct pool_channel *c = &p->ch[slot];

	c->open[use]--;
	if (!c->retired || pool_open(p, slot))
		return false;
	pool_drop(p, slot);
	return true;
}

uint64_t pool_open(const struct pool *p, uint32_t slot)
{
	uint64_t n = 0;

	for (int i = 0; i <= ORDER_MAX_; i++)
		n += p->ch[slot].open[i];
	return n;
}

const char *pool_state_str(enum pool_state s)
{
	static const char *const text[] = { [POOL_UNKNOWN] = "unknown", [POOL_UP] = "up", [POOL_DOWN] = "down" };

	return text[s];
}
