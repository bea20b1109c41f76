/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * What a peer's transport needs of a DTLS library, as a table, because no such library is pure (own clock, own
 * randomness). The daemon passes dtls_mem (OpenSSL on memory buffers); simulations pass one that agrees at once.
 */
#ifndef SFUD_DTLS_H
#define SFUD_DTLS_H

#include "base/mono.h"
#include "base/outbox.h"
#include "sfud/transport/srtp.h"

struct dtls; /* one association, server side */
struct dtls_ctx; /* certificate and settings of the process */

enum dtls_state { DTLS_HANDSHAKE, DTLS_OPEN, DTLS_CLOSED, DTLS_FAILED };

struct dtls_keys {
	enum srtp_suite suite;
	uint8_t rx[SRTP_MASTER_MAX], tx[SRTP_MASTER_MAX]; /* srtp_master_len(suite) bytes each */
};

#define DTLS_FINGERPRINT_LEN 32 /* SHA-256 */

struct dtls_ops {
	/* fingerprint: SHA-256 of the certificate the peer must present (from its SDP). NULL without memory. */
	struct dtls *(*open)(struct dtls_ctx *ctx, const uint8_t fingerprint[DTLS_FINGERPRINT_LEN]);
	void (*free)(struct dtls *d);
	/* One datagram in; flights go out on path. The state after it. */
	enum dtls_state (*input)(struct dtls *d, struct span dgram, const struct path *path, mono_t now, struct outbox *out);
	/* Retransmission by deadline; idempotent. */
	enum dtls_state (*tick)(struct dtls *d, const struct path *path, mono_t now, struct outbox *out);
	mono_t (*next)(const struct dtls *d);
	/* Once, in DTLS_OPEN. The caller wipes *ret. ERR_UNEXPECTED. */
	int (*keys)(struct dtls *d, struct dtls_keys *ret);
	/* Sends close_notify. */
	void (*close)(struct dtls *d, const struct path *path, mono_t now, struct outbox *out);
};

#endif
