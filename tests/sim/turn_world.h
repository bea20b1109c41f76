/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * One or two TURN cores, clients behind NATs and the net between them, in virtual time. Under each core is the rig's shell;
 * this adds what workers have to do with each other: whose client is whose, what is handed over, who knows which relay port,
 * and datagrams that go from one relayed address to another without leaving the host.
 */
#ifndef TESTS_SIM_TURN_WORLD_H
#define TESTS_SIM_TURN_WORLD_H

#include "sim/turn_client.h"

#define TURN_WORLD_WORKERS 2
#define TURN_WORLD_CLIENTS 4
#define TURN_WORLD_STEERS 16

struct turn_world {
	uint64_t seed;
	mono_t now;
	struct turn_worker {
		struct turn_rig rig; /* the first member: the owner of the core's operations */
		struct turn_world *w;
	} worker[TURN_WORLD_WORKERS];
	uint32_t n_workers;
	struct turn_ops ops, rig_ops;
	struct net net;
	struct turn_client *client[TURN_WORLD_CLIENTS];
	uint32_t n_clients;
	/* sockets connected to clients whose allocation is another worker's than their address says */
	struct {
		struct path path;
		uint32_t worker;
	} steer[TURN_WORLD_STEERS];
	uint32_t n_steers, handed_over, unsolicited; /* unsolicited: came to a NAT's mapping that is gone */
};

/* Large: from the heap. */
struct turn_world *turn_world_new(uint64_t seed, uint32_t n_workers);
/* Prints the seed when `failures` is not 0. */
void turn_world_free(struct turn_world *w, int failures);
void turn_world_pass(struct turn_world *w, uint64_t us);
/* Until both have allocations, permissions and channels for each other. False after a minute. */
bool turn_world_connect(struct turn_world *w, struct turn_client *a, struct turn_client *b);
/* The calendar steps, forward or back. */
void turn_world_step_wall(struct turn_world *w, int64_t seconds);
/* Which worker's listening socket the kernel picks for this client. */
uint32_t turn_world_worker(const struct turn_world *w, const struct path *path);

/* A datagram out of a client's NAT. */
void turn_world_up(struct turn_world *w, struct turn_client *c, struct turn_way *p, const struct addr *to, struct span dgram);

uint32_t turn_world_allocs(const struct turn_world *w);
uint32_t turn_world_relays(const struct turn_world *w);
uint64_t turn_world_drops(const struct turn_world *w, enum drop d); /* DROP_NONE: all but hand-overs */
uint64_t turn_world_ended(const struct turn_world *w);

#endif
