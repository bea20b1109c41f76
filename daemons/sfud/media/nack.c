/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sfud/media/nack.h"

/* Index of the first item whose number is not below seq. */
static uint32_t find(const struct nack *k, uint64_t seq)
{
	uint32_t lo = 0, hi = k->n;

	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;

		if (k->item[mid].seq < seq)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static void cut(struct nack *k, uint32_t at, uint32_t n)
{
	memmove(k->item + at, k->item + at + n, (k->n - at - n) * sizeof(k->item[0]));
	k->n -= n;
}

static void close_gap(struct nack *k, uint64_t seq)
{
	uint32_t i = find(k, seq);

	if (i < k->n && k->item[i].seq == seq)
		cut(k, i, 1);
}

/* Everything between top and seq is missing. */
static uint32_t open_gap(struct nack *k, uint64_t seq, mono_t now)
{
	uint64_t gap = seq - k->top - 1;
	uint32_t want = gap < NACK_MAX ? (uint32_t)gap : NACK_MAX;
	uint32_t room = NACK_MAX - k->n;
	uint32_t old = want > room ? want - room : 0;
	uint64_t lost = gap - want + old;

	cut(k, 0, old);
	for (uint64_t s = seq - want; s < seq; s++)
		k->item[k->n++] = (struct nack_item){ .seq = s, .since = now, .due = mono_add(now, NACK_REORDER) };
	return lost > UINT32_MAX ? UINT32_MAX : (uint32_t)lost;
}

uint32_t nack_seen(struct nack *k, uint64_t seq, mono_t now)
{
	uint32_t lost = 0;

	if (k->started && seq <= k->top) {
		if (k->n)
			close_gap(k, seq);
		return 0;
	}
	if (k->started && seq != k->top + 1)
		lost = open_gap(k, seq, now);
	k->started = true;
	k->top = seq;
	return lost;
}

uint32_t nack_due(struct nack *k, mono_t now, uint64_t rtt_us, uint16_t *ret, uint32_t max, uint32_t *ret_lost)
{
	mono_t again = mono_add(now, rtt_us > NACK_MIN ? rtt_us : NACK_MIN);
	uint32_t asked = 0, kept = 0;

	for (uint32_t i = 0; i < k->n; i++) {
		struct nack_item it = k->item[i];
		bool due = mono_reached(now, it.due);

		if (mono_reached(now, mono_add(it.since, NACK_GIVE_UP)) || (due && it.tries >= NACK_TRIES)) {
			(*ret_lost)++;
			continue;
		}
		if (due && asked < max) {
			ret[asked++] = (uint16_t)it.seq;
			it.tries++;
			it.due = again;
		}
		k->item[kept++] = it;
	}
	k->n = kept;
	return asked;
}

mono_t nack_next(const struct nack *k)
{
	/* Items ascend in age as in number, so the first one is the first to be given up. */
	mono_t next = k->n ? mono_add(k->item[0].since, NACK_GIVE_UP) : MONO_NEVER;

	for (uint32_t i = 0; i < k->n; i++)
		next = mono_min(next, k->item[i].due);
	return next;
}

void nack_reset(struct nack *k)
{
	k->started = false;
	k->top = 0;
	k->n = 0;
}
