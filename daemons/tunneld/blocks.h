/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * Memory for bytes on their way: large blocks, of which there is a bounded number for all streams, and a small one for whoever
 * finds none, so that streams that are stuck never stop others. A block is held from a read until all of it is written: by
 * a stream at rest never. The latest given back is the next taken, while it is still in the processor's cache.
 */
#ifndef TUNNELD_BLOCKS_H
#define TUNNELD_BLOCKS_H

#include "base/slab.h"

#define BLOCK_LARGE (64u * 1024)
#define BLOCK_SMALL (4u * 1024)
#define BLOCKS_KEPT 16 /* free ones that are not given back to the system */

struct block {
	struct block *next;
	uint32_t cap;
	uint8_t mem[];
};

struct blocks {
	struct block *free;        /* large ones */
	uint32_t n_free, large, max; /* large: those in use */
	uint32_t small;            /* in use */
};

void blocks_init(struct blocks *b, uint32_t max_large);
/* All must have been put back. */
void blocks_done(struct blocks *b);
/* NULL without memory. */
struct block *block_get(struct blocks *b);
/* NULL allowed. */
void block_put(struct blocks *b, struct block *k);

#endif
