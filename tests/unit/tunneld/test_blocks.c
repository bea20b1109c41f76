/* SPDX-License-Identifier: AGPL-3.0-only */
#include "tunneld/blocks.h"

#include "t.h"

static void gives_large_ones_then_small_ones(void)
{
	struct block *k[4];
	struct blocks b;

	blocks_init(&b, 2);
	for (size_t i = 0; i < 4; i++) {
		k[i] = block_get(&b);
		OK(k[i]);
		EQ(k[i]->cap, i < 2 ? BLOCK_LARGE : BLOCK_SMALL);
		memset(k[i]->mem, 1, k[i]->cap);
	}
	EQ(b.large, 2);
	EQ(b.small, 2);
	block_put(&b, k[0]);
	k[0] = block_get(&b);
	EQ(k[0]->cap, BLOCK_LARGE); /* there is one again */
	for (size_t i = 0; i < 4; i++)
		block_put(&b, k[i]);
	EQ(b.large + b.small, 0);
	block_put(&b, NULL);
	blocks_done(&b);
}

static void the_last_put_is_the_next_got(void)
{
	struct block *one, *two;
	struct blocks b;

	blocks_init(&b, 8);
	one = block_get(&b);
	two = block_get(&b);
	block_put(&b, one);
	block_put(&b, two);
	OK(block_get(&b) == two);
	OK(block_get(&b) == one);
	block_put(&b, one);
	block_put(&b, two);
	blocks_done(&b);
}

static void keeps_few_for_later(void)
{
	struct block *k[2 * BLOCKS_KEPT];
	struct blocks b;

	blocks_init(&b, ARRAY_LEN(k));
	for (size_t i = 0; i < ARRAY_LEN(k); i++)
		k[i] = block_get(&b);
	for (size_t i = 0; i < ARRAY_LEN(k); i++)
		block_put(&b, k[i]);
	EQ(b.n_free, BLOCKS_KEPT);
	EQ(b.large, 0);
	blocks_done(&b);
	EQ(b.n_free, 0);
}

static void without_memory_there_is_a_small_one_or_none(void)
{
	struct blocks b;
	struct block *k;

	blocks_init(&b, 8);
	mem_fail_at(0);
	k = block_get(&b);
	OK(k && k->cap == BLOCK_SMALL);
	block_put(&b, k);
	b.max = 0;
	mem_fail_at(0);
	OK(!block_get(&b));
	EQ(b.large + b.small, 0);
	mem_fail_at(SIZE_MAX);
	blocks_done(&b);
}

T_MAIN(T(gives_large_ones_then_small_ones), T(the_last_put_is_the_next_got), T(keeps_few_for_later),
       T(without_memory_there_is_a_small_one_or_none))
