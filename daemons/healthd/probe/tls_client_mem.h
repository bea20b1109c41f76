/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * A TLS client on memory buffers: bytes in, bytes out, no socket. tls_client_mem.c is the one file of healthd that
 * knows OpenSSL's TLS. TLS 1.2 or later; the chain and the name are always verified. Owned by one connection.
 */
#ifndef HEALTHD_TLS_CLIENT_MEM_H
#define HEALTHD_TLS_CLIENT_MEM_H

#include "base/err.h"
#include "base/mono.h"
#include "base/span.h"

#define TLS_CLIENT_WHY_MAX 160

struct tls_client;

enum tls_client_state {
	TLS_CLIENT_HANDSHAKE,
	TLS_CLIENT_OPEN,
	TLS_CLIENT_ENDED,  /* close_notify came */
	TLS_CLIENT_FAILED, /* tls_client_why says it */
};

/* name: whose certificate it must be, and the SNI unless it is an IP address. ca_file: PEM; NULL or "": the system's.
 * ERR_MISSING: the file cannot be used; ERR_NOMEM. */
int tls_client_new(const char *name, const char *ca_file, struct tls_client **ret);
void tls_client_free(struct tls_client *t); /* NULL allowed */

/* Bytes of the network. Afterwards there may be plain bytes to read and bytes to send. */
enum tls_client_state tls_client_input(struct tls_client *t, struct span in);
/* Plain bytes that have come; 0: none. */
size_t tls_client_read(struct tls_client *t, uint8_t *buf, size_t cap);
/* Plain bytes to the peer, once open. ERR_UNEXPECTED before; ERR_NOMEM. */
int tls_client_write(struct tls_client *t, struct span plain);
void tls_client_end(struct tls_client *t); /* close_notify */
/* Bytes for the network; 0: none. */
size_t tls_client_output(struct tls_client *t, uint8_t *buf, size_t cap);

enum tls_client_state tls_client_state(const struct tls_client *t);
/* "certificate has expired", "hostname mismatch", … */
const char *tls_client_why(const struct tls_client *t);
wall_t tls_client_certificate_until(const struct tls_client *t); /* notAfter of the leaf, verified or not; 0: none was shown */

#endif
