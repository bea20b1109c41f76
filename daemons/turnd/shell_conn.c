/* SPDX-License-Identifier: AGPL-3.0-only */
/* Clients' streams: how they are made, watched, written to, timed, moved to another worker and closed. */
#include "turnd/shell_conn.h"
#include "turnd/shell_peer.h"

#include <errno.h>
#include <unistd.h>

#include "sys/sock.h"
#include "wire/turn.h"

#define WRITE_ROUNDS 8
#define FLAT_MAX 4096      /* a message of this size becomes one TLS record with its padding */
#define TLS_OVERHEAD 64    /* of a record */

static mono_t now_of(const struct conn *c)
{
	return loop_now(c->worker->loop);
}

/* ---- life ---- */

struct conn *conn_get(const struct worker *w, struct handle h)
{
	return slab_get(&w->conns, h);
}

void conn_deadline(struct conn *c, mono_t at)
{
	struct worker *w = c->worker;
	uint64_t wait = c->fd < 0 && c->tls ? dtls_wait(c->tls) : UINT64_MAX;

	c->deadline = at;
	if (wait != UINT64_MAX)
		at = mono_min(at, mono_add(now_of(c), wait));
	if (dq_set(&w->conns_due, &c->timer, at) < 0)
		conn_break(c);
}

static void on_ready(int fd, unsigned events, void *arg);

void conn_rewatch(struct conn *c)
{
	unsigned want = (c->stalled || c->eof ? 0 : LOOP_READ) | (c->out_n ? LOOP_WRITE : 0);

	if (c->fd < 0 || want == c->watching)
		return;
	loop_unwatch(c->watch);
	c->watch = want ? loop_watch(c->worker->loop, c->fd, want, on_ready, c) : NULL;
	c->watching = c->watch ? want : 0;
	if (want && !c->watch)
		conn_break(c);
}

/* In this worker's tables and on its loop; identity and deadline are new, all else is as it was. NULL: nothing changed. */
static struct conn *conn_file(struct worker *w, const struct conn *from)
{
	struct handle h;
	struct conn *c = slab_new(&w->conns, &h);

	if (!c)
		return NULL;
	*c = *from;
	c->self = c->client.conn = h;
	c->worker = w;
	c->began = now_of(c);
	if (dq_set(&w->conns_due, &c->timer, mono_add(now_of(c), c->client.via == VIA_TLS ? CONN_TLS_WAIT : CONN_SETUP_WAIT)) < 0) {
		slab_free(&w->conns, h);
		return NULL;
	}
	c->deadline = c->timer.at;
	return c;
}

struct conn *conn_new(struct worker *w, int fd, enum via via, const struct path *path)
{
	struct conn fresh = { .client = { .path = *path, .via = via }, .state = CONN_HELLO, .fd = fd };
	struct conn *c = conn_file(w, &fresh);

	if (c)
		w->stats.conns[via]++;
	else if (fd >= 0)
		close(fd);
	return c;
}

/* Out of this worker's tables; what it owns stays. */
static void conn_unfile(struct conn *c)
{
	struct worker *w = c->worker;

	source_give(c);
	dq_del(&w->conns_due, &c->timer);
	loop_unwatch(c->watch);
	c->watch = NULL;
	c->watching = 0;
	if (c->dirty)
		LIST_REMOVE(c, dirty_link);
	c->dirty = false;
	if (c->keyed)
		hmap_del(&w->dtls, &c->by_client);
}

static void conn_free(struct conn *c)
{
	if (c->fd >= 0)
		close(c->fd);
	tls_free(c->tls);
	mem_free(c->in);
	mem_free(c->out);
}

static bool write_out(struct conn *c)
{
	for (int i = 0; i < WRITE_ROUNDS && c->out_n; i++) {
		ssize_t n = write(c->fd, c->out + c->out_at, c->out_n);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		c->out_at += (uint32_t)n;
		c->out_n -= (uint32_t)n;
	}
	return true;
}

void conn_close(struct worker *w, struct conn *c)
{
	uint32_t peer = c->peer;

	if (w->out.n)
		worker_flush(w); /* it may speak of c->in, and of the relays that go with the allocation */
	if (c->state == CONN_PIPE)
		pipe_close(c);
	else if (c->state == CONN_TURN)
		turn_client_gone(&w->turn, &c->client);
	if (c->tls && !c->eof)
		tls_close(c->tls);
	if (c->fd >= 0 && !c->broken)
		(void)write_out(c); /* what fits: nobody waits for the rest */
	conn_unfile(c);
	conn_free(c);
	slab_free(&w->conns, c->self);
	w->stats.conns_ended++;
	if (peer)
		peer_left(w, peer);
}

static void make_dirty(struct conn *c)
{
	if (!c->dirty)
		LIST_INSERT_HEAD(&c->worker->streams->dirty, c, dirty_link);
	c->dirty = true;
}

void conn_break(struct conn *c)
{
	c->broken = true;
	make_dirty(c);
}

/* ---- to the client ---- */

uint32_t conn_unsent(const struct conn *c)
{
	return c->out_n;
}

static bool out_room(struct conn *c, size_t n)
{
	uint32_t cap = c->out_cap ? c->out_cap : CONN_IN_FIRST;
	uint8_t *grown;

	if (c->out_at && c->out_at + c->out_n + n > c->out_cap) {
		memmove(c->out, c->out + c->out_at, c->out_n);
		c->out_at = 0;
	}
	if (c->out_n + n <= c->out_cap)
		return true;
	while (cap < c->out_n + n && cap < 2 * CONN_OUT_MAX)
		cap *= 2;
	grown = cap < c->out_n + n ? NULL : mem_grow(c->out, c->out_cap, cap);
	if (!grown)
		return false;
	c->out = grown;
	c->out_cap = cap;
	return true;
}

void conn_queue(struct conn *c, struct span s)
{
	if (s.n == 0 || c->broken)
		return;
	if (!out_room(c, s.n)) {
		conn_break(c); /* a stream with a hole in it is none */
		return;
	}
	memcpy(c->out + c->out_at + c->out_n, s.p, s.n);
	c->out_n += (uint32_t)s.n;
	make_dirty(c);
}

static bool send_tls(struct conn *c, struct span head, struct span payload, size_t pad)
{
	static const uint8_t zero[4];
	uint8_t flat[FLAT_MAX];
	struct wr w = wr_from(flat, sizeof(flat));

	if (pad == 0)
		return tls_write(c->tls, head, payload);
	if (head.n + payload.n + pad > sizeof(flat))
		return tls_write(c->tls, head, payload) && tls_write(c->tls, span_of(NULL, 0), span_of(zero, pad));
	wr_span(&w, head);
	wr_span(&w, payload);
	wr_zero(&w, pad);
	return tls_write(c->tls, span_of(NULL, 0), wr_span_of(&w));
}

bool conn_send(void *owner, struct handle conn, struct span head, struct span payload)
{
	static const uint8_t zero[4];
	struct worker *w = owner;
	struct conn *c = conn_get(w, conn);
	size_t n = head.n + payload.n;
	/* RFC 8656 12.5: on streams ChannelData is padded. STUN messages are multiples of four anyway. */
	size_t pad = turn_pad(n);

	if (!c || c->broken)
		return false;
	if (c->fd < 0)
		return dtls_send(w, c, head, payload);
	if (c->out_n + n + pad + TLS_OVERHEAD > CONN_OUT_MAX) {
		w->stats.blocked++;
		return false;
	}
	if (c->tls) {
		if (!send_tls(c, head, payload, pad))
			conn_break(c);
	} else {
		conn_queue(c, head);
		conn_queue(c, payload);
		conn_queue(c, span_of(zero, pad));
	}
	return !c->broken;
}

bool conn_write(struct conn *c, struct span bytes)
{
	if (!c->tls)
		conn_queue(c, bytes);
	else if (!tls_write(c->tls, span_of(NULL, 0), bytes))
		conn_break(c);
	return !c->broken;
}

void conn_finish(struct conn *c)
{
	if (c->tls && !c->eof) /* to one that has said goodbye, nginx says nothing either */
		tls_close(c->tls);
	c->finish = true;
	make_dirty(c);
}

void conn_stall(struct conn *c, bool stalled)
{
	c->stalled = stalled;
	conn_rewatch(c);
}

static void flush(struct conn *c)
{
	bool full = c->out_n > 0;

	if (c->broken || !write_out(c)) {
		conn_close(c->worker, c);
		return;
	}
	conn_rewatch(c);
	if (c->out_n)
		return;
	mem_free(c->out);
	c->out = NULL;
	c->out_cap = c->out_at = 0;
	if (c->finish)
		sock_end(c->fd);
	if (c->state == CONN_PIPE && (full || c->finish))
		pipe_room(c);
}

void conns_flush(struct worker *w)
{
	struct conn *c;

	while (w->streams && (c = LIST_FIRST(&w->streams->dirty))) {
		LIST_REMOVE(c, dirty_link);
		c->dirty = false;
		if (c->fd >= 0)
			flush(c);
		else if (c->broken)
			conn_close(w, c);
	}
}

/* ---- events ---- */

static void on_ready(int fd, unsigned events, void *arg)
{
	struct conn *c = arg;
	struct worker *w = c->worker;
	struct handle h = c->self;
	ssize_t n;

	if (events & LOOP_WRITE)
		make_dirty(c); /* written when the turn ends, with what else comes */
	if (!(events & LOOP_READ) || c->stalled || c->eof)
		return;
	n = read(fd, w->streams->rx, STREAM_RX);
	if (n > 0)
		conn_bytes(c, span_of(w->streams->rx, (size_t)n));
	else if (n == 0)
		conn_eof(c);
	else if (errno != EAGAIN && errno != EINTR)
		conn_break(c);
	c = conn_get(w, h);
	if (c && c->broken)
		conn_close(w, c);
}

static void due(struct conn *c, mono_t now)
{
	struct worker *w = c->worker;

	if (!mono_reached(now, c->deadline)) {
		dtls_due(c);
		return;
	}
	if (c->state == CONN_TURN && turn_has_client(&w->turn, &c->client))
		conn_deadline(c, mono_add(now, CONN_IDLE)); /* its allocation keeps it */
	else if (c->state == CONN_TURN && c->heard.us && !mono_reached(now, mono_add(c->heard, CONN_IDLE)))
		conn_deadline(c, mono_add(c->heard, CONN_IDLE));
	else
		conn_close(w, c);
}

void conns_tick(struct worker *w, mono_t now)
{
	for (uint32_t left = w->conns.live; left; left--) {
		struct dq_node *first = dq_first(&w->conns_due);

		if (!first || !mono_reached(now, first->at))
			break;
		due(CONTAINER_OF(first, struct conn, timer), now);
	}
}

mono_t conns_next(const struct worker *w)
{
	return dq_next_at(&w->conns_due);
}

/* ---- to another worker ---- */

struct moving {
	struct mail mail;
	struct conn conn; /* what it owns, without its place */
	size_t n;
	uint8_t bytes[];
};

static void move_in(struct worker *w, struct mail *m)
{
	struct moving *v = CONTAINER_OF(m, struct moving, mail);
	struct conn *c = w->streams ? conn_file(w, &v->conn) : NULL;
	struct handle h;

	if (!c) {
		conn_free(&v->conn);
		w->stats.conns_refused++;
		mem_free(v);
		return;
	}
	h = c->self;
	if (c->tls) {
		const struct tls_io io = conn_io(c);

		tls_set_io(c->tls, &io);
	}
	if (c->out_n)
		make_dirty(c);
	if (c->state != CONN_PROXY && !source_take(c))
		conn_break(c);
	conn_rewatch(c);
	conn_plain(c, span_of(v->bytes, v->n));
	if (w->out.n)
		worker_flush(w);
	c = conn_get(w, h);
	if (c && c->broken)
		conn_close(w, c);
	mem_free(v);
}

void conn_move(struct conn *c, struct worker *to, struct span msg)
{
	struct worker *w = c->worker;
	size_t n = msg.n + c->rest.n;
	struct moving *v;

	if (c->fd < 0 || c->state == CONN_PIPE || to == w)
		return;
	v = mem_alloc(sizeof(*v) + n);
	if (!v) {
		conn_break(c);
		return;
	}
	if (msg.n)
		memcpy(v->bytes, msg.p, msg.n);
	if (c->rest.n)
		memcpy(v->bytes + msg.n, c->rest.p, c->rest.n);
	v->n = n;
	v->mail.fn = move_in;
	if (w->out.n)
		worker_flush(w);
	if (c->state == CONN_TURN)
		turn_client_gone(&w->turn, &c->client);
	conn_unfile(c);
	c->rest = span_of(NULL, 0);
	c->in_n = 0; /* msg, if it was there */
	v->conn = *c;
	slab_free(&w->conns, c->self);
	if (!worker_post(to, &v->mail)) {
		conn_free(&v->conn);
		mem_free(v);
	}
}
