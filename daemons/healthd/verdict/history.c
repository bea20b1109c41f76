/* SPDX-License-Identifier: AGPL-3.0-only */
#include "healthd/verdict/history.h"

static uint64_t slot_of(mono_t t)
{
	return t.us / HISTORY_STEP;
}

/* The place of the minute that `now` is in, with what was skipped emptied; NULL: it is over already. */
static uint32_t *place(struct history *h, mono_t now)
{
	uint64_t slot = slot_of(now), from = h->newest + 1;

	if (h->any && slot < h->newest)
		return NULL;
	if (!h->any || slot - h->newest >= HISTORY_SLOTS)
		from = slot >= HISTORY_SLOTS - 1 ? slot - (HISTORY_SLOTS - 1) : 0;
	if (!h->any) {
		for (uint32_t i = 0; i < HISTORY_SLOTS; i++)
			h->v[i] = HISTORY_NONE;
	}
	for (uint64_t i = from; i <= slot; i++)
		h->v[i % HISTORY_SLOTS] = HISTORY_NONE;
	h->newest = slot;
	h->any = true;
	return &h->v[slot % HISTORY_SLOTS];
}

void history_add(struct history *h, mono_t now, uint64_t v)
{
	uint32_t *p = place(h, now);

	if (p && *p != HISTORY_FAILED)
		*p = v < HISTORY_FAILED ? (uint32_t)v : HISTORY_FAILED - 1;
}

void history_fail(struct history *h, mono_t now)
{
	uint32_t *p = place(h, now);

	if (p)
		*p = HISTORY_FAILED;
}

/* i = 0: the oldest of the 24 hours that end with the minute of `now`. */
static uint32_t value_at(const struct history *h, mono_t now, uint32_t i)
{
	uint64_t end = slot_of(now), slot;

	if (!h->any || end + i + 1 < HISTORY_SLOTS)
		return HISTORY_NONE;
	slot = end + i + 1 - HISTORY_SLOTS;
	if (slot > h->newest || h->newest - slot >= HISTORY_SLOTS)
		return HISTORY_NONE;
	return h->v[slot % HISTORY_SLOTS];
}

void history_points(const struct history *h, mono_t now, struct history_point *ret, uint32_t n)
{
	uint32_t each = HISTORY_SLOTS / n;

	for (uint32_t i = 0; i < n; i++) {
		struct history_point p = { HISTORY_NONE, 0 };

		for (uint32_t k = 0; k < each; k++) {
			uint32_t v = value_at(h, now, i * each + k);

			if (v == HISTORY_FAILED)
				p.failed++;
			else if (v != HISTORY_NONE && (p.v == HISTORY_NONE || v > p.v))
				p.v = v;
		}
		if (p.failed)
			p.v = HISTORY_FAILED;
		ret[i] = p;
	}
}

/* The smallest value that at least half of the n values do not exceed: by bisection, since there is no room to sort. */
static uint32_t median_of(const struct history *h, mono_t now, const struct history_sum *s)
{
	uint32_t lo = s->least, hi = s->most;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2, below = 0;

		for (uint32_t i = 0; i < HISTORY_SLOTS; i++)
			below += value_at(h, now, i) <= mid;
		if (2 * below >= s->n)
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo;
}

void history_sum(const struct history *h, mono_t now, struct history_sum *ret)
{
	struct history_sum s = { 0 };

	for (uint32_t i = 0; i < HISTORY_SLOTS; i++) {
		uint32_t v = value_at(h, now, i);

		if (v == HISTORY_FAILED) {
			s.failed++;
		} else if (v != HISTORY_NONE) {
			s.least = s.n == 0 || v < s.least ? v : s.least;
			s.most = v > s.most ? v : s.most;
			s.n++;
		}
	}
	s.median = s.n ? median_of(h, now, &s) : 0;
	*ret = s;
}
