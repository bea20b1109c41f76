/* SPDX-License-Identifier: AGPL-3.0-only */
#include "tunneld/blocks.h"

void blocks_init(struct blocks *b, uint32_t max_large)
{
	*b = (struct blocks){ .max = max_large };
}

void blocks_done(struct blocks *b)
{
	for (struct block *k = b->free, *next; k; k = next) {
		next = k->next;
		mem_free(k);
	}
	*b = (struct blocks){ 0 };
}

static struct block *make(uint32_t cap)
{
	struct block *k = mem_alloc(sizeof(*k) + cap);

	if (k)
		k->cap = cap;
	return k;
}

struct block *block_get(struct blocks *b)
{
	struct block *k = b->free;

	if (k) {
		b->free = k->next;
		b->n_free--;
	} else if (b->large < b->max) {
		k = make(BLOCK_LARGE);
	}
	b->large += k != NULL;
	if (k)
		return k;
	k = make(BLOCK_SMALL);
	b->small += k != NULL;
	return k;
}

void block_put(struct blocks *b, struct block *k)
{
	if (!k)
		return;
	if (k->cap == BLOCK_SMALL) {
		b->small--;
		mem_free(k);
		return;
	}
	b->large--;
	if (b->n_free == BLOCKS_KEPT) {
		mem_free(k);
		return;
	}
	k->next = b->free;
	b->free = k;
	b->n_free++;
}
