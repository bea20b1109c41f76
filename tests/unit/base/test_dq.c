/* SPDX-License-Identifier: AGPL-3.0-only */
#include "base/dq.h"

#include "base/rng.h"
#include "base/slab.h"
#include "t.h"

#define NODES 300

static mono_t naive_min(const struct dq_node *node)
{
	mono_t least = MONO_NEVER;

	for (int i = 0; i < NODES; i++) {
		if (node[i].pos)
			least = mono_min(least, node[i].at);
	}
	return least;
}

/* After any sequence of set, move and delete the first node is the earliest one. */
static void first_is_always_the_earliest(void)
{
	struct dq_node node[NODES] = { 0 };
	struct rng rng;
	struct dq q;
	uint32_t queued;

	rng_seed(&rng, 1);
	dq_init(&q);
	for (int i = 0; i < 30000; i++) {
		struct dq_node *n = &node[rng_below(&rng, NODES)];

		switch (rng_below(&rng, 8)) {
		case 0:
			dq_del(&q, n);
			break;
		case 1:
			EQ(dq_set(&q, n, MONO_NEVER), 0);
			break;
		case 2:
			n = dq_first(&q);
			if (n)
				dq_del(&q, n);
			break;
		default:
			EQ(dq_set(&q, n, (mono_t){ rng_below(&rng, 500) }), 0);
		}
		EQ(dq_next_at(&q).us, naive_min(node).us);
		OK(!dq_first(&q) || dq_first(&q)->at.us == dq_next_at(&q).us);
	}
	queued = 0;
	for (int i = 0; i < NODES; i++) {
		queued += node[i].pos != 0;
		OK(!node[i].pos || q.heap[node[i].pos - 1] == &node[i]);
	}
	EQ(q.n, queued);
	dq_done(&q);
}

/* Draining yields deadlines in order. */
static void drains_sorted(void)
{
	struct dq_node node[NODES] = { 0 };
	struct rng rng;
	struct dq q;
	uint64_t last = 0;
	int n = 0;

	rng_seed(&rng, 2);
	dq_init(&q);
	for (int i = 0; i < NODES; i++)
		EQ(dq_set(&q, &node[i], (mono_t){ rng_u64(&rng) >> 1 }), 0);
	for (struct dq_node *f; (f = dq_first(&q)); n++) {
		OK(f->at.us >= last);
		last = f->at.us;
		dq_del(&q, f);
		EQ(f->pos, 0);
	}
	EQ(n, NODES);
	OK(mono_is_never(dq_next_at(&q)));
	dq_done(&q);
}

/* Without memory the node stays as it was, and so does the queue. */
static void out_of_memory_changes_nothing(void)
{
	struct dq_node node[17] = { 0 };
	struct dq q;

	dq_init(&q);
	mem_fail_at(0);
	EQ(dq_set(&q, &node[0], (mono_t){ 5 }), ERR_NOMEM);
	EQ(node[0].pos, 0);
	EQ(node[0].at.us, 0);
	OK(!dq_first(&q));
	for (uint64_t i = 0; i < 16; i++)
		EQ(dq_set(&q, &node[i], (mono_t){ 100 - i }), 0);
	mem_fail_at(0);
	EQ(dq_set(&q, &node[16], (mono_t){ 1 }), ERR_NOMEM);
	EQ(dq_next_at(&q).us, 85);
	EQ(dq_set(&q, &node[3], (mono_t){ 2 }), 0);
	EQ(dq_set(&q, &node[16], (mono_t){ 1 }), 0);
	OK(dq_first(&q) == &node[16]);
	dq_done(&q);
	dq_done(&q);
}

T_MAIN(T(first_is_always_the_earliest), T(drains_sorted), T(out_of_memory_changes_nothing))
