/* SPDX-License-Identifier: AGPL-3.0-only */
/* Chains of at most one node on average; the whole hash is kept in the node, so growing never asks for keys. */
#include "base/hmap.h"

#include <string.h>

#include "base/err.h"
#include "base/slab.h"

#define HMAP_FIRST 16
#define HMAP_LAST (UINT32_C(1) << 30)

void hmap_init(struct hmap *m, struct rng *rng)
{
	*m = (struct hmap){ 0 };
	m->key[0] = rng_u64(rng);
	m->key[1] = rng_u64(rng);
}

void hmap_done(struct hmap *m)
{
	mem_free(m->bucket);
	*m = (struct hmap){ 0 };
}

uint64_t hmap_hash(const struct hmap *m, const void *key, size_t n)
{
	return siphash24(m->key, key, n);
}

static struct hmap_node **bucket_of(const struct hmap *m, uint64_t hash)
{
	return &m->bucket[hash & (m->n_buckets - 1)];
}

static void push(struct hmap *m, struct hmap_node *node)
{
	struct hmap_node **b = bucket_of(m, node->hash);

	node->next = *b;
	*b = node;
}

static int grow(struct hmap *m)
{
	uint32_t old_n = m->n_buckets, n = old_n ? old_n * 2 : HMAP_FIRST;
	struct hmap_node **old = m->bucket, **bucket = mem_alloc(n * sizeof(struct hmap_node *));

	if (!bucket)
		return ERR_NOMEM;
	m->bucket = bucket;
	m->n_buckets = n;
	for (uint32_t i = 0; i < old_n; i++) {
		struct hmap_node *next;

		for (struct hmap_node *node = old[i]; node; node = next) {
			next = node->next;
			push(m, node);
		}
	}
	mem_free(old);
	return 0;
}

int hmap_put(struct hmap *m, struct hmap_node *node, uint64_t hash)
{
	if (m->n >= m->n_buckets && m->n_buckets < HMAP_LAST && grow(m) < 0 && !m->n_buckets)
		return ERR_NOMEM;
	node->hash = hash;
	push(m, node);
	m->n++;
	return 0;
}

void hmap_del(struct hmap *m, struct hmap_node *node)
{
	struct hmap_node **at = bucket_of(m, node->hash);

	while (*at != node)
		at = &(*at)->next;
	*at = node->next;
	m->n--;
}

static struct hmap_node *match(struct hmap_node *node, uint64_t hash)
{
	while (node && node->hash != hash)
		node = node->next;
	return node;
}

struct hmap_node *hmap_first(const struct hmap *m, uint64_t hash)
{
	return m->n_buckets ? match(*bucket_of(m, hash), hash) : NULL;
}

struct hmap_node *hmap_next(const struct hmap_node *node)
{
	return match(node->next, node->hash);
}

/* SipHash: a Fast Short-Input PRF (Aumasson, Bernstein 2012), two rounds per word and four at the end. */

static uint64_t rotl(uint64_t x, int k)
{
	return x << k | x >> (64 - k);
}

static inline void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotl(v[1], 13) ^ v[0];
	v[0] = rotl(v[0], 32);
	v[2] += v[3];
	v[3] = rotl(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotl(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotl(v[1], 17) ^ v[2];
	v[2] = rotl(v[2], 32);
}

static inline void sip_word(uint64_t v[4], uint64_t m)
{
	v[3] ^= m;
	sip_round(v);
	sip_round(v);
	v[0] ^= m;
}

static inline uint64_t le64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	v = __builtin_bswap64(v);
#endif
	return v;
}

uint64_t siphash24(const uint64_t key[2], const void *data, size_t n)
{
	uint64_t v[4] = {
		key[0] ^ UINT64_C(0x736f6d6570736575),
		key[1] ^ UINT64_C(0x646f72616e646f6d),
		key[0] ^ UINT64_C(0x6c7967656e657261),
		key[1] ^ UINT64_C(0x7465646279746573),
	};
	uint64_t last = (uint64_t)n << 56;
	const uint8_t *p = data;

	for (; n >= 8; n -= 8, p += 8)
		sip_word(v, le64(p));
	for (size_t i = 0; i < n; i++)
		last |= (uint64_t)p[i] << (8 * i);
	sip_word(v, last);
	v[2] ^= 0xff;
	for (int i = 0; i < 4; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}
