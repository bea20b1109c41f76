/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * A script of what can happen to a pool: channels come, retire and go; probes, connections and streams end in every way. After
 * each step no order names a channel twice, or one that is down, retired or not there; one that is up and no suspect comes before
 * all others; one whose last probe failed is a suspect; a probe under way has no deadline; and a race over any choice is over at
 * its limit.
 */
#include "fuzz.h"
#include "tunneld/race.h"

struct script {
	struct rd in;
	struct pool p;
	mono_t now;
};

static unsigned rank(const struct pool_channel *c)
{
	return (c->state == POOL_UNKNOWN ? 2u : 0u) + c->suspect;
}

static void judge_order(const struct pool *p, enum order o)
{
	struct pool_list l;
	uint32_t seen = 0;

	pool_choose(p, o, &l);
	MUST(l.n <= p->order[o].n);
	for (uint32_t i = 0; i < l.n; i++) {
		const struct pool_channel *c = &p->ch[l.slot[i]];

		MUST(c->used && !c->retired && c->state != POOL_DOWN && !(seen >> l.slot[i] & 1));
		MUST(i == 0 || rank(&p->ch[l.slot[i - 1]]) <= rank(c));
		seen |= 1u << l.slot[i];
	}
}

static void judge(const struct script *s)
{
	mono_t next = pool_next(&s->p);

	for (enum order o = 0; o < ORDER_MAX_; o++)
		judge_order(&s->p, o);
	for (uint32_t i = 0; i < POOL_SLOTS; i++) {
		const struct pool_channel *c = &s->p.ch[i];

		MUST(c->used || pool_open(&s->p, i) == 0);
		MUST(!c->used || c->probing == mono_is_never(c->probe_at));
		MUST(!c->used || c->probing || next.us <= c->probe_at.us);
		MUST(!(c->passes && c->fails));
		MUST(c->suspect || !c->fails);
	}
}

static void all_in_order(struct script *s, enum order o)
{
	struct pool_list l = { 0 };

	for (uint32_t i = 0; i < POOL_SLOTS && l.n < POOL_CHANNELS; i++) {
		uint32_t slot = o == ORDER_WEB ? i : POOL_SLOTS - 1 - i;

		if (s->p.ch[slot].used && !s->p.ch[slot].retired)
			l.slot[l.n++] = (uint8_t)slot;
	}
	pool_set_order(&s->p, o, &l);
}

static void race(struct script *s)
{
	struct pool_list l;
	struct race c;
	mono_t now = s->now;

	pool_choose(&s->p, ORDER_WEB, &l);
	race_init(&c, &l, DUR_MS(1800), now);
	for (int i = 0; i < 100 && !race_over(&c, now); i++) {
		int k = race_begin(&c, now);
		uint8_t fate = rd_u8(&s->in);

		MUST(k < (int)l.n);
		if (k >= 0 && fate & 1)
			race_failed(&c, (uint32_t)k);
		else if (k < 0)
			now = fate & 2 ? race_next(&c) : mono_add(now, fate * 1000u);
		MUST(c.begun <= l.n && c.pending >> l.n == 0);
		MUST(race_over(&c, now) || race_next(&c).us <= mono_add(s->now, DUR_MS(1800)).us);
	}
	MUST(race_over(&c, mono_add(s->now, DUR_MS(1800))));
}

static void step(struct script *s)
{
	uint8_t what = rd_u8(&s->in), arg = rd_u8(&s->in);
	uint32_t slot = arg % POOL_SLOTS;
	unsigned use = arg / POOL_SLOTS % (ORDER_MAX_ + 1);
	enum why why = (enum why)(arg / POOL_SLOTS % WHY_MAX_);
	struct pool_channel *c = &s->p.ch[slot];

	switch (what % 12) {
	case 0:
		(void)pool_add(&s->p, s->now);
		break;
	case 1:
		if (c->used && !c->retired)
			(void)pool_retire(&s->p, slot);
		break;
	case 2:
		all_in_order(s, (enum order)(arg % ORDER_MAX_));
		break;
	case 3:
		while (pool_tick(&s->p, s->now) >= 0)
			;
		break;
	case 4:
	case 5:
		(void)pool_probed(&s->p, slot, what % 12 == 4 ? WHY_NONE : why, arg, s->now);
		break;
	case 6:
		pool_broken(&s->p, slot, why, s->now);
		break;
	case 7:
		if (c->used)
			pool_connected(&s->p, slot, arg & 1, arg);
		break;
	case 8:
		pool_failed(&s->p, slot, why, s->now);
		break;
	case 9:
		if (c->used)
			pool_opened(&s->p, slot, use);
		break;
	case 10:
		if (c->used && c->open[use])
			(void)pool_closed(&s->p, slot, use);
		break;
	default:
		race(s);
		s->now = mono_add(s->now, DUR_MS(arg * 50u));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const struct pool_conf c = { .interval = DUR_SEC(10), .passes = 2, .fails = 3 };
	struct script s = { .in = rd_from(span_of(data, n)), .now = { DUR_SEC(100) } };

	pool_init(&s.p, &c);
	while (rd_left(&s.in)) {
		step(&s);
		judge(&s);
	}
	return 0;
}
