/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * TCP relay (RFC 6062): peers' streams between the moment they exist and the moment a client's stream is joined to them, and
 * which ones are joined, because an allocation has few and takes them along when it ends.
 *
 *   timer    armed by                      fires after    does
 *   connect  Connect                       STREAM_LIFE    447, closes
 *   bind     connected, or peer accepted   STREAM_LIFE    closes
 */
#include "turnd/req.h"

#define STREAM_LIFE DUR_SEC(30) /* RFC 6062 5.2 and 5.4 */
#define STREAMS_MAX (UINT32_C(1) << 20)
#define ATTEMPT_MAX 64 /* 20, CONNECTION-ID 8, XOR-PEER-ADDRESS 24 */

struct turn_stream {
	struct handle self, alloc, next; /* next: of the same allocation */
	struct hmap_node by_id;
	struct dq_node timer;
	enum { STREAM_CONNECTING, STREAM_WAITING, STREAM_JOINED } state;
	uint32_t id;
	struct addr peer;
	/* of the Connect, which is answered later */
	uint8_t tid[STUN_TID_LEN];
	bool fingerprint, sha256;
	uint8_t key_n, key[STUN_KEY_MAX];
};

void streams_init(struct turn *t)
{
	uint64_t n = (uint64_t)t->conf.max_allocs * t->conf.max_streams;

	slab_init(&t->streams, sizeof(struct turn_stream), n < STREAMS_MAX ? (uint32_t)n : STREAMS_MAX);
	hmap_init(&t->stream_ids, t->rng);
	dq_init(&t->streams_due);
}

/* After the allocations. */
void streams_done(struct turn *t)
{
	slab_done(&t->streams);
	hmap_done(&t->stream_ids);
	dq_done(&t->streams_due);
}

static struct turn_stream *get(const struct turn *t, struct handle h)
{
	return slab_get(&t->streams, h);
}

static uint64_t hash_of(const struct turn *t, uint32_t id)
{
	return hmap_hash(&t->stream_ids, &id, sizeof(id));
}

static struct turn_stream *by_id(const struct turn *t, uint32_t id)
{
	for (struct hmap_node *n = hmap_first(&t->stream_ids, hash_of(t, id)); n; n = hmap_next(n)) {
		struct turn_stream *s = CONTAINER_OF(n, struct turn_stream, by_id);

		if (s->id == id)
			return s;
	}
	return NULL;
}

static bool has_peer(const struct turn *t, const struct alloc *a, const struct addr *peer)
{
	for (struct turn_stream *s = get(t, a->streams); s; s = get(t, s->next))
		if (addr_eq(&s->peer, peer))
			return true;
	return false;
}

/* 0 names no stream, and two of one name would be joined to each other's clients. */
static uint32_t fresh_id(const struct turn *t)
{
	uint32_t id;

	do
		id = connection_id_make(t->conf.worker, t->rng);
	while (id == 0 || by_id(t, id));
	return id;
}

static struct turn_stream *stream_new(struct turn *t, struct alloc *a, const struct addr *peer, mono_t now)
{
	struct turn_stream *s;
	struct handle self;

	s = a->n_streams < t->conf.max_streams ? slab_new(&t->streams, &self) : NULL;
	if (!s)
		return NULL;
	*s = (struct turn_stream){ .self = self, .alloc = a->self, .peer = *peer, .id = fresh_id(t) };
	if (dq_set(&t->streams_due, &s->timer, mono_add(now, STREAM_LIFE)) < 0 ||
	    hmap_put(&t->stream_ids, &s->by_id, hash_of(t, s->id)) < 0) {
		dq_del(&t->streams_due, &s->timer);
		slab_free(&t->streams, self);
		return NULL;
	}
	s->next = a->streams;
	a->streams = self;
	a->n_streams++;
	return s;
}

static void unlist(struct turn *t, struct alloc *a, const struct turn_stream *s)
{
	struct handle *at = &a->streams;

	while (!handle_eq(*at, s->self))
		at = &get(t, *at)->next;
	*at = s->next;
	a->n_streams--;
}

static void stream_free(struct turn *t, struct turn_stream *s)
{
	unlist(t, alloc_get(t, s->alloc), s);
	hmap_del(&t->stream_ids, &s->by_id);
	dq_del(&t->streams_due, &s->timer);
	wipe(s->key, sizeof(s->key));
	slab_free(&t->streams, s->self);
}

void streams_end_of(struct turn *t, struct alloc *a)
{
	for (struct turn_stream *s; (s = get(t, a->streams));) {
		t->ops->peer_close(t->owner, s->id);
		stream_free(t, s);
	}
}

/* --- Connect ----------------------------------------------------------------------------------------------------- */

/* What the request was, as far as its answer depends on it. */
static struct req request_of(const struct turn *t, const struct turn_stream *s, mono_t now)
{
	const struct client *c = alloc_client(alloc_get(t, s->alloc));
	struct req q = { .client = c, .path = c->path, .now = now, .sha256 = s->sha256, .key_n = s->key_n };

	q.msg.method = TURN_CONNECT;
	q.msg.tid = s->tid;
	q.msg.has_fingerprint = s->fingerprint;
	memcpy(q.key, s->key, sizeof(q.key));
	return q;
}

static void answer(struct turn *t, const struct turn_stream *s, uint16_t code, mono_t now)
{
	struct req q = request_of(t, s, now);
	struct reply r;
	enum drop d;

	if (code) {
		d = req_error(t, &q, code);
	} else {
		reply_ok(&r, &q);
		turn_put_u32(&r.w, TURN_ATTR_CONNECTION_ID, s->id);
		d = reply_send(t, &q, &r);
	}
	wipe(q.key, sizeof(q.key));
	t->stats.drops[d] += d != DROP_NONE;
}

static void remember(struct turn_stream *s, const struct req *q)
{
	memcpy(s->tid, q->msg.tid, sizeof(s->tid));
	memcpy(s->key, q->key, sizeof(s->key));
	s->key_n = q->key_n;
	s->sha256 = q->sha256;
	s->fingerprint = q->msg.has_fingerprint;
}

/* RFC 6062 5.2. The answer comes when the peer has answered. */
enum drop req_connect(struct turn *t, struct req *q)
{
	struct addr peer = q->attrs.peer[0];
	struct alloc *a = q->alloc;
	struct turn_stream *s;
	int f = family_of(&peer);
	uint16_t code;

	if (!a->tcp || q->attrs.n_peers != 1)
		return req_error(t, q, TURN_ERR_BAD_REQUEST);
	code = relay_judge(t, a, &peer, true);
	if (code)
		return req_error(t, q, code);
	if (has_peer(t, a, &peer))
		return req_error(t, q, TURN_ERR_CONNECTION_EXISTS);
	if (!relay_map_out(t, &peer))
		return req_error(t, q, TURN_ERR_FORBIDDEN);
	s = stream_new(t, a, &q->attrs.peer[0], q->now);
	if (!s)
		return req_error(t, q, TURN_ERR_CAPACITY);
	remember(s, q);
	if (t->ops->peer_connect(t->owner, s->id, f, a->port[f], &peer) == 0)
		return DROP_NONE;
	stream_free(t, s);
	return req_error(t, q, TURN_ERR_CONNECTION_FAILED);
}

void turn_peer_connected(struct turn *t, uint32_t id, int err, mono_t now)
{
	struct turn_stream *s = by_id(t, id);

	if (!s || s->state != STREAM_CONNECTING)
		return;
	answer(t, s, err < 0 ? TURN_ERR_CONNECTION_FAILED : 0, now);
	if (err < 0) {
		stream_free(t, s);
		return;
	}
	s->state = STREAM_WAITING;
	(void)dq_set(&t->streams_due, &s->timer, mono_add(now, STREAM_LIFE)); /* is queued already */
}

/* --- a peer connects --------------------------------------------------------------------------------------------- */

static enum drop tell(struct turn *t, const struct alloc *a, const struct turn_stream *s)
{
	uint8_t mem[ATTEMPT_MAX], tid[STUN_TID_LEN];
	struct wr w = wr_from(mem, sizeof(mem));

	indication_tid(t, tid);
	stun_begin(&w, STUN_INDICATION, TURN_CONNECTION_ATTEMPT, tid);
	turn_put_u32(&w, TURN_ATTR_CONNECTION_ID, s->id);
	stun_put_xor_addr(&w, TURN_ATTR_XOR_PEER_ADDRESS, &s->peer, tid);
	stun_end(&w);
	return send_to_client(t, a, wr_span_of(&w), (struct span){ 0 });
}

/* RFC 6062 5.3. */
static enum drop accept_peer(struct turn *t, struct alloc *a, const struct addr *peer, mono_t now, uint32_t *ret)
{
	struct addr from = *peer;
	struct turn_stream *s;
	enum drop d;

	if (!a || !a->tcp)
		return DROP_RELAY_GONE;
	if (!relay_map_in(t, &from))
		return DROP_PEER_FORBIDDEN;
	if (!perm_has(&a->perms, &from, now))
		return DROP_RELAY_PERMISSION;
	s = stream_new(t, a, &from, now);
	if (!s)
		return DROP_BLOCKED;
	s->state = STREAM_WAITING;
	d = tell(t, a, s);
	if (d != DROP_NONE)
		stream_free(t, s);
	else
		*ret = s->id;
	return d;
}

uint32_t turn_peer_accepted(struct turn *t, struct handle alloc, int family, const struct addr *peer, mono_t now)
{
	uint32_t id = 0;
	enum drop d = accept_peer(t, alloc_get(t, alloc), peer, now, &id);

	(void)family; /* that of the peer */
	t->stats.drops[d] += d != DROP_NONE;
	return id;
}

/* --- ConnectionBind ---------------------------------------------------------------------------------------------- */

/* RFC 6062 5.4. */
enum drop req_connection_bind(struct turn *t, struct req *q)
{
	bool stream = q->client->via == VIA_TCP || q->client->via == VIA_TLS;
	uint8_t worker = (uint8_t)(q->attrs.connection >> 24);
	const struct alloc *a;
	struct turn_stream *s;
	struct reply r;
	enum drop d;

	if (q->alloc || !stream || !q->attrs.has_connection)
		return req_error(t, q, TURN_ERR_BAD_REQUEST);
	if (worker != t->conf.worker && worker < t->conf.n_workers) {
		t->other = worker;
		return DROP_OTHER_WORKER;
	}
	s = by_id(t, q->attrs.connection);
	if (!s || s->state != STREAM_WAITING)
		return req_error(t, q, TURN_ERR_BAD_REQUEST);
	a = alloc_get(t, s->alloc);
	if (!span_eq(q->user, span_of(a->user, a->user_n)))
		return req_error(t, q, TURN_ERR_WRONG_CREDENTIALS);
	reply_ok(&r, q);
	turn_put_u32(&r.w, TURN_ATTR_CONNECTION_ID, s->id);
	d = reply_send(t, q, &r);
	if (d != DROP_NONE)
		return d;
	s->state = STREAM_JOINED;
	dq_del(&t->streams_due, &s->timer);
	wipe(s->key, sizeof(s->key));
	t->stats.streams++;
	t->ops->peer_join(t->owner, s->id, q->client->conn);
	return DROP_NONE;
}

void turn_peer_gone(struct turn *t, uint32_t id)
{
	struct turn_stream *s = by_id(t, id);

	if (s)
		stream_free(t, s);
}

void streams_tick(struct turn *t, mono_t now)
{
	for (struct dq_node *n; (n = dq_first(&t->streams_due)) && mono_reached(now, n->at);) {
		struct turn_stream *s = CONTAINER_OF(n, struct turn_stream, timer);

		t->ops->peer_close(t->owner, s->id);
		if (s->state == STREAM_CONNECTING)
			answer(t, s, TURN_ERR_CONNECTION_FAILED, now);
		stream_free(t, s);
	}
}
