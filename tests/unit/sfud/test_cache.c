/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sfud/media/cache.h"

#include "base/rng.h"
#include "base/slab.h"
#include "t.h"

#define NOW ((mono_t){ 1 })

/* Recognisable bytes for a number and a length. */
static struct span make(uint8_t *buf, uint64_t seq, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf[i] = (uint8_t)(seq * 31 + i);
	return span_of(buf, n);
}

/* A packet put is a packet got, until newer ones need its room. */
static void holds_what_fits(void)
{
	struct cache c;
	uint8_t buf[256], want[256];

	cache_init(&c, 1000);
	EQ(cache_get(&c, 7).n, 0);
	EQ(c.mem == NULL, true); /* nothing allocated before the first packet */
	for (uint64_t seq = 0; seq < 4; seq++)
		cache_put(&c, seq, make(buf, seq, 240), NOW);
	for (uint64_t seq = 0; seq < 4; seq++)
		EQ_SPAN(cache_get(&c, seq), make(want, seq, 240));
	cache_put(&c, 4, make(buf, 4, 240), NOW); /* begins a new lap */
	EQ(cache_get(&c, 0).n, 0);
	EQ_SPAN(cache_get(&c, 1), make(want, 1, 240));
	EQ_SPAN(cache_get(&c, 4), make(want, 4, 240));
	EQ(cache_get(&c, 4 + CACHE_PACKETS).n, 0);
	cache_done(&c);
	EQ(cache_get(&c, 4).n, 0);
	cache_done(&c); /* twice is once */
}

/* What cannot be kept is passed over, and nothing else suffers. */
static void odd_sizes_are_not_cached(void)
{
	const struct {
		const char *row;
		uint32_t size;
		size_t n;
		bool want;
	} c[] = {
		{ "empty packet: ", 1000, 0, false },
		{ "a quarter: ", 1000, 250, true },
		{ "more than a quarter: ", 1000, 251, false },
		{ "no ring: ", 0, 1, false },
		{ "largest packet: ", 400000, 65535, true },
		{ "beyond a datagram: ", 400000, 65536, false },
	};
	static uint8_t buf[65536];

	for (size_t i = 0; i < ARRAY_LEN(c); i++) {
		struct cache x;

		t_row = c[i].row;
		cache_init(&x, c[i].size);
		cache_put(&x, 5, make(buf, 5, c[i].n), NOW);
		EQ(cache_get(&x, 5).n, c[i].want ? c[i].n : 0);
		cache_done(&x);
	}
}

/* Without memory nothing is cached and nothing leaks; the next packet tries again. */
static void no_memory_is_no_cache(void)
{
	uint8_t buf[16];
	struct cache c;

	cache_init(&c, 1000);
	for (size_t nth = 0; nth < 2; nth++) {
		(void)mem_fail_at(nth);
		cache_put(&c, 1, make(buf, 1, 16), NOW);
		EQ(cache_get(&c, 1).n, 0);
	}
	(void)mem_fail_at(SIZE_MAX);
	cache_put(&c, 1, make(buf, 1, 16), NOW);
	EQ(cache_get(&c, 1).n, 16);
	cache_done(&c);
}

/* One index slot serves numbers CACHE_PACKETS apart: the newer one stays, whichever comes last. */
static void a_straggler_does_not_displace_the_newer(void)
{
	uint8_t buf[16];
	struct cache c;

	cache_init(&c, 100000);
	cache_put(&c, 5 + CACHE_PACKETS, make(buf, 1, 16), NOW);
	cache_put(&c, 5, make(buf, 2, 16), NOW);
	EQ(cache_get(&c, 5).n, 0);
	EQ_SPAN(cache_get(&c, 5 + CACHE_PACKETS), make(buf, 1, 16));
	cache_put(&c, 5 + 2 * CACHE_PACKETS, make(buf, 3, 16), NOW);
	EQ(cache_get(&c, 5 + CACHE_PACKETS).n, 0);
	cache_done(&c);
}

/* Oracle: every packet ever put. What is got is what was put, the newest three quarters' worth of the ring is
 * always there, and what is gone never comes back. */
static void agrees_with_a_naive_map(void)
{
	enum { TURNS = 30000, SIZE = 20000, LARGEST = 1300 };
	static uint16_t len[TURNS + 64];
	static uint32_t order[TURNS];
	static bool gone[TURNS + 64];
	struct rng rng;
	struct cache c;
	uint8_t buf[LARGEST];

	rng_seed(&rng, 4);
	cache_init(&c, SIZE);
	for (uint32_t i = 0; i < TURNS; i++) {
		uint32_t seq = i ^ (rng_below(&rng, 4) ? 0 : rng_below(&rng, 8)); /* some reordering, some twice */
		size_t sum = 0;

		if (len[seq] == 0)
			len[seq] = (uint16_t)(1 + rng_below(&rng, i % 1000 < 500 ? LARGEST : 30));
		gone[seq] = false;
		cache_put(&c, seq, make(buf, seq, len[seq]), NOW);
		order[i] = seq;
		for (uint32_t back = 0; back <= i && back < 700; back++) {
			uint32_t s = order[i - back];
			struct span got = cache_get(&c, s);

			sum += len[s];
			OK(got.n == 0 || span_eq(got, make(buf, s, len[s])));
			OK(got.n || sum > SIZE - LARGEST);
			OK(got.n == 0 || !gone[s]);
			gone[s] = got.n == 0;
		}
		EQ(cache_get(&c, i + 100).n, 0);
		if (t_failures)
			break;
	}
	cache_done(&c);
}

/* The ring's place is told by all 64 bits: after 4 GiB an old entry does not come back to life. */
static void an_entry_does_not_return_after_four_gigabytes(void)
{
	uint8_t buf[16];
	struct cache c;

	cache_init(&c, 1 << 16);
	cache_put(&c, 1, make(buf, 1, 16), NOW);
	c.head += UINT64_C(1) << 32;
	EQ(cache_get(&c, 1).n, 0);
	cache_done(&c);
}

T_MAIN(T(holds_what_fits), T(odd_sizes_are_not_cached), T(no_memory_is_no_cache),
       T(a_straggler_does_not_displace_the_newer), T(agrees_with_a_naive_map),
       T(an_entry_does_not_return_after_four_gigabytes))
