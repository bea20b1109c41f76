/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * Deadline queue: a 4-ary heap of nodes embedded in their owners. Owns its
 * index array, not the nodes. An owner has exactly one node, hence one
 * deadline.
 */
#ifndef BASE_DQ_H
#define BASE_DQ_H

#include "base/mono.h"

struct dq_node {
	mono_t at;
	uint32_t pos; /* index + 1 in the heap; 0 = not queued */
};

struct dq {
	struct dq_node **heap;
	uint32_t n, cap;
};

void dq_init(struct dq *q);
void dq_done(struct dq *q);

/* Files or moves the node. MONO_NEVER removes it. ERR_NOMEM leaves the node as it was. */
int dq_set(struct dq *q, struct dq_node *node, mono_t at);

/* A node that is not queued is ignored. */
void dq_del(struct dq *q, struct dq_node *node);

/* The earliest node, or NULL. It stays queued. */
struct dq_node *dq_first(const struct dq *q);

/* MONO_NEVER when empty. */
mono_t dq_next_at(const struct dq *q);

#endif
