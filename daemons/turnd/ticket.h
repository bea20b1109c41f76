/* SPDX-License-Identifier: AGPL-3.0-only */
/* Opaque names that clients carry back to us: mobility tickets (RFC 8016 3.1.2), reservation tokens and connection ids. Each
 * says which worker it belongs to; tickets are sealed (AES-128-GCM, fresh nonce), so nothing about an allocation leaks and
 * none can be forged. */
#ifndef TURND_TICKET_H
#define TURND_TICKET_H

#include "base/rng.h"
#include "base/slab.h"
#include "base/span.h"

#define TICKET_KEY_LEN 16
#define TICKET_LEN 40 /* 12 nonce, 12 sealed, 16 tag */

struct ticket {
	struct handle alloc;
	uint16_t serial; /* each ticket of an allocation replaces the one before it */
	uint8_t worker;
};

int ticket_seal(const uint8_t key[TICKET_KEY_LEN], const struct ticket *t, struct rng *rng, uint8_t ret[TICKET_LEN]);
/* ERR_MALFORMED, ERR_AUTH. */
int ticket_open(const uint8_t key[TICKET_KEY_LEN], struct span sealed, struct ticket *ret);

/* 64-bit reservation tokens and 32-bit connection ids: the worker in the first byte, the rest random. */
uint64_t token_make(uint8_t worker, struct rng *rng);
uint32_t connection_id_make(uint8_t worker, struct rng *rng);

#endif
