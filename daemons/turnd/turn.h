/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * The TURN server of one worker (RFC 8656, and the RFCs listed in README.md), without sockets: bytes and events in, an outbox
 * and a few calls out. Datagrams name the socket they leave by in path.local: its port is a listening port (to a client) or a
 * relay port (to a peer).
 *
 *   init -> input | relay_input | client_gone | peer_* | tick, in any order -> done
 */
#ifndef TURND_TURN_H
#define TURND_TURN_H

#include "base/outbox.h"
#include "base/secret.h"
#include "turnd/alloc.h"
#include "turnd/challenge.h"
#include "turnd/drop.h"
#include "turnd/nonce.h"
#include "turnd/peer_policy.h"
#include "turnd/quota.h"
#include "turnd/ticket.h"

#define TURN_SECRETS_MAX 4
#define TURN_REALM_MAX 128
#define TURN_SOFTWARE "turnd"
#define TURN_PROBE_ID "healthprobe" /* the id of health probes' usernames */
#define TURN_METHODS 13             /* counters: by method number */
#define TURN_REPLY_MAX 1024         /* bytes of a response */
#define TURN_PORT_TAKEN (-98)       /* -EADDRINUSE: a pure layer has no errno.h */

struct turn_conf {
	char realm[TURN_REALM_MAX];
	bool software; /* tell SOFTWARE */
	const struct secret *secret; /* the newest first; any is good */
	uint32_t n_secrets;
	struct turn_relay {
		struct addr at;       /* bound to; unset: this family is not served. port unused */
		struct addr external; /* told to clients; unset: `at` */
	} relay[REL_MAX_];
	uint16_t min_port, max_port;
	struct peer_policy policy;
	struct addr first, other; /* RFC 5780: primary and alternate address and port; unset: no behaviour discovery */
	uint64_t max_bps;   /* bytes per second of an allocation; 0: no limit */
	uint64_t max_life, probe_life, default_life, nonce_life; /* us */
	uint32_t max_allocs, max_perms, max_channels, max_streams; /* of this worker; per allocation; RFC 6062 per allocation */
	bool udp_relay, tcp_relay, mobility;
	uint8_t worker, n_workers;
	uint8_t nonce_key[NONCE_KEY_LEN], ticket_key[TICKET_KEY_LEN]; /* of all workers of this process */
};

/* What the core asks of the shell. `owner` is turn.owner. None of these calls a function of this header: what follows from
 * them (a stream that broke, a peer that is gone) is told when the core has returned. */
struct turn_ops {
	/* A relay socket on conf.relay[family].at:port; tcp: a listening one. 0; TURN_PORT_TAKEN: another port may do; any
	 * other error: none will. */
	int (*relay_open)(void *owner, struct handle alloc, int family, uint16_t port, bool tcp);
	void (*relay_close)(void *owner, int family, uint16_t port, bool tcp);
	/* Is this one of our relay ports, of any worker? */
	bool (*relay_is_open)(void *owner, int family, uint16_t port);
	/* A message to a client that is not VIA_UDP: padded with zeros to a multiple of four (over DTLS, too: a Data
	 * indication counts its padding) and encrypted by the shell. False: its queue is full, or it is gone. */
	bool (*send)(void *owner, struct handle conn, struct span head, struct span payload);
	/* quota.h, shared by all workers. */
	int (*quota_take)(void *owner, struct span user);
	void (*quota_give)(void *owner, struct span user);
	int (*user_by_hash)(void *owner, const uint8_t hash[STUN_USERHASH_LEN], uint8_t ret_user[256]); /* length, ERR_MISSING */
	uint32_t (*draw)(void *owner);
	/* RFC 6062. id names a peer's stream. connect: the outcome comes by turn_peer_connected. */
	int (*peer_connect)(void *owner, uint32_t id, int family, uint16_t port, const struct addr *peer);
	void (*peer_join)(void *owner, uint32_t id, struct handle conn); /* splices the two; both are the shell's from now on */
	void (*peer_close)(void *owner, uint32_t id); /* joined or not; no turn_peer_gone follows */
};

struct turn_stats {
	uint64_t requests[TURN_METHODS], indications[TURN_METHODS];
	uint64_t answered[TURN_METHODS][2]; /* success, error */
	uint64_t errors[700 - 300];         /* by code - 300 */
	uint64_t allocated[VIA_MAX_];       /* allocations made, by transport of the client */
	uint64_t ended, expired;            /* all ends; of these, by the timer */
	uint64_t packets[2], bytes[2];      /* relayed: 0 to peers, 1 to clients */
	uint64_t hairpin;                   /* of packets[0]: to another client of this server */
	uint64_t moved;                     /* RFC 8016 */
	uint64_t streams;                   /* RFC 6062: connections joined */
	uint64_t auth_failed, auth_expired;
	uint64_t drops[DROP_MAX_];
};

struct turn {
	struct turn_conf conf;
	struct rng *rng;
	struct outbox *out;
	const struct turn_ops *ops;
	void *owner;
	struct slab allocs;
	struct hmap clients;  /* struct client_key */
	struct dq due;        /* allocations */
	struct challenge challenge;
	struct slab streams;  /* struct turn_stream: RFC 6062 */
	struct hmap stream_ids;
	struct dq streams_due;
	struct slab held;     /* ports kept by RESERVATION-TOKEN */
	struct dq held_due;
	uint64_t wall_off;    /* wall clock = mono + this */
	uint64_t drawn;       /* bytes left of the piece of total bandwidth */
	mono_t dry_until;     /* there was none: not asked again before */
	uint64_t tid_next;    /* transaction ids of our indications */
	struct client last;   /* the client of the datagram before this one, and its allocation */
	struct handle last_alloc;
	uint8_t other;        /* after DROP_OTHER_WORKER: the worker that has what the message speaks of */
	bool draining;
	struct turn_stats stats;
};

/* conf is copied (its secrets are borrowed), rng, out and ops are borrowed. ERR_NOMEM. */
int turn_init(struct turn *t, const struct turn_conf *c, struct rng *rng, struct outbox *out, const struct turn_ops *ops,
	      void *owner, mono_t now, wall_t wall);
/* Closes every relay. */
void turn_done(struct turn *t);

/* The wall clock may step: call now and then. */
void turn_set_wall(struct turn *t, mono_t now, wall_t wall);
/* New settings for what comes; sessions live on, but whom they may reach is judged anew. Worker, keys, bounds of
 * tables and relay addresses stay as they are. */
void turn_reconf(struct turn *t, const struct turn_conf *c);
/* No new allocations (508); existing ones live on. */
void turn_drain(struct turn *t);

/* One datagram of a UDP client, or one whole message of any other. msg must stay until the outbox is flushed.
 * DROP_OTHER_WORKER: nothing was done; hand the message (and its stream) to worker t->other. */
enum drop turn_input(struct turn *t, const struct client *c, struct span msg, mono_t now);
/* One datagram that reached an allocation's relay socket. The same rule for data. */
enum drop turn_relay_input(struct turn *t, struct handle alloc, const struct addr *from, struct span data, mono_t now);
/* A client's stream or DTLS association ended: so does its allocation, unless it is mobile (RFC 8016). */
void turn_client_gone(struct turn *t, const struct client *c);

/* RFC 6062: an outgoing connection succeeded (0) or failed (-errno); a peer connected to a relayed address (id of the new
 * stream, or 0: close it); a peer's stream has ended, joined or not. */
void turn_peer_connected(struct turn *t, uint32_t id, int err, mono_t now);
uint32_t turn_peer_accepted(struct turn *t, struct handle alloc, int family, const struct addr *peer, mono_t now);
void turn_peer_gone(struct turn *t, uint32_t id);

void turn_tick(struct turn *t, mono_t now);
mono_t turn_next(const struct turn *t);

/* Ends an allocation now: for the operator. False when it is gone. */
bool turn_end(struct turn *t, struct handle alloc);
bool turn_has_client(struct turn *t, const struct client *c); /* has it an allocation? */
const struct alloc *turn_alloc(const struct turn *t, struct handle alloc);

#endif
