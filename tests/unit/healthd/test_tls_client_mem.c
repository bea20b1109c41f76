/* SPDX-License-Identifier: AGPL-3.0-only */
#include "healthd/probe/tls_client_mem.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/slab.h"
#include "t.h"

#define DAY 86400L

/* A server on memory buffers with a self-signed certificate. */
struct server {
	SSL *ssl;
	BIO *in, *out;
};

static EVP_PKEY *key;

static void add_name(X509 *x, const char *alt)
{
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, alt);

	X509_add_ext(x, e, -1);
	X509_EXTENSION_free(e);
}

static X509 *certificate(const char *alt, long from, long to)
{
	X509 *x = X509_new();

	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), from);
	X509_gmtime_adj(X509_getm_notAfter(x), to);
	X509_set_pubkey(x, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC, (const uint8_t *)"test", -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	add_name(x, alt);
	X509_sign(x, key, EVP_sha256());
	return x;
}

static void serve(struct server *s, X509 *x, int version)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	SSL_CTX_set_security_level(ctx, 0);
	SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
	SSL_CTX_set_max_proto_version(ctx, version);
	SSL_CTX_use_certificate(ctx, x);
	SSL_CTX_use_PrivateKey(ctx, key);
	s->ssl = SSL_new(ctx);
	s->in = BIO_new(BIO_s_mem());
	s->out = BIO_new(BIO_s_mem());
	BIO_set_mem_eof_return(s->in, -1);
	SSL_set_bio(s->ssl, s->in, s->out);
	SSL_set_accept_state(s->ssl);
	SSL_CTX_free(ctx);
}

static void pem(const char *path, X509 *x)
{
	FILE *f = fopen(path, "w");

	if (!f || !PEM_write_X509(f, x) || fclose(f) != 0)
		abort();
}

/* Both ways, `step` bytes at a time, until nothing moves. */
static void shuttle(struct tls_client *t, struct server *s, size_t step)
{
	uint8_t buf[4096];
	bool moved = true;

	while (moved) {
		size_t n = tls_client_output(t, buf, sizeof(buf));
		int got;

		moved = n > 0;
		if (n)
			BIO_write(s->in, buf, (int)n);
		if (!SSL_is_init_finished(s->ssl))
			(void)SSL_do_handshake(s->ssl);
		while ((got = BIO_read(s->out, buf, (int)step)) > 0) {
			moved = true;
			(void)tls_client_input(t, span_of(buf, (size_t)got));
		}
	}
}

static char ca[] = "/tmp/tls-client-XXXXXX";

static void run(const char *alt, long from, long to, int version, const char *name, size_t step, struct tls_client **t,
		struct server *s)
{
	X509 *x = certificate(alt, from, to);

	pem(ca, x);
	serve(s, x, version);
	X509_free(x);
	EQ(tls_client_new(name, ca, t), 0);
	shuttle(*t, s, step);
}

static void end(struct tls_client *t, struct server *s)
{
	SSL_free(s->ssl);
	tls_client_free(t);
}

static void only_the_right_certificate_of_the_right_name_is_taken(void)
{
	static const struct {
		const char *row, *alt, *name;
		long from, to;
		int version;
		enum tls_client_state want;
		const char *why;
	} rows[] = {
		{"good: ", "DNS:turn.test", "turn.test", -DAY, DAY, TLS1_3_VERSION, TLS_CLIENT_OPEN, ""},
		{"TLS 1.2: ", "DNS:turn.test", "turn.test", -DAY, DAY, TLS1_2_VERSION, TLS_CLIENT_OPEN, ""},
		{"wildcard: ", "DNS:*.turn.test", "a.turn.test", -DAY, DAY, TLS1_3_VERSION, TLS_CLIENT_OPEN, ""},
		{"an address: ", "IP:192.0.2.1", "192.0.2.1", -DAY, DAY, TLS1_3_VERSION, TLS_CLIENT_OPEN, ""},
		{"another name: ", "DNS:turn.test", "other.test", -DAY, DAY, TLS1_3_VERSION, TLS_CLIENT_FAILED,
		 "hostname mismatch"},
		{"part of a label: ", "DNS:a*.turn.test", "ab.turn.test", -DAY, DAY, TLS1_3_VERSION, TLS_CLIENT_FAILED,
		 "hostname mismatch"},
		{"another address: ", "IP:192.0.2.1", "192.0.2.2", -DAY, DAY, TLS1_3_VERSION, TLS_CLIENT_FAILED,
		 "IP address mismatch"},
		{"expired: ", "DNS:turn.test", "turn.test", -2 * DAY, -DAY, TLS1_3_VERSION, TLS_CLIENT_FAILED,
		 "certificate has expired"},
		{"not yet: ", "DNS:turn.test", "turn.test", DAY, 2 * DAY, TLS1_3_VERSION, TLS_CLIENT_FAILED,
		 "certificate is not yet valid"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct tls_client *t = NULL;
		struct server s;

		t_row = rows[i].row;
		run(rows[i].alt, rows[i].from, rows[i].to, rows[i].version, rows[i].name, i % 2 ? 1 : 4096, &t, &s);
		EQ(tls_client_state(t), rows[i].want);
		EQ_STR(tls_client_why(t), rows[i].why);
		EQ(tls_client_certificate_until(t).us > 0, rows[i].want == TLS_CLIENT_OPEN);
		end(t, &s);
	}
}

static void old_versions_are_not_spoken(void)
{
	struct tls_client *t = NULL;
	struct server s;

	run("DNS:turn.test", -DAY, DAY, TLS1_1_VERSION, "turn.test", 4096, &t, &s);
	EQ(tls_client_state(t), TLS_CLIENT_FAILED);
	OK(tls_client_why(t)[0]);
	end(t, &s);
}

static void a_certificate_of_nobody_we_trust_is_refused(void)
{
	X509 *x = certificate("DNS:turn.test", -DAY, DAY);
	struct tls_client *t = NULL;
	struct server s;

	serve(&s, x, TLS1_3_VERSION);
	X509_free(x);
	EQ(tls_client_new("turn.test", NULL, &t), 0); /* the system's */
	shuttle(t, &s, 4096);
	EQ(tls_client_state(t), TLS_CLIENT_FAILED);
	EQ(tls_client_certificate_until(t).us, 0);
	end(t, &s);
	EQ(tls_client_new("turn.test", "/nonexistent", &t), ERR_MISSING);
	EQ(tls_client_new("turn.test", "/dev/null", &t), ERR_MISSING);
}

static void bytes_go_both_ways_until_the_end(void)
{
	struct tls_client *t = NULL;
	struct server s;
	uint8_t buf[64];
	size_t n = 0;

	run("DNS:turn.test", -DAY, DAY, TLS1_3_VERSION, "turn.test", 4096, &t, &s);
	EQ(tls_client_write(t, SPAN_LIT("hello")), 0);
	shuttle(t, &s, 4096);
	EQ(SSL_read_ex(s.ssl, buf, sizeof(buf), &n), 1);
	EQ_SPAN(span_of(buf, n), SPAN_LIT("hello"));
	EQ(tls_client_read(t, buf, sizeof(buf)), 0);
	SSL_write(s.ssl, "world", 5);
	shuttle(t, &s, 3);
	EQ_SPAN(span_of(buf, tls_client_read(t, buf, sizeof(buf))), SPAN_LIT("world"));
	SSL_shutdown(s.ssl);
	shuttle(t, &s, 4096);
	EQ(tls_client_read(t, buf, sizeof(buf)), 0);
	EQ(tls_client_state(t), TLS_CLIENT_ENDED);
	EQ(tls_client_write(t, SPAN_LIT("late")), ERR_UNEXPECTED);
	end(t, &s);
}

static void garbage_ends_it(void)
{
	static const char *const rows[] = { "HTTP/1.1 400 Bad Request\r\n\r\n", "SSH-2.0-OpenSSH_9.2p1\r\n",
					    "\x16\x03\x03\xff\xff this is no handshake", "\x15\x03\x03\x00\x02\x02\x28" };
	struct tls_client *t;
	uint8_t buf[8];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		t_row = rows[i];
		EQ(tls_client_new("turn.test", NULL, &t), 0);
		EQ(tls_client_write(t, SPAN_LIT("early")), ERR_UNEXPECTED);
		EQ(tls_client_input(t, i == 3 ? span_of(rows[i], 7) : span_str(rows[i])), TLS_CLIENT_FAILED);
		OK(tls_client_why(t)[0]);
		EQ(tls_client_read(t, buf, sizeof(buf)), 0);
		EQ(tls_client_input(t, SPAN_LIT("more")), TLS_CLIENT_FAILED);
		tls_client_free(t);
	}
	t_row = "no memory: ";
	(void)mem_fail_at(0);
	EQ(tls_client_new("turn.test", NULL, &t), ERR_NOMEM);
	(void)mem_fail_at(SIZE_MAX);
	tls_client_free(NULL);
}

static void start(void)
{
	int fd = mkstemp(ca);

	if (fd < 0)
		abort();
	close(fd);
	key = EVP_EC_gen("P-256");
	OK(key != NULL);
}

static void finish(void)
{
	EVP_PKEY_free(key);
	unlink(ca);
}

T_MAIN(T(start), T(only_the_right_certificate_of_the_right_name_is_taken), T(old_versions_are_not_spoken),
       T(a_certificate_of_nobody_we_trust_is_refused), T(bytes_go_both_ways_until_the_end), T(garbage_ends_it), T(finish))
