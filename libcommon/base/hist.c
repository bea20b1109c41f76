/* SPDX-License-Identifier: AGPL-3.0-only */
#include "base/hist.h"

const struct hist_bounds hist_latency = {
	16, { 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000, 200000, 500000, 1000000 }
};

const struct hist_bounds hist_session = {
	7, { 1000000, 5000000, 30000000, 60000000, 300000000, 1800000000, 3600000000 }
};

void hist_add(struct hist *h, const struct hist_bounds *b, uint64_t us, uint64_t times)
{
	uint32_t i = 0;

	while (i < b->n && us > b->us[i])
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
