/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * One TURN core under a shell that only remembers: which relay sockets are open, what was sent where, which peers' streams
 * were asked for. And clients, as small as they can be: they sign requests and look at one answer at a time.
 */
#ifndef TESTS_SIM_TURN_RIG_H
#define TESTS_SIM_TURN_RIG_H

#include "turnd/turn.h"

#define RIG_SENT_MAX 64
#define RIG_RELAYS_MAX 512
#define RIG_REALM "example.org"
#define RIG_SECRET "north"
#define RIG_SECRET_OLD "south"
#define RIG_WALL UINT64_C(1700000000) /* when a rig begins, seconds */
#define RIG_MS(r, n) ((r)->now = mono_add((r)->now, DUR_MS(n)))

/* One message that left. */
struct rig_sent {
	struct path path;   /* of a datagram */
	struct handle conn; /* or the stream it went to */
	bool df;
	size_t n;
	uint8_t b[OUTBOX_DGRAM_MAX];
};

struct turn_rig {
	struct turn t;
	struct turn_conf conf;
	struct rng rng;
	struct quota quota;
	struct secret secret[2];
	mono_t now;
	struct outbox ob;
	struct out_msg msg[8];
	struct span part[32];
	uint8_t mem[8192];
	struct rig_sent sent[RIG_SENT_MAX]; /* since the last rig_clear */
	uint32_t n_sent, n_lost;            /* n_lost: more than fit */
	struct rig_relay {
		struct handle alloc;
		int family;
		uint16_t port;
		bool tcp;
	} relay[RIG_RELAYS_MAX];
	uint32_t n_relays, n_opened;
	int open_err;       /* what relay_open answers, for open_fails calls or in a family */
	uint32_t open_fails;
	int fail_family;    /* this family only; -1: any */
	bool blocked;       /* streams take nothing */
	uint32_t no_draw;   /* so many draws yield nothing */
	int connect_err;
	uint32_t connecting, joined, closed; /* the last ids */
	struct handle joined_conn;
	struct addr connect_to;
	uint16_t connect_from;
};

struct rig_client {
	struct turn_rig *r;
	struct client c;
	char user[300], secret[32], realm[TURN_REALM_MAX];
	uint8_t nonce[128];
	size_t nonce_n;
	bool sha256, fingerprint, userhash, no_algorithms;
	uint32_t tids;
	uint8_t mem[2048];
	struct wr w;
	/* the last answer */
	uint8_t ans[OUTBOX_DGRAM_MAX];
	size_t ans_n;
	struct stun_msg m;
	struct turn_attrs a;
	enum drop drop;
	bool answered, ans_signed; /* ans_signed: and the signature is right */
};

/* Change r->conf before rig_start. */
void rig_init(struct turn_rig *r);
void rig_start(struct turn_rig *r);
void rig_done(struct turn_rig *r);
void rig_clear(struct turn_rig *r);
void rig_tick(struct turn_rig *r, uint64_t us); /* that much later */
bool rig_relay_open(const struct turn_rig *r, int family, uint16_t port);
enum drop rig_input(struct turn_rig *r, const struct client *c, struct span msg);
/* A datagram of a peer reaches the relayed address of this client. */
enum drop rig_from_peer(struct rig_client *c, const struct addr *peer, struct span data);
/* A datagram that went to one of our own relay sockets goes in there. */
enum drop rig_hairpin(struct turn_rig *r, const struct rig_sent *s);
struct rig_sent *rig_last(struct turn_rig *r); /* NULL: nothing was sent */

/* Credentials are good for an hour. */
void rig_client(struct rig_client *c, struct turn_rig *r, enum via via, struct addr from);
void rig_credential(struct rig_client *c, uint64_t life_s, const char *id);
/* The key of its credential, into `key`. */
struct span rig_key(const struct rig_client *c, uint8_t key[STUN_KEY_MAX]);
/* begin, attributes into c->w, then call: signed, sent, the answer read. 0, the error code, or -1 without an answer. */
void rig_begin(struct rig_client *c, uint16_t method);
int rig_call(struct rig_client *c);
/* The two halves of it, for clients whose messages take time: signs c->w, all but rig_call_unsigned's end; reads what came. */
void rig_sign(struct rig_client *c);
int rig_read(struct rig_client *c, struct span msg);
/* The same again, octet by octet. */
int rig_again(struct rig_client *c);
/* Without credentials. */
int rig_call_unsigned(struct rig_client *c);
/* Two calls: the first one fetches the nonce. */
int rig_nonce(struct rig_client *c);
int rig_allocate(struct rig_client *c);
int rig_permit(struct rig_client *c, const struct addr *peer);
int rig_bind(struct rig_client *c, uint16_t channel, const struct addr *peer);
int rig_refresh(struct rig_client *c, uint32_t life);
enum drop rig_channel_data(struct rig_client *c, uint16_t channel, struct span data);
enum drop rig_send(struct rig_client *c, const struct addr *peer, struct span data, bool df);
struct alloc *rig_alloc(struct rig_client *c);
void rig_put_transport(struct rig_client *c, uint8_t transport);

#endif
