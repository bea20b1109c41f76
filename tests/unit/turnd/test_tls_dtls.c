/* SPDX-License-Identifier: AGPL-3.0-only */
/* The DTLS side of tls_mem. */
#include "tls_rig.h"

/* Nobody gets a session, nor more bytes than it sent, before it has shown that it receives at its address. */
static void cookie_first(void)
{
	struct rig *r = rig_new(true);
	size_t sent;

	(void)SSL_do_handshake(r->client);
	sent = r->up.c[0].n;
	EQ(r->up.n, 1);
	serve(r);
	OK(!r->server);
	EQ(r->down.n, 1);
	OK(r->down.c[0].n <= sent);
	(void)SSL_do_handshake(r->client);
	serve(r);
	OK(r->server != NULL);
	OK(shake(r));
	rig_free(r);
}

/* A cookie is good at its address only, port included. */
static void cookie_of_another(void)
{
	const struct {
		const char *row;
		struct addr from;
		bool ok;
	} rows[] = {
		{ "same: ", addr_v4(192, 0, 2, 1, 4000), true },
		{ "port: ", addr_v4(192, 0, 2, 1, 4001), false },
		{ "address: ", addr_v4(192, 0, 2, 2, 4000), false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct rig *r = rig_new(true);

		t_row = rows[i].row;
		(void)SSL_do_handshake(r->client);
		serve(r);
		(void)SSL_do_handshake(r->client);
		r->from = rows[i].from;
		serve(r);
		EQ(r->server != NULL, rows[i].ok);
		rig_free(r);
	}
}

/* Any one datagram of the server may be lost: it or the client sends the flight again. */
static void lost_flights(void)
{
	for (int lose = 0; lose < 6; lose++) {
		struct rig *r = rig_new(true);
		bool open = false;
		char row[32];

		snprintf(row, sizeof(row), "datagram %d: ", lose);
		t_row = row;
		r->lose = lose;
		for (int i = 0; i < 20 && !open; i++) {
			open = shake(r);
			now = mono_add(now, DUR_MS(1100));
			(void)DTLSv1_handle_timeout(r->client);
			if (r->server && dtls_wait(r->server) == 0)
				dtls_tick(r->server);
		}
		OK(open);
		rig_free(r);
	}
}

/* Our flight is sent again after a quarter of a second, and then after twice that. */
static void our_timer(void)
{
	struct rig *r = rig_new(true);
	const uint64_t wait[] = { DUR_MS(250), DUR_MS(500), DUR_SEC(1) };
	size_t flight;

	(void)SSL_do_handshake(r->client);
	serve(r);
	(void)SSL_do_handshake(r->client);
	serve(r);
	OK(r->server != NULL);
	for (size_t i = 0; r->server && i < ARRAY_LEN(wait); i++) {
		flight = r->down.n;
		EQ(dtls_wait(r->server), wait[i]);
		now = mono_add(now, wait[i] - DUR_MS(50)); /* the library rounds the last 15 ms away */
		dtls_tick(r->server);
		EQ(r->down.n, flight);
		now = mono_add(now, DUR_MS(50));
		dtls_tick(r->server);
		OK(r->down.n > flight);
		for (size_t k = flight; k < r->down.n; k++)
			OK(r->down.c[k].n <= TLS_DTLS_MTU);
	}
	rig_free(r);
}

/* A record is a message, and no larger than a datagram. */
static void records(void)
{
	struct rig *r = rig_new(true);
	uint8_t big[TLS_DTLS_APP_MAX + 1] = { 0 }, back[2048];

	OK(shake(r));
	EQ(dtls_wait(r->server), UINT64_MAX);
	client_says(r, "one", 3);
	client_says(r, "two", 3);
	EQ(r->got_records, 2);
	EQ_SPAN(span_of(r->got, r->got_n), SPAN_LIT("onetwo"));
	while (SSL_read(r->client, back, sizeof(back)) > 0)
		;
	OK(tls_write(r->server, SPAN_LIT("head"), SPAN_LIT("tail")));
	EQ(r->down.n, 1);
	EQ(SSL_read(r->client, back, sizeof(back)), 8);
	OK(tls_write(r->server, span_of(NULL, 0), span_of(big, TLS_DTLS_APP_MAX)));
	EQ(SSL_read(r->client, back, sizeof(back)), TLS_DTLS_APP_MAX);
	OK(!tls_write(r->server, span_of(NULL, 0), span_of(big, TLS_DTLS_APP_MAX + 1)));
	OK(!tls_write(r->server, span_of(big, 1), span_of(big, TLS_DTLS_APP_MAX)));
	/* nonsense on an open session is nobody's end */
	EQ(tls_input(r->server, SPAN_LIT("\x17\xfe\xfd\x00\x01\x00\x00\x00\x00\x00\x09\x00\x04nope")), TLS_OPEN);
	client_says(r, "three", 5);
	EQ(r->got_n, 11);
	tls_close(r->server);
	EQ(SSL_get_error(r->client, SSL_read(r->client, back, sizeof(back))), SSL_ERROR_ZERO_RETURN);
	rig_free(r);
}

/* What is no ClientHello costs nothing and gets nothing. */
static void dtls_garbage(void)
{
	const struct {
		const char *row;
		struct span in;
	} rows[] = {
		{ "nothing: ", SPAN_LIT("") },
		{ "stun: ", SPAN_LIT("\x00\x01\x00\x00\x21\x12\xa4\x42" "aaaaaaaaaaaa") },
		{ "data: ", SPAN_LIT("\x17\xfe\xfd\x00\x01\x00\x00\x00\x00\x00\x01\x00\x04" "aaaa") },
		{ "short hello: ", SPAN_LIT("\x16\xfe\xfd\x00\x00\x00\x00\x00\x00\x00\x00\x00\x04\x01\x00\x00\x00") },
		{ "hollow hello: ", SPAN_LIT("\x16\xfe\xfd\x00\x00\x00\x00\x00\x00\x00\x00\x00\x10\x01\x00\x00\x04\x00\x00\x00\x00"
					     "\x00\x00\x00\x04\xfe\xfd\x00\x00") },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct rig *r = rig_new(true);
		const struct tls_io io = io_of(r);

		t_row = rows[i].row;
		OK(!dtls_accept(r->ctx, &r->from, rows[i].in, &io));
		EQ(r->down.n, 0);
		rig_free(r);
	}
}

T_MAIN(T(files_begin), T(cookie_first), T(cookie_of_another), T(lost_flights), T(our_timer), T(records), T(dtls_garbage),
       T(files_end))
