/* SPDX-License-Identifier: AGPL-3.0-only */
/* Helpers over any byte source, and the seeded one: xoshiro256** started by splitmix64, as its authors advise. */
#include "base/rng.h"

#include <string.h>

static uint64_t rotl(uint64_t x, int k)
{
	return x << k | x >> (64 - k);
}

static uint64_t xoshiro(uint64_t s[4])
{
	uint64_t out = rotl(s[1] * 5, 7) * 9;
	uint64_t t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotl(s[3], 45);
	return out;
}

static void seeded_fill(struct rng *rng, uint8_t *out, size_t n)
{
	while (n) {
		uint64_t v = xoshiro(rng->state);
		size_t part = n < sizeof(v) ? n : sizeof(v);

		memcpy(out, &v, part);
		out += part;
		n -= part;
	}
}

void rng_seed(struct rng *rng, uint64_t seed)
{
	rng->fill = seeded_fill;
	for (int i = 0; i < 4; i++) {
		uint64_t z = seed += UINT64_C(0x9e3779b97f4a7c15);

		z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
		z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
		rng->state[i] = z ^ z >> 31;
	}
}

void rng_bytes(struct rng *rng, void *out, size_t n)
{
	if (n)
		rng->fill(rng, out, n);
}

uint32_t rng_u32(struct rng *rng)
{
	uint32_t v;

	rng_bytes(rng, &v, sizeof(v));
	return v;
}

uint64_t rng_u64(struct rng *rng)
{
	uint64_t v;

	rng_bytes(rng, &v, sizeof(v));
	return v;
}

uint32_t rng_below(struct rng *rng, uint32_t n)
{
	uint32_t reject;
	uint64_t m;

	if (n == 0)
		return 0;
	/* Lemire 2019: the high half of a product is uniform once the few low halves below `reject` are drawn
	 * again. The bound keeps a source stuck at zero from hanging the caller; a working one never meets it. */
	reject = -n % n;
	for (int tries = 0; tries < 64; tries++) {
		m = (uint64_t)rng_u32(rng) * n;
		if ((uint32_t)m >= reject)
			return (uint32_t)(m >> 32);
	}
	return 0;
}
