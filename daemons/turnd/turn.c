/* SPDX-License-Identifier: AGPL-3.0-only */
/* One server's life, and which handler a message goes to. */
#include "turnd/req.h"

static void init_tables(struct turn *t)
{
	slab_init(&t->allocs, sizeof(struct alloc), t->conf.max_allocs);
	hmap_init(&t->clients, t->rng);
	dq_init(&t->due);
	relays_init(t);
	streams_init(t);
}

int turn_init(struct turn *t, const struct turn_conf *c, struct rng *rng, struct outbox *out, const struct turn_ops *ops,
	      void *owner, mono_t now, wall_t wall)
{
	int r;

	*t = (struct turn){ .conf = *c, .rng = rng, .out = out, .ops = ops, .owner = owner };
	r = challenge_init(&t->challenge, rng);
	if (r < 0)
		return r;
	t->last.via = VIA_MAX_;
	t->tid_next = rng_u64(rng);
	init_tables(t);
	turn_set_wall(t, now, wall);
	return 0;
}

void turn_done(struct turn *t)
{
	struct handle h;
	uint32_t slot = 0;
	struct alloc *a;

	while ((a = slab_next(&t->allocs, &slot, &h)))
		alloc_free(t, a);
	relays_done(t);
	streams_done(t);
	slab_done(&t->allocs);
	hmap_done(&t->clients);
	dq_done(&t->due);
	challenge_done(&t->challenge);
	wipe(&t->conf, sizeof(t->conf));
	*t = (struct turn){ 0 };
}

void turn_set_wall(struct turn *t, mono_t now, wall_t wall)
{
	t->wall_off = wall.us - now.us; /* may wrap: wall_of adds it back */
}

static bool wanted(const void *policy, const struct addr *peer)
{
	return peer_policy(policy, peer) != PEER_FORBIDDEN;
}

void turn_reconf(struct turn *t, const struct turn_conf *c)
{
	const struct turn_conf was = t->conf;
	struct handle h;
	uint32_t slot = 0;
	struct alloc *a;

	t->conf = *c;
	memcpy(t->conf.relay, was.relay, sizeof(was.relay));
	memcpy(t->conf.nonce_key, was.nonce_key, sizeof(was.nonce_key));
	memcpy(t->conf.ticket_key, was.ticket_key, sizeof(was.ticket_key));
	t->conf.worker = was.worker;
	t->conf.n_workers = was.n_workers;
	t->conf.max_allocs = was.max_allocs;
	t->conf.max_streams = was.max_streams;
	while ((a = slab_next(&t->allocs, &slot, &h)))
		perms_keep(&a->perms, wanted, &t->conf.policy);
}

void turn_drain(struct turn *t)
{
	t->draining = true;
}

/* --- messages ---------------------------------------------------------------------------------------------------- */

/* RFC 8656 5: but for Allocate, a request on a 5-tuple without an allocation is 437. */
static const struct method {
	req_fn *fn;
	bool open;  /* asks for no credentials */
	bool alloc; /* needs the allocation of the 5-tuple */
} methods[TURN_METHODS] = {
	[STUN_BINDING] = { req_binding, .open = true },
	[TURN_ALLOCATE] = { .fn = req_allocate },
	[TURN_REFRESH] = { req_refresh, .alloc = true },
	[TURN_CREATE_PERMISSION] = { req_create_permission, .alloc = true },
	[TURN_CHANNEL_BIND] = { req_channel_bind, .alloc = true },
	[TURN_CONNECT] = { req_connect, .alloc = true },
	[TURN_CONNECTION_BIND] = { .fn = req_connection_bind },
};

/* In the order of RFC 8489 6.3.1 and 9.2.4: who asks, was all of it understood, does it make sense. */
static uint16_t check(struct turn *t, struct req *q, const struct method *m)
{
	int attrs = turn_attrs_parse(&q->msg, &q->attrs);
	uint16_t code = 0;

	if (attrs == 0)
		req_find_ticket(t, q);
	if (!m->open)
		code = req_auth(t, q);
	if (code)
		return code;
	if (q->msg.n_unknown)
		return TURN_ERR_UNKNOWN_ATTRIBUTE;
	if (attrs < 0)
		return attrs == ERR_LIMIT ? TURN_ERR_CAPACITY : TURN_ERR_BAD_REQUEST;
	if (m->alloc && !q->alloc && !q->elsewhere)
		return TURN_ERR_MISMATCH;
	return 0;
}

static enum drop on_request(struct turn *t, struct req *q)
{
	const struct method *m = &methods[q->msg.method];
	struct alloc *a = q->alloc;
	uint16_t code;

	if (!m->fn)
		return DROP_STUN_UNEXPECTED;
	t->stats.requests[q->msg.method]++;
	code = check(t, q, m);
	if (code)
		return req_error(t, q, code);
	if (q->elsewhere) /* but a DTLS session stays here */
		return q->client->via == VIA_DTLS ? req_error(t, q, TURN_ERR_MISMATCH) : DROP_OTHER_WORKER;
	/* RFC 8016 3.2.2, and it is proven: the client has its new address. */
	if (q->key_n && a && a->former.client.via != VIA_MAX_ && client_same(q->client, &a->now.client))
		alloc_settle(t, a);
	return m->fn(t, q);
}

static enum drop on_indication(struct turn *t, struct req *q)
{
	if (q->msg.n_unknown)
		return DROP_STUN_UNEXPECTED;
	if (q->msg.method == STUN_BINDING) { /* RFC 8489 2: keeps a NAT's mapping alive, and has */
		t->stats.indications[STUN_BINDING]++;
		return DROP_NONE;
	}
	if (q->msg.method != TURN_SEND)
		return DROP_STUN_UNEXPECTED;
	t->stats.indications[TURN_SEND]++;
	if (turn_attrs_parse(&q->msg, &q->attrs) < 0)
		return DROP_SEND_MALFORMED;
	return ind_send(t, q);
}

static enum drop on_stun(struct turn *t, const struct client *c, struct span msg, mono_t now)
{
	struct req q; /* large, and mostly filled in by the parsers */
	enum drop d;

	if (stun_parse(msg, &q.msg) < 0)
		return DROP_STUN_MALFORMED;
	if (q.msg.has_fingerprint && !q.msg.fingerprint_ok)
		return DROP_STUN_FINGERPRINT;
	if (q.msg.method >= TURN_METHODS || q.msg.cls == STUN_SUCCESS || q.msg.cls == STUN_ERROR)
		return DROP_STUN_UNEXPECTED;
	if (mono_reached(now, turn_next(t)))
		turn_tick(t, now);
	q.client = c;
	q.path = c->path;
	q.now = now;
	q.alloc = alloc_by_client(t, c);
	q.elsewhere = q.sha256 = q.probe = false;
	q.key_n = 0;
	if (q.msg.cls == STUN_INDICATION)
		return on_indication(t, &q);
	memset(&q.attrs, 0, sizeof(q.attrs));
	d = on_request(t, &q);
	wipe(q.key, sizeof(q.key));
	return d;
}

enum drop turn_input(struct turn *t, const struct client *c, struct span msg, mono_t now)
{
	enum drop d = DROP_UNKNOWN_KIND;

	if (turn_is_channel(msg))
		d = channel_data(t, c, msg, now);
	else if (msg.n && (msg.p[0] & 0xc0) == 0)
		d = on_stun(t, c, msg, now);
	t->stats.drops[d] += d != DROP_NONE;
	return d;
}

/* --- time -------------------------------------------------------------------------------------------------------- */

void turn_tick(struct turn *t, mono_t now)
{
	allocs_tick(t, now);
	relay_tick(t, now);
	streams_tick(t, now);
}

mono_t turn_next(const struct turn *t)
{
	return mono_min(dq_next_at(&t->due), mono_min(dq_next_at(&t->held_due), dq_next_at(&t->streams_due)));
}

bool turn_end(struct turn *t, struct handle alloc)
{
	struct alloc *a = alloc_get(t, alloc);

	if (a)
		alloc_end(t, a);
	return a != NULL;
}

const struct alloc *turn_alloc(const struct turn *t, struct handle alloc)
{
	return alloc_get(t, alloc);
}

bool turn_has_client(struct turn *t, const struct client *c)
{
	return alloc_by_client(t, c) != NULL;
}
