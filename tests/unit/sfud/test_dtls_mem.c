/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * The adapter against itself as client, over a pipe that loses and reorders, in virtual time: the library asks
 * gettimeofday, which this program answers.
 */
#include "sfud/transport/dtls_mem.h"

#include <stdlib.h>
#include <sys/time.h>

#include "base/mono.h"
#include "base/rng.h"
#include "t.h"

#define GCM "SRTP_AEAD_AES_128_GCM"
#define CM "SRTP_AES128_CM_SHA1_80"
#define QUEUE_MAX 64

static mono_t now = { 1000000000 };

int gettimeofday(struct timeval *restrict tv, void *restrict tz)
{
	(void)tz;
	tv->tv_sec = (time_t)(now.us / US_PER_SEC);
	tv->tv_usec = (suseconds_t)(now.us % US_PER_SEC);
	return 0;
}

struct queue {
	struct {
		uint8_t b[OUTBOX_DGRAM_MAX];
		size_t n;
	} d[QUEUE_MAX];
	size_t n;
};

struct end {
	struct dtls *d;
	enum dtls_state state;
	struct queue sent;
	struct outbox out;
	struct out_msg msg[8];
	uint8_t mem[8 * OUTBOX_DGRAM_MAX];
};

struct rig {
	struct dtls_ctx *server_ctx, *client_ctx;
	struct end server, client;
	struct rng rng;
	uint32_t loss, swap; /* per cent */
};

static const struct path path;

static void collect(struct outbox *ob)
{
	struct end *e = ob->owner;

	for (uint32_t i = 0; i < ob->n; i++) {
		const struct out_msg *m = &ob->msg[i];

		for (size_t at = 0; at < m->len; at += m->seg) {
			size_t n = m->len - at < m->seg ? m->len - at : m->seg;

			OK(n <= DTLS_MTU);
			if (e->sent.n == QUEUE_MAX)
				break;
			memcpy(e->sent.d[e->sent.n].b, m->data + at, n);
			e->sent.d[e->sent.n++].n = n;
		}
	}
	outbox_clear(ob);
}

static void end_init(struct end *e, struct dtls *d)
{
	e->d = d;
	e->state = DTLS_HANDSHAKE;
	e->sent.n = 0;
	outbox_init(&e->out, e->msg, ARRAY_LEN(e->msg), e->mem, sizeof(e->mem), collect, e);
	OK(d != NULL);
}

static void rig_open(struct rig *r, const uint8_t *server_expects, const char *profiles)
{
	if (!server_expects)
		server_expects = dtls_ctx_fingerprint(r->client_ctx);
	end_init(&r->server, dtls_mem_ops.open(r->server_ctx, server_expects));
	end_init(&r->client, dtls_mem_client(r->client_ctx, dtls_ctx_fingerprint(r->server_ctx), profiles));
}

static void rig_init(struct rig *r)
{
	memset(r, 0, sizeof(*r));
	r->server_ctx = dtls_ctx_new();
	r->client_ctx = dtls_ctx_new();
	rng_seed(&r->rng, 1);
}

static void rig_close(struct rig *r)
{
	dtls_mem_ops.free(r->server.d);
	dtls_mem_ops.free(r->client.d);
	r->server.d = r->client.d = NULL;
}

static void rig_done(struct rig *r)
{
	rig_close(r);
	dtls_ctx_free(r->server_ctx);
	dtls_ctx_free(r->client_ctx);
}

static void input(struct end *e, const uint8_t *p, size_t n)
{
	uint8_t *exact = malloc(n ? n : 1); /* so that a sanitizer sees any read past the end */

	memcpy(exact, p, n);
	e->state = dtls_mem_ops.input(e->d, span_of(exact, n), &path, now, &e->out);
	collect(&e->out);
	free(exact);
}

static void tick(struct end *e)
{
	e->state = dtls_mem_ops.tick(e->d, &path, now, &e->out);
	collect(&e->out);
}

/* What one end sent arrives at the other, as far as the pipe lets it. */
static void carry(struct rig *r, struct end *from, struct end *to)
{
	struct queue q = from->sent;

	from->sent.n = 0;
	for (size_t i = 0; i + 1 < q.n; i++) {
		if (rng_below(&r->rng, 100) < r->swap) {
			size_t n = q.d[i].n;
			uint8_t b[OUTBOX_DGRAM_MAX];

			memcpy(b, q.d[i].b, n);
			q.d[i] = q.d[i + 1];
			memcpy(q.d[i + 1].b, b, n);
			q.d[i + 1].n = n;
		}
	}
	for (size_t i = 0; i < q.n; i++) {
		if (rng_below(&r->rng, 100) >= r->loss)
			input(to, q.d[i].b, q.d[i].n);
	}
}

static bool settled(const struct rig *r)
{
	return r->client.state != DTLS_HANDSHAKE && r->server.state != DTLS_HANDSHAKE;
}

/* Until both ends have a result, or nothing is left to wait for. */
static void run(struct rig *r)
{
	tick(&r->client);
	for (int i = 0; i < 1000 && !settled(r); i++) {
		mono_t next;

		if (r->client.sent.n || r->server.sent.n) {
			carry(r, &r->client, &r->server);
			carry(r, &r->server, &r->client);
			continue;
		}
		next = mono_min(dtls_mem_ops.next(r->client.d), dtls_mem_ops.next(r->server.d));
		/* A client that waits for the server's last flight is the only one to act. */
		if (mono_is_never(next))
			break;
		if (next.us > now.us)
			now = next;
		tick(&r->client);
		tick(&r->server);
	}
}

static void both(const struct rig *r, enum dtls_state want)
{
	EQ(r->client.state, want);
	EQ(r->server.state, want);
}

static void keys_agree(struct rig *r, enum srtp_suite want)
{
	struct dtls_keys s = { 0 }, c = { 0 }, none;
	size_t n = srtp_master_len(want);

	EQ(dtls_mem_ops.keys(r->server.d, &s), 0);
	EQ(dtls_mem_ops.keys(r->client.d, &c), 0);
	EQ(s.suite, want);
	EQ(c.suite, want);
	EQ_SPAN(span_of(s.rx, n), span_of(c.tx, n));
	EQ_SPAN(span_of(s.tx, n), span_of(c.rx, n));
	OK(memcmp(s.rx, s.tx, n) != 0);
	EQ(dtls_mem_ops.keys(r->server.d, &none), ERR_UNEXPECTED);
}

/* RFC 5764 4.1.1: the server chooses, and it prefers GCM whatever the client's order. */
static void the_server_prefers_gcm(void)
{
	const struct { const char *row, *offer; enum srtp_suite want; } rows[] = {
		{ "gcm first: ", GCM ":" CM, SRTP_AEAD_AES_128_GCM },
		{ "gcm last: ", CM ":" GCM, SRTP_AEAD_AES_128_GCM },
		{ "gcm after unknown: ", "SRTP_AES128_CM_SHA1_32:" CM ":SRTP_AEAD_AES_256_GCM:" GCM, SRTP_AEAD_AES_128_GCM },
		{ "cm only: ", CM, SRTP_AES128_CM_HMAC_SHA1_80 },
		{ "gcm only: ", GCM, SRTP_AEAD_AES_128_GCM },
	};
	struct rig r;

	rig_init(&r);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		t_row = rows[i].row;
		rig_open(&r, NULL, rows[i].offer);
		EQ(dtls_mem_ops.keys(r.server.d, &(struct dtls_keys){ 0 }), ERR_UNEXPECTED);
		run(&r);
		both(&r, DTLS_OPEN);
		keys_agree(&r, rows[i].want);
		OK(mono_is_never(dtls_mem_ops.next(r.server.d)));
		rig_close(&r);
	}
	rig_done(&r);
}

/* Without a common profile there can be no media, so the association is of no use. */
static void no_common_profile_fails(void)
{
	struct rig r;

	rig_init(&r);
	rig_open(&r, NULL, "SRTP_AES128_CM_SHA1_32");
	run(&r);
	both(&r, DTLS_FAILED);
	rig_done(&r);
}

/* RFC 8122 6.2: a certificate that the SDP did not announce ends the association, on both ends. */
static void a_wrong_fingerprint_fails(void)
{
	uint8_t wrong[DTLS_FINGERPRINT_LEN];
	struct rig r;

	rig_init(&r);
	memcpy(wrong, dtls_ctx_fingerprint(r.client_ctx), sizeof(wrong));
	wrong[31] ^= 1;
	t_row = "server: ";
	rig_open(&r, wrong, GCM);
	run(&r);
	both(&r, DTLS_FAILED);
	input(&r.server, (const uint8_t *)"\x16\xfe\xfd\0\0\0\0\0\0\0\1\0\1\0", 14);
	EQ(r.server.state, DTLS_FAILED);
	rig_close(&r);

	t_row = "client: ";
	rig_open(&r, NULL, GCM);
	dtls_mem_ops.free(r.client.d);
	end_init(&r.client, dtls_mem_client(r.client_ctx, wrong, GCM));
	run(&r);
	both(&r, DTLS_FAILED);
	rig_done(&r);
}

/* RFC 6347 4.2.4: loss and reordering delay a handshake, they do not end it. */
static void loss_and_reordering_are_survived(void)
{
	struct rig r;

	rig_init(&r);
	for (uint32_t seed = 1; seed <= 60; seed++) {
		char row[48];
		mono_t start = now;

		snprintf(row, sizeof(row), "seed %d: ", (int)seed);
		t_row = row;
		rng_seed(&r.rng, seed);
		r.loss = seed % 3 * 15;
		r.swap = seed % 4 * 25;
		rig_open(&r, NULL, GCM);
		run(&r);
		both(&r, DTLS_OPEN);
		OK(mono_since(now, start) < DUR_SEC(30));
		keys_agree(&r, SRTP_AEAD_AES_128_GCM);
		rig_close(&r);
	}
	rig_done(&r);
}

/* RFC 6347 4.2.4: a server that is done must answer a repeated Finished with its own last flight. */
static void a_lost_last_flight_is_sent_again(void)
{
	struct rig r;

	rig_init(&r);
	rig_open(&r, NULL, GCM);
	tick(&r.client);
	while (r.server.state == DTLS_HANDSHAKE) {
		carry(&r, &r.client, &r.server);
		if (r.server.state == DTLS_HANDSHAKE)
			carry(&r, &r.server, &r.client);
	}
	for (int i = 0; i < 3; i++) {
		OK(r.server.sent.n > 0);
		r.server.sent.n = 0;
		EQ(r.client.state, DTLS_HANDSHAKE);
		now = dtls_mem_ops.next(r.client.d);
		tick(&r.client);
		carry(&r, &r.client, &r.server);
		EQ(r.server.state, DTLS_OPEN);
	}
	carry(&r, &r.server, &r.client);
	both(&r, DTLS_OPEN);
	rig_done(&r);
}

/* RFC 6347 4.2.4.1: waits double from a quarter of a second; a server whose client is gone gives up. */
static void waits_double_and_end(void)
{
	uint64_t want[] = { 250, 500, 1000, 2000, 4000, 4000 };
	struct rig r;

	rig_init(&r);
	rig_open(&r, NULL, GCM);
	OK(mono_is_never(dtls_mem_ops.next(r.server.d)));
	tick(&r.client);
	carry(&r, &r.client, &r.server);
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		mono_t next = dtls_mem_ops.next(r.server.d);

		OK(r.server.sent.n > 0);
		r.server.sent.n = 0;
		EQ(mono_since(next, now), DUR_MS(want[i]));
		now.us = next.us - DUR_MS(20);
		tick(&r.server);
		EQ(r.server.sent.n, 0);
		now = next;
		tick(&r.server);
	}
	for (int i = 0; i < 20 && r.server.state == DTLS_HANDSHAKE; i++) {
		now = dtls_mem_ops.next(r.server.d);
		tick(&r.server);
	}
	EQ(r.server.state, DTLS_FAILED);
	OK(mono_is_never(dtls_mem_ops.next(r.server.d)));
	rig_done(&r);
}

/* RFC 5246 7.2.1: close_notify is sent on closing and answered; nothing is heard afterwards. */
static void close_notify_goes_both_ways(void)
{
	for (int by_server = 0; by_server < 2; by_server++) {
		struct rig r;
		struct end *a, *b;

		t_row = by_server ? "server: " : "client: ";
		rig_init(&r);
		rig_open(&r, NULL, GCM);
		run(&r);
		a = by_server ? &r.server : &r.client;
		b = by_server ? &r.client : &r.server;
		r.client.sent.n = r.server.sent.n = 0;
		dtls_mem_ops.close(a->d, &path, now, &a->out);
		collect(&a->out);
		EQ(a->sent.n, 1);
		carry(&r, a, b);
		EQ(b->state, DTLS_CLOSED);
		EQ(b->sent.n, 1);
		carry(&r, b, a);
		EQ(a->state, DTLS_CLOSED);
		EQ(a->sent.n, 0);
		dtls_mem_ops.close(a->d, &path, now, &a->out);
		collect(&a->out);
		EQ(a->sent.n, 0);
		rig_done(&r);
	}
}

/* RFC 6347 4.1.2.7: invalid records are discarded silently, during and after the handshake. */
static void garbage_is_ignored(void)
{
#define R(s) { (const uint8_t *)(s), sizeof(s) - 1 }
	const struct { const char *row; struct span b; } rows[] = {
		{ "empty: ", R("") },
		{ "short: ", R("\x16\xfe\xfd\0\0\0\0\0\0\0\1\0") },
		{ "tls version: ", R("\x16\x03\x03\0\0\0\0\0\0\0\x63\0\4abcd") },
		{ "dtls 1.3: ", R("\x16\xfe\xfc\0\0\0\0\0\0\0\x63\0\4abcd") },
		{ "unified header: ", R("\x2f\0\0\0\x13ijklmnopqrstuvwxyzabcdefgh") },
		{ "length past the end: ", R("\x16\xfe\xfd\0\0\0\0\0\0\0\x63\0\5abcd") },
		{ "length zero: ", R("\x16\xfe\xfd\0\0\0\0\0\0\0\x63\0\0") },
		{ "huge length: ", R("\x16\xfe\xfd\0\0\0\0\0\0\0\x63\xff\xff") },
		{ "epoch 2: ", R("\x16\xfe\xfd\0\2\0\0\0\0\0\x63\0\4abcd") },
		{ "epoch 65535: ", R("\x17\xfe\xfd\xff\xff\0\0\0\0\0\x63\0\4abcd") },
		{ "unknown type: ", R("\x1a\xfe\xfd\0\0\0\0\0\0\0\x63\0\4abcd") },
		{ "unencrypted data: ", R("\x17\xfe\xfd\0\0\0\0\0\0\0\x63\0\4abcd") },
		{ "false data: ", R("\x17\xfe\xfd\0\1\0\0\0\0\0\x63\0\x20" "abcdefghijklmnopqrstuvwxyz012345") },
		{ "false finished: ", R("\x16\xfe\xfd\0\1\0\0\0\0\0\x64\0\x20" "abcdefghijklmnopqrstuvwxyz012345") },
		{ "false alert: ", R("\x15\xfe\xfd\0\1\0\0\0\0\0\x65\0\x20" "abcdefghijklmnopqrstuvwxyz012345") },
		{ "short ciphertext: ", R("\x17\xfe\xfd\0\1\0\0\0\0\0\x66\0\4abcd") },
	};
	struct rig r;

	rig_init(&r);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		t_row = rows[i].row;
		rig_open(&r, NULL, GCM);
		tick(&r.client);
		for (int k = 0; k < 20 && !settled(&r); k++) {
			input(&r.server, rows[i].b.p, rows[i].b.n);
			carry(&r, &r.client, &r.server);
			input(&r.server, rows[i].b.p, rows[i].b.n);
			carry(&r, &r.server, &r.client);
		}
		both(&r, DTLS_OPEN);
		for (int k = 0; k < 50; k++)
			input(&r.server, rows[i].b.p, rows[i].b.n);
		EQ(r.server.state, DTLS_OPEN);
		dtls_mem_ops.close(r.client.d, &path, now, &r.client.out);
		collect(&r.client.out);
		carry(&r, &r.client, &r.server);
		EQ(r.server.state, DTLS_CLOSED);
		rig_close(&r);
	}
	rig_done(&r);
#undef R
}

/* Noise in front of or behind genuine records neither ends an association nor makes one. */
static void random_noise_is_ignored(void)
{
	struct rig r;

	rig_init(&r);
	rig_open(&r, NULL, GCM);
	run(&r);
	for (int i = 0; i < 20000; i++) {
		uint8_t b[64];
		size_t n = rng_below(&r.rng, sizeof(b) + 1);

		rng_bytes(&r.rng, b, sizeof(b));
		if (n > 13 && i % 2) { /* a header that gets far */
			memcpy(b, "\x17\xfe\xfd\0\1\0\0", 7);
			b[0] = (uint8_t)(20 + i / 2 % 4);
			put_be16(b + 11, (uint16_t)(n - 13));
		}
		input(&r.server, b, n);
	}
	EQ(r.server.state, DTLS_OPEN);
	rig_done(&r);
}

/* ---- a hello as large as those of DTLS 1.3 browsers ---- */

struct hello {
	uint8_t body[4096];
	size_t n;
};

/* The client's own DTLS 1.2 hello with supported_versions (fefc, fefd) and a key share of `extra` bytes added. */
static void hello_grow(struct hello *h, const uint8_t *dgram, size_t n, size_t extra)
{
	struct rd r = rd_from(span_of(dgram + 25, n - 25));
	struct wr w = wr_from(h->body, sizeof(h->body));
	uint16_t exts;
	size_t at;

	wr_bytes(&w, rd_take(&r, 34), 34);
	for (int i = 0; i < 2; i++) { /* session id, cookie */
		uint8_t len = rd_u8(&r);

		wr_u8(&w, len);
		wr_span(&w, rd_span(&r, len));
	}
	exts = rd_be16(&r);
	wr_be16(&w, exts);
	wr_span(&w, rd_span(&r, exts));
	wr_be16(&w, rd_be16(&r)); /* one compression method */
	exts = rd_be16(&r);
	at = wr_len16(&w);
	wr_bytes(&w, "\0\x2b\0\5\4\xfe\xfc\xfe\xfd", 9);
	wr_be16(&w, 51);
	wr_be16(&w, (uint16_t)extra);
	for (size_t i = 0; i < extra; i++)
		wr_u8(&w, (uint8_t)(i * 7));
	wr_span(&w, rd_span(&r, exts));
	wr_len16_end(&w, at);
	OK(!r.bad && !w.bad && rd_left(&r) == 0);
	h->n = wr_len(&w);
}

static size_t fragment(const struct hello *h, size_t off, size_t n, uint8_t seq, uint8_t *out)
{
	struct wr w = wr_from(out, 2048);

	wr_u8(&w, 22);
	wr_be16(&w, 0xfeff);
	wr_be16(&w, 0);
	wr_zero(&w, 5);
	wr_u8(&w, seq);
	wr_be16(&w, (uint16_t)(n + 12));
	wr_u8(&w, 1);
	wr_be24(&w, (uint32_t)h->n);
	wr_be16(&w, 0);
	wr_be24(&w, (uint32_t)off);
	wr_be24(&w, (uint32_t)n);
	wr_bytes(&w, h->body + off, n);
	return wr_len(&w);
}

static void send_fragment(struct rig *r, const struct hello *h, int i, uint8_t seq)
{
	size_t cut = 1150, off = (size_t)i * cut, n = off + cut < h->n ? cut : h->n - off;
	uint8_t b[2048];

	input(&r->server, b, fragment(h, off, n, seq, b));
}

/* RFC 6347 4.2.3: fragments of a hello arrive in any order, twice or late; only the whole hello is answered. */
static void a_fragmented_hello_is_answered(void)
{
	const struct { const char *row; size_t extra; const char *order; size_t silent; } rows[] = {
		{ "in order: ", 1250, "01", 1 },         { "reversed: ", 1250, "10", 1 },
		{ "duplicated: ", 1250, "0011", 2 },     { "second lost: ", 1250, "001", 2 },
		{ "first lost: ", 1250, "101", 1 },      { "three: ", 2400, "012", 2 },
		{ "three, shuffled: ", 2400, "2002110", 4 }, { "interleaved: ", 2400, "2101210", 2 },
	};
	struct rig r;

	rig_init(&r);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *order = rows[i].order;
		struct hello h;
		const uint8_t *sh;

		t_row = rows[i].row;
		rig_open(&r, NULL, GCM);
		tick(&r.client);
		hello_grow(&h, r.client.sent.d[0].b, r.client.sent.d[0].n, rows[i].extra);
		for (size_t k = 0; order[k]; k++) {
			if (k <= rows[i].silent)
				EQ(r.server.sent.n, 0);
			send_fragment(&r, &h, order[k] - '0', (uint8_t)k);
			EQ(r.server.state, DTLS_HANDSHAKE);
		}
		OK(r.server.sent.n > 0);
		sh = r.server.sent.d[0].b;
		EQ(sh[0], 22);
		EQ(sh[13], 2); /* ServerHello */
		EQ(be16_at(sh + 25), 0xfefd);
		rig_close(&r);
	}
	rig_done(&r);
}

/* The certificate of a run is its own, and an association needs little memory; nothing leaks without a handshake. */
static void certificates_differ(void)
{
	struct dtls_ctx *a = dtls_ctx_new(), *b = dtls_ctx_new();
	struct dtls *d;

	OK(memcmp(dtls_ctx_fingerprint(a), dtls_ctx_fingerprint(b), DTLS_FINGERPRINT_LEN) != 0);
	d = dtls_mem_ops.open(a, dtls_ctx_fingerprint(b));
	OK(d && mono_is_never(dtls_mem_ops.next(d)));
	dtls_mem_ops.free(d);
	dtls_mem_ops.free(NULL);
	dtls_ctx_free(a);
	dtls_ctx_free(b);
	dtls_ctx_free(NULL);
}

T_MAIN(T(the_server_prefers_gcm), T(no_common_profile_fails), T(a_wrong_fingerprint_fails),
       T(loss_and_reordering_are_survived), T(a_lost_last_flight_is_sent_again), T(waits_double_and_end),
       T(close_notify_goes_both_ways), T(garbage_is_ignored), T(random_noise_is_ignored),
       T(a_fragmented_hello_is_answered), T(certificates_differ))
