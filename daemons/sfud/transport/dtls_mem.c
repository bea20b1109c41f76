/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * The library's own clock runs beside ours: DTLSv1_get_timeout tells how long from the call, which becomes a deadline
 * of the caller's time. Between calls no pointer of the caller is kept.
 */
#include "sfud/transport/dtls_mem.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/time.h>

#undef SRTP_AEAD_AES_128_GCM /* theirs is the number on the wire, ours the enum */

#include "base/secret.h"
#include "base/slab.h"
#include "wire/dtls_records.h"

#define PROFILES "SRTP_AEAD_AES_128_GCM:SRTP_AES128_CM_SHA1_80"
#define CIPHERS "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384" /* GCM only: see dtls_records() */
#define GROUPS "X25519:P-256:P-384"
#define LABEL "EXTRACTOR-dtls_srtp" /* RFC 5764 4.2 */
#define CERT_DAYS 30
#define MAX_CERT_LIST 16384
#define MAX_FRAGMENT 1024       /* sizes the library's write buffer */
#define RETRANSMIT_FIRST 250000 /* microseconds; RFC 6347 4.2.4.1 allows less than a second for real-time media */
#define RETRANSMIT_MAX 4000000
#define EARLY_MAX 24 /* datagrams with encrypted records before the handshake ends; the library may queue each in 16 kB */

struct dtls_ctx {
	SSL_CTX *ssl;
	BIO_METHOD *bio;
	uint8_t fingerprint[DTLS_FINGERPRINT_LEN];
};

struct dtls {
	SSL *ssl;
	enum dtls_state state;
	bool client, keys_taken;
	uint8_t early;
	mono_t deadline;
	uint8_t fingerprint[DTLS_FINGERPRINT_LEN];
	/* Valid during a call only. */
	struct span in;
	const struct path *path;
	struct outbox *out;
};

/* ---- the datagram BIO ---- */

static int mem_read(BIO *bio, char *buf, int max)
{
	struct dtls *d = BIO_get_data(bio);
	size_t n = d->in.n;

	BIO_clear_retry_flags(bio);
	if (n == 0 || max <= 0) {
		BIO_set_retry_read(bio);
		return -1;
	}
	if (n > (size_t)max)
		n = (size_t)max; /* as recv(2): the rest is lost */
	memcpy(buf, d->in.p, n);
	d->in.n = 0;
	return (int)n;
}

static int mem_write(BIO *bio, const char *buf, int n)
{
	struct dtls *d = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	if (n < 0 || n > OUTBOX_DGRAM_MAX)
		return -1;
	if (d->out) {
		memcpy(outbox_reserve(d->out, (size_t)n), buf, (size_t)n);
		outbox_commit(d->out, d->path, (size_t)n);
	}
	return n;
}

static long mem_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
	(void)bio;
	(void)num;
	(void)ptr;
	switch (cmd) {
	case BIO_CTRL_FLUSH:
		return 1;
	case BIO_CTRL_DGRAM_QUERY_MTU:
	case BIO_CTRL_DGRAM_GET_FALLBACK_MTU:
		return DTLS_MTU;
	default:
		return 0;
	}
}

static BIO_METHOD *bio_method_new(void)
{
	BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "datagrams");

	if (m && (!BIO_meth_set_read(m, mem_read) || !BIO_meth_set_write(m, mem_write) || !BIO_meth_set_ctrl(m, mem_ctrl))) {
		BIO_meth_free(m);
		m = NULL;
	}
	return m;
}

/* ---- certificate and settings ---- */

static bool cert_fill(X509 *x, EVP_PKEY *key)
{
	X509_NAME *name = X509_get_subject_name(x);
	uint8_t serial[8];
	uint64_t number;

	if (RAND_bytes(serial, sizeof(serial)) != 1)
		return false;
	number = be64_at(serial) >> 1 | 1; /* positive, never 0 */
	return X509_set_version(x, 2) && ASN1_INTEGER_set_uint64(X509_get_serialNumber(x), number) &&
	       X509_gmtime_adj(X509_getm_notBefore(x), -86400L) &&
	       X509_gmtime_adj(X509_getm_notAfter(x), 86400L * CERT_DAYS) &&
	       X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"WebRTC", -1, -1, 0) &&
	       X509_set_issuer_name(x, name) && X509_set_pubkey(x, key) && X509_sign(x, key, EVP_sha256()) > 0;
}

static bool cert_digest(const X509 *x, uint8_t ret[DTLS_FINGERPRINT_LEN])
{
	unsigned n = 0;

	return x && X509_digest(x, EVP_sha256(), ret, &n) == 1 && n == DTLS_FINGERPRINT_LEN;
}

static bool use_new_cert(struct dtls_ctx *ctx)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	bool ok = key && x && cert_fill(x, key) && cert_digest(x, ctx->fingerprint) &&
		  SSL_CTX_use_certificate(ctx->ssl, x) == 1 && SSL_CTX_use_PrivateKey(ctx->ssl, key) == 1;

	X509_free(x);
	EVP_PKEY_free(key);
	return ok;
}

/* Instead of the library's chain building: RFC 8122 5, the fingerprint is all the trust there is. */
static int peer_cert(X509_STORE_CTX *store, void *arg)
{
	const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	const struct dtls *d = SSL_get_app_data(ssl);
	uint8_t got[DTLS_FINGERPRINT_LEN];

	(void)arg;
	if (cert_digest(X509_STORE_CTX_get0_cert(store), got) && ct_eq(got, d->fingerprint, sizeof(got)))
		return 1;
	X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
	return 0;
}

static bool settings(SSL_CTX *c)
{
	SSL_CTX_set_options(c, SSL_OP_NO_QUERY_MTU | SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
				       SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_verify(c, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_cert_verify_callback(c, peer_cert, NULL);
	SSL_CTX_set_max_cert_list(c, MAX_CERT_LIST);
	SSL_CTX_set_quiet_shutdown(c, 0);
	return SSL_CTX_set_min_proto_version(c, DTLS1_2_VERSION) && SSL_CTX_set_max_proto_version(c, DTLS1_2_VERSION) &&
	       SSL_CTX_set_cipher_list(c, CIPHERS) && SSL_CTX_set1_groups_list(c, GROUPS) &&
	       SSL_CTX_set_max_send_fragment(c, MAX_FRAGMENT) &&
	       SSL_CTX_set_tlsext_use_srtp(c, PROFILES) == 0; /* this one returns 0 for success */
}

struct dtls_ctx *dtls_ctx_new(void)
{
	struct dtls_ctx *ctx = mem_alloc(sizeof(*ctx));

	if (!ctx)
		return NULL;
	ctx->ssl = SSL_CTX_new(DTLS_method());
	ctx->bio = bio_method_new();
	if (!ctx->ssl || !ctx->bio || !settings(ctx->ssl) || !use_new_cert(ctx)) {
		dtls_ctx_free(ctx);
		ctx = NULL;
	}
	ERR_clear_error();
	return ctx;
}

void dtls_ctx_free(struct dtls_ctx *ctx)
{
	if (!ctx)
		return;
	SSL_CTX_free(ctx->ssl);
	BIO_meth_free(ctx->bio);
	mem_free(ctx);
}

const uint8_t *dtls_ctx_fingerprint(const struct dtls_ctx *ctx)
{
	return ctx->fingerprint;
}

/* ---- one association ---- */

static unsigned retransmit_after(SSL *ssl, unsigned us)
{
	(void)ssl;
	if (us == 0)
		return RETRANSMIT_FIRST;
	return us < RETRANSMIT_MAX / 2 ? us * 2 : RETRANSMIT_MAX;
}

static void dtls_free(struct dtls *d)
{
	if (!d)
		return;
	SSL_free(d->ssl);
	wipe(d, sizeof(*d));
	mem_free(d);
}

static bool attach(struct dtls *d, const struct dtls_ctx *ctx)
{
	BIO *bio;

	d->ssl = SSL_new(ctx->ssl);
	bio = d->ssl ? BIO_new(ctx->bio) : NULL;
	if (!bio)
		return false;
	BIO_set_data(bio, d);
	BIO_set_init(bio, 1);
	SSL_set_bio(d->ssl, bio, bio); /* owned from here */
	SSL_set_app_data(d->ssl, d);
	DTLS_set_timer_cb(d->ssl, retransmit_after);
	return SSL_set_mtu(d->ssl, DTLS_MTU) == DTLS_MTU;
}

static struct dtls *dtls_new(struct dtls_ctx *ctx, const uint8_t fingerprint[DTLS_FINGERPRINT_LEN])
{
	struct dtls *d = mem_alloc(sizeof(*d));

	if (!d)
		return NULL;
	d->deadline = MONO_NEVER;
	memcpy(d->fingerprint, fingerprint, sizeof(d->fingerprint));
	if (!attach(d, ctx)) {
		dtls_free(d);
		d = NULL;
	}
	ERR_clear_error();
	return d;
}

static struct dtls *dtls_open(struct dtls_ctx *ctx, const uint8_t fingerprint[DTLS_FINGERPRINT_LEN])
{
	struct dtls *d = dtls_new(ctx, fingerprint);

	if (d)
		SSL_set_accept_state(d->ssl);
	return d;
}

struct dtls *dtls_mem_client(struct dtls_ctx *ctx, const uint8_t fingerprint[DTLS_FINGERPRINT_LEN], const char *profiles)
{
	struct dtls *d = dtls_new(ctx, fingerprint);

	if (!d)
		return NULL;
	SSL_set_connect_state(d->ssl);
	d->client = true;
	d->deadline = (mono_t){ 0 }; /* the first tick sends the hello */
	if (SSL_set_tlsext_use_srtp(d->ssl, profiles) != 0) {
		dtls_free(d);
		d = NULL;
	}
	ERR_clear_error();
	return d;
}

/* Each public operation is one of these around the library. */
static void enter(struct dtls *d, struct span in, const struct path *path, struct outbox *out)
{
	d->in = in;
	d->path = path;
	d->out = out;
	ERR_clear_error();
}

static enum dtls_state leave(struct dtls *d, mono_t now)
{
	struct timeval tv;

	d->deadline = MONO_NEVER;
	if (d->state == DTLS_HANDSHAKE && DTLSv1_get_timeout(d->ssl, &tv))
		d->deadline = mono_add(now, DUR_SEC(tv.tv_sec) + (uint64_t)tv.tv_usec);
	d->in = span_of(NULL, 0);
	d->path = NULL;
	d->out = NULL;
	ERR_clear_error();
	return d->state;
}

static void judge(struct dtls *d, int ret)
{
	switch (SSL_get_error(d->ssl, ret)) {
	case SSL_ERROR_NONE:
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		break;
	case SSL_ERROR_ZERO_RETURN:
		SSL_shutdown(d->ssl); /* answers close_notify with ours */
		d->state = DTLS_CLOSED;
		break;
	default:
		d->state = DTLS_FAILED;
		break;
	}
}

static void handshake(struct dtls *d)
{
	int ret = SSL_do_handshake(d->ssl);

	if (ret != 1)
		judge(d, ret);
	else
		d->state = SSL_get_selected_srtp_profile(d->ssl) ? DTLS_OPEN : DTLS_FAILED;
}

/* Application data has no meaning here; reading it lets the library see alerts and repeated flights. */
static void drain(struct dtls *d)
{
	uint8_t skip[256];
	int ret;

	do
		ret = SSL_read(d->ssl, skip, sizeof(skip));
	while (ret > 0);
	judge(d, ret);
	SSL_free_buffers(d->ssl);
}

static bool has_epoch1(struct span s)
{
	struct rd r = rd_from(s);

	while (rd_left(&r)) {
		rd_skip(&r, 3);
		if (rd_be16(&r) == 1)
			return true;
		rd_skip(&r, 6);
		rd_skip(&r, rd_be16(&r));
	}
	return false;
}

static enum dtls_state dtls_input(struct dtls *d, struct span dgram, const struct path *path, mono_t now, struct outbox *out)
{
	dgram.n = dtls_records(dgram);
	if (d->state == DTLS_CLOSED || d->state == DTLS_FAILED || dgram.n == 0)
		return d->state;
	if (d->state == DTLS_HANDSHAKE && has_epoch1(dgram)) {
		if (d->early == EARLY_MAX)
			return d->state;
		d->early++;
	}
	enter(d, dgram, path, out);
	if (d->state == DTLS_HANDSHAKE)
		handshake(d);
	if (d->state == DTLS_OPEN)
		drain(d);
	return leave(d, now);
}

static enum dtls_state dtls_tick(struct dtls *d, const struct path *path, mono_t now, struct outbox *out)
{
	if (d->state != DTLS_HANDSHAKE || !mono_reached(now, d->deadline))
		return d->state;
	enter(d, span_of(NULL, 0), path, out);
	if (d->client && SSL_in_before(d->ssl))
		handshake(d);
	else if (DTLSv1_handle_timeout(d->ssl) < 0)
		d->state = DTLS_FAILED;
	return leave(d, now);
}

static mono_t dtls_next(const struct dtls *d)
{
	return d->deadline;
}

/* RFC 5764 4.1.2, RFC 7714 14.2 */
static enum srtp_suite suite_of(unsigned long id)
{
	switch (id) {
	case 0x0007:
		return SRTP_AEAD_AES_128_GCM;
	case 0x0001:
		return SRTP_AES128_CM_HMAC_SHA1_80;
	default:
		return SRTP_NONE;
	}
}

/* RFC 5764 4.2: client key, server key, client salt, server salt. */
static void keys_split(const uint8_t *block, enum srtp_suite suite, uint8_t *client, uint8_t *server)
{
	size_t key = 16, salt = srtp_master_len(suite) - key;

	memcpy(client, block, key);
	memcpy(server, block + key, key);
	memcpy(client + key, block + 2 * key, salt);
	memcpy(server + key, block + 2 * key + salt, salt);
}

static int dtls_keys(struct dtls *d, struct dtls_keys *ret)
{
	const SRTP_PROTECTION_PROFILE *p;
	uint8_t block[2 * SRTP_MASTER_MAX];
	enum srtp_suite suite;
	int ok;

	if (d->state != DTLS_OPEN || d->keys_taken)
		return ERR_UNEXPECTED;
	p = SSL_get_selected_srtp_profile(d->ssl);
	suite = p ? suite_of(p->id) : SRTP_NONE;
	if (suite == SRTP_NONE)
		return ERR_UNEXPECTED;
	ok = SSL_export_keying_material(d->ssl, block, 2 * srtp_master_len(suite), LABEL, sizeof(LABEL) - 1, NULL, 0, 0);
	ERR_clear_error();
	if (ok != 1)
		return ERR_UNEXPECTED;
	ret->suite = suite;
	if (d->client)
		keys_split(block, suite, ret->tx, ret->rx);
	else
		keys_split(block, suite, ret->rx, ret->tx);
	wipe(block, sizeof(block));
	d->keys_taken = true;
	return 0;
}

static void dtls_close(struct dtls *d, const struct path *path, mono_t now, struct outbox *out)
{
	if (d->state != DTLS_OPEN)
		return;
	enter(d, span_of(NULL, 0), path, out);
	/* drain() freed them, and OpenSSL 3.0's DTLS writes without looking (reading allocates both). */
	if (SSL_alloc_buffers(d->ssl) == 1)
		SSL_shutdown(d->ssl);
	d->state = DTLS_CLOSED;
	leave(d, now);
}

const struct dtls_ops dtls_mem_ops = {
	.open = dtls_open,
	.free = dtls_free,
	.input = dtls_input,
	.tick = dtls_tick,
	.next = dtls_next,
	.keys = dtls_keys,
	.close = dtls_close,
};
