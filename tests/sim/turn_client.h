/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * A TURN client in virtual time, as libwebrtc's: asks, asks again when nothing comes back (RFC 8489 6.2.1), renews what it has,
 * and sends numbered datagrams to one other client, keeping book about each of them.
 *
 *   timer     armed by             fires after               does
 *   tx        a request            500 ms, 1 s, 2 s, … 8 s   the same message again; after seven of them it has failed
 *   refresh   Allocate, Refresh    lifetime - 60 s           Refresh
 *   permit    CreatePermission     4 min                     CreatePermission
 *   bind      ChannelBind          9 min                     ChannelBind
 *   data      talk                 20 ms                     the next datagram
 */
#ifndef TESTS_SIM_TURN_CLIENT_H
#define TESTS_SIM_TURN_CLIENT_H

#include "sim/net.h"
#include "sim/turn_rig.h"

#define TURN_CLIENT_PATHS 4
#define TURN_CLIENT_SEQS 65536

struct turn_world;

enum turn_tx_kind { TX_ALLOCATE, TX_REFRESH, TX_PERMIT, TX_BIND, TX_MAX_ };

/* One mapping of its NAT. It takes datagrams from the server only, which is all a client of TURN talks to. */
struct turn_way {
	struct addr public;
	bool dead; /* the NAT has forgotten it */
	struct net_way up, down;
};

struct turn_tx {
	bool running, is_signed;
	uint32_t path, sent, stale;
	uint64_t rto;
	mono_t next;
	size_t n;
	uint8_t msg[1024];
};

struct turn_client_conf {
	uint64_t credential_s; /* how long it is good */
	bool mobility, sha256, no_channel;
	bool plain; /* no client of TURN: a host with a public address that others reach through their relayed addresses */
};

struct turn_client {
	struct turn_client_conf conf;
	struct rig_client rc; /* credentials, nonce, how messages are built and read */
	struct turn_world *w;
	uint32_t index;
	struct turn_way path[TURN_CLIENT_PATHS];
	uint32_t n_paths, current;
	struct turn_tx tx[TX_MAX_];
	mono_t refresh_at, permit_at, bind_at, data_at;
	bool allocated, permitted, bound, moving, deleting, talking;
	uint32_t life;
	int code[TX_MAX_]; /* of the last final answer: 0, the error, -1 when none came */
	struct addr relayed, target;
	uint16_t channel;
	uint8_t ticket[TICKET_LEN];
	size_t ticket_n;
	const struct turn_client *to;
	uint32_t deaf; /* so many answers are lost on their way; the last one of them is kept */
	uint8_t missed[OUTBOX_DGRAM_MAX];
	size_t missed_n;
	uint32_t n_stale, n_again, n_timeouts, n_allocated, n_strange;
	uint32_t seq;
	struct turn_fate {
		mono_t at;
		uint8_t arrived;
		bool lost;   /* by the net */
		bool closed; /* at a NAT's mapping that is gone */
	} *fate;
};

struct turn_client *turn_client_new(struct turn_world *w, const struct turn_client_conf *c);
void turn_client_free(struct turn_client *c);
/* Both directions of its present path. */
void turn_client_net(struct turn_client *c, uint64_t delay, uint64_t jitter, uint32_t loss);

void turn_client_allocate(struct turn_client *c);
/* Permission and channel for the other one's address; data begins with turn_client_talk. */
void turn_client_reach(struct turn_client *c, const struct turn_client *to);
bool turn_client_reaches(const struct turn_client *c);
void turn_client_talk(struct turn_client *c, bool on);
void turn_client_refresh(struct turn_client *c);
void turn_client_delete(struct turn_client *c);
/* Its NAT takes another port: it does not know. */
void turn_client_rebind(struct turn_client *c);
/* It gets another address and says so (RFC 8016); `keep`: the old one works on. */
void turn_client_move(struct turn_client *c, bool keep);
/* One numbered datagram by this path. */
void turn_client_say(struct turn_client *c, uint32_t path);

void turn_client_input(struct turn_client *c, const struct addr *from, struct span dgram);
void turn_client_tick(struct turn_client *c);
mono_t turn_client_next(const struct turn_client *c);

/* The numbered datagram in a message on its way to or from a client or a plain host. False: there is none. */
bool turn_numbered(struct span dgram, uint32_t *ret_index, uint32_t *ret_seq, struct span *ret_data);

struct turn_sum {
	uint32_t sent, lost, closed, arrived;
	uint32_t twice;   /* arrived more than once, or though lost */
	uint32_t missing; /* neither arrived nor lost */
	mono_t first, last; /* when the first and the last of those that are missing or met a closed door were sent */
};
struct turn_sum turn_client_sum(const struct turn_client *c);

#endif
