/* SPDX-License-Identifier: AGPL-3.0-only */
#include "base/rng.h"

#include "t.h"

static void stuck(struct rng *rng, uint8_t *out, size_t n)
{
	memset(out, (int)rng->state[0], n);
}

/* The same seed gives the same bytes, and the bytes are those of xoshiro256** from a splitmix64 start. */
static void seed_decides_everything(void)
{
	struct rng a, b, c, x = { 0 };
	uint8_t p[37], q[37];

	rng_seed(&a, 7);
	rng_seed(&b, 7);
	rng_seed(&c, 8);
	rng_bytes(&a, p, sizeof(p));
	rng_bytes(&b, q, sizeof(q));
	EQ_SPAN(span_of(p, sizeof(p)), span_of(q, sizeof(q)));
	rng_bytes(&c, q, sizeof(q));
	OK(memcmp(p, q, sizeof(p)) != 0);
	rng_bytes(&a, NULL, 0);

	/* Published first outputs: xoshiro256** from state 1,2,3,4; splitmix64 from seed 0. */
	rng_seed(&x, 0);
	OK(x.state[0] == UINT64_C(0xe220a8397b1dcdaf));
	OK(x.state[1] == UINT64_C(0x6e789e6aa1b965f4));
	x.state[0] = 1, x.state[1] = 2, x.state[2] = 3, x.state[3] = 4;
	OK(rng_u64(&x) == 11520);
	OK(rng_u64(&x) == 0);
	OK(rng_u64(&x) == 1509978240);
}

/* rng_below stays below, meets every value about equally, and no source can hang it. */
static void below_is_uniform_and_ends(void)
{
	struct rng rng, zero = { .fill = stuck }, ones = { .fill = stuck, .state = { 0xff } };
	int hits[7] = { 0 };

	rng_seed(&rng, 3);
	for (int i = 0; i < 70000; i++)
		hits[rng_below(&rng, 7)]++;
	for (int i = 0; i < 7; i++)
		OK(hits[i] > 9600 && hits[i] < 10400);
	EQ(rng_below(&rng, 0), 0);
	EQ(rng_below(&rng, 1), 0);
	OK(rng_below(&rng, UINT32_MAX) < UINT32_MAX);
	EQ(rng_below(&zero, 7), 0);
	EQ(rng_below(&ones, 7), 6);
	EQ(rng_u32(&ones), UINT32_MAX);
}

T_MAIN(T(seed_decides_everything), T(below_is_uniform_and_ends))
