/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * What clients' streams bring: the front's header, TLS, and then messages, which are cut and go to the core from where they were
 * read. They stay there until the outbox is flushed, which is why every reuse of a buffer flushes first.
 */
#include "sys/log.h"
#include "sys/sock.h"
#include "turnd/proxy_hdr.h"
#include "turnd/shell_conn.h"

#define FIRST_LEN 8 /* enough of a STUN message to tell it from anything else: its cookie is complete */
#define PROXY_LINE_MAX 107

static mono_t now_of(const struct conn *c)
{
	return loop_now(c->worker->loop);
}

/* ---- messages of the client ---- */

/* Keeps the first n of *bytes in c->in. */
static bool keep(struct conn *c, struct span *bytes, size_t n)
{
	uint32_t cap = c->in_cap ? c->in_cap : CONN_IN_FIRST;

	if (c->worker->out.n)
		worker_flush(c->worker);
	while (cap < c->in_n + n)
		cap *= 2;
	if (cap > c->in_cap) {
		uint8_t *grown = c->in_n + n > 2 * TURN_FRAME_MAX ? NULL : mem_grow(c->in, c->in_cap, cap);

		if (!grown)
			return false;
		c->in = grown;
		c->in_cap = cap;
	}
	memcpy(c->in + c->in_n, bytes->p, n);
	c->in_n += (uint32_t)n;
	*bytes = span_of(bytes->p + n, bytes->n - n);
	return true;
}

/* The next whole message, from where it lies. ERR_SHORT: all that is there was kept. */
static int next_message(struct conn *c, struct span *bytes, struct span *ret)
{
	size_t n;
	int r;

	if (c->in_n == 0) {
		r = turn_frame(*bytes, &n);
		if (r == ERR_SHORT)
			return keep(c, bytes, bytes->n) ? ERR_SHORT : ERR_NOMEM;
		if (r < 0)
			return r;
		*ret = span_of(bytes->p, n);
		*bytes = span_of(bytes->p + n, bytes->n - n);
		return 0;
	}
	while ((r = turn_frame(span_of(c->in, c->in_n), &n)) == ERR_SHORT) {
		size_t want = (n ? n : TURN_CHANNEL_HDR_LEN) - c->in_n;

		if (bytes->n == 0)
			return ERR_SHORT;
		if (!keep(c, bytes, want < bytes->n ? want : bytes->n))
			return ERR_NOMEM;
	}
	if (r < 0)
		return r;
	*ret = span_of(c->in, n);
	c->in_n = 0;
	return 0;
}

/* The core has what it wants of the buffers. */
static void settle(struct conn *c)
{
	if (c->worker->out.n)
		worker_flush(c->worker);
	if (c->in_n)
		return;
	mem_free(c->in);
	c->in = NULL;
	c->in_cap = 0;
}

static void feed(struct conn *c, struct span bytes)
{
	struct worker *w = c->worker;
	struct handle h = c->self;

	while (bytes.n) {
		struct client who = c->client;
		struct span msg;
		int r = next_message(c, &bytes, &msg);

		if (r == ERR_SHORT)
			break;
		if (r < 0) {
			w->stats.framing++;
			conn_close(w, c);
			return;
		}
		c->heard = now_of(c);
		c->rest = bytes;
		(void)worker_input(w, &who, msg);
		c = conn_get(w, h);
		if (!c) /* it has moved, and the rest of the bytes with it */
			return;
		c->rest = span_of(NULL, 0);
		if (c->counted && turn_has_client(&w->turn, &c->client))
			source_give(c);
		if (c->state == CONN_PIPE) {
			settle(c);
			pipe_from_client(c, bytes);
			return;
		}
	}
	settle(c);
}

/* ---- what else may be at the other end ---- */

/* Everything the client has sent, and who it is, to the web server that this name should have. */
static void cover(struct conn *c, struct span bytes)
{
	struct worker *w = c->worker;
	const char *path = tls_alpn(c->tls) == TLS_ALPN_H2 ? w->d->conf.cover_h2_socket : w->d->conf.cover_socket;
	uint8_t *first = mem_alloc(PROXY_LINE_MAX + c->in_n + bytes.n);
	struct wr out = wr_from(first, first ? PROXY_LINE_MAX + c->in_n + bytes.n : 0);
	int fd = first && path[0] ? sock_connect_unix(path) : ERR_MISSING;

	if (path[0] && fd < 0)
		log_warn("the cover site's socket %s does not answer: %s", path, err_str(fd));
	proxy_hdr_write(&out, &c->client.path.remote, &c->client.path.local);
	wr_span(&out, span_of(c->in, c->in_n));
	wr_span(&out, bytes);
	c->in_n = 0;
	if (fd < 0 || pipe_open(c, fd, wr_span_of(&out)) < 0)
		conn_close(w, c);
	else
		w->stats.covered++;
	mem_free(first);
}

/* ERR_SHORT: cannot tell yet. ERR_MALFORMED: this is no request that a TURN client begins with (RFC 8489 5). */
static int judge_first(const struct conn *c, struct span bytes)
{
	uint8_t first[FIRST_LEN];
	struct wr w = wr_from(first, sizeof(first));
	size_t n, more = FIRST_LEN - c->in_n;

	wr_span(&w, span_of(c->in, c->in_n));
	wr_span(&w, span_of(bytes.p, bytes.n < more ? bytes.n : more));
	if (first[0] != 0 || turn_frame(wr_span_of(&w), &n) == ERR_MALFORMED)
		return ERR_MALFORMED;
	return wr_len(&w) < FIRST_LEN ? ERR_SHORT : 0;
}

static void first_bytes(struct conn *c, struct span bytes)
{
	struct worker *w = c->worker;
	int r = judge_first(c, bytes);

	if (r == ERR_SHORT && keep(c, &bytes, bytes.n))
		return;
	if (r == 0) {
		c->state = CONN_TURN;
		feed(c, bytes);
	} else if (c->tls) {
		cover(c, bytes);
	} else {
		w->stats.framing++;
		conn_close(w, c);
	}
}

void conn_plain(struct conn *c, struct span bytes)
{
	if (bytes.n == 0)
		return;
	switch (c->state) {
	case CONN_FIRST:
		first_bytes(c, bytes);
		break;
	case CONN_TURN:
		feed(c, bytes);
		break;
	case CONN_PIPE:
		pipe_from_client(c, bytes);
		break;
	case CONN_PROXY:
	case CONN_HELLO:
		break;
	}
}

/* ---- TLS ---- */

static void to_peer(void *owner, struct span bytes)
{
	conn_queue(owner, bytes);
}

static void to_app(void *owner, struct span bytes)
{
	struct conn *c = owner;
	struct streams *s = c->worker->streams;

	if (bytes.n > STREAM_PLAIN - s->plain_n) {
		conn_break(c); /* cannot be: more came out than went in */
		return;
	}
	memcpy(s->plain + s->plain_n, bytes.p, bytes.n);
	s->plain_n += (uint32_t)bytes.n;
}

struct tls_io conn_io(struct conn *c)
{
	return (struct tls_io){ to_peer, to_app, c };
}

bool conn_start(struct conn *c)
{
	const struct tls_io io = conn_io(c);

	if (c->state == CONN_PROXY || c->client.via == VIA_TCP) {
		c->state = c->state == CONN_PROXY ? CONN_PROXY : CONN_FIRST;
	} else {
		c->state = CONN_HELLO;
		c->tls = c->worker->tls ? tls_new(c->worker->tls, &io) : NULL;
		if (!c->tls)
			return false;
	}
	if (c->client.via == VIA_TLS)
		conn_deadline(c, mono_add(now_of(c), CONN_TLS_WAIT));
	conn_rewatch(c);
	return !c->broken;
}

/* The handshake is done. An HTTP/2 server speaks first, and whoever has chosen h2 is no TURN client. */
static void greet(struct conn *c)
{
	c->state = CONN_FIRST;
	conn_deadline(c, mono_add(now_of(c), CONN_TLS_WAIT));
	if (tls_alpn(c->tls) == TLS_ALPN_H2)
		cover(c, span_of(NULL, 0));
}

/* The client has said that nothing more will come. */
void conn_eof(struct conn *c)
{
	c->eof = true;
	if (c->state != CONN_PIPE) {
		conn_close(c->worker, c);
		return;
	}
	conn_rewatch(c);
	pipe_client_eof(c);
}

/* Plain HTTP on a TLS port gets no page that says so, as nginx would send: the alert-less end is OpenSSL's own. */
static void tls_bytes(struct conn *c, struct span wire)
{
	struct worker *w = c->worker;
	struct streams *s = w->streams;
	struct handle h = c->self;
	enum tls_state state;

	if (w->out.n)
		worker_flush(w);
	s->plain_n = 0;
	state = tls_input(c->tls, wire);
	if (c->state == CONN_HELLO && (state == TLS_OPEN || state == TLS_CLOSED))
		greet(c);
	c = conn_get(w, h);
	if (c)
		conn_plain(c, span_of(s->plain, s->plain_n));
	c = conn_get(w, h);
	if (!c || (state != TLS_CLOSED && state != TLS_FAILED))
		return;
	if (state == TLS_FAILED) {
		w->stats.tls_failed++;
		conn_close(w, c);
	} else {
		conn_eof(c);
	}
}

/* ---- the front's header ---- */

static void proxy_bytes(struct conn *c, struct span bytes)
{
	struct worker *w = c->worker;
	struct proxy_hdr hdr;
	size_t had = c->in_n, more = PROXY_HDR_MAX - had;
	struct span rest = bytes;
	int r = ERR_NOMEM;

	if (keep(c, &rest, bytes.n < more ? bytes.n : more))
		r = proxy_hdr_parse(span_of(c->in, c->in_n), &hdr);
	if (r == ERR_SHORT && c->in_n < PROXY_HDR_MAX)
		return;
	/* `local`: nobody's connection, such as a health check of the front. There is nothing to tell it. */
	if (r < 0 || hdr.local || hdr.n < had) {
		w->stats.proxy_refused++;
		conn_close(w, c);
		return;
	}
	c->client.path = (struct path){ .remote = hdr.client, .local = hdr.server };
	c->in_n = 0;
	settle(c);
	c->state = CONN_HELLO;
	if (!source_take(c) || !conn_start(c)) {
		w->stats.conns_refused++;
		conn_close(w, c);
		return;
	}
	conn_bytes(c, span_of(bytes.p + (hdr.n - had), bytes.n - (hdr.n - had)));
}

void conn_bytes(struct conn *c, struct span wire)
{
	if (wire.n == 0)
		return;
	if (c->state == CONN_PROXY)
		proxy_bytes(c, wire);
	else if (c->tls)
		tls_bytes(c, wire);
	else
		conn_plain(c, wire);
}
