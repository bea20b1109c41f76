/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * The window is exactly the REPLAY_WINDOW numbers that end with `top`: bits are cleared one by one as
 * `top` moves over them, not word by word, so what is remembered does not depend on top % 64.
 */
#include "base/replay.h"

#include <string.h>

#define WORDS (REPLAY_WINDOW / 64)

static uint64_t *word(struct replay *r, uint64_t number)
{
	return &r->bits[number / 64 % WORDS];
}

bool replay_fresh(const struct replay *r, uint64_t number)
{
	if (!r->any || number > r->top)
		return true;
	if (r->top - number >= REPLAY_WINDOW)
		return false;
	return (r->bits[number / 64 % WORDS] >> number % 64 & 1) == 0;
}

/* Forgets what the ring held where the numbers after top, up to the new one, will live. */
static void advance(struct replay *r, uint64_t number)
{
	uint64_t left = number - r->top, from = r->top + 1;

	r->top = number;
	if (left >= REPLAY_WINDOW) {
		memset(r->bits, 0, sizeof(r->bits));
		return;
	}
	while (left) {
		uint64_t bit = from % 64;
		uint64_t n = left < 64 - bit ? left : 64 - bit;

		*word(r, from) &= ~(UINT64_MAX >> (64 - n) << bit);
		from += n;
		left -= n;
	}
}

void replay_mark(struct replay *r, uint64_t number)
{
	if (!r->any) {
		r->any = true;
		r->top = number;
	} else if (number > r->top) {
		advance(r, number);
	} else if (r->top - number >= REPLAY_WINDOW) {
		return;
	}
	*word(r, number) |= UINT64_C(1) << number % 64;
}
