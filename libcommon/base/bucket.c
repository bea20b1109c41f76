/* SPDX-License-Identifier: AGPL-3.0-only */
#include "base/bucket.h"

#define PARTS UINT64_C(1000000) /* of a unit: units per second are then parts per microsecond */

static void refill(struct bucket *b, mono_t now)
{
	uint64_t gap = mono_since(now, b->at), room = b->burst * PARTS - b->tokens, more;

	if (gap == 0)
		return;
	b->at = now;
	if (__builtin_mul_overflow(gap, b->rate, &more) || more > room)
		more = room;
	b->tokens += more;
}

void bucket_init(struct bucket *b, uint64_t rate, uint64_t burst, mono_t now)
{
	*b = (struct bucket){ rate, burst, burst * PARTS, now };
}

bool bucket_take(struct bucket *b, uint64_t n, mono_t now)
{
	if (b->rate == 0)
		return true;
	refill(b, now);
	if (n > b->burst || n * PARTS > b->tokens)
		return false;
	b->tokens -= n * PARTS;
	return true;
}

void bucket_set(struct bucket *b, uint64_t rate, uint64_t burst, mono_t now)
{
	if (b->rate == 0) {
		bucket_init(b, rate, burst, now);
		return;
	}
	refill(b, now);
	b->rate = rate;
	b->burst = burst;
	if (b->tokens > burst * PARTS)
		b->tokens = burst * PARTS;
}
