/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * Chunks of CHUNK slots, never moved or returned before slab_done. A slot's generation is odd while its
 * object lives and even while it is free, so one compare tells a live handle from any other.
 */
#include "base/slab.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK_BITS 5
#define CHUNK (UINT32_C(1) << CHUNK_BITS)

/* In front of each object; 16 bytes keep the object aligned as malloc would. */
struct slot {
	uint32_t gen;
	uint32_t next_free; /* slot + 1, 0 ends the list */
	uint64_t pad;
};

/* Initial-exec: the general model would import a helper of the dynamic linker. Per thread: no lock. */
#define HOOK static _Thread_local __attribute__((tls_model("initial-exec"))) size_t
HOOK fail_in = SIZE_MAX;
HOOK made;

static bool must_fail(void)
{
	made++;
	if (fail_in == SIZE_MAX)
		return false;
	return fail_in-- == 0; /* leaves SIZE_MAX behind: off again */
}

size_t mem_fail_at(size_t nth)
{
	size_t n = made;

	made = 0;
	fail_in = nth;
	return n;
}

void *mem_alloc(size_t n)
{
	if (must_fail())
		return NULL;
	return calloc(1, n ? n : 1);
}

void *mem_grow(void *p, size_t old_n, size_t new_n)
{
	uint8_t *q;

	if (must_fail())
		return NULL;
	q = realloc(p, new_n ? new_n : 1);
	if (q && new_n > old_n)
		memset(q + old_n, 0, new_n - old_n);
	return q;
}

void mem_free(void *p)
{
	free(p);
}

void *mem_room(void *table, uint32_t n, uint32_t *cap, uint32_t max, size_t size)
{
	uint32_t more = *cap ? *cap : 2;
	void *grown;

	if (n < *cap)
		return table;
	if (n >= max)
		return NULL;
	more = max - *cap < more ? max : *cap + more;
	grown = mem_grow(table, *cap * size, more * size);
	if (grown)
		*cap = more;
	return grown;
}

static size_t stride(const struct slab *s)
{
	return sizeof(struct slot) + ((s->size + 15) & ~(size_t)15);
}

static struct slot *slot_at(const struct slab *s, uint32_t i)
{
	return (struct slot *)(void *)(s->chunks[i >> CHUNK_BITS] + (i & (CHUNK - 1)) * stride(s));
}

static bool slot_exists(const struct slab *s, uint32_t i)
{
	return i < s->max && i >> CHUNK_BITS < s->n_chunks;
}

void slab_init(struct slab *s, size_t object_size, uint32_t max)
{
	*s = (struct slab){ .size = object_size, .max = max };
}

void slab_done(struct slab *s)
{
	for (uint32_t i = 0; i < s->n_chunks; i++)
		mem_free(s->chunks[i]);
	mem_free(s->chunks);
	*s = (struct slab){ 0 };
}

/* One more chunk on the free list, lowest slot first. */
static bool grow(struct slab *s)
{
	uint32_t first = s->n_chunks << CHUNK_BITS, n;
	uint8_t *chunk;
	size_t bytes;

	if (s->n_chunks > (s->max - 1) >> CHUNK_BITS)
		return false;
	if (!s->chunks)
		s->chunks = mem_alloc((((size_t)s->max - 1) / CHUNK + 1) * sizeof(*s->chunks));
	if (!s->chunks)
		return false;
	n = s->max - first < CHUNK ? s->max - first : CHUNK;
	if (s->size > SIZE_MAX / 2 || __builtin_mul_overflow(stride(s), n, &bytes))
		return false;
	chunk = mem_alloc(bytes);
	if (!chunk)
		return false;
	s->chunks[s->n_chunks++] = chunk;
	for (uint32_t i = first + n; i-- > first;) {
		slot_at(s, i)->next_free = s->free_head;
		s->free_head = i + 1;
	}
	return true;
}

void *slab_new(struct slab *s, struct handle *ret)
{
	struct slot *slot;
	uint32_t i;

	if (s->live >= s->max || (s->free_head == 0 && !grow(s)))
		return NULL;
	i = s->free_head - 1;
	slot = slot_at(s, i);
	s->free_head = slot->next_free;
	slot->gen++;
	s->live++;
	memset(slot + 1, 0, s->size);
	*ret = (struct handle){ i, slot->gen };
	return slot + 1;
}

void *slab_get(const struct slab *s, struct handle h)
{
	struct slot *slot;

	if ((h.gen & 1) == 0 || !slot_exists(s, h.slot))
		return NULL;
	slot = slot_at(s, h.slot);
	return slot->gen == h.gen ? slot + 1 : NULL;
}

void slab_free(struct slab *s, struct handle h)
{
	struct slot *slot;

	if (!slab_get(s, h))
		return;
	slot = slot_at(s, h.slot);
	slot->gen++;
	s->live--;
	/* A slot whose generations are used up is retired, or its first handles would come true again. */
	if (slot->gen == 0)
		return;
	slot->next_free = s->free_head;
	s->free_head = h.slot + 1;
}

void *slab_next(const struct slab *s, uint32_t *slot, struct handle *ret)
{
	for (uint32_t i = *slot; slot_exists(s, i); i++) {
		struct slot *at = slot_at(s, i);

		if ((at->gen & 1) == 0)
			continue;
		*slot = i + 1;
		*ret = (struct handle){ i, at->gen };
		return at + 1;
	}
	return NULL;
}
