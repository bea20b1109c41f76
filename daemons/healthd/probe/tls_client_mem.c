/* SPDX-License-Identifier: AGPL-3.0-only */
#include "healthd/probe/tls_client_mem.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <time.h>

#include "base/addr.h"
#include "base/slab.h"

struct tls_client {
	SSL *ssl;
	BIO *in, *out; /* ssl's */
	enum tls_client_state state;
	wall_t until;
	char why[TLS_CLIENT_WHY_MAX];
};

static void say_why(struct tls_client *t, const char *text)
{
	size_t n = strlen(text), max = sizeof(t->why) - 1;

	n = n < max ? n : max;
	memcpy(t->why, text, n);
	t->why[n] = '\0';
}

static void fail(struct tls_client *t)
{
	long verdict = SSL_get_verify_result(t->ssl);
	unsigned long e = ERR_peek_last_error();
	const char *reason = ERR_reason_error_string(e);

	t->state = TLS_CLIENT_FAILED;
	if (verdict != X509_V_OK)
		say_why(t, X509_verify_cert_error_string(verdict));
	else
		say_why(t, reason ? reason : "the peer broke the protocol");
	ERR_clear_error();
}

/* --- setting up --------------------------------------------------------------------------------------------------- */

static int set_trust(SSL_CTX *ctx, const char *ca_file)
{
	int ok = ca_file && ca_file[0] ? SSL_CTX_load_verify_file(ctx, ca_file) : SSL_CTX_set_default_verify_paths(ctx);

	ERR_clear_error();
	return ok == 1 ? 0 : ERR_MISSING;
}

static SSL_CTX *ctx_new(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (!ctx)
		return NULL;
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1)
		return ctx;
	SSL_CTX_free(ctx);
	return NULL;
}

static bool set_name(SSL *ssl, const char *name)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
	struct addr ip;

	if (addr_parse(span_str(name), &ip) == 0)
		return X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1;
	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return SSL_set_tlsext_host_name(ssl, name) == 1 && SSL_set1_host(ssl, name) == 1;
}

static int set_up(struct tls_client *t, SSL_CTX *ctx, const char *name)
{
	t->ssl = SSL_new(ctx);
	t->in = BIO_new(BIO_s_mem());
	t->out = BIO_new(BIO_s_mem());
	if (!t->ssl || !t->in || !t->out) {
		BIO_free(t->in);
		BIO_free(t->out);
		return ERR_NOMEM;
	}
	BIO_set_mem_eof_return(t->in, -1); /* empty: more may come */
	SSL_set_bio(t->ssl, t->in, t->out);
	if (!set_name(t->ssl, name))
		return ERR_NOMEM;
	SSL_set_connect_state(t->ssl);
	return 0;
}

int tls_client_new(const char *name, const char *ca_file, struct tls_client **ret)
{
	struct tls_client *t = mem_alloc(sizeof(*t));
	SSL_CTX *ctx = t ? ctx_new() : NULL;
	int r = ctx ? set_trust(ctx, ca_file) : ERR_NOMEM;

	if (r == 0)
		r = set_up(t, ctx, name);
	SSL_CTX_free(ctx); /* the connection holds it */
	if (r < 0) {
		ERR_clear_error();
		tls_client_free(t);
		return r;
	}
	(void)tls_client_input(t, (struct span){ 0 }); /* its hello */
	*ret = t;
	return 0;
}

void tls_client_free(struct tls_client *t)
{
	if (!t)
		return;
	SSL_free(t->ssl);
	mem_free(t);
}

/* --- running ------------------------------------------------------------------------------------------------------ */

static void note_certificate(struct tls_client *t)
{
	X509 *leaf = SSL_get0_peer_certificate(t->ssl);
	struct tm tm;
	time_t at;

	if (!leaf || t->until.us || ASN1_TIME_to_tm(X509_get0_notAfter(leaf), &tm) != 1)
		return;
	at = timegm(&tm);
	t->until.us = at > 0 ? (uint64_t)at * US_PER_SEC : 0;
}

static void handshake(struct tls_client *t)
{
	int r, err;

	ERR_clear_error();
	r = SSL_do_handshake(t->ssl);
	err = SSL_get_error(t->ssl, r);
	note_certificate(t);
	if (r == 1)
		t->state = TLS_CLIENT_OPEN;
	else if (err != SSL_ERROR_WANT_READ && err != SSL_ERROR_WANT_WRITE)
		fail(t);
}

enum tls_client_state tls_client_input(struct tls_client *t, struct span in)
{
	while (in.n) {
		int n = BIO_write(t->in, in.p, in.n > INT32_MAX ? INT32_MAX : (int)in.n);

		if (n <= 0) {
			fail(t);
			return t->state;
		}
		in = span_of(in.p + n, in.n - (size_t)n);
	}
	if (t->state == TLS_CLIENT_HANDSHAKE)
		handshake(t);
	return t->state;
}

size_t tls_client_read(struct tls_client *t, uint8_t *buf, size_t cap)
{
	size_t n = 0;
	int err;

	if (t->state != TLS_CLIENT_OPEN)
		return 0;
	ERR_clear_error();
	if (SSL_read_ex(t->ssl, buf, cap, &n) == 1)
		return n;
	err = SSL_get_error(t->ssl, 0);
	if (err == SSL_ERROR_ZERO_RETURN)
		t->state = TLS_CLIENT_ENDED;
	else if (err != SSL_ERROR_WANT_READ && err != SSL_ERROR_WANT_WRITE)
		fail(t);
	return 0;
}

int tls_client_write(struct tls_client *t, struct span plain)
{
	size_t n;

	if (t->state != TLS_CLIENT_OPEN)
		return ERR_UNEXPECTED;
	ERR_clear_error();
	return plain.n == 0 || SSL_write_ex(t->ssl, plain.p, plain.n, &n) == 1 ? 0 : ERR_NOMEM;
}

void tls_client_end(struct tls_client *t)
{
	if (t->state == TLS_CLIENT_OPEN)
		(void)SSL_shutdown(t->ssl);
	ERR_clear_error();
}

size_t tls_client_output(struct tls_client *t, uint8_t *buf, size_t cap)
{
	int n = BIO_read(t->out, buf, cap > INT32_MAX ? INT32_MAX : (int)cap);

	return n > 0 ? (size_t)n : 0;
}

enum tls_client_state tls_client_state(const struct tls_client *t)
{
	return t->state;
}

const char *tls_client_why(const struct tls_client *t)
{
	return t->why;
}

wall_t tls_client_certificate_until(const struct tls_client *t)
{
	return t->until;
}
