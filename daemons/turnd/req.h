/* SPDX-License-Identifier: AGPL-3.0-only */
/* One STUN request on its way through the server: for the files of the core only. A handler either answers (req_ok,
 * req_error) or says nothing; it changes state only after every check has passed. */
#ifndef TURND_REQ_H
#define TURND_REQ_H

#include "turnd/turn.h"

struct req {
	const struct client *client;
	struct stun_msg msg;
	struct turn_attrs attrs;
	struct path path;    /* the answer's; the client's unless RFC 5780 wants another */
	struct alloc *alloc; /* of the client's 5-tuple or, moving, of its ticket; or NULL */
	bool elsewhere;      /* its ticket is another worker's: t->other */
	uint16_t ticket_serial;
	mono_t now;
	/* after req_auth: who asks, and with which key the answer is signed */
	struct span user;    /* at most 255 bytes; borrowed from msg or from name */
	uint8_t name[256];   /* the user behind a USERHASH */
	wall_t good_until;
	bool probe, sha256;
	uint8_t alg, key_n, key[STUN_KEY_MAX]; /* key_n 0: not authenticated, answers are not signed */
};

/* auth.c: the long-term mechanism of RFC 8489 9.2.4 with time-limited names. 0, or the error code to answer with (400, 401,
 * 438, 441 when the allocation is another user's). Nothing is stored. */
uint16_t req_auth(struct turn *t, struct req *q);
/* PASSWORD-ALGORITHMS as we send it. */
struct span auth_algorithms(void);

/* reply.c. A response is begun, gets its attributes, and is sent: signed as the request was, with FINGERPRINT when the request
 * had one. Unsigned responses over UDP are counted against the client's prefix (challenge.h). */
struct reply {
	uint8_t mem[TURN_REPLY_MAX];
	struct wr w;
	uint16_t code; /* 0: success */
};
void reply_ok(struct reply *r, const struct req *q);
enum drop reply_send(struct turn *t, struct req *q, struct reply *r);
/* The whole of an error: 401 and 438 bring realm, nonce and algorithms, 420 what was unknown. */
enum drop req_error(struct turn *t, struct req *q, uint16_t code);
/* 420 about an attribute that is known, but not here. */
enum drop req_unknown(struct turn *t, struct req *q, uint16_t attr);

/* data.c: to the client that an allocation's data goes to. */
enum drop send_to_client(struct turn *t, const struct alloc *a, struct span head, struct span payload);
/* The transaction id of an indication of ours: never the same again, nothing more. */
void indication_tid(struct turn *t, uint8_t ret[STUN_TID_LEN]);
enum drop channel_data(struct turn *t, const struct client *c, struct span msg, mono_t now);

/* table.c: allocations and by whom they are found */
bool client_same(const struct client *a, const struct client *b);
struct alloc *alloc_get(const struct turn *t, struct handle h);
struct alloc *alloc_by_client(struct turn *t, const struct client *c);
/* A fresh one, filed under its client, of a user whose quota was taken; NULL at the bound or without memory. Its relays, key
 * and deadline are the caller's. */
struct alloc *alloc_new(struct turn *t, const struct client *c, struct span user, mono_t now);
void alloc_free(struct turn *t, struct alloc *a); /* it never was */
void alloc_end(struct turn *t, struct alloc *a);
/* Its earliest deadline. ERR_NOMEM is possible the first time only. */
int alloc_file(struct turn *t, struct alloc *a);
/* The client's address is another one now (RFC 8016 3.2.2), the present one becomes the former. */
void alloc_move(struct turn *t, struct alloc *a, const struct client *c, mono_t now);
void alloc_settle(struct turn *t, struct alloc *a); /* the former is forgotten */
const struct client *alloc_client(const struct alloc *a); /* where data goes */
/* May n bytes be relayed? */
enum drop alloc_spend(struct turn *t, struct alloc *a, size_t n, mono_t now);
void allocs_tick(struct turn *t, mono_t now);

/* relay.c: relay addresses and ports */
static inline int family_of(const struct addr *a)
{
	return addr_is_v4(a) ? REL_V4 : REL_V6;
}
/* Opens what the request wants (families, EVEN-PORT, RESERVATION-TOKEN) for `a`. 0, or the error code. ret_error: of the
 * family that failed when the other did not. */
uint16_t relay_open_for(struct turn *t, const struct req *q, struct alloc *a, uint16_t ret_error[REL_MAX_]);
void relay_close_one(struct turn *t, struct alloc *a, int family);
void relay_close_all(struct turn *t, struct alloc *a);
/* The token under which the port above this allocation's is kept; 0: none is. */
uint64_t relay_token(const struct turn *t, const struct alloc *a);
/* As clients see it. */
struct addr relay_address(const struct turn *t, const struct alloc *a, int family);
/* Judges a peer for this allocation: 0, 403, 443. with_port: data will go there, not only come from there. */
uint16_t relay_judge(const struct turn *t, const struct alloc *a, const struct addr *peer, bool with_port);
/* Sends to a peer that has been judged; hairpin goes to the local address. */
enum drop relay_to_peer(struct turn *t, struct alloc *a, const struct addr *peer, struct span data, bool df, mono_t now);
/* Where a peer really is, and as whom a sender is presented: differs for our own relay addresses. False: neither. */
bool relay_map_out(const struct turn *t, struct addr *peer);
bool relay_map_in(const struct turn *t, struct addr *from);
void relays_init(struct turn *t);
void relays_done(struct turn *t);
void relay_tick(struct turn *t, mono_t now); /* reservations that nobody came for */

/* The wall clock, and how long a request may make an allocation live: seconds, as asked for, bounded by the configuration
 * and by the credential (req_allocate.c). */
static inline wall_t wall_of(const struct turn *t, mono_t now)
{
	return (wall_t){ now.us + t->wall_off };
}
uint32_t req_life(const struct turn *t, const struct req *q);
/* A fresh MOBILITY-TICKET. */
void put_ticket(struct turn *t, const struct alloc *a, struct wr *w);

/* One handler per method; the table is in turn.c. */
typedef enum drop req_fn(struct turn *t, struct req *q);
req_fn req_binding;           /* req_binding.c: RFC 8489, RFC 5780 */
req_fn req_allocate;          /* req_allocate.c */
req_fn req_refresh;           /* req_refresh.c: RFC 8656 8, RFC 8016 */
req_fn req_create_permission; /* req_perm.c */
req_fn req_channel_bind;      /* req_perm.c */
req_fn req_connect;           /* req_tcp.c: RFC 6062 */
req_fn req_connection_bind;   /* req_tcp.c */
req_fn ind_send;              /* data.c */

/* req_refresh.c, before authentication: whose ticket is it? */
void req_find_ticket(struct turn *t, struct req *q);

/* req_tcp.c */
void streams_init(struct turn *t);
void streams_done(struct turn *t);
void streams_tick(struct turn *t, mono_t now);
void streams_end_of(struct turn *t, struct alloc *a); /* the allocation ends */

#endif
