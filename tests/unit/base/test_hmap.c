/* SPDX-License-Identifier: AGPL-3.0-only */
#include "base/hmap.h"

#include "base/err.h"
#include "base/slab.h"
#include "t.h"

#define ITEMS 2000

struct item {
	struct hmap_node node;
	uint32_t key;
	bool in;
};

/* SipHash-2-4 reference vectors (key 00..0f, input 00 01 02 ...), and the worked example of the paper's appendix A. */
static void siphash_matches_the_reference(void)
{
	static const struct { size_t n; uint64_t want; } rows[] = {
		{ 0, UINT64_C(0x726fdb47dd0e0e31) },  { 1, UINT64_C(0x74f839c593dc67fd) },
		{ 2, UINT64_C(0x0d6c8009d9a94f5a) },  { 3, UINT64_C(0x85676696d7fb7e2d) },
		{ 4, UINT64_C(0xcf2794e0277187b7) },  { 5, UINT64_C(0x18765564cd99a68d) },
		{ 6, UINT64_C(0xcbc9466e58fee3ce) },  { 7, UINT64_C(0xab0200f58b01d137) },
		{ 8, UINT64_C(0x93f5f5799a932462) },  { 15, UINT64_C(0xa129ca6149be45e5) },
		{ 63, UINT64_C(0x958a324ceb064572) },
	};
	static const uint64_t key[2] = { UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908) };
	uint8_t in[65];

	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)i;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		OK(siphash24(key, in, rows[i].n) == rows[i].want);
		/* No alignment is assumed. */
		memmove(in + 1, in, 64);
		OK(siphash24(key, in + 1, rows[i].n) == rows[i].want);
		memmove(in, in + 1, 64);
	}
	OK(siphash24(key, NULL, 0) == rows[0].want);
}

static struct item *lookup(const struct hmap *m, uint64_t hash, uint32_t key)
{
	for (struct hmap_node *n = hmap_first(m, hash); n; n = hmap_next(n)) {
		struct item *it = CONTAINER_OF(n, struct item, node);

		EQ(n->hash == hash, true);
		if (it->key == key)
			return it;
	}
	return NULL;
}

/* A naive list of who is in agrees with every lookup, with good hashes and with hashes an attacker would like. */
static void agrees_with_a_list(void)
{
	static struct item item[ITEMS];
	struct rng rng;

	for (int bad_hash = 0; bad_hash < 3; bad_hash++) {
		struct hmap m;
		uint32_t n = 0;

		memset(item, 0, sizeof(item));
		rng_seed(&rng, 6);
		hmap_init(&m, &rng);
		OK(!hmap_first(&m, 1));
		for (int i = 0; i < 30000; i++) {
			struct item *it = &item[rng_below(&rng, bad_hash ? 100 : ITEMS)];
			uint64_t hash;

			it->key = (uint32_t)(it - item);
			hash = hmap_hash(&m, &it->key, sizeof(it->key));
			if (bad_hash)
				hash = bad_hash == 1 ? 42 : hash << 40; /* one hash; one bucket */
			OK(lookup(&m, hash, it->key) == (it->in ? it : NULL));
			if (it->in)
				hmap_del(&m, &it->node);
			else
				EQ(hmap_put(&m, &it->node, hash), 0);
			it->in = !it->in;
			n += it->in ? 1 : -1u;
			EQ(m.n, n);
		}
		OK(m.n_buckets >= m.n);
		hmap_done(&m);
		hmap_done(&m);
	}
}

/* Without the first array nothing is stored; without a larger one only chains grow. */
static void out_of_memory(void)
{
	static struct item item[40];
	struct rng rng;
	struct hmap m;

	rng_seed(&rng, 7);
	hmap_init(&m, &rng);
	mem_fail_at(0);
	EQ(hmap_put(&m, &item[0].node, 1), ERR_NOMEM);
	EQ(m.n, 0);
	OK(!hmap_first(&m, 1));
	for (uint32_t i = 0; i < 40; i++) {
		if (i >= 16)
			mem_fail_at(0);
		item[i].key = i;
		EQ(hmap_put(&m, &item[i].node, i * 3), 0);
	}
	EQ(m.n_buckets, 16);
	mem_fail_at(SIZE_MAX);
	for (uint32_t i = 0; i < 40; i++)
		OK(lookup(&m, i * 3, i) == &item[i]);
	hmap_done(&m);
}

/* The key is secret and differs between maps. */
static void maps_do_not_share_a_key(void)
{
	struct rng rng;
	struct hmap a, b;

	rng_seed(&rng, 8);
	hmap_init(&a, &rng);
	hmap_init(&b, &rng);
	OK(hmap_hash(&a, "x", 1) != hmap_hash(&b, "x", 1));
	OK(hmap_hash(&a, "x", 1) == hmap_hash(&a, "x", 1));
}

T_MAIN(T(siphash_matches_the_reference), T(agrees_with_a_list), T(out_of_memory), T(maps_do_not_share_a_key))
