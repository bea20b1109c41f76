/* SPDX-License-Identifier: AGPL-3.0-only */
#include "healthd/verdict/repair.h"

static const char *const names[REPAIR_ACT_MAX_] = {
	[REPAIR_NOTHING] = "nothing", [REPAIR_WATCH] = "watch", [REPAIR_RESTART] = "restart", [REPAIR_PAUSE] = "pause",
	[REPAIR_HELD] = "held",       [REPAIR_BUSY] = "busy",   [REPAIR_OFF] = "off",         [REPAIR_GIVEN_UP] = "given-up",
};

const char *repair_act_str(enum repair_act a)
{
	return a >= 0 && a < REPAIR_ACT_MAX_ ? names[a] : "";
}

uint32_t repair_spent(const struct repair *r, const struct repair_conf *c, mono_t now)
{
	uint64_t known = r->n < REPAIR_BUDGET_MAX ? r->n : REPAIR_BUDGET_MAX;
	uint32_t spent = 0;

	for (uint64_t i = 0; i < known; i++)
		spent += mono_since(now, r->at[i]) < c->window;
	return spent;
}

/* Whether it failed for long enough to do something about it; keeps the counts. */
static bool is_due(struct repair *r, const struct repair_seen *s, mono_t now)
{
	uint64_t age;

	if (s->alive && !r->alive)
		r->alive_from = now;
	r->alive = s->alive;
	if (!s->alive || s->leaving || s->serves == REPAIR_SERVES) {
		r->fails = 0;
		return false;
	}
	if (s->serves == REPAIR_UNKNOWN)
		return false;
	r->fails += r->fails < REPAIR_FAILS;
	age = s->uptime ? s->uptime : mono_since(now, r->alive_from);
	return r->fails >= REPAIR_FAILS && age >= REPAIR_AGE;
}

enum repair_act repair_step(struct repair *r, const struct repair_conf *c, const struct repair_seen *s, mono_t now)
{
	uint32_t budget = c->budget < REPAIR_BUDGET_MAX ? c->budget : REPAIR_BUDGET_MAX;
	bool due = is_due(r, s, now);

	if (r->fails == 0)
		r->given_up = false;
	if (!due)
		return r->fails ? REPAIR_WATCH : REPAIR_NOTHING;
	if (!c->enabled)
		return REPAIR_OFF;
	if (s->held)
		return REPAIR_HELD;
	if (s->busy)
		return REPAIR_BUSY;
	if (r->n && mono_since(now, r->at[(r->n - 1) % REPAIR_BUDGET_MAX]) < REPAIR_APART)
		return REPAIR_PAUSE;
	r->given_up = repair_spent(r, c, now) >= budget;
	if (r->given_up)
		return REPAIR_GIVEN_UP;
	r->at[r->n++ % REPAIR_BUDGET_MAX] = now;
	r->fails = 0;
	return REPAIR_RESTART;
}
