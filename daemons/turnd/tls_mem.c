/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * What a stranger can see of the TLS side is meant to equal the front's nginx; where a setting looks arbitrary, it is nginx's
 * (src/event/ngx_event_openssl.c, src/http/modules/ngx_http_ssl_module.c). The library's own clock runs beside ours: only
 * relative times leave this file.
 */
#include "turnd/tls_mem.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "base/secret.h"
#include "base/slab.h"
#include "wire/dtls_records.h"

#define CIPHERS "HIGH:!aNULL:!MD5"  /* ssl_ciphers, as nginx has it when nobody says otherwise */
#define DTLS_CIPHERS "ECDHE+AESGCM"  /* nothing else: see dtls_records() */
#define SESSION_SECONDS 300         /* ssl_session_timeout: clients see it as the tickets' lifetime */
#define SESSION_CONTEXT "turnd: a session id " /* 20 bytes, as a SHA-1: tickets have nginx's size */
#define SESSIONS_KEPT 1024          /* of TLS 1.2 clients without tickets */
#define RECORD_MAX 16384
#define DTLS_RECORD_MAX 2048        /* sizes the library's write buffer; a whole datagram of the outbox */
#define DTLS_RETRANSMIT_FIRST 250000 /* microseconds; RFC 6347 4.2.4.1 allows less than a second for real-time media */
#define DTLS_RETRANSMIT_MAX 4000000
#define DTLS_EARLY_MAX 24           /* encrypted datagrams before the handshake ends; the library may queue each in 16 kB */
#define DTLS_HDR_LEN 13
#define COOKIE_LEN 16               /* keeps HelloVerifyRequest smaller than any ClientHello */
#define COOKIE_SECONDS 60           /* one is good for this long, and as long again */

struct tls_ctx {
	SSL_CTX *tls, *dtls;
	BIO_METHOD *bio;
	uint8_t cookie_key[TLS_COOKIE_KEY_LEN];
	atomic_uint refs;
};

struct tls {
	SSL *ssl;
	struct tls_ctx *ctx;
	struct tls_io io;
	struct addr client; /* DTLS: the cookie's */
	enum tls_state state;
	bool dtls, ended; /* ended: our close_notify is out */
	uint8_t early;
	struct span in; /* valid during a call only */
};

/* ---- wire bytes ---- */

static int wire_read(BIO *bio, char *buf, int max)
{
	struct tls *t = BIO_get_data(bio);
	size_t n = t->in.n;

	BIO_clear_retry_flags(bio);
	if (n == 0 || max <= 0) {
		BIO_set_retry_read(bio);
		return -1;
	}
	if (n > (size_t)max)
		n = (size_t)max;
	memcpy(buf, t->in.p, n);
	t->in = t->dtls ? span_of(NULL, 0) : span_of(t->in.p + n, t->in.n - n); /* of a datagram the rest is lost */
	return (int)n;
}

static int wire_write(BIO *bio, const char *buf, int n)
{
	struct tls *t = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	if (n < 0 || (t->dtls && n > DTLS_RECORD_MAX))
		return -1;
	t->io.to_peer(t->io.owner, span_of(buf, (size_t)n));
	return n;
}

static long wire_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
	(void)bio;
	(void)num;
	(void)ptr;
	if (cmd == BIO_CTRL_FLUSH)
		return 1;
	return cmd == BIO_CTRL_DGRAM_QUERY_MTU || cmd == BIO_CTRL_DGRAM_GET_FALLBACK_MTU ? TLS_DTLS_MTU : 0;
}

/* ---- settings ---- */

/* What nginx with http2 offers, in its order. */
static const unsigned char web_protocols[] = "\x02h2\x08http/1.1\x08http/1.0\x08http/0.9";
static const unsigned char turn_protocol[] = "\x09stun.turn";

/* A client that asks for web protocols gets nginx's choice; one that knows none of them, nginx's alert. */
static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_n, const unsigned char *in, unsigned n, void *arg)
{
	unsigned char *picked = NULL;
	unsigned turn_n = sizeof(turn_protocol) - 1;

	(void)ssl;
	(void)arg;
	if ((n < turn_n || memcmp(in, turn_protocol, turn_n) != 0) &&
	    SSL_select_next_proto(&picked, out_n, web_protocols, sizeof(web_protocols) - 1, in, n) == OPENSSL_NPN_NEGOTIATED) {
		*out = picked;
		return SSL_TLSEXT_ERR_OK;
	}
	if (SSL_select_next_proto(&picked, out_n, turn_protocol, turn_n, in, n) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = picked;
	return SSL_TLSEXT_ERR_OK;
}

/* Any name is ours, and the answer says that it was seen. */
static int any_name(SSL *ssl, int *alert, void *arg)
{
	(void)ssl;
	(void)alert;
	(void)arg;
	return SSL_TLSEXT_ERR_OK;
}

static bool tls_settings(SSL_CTX *c)
{
	SSL_CTX_set_options(c, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF |
				       SSL_OP_NO_ANTI_REPLAY);
	SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
	SSL_CTX_set_read_ahead(c, 1);
	SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_SERVER);
	SSL_CTX_sess_set_cache_size(c, SESSIONS_KEPT);
	SSL_CTX_set_timeout(c, SESSION_SECONDS);
	SSL_CTX_set_alpn_select_cb(c, choose_alpn, NULL);
	SSL_CTX_set_tlsext_servername_callback(c, any_name);
	return SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION) && SSL_CTX_set_max_proto_version(c, TLS1_3_VERSION) &&
	       SSL_CTX_set_session_id_context(c, (const unsigned char *)SESSION_CONTEXT, 20) && SSL_CTX_set_cipher_list(c, CIPHERS);
}

static bool cookie_of(const struct tls *t, uint64_t period, uint8_t ret[COOKIE_LEN])
{
	uint8_t about[8 + sizeof(t->client)], mac[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	put_be64(about, period);
	memcpy(about + 8, &t->client, sizeof(t->client));
	if (!HMAC(EVP_sha256(), t->ctx->cookie_key, TLS_COOKIE_KEY_LEN, about, sizeof(about), mac, &n) || n < COOKIE_LEN)
		return false;
	memcpy(ret, mac, COOKIE_LEN);
	return true;
}

static uint64_t cookie_period(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint64_t)now.tv_sec / COOKIE_SECONDS;
}

static int cookie_make(SSL *ssl, unsigned char *cookie, unsigned *n)
{
	*n = COOKIE_LEN;
	return cookie_of(SSL_get_app_data(ssl), cookie_period(), cookie);
}

static int cookie_check(SSL *ssl, const unsigned char *cookie, unsigned n)
{
	const struct tls *t = SSL_get_app_data(ssl);
	uint64_t now = cookie_period();
	uint8_t want[COOKIE_LEN];

	if (n != COOKIE_LEN)
		return 0;
	return (cookie_of(t, now, want) && ct_eq(want, cookie, COOKIE_LEN)) ||
	       (cookie_of(t, now - 1, want) && ct_eq(want, cookie, COOKIE_LEN));
}

static bool dtls_settings(SSL_CTX *c)
{
	SSL_CTX_set_options(c, SSL_OP_NO_QUERY_MTU | SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
				       SSL_OP_COOKIE_EXCHANGE);
	SSL_CTX_set_mode(c, SSL_MODE_NO_AUTO_CHAIN);
	SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_cookie_generate_cb(c, cookie_make);
	SSL_CTX_set_cookie_verify_cb(c, cookie_check);
	return SSL_CTX_set_min_proto_version(c, DTLS1_2_VERSION) && SSL_CTX_set_max_proto_version(c, DTLS1_2_VERSION) &&
	       SSL_CTX_set_max_send_fragment(c, DTLS_RECORD_MAX) && SSL_CTX_set_cipher_list(c, DTLS_CIPHERS);
}

/* ---- certificate and key ---- */

/* A key with a passphrase is an error, not a question on the terminal. */
static int no_passphrase(char *buf, int size, int rwflag, void *arg)
{
	(void)buf;
	(void)size;
	(void)rwflag;
	(void)arg;
	return -1;
}

static const char *library_says(void)
{
	const char *reason = ERR_reason_error_string(ERR_peek_error());

	return reason ? reason : "no reason given";
}

static int readable(const char *path, const char *key, char why[TLS_WHY_MAX])
{
	if (access(path, R_OK) == 0)
		return 0;
	snprintf(why, TLS_WHY_MAX, "%s=%s cannot be read: %s", key, path, strerror(errno));
	return ERR_MISSING;
}

static int load(SSL_CTX *c, const char *chain, const char *key, char why[TLS_WHY_MAX])
{
	int r = readable(chain, "Certificate", why);

	if (r == 0)
		r = readable(key, "PrivateKey", why);
	if (r < 0)
		return r;
	SSL_CTX_set_default_passwd_cb(c, no_passphrase);
	if (SSL_CTX_use_certificate_chain_file(c, chain) != 1) {
		snprintf(why, TLS_WHY_MAX, "Certificate=%s is no chain of PEM certificates, our own first: %s", chain,
			 library_says());
		return ERR_MALFORMED;
	}
	if (SSL_CTX_use_PrivateKey_file(c, key, SSL_FILETYPE_PEM) == 1 && SSL_CTX_check_private_key(c) == 1)
		return 0;
	r = ERR_GET_REASON(ERR_peek_error());
	if (ERR_GET_LIB(ERR_peek_error()) == ERR_LIB_X509 && (r == X509_R_KEY_VALUES_MISMATCH || r == X509_R_KEY_TYPE_MISMATCH))
		snprintf(why, TLS_WHY_MAX, "PrivateKey=%s does not belong to the first certificate of %s", key, chain);
	else
		snprintf(why, TLS_WHY_MAX, "PrivateKey=%s is no PEM key without a passphrase for %s: %s", key, chain,
			 library_says());
	return ERR_MALFORMED;
}

/* The same certificate on the DTLS side. */
static bool share(SSL_CTX *from, SSL_CTX *to)
{
	STACK_OF(X509) *chain = NULL;

	return SSL_CTX_use_certificate(to, SSL_CTX_get0_certificate(from)) == 1 &&
	       SSL_CTX_use_PrivateKey(to, SSL_CTX_get0_privatekey(from)) == 1 && SSL_CTX_get0_chain_certs(from, &chain) &&
	       (!chain || SSL_CTX_set1_chain(to, chain) == 1);
}

static int fill(struct tls_ctx *c, const char *chain, const char *key, char why[TLS_WHY_MAX])
{
	int r;

	snprintf(why, TLS_WHY_MAX, "no memory for the TLS settings");
	c->bio = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "wire");
	c->tls = SSL_CTX_new(TLS_server_method());
	c->dtls = SSL_CTX_new(DTLS_server_method());
	if (!c->bio || !c->tls || !c->dtls || !BIO_meth_set_read(c->bio, wire_read) || !BIO_meth_set_write(c->bio, wire_write) ||
	    !BIO_meth_set_ctrl(c->bio, wire_ctrl))
		return ERR_NOMEM;
	r = load(c->tls, chain, key, why);
	if (r < 0)
		return r;
	if (tls_settings(c->tls) && dtls_settings(c->dtls) && share(c->tls, c->dtls))
		return 0;
	snprintf(why, TLS_WHY_MAX, "OpenSSL refuses the settings or the certificate: %s", library_says());
	return ERR_MALFORMED;
}

int tls_ctx_new(const char *chain_pem, const char *key_pem, const uint8_t cookie_key[TLS_COOKIE_KEY_LEN],
		char why[TLS_WHY_MAX], struct tls_ctx **ret)
{
	struct tls_ctx *c = mem_alloc(sizeof(*c));
	int r;

	if (!c) {
		snprintf(why, TLS_WHY_MAX, "no memory for the TLS settings");
		return ERR_NOMEM;
	}
	atomic_init(&c->refs, 1);
	memcpy(c->cookie_key, cookie_key, sizeof(c->cookie_key));
	ERR_clear_error();
	r = fill(c, chain_pem, key_pem, why);
	ERR_clear_error();
	if (r < 0) {
		tls_ctx_unref(c);
		return r;
	}
	why[0] = '\0';
	*ret = c;
	return 0;
}

struct tls_ctx *tls_ctx_ref(struct tls_ctx *c)
{
	atomic_fetch_add(&c->refs, 1);
	return c;
}

void tls_ctx_unref(struct tls_ctx *c)
{
	if (!c || atomic_fetch_sub(&c->refs, 1) != 1)
		return;
	SSL_CTX_free(c->tls);
	SSL_CTX_free(c->dtls);
	BIO_meth_free(c->bio);
	wipe(c->cookie_key, sizeof(c->cookie_key));
	mem_free(c);
}

/* ---- one session ---- */

static unsigned retransmit_after(SSL *ssl, unsigned us)
{
	(void)ssl;
	if (us == 0)
		return DTLS_RETRANSMIT_FIRST;
	return us < DTLS_RETRANSMIT_MAX / 2 ? us * 2 : DTLS_RETRANSMIT_MAX;
}

static bool prepare(struct tls *t)
{
	BIO *bio;

	t->ssl = SSL_new(t->dtls ? t->ctx->dtls : t->ctx->tls);
	bio = t->ssl ? BIO_new(t->ctx->bio) : NULL;
	if (!bio)
		return false;
	BIO_set_data(bio, t);
	BIO_set_init(bio, 1);
	SSL_set_bio(t->ssl, bio, bio); /* owned from here */
	SSL_set_app_data(t->ssl, t);
	SSL_set_accept_state(t->ssl);
	if (!t->dtls)
		return true;
	DTLS_set_timer_cb(t->ssl, retransmit_after);
	return SSL_set_mtu(t->ssl, TLS_DTLS_MTU) == TLS_DTLS_MTU;
}

static struct tls *session_new(struct tls_ctx *c, const struct tls_io *io, const struct addr *dtls_client)
{
	struct tls *t = mem_alloc(sizeof(*t));

	if (!t)
		return NULL;
	t->ctx = tls_ctx_ref(c);
	t->io = *io;
	t->dtls = dtls_client != NULL;
	if (dtls_client)
		t->client = *dtls_client;
	if (!prepare(t)) {
		tls_free(t);
		t = NULL;
	}
	ERR_clear_error();
	return t;
}

struct tls *tls_new(struct tls_ctx *c, const struct tls_io *io)
{
	return session_new(c, io, NULL);
}

void tls_free(struct tls *t)
{
	if (!t)
		return;
	SSL_free(t->ssl);
	tls_ctx_unref(t->ctx);
	mem_free(t);
}

void tls_set_io(struct tls *t, const struct tls_io *io)
{
	t->io = *io;
}

enum tls_state tls_state_of(const struct tls *t)
{
	return t->state;
}

static void judge(struct tls *t, int ret)
{
	switch (SSL_get_error(t->ssl, ret)) {
	case SSL_ERROR_NONE:
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		break;
	case SSL_ERROR_ZERO_RETURN:
		t->state = TLS_CLOSED;
		break;
	default:
		t->state = TLS_FAILED;
		break;
	}
}

static void handshake(struct tls *t)
{
	int ret = SSL_do_handshake(t->ssl);

	if (ret == 1)
		t->state = TLS_OPEN;
	else
		judge(t, ret);
}

/* Also lets the library see alerts, key updates and repeated flights. */
static void read_all(struct tls *t)
{
	uint8_t plain[RECORD_MAX];
	int ret;

	while ((ret = SSL_read(t->ssl, plain, sizeof(plain))) > 0)
		t->io.to_app(t->io.owner, span_of(plain, (size_t)ret));
	judge(t, ret);
	if (t->dtls)
		SSL_free_buffers(t->ssl); /* for TLS, SSL_MODE_RELEASE_BUFFERS does it */
}

static bool has_epoch1(struct span dgram)
{
	struct rd r = rd_from(dgram);

	while (rd_left(&r) >= DTLS_HDR_LEN) {
		const uint8_t *hdr = rd_take(&r, DTLS_HDR_LEN);

		if (be16_at(hdr + 3) != 0)
			return true;
		rd_skip(&r, be16_at(hdr + 11));
	}
	return false;
}

enum tls_state tls_input(struct tls *t, struct span wire)
{
	if (t->state == TLS_CLOSED || t->state == TLS_FAILED)
		return t->state;
	if (t->dtls) {
		wire.n = dtls_records(wire);
		if (wire.n == 0)
			return t->state;
	}
	if (t->dtls && t->state == TLS_HANDSHAKE && has_epoch1(wire)) {
		if (t->early == DTLS_EARLY_MAX)
			return t->state;
		t->early++;
	}
	ERR_clear_error();
	t->in = wire;
	if (t->state == TLS_HANDSHAKE)
		handshake(t);
	if (t->state == TLS_OPEN)
		read_all(t);
	t->in = span_of(NULL, 0);
	ERR_clear_error();
	return t->state;
}

static bool write_bytes(struct tls *t, struct span s)
{
	if (s.n == 0)
		return true;
	if (s.n <= INT32_MAX && SSL_write(t->ssl, s.p, (int)s.n) == (int)s.n)
		return true;
	t->state = TLS_FAILED; /* a piece may be out: nothing can follow */
	return false;
}

bool tls_write(struct tls *t, struct span head, struct span payload)
{
	uint8_t record[RECORD_MAX];
	size_t first = payload.n < RECORD_MAX - head.n ? payload.n : RECORD_MAX - head.n;
	bool ok;

	if (t->ended || (t->state != TLS_OPEN && t->state != TLS_CLOSED) || head.n > RECORD_MAX / 2 ||
	    (t->dtls && (t->state == TLS_CLOSED || head.n + payload.n > TLS_DTLS_APP_MAX)))
		return false;
	ERR_clear_error();
	if (t->dtls && SSL_alloc_buffers(t->ssl) != 1) /* read_all freed them, and OpenSSL 3.0 writes without looking */
		return false;
	if (head.n == 0) {
		ok = write_bytes(t, payload);
	} else {
		memcpy(record, head.p, head.n);
		if (first)
			memcpy(record + head.n, payload.p, first);
		ok = write_bytes(t, span_of(record, head.n + first)) &&
		     (first == payload.n || write_bytes(t, span_of(payload.p + first, payload.n - first)));
	}
	ERR_clear_error();
	return ok;
}

void tls_close(struct tls *t)
{
	if (t->ended || (t->state != TLS_OPEN && t->state != TLS_CLOSED))
		return;
	ERR_clear_error();
	if (!t->dtls || SSL_alloc_buffers(t->ssl) == 1)
		SSL_shutdown(t->ssl);
	ERR_clear_error();
	t->ended = true;
	t->state = TLS_CLOSED;
}

enum tls_alpn tls_alpn(const struct tls *t)
{
	const unsigned char *p = NULL;
	unsigned n = 0;

	SSL_get0_alpn_selected(t->ssl, &p, &n);
	if (n == 0)
		return TLS_ALPN_NONE;
	if (span_is(span_of(p, n), "h2"))
		return TLS_ALPN_H2;
	return span_is(span_of(p, n), "stun.turn") ? TLS_ALPN_TURN : TLS_ALPN_HTTP1;
}

/* ---- DTLS ---- */

bool dtls_is_hello(struct span dgram)
{
	/* handshake, epoch 0, client_hello */
	return dgram.n > DTLS_HDR_LEN + 12 && dgram.p[0] == 22 && be16_at(dgram.p + 3) == 0 && dgram.p[DTLS_HDR_LEN] == 1;
}

struct tls *dtls_accept(struct tls_ctx *c, const struct addr *client, struct span dgram, const struct tls_io *io)
{
	struct tls *t = dtls_is_hello(dgram) ? session_new(c, io, client) : NULL;
	BIO_ADDR *peer = t ? BIO_ADDR_new() : NULL; /* the library wants to fill one in */
	int ret = 0;

	if (peer) {
		t->in = dgram;
		ret = DTLSv1_listen(t->ssl, peer);
		t->in = span_of(NULL, 0);
	}
	if (ret == 1)
		handshake(t);
	BIO_ADDR_free(peer);
	ERR_clear_error();
	if (ret == 1 && t->state != TLS_FAILED)
		return t;
	tls_free(t);
	return NULL;
}

void dtls_tick(struct tls *t)
{
	if (t->state != TLS_HANDSHAKE)
		return;
	ERR_clear_error();
	if (DTLSv1_handle_timeout(t->ssl) < 0)
		t->state = TLS_FAILED;
	ERR_clear_error();
}

uint64_t dtls_wait(struct tls *t)
{
	struct timeval tv;

	if (t->state != TLS_HANDSHAKE || !DTLSv1_get_timeout(t->ssl, &tv))
		return UINT64_MAX;
	return DUR_SEC((uint64_t)tv.tv_sec) + (uint64_t)tv.tv_usec;
}
