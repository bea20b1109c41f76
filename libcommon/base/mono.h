/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * Time is a value. mono_t counts from boot and never steps; wall_t is the
 * calendar. Both are microseconds; durations are plain uint64_t microseconds.
 * Arithmetic saturates: a deadline can be "never" but cannot wrap.
 */
#ifndef BASE_MONO_H
#define BASE_MONO_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

typedef struct {
	uint64_t us;
} mono_t;

typedef struct {
	uint64_t us; /* since 1970-01-01 UTC */
} wall_t;

#define US_PER_MS UINT64_C(1000)
#define US_PER_SEC UINT64_C(1000000)
#define DUR_MS(n) ((uint64_t)(n) * US_PER_MS)
#define DUR_SEC(n) ((uint64_t)(n) * US_PER_SEC)
#define MONO_NEVER ((mono_t){ UINT64_MAX })

static inline mono_t mono_add(mono_t t, uint64_t us)
{
	return (mono_t){ t.us > UINT64_MAX - us ? UINT64_MAX : t.us + us };
}

/* Microseconds from `from` to `to`; 0 when `to` is not later. */
static inline uint64_t mono_since(mono_t to, mono_t from)
{
	return to.us > from.us ? to.us - from.us : 0;
}

static inline bool mono_reached(mono_t now, mono_t deadline)
{
	return now.us >= deadline.us;
}

static inline bool mono_is_never(mono_t t)
{
	return t.us == UINT64_MAX;
}

static inline mono_t mono_min(mono_t a, mono_t b)
{
	return a.us < b.us ? a : b;
}

/* "250us" "20ms" "10s" "5m" "1h" "2d"; a bare number is seconds. ERR_MALFORMED otherwise. */
int dur_parse(struct span text, uint64_t *ret_us);

/* The shortest form with a unit ("10s", "1500ms") that dur_parse reads back to the same value. All or nothing. */
void dur_write(struct wr *w, uint64_t us);

#endif
