/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * DTLS (RFC 7350) on the datagram listeners that have it: sessions by 5-tuple, each of them a conn without a descriptor. Records
 * leave by the outbox, like everything else on UDP. A session stays with the worker its 5-tuple is steered to: what belongs to
 * another one (a mobility ticket's allocation) is dropped, and the client's next attempt, from another port, may fare better.
 */
#include "turnd/shell_conn.h"
#include "turnd/shell_peer.h"

#define REPLACE_AFTER DUR_SEC(2) /* a ClientHello that comes earlier is one that was late */
#define RECORDS_ROOM 4096        /* a datagram decrypts to less */

/* Where records go while there is no conn yet. */
struct origin {
	struct worker *w;
	const struct path *path;
};

static void send_record(struct worker *w, const struct path *path, struct span bytes)
{
	uint8_t *p;

	if (bytes.n > OUTBOX_DGRAM_MAX)
		return;
	p = outbox_reserve(&w->out, bytes.n);
	memcpy(p, bytes.p, bytes.n);
	outbox_commit(&w->out, path, bytes.n);
}

static void origin_to_peer(void *owner, struct span bytes)
{
	const struct origin *o = owner;

	send_record(o->w, o->path, bytes);
}

static void origin_to_app(void *owner, struct span bytes)
{
	(void)owner;
	(void)bytes;
}

static void to_peer(void *owner, struct span bytes)
{
	const struct conn *c = owner;

	send_record(c->worker, &c->client.path, bytes);
}

/* Messages wait in `plain` until the session is through with its datagram: the core may want to answer. */
static void to_app(void *owner, struct span bytes)
{
	const struct conn *c = owner;
	struct streams *s = c->worker->streams;

	if (bytes.n == 0 || s->n_records == STREAM_RECORDS || bytes.n > STREAM_PLAIN - s->plain_n)
		return;
	memcpy(s->plain + s->plain_n, bytes.p, bytes.n);
	s->record[s->n_records++] = span_of(s->plain + s->plain_n, bytes.n);
	s->plain_n += (uint32_t)bytes.n;
}

static uint64_t hash_of(const struct worker *w, const struct path *path)
{
	return hmap_hash(&w->dtls, path, sizeof(*path));
}

static struct conn *by_path(const struct worker *w, const struct path *path)
{
	for (struct hmap_node *n = hmap_first(&w->dtls, hash_of(w, path)); n; n = hmap_next(n)) {
		struct conn *c = CONTAINER_OF(n, struct conn, by_client);

		if (path_eq(&c->client.path, path))
			return c;
	}
	return NULL;
}

/* The outbox may still borrow what was decrypted before. */
static void make_room(struct worker *w)
{
	struct streams *s = w->streams;

	if (w->out.n && STREAM_PLAIN - s->plain_n < RECORDS_ROOM)
		worker_flush(w);
	if (w->out.n == 0)
		s->plain_n = 0;
	s->n_records = 0;
}

static void deliver(struct conn *c)
{
	struct worker *w = c->worker;
	const struct handle h = c->self;
	const struct client who = c->client;

	for (uint32_t i = 0; i < w->streams->n_records; i++) {
		c->state = CONN_TURN;
		c->heard = loop_now(w->loop);
		(void)worker_input(w, &who, w->streams->record[i]);
		c = conn_get(w, h);
		if (!c)
			return;
	}
	if (w->streams->n_records && c->counted && turn_has_client(&w->turn, &c->client))
		source_give(c);
}

static void session_input(struct conn *c, struct span dgram)
{
	struct worker *w = c->worker;
	const struct handle h = c->self;
	enum tls_state state;

	make_room(w);
	state = tls_input(c->tls, dgram);
	if (c->state == CONN_HELLO && state == TLS_OPEN)
		c->state = CONN_FIRST;
	deliver(c);
	c = conn_get(w, h);
	if (!c)
		return;
	if (state == TLS_FAILED)
		w->stats.tls_failed++;
	if (state == TLS_FAILED || state == TLS_CLOSED)
		conn_close(w, c);
	else if (state == TLS_HANDSHAKE)
		conn_deadline(c, c->deadline); /* retransmissions */
}

/* The cookie came back: from here on there is something to keep. */
static void session_new(struct worker *w, const struct path *path, struct tls *tls)
{
	struct conn *c = conn_new(w, -1, VIA_DTLS, path);

	if (!c) {
		w->stats.conns_refused++;
		tls_free(tls);
		return;
	}
	c->tls = tls;
	c->state = CONN_HELLO;
	tls_set_io(tls, &(struct tls_io){ to_peer, to_app, c });
	c->keyed = hmap_put(&w->dtls, &c->by_client, hash_of(w, path)) == 0;
	if (!c->keyed || !source_take(c)) {
		w->stats.conns_refused++;
		conn_close(w, c);
		return;
	}
	conn_deadline(c, mono_add(loop_now(w->loop), CONN_SETUP_WAIT));
}

void dtls_dgram(struct worker *w, const struct path *path, struct span dgram)
{
	struct origin o = { w, path };
	const struct tls_io io = { origin_to_peer, origin_to_app, &o };
	struct conn *c = by_path(w, path);
	struct tls *tls;

	/* RFC 6347 4.2.8: a client may start anew from the same port; what it had lives until the cookie has come back. */
	if (c && (c->state == CONN_HELLO || !dtls_is_hello(dgram) ||
		  mono_since(loop_now(w->loop), c->began) < REPLACE_AFTER)) {
		session_input(c, dgram);
		return;
	}
	if (!w->tls || w->conns.live == CONNS_MAX)
		return;
	make_room(w);
	tls = dtls_accept(w->tls, &path->remote, dgram, &io);
	if (!tls)
		return;
	if (c)
		conn_close(w, c);
	session_new(w, path, tls);
}

bool dtls_send(struct worker *w, struct conn *c, struct span head, struct span payload)
{
	uint8_t whole[TLS_DTLS_APP_MAX];
	size_t n = head.n + payload.n, pad = turn_pad(n);

	/* A message is one record: its padding has to be in it. */
	if (pad && n + pad <= sizeof(whole)) {
		memcpy(whole, head.p, head.n);
		if (payload.n)
			memcpy(whole + head.n, payload.p, payload.n);
		memset(whole + n, 0, pad);
		head = span_of(NULL, 0);
		payload = span_of(whole, n + pad);
	}
	if (tls_write(c->tls, head, payload))
		return true;
	w->stats.blocked++;
	return false;
}

void dtls_due(struct conn *c)
{
	if (c->tls)
		dtls_tick(c->tls);
	if (c->tls && tls_state_of(c->tls) == TLS_FAILED) {
		c->worker->stats.tls_failed++;
		conn_close(c->worker, c);
		return;
	}
	conn_deadline(c, c->deadline);
}
