/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * One STUN message of a client that is sent until it is answered (RFC 8489 6.2): its bytes, and when they go out again.
 *
 *   timer     armed by          fires after                does
 *   next      stun_tx_start     at once; 500 ms, 1 s, 2 s… the same bytes again, seven times in all; over a stream once
 *
 * Who waits for the answer has a deadline of its own. The struct must not move between begin and start.
 */
#ifndef HEALTHD_STUN_TX_H
#define HEALTHD_STUN_TX_H

#include "base/mono.h"
#include "base/rng.h"
#include "wire/stun.h"

#define STUN_TX_BYTES 2048
#define STUN_TX_RTO DUR_MS(500)
#define STUN_TX_SENDS 7

struct stun_tx {
	bool running, reliable;
	uint32_t sent;
	uint64_t rto;
	mono_t first, next; /* first: when it was sent */
	size_t n;
	uint8_t msg[STUN_TX_BYTES];
};

/* A message with a fresh transaction id, header written; attributes, integrity and fingerprint follow. */
struct wr stun_tx_begin(struct stun_tx *t, enum stun_class cls, uint16_t method, struct rng *rng);
/* Ends the message and makes it due now. ERR_LIMIT: it did not fit. */
int stun_tx_start(struct stun_tx *t, struct wr *w, bool reliable, mono_t now);
void stun_tx_stop(struct stun_tx *t);

/* What is to be sent now; empty: nothing. Each sending is given out once. */
struct span stun_tx_due(struct stun_tx *t, mono_t now);
mono_t stun_tx_next(const struct stun_tx *t);

const uint8_t *stun_tx_tid(const struct stun_tx *t);
/* A response of the same transaction and method; nothing is said about its integrity. */
bool stun_tx_is_answer(const struct stun_tx *t, const struct stun_msg *m);

#endif
