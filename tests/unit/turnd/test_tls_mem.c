/* SPDX-License-Identifier: AGPL-3.0-only */
/* The TLS side; the DTLS side is in test_tls_dtls.c. */
#include "tls_rig.h"

/* The front's ssl_protocols, and no others. */
static void versions(void)
{
	const struct {
		const char *row;
		int version;
		bool ok;
	} rows[] = { { "1.1: ", TLS1_1_VERSION, false }, { "1.2: ", TLS1_2_VERSION, true }, { "1.3: ", TLS1_3_VERSION, true } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct rig *r = rig_new(false);

		t_row = rows[i].row;
		SSL_set_cipher_list(r->client, "ALL:@SECLEVEL=0");
		SSL_set_min_proto_version(r->client, rows[i].version);
		SSL_set_max_proto_version(r->client, rows[i].version);
		EQ(shake(r), rows[i].ok);
		if (rows[i].ok) {
			client_says(r, "hello", 5);
			EQ_SPAN(span_of(r->got, r->got_n), SPAN_LIT("hello"));
			EQ(tls_alpn(r->server), TLS_ALPN_NONE);
		} else {
			EQ(tls_state_of(r->server), TLS_FAILED);
		}
		rig_free(r);
	}
}

/* As nginx with http2 chooses, an alert for strangers included; stun.turn for those who want that. */
static void alpn(void)
{
	const struct {
		const char *row, *offer;
		bool ok;
		enum tls_alpn want;
	} rows[] = {
		{ "browser: ", "\x02h2\x08http/1.1", true, TLS_ALPN_H2 },
		{ "server's order: ", "\x08http/1.1\x02h2", true, TLS_ALPN_H2 },
		{ "plain web: ", "\x08http/1.1", true, TLS_ALPN_HTTP1 },
		{ "old web: ", "\x08http/1.0", true, TLS_ALPN_HTTP1 },
		{ "turn: ", "\x09stun.turn", true, TLS_ALPN_TURN },
		{ "turn first: ", "\x09stun.turn\x02h2", true, TLS_ALPN_TURN },
		{ "turn after web: ", "\x02h2\x09stun.turn", true, TLS_ALPN_H2 },
		{ "turn after a stranger: ", "\x03xyz\x09stun.turn", true, TLS_ALPN_TURN },
		{ "stranger: ", "\x06spdy/3", false, TLS_ALPN_NONE },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct rig *r = rig_new(false);

		t_row = rows[i].row;
		SSL_set_alpn_protos(r->client, (const unsigned char *)rows[i].offer, (unsigned)strlen(rows[i].offer));
		EQ(shake(r), rows[i].ok);
		EQ(tls_alpn(r->server), rows[i].want);
		EQ(tls_state_of(r->server), rows[i].ok ? TLS_OPEN : TLS_FAILED);
		if (!rows[i].ok)
			EQ(ERR_GET_REASON(ERR_peek_last_error()), SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL);
		rig_free(r);
	}
}

/* What is wrong with the files is said so that it can be mended. */
static void wrong_files(void)
{
	const struct {
		const char *row, *chain, *key;
		int want;
		const char *says;
	} rows[] = {
		{ "no chain: ", absent, key_a, ERR_MISSING, "Certificate=" },
		{ "no key: ", cert_a, absent, ERR_MISSING, "PrivateKey=" },
		{ "other key: ", cert_a, key_b, ERR_MALFORMED, "does not belong to" },
		{ "text as chain: ", text, key_a, ERR_MALFORMED, "no chain of PEM certificates" },
		{ "text as key: ", cert_a, text, ERR_MALFORMED, "no PEM key" },
		{ "key as chain: ", key_a, key_a, ERR_MALFORMED, "no chain of PEM certificates" },
		{ "passphrase: ", cert_a, locked, ERR_MALFORMED, "without a passphrase" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct tls_ctx *c = NULL;
		char why[TLS_WHY_MAX] = "";

		t_row = rows[i].row;
		EQ(tls_ctx_new(rows[i].chain, rows[i].key, cookie_key, why, &c), rows[i].want);
		OK(!c);
		if (!strstr(why, rows[i].says))
			EQ_STR(why, rows[i].says);
	}
}

/* Whatever a stranger sends: the session fails, once, and says no more than OpenSSL does. */
static void garbage(void)
{
	const struct {
		const char *row;
		struct span in;
		bool alert;
	} rows[] = {
		{ "http: ", SPAN_LIT("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), false },
		{ "stun: ", SPAN_LIT("\x00\x01\x00\x00\x21\x12\xa4\x42" "aaaaaaaaaaaa"), false },
		{ "early data record: ", SPAN_LIT("\x17\x03\x03\x00\x05" "aaaaa"), true },
		{ "hello of nothing: ", SPAN_LIT("\x16\x03\x01\x00\x04\x01\x00\x00\x00"), true },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct rig *r = rig_new(false);

		t_row = rows[i].row;
		EQ(tls_input(r->server, rows[i].in), TLS_FAILED);
		EQ(r->down.n > 0, rows[i].alert);
		EQ(tls_input(r->server, rows[i].in), TLS_FAILED);
		OK(!tls_write(r->server, span_of(NULL, 0), SPAN_LIT("x")));
		EQ(r->got_n, 0);
		rig_free(r);
	}
}

/* Any amount, in pieces of any size, both ways. */
static void large_data(void)
{
	struct rig *r = rig_new(false);
	static uint8_t big[65536], back[65536];
	size_t n = 0;
	int got;

	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (uint8_t)(i * 7 + i / 256);
	OK(shake(r));
	client_says(r, big, sizeof(big));
	EQ_SPAN(span_of(r->got, r->got_n), span_of(big, sizeof(big)));
	OK(tls_write(r->server, span_of(big, 4), span_of(big + 4, sizeof(big) - 4)));
	while ((got = SSL_read(r->client, back + n, (int)(sizeof(back) - n))) > 0)
		n += (size_t)got;
	EQ_SPAN(span_of(back, n), span_of(big, sizeof(big)));
	rig_free(r);
}

/* One byte at a time is still TLS. */
static void drip(void)
{
	struct rig *r = rig_new(false);

	for (int i = 0; i < 4; i++) {
		(void)SSL_do_handshake(r->client);
		for (size_t k = r->up.first; k < r->up.n; k++)
			for (size_t j = 0; j < r->up.c[k].n; j++)
				(void)tls_input(r->server, span_of(r->up.c[k].b + j, 1));
		r->up.first = r->up.n = 0;
	}
	EQ(tls_state_of(r->server), TLS_OPEN);
	rig_free(r);
}

static int tickets;
static long ticket_life;

static int on_session(SSL *ssl, SSL_SESSION *s)
{
	(void)ssl;
	tickets++;
	ticket_life = (long)SSL_SESSION_get_ticket_lifetime_hint(s);
	return 0;
}

/* Two tickets per TLS 1.3 handshake, good for nginx's five minutes. */
static void two_tickets(void)
{
	struct rig *r = rig_new(false);
	uint8_t skip[16];

	tickets = 0;
	SSL_CTX_sess_set_new_cb(r->client_ctx, on_session);
	OK(shake(r));
	(void)SSL_read(r->client, skip, sizeof(skip));
	EQ(tickets, 2);
	EQ(ticket_life, 300);
	rig_free(r);
}

static void resume(const char *row, int version, long options)
{
	struct rig *first = rig_new(false), *again = rig_new(false);
	SSL_SESSION *s;
	uint8_t skip[16];

	t_row = row;
	SSL_set_max_proto_version(first->client, version);
	SSL_set_options(first->client, (uint64_t)options);
	OK(shake(first));
	(void)SSL_read(first->client, skip, sizeof(skip));
	s = SSL_get1_session(first->client);
	/* the same settings: a new set of them has keys of its own */
	tls_free(again->server);
	again->server = tls_new(first->ctx, &(struct tls_io){ to_peer, to_app, again });
	SSL_set_max_proto_version(again->client, version);
	SSL_set_options(again->client, (uint64_t)options);
	OK(SSL_set_session(again->client, s) == 1);
	OK(shake(again));
	EQ(SSL_session_reused(again->client), 1);
	SSL_SESSION_free(s);
	rig_free(again);
	rig_free(first);
}

/* By ticket in both versions, by session id in TLS 1.2. */
static void resumption(void)
{
	resume("1.3: ", TLS1_3_VERSION, 0);
	resume("1.2 ticket: ", TLS1_2_VERSION, 0);
	resume("1.2 id: ", TLS1_2_VERSION, SSL_OP_NO_TICKET);
}

/* The peer's close_notify ends its half only; ours ends both. */
static void closing(void)
{
	struct rig *r = rig_new(false);
	uint8_t back[16];

	OK(shake(r));
	SSL_shutdown(r->client);
	serve(r);
	EQ(tls_state_of(r->server), TLS_CLOSED);
	OK(tls_write(r->server, span_of(NULL, 0), SPAN_LIT("late")));
	EQ(SSL_read(r->client, back, sizeof(back)), 4);
	tls_close(r->server);
	OK(!tls_write(r->server, span_of(NULL, 0), SPAN_LIT("no")));
	EQ(SSL_get_error(r->client, SSL_read(r->client, back, sizeof(back))), SSL_ERROR_ZERO_RETURN);
	rig_free(r);
}

/* A session outlives the settings it was made with, and changes its owner. */
static void owners(void)
{
	struct rig *r = rig_new(false), *other = rig_new(false);
	struct tls_io io = io_of(other);

	OK(shake(r));
	tls_ctx_unref(r->ctx);
	r->ctx = NULL;
	tls_set_io(r->server, &io);
	client_says(r, "moved", 5);
	EQ(r->got_n, 0);
	EQ_SPAN(span_of(other->got, other->got_n), SPAN_LIT("moved"));
	rig_free(r);
	rig_free(other);
}

T_MAIN(T(files_begin), T(versions), T(alpn), T(wrong_files), T(garbage), T(large_data), T(drip), T(two_tickets), T(resumption),
       T(closing), T(owners), T(files_end))
