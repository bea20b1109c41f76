/* SPDX-License-Identifier: AGPL-3.0-only */
/* What is under way in virtual time: datagrams that are delayed, jittered (hence reordered) and lost, and frames
 * of WebSockets, which are only delayed. Owns the bytes. Every choice comes from one seed. */
#ifndef TESTS_SIM_NET_H
#define TESTS_SIM_NET_H

#include "base/addr.h"
#include "base/mono.h"
#include "base/rng.h"

struct net_way { /* one direction of one path */
	uint64_t delay, jitter; /* microseconds; jitter: up to that much more */
	uint32_t loss;          /* of 10,000 */
	bool dead;
};

enum net_kind { NET_UP, NET_DOWN, NET_TEXT_UP, NET_TEXT_DOWN, NET_CLOSE };

struct net_item {
	mono_t at, sent;
	uint64_t order;
	enum net_kind kind;
	uint32_t peer, connection; /* whose; which of its WebSockets */
	unsigned code;             /* NET_CLOSE */
	struct path path;
	uint8_t *b;
	size_t n;
};

struct net {
	struct rng rng;
	struct net_item *heap;
	size_t n, cap;
	uint64_t order, carried, lost;
};

void net_init(struct net *net, uint64_t seed);
void net_done(struct net *net);
/* Copies the bytes. item: kind, peer, connection, code and path. */
void net_send(struct net *net, const struct net_way *way, struct net_item item, struct span bytes, mono_t now);
mono_t net_next(const struct net *net);
/* The earliest item that is due. The caller frees ret->b. */
bool net_pop(struct net *net, mono_t now, struct net_item *ret);

#endif
