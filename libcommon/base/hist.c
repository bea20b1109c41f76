/* SPDX-License-Identifier: AGPL-3.0-only */
#include "base/hist.h"

const uint32_t hist_bounds_us[HIST_BUCKETS] = {
	10,   20,   50,    100,   200,   500,    1000,   2000,
	5000, 10000, 20000, 50000, 100000, 200000, 500000, 1000000,
};

void hist_add(struct hist *h, uint64_t us, uint64_t times)
{
	uint32_t i = 0;

	while (i < HIST_BUCKETS && us > hist_bounds_us[i])
		i++;
	h->count[i] += times;
	h->sum_us += us * times;
}

uint64_t hist_total(const struct hist *h)
{
	uint64_t total = 0;

	for (uint32_t i = 0; i <= HIST_BUCKETS; i++)
		total += h->count[i];
	return total;
}
