/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * What an unproven prefix (IPv4 /24, IPv6 /56) may make us send. It has a small burst; beyond that, every byte we send must
 * have been received first, so a spoofed source gets no amplification. The burst comes back after a while in which nothing had
 * to be refused. A fixed table: prefixes that share a slot share its budget.
 */
#ifndef TURND_CHALLENGE_H
#define TURND_CHALLENGE_H

#include "base/addr.h"
#include "base/mono.h"
#include "base/rng.h"

#define CHALLENGE_SLOTS 4096
#define CHALLENGE_BURST 1600 /* bytes: about 16 challenges */
#define CHALLENGE_QUIET DUR_SEC(10)

struct challenge {
	uint64_t key[2]; /* of the hash: strangers cannot choose a slot */
	struct challenge_slot {
		uint32_t credit; /* bytes */
		uint32_t refused_s; /* seconds of the last refusal; 0: never */
	} *slot;
};

/* ERR_NOMEM. */
int challenge_init(struct challenge *c, struct rng *rng);
void challenge_done(struct challenge *c);
/* A message of `received` bytes came from there and a reply of `reply` bytes would go: may it? Counts both. */
bool challenge_take(struct challenge *c, const struct addr *from, size_t received, size_t reply, mono_t now);

#endif
