/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * One SFU core, its clients and the net between them, in virtual time. Plays the shell: gives datagrams to the core
 * in batches, flushes, ticks when the core asks for it, and carries signalling.
 */
#ifndef TESTS_SIM_WORLD_H
#define TESTS_SIM_WORLD_H

#include "sfud/room/sfu.h"
#include "sim/net.h"

#define WORLD_PEERS 24
#define WORLD_BATCH 32
#define WORLD_OUT (256 * 1024)
#define WORLD_SIG (512 * 1024)
#define SIM_MS(n) ((mono_t){ DUR_MS(n) })

struct peer;

struct world {
	uint64_t seed;
	mono_t now;
	struct sfu s;
	struct rng rng; /* of the SFU */
	struct outbox out;
	struct out_msg msgs[64];
	struct sigbox sig;
	struct sig_out sigs[64];
	uint8_t *out_mem, *sig_mem;
	struct net net;
	struct net_way text; /* of every WebSocket */
	struct peer *peers[WORLD_PEERS];
	uint32_t n_peers;
};

struct world_conf {
	uint64_t seed, solo_kick;
	uint32_t max_members, max_rooms; /* 0: 64 and 8 */
};

/* Time begins at one second. False when the core had no memory. */
bool world_init(struct world *w, const struct world_conf *c);
/* Prints the seed when `failures` is not 0. */
void world_done(struct world *w, int failures);
/* Runs until `now` is reached; the clock stands there afterwards. */
void world_run(struct world *w, mono_t until);
void world_pass(struct world *w, uint64_t us);

/* One datagram into the core, as from a stranger; the reason it went no further. */
enum drop world_inject(struct world *w, const struct path *path, struct span dgram);
/* Sends out what the core produced, as the shell does at the end of a turn. */
void world_collect(struct world *w);

/* From a client: a datagram to the SFU, a text frame. */
void world_send(struct world *w, const struct peer *p, struct span dgram);
void world_text(struct world *w, const struct peer *p, struct span text);

/* The one local address of the SFU. */
struct addr world_addr(void);

#endif
