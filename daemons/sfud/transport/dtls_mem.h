/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * OpenSSL's DTLS 1.2 server on memory buffers: the one file that knows the library. One ECDSA P-256 certificate per
 * process run. Client hellos of DTLS 1.3 stacks (several fragments, post-quantum shares) are reassembled and
 * answered with 1.2. use_srtp prefers AEAD_AES_128_GCM, then AES_CM_128_HMAC_SHA1_80. The client must present the
 * certificate whose SHA-256 its SDP announced (RFC 8122); nothing else about it is checked.
 */
#ifndef SFUD_DTLS_MEM_H
#define SFUD_DTLS_MEM_H

#include "sfud/transport/dtls.h"

#define DTLS_MTU 1200 /* bytes of UDP payload per flight datagram */

extern const struct dtls_ops dtls_mem_ops;

/* Makes key and certificate. NULL when OpenSSL refuses; logs nothing. */
struct dtls_ctx *dtls_ctx_new(void);
void dtls_ctx_free(struct dtls_ctx *ctx);
/* SHA-256 of our certificate, for SDP. */
const uint8_t *dtls_ctx_fingerprint(const struct dtls_ctx *ctx);

/* For tests and load generators: the same adapter as a client that offers these use_srtp profiles ("A:B"). */
struct dtls *dtls_mem_client(struct dtls_ctx *ctx, const uint8_t fingerprint[DTLS_FINGERPRINT_LEN], const char *profiles);

#endif
