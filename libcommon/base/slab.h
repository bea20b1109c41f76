/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * Fixed pools of one object type, named by {slot, gen} handles instead of
 * pointers. A stale handle yields NULL, never another object. Objects do not
 * move while they live. slab.c is the only place of the pure layers that
 * allocates; mem_alloc serves the few variable-sized cases.
 */
#ifndef BASE_SLAB_H
#define BASE_SLAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* gen is never 0 for a live object, so a zeroed handle names nothing. */
struct handle {
	uint32_t slot, gen;
};

struct slab {
	size_t size;      /* bytes of one object */
	uint32_t max;     /* objects at most */
	uint32_t live;    /* objects in use */
	uint32_t n_chunks;
	uint32_t free_head;
	uint8_t **chunks;
};

static inline bool handle_eq(struct handle a, struct handle b)
{
	return a.slot == b.slot && a.gen == b.gen;
}

static inline bool handle_is_none(struct handle h)
{
	return h.gen == 0;
}

/* Nothing is allocated before the first slab_new. */
void slab_init(struct slab *s, size_t object_size, uint32_t max);

/* Frees all memory, live objects included. Accepts zeroed memory. */
void slab_done(struct slab *s);

/* A zeroed object, or NULL at `max` or without memory. *ret is written on success only. */
void *slab_new(struct slab *s, struct handle *ret);

/* The object, or NULL when h is stale or none. Valid until slab_free of the same handle. */
void *slab_get(const struct slab *s, struct handle h);

/* Ends the object; its handle is stale from now on. A stale handle is ignored. */
void slab_free(struct slab *s, struct handle h);

/* Walks live objects: start with *slot = 0, ends with NULL. Freeing the current object is allowed. */
void *slab_next(const struct slab *s, uint32_t *slot, struct handle *ret);

/* Zeroed memory or NULL. Freed by mem_free (NULL allowed). */
void *mem_alloc(size_t n);
/* As realloc; new bytes are zeroed. On NULL the old block is untouched. */
void *mem_grow(void *p, size_t old_n, size_t new_n);
void mem_free(void *p);
/* A table of n elements with room for one more, perhaps moved; *cap grows by doubling, to `max` at most. NULL at max or
 * without memory: the old table stands. */
void *mem_room(void *table, uint32_t n, uint32_t *cap, uint32_t max, size_t size);

/* Test hook: the nth allocation from now (0 = the next one) fails, and each later one
 * succeeds again. Pass SIZE_MAX to switch off. Returns how many were made since the last call. */
size_t mem_fail_at(size_t nth);

#endif
