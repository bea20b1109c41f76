/* SPDX-License-Identifier: AGPL-3.0-only */
/* A token bucket; time is passed in. Units are the caller's: bytes, messages. */
#ifndef BASE_BUCKET_H
#define BASE_BUCKET_H

#include "base/mono.h"

struct bucket {
	uint64_t rate;   /* units per second; 0: no limit */
	uint64_t burst;  /* units at most */
	uint64_t tokens; /* in millionths of a unit: slow rates and short gaps lose nothing */
	mono_t at;
};

/* Starts full. rate and burst at most 2^40. */
void bucket_init(struct bucket *b, uint64_t rate, uint64_t burst, mono_t now);
/* All n units or none; more than burst never. Always true without a limit. */
bool bucket_take(struct bucket *b, uint64_t n, mono_t now);
/* A new rate, from now on; the level stays, capped by the new burst. A bucket that had no limit was full. */
void bucket_set(struct bucket *b, uint64_t rate, uint64_t burst, mono_t now);

#endif
