/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sfud/media/cache.h"

#include "base/slab.h"

void cache_init(struct cache *c, uint32_t size)
{
	*c = (struct cache){ .size = size };
}

void cache_done(struct cache *c)
{
	mem_free(c->mem);
	mem_free(c->index);
	cache_init(c, c->size);
}

static bool allocate(struct cache *c)
{
	c->mem = mem_alloc(c->size);
	c->index = mem_alloc(CACHE_PACKETS * sizeof(c->index[0]));
	if (c->mem && c->index)
		return true;
	cache_done(c);
	return false;
}

/* Nothing written since reaches into the packet. */
static bool intact(const struct cache *c, const struct cache_entry *e)
{
	return e->n && c->head - e->at <= c->size;
}

void cache_put(struct cache *c, uint64_t seq, struct span pkt, mono_t now)
{
	struct cache_entry *e;
	uint32_t off;

	if (pkt.n == 0 || pkt.n > UINT16_MAX || pkt.n > c->size / 4 || (!c->mem && !allocate(c)))
		return;
	e = &c->index[seq % CACHE_PACKETS];
	if (e->seq > seq && intact(c, e))
		return; /* a straggler does not displace a packet of the next round */
	off = (uint32_t)(c->head % c->size);
	if (pkt.n > c->size - off) { /* packets are contiguous: the rest of this lap stays unused */
		c->head += c->size - off;
		off = 0;
	}
	memcpy(c->mem + off, pkt.p, pkt.n);
	*e = (struct cache_entry){ .seq = seq, .at = c->head, .n = (uint16_t)pkt.n, .arrived = now };
	c->head += pkt.n;
}

struct span cache_get(const struct cache *c, uint64_t seq)
{
	const struct cache_entry *e;

	if (!c->mem)
		return span_of(NULL, 0);
	e = &c->index[seq % CACHE_PACKETS];
	if (e->seq != seq || !intact(c, e))
		return span_of(NULL, 0);
	return span_of(c->mem + e->at % c->size, e->n);
}
