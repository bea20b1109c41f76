/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * When to restart a daemon that is alive but does not serve. It must have failed end to end three runs in a row and be up
 * for three minutes; restarts are budgeted and at least five minutes apart. What is not running is never started: the
 * operator stopped it, or systemd's Restart= is at work. Pure.
 */
#ifndef HEALTHD_REPAIR_H
#define HEALTHD_REPAIR_H

#include "base/mono.h"

#define REPAIR_FAILS 3
#define REPAIR_AGE DUR_SEC(180)
#define REPAIR_APART DUR_SEC(300)
#define REPAIR_BUDGET_MAX 32 /* healthd_conf.c says it in words */

struct repair_conf {
	bool enabled;
	uint32_t budget; /* restarts per window, at most REPAIR_BUDGET_MAX */
	uint64_t window;
};

/* Of one daemon. Zeroed memory: nothing has happened. */
struct repair {
	uint32_t fails;    /* runs in a row */
	mono_t alive_from; /* since when it was seen alive without a break */
	bool alive;
	mono_t at[REPAIR_BUDGET_MAX]; /* restarts, the newest at n - 1 modulo REPAIR_BUDGET_MAX */
	uint64_t n;        /* restarts ever */
	bool given_up;     /* the budget is used up, and it still does not serve */
};

enum repair_serves { REPAIR_UNKNOWN, REPAIR_SERVES, REPAIR_FAILS_TO_SERVE };

/* What one run has found. */
struct repair_seen {
	bool alive;    /* it answers its control socket, or its port accepts */
	bool leaving;  /* draining or stopping */
	uint64_t uptime; /* us as it says itself; 0: it does not say */
	enum repair_serves serves;
	bool held;     /* a hold file */
	bool busy;     /* somebody applies a configuration */
};

enum repair_act {
	REPAIR_NOTHING,  /* it serves, or nothing can be said */
	REPAIR_WATCH,    /* fails, but not for long enough, or it is too young */
	REPAIR_RESTART,  /* do it now; it is counted */
	REPAIR_PAUSE,    /* fails, but the last restart was a moment ago */
	REPAIR_HELD, REPAIR_BUSY, REPAIR_OFF,
	REPAIR_GIVEN_UP, /* fails, and the budget is used up */
	REPAIR_ACT_MAX_
};
const char *repair_act_str(enum repair_act a);

/* Once per run. */
enum repair_act repair_step(struct repair *r, const struct repair_conf *c, const struct repair_seen *s, mono_t now);

/* Restarts within the window before now. */
uint32_t repair_spent(const struct repair *r, const struct repair_conf *c, mono_t now);

#endif
