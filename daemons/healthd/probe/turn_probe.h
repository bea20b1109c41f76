/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * TURN for real (RFC 8656): two allocations, one datum from the first to the second's relayed address and back, both released.
 * Pure. The shell has two sockets (legs), UDP or streams, and one struct, which must not move.
 *
 *   state     event                        next      does
 *   ALLOCATE  401 with a nonce             ALLOCATE  the same leg asks again, signed
 *   ALLOCATE  both have relayed addresses  PERMIT    each permits the other's address
 *   PERMIT    both granted                 DATUM     16 random bytes, first leg to second, which sends their reverse
 *   DATUM     the reverse came back        RELEASE   Refresh with lifetime 0 on both; end.why is OK
 *   any       refused, lost, deadline      RELEASE   the same for legs that may hold an allocation; end.why says what
 *   RELEASE   both answered, or its time   DONE
 *
 * 438 brings a new nonce three times, in any state. Responses whose integrity is not that of our credential do not count.
 */
#ifndef HEALTHD_TURN_PROBE_H
#define HEALTHD_TURN_PROBE_H

#include "base/secret.h"
#include "healthd/probe/probe_end.h"
#include "healthd/probe/stun_tx.h"
#include "wire/turn.h"
#include "wire/turn_cred.h"

#define TURN_PROBE_USER "healthprobe" /* behind the expiry; turnd gives it short lifetimes */
#define TURN_PROBE_LIFE DUR_SEC(600)  /* of the credential */
#define TURN_PROBE_LEGS 2
#define TURN_PROBE_DATUM 16
#define TURN_PROBE_TEXT_MAX 763       /* RFC 8489 14.9, 14.10: realm, nonce */
#define TURN_PROBE_BOX 8

enum turn_probe_step { TURN_PROBE_ALLOCATE, TURN_PROBE_PERMIT, TURN_PROBE_DATUM_SENT, TURN_PROBE_RELEASE, TURN_PROBE_DONE };

struct turn_probe_conf {
	struct addr server;
	struct span secret;  /* of TURN REST; borrowed by init */
	const char *realm;   /* NULL: what the server says; borrowed by init */
	wall_t wall;
	bool reliable;       /* streams: nothing is sent twice, but for the datum */
	mono_t deadline;     /* of all that comes before the release */
	uint64_t release_us; /* how long that may take */
};

struct turn_probe_leg {
	struct stun_tx tx;
	bool asked;    /* a signed Allocate went out: there may be an allocation */
	bool permitted, released;
	uint8_t stale; /* nonces that were too old */
	uint16_t method; /* of tx */
	struct addr relayed;
	size_t nonce_n, realm_n, key_n;
	uint8_t key[STUN_KEY_MAX];
	uint8_t nonce[TURN_PROBE_TEXT_MAX], realm[TURN_PROBE_TEXT_MAX];
};

/* What is to be sent, and on which leg. */
struct turn_probe_box {
	uint32_t n;
	struct turn_probe_out {
		uint8_t leg;
		size_t n;
		uint8_t b[STUN_TX_BYTES];
	} out[TURN_PROBE_BOX];
};

struct turn_probe {
	enum turn_probe_step step;
	struct probe_end end;
	bool known, strange; /* it answered us; something came that was no answer */
	struct turn_probe_leg leg[TURN_PROBE_LEGS];
	struct addr server;
	bool reliable, has_realm;
	char user[40], password[TURN_PASSWORD_LEN + 1], realm[TURN_PROBE_TEXT_MAX + 1];
	uint8_t datum[TURN_PROBE_DATUM];
	uint64_t us, release_us; /* us: round trip of the datum, once ok */
	mono_t deadline;         /* of the present step */
	struct rng *rng;
	struct turn_probe_box box; /* the shell sends and sets n = 0 after each call */
};

/* Both legs ask. ERR_NOMEM: no digest is to be had; ERR_LIMIT: the realm is too long. */
int turn_probe_init(struct turn_probe *p, const struct turn_probe_conf *c, struct rng *rng, mono_t now);
/* One datagram, or one message that turn_frame cut out of a stream. */
void turn_probe_input(struct turn_probe *p, uint32_t leg, const struct addr *from, struct span msg, mono_t now);
/* The leg's socket is gone, and with it what it held if it is a stream. */
void turn_probe_lost(struct turn_probe *p, uint32_t leg, mono_t now);
/* Ends now: what may be held is released, nobody waits for the answers. */
void turn_probe_abandon(struct turn_probe *p, mono_t now);
void turn_probe_tick(struct turn_probe *p, mono_t now);
mono_t turn_probe_next(const struct turn_probe *p);
void turn_probe_done(struct turn_probe *p); /* wipes */

#endif
