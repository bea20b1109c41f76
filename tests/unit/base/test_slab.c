/* SPDX-License-Identifier: AGPL-3.0-only */
#include "base/slab.h"

#include "base/rng.h"
#include "t.h"

#define MAX 100

struct thing {
	uint64_t tag, other;
	uint8_t odd;
};

/* A handle names its object until it is freed, and nothing afterwards; objects never move. */
static void handles_go_stale_and_objects_stay(void)
{
	struct { struct handle h; struct thing *p; } live[MAX] = { 0 };
	struct handle old[MAX] = { 0 };
	struct slab s;
	struct rng rng;

	rng_seed(&rng, 9);
	slab_init(&s, sizeof(struct thing), MAX);
	for (uint64_t i = 1; i < 50000; i++) {
		uint32_t k = rng_below(&rng, MAX);

		if (live[k].p) {
			OK(slab_get(&s, live[k].h) == live[k].p);
			OK(live[k].p->other == live[k].p->tag);
			slab_free(&s, live[k].h);
			OK(!slab_get(&s, live[k].h));
			slab_free(&s, live[k].h);
			old[k] = live[k].h;
			live[k].p = NULL;
		} else {
			live[k].p = slab_new(&s, &live[k].h);
			OK(live[k].p && live[k].p->tag == 0 && live[k].p->odd == 0);
			EQ((uintptr_t)live[k].p % 16, 0);
			*live[k].p = (struct thing){ i, i, 1 };
			OK(!handle_eq(live[k].h, old[k]));
		}
		OK(!slab_get(&s, old[rng_below(&rng, MAX)]));
	}
	slab_done(&s);
	slab_done(&s);
	OK(!slab_get(&s, live[0].h));
}

/* `max` objects, not one more; a freed one makes room. */
static void full_is_a_limit(void)
{
	static const uint32_t rows[] = { 0, 1, 31, 32, 33, 100 };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct handle h = { 0 }, none = { 7, 7 };
		struct slab s;

		slab_init(&s, 5, rows[i]);
		for (uint32_t k = 0; k < rows[i]; k++)
			OK(slab_new(&s, &h));
		EQ(s.live, rows[i]);
		OK(!slab_new(&s, &none));
		EQ(none.slot, 7);
		slab_free(&s, h);
		OK(!rows[i] || slab_new(&s, &none));
		slab_done(&s);
	}
}

/* No made-up handle names an object: not the zero one, not a free slot's, not one out of range. */
static void forged_handles_name_nothing(void)
{
	static const struct handle rows[] = {
		{ 0, 0 }, { 0, 2 }, { 0, 3 }, { 1, 0 }, { 1, 1 }, { 31, 1 }, { 32, 1 }, { 4, 1 }, { UINT32_MAX, 1 },
	};
	struct slab s, zero = { 0 };
	struct handle h;

	slab_init(&s, 64, 4);
	OK(!slab_get(&s, (struct handle){ 0, 1 }));
	OK(slab_new(&s, &h));
	EQ(h.slot, 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		OK(!slab_get(&s, rows[i]));
		OK(!slab_get(&zero, rows[i]));
		slab_free(&s, rows[i]);
	}
	EQ(s.live, 1);
	OK(handle_is_none((struct handle){ 3, 0 }));
	OK(!handle_is_none(h));
	slab_done(&s);
}

/* A slot whose generations are used up is retired, so that no handle ever comes true again. */
static void generations_do_not_wrap(void)
{
	struct handle first, h;
	struct slab s;
	uint32_t *gen;
	void *p;

	slab_init(&s, 16, 2);
	p = slab_new(&s, &first);
	/* The generation is in front of the object; two thousand million turns take too long here. */
	gen = (uint32_t *)(void *)((uint8_t *)p - 16);
	EQ(*gen, first.gen);
	*gen = UINT32_MAX;
	slab_free(&s, (struct handle){ first.slot, UINT32_MAX });
	EQ(s.live, 0);
	OK(slab_new(&s, &h));
	OK(h.slot != first.slot);
	OK(!slab_new(&s, &h));
	OK(!slab_get(&s, first));
	slab_done(&s);
}

/* The walk meets every live object once and survives freeing the one it stands on. */
static void walk_meets_each_live_object_once(void)
{
	struct handle h[MAX], at;
	uint32_t slot = 0, met = 0;
	struct thing *t;
	struct slab s;

	slab_init(&s, sizeof(*t), MAX);
	OK(!slab_next(&s, &slot, &at));
	for (int i = 0; i < 70; i++) {
		t = slab_new(&s, &h[i]);
		t->tag = (uint64_t)i;
	}
	for (int i = 0; i < 70; i += 3)
		slab_free(&s, h[i]);
	for (slot = 0; (t = slab_next(&s, &slot, &at)); met++) {
		OK(t->tag % 3 != 0);
		OK(handle_eq(at, h[t->tag]));
		slab_free(&s, at);
	}
	EQ(met, 46);
	EQ(s.live, 0);
	slot = 0;
	OK(!slab_next(&s, &slot, &at));
	slab_done(&s);
}

/* The nth allocation fails and only that one; what failed can be tried again. */
static void out_of_memory_sweep(void)
{
	for (size_t nth = 0;; nth++) {
		struct handle h;
		struct slab s;
		int failed = 0;

		slab_init(&s, 100, 64);
		mem_fail_at(nth);
		for (int i = 0; i < 64; i++) {
			while (!slab_new(&s, &h))
				failed++;
		}
		EQ(s.live, 64);
		slab_done(&s);
		if (mem_fail_at(SIZE_MAX) <= nth) {
			EQ(failed, 0);
			EQ(nth, 3); /* the chunk table and two chunks */
			return;
		}
		EQ(failed, 1);
	}
}

/* An object size no memory can hold is refused before any arithmetic wraps. */
static void absurd_sizes_are_refused(void)
{
	static const size_t rows[] = { SIZE_MAX, SIZE_MAX - 15, SIZE_MAX / 2, SIZE_MAX / 32 };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct handle h;
		struct slab s;

		slab_init(&s, rows[i], 32);
		OK(!slab_new(&s, &h));
		slab_done(&s);
	}
}

/* mem_grow keeps what was there and zeroes what is new; a failure leaves the old block. */
static void grow_keeps_and_zeroes(void)
{
	uint8_t *p = mem_alloc(3), *q;

	EQ(p[0] | p[1] | p[2], 0);
	memset(p, 0xaa, 3);
	mem_fail_at(0);
	OK(!mem_grow(p, 3, 1000));
	EQ(p[2], 0xaa);
	q = mem_grow(p, 3, 1000);
	OK(q && q[2] == 0xaa && q[3] == 0 && q[999] == 0);
	q = mem_grow(q, 1000, 0);
	OK(q);
	mem_free(q);
	q = mem_grow(NULL, 0, 2);
	OK(q && q[1] == 0);
	mem_free(q);
	q = mem_alloc(0);
	OK(q);
	mem_free(q);
	mem_free(NULL);
	mem_fail_at(1);
	q = mem_alloc(1);
	OK(q);
	OK(!mem_alloc(1));
	EQ(mem_fail_at(SIZE_MAX), 2);
	mem_free(q);
}

/* A table doubles up to its bound, keeps what it holds, and stands as it was when it cannot grow. */
static void tables_grow_to_their_bound(void)
{
	uint32_t cap = 0, *table = NULL, *grown;

	for (uint32_t n = 0; n < 5; n++) {
		grown = mem_room(table, n, &cap, 5, sizeof(*table));
		OK(grown != NULL);
		table = grown;
		table[n] = n + 100;
	}
	EQ(cap, 5);
	OK(mem_room(table, 5, &cap, 5, sizeof(*table)) == NULL);
	for (uint32_t n = 0; n < 5; n++)
		EQ(table[n], n + 100);
	(void)mem_fail_at(0);
	OK(mem_room(table, 5, &cap, 9, sizeof(*table)) == NULL);
	(void)mem_fail_at(SIZE_MAX);
	EQ(cap, 5);
	EQ(table[4], 104);
	mem_free(table);
}

T_MAIN(T(tables_grow_to_their_bound), T(handles_go_stale_and_objects_stay), T(full_is_a_limit), T(forged_handles_name_nothing),
       T(generations_do_not_wrap), T(walk_meets_each_live_object_once), T(out_of_memory_sweep),
       T(absurd_sizes_are_refused), T(grow_keeps_and_zeroes))
