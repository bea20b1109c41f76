/* SPDX-License-Identifier: AGPL-3.0-only */
/* Randomness is an argument. The daemon passes the kernel's; tests pass a seeded one. */
#ifndef BASE_RNG_H
#define BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

struct rng {
	void (*fill)(struct rng *rng, uint8_t *out, size_t n); /* cannot fail */
	uint64_t state[4];                                     /* the seeded source's own */
};

/* xoshiro256**; for tests and simulations only. */
void rng_seed(struct rng *rng, uint64_t seed);

void rng_bytes(struct rng *rng, void *out, size_t n);
uint32_t rng_u32(struct rng *rng);
uint64_t rng_u64(struct rng *rng);

/* Uniform in [0, n); 0 for n = 0. */
uint32_t rng_below(struct rng *rng, uint32_t n);

#endif
