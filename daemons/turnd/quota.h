/* SPDX-License-Identifier: AGPL-3.0-only */
/* Allocations per user and in total, and the total bandwidth. Shared by all workers; whoever shares it locks it, and no
 * packet waits for that lock: bandwidth is drawn in large pieces. Owns the users it counts. */
#ifndef TURND_QUOTA_H
#define TURND_QUOTA_H

#include "base/bucket.h"
#include "base/hmap.h"
#include "base/slab.h"
#include "wire/stun.h"

#define QUOTA_PIECE (64 * 1024) /* bytes drawn at a time */

struct quota {
	uint32_t per_user, total; /* limits; 0: none */
	uint32_t used;
	struct bucket bytes;
	struct hmap users, hashes; /* by name, by USERHASH */
	struct slab slab;
};

/* total_bps: bytes per second, 0: no limit. */
void quota_init(struct quota *q, uint32_t per_user, uint32_t total, uint64_t total_bps, struct rng *rng, mono_t now);
void quota_done(struct quota *q);
/* New limits; what is over them lives on. */
void quota_set(struct quota *q, uint32_t per_user, uint32_t total, uint64_t total_bps, mono_t now);

/* One more allocation of this user. The RFC 8656 error to answer with: 0, 486 (the user's), 508 (the total, or no memory). */
int quota_take(struct quota *q, struct span user, struct span realm);
void quota_give(struct quota *q, struct span user);
/* The name behind a USERHASH, of users that hold an allocation. ERR_MISSING. Borrowed until the next give. */
int quota_user_by_hash(const struct quota *q, const uint8_t hash[STUN_USERHASH_LEN], struct span *ret);

/* Up to QUOTA_PIECE bytes of the total bandwidth; 0 when it is used up. UINT32_MAX without a limit. */
uint32_t quota_draw(struct quota *q, mono_t now);

#endif
