/* SPDX-License-Identifier: AGPL-3.0-only */
/* A DTLS that agrees at the first datagram: one record in, one out, and keys that follow from the client's
 * fingerprint. */
#ifndef TESTS_SIM_NULL_DTLS_H
#define TESTS_SIM_NULL_DTLS_H

#include "sfud/transport/dtls.h"

#define NULL_DTLS_RECORD 14

enum { NULL_DTLS_HELLO = 'h', NULL_DTLS_CLOSE = 'c' };

extern const struct dtls_ops null_dtls_ops; /* its context is NULL */

size_t null_dtls_record(uint8_t b[NULL_DTLS_RECORD], char what);
/* The keys of the client with this fingerprint, as the server sees them. */
struct dtls_keys null_dtls_keys(const uint8_t fingerprint[DTLS_FINGERPRINT_LEN]);

#endif
