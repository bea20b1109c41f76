/* SPDX-License-Identifier: AGPL-3.0-only */
/* A histogram of durations with fixed bounds: counting is one walk over a table, no allocation. Prometheus "le"
 * buckets. */
#ifndef BASE_HIST_H
#define BASE_HIST_H

#include <stdint.h>

#define HIST_BUCKETS 16

/* Upper bounds in microseconds, ascending; n <= HIST_BUCKETS. Beyond the last is +Inf. Static lifetime. */
struct hist_bounds {
	uint32_t n;
	uint64_t us[HIST_BUCKETS];
};

/* 10 us to 1 s in steps of 1-2-5: how long a packet or a call of ours takes. */
extern const struct hist_bounds hist_latency;
/* 1 s to 1 h: how long a session lasts. */
extern const struct hist_bounds hist_session;

struct hist {
	uint64_t count[HIST_BUCKETS + 1]; /* not cumulative */
	uint64_t sum_us;
};

/* A histogram is always used with the same bounds. */
void hist_add(struct hist *h, const struct hist_bounds *b, uint64_t us, uint64_t times);
uint64_t hist_total(const struct hist *h);

#endif
