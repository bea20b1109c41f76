/* SPDX-License-Identifier: AGPL-3.0-only */
/* One value a minute for the last 24 hours: round trips, rates. A ring of fixed size; minutes without a value stay empty.
 * Pure. */
#ifndef HEALTHD_HISTORY_H
#define HEALTHD_HISTORY_H

#include "base/mono.h"

#define HISTORY_SLOTS 1440
#define HISTORY_STEP DUR_SEC(60)
#define HISTORY_FAILED (UINT32_MAX - 1) /* there was an attempt, and it failed */
#define HISTORY_NONE UINT32_MAX         /* there was none */

struct history {
	uint32_t v[HISTORY_SLOTS];
	uint64_t newest; /* number of the newest slot since boot */
	bool any;        /* zeroed memory is an empty history */
};

/* The value of the minute that `now` is in; a second one of the same minute replaces the first, but a failure stays. Values
 * beyond HISTORY_FAILED - 1 become that. A time before the newest slot is ignored. */
void history_add(struct history *h, mono_t now, uint64_t v);
void history_fail(struct history *h, mono_t now);

/* One drawn point: the largest value of its slots, or one of the two marks; a failure wins. */
struct history_point {
	uint32_t v;
	uint32_t failed; /* slots of it that failed */
};

/* The 24 hours before `now` as n points, oldest first; n divides HISTORY_SLOTS. */
void history_points(const struct history *h, mono_t now, struct history_point *ret, uint32_t n);

struct history_sum {
	uint32_t n, failed;            /* values, failures */
	uint32_t least, median, most;  /* of the values; 0 without one */
};
void history_sum(const struct history *h, mono_t now, struct history_sum *ret);

#endif
