/* SPDX-License-Identifier: AGPL-3.0-only */
#include "turn_judge.h"

#include "turnd/req.h"

/* --- the shell, judging ------------------------------------------------------------------------------------------ */

static void on_relay_close(void *owner, int family, uint16_t port, bool tcp)
{
	struct script *s = owner;

	MUST(rig_relay_open(&s->r, family, port));
	for (uint32_t i = 0; i < s->r.n_relays; i++)
		if (s->r.relay[i].family == family && s->r.relay[i].port == port)
			MUST(s->r.relay[i].tcp == tcp);
	s->rig_ops.relay_close(owner, family, port, tcp);
}

static int on_relay_open(void *owner, struct handle alloc, int family, uint16_t port, bool tcp)
{
	struct script *s = owner;

	MUST(port >= PORT_FIRST && port <= PORT_LAST);
	MUST(!addr_is_unset(&s->r.conf.relay[family].at));
	return s->rig_ops.relay_open(owner, alloc, family, port, tcp);
}

/* A stream that was given away is another program's; one that broke takes nothing. */
static bool on_send(void *owner, struct handle conn, struct span head, struct span payload)
{
	struct script *s = owner;
	bool known = false;

	for (uint32_t i = 0; i < s->n_joined && i < RING; i++)
		MUST(!handle_eq(conn, s->joined[i]));
	for (int i = 0; i < CLIENTS; i++)
		known = known || handle_eq(conn, s->client[i].c.conn);
	return known && s->rig_ops.send(owner, conn, head, payload);
}

static uint32_t alive_at(const struct script *s, uint32_t id)
{
	for (uint32_t i = 0; i < s->n_alive; i++)
		if (s->alive[i].id == id)
			return i;
	return ALIVE_MAX;
}

void judge_add_alive(struct script *s, uint32_t id, bool connecting)
{
	MUST(id != 0 && alive_at(s, id) == ALIVE_MAX && s->n_alive < ALIVE_MAX);
	s->alive[s->n_alive].id = id;
	s->alive[s->n_alive].joined = false;
	s->alive[s->n_alive++].connecting = connecting;
}

void judge_del_alive(struct script *s, uint32_t id)
{
	uint32_t at = alive_at(s, id);

	MUST(at != ALIVE_MAX);
	s->alive[at] = s->alive[--s->n_alive];
}

/* 2000::/3 is what is given out; of it, the ranges that are not for the public. */
static bool is_inside_v6(const struct addr *a)
{
	const uint8_t *b = a->ip;

	return (b[0] & 0xe0) != 0x20 || (b[0] == 0x20 && b[1] == 0x01 && b[2] < 2) ||
	       (b[0] == 0x20 && b[1] == 0x01 && b[2] == 0x0d && b[3] == 0xb8) || (b[0] == 0x3f && b[1] == 0xff && b[2] < 16);
}

/* Addresses nobody outside has, and the one that this script's configuration denies (5.5.5.0/24): without any of the code
 * under test. */
static bool is_inside_v4(const struct addr *a)
{
	const uint8_t *b = a->ip + 12;

	return b[0] == 0 || b[0] == 10 || b[0] == 127 || b[0] >= 224 || (b[0] == 100 && (b[1] & 0xc0) == 64) ||
	       (b[0] == 169 && b[1] == 254) || (b[0] == 172 && (b[1] & 0xf0) == 16) || (b[0] == 192 && b[1] == 168) ||
	       (b[0] == 192 && b[1] == 0 && b[2] == 2) || (b[0] == 198 && (b[1] & 0xfe) == 18) ||
	       (b[0] == 198 && b[1] == 51 && b[2] == 100) || (b[0] == 203 && b[1] == 0 && b[2] == 113) ||
	       (b[0] == 5 && b[1] == 5 && b[2] == 5);
}

static bool may_be_sent_to(const struct script *s, const struct addr *a)
{
	const struct addr allowed = addr_v4(127, 0, 0, 9, 0), external = s->r.conf.relay[REL_V4].external;
	struct addr in[ADDR_EMBEDDED_MAX];
	int f = addr_is_v4(a) ? REL_V4 : REL_V6;
	uint32_t n = addr_embedded(a, in);

	if (addr_same_ip(a, &s->r.conf.relay[f].at))
		return rig_relay_open(&s->r, f, a->port);
	if (addr_same_ip(a, &allowed))
		return true;
	for (uint32_t i = 0; i < n; i++)
		if (is_inside_v4(&in[i]) || addr_same_ip(&in[i], &external))
			return false;
	if (addr_same_ip(a, &external) || a->port == 0)
		return false;
	return f == REL_V4 ? !is_inside_v4(a) : n > 0 || !is_inside_v6(a);
}

static int on_peer_connect(void *owner, uint32_t id, int family, uint16_t port, const struct addr *peer)
{
	struct script *s = owner;
	int r = s->rig_ops.peer_connect(owner, id, family, port, peer);

	MUST(rig_relay_open(&s->r, family, port));
	MUST(may_be_sent_to(s, peer));
	if (r == 0)
		judge_add_alive(s, id, true);
	return r;
}

static void on_peer_join(void *owner, uint32_t id, struct handle conn)
{
	struct script *s = owner;
	uint32_t at = alive_at(s, id);

	MUST(at != ALIVE_MAX && !s->alive[at].connecting && !s->alive[at].joined);
	s->alive[at].joined = true;
	s->joined[s->n_joined++ % RING] = conn;
	for (int i = 0; i < CLIENTS; i++)
		if (handle_eq(s->client[i].c.conn, conn))
			s->client[i].c.conn.slot += 1000; /* it opens another one */
}

static void on_peer_close(void *owner, uint32_t id)
{
	judge_del_alive(owner, id);
}

/* --- what must hold ---------------------------------------------------------------------------------------------- */

static bool was_told(const struct script *s, const struct path *path)
{
	for (uint32_t i = 0; i < s->n_told; i++)
		if (path_eq(&s->told[i], path))
			return true;
	return false;
}

void judge_told(struct script *s, const struct path *path)
{
	if (was_told(s, path))
		return;
	MUST(s->n_told < ARRAY_LEN(s->told));
	s->told[s->n_told++] = *path;
}

static uint32_t keys_of(const struct script *s, const struct alloc *a)
{
	const struct client_key *k[2] = { &a->now, &a->former };
	uint32_t n = 0;

	for (int i = 0; i < 2; i++) {
		if (k[i]->client.via == VIA_MAX_)
			continue;
		MUST(handle_eq(k[i]->alloc, a->self));
		MUST(k[i]->client.via != VIA_UDP || was_told(s, &k[i]->client.path));
		n++;
	}
	MUST(n > 0 && a->now.client.via != VIA_MAX_);
	return n;
}

static uint32_t ports_of(const struct script *s, const struct alloc *a)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < s->r.n_relays; i++) {
		if (!handle_eq(s->r.relay[i].alloc, a->self))
			continue;
		MUST(a->port[s->r.relay[i].family] == s->r.relay[i].port && s->r.relay[i].tcp == a->tcp);
		n++;
	}
	MUST(n == (a->port[REL_V4] != 0) + (uint32_t)(a->port[REL_V6] != 0) && n > 0);
	return n;
}

static void alloc_is_sound(const struct script *s, const struct alloc *a)
{
	MUST(a->expires.us <= s->r.now.us + DUR_SEC(LIFE_MAX) && a->user_n > 0 && a->key_n > 0);
	MUST(a->perms.n_perms <= 4 && a->perms.n_channels <= 3 && a->n_streams <= 2);
	MUST(!a->tcp || a->perms.n_channels == 0);
	MUST((a->settle.us == UINT64_MAX) == (a->former.client.via == VIA_MAX_));
}

/* Users that hold something, each counted once. */
static bool is_first_of_user(const struct turn *t, const struct alloc *a)
{
	struct handle h;
	uint32_t slot = 0;
	const struct alloc *b;

	while ((b = slab_next(&t->allocs, &slot, &h)) && b != a)
		if (span_eq(span_of(a->user, a->user_n), span_of(b->user, b->user_n)))
			return false;
	return true;
}

static void state_is_sound(const struct script *s)
{
	const struct turn *t = &s->r.t;
	uint32_t slot = 0, keys = 0, ports = 0, streams = 0, users = 0;
	struct handle h;
	const struct alloc *a;

	while ((a = slab_next(&t->allocs, &slot, &h))) {
		MUST(handle_eq(a->self, h));
		alloc_is_sound(s, a);
		keys += keys_of(s, a);
		ports += ports_of(s, a);
		streams += a->n_streams;
		users += is_first_of_user(t, a);
	}
	MUST(t->allocs.live <= t->conf.max_allocs && t->due.n == t->allocs.live);
	MUST(t->clients.n == keys && s->r.n_relays == ports + t->held.live && t->held_due.n == t->held.live);
	MUST(t->streams.live == streams && t->stream_ids.n == streams && s->n_alive == streams);
	MUST(s->r.quota.used == t->allocs.live && s->r.quota.slab.live == users);
	MUST(s->r.quota.users.n == users && s->r.quota.hashes.n == users);
}

size_t *judge_prefix(struct script *s, const struct addr *a, bool out)
{
	size_t n = addr_is_v4(a) ? 15 : 7;
	uint32_t i = 0;

	while (i < s->n_prefixes && memcmp(s->prefix[i].ip, a->ip, n) != 0)
		i++;
	MUST(i < PREFIXES);
	if (i == s->n_prefixes) {
		memcpy(s->prefix[i].ip, a->ip, n);
		s->prefix[i].first = s->r.now;
		s->n_prefixes++;
	}
	return out ? &s->prefix[i].out : &s->prefix[i].in;
}

/* The burst comes back at most every CHALLENGE_QUIET. */
static void count_unproven(struct script *s, const struct addr *to, size_t n)
{
	size_t *out = judge_prefix(s, to, true), *in = judge_prefix(s, to, false);
	uint64_t quiets = mono_since(s->r.now, s->prefix[0].first) / CHALLENGE_QUIET;

	*out += n;
	MUST(*out <= *in + CHALLENGE_BURST * (1 + quiets));
}

static bool is_client(const struct client *c, const struct path *path, struct handle conn)
{
	if (c->via == VIA_MAX_)
		return false;
	return c->via == VIA_UDP ? path_eq(&c->path, path) && handle_is_none(conn) : handle_eq(c->conn, conn);
}

static bool has_alloc(const struct script *s, const struct path *path, struct handle conn)
{
	const struct alloc *a;
	uint32_t slot = 0;
	struct handle h;

	while ((a = slab_next(&s->r.t.allocs, &slot, &h)))
		if (is_client(&a->now.client, path, conn) || is_client(&a->former.client, path, conn))
			return true;
	return false;
}

static bool was_connect(const struct script *s, const uint8_t *tid)
{
	for (uint32_t i = 0; i < s->n_connects; i++)
		if (memcmp(s->connect_tid[i], tid, STUN_TID_LEN) == 0)
			return true;
	return false;
}

static bool has_software(const struct stun_msg *m)
{
	size_t at = STUN_HDR_LEN;
	uint16_t type;
	struct span v;

	while (stun_next_attr(m, &at, &type, &v))
		if (type == STUN_ATTR_SOFTWARE)
			return true;
	return false;
}

/* An answer to the request of this step, or late to a Connect. */
static void answer_is_due(struct script *s, const struct rig_sent *m, const struct stun_msg *a, const struct rig_client *who,
			  struct span request)
{
	bool is_signed = a->has_integrity || a->has_integrity256, udp = handle_is_none(m->conn);
	bool mine = who && request.n >= STUN_HDR_LEN && memcmp(a->tid, request.p + 8, STUN_TID_LEN) == 0;

	MUST(mine || (a->method == TURN_CONNECT && was_connect(s, a->tid)));
	if (!mine)
		return;
	MUST(udp ? addr_same_ip(&m->path.remote, &who->c.path.remote) : handle_eq(m->conn, who->c.conn) || s->n_joined);
	MUST(udp == (who->c.via == VIA_UDP));
	MUST(a->cls == STUN_ERROR || is_signed || a->method == STUN_BINDING);
	MUST(is_signed || !has_software(a));
	MUST((a->error != TURN_ERR_UNAUTHORIZED && a->error != TURN_ERR_STALE_NONCE) || m->n <= SHORT_ERROR);
	if (udp && a->nonce.n)
		judge_told(s, &m->path);
	if (udp && !is_signed && !(a->method == STUN_BINDING && has_alloc(s, &who->c.path, who->c.conn)))
		count_unproven(s, &m->path.remote, m->n);
}

static bool is_listener(const struct script *s, const struct addr *a)
{
	const struct addr other = addr_v4(192, 0, 2, 2, 0);

	return (a->port == PORT || a->port == PORT_OTHER) &&
	       (addr_same_ip(a, &s->r.conf.relay[REL_V4].at) || addr_same_ip(a, &s->r.conf.relay[REL_V6].at) ||
		addr_same_ip(a, &other));
}

static void sent_is_right(struct script *s, const struct rig_sent *m, const struct rig_client *who, struct span request)
{
	const struct addr *local = &m->path.local;
	int f = addr_is_v4(local) ? REL_V4 : REL_V6;
	struct stun_msg a;

	if (handle_is_none(m->conn) && local->port >= PORT_FIRST && local->port <= PORT_LAST) {
		MUST(addr_same_ip(local, &s->r.conf.relay[f].at) && rig_relay_open(&s->r, f, local->port));
		MUST(may_be_sent_to(s, &m->path.remote));
		if (addr_same_ip(&m->path.remote, local))
			s->astray = *m;
		return;
	}
	MUST(!handle_is_none(m->conn) || is_listener(s, local));
	if (turn_is_channel(span_of(m->b, m->n))) {
		MUST(has_alloc(s, &m->path, m->conn));
		return;
	}
	MUST(stun_parse(span_of(m->b, m->n), &a) == 0);
	if (a.cls == STUN_INDICATION)
		MUST(has_alloc(s, &m->path, m->conn) && (a.method == TURN_DATA || a.method == TURN_CONNECTION_ATTEMPT));
	else
		answer_is_due(s, m, &a, who, request);
}

void judge(struct script *s, const struct rig_client *who, struct span request)
{
	MUST(s->r.n_lost == 0);
	for (uint32_t i = 0; i < s->r.n_sent; i++)
		sent_is_right(s, &s->r.sent[i], who, request);
	rig_clear(&s->r);
	state_is_sound(s);
}

/* --- life -------------------------------------------------------------------------------------------------------- */

void judge_start(struct script *s)
{
	rig_start(&s->r);
	MUST(s->r.t.ops);
	s->rig_ops = s->ops = *s->r.t.ops;
	s->ops.relay_open = on_relay_open;
	s->ops.relay_close = on_relay_close;
	s->ops.send = on_send;
	s->ops.peer_connect = on_peer_connect;
	s->ops.peer_join = on_peer_join;
	s->ops.peer_close = on_peer_close;
	s->r.t.ops = &s->ops;
}

void judge_end(const struct script *s)
{
	MUST(s->r.n_relays == 0 && s->n_alive == 0);
	MUST(s->r.quota.used == 0 && s->r.quota.slab.live == 0);
}
