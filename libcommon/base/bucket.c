/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * Debt instead of savings, so that zeroed memory is a full bucket. It is counted in millionths of a
 * token: one microsecond pays back exactly `rate` of them, and no rate loses or gains by rounding.
 */
#include "base/bucket.h"

#define MICRO UINT64_C(1000000)

bool bucket_take(struct bucket *b, const struct bucket_conf *c, uint32_t n, mono_t now)
{
	uint64_t passed = mono_since(now, b->last);

	if (passed) {
		/* Divided, not multiplied: years times any rate would overflow. */
		if (c->rate && passed > b->used / c->rate)
			b->used = 0;
		else
			b->used -= passed * c->rate;
		b->last = now;
	}
	if (b->used + n * MICRO > c->burst * MICRO)
		return false;
	b->used += n * MICRO;
	return true;
}
