/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * tls_mem against OpenSSL's own client, in memory. DTLS runs in virtual time: the library asks gettimeofday, which the test
 * program answers.
 */
#ifndef TESTS_TLS_RIG_H
#define TESTS_TLS_RIG_H

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

#include "t.h"
#include "turnd/tls_mem.h"

#define QUEUE_MAX 64
#define CHUNK_MAX 20000
#define DATA_MAX (128 * 1024)

static mono_t now = { 1000000000 };

int gettimeofday(struct timeval *restrict tv, void *restrict tz)
{
	(void)tz;
	tv->tv_sec = (time_t)(now.us / US_PER_SEC);
	tv->tv_usec = (suseconds_t)(now.us % US_PER_SEC);
	return 0;
}

/* ---- files ---- */

static char dir[] = "/tmp/test_tls_mem.XXXXXX";
static char cert_a[64], key_a[64], cert_b[64], key_b[64], locked[64], absent[64], text[64];
static const uint8_t cookie_key[TLS_COOKIE_KEY_LEN] = { 7 };

static inline X509 *make_cert(EVP_PKEY *key)
{
	X509 *x = X509_new();
	X509_NAME *name = X509_get_subject_name(x);

	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), -86400);
	X509_gmtime_adj(X509_getm_notAfter(x), 86400);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"turn.example", -1, -1, 0);
	X509_set_issuer_name(x, name);
	X509_set_pubkey(x, key);
	X509_sign(x, key, EVP_sha256());
	return x;
}

static inline void write_pair(const char *cert_path, const char *key_path, const char *locked_path)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = make_cert(key);
	FILE *f = fopen(cert_path, "w");

	PEM_write_X509(f, x);
	fclose(f);
	f = fopen(key_path, "w");
	PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
	fclose(f);
	if (locked_path) {
		f = fopen(locked_path, "w");
		PEM_write_PrivateKey(f, key, EVP_aes_128_cbc(), (const unsigned char *)"secret", 6, NULL, NULL);
		fclose(f);
	}
	X509_free(x);
	EVP_PKEY_free(key);
}

/* Not a test: what the others read. */
static inline void files_begin(void)
{
	FILE *f;

	if (!mkdtemp(dir))
		abort();
	snprintf(cert_a, sizeof(cert_a), "%s/a.pem", dir);
	snprintf(key_a, sizeof(key_a), "%s/a.key", dir);
	snprintf(cert_b, sizeof(cert_b), "%s/b.pem", dir);
	snprintf(key_b, sizeof(key_b), "%s/b.key", dir);
	snprintf(locked, sizeof(locked), "%s/locked.key", dir);
	snprintf(absent, sizeof(absent), "%s/absent.pem", dir);
	snprintf(text, sizeof(text), "%s/text", dir);
	write_pair(cert_a, key_a, locked);
	write_pair(cert_b, key_b, NULL);
	f = fopen(text, "w");
	fputs("no PEM at all\n", f);
	fclose(f);
}

static inline void files_end(void)
{
	const char *all[] = { cert_a, key_a, cert_b, key_b, locked, text };

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		unlink(all[i]);
	rmdir(dir);
}

static inline struct tls_ctx *ctx(void)
{
	struct tls_ctx *c = NULL;
	char why[TLS_WHY_MAX] = "";

	EQ(tls_ctx_new(cert_a, key_a, cookie_key, why, &c), 0);
	EQ_STR(why, "");
	return c;
}

/* ---- a wire of chunks, both ends ---- */

struct wire {
	struct {
		uint8_t b[CHUNK_MAX];
		size_t n, at;
	} c[QUEUE_MAX];
	size_t first, n; /* c[first] … c[n - 1] wait */
};

struct rig {
	struct tls_ctx *ctx;
	struct tls *server;
	struct addr from; /* DTLS: the client's address */
	SSL_CTX *client_ctx;
	SSL *client;
	bool dtls;
	struct wire up, down; /* to the server, to the client */
	int lose; /* this datagram of the server is lost; -1: none */
	int sent;
	uint8_t got[DATA_MAX]; /* plaintext at the server */
	size_t got_n;
	unsigned got_records;
};

static inline void wire_put(struct wire *w, const void *p, size_t n)
{
	if (w->n == QUEUE_MAX || n > CHUNK_MAX) {
		OK(w->n < QUEUE_MAX && n <= CHUNK_MAX);
		return;
	}
	memcpy(w->c[w->n].b, p, n);
	w->c[w->n].n = n;
	w->c[w->n++].at = 0;
}

static inline int client_read(BIO *bio, char *buf, int max)
{
	struct rig *r = BIO_get_data(bio);
	struct wire *w = &r->down;
	size_t n;

	BIO_clear_retry_flags(bio);
	if (w->first == w->n) {
		w->first = w->n = 0;
		BIO_set_retry_read(bio);
		return -1;
	}
	n = w->c[w->first].n - w->c[w->first].at;
	if (n > (size_t)max)
		n = (size_t)max;
	memcpy(buf, w->c[w->first].b + w->c[w->first].at, n);
	w->c[w->first].at += n;
	if (r->dtls || w->c[w->first].at == w->c[w->first].n)
		w->first++;
	return (int)n;
}

static inline int client_write(BIO *bio, const char *buf, int n)
{
	struct rig *r = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	wire_put(&r->up, buf, (size_t)n);
	return n;
}

static inline long client_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
	(void)bio;
	(void)num;
	(void)ptr;
	return cmd == BIO_CTRL_FLUSH ? 1 : 0;
}

static inline BIO_METHOD *client_bio(void)
{
	static BIO_METHOD *m;

	if (!m) {
		m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "test");
		BIO_meth_set_read(m, client_read);
		BIO_meth_set_write(m, client_write);
		BIO_meth_set_ctrl(m, client_ctrl);
	}
	return m;
}

static inline void to_peer(void *owner, struct span bytes)
{
	struct rig *r = owner;

	if (r->dtls && r->sent++ == r->lose)
		return;
	while (bytes.n > CHUNK_MAX) {
		wire_put(&r->down, bytes.p, CHUNK_MAX);
		bytes = span_of(bytes.p + CHUNK_MAX, bytes.n - CHUNK_MAX);
	}
	wire_put(&r->down, bytes.p, bytes.n);
}

static inline void to_app(void *owner, struct span bytes)
{
	struct rig *r = owner;

	r->got_records++;
	if (bytes.n > sizeof(r->got) - r->got_n) {
		OK(bytes.n <= sizeof(r->got) - r->got_n);
		return;
	}
	memcpy(r->got + r->got_n, bytes.p, bytes.n);
	r->got_n += bytes.n;
}

static inline struct tls_io io_of(struct rig *r)
{
	return (struct tls_io){ to_peer, to_app, r };
}

/* A client that is about to begin. */
static inline struct rig *rig_new(bool dtls)
{
	struct rig *r = calloc(1, sizeof(*r));
	const struct tls_io io = io_of(r);
	BIO *bio;

	r->dtls = dtls;
	r->lose = -1;
	r->from = addr_v4(192, 0, 2, 1, 4000);
	r->ctx = ctx();
	r->client_ctx = SSL_CTX_new(dtls ? DTLS_client_method() : TLS_client_method());
	SSL_CTX_set_session_cache_mode(r->client_ctx, SSL_SESS_CACHE_CLIENT);
	r->client = SSL_new(r->client_ctx);
	bio = BIO_new(client_bio());
	BIO_set_data(bio, r);
	BIO_set_init(bio, 1);
	SSL_set_bio(r->client, bio, bio);
	SSL_set_connect_state(r->client);
	if (dtls) {
		SSL_set_options(r->client, SSL_OP_NO_QUERY_MTU);
		SSL_set_mtu(r->client, 1200);
	} else {
		r->server = tls_new(r->ctx, &io);
		OK(r->server != NULL);
	}
	return r;
}

static inline void rig_free(struct rig *r)
{
	SSL_free(r->client);
	SSL_CTX_free(r->client_ctx);
	tls_free(r->server);
	tls_ctx_unref(r->ctx);
	free(r);
	ERR_clear_error();
}

/* The server takes what waits. */
static inline void serve(struct rig *r)
{
	const struct tls_io io = io_of(r);

	for (; r->up.first < r->up.n; r->up.first++) {
		struct span s = span_of(r->up.c[r->up.first].b, r->up.c[r->up.first].n);

		if (r->server)
			(void)tls_input(r->server, s);
		else
			r->server = dtls_accept(r->ctx, &r->from, s, &io);
	}
	r->up.first = r->up.n = 0;
}

/* True when both are through. */
static inline bool shake(struct rig *r)
{
	int ok = 0;

	for (int i = 0; i < 10 && !(ok == 1 && r->server && tls_state_of(r->server) != TLS_HANDSHAKE); i++) {
		ok = SSL_do_handshake(r->client);
		serve(r);
	}
	return ok == 1 && r->server && tls_state_of(r->server) == TLS_OPEN;
}

static inline void client_says(struct rig *r, const void *p, size_t n)
{
	EQ(SSL_write(r->client, p, (int)n), (int)n);
	serve(r);
}

#endif
