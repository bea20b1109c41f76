/* SPDX-License-Identifier: AGPL-3.0-only */
/* Token bucket: `rate` per second, at most `burst` saved up. Time is passed in. Zeroed memory is a full bucket. */
#ifndef BASE_BUCKET_H
#define BASE_BUCKET_H

#include "base/mono.h"

struct bucket_conf {
	uint32_t rate, burst;
};

struct bucket {
	uint64_t used; /* debt, in millionths of a token */
	mono_t last;
};

/* Takes n tokens if they are there. */
bool bucket_take(struct bucket *b, const struct bucket_conf *c, uint32_t n, mono_t now);

#endif
