/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * The recent packets of one published stream, shared by all its subscribers' retransmissions. One ring of
 * bytes and one index, allocated at the first packet; the oldest packets make room. Holds plain packets as
 * received.
 */
#ifndef SFUD_CACHE_H
#define SFUD_CACHE_H

#include "base/mono.h"
#include "base/span.h"

#define CACHE_PACKETS 1024 /* index entries; power of two */

struct cache_entry {
	uint64_t seq; /* extended */
	uint64_t at;  /* where in the stream of bytes ever written; at % size is the place in the ring */
	uint16_t n;   /* 0: empty */
	mono_t arrived;
};

struct cache {
	uint32_t size; /* bytes of the ring */
	uint64_t head; /* bytes ever written, wraps never */
	uint8_t *mem;
	struct cache_entry *index;
};

void cache_init(struct cache *c, uint32_t size); /* allocates nothing */
void cache_done(struct cache *c);
/* Copies pkt in. Silently not cached without memory or when it exceeds a quarter of the ring. */
void cache_put(struct cache *c, uint64_t seq, struct span pkt, mono_t now);
/* The packet, valid until the next put; empty when it is gone. */
struct span cache_get(const struct cache *c, uint64_t seq);

#endif
