/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sim/net.h"

#include <stdlib.h>

void net_init(struct net *net, uint64_t seed)
{
	*net = (struct net){ .n = 0 };
	rng_seed(&net->rng, seed);
}

void net_done(struct net *net)
{
	for (size_t i = 0; i < net->n; i++)
		free(net->heap[i].b);
	free(net->heap);
	*net = (struct net){ .n = 0 };
}

/* Equal times keep their order: without jitter nothing is reordered. */
static bool before(const struct net_item *a, const struct net_item *b)
{
	return a->at.us != b->at.us ? a->at.us < b->at.us : a->order < b->order;
}

static void put(struct net *net, struct net_item item)
{
	size_t i = net->n++;

	while (i && before(&item, &net->heap[(i - 1) / 2])) {
		net->heap[i] = net->heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	net->heap[i] = item;
}

void net_send(struct net *net, const struct net_way *way, struct net_item item, struct span bytes, mono_t now)
{
	bool datagram = item.kind == NET_UP || item.kind == NET_DOWN;
	uint64_t late = datagram && way->jitter ? rng_u64(&net->rng) % way->jitter : 0;

	if (datagram && (way->dead || (way->loss && rng_below(&net->rng, 10000) < way->loss))) {
		net->lost++;
		return;
	}
	if (net->n == net->cap) {
		net->cap = net->cap ? net->cap * 2 : 1024;
		net->heap = realloc(net->heap, net->cap * sizeof(*net->heap));
		if (!net->heap)
			abort();
	}
	item.at = mono_add(now, way->delay + late);
	item.sent = now;
	item.order = net->order++;
	item.n = bytes.n;
	item.b = malloc(bytes.n ? bytes.n : 1);
	if (!item.b)
		abort();
	if (bytes.n)
		memcpy(item.b, bytes.p, bytes.n);
	net->carried++;
	put(net, item);
}

mono_t net_next(const struct net *net)
{
	return net->n ? net->heap[0].at : MONO_NEVER;
}

bool net_pop(struct net *net, mono_t now, struct net_item *ret)
{
	struct net_item last;
	size_t i = 0;

	if (net->n == 0 || !mono_reached(now, net->heap[0].at))
		return false;
	*ret = net->heap[0];
	last = net->heap[--net->n];
	for (;;) {
		size_t c = 2 * i + 1;

		if (c + 1 < net->n && before(&net->heap[c + 1], &net->heap[c]))
			c++;
		if (c >= net->n || !before(&net->heap[c], &last))
			break;
		net->heap[i] = net->heap[c];
		i = c;
	}
	if (net->n)
		net->heap[i] = last;
	return true;
}
