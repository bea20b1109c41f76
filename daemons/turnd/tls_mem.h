/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * TLS and DTLS servers on memory buffers: the one file of turnd that knows libssl. To a stranger the TLS side is the front's
 * nginx: TLS 1.2 and 1.3, OpenSSL's default suites and groups, its tickets, ALPN h2 and http/1.1 (what is not TURN goes to the
 * cover site), plus "stun.turn" (RFC 7443) for those who ask for nothing else.
 */
#ifndef TURND_TLS_MEM_H
#define TURND_TLS_MEM_H

#include "base/addr.h"
#include "base/err.h"
#include "base/mono.h"

#define TLS_COOKIE_KEY_LEN 32
#define TLS_WHY_MAX 200
#define TLS_DTLS_MTU 1200     /* bytes of a handshake flight's datagram */
#define TLS_DTLS_APP_MAX 1900 /* bytes of one message in a DTLS record */

struct tls_ctx; /* certificate and settings; shared by sessions of all threads, counted */
struct tls;     /* one session; one thread at a time */

/* Paths of PEM files: the chain and its key. why: a line for the log (cause and fix). ERR_MISSING (cannot be read),
 * ERR_MALFORMED (no chain, no key, or they do not belong together), ERR_NOMEM. */
int tls_ctx_new(const char *chain_pem, const char *key_pem, const uint8_t cookie_key[TLS_COOKIE_KEY_LEN],
		char why[TLS_WHY_MAX], struct tls_ctx **ret);
struct tls_ctx *tls_ctx_ref(struct tls_ctx *c);
void tls_ctx_unref(struct tls_ctx *c); /* NULL allowed */

/* CLOSED: the peer's close_notify came, or tls_close was called. */
enum tls_state { TLS_HANDSHAKE, TLS_OPEN, TLS_CLOSED, TLS_FAILED };
enum tls_alpn { TLS_ALPN_NONE, TLS_ALPN_HTTP1, TLS_ALPN_H2, TLS_ALPN_TURN };

/* The session calls these from inside its functions; both borrow, and must not call back into the session. to_peer: records
 * for the wire (a DTLS datagram at a time). to_app: plaintext (a DTLS record at a time). */
struct tls_io {
	void (*to_peer)(void *owner, struct span bytes);
	void (*to_app)(void *owner, struct span bytes);
	void *owner;
};

/* NULL without memory. */
struct tls *tls_new(struct tls_ctx *c, const struct tls_io *io);
void tls_free(struct tls *t); /* NULL allowed */
/* Another thread's owner takes over. */
void tls_set_io(struct tls *t, const struct tls_io *io);

/* Takes all of it. */
enum tls_state tls_input(struct tls *t, struct span wire);
enum tls_state tls_state_of(const struct tls *t);
/* Encrypts all of it. False when not open (a peer that has closed its own direction still hears us), or too large. DTLS: one
 * record. */
bool tls_write(struct tls *t, struct span head, struct span payload);
void tls_close(struct tls *t); /* close_notify */
enum tls_alpn tls_alpn(const struct tls *t);

/* Is this the beginning of a DTLS handshake? */
bool dtls_is_hello(struct span dgram);
/* DTLS 1.2 (RFC 7350). A datagram of an unknown client: NULL until it has brought back the cookie for `client` (a
 * HelloVerifyRequest goes to io->to_peer, smaller than the ClientHello; nothing is kept); then its session, which has taken
 * this datagram in. */
struct tls *dtls_accept(struct tls_ctx *c, const struct addr *client, struct span dgram, const struct tls_io *io);
/* Retransmissions. */
void dtls_tick(struct tls *t);
/* Microseconds until dtls_tick is due; UINT64_MAX: nothing is. */
uint64_t dtls_wait(struct tls *t);

#endif
