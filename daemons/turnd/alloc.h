/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * One allocation (RFC 8656 2.2): a client's 5-tuple, its relayed transport addresses, who it talks to. Lives in turn.allocs.
 *
 *   timer     armed by            fires after          does
 *   expires   Allocate, Refresh   granted lifetime     ends the allocation
 *   settle    a mobility Refresh  SETTLE               forgets the former 5-tuple (RFC 8016 3.2.2)
 */
#ifndef TURND_ALLOC_H
#define TURND_ALLOC_H

#include "base/bucket.h"
#include "base/dq.h"
#include "base/hmap.h"
#include "turnd/perm.h"
#include "turnd/client.h"
#include "wire/turn.h"

#define ALLOC_SETTLE DUR_SEC(10)

enum { REL_V4, REL_V6, REL_MAX_ }; /* the two relayed addresses an allocation may have */

/* By which key a 5-tuple finds its allocation. */
struct client_key {
	struct hmap_node node;
	struct client client;
	struct handle alloc;
};

struct alloc {
	struct handle self;
	/* former: after a move still good, and where data goes, until something arrives by `now`; unused: via VIA_MAX_ */
	struct client_key now, former;
	struct dq_node timer;
	mono_t expires, settle, started;
	bool tcp;    /* RFC 6062: relays streams, no datagrams */
	bool probe;  /* of a health probe: short lifetimes */
	bool mobile; /* has a ticket */
	uint16_t ticket_serial;
	uint16_t port[REL_MAX_]; /* 0: no relayed address of that family */
	uint8_t tid[STUN_TID_LEN]; /* of the Allocate: its retransmission gets the same answer */
	struct perms perms;
	struct bucket rate; /* both directions together */
	struct handle streams; /* RFC 6062: the first of a list */
	uint32_t n_streams;
	/* credentials: fixed by the Allocate (RFC 8656 7.2: another user is 441) */
	char *user; /* NUL-terminated */
	uint8_t user_n; /* at most 255 bytes of it are taken */
	uint8_t alg, key_n, key[STUN_KEY_MAX];
	wall_t good_until;
	uint64_t packets[2], bytes[2]; /* relayed: 0 to peers, 1 to the client */
};

#endif
