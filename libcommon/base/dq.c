/* SPDX-License-Identifier: AGPL-3.0-only */
/* Four children per node: half the depth of a binary heap, and the four siblings share a cache line. */
#include "base/dq.h"

#include "base/err.h"
#include "base/slab.h"

#define DQ_MAX (UINT32_C(1) << 29) /* 4 * i + 4 stays in 32 bits */

void dq_init(struct dq *q)
{
	*q = (struct dq){ 0 };
}

void dq_done(struct dq *q)
{
	mem_free(q->heap);
	*q = (struct dq){ 0 };
}

static void place(struct dq *q, uint32_t i, struct dq_node *node)
{
	q->heap[i] = node;
	node->pos = i + 1;
}

static void sift_up(struct dq *q, uint32_t i, struct dq_node *node)
{
	while (i > 0) {
		uint32_t parent = (i - 1) / 4;

		if (q->heap[parent]->at.us <= node->at.us)
			break;
		place(q, i, q->heap[parent]);
		i = parent;
	}
	place(q, i, node);
}

static void sift_down(struct dq *q, uint32_t i, struct dq_node *node)
{
	for (;;) {
		uint32_t best = 4 * i + 1;
		uint32_t end = best + 4 < q->n ? best + 4 : q->n;

		if (best >= q->n)
			break;
		for (uint32_t k = best + 1; k < end; k++) {
			if (q->heap[k]->at.us < q->heap[best]->at.us)
				best = k;
		}
		if (q->heap[best]->at.us >= node->at.us)
			break;
		place(q, i, q->heap[best]);
		i = best;
	}
	place(q, i, node);
}

/* Settles `node` in the free place i, whose last owner was due at `was`. */
static void settle(struct dq *q, uint32_t i, struct dq_node *node, mono_t was)
{
	if (node->at.us < was.us)
		sift_up(q, i, node);
	else
		sift_down(q, i, node);
}

static int make_room(struct dq *q)
{
	uint32_t cap = q->cap ? q->cap * 2 : 16;
	struct dq_node **heap;

	if (q->n < q->cap)
		return 0;
	if (cap > DQ_MAX)
		return ERR_NOMEM;
	heap = mem_grow(q->heap, q->cap * sizeof(*heap), cap * sizeof(*heap));
	if (!heap)
		return ERR_NOMEM;
	q->heap = heap;
	q->cap = cap;
	return 0;
}

int dq_set(struct dq *q, struct dq_node *node, mono_t at)
{
	mono_t was = node->at;
	int r;

	if (mono_is_never(at)) {
		dq_del(q, node);
		node->at = at;
		return 0;
	}
	if (node->pos) {
		node->at = at;
		if (at.us != was.us)
			settle(q, node->pos - 1, node, was);
		return 0;
	}
	r = make_room(q);
	if (r < 0)
		return r;
	node->at = at;
	sift_up(q, q->n++, node);
	return 0;
}

void dq_del(struct dq *q, struct dq_node *node)
{
	struct dq_node *last;

	if (!node->pos)
		return;
	last = q->heap[--q->n];
	if (last != node)
		settle(q, node->pos - 1, last, node->at);
	node->pos = 0;
	node->at = MONO_NEVER;
}

struct dq_node *dq_first(const struct dq *q)
{
	return q->n ? q->heap[0] : NULL;
}

mono_t dq_next_at(const struct dq *q)
{
	return q->n ? q->heap[0]->at : MONO_NEVER;
}
