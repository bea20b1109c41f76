/* SPDX-License-Identifier: AGPL-3.0-only */
/* A histogram of microseconds with fixed bounds: counting is one table walk, no allocation. Prometheus "le" buckets. */
#ifndef BASE_HIST_H
#define BASE_HIST_H

#include <stdint.h>

#define HIST_BUCKETS 16

/* Upper bounds in microseconds: 10 20 50 100 200 500 1k 2k 5k 10k 20k 50k 100k 200k 500k 1M; beyond is +Inf. */
extern const uint32_t hist_bounds_us[HIST_BUCKETS];

struct hist {
	uint64_t count[HIST_BUCKETS + 1]; /* not cumulative */
	uint64_t sum_us;
};

void hist_add(struct hist *h, uint64_t us, uint64_t times);
uint64_t hist_total(const struct hist *h);

#endif
