/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * Relay addresses and ports. A port kept for a RESERVATION-TOKEN is a socket without an allocation; whoever brings the token
 * gets the port by a close and an open.
 *
 *   timer   armed by               fires after   does
 *   held    Allocate, EVEN-PORT R  HELD_LIFE     gives the port back
 */
#include "turnd/req.h"

#define HELD_LIFE DUR_SEC(30) /* RFC 8656 7.2: at least */
#define PORT_TRIES 64

struct held {
	struct handle self, by; /* by: the allocation that reserved it */
	struct dq_node timer;
	uint64_t token;
	uint16_t port;
	int family;
};

/* --- held ports -------------------------------------------------------------------------------------------------- */

static void release(struct turn *t, struct held *h)
{
	t->ops->relay_close(t->owner, h->family, h->port, false);
	dq_del(&t->held_due, &h->timer);
	slab_free(&t->held, h->self);
}

/* TURN_PORT_TAKEN, ERR_LIMIT, ERR_NOMEM and whatever the shell says. */
static int hold(struct turn *t, struct handle by, int family, uint16_t port, mono_t now)
{
	struct handle self;
	struct held *h = slab_new(&t->held, &self);
	int r;

	if (!h)
		return ERR_LIMIT;
	*h = (struct held){ .self = self, .by = by, .port = port, .family = family };
	r = dq_set(&t->held_due, &h->timer, mono_add(now, HELD_LIFE));
	if (r == 0)
		r = t->ops->relay_open(t->owner, (struct handle){ 0 }, family, port, false);
	if (r < 0) {
		dq_del(&t->held_due, &h->timer);
		slab_free(&t->held, self);
		return r;
	}
	h->token = token_make(t->conf.worker, t->rng);
	return 0;
}

static struct held *held_by_token(const struct turn *t, uint64_t token)
{
	struct handle self;
	uint32_t slot = 0;
	struct held *h;

	while ((h = slab_next(&t->held, &slot, &self)))
		if (h->token == token)
			return h;
	return NULL;
}

uint64_t relay_token(const struct turn *t, const struct alloc *a)
{
	struct handle self;
	uint32_t slot = 0;
	struct held *h;

	while ((h = slab_next(&t->held, &slot, &self)))
		if (handle_eq(h->by, a->self))
			return h->token;
	return 0;
}

void relay_tick(struct turn *t, mono_t now)
{
	for (struct dq_node *n; (n = dq_first(&t->held_due)) && mono_reached(now, n->at);)
		release(t, CONTAINER_OF(n, struct held, timer));
}

void relays_init(struct turn *t)
{
	slab_init(&t->held, sizeof(struct held), t->conf.max_allocs);
	dq_init(&t->held_due);
	for (int f = 0; f < REL_MAX_; f++)
		if (addr_is_unset(&t->conf.relay[f].external))
			t->conf.relay[f].external = t->conf.relay[f].at;
}

void relays_done(struct turn *t)
{
	struct handle self;
	uint32_t slot = 0;
	struct held *h;

	while ((h = slab_next(&t->held, &slot, &self)))
		release(t, h);
	slab_done(&t->held);
	dq_done(&t->held_due);
}

/* --- opening ----------------------------------------------------------------------------------------------------- */

/* RFC 8656 7.2: unpredictable, and with EVEN-PORT even, the next one kept for a while. TURN_PORT_TAKEN: try another. */
static int try_port(struct turn *t, const struct req *q, struct alloc *a, int family)
{
	uint32_t n = (uint32_t)t->conf.max_port - t->conf.min_port + 1;
	uint16_t port = (uint16_t)(t->conf.min_port + rng_below(t->rng, n));
	bool even = q->attrs.has_even_port, next = even && q->attrs.reserve_next;
	int r;

	if (even)
		port &= 0xfffe;
	if (port < t->conf.min_port || (next && port == t->conf.max_port))
		return TURN_PORT_TAKEN;
	r = t->ops->relay_open(t->owner, a->self, family, port, a->tcp);
	if (r < 0)
		return r;
	if (next) {
		r = hold(t, a->self, family, (uint16_t)(port + 1), q->now);
		if (r < 0) {
			t->ops->relay_close(t->owner, family, port, a->tcp);
			return r;
		}
	}
	a->port[family] = port;
	return 0;
}

static uint16_t open_one(struct turn *t, const struct req *q, struct alloc *a, int family)
{
	int r = TURN_PORT_TAKEN;

	if (addr_is_unset(&t->conf.relay[family].at))
		return TURN_ERR_FAMILY;
	for (int i = 0; i < PORT_TRIES && r == TURN_PORT_TAKEN; i++)
		r = try_port(t, q, a, family);
	return r < 0 ? TURN_ERR_CAPACITY : 0;
}

static uint16_t open_held(struct turn *t, const struct req *q, struct alloc *a)
{
	struct held *h = held_by_token(t, be64_at(q->attrs.reservation.p));
	uint16_t port;
	int family;

	if (!h)
		return TURN_ERR_CAPACITY;
	port = h->port;
	family = h->family;
	release(t, h);
	if (t->ops->relay_open(t->owner, a->self, family, port, false) < 0)
		return TURN_ERR_CAPACITY;
	a->port[family] = port;
	return 0;
}

uint16_t relay_open_for(struct turn *t, const struct req *q, struct alloc *a, uint16_t ret_error[REL_MAX_])
{
	uint16_t e4, e6;

	ret_error[REL_V4] = ret_error[REL_V6] = 0;
	if (q->attrs.reservation.n)
		return open_held(t, q, a);
	if (q->attrs.family)
		return open_one(t, q, a, q->attrs.family == TURN_FAMILY_V6 ? REL_V6 : REL_V4);
	e4 = open_one(t, q, a, REL_V4);
	if (!q->attrs.more_family)
		return e4;
	e6 = open_one(t, q, a, REL_V6);
	if (e4 && e6)
		return e4;
	ret_error[REL_V4] = e4;
	ret_error[REL_V6] = e6;
	return 0;
}

void relay_close_one(struct turn *t, struct alloc *a, int family)
{
	if (a->port[family])
		t->ops->relay_close(t->owner, family, a->port[family], a->tcp);
	a->port[family] = 0;
}

void relay_close_all(struct turn *t, struct alloc *a)
{
	for (int f = 0; f < REL_MAX_; f++)
		relay_close_one(t, a, f);
}

struct addr relay_address(const struct turn *t, const struct alloc *a, int family)
{
	struct addr at = t->conf.relay[family].external;

	at.port = a->port[family];
	return at;
}

/* --- peers ------------------------------------------------------------------------------------------------------- */

uint16_t relay_judge(const struct turn *t, const struct alloc *a, const struct addr *peer, bool with_port)
{
	struct addr p = *peer;

	if (!a->port[family_of(peer)])
		return TURN_ERR_PEER_FAMILY;
	if (with_port && p.port == 0)
		return TURN_ERR_FORBIDDEN;
	if (!with_port)
		p.port = 0;
	return peer_policy(&t->conf.policy, &p) == PEER_FORBIDDEN ? TURN_ERR_FORBIDDEN : 0;
}

static bool is_ours(const struct turn_relay *r, const struct addr *a)
{
	return memcmp(a->ip, r->at.ip, sizeof(a->ip)) == 0 || memcmp(a->ip, r->external.ip, sizeof(a->ip)) == 0;
}

/* One of our relay addresses with a port that no client has: only what the operator allowed (AllowPeer=) may be there. */
static bool allowed(const struct turn *t, const struct addr *a)
{
	return peer_policy(&t->conf.policy, a) == PEER_OK;
}

bool relay_map_out(const struct turn *t, struct addr *peer)
{
	int f = family_of(peer);
	const struct turn_relay *r = &t->conf.relay[f];

	if (!is_ours(r, peer))
		return true;
	if (!t->ops->relay_is_open(t->owner, f, peer->port))
		return allowed(t, peer);
	memcpy(peer->ip, r->at.ip, sizeof(peer->ip));
	return true;
}

bool relay_map_in(const struct turn *t, struct addr *from)
{
	int f = family_of(from);
	const struct turn_relay *r = &t->conf.relay[f];

	if (!is_ours(r, from))
		return true;
	if (!t->ops->relay_is_open(t->owner, f, from->port))
		return allowed(t, from);
	memcpy(from->ip, r->external.ip, sizeof(from->ip));
	return true;
}

enum drop relay_to_peer(struct turn *t, struct alloc *a, const struct addr *peer, struct span data, bool df, mono_t now)
{
	int f = family_of(peer);
	const struct turn_relay *r = &t->conf.relay[f];
	struct path path = { .remote = *peer, .local = r->at };
	bool ours = is_ours(r, peer);
	enum drop d;

	if (!a->port[f])
		return DROP_PEER_FAMILY;
	if (data.n > OUTBOX_DGRAM_MAX)
		return DROP_TOO_LARGE;
	if (ours && !relay_map_out(t, &path.remote))
		return DROP_PEER_FORBIDDEN;
	d = alloc_spend(t, a, data.n, now);
	if (d != DROP_NONE)
		return d;
	path.local.port = a->port[f];
	t->out->df = df;
	outbox_put(t->out, &path, (struct span){ 0 }, data);
	t->out->df = false;
	a->packets[0]++;
	a->bytes[0] += data.n;
	t->stats.packets[0]++;
	t->stats.bytes[0] += data.n;
	t->stats.hairpin += ours;
	return DROP_NONE;
}
