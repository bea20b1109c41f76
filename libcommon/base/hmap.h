/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * Intrusive hash map keyed by SipHash-2-4 with a secret of the process, so that remote parties
 * cannot choose collisions. Owns its bucket array, not the nodes.
 *
 *   for (n = hmap_first(&m, h); n; n = hmap_next(n)) if (key matches) ...
 */
#ifndef BASE_HMAP_H
#define BASE_HMAP_H

#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"

struct hmap_node {
	struct hmap_node *next;
	uint64_t hash;
};

struct hmap {
	struct hmap_node **bucket;
	uint32_t n, n_buckets; /* power of two, or 0 before the first put */
	uint64_t key[2];
};

void hmap_init(struct hmap *m, struct rng *rng);
void hmap_done(struct hmap *m);

uint64_t hmap_hash(const struct hmap *m, const void *key, size_t n);

/* ERR_NOMEM when the first bucket array cannot be had; failing to grow later only makes chains longer. */
int hmap_put(struct hmap *m, struct hmap_node *node, uint64_t hash);

/* The node must be in the map. */
void hmap_del(struct hmap *m, struct hmap_node *node);

/* Candidates with exactly this hash; compare the key yourself. */
struct hmap_node *hmap_first(const struct hmap *m, uint64_t hash);
struct hmap_node *hmap_next(const struct hmap_node *node);

uint64_t siphash24(const uint64_t key[2], const void *data, size_t n);

#endif
