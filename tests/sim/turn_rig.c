/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sim/turn_rig.h"

#include <errno.h>

#include "turnd/req.h"
#include "wire/turn_cred.h"

_Static_assert(TURN_PORT_TAKEN == -EADDRINUSE, "what bind says");

/* --- the shell --------------------------------------------------------------------------------------------------- */

static struct rig_sent *record(struct turn_rig *r)
{
	if (r->n_sent == RIG_SENT_MAX) {
		r->n_lost++;
		r->n_sent--;
	}
	r->sent[r->n_sent] = (struct rig_sent){ 0 };
	return &r->sent[r->n_sent++];
}

static void on_full(struct outbox *ob)
{
	struct turn_rig *r = ob->owner;

	for (uint32_t i = 0; i < ob->n; i++) {
		for (uint32_t k = 0; k < ob->msg[i].segs; k++) {
			struct rig_sent *s = record(r);

			s->path = ob->msg[i].path;
			s->df = ob->msg[i].df;
			s->n = out_msg_dgram(&ob->msg[i], k, s->b);
		}
	}
	outbox_clear(ob);
}

static struct rig_relay *find(struct turn_rig *r, int family, uint16_t port)
{
	for (uint32_t i = 0; i < r->n_relays; i++)
		if (r->relay[i].family == family && r->relay[i].port == port)
			return &r->relay[i];
	return NULL;
}

static int relay_open(void *owner, struct handle alloc, int family, uint16_t port, bool tcp)
{
	struct turn_rig *r = owner;

	r->n_opened++;
	if (r->open_err && r->open_fails && (r->fail_family < 0 || r->fail_family == family)) {
		r->open_fails--;
		return r->open_err;
	}
	if (find(r, family, port))
		return -EADDRINUSE;
	if (r->n_relays == RIG_RELAYS_MAX)
		return -EMFILE;
	r->relay[r->n_relays++] = (struct rig_relay){ alloc, family, port, tcp };
	return 0;
}

static void relay_close(void *owner, int family, uint16_t port, bool tcp)
{
	struct turn_rig *r = owner;
	struct rig_relay *s = find(r, family, port);

	(void)tcp;
	if (s)
		*s = r->relay[--r->n_relays];
}

static bool relay_is_open(void *owner, int family, uint16_t port)
{
	return find(owner, family, port) != NULL;
}

static bool send_stream(void *owner, struct handle conn, struct span head, struct span payload)
{
	struct turn_rig *r = owner;
	struct rig_sent *s;

	if (r->blocked)
		return false;
	s = record(r);
	s->conn = conn;
	memcpy(s->b, head.p, head.n);
	if (payload.n)
		memcpy(s->b + head.n, payload.p, payload.n);
	s->n = head.n + payload.n + turn_pad(head.n + payload.n);
	return true;
}

static int take(void *owner, struct span user)
{
	return quota_take(&((struct turn_rig *)owner)->quota, user, SPAN_LIT(RIG_REALM));
}

static void give(void *owner, struct span user)
{
	quota_give(&((struct turn_rig *)owner)->quota, user);
}

static int user_by_hash(void *owner, const uint8_t hash[STUN_USERHASH_LEN], uint8_t ret_user[256])
{
	struct span user;
	int r = quota_user_by_hash(&((struct turn_rig *)owner)->quota, hash, &user);

	if (r < 0)
		return r;
	memcpy(ret_user, user.p, user.n);
	return (int)user.n;
}

static uint32_t draw(void *owner)
{
	struct turn_rig *r = owner;

	if (r->no_draw) {
		r->no_draw--;
		return 0;
	}
	return quota_draw(&r->quota, r->now);
}

static int peer_connect(void *owner, uint32_t id, int family, uint16_t port, const struct addr *peer)
{
	struct turn_rig *r = owner;

	(void)family;
	r->connecting = id;
	r->connect_to = *peer;
	r->connect_from = port;
	return r->connect_err;
}

static void peer_join(void *owner, uint32_t id, struct handle conn)
{
	struct turn_rig *r = owner;

	r->joined = id;
	r->joined_conn = conn;
}

static void peer_close(void *owner, uint32_t id)
{
	((struct turn_rig *)owner)->closed = id;
}

static const struct turn_ops ops = {
	relay_open, relay_close, relay_is_open, send_stream, take, give, user_by_hash, draw, peer_connect, peer_join, peer_close,
};

static void set_policy(struct peer_policy *p, const struct turn_conf *c)
{
	p->min_port = c->min_port;
	p->max_port = c->max_port;
	p->listen[p->n_listen++] = addr_v4(192, 0, 2, 1, 3478);
	p->own[p->n_own++] = addr_v4(192, 0, 2, 1, 0);
	p->relay[p->n_relay++] = addr_v4(192, 0, 2, 1, 0);
	p->relay[p->n_relay++] = addr_v4(9, 9, 9, 9, 0);
	p->relay[p->n_relay++] = c->relay[REL_V6].at;
	p->allow[p->n_allow++] = addr_v4(127, 0, 0, 9, 0);
}

void rig_init(struct turn_rig *r)
{
	static const uint8_t v6[16] = { 0x26, 0x20, [15] = 1 };

	*r = (struct turn_rig){ .now = { DUR_SEC(1000) }, .fail_family = -1 };
	rng_seed(&r->rng, 7);
	(void)secret_set(&r->secret[0], SPAN_LIT(RIG_SECRET));
	(void)secret_set(&r->secret[1], SPAN_LIT(RIG_SECRET_OLD));
	r->conf = (struct turn_conf){
		.realm = RIG_REALM, .secret = r->secret, .n_secrets = 2, .min_port = 50000, .max_port = 50999,
		.max_life = DUR_SEC(3600), .probe_life = DUR_SEC(120), .default_life = DUR_SEC(600), .nonce_life = DUR_SEC(600),
		.max_allocs = 200, .max_perms = 4, .max_channels = 3, .max_streams = 2,
		.udp_relay = true, .tcp_relay = true, .mobility = true, .worker = 3, .n_workers = 8,
	};
	r->conf.relay[REL_V4].at = addr_v4(192, 0, 2, 1, 0);
	r->conf.relay[REL_V4].external = addr_v4(9, 9, 9, 9, 0);
	r->conf.relay[REL_V6].at = addr_from_v6(v6, 0);
	set_policy(&r->conf.policy, &r->conf);
	quota_init(&r->quota, 16, 0, 0, &r->rng, r->now);
}

void rig_start(struct turn_rig *r)
{
	outbox_init(&r->ob, r->msg, ARRAY_LEN(r->msg), r->mem, sizeof(r->mem), on_full, r);
	outbox_parts(&r->ob, r->part, ARRAY_LEN(r->part));
	(void)turn_init(&r->t, &r->conf, &r->rng, &r->ob, &ops, r, r->now, (wall_t){ RIG_WALL * US_PER_SEC });
}

void rig_done(struct turn_rig *r)
{
	turn_done(&r->t);
	quota_done(&r->quota);
}

void rig_clear(struct turn_rig *r)
{
	r->n_sent = r->n_lost = 0;
}

void rig_tick(struct turn_rig *r, uint64_t us)
{
	r->now = mono_add(r->now, us);
	turn_tick(&r->t, r->now);
	on_full(&r->ob);
}

bool rig_relay_open(const struct turn_rig *r, int family, uint16_t port)
{
	return find((struct turn_rig *)r, family, port) != NULL;
}

enum drop rig_input(struct turn_rig *r, const struct client *c, struct span msg)
{
	enum drop d = turn_input(&r->t, c, msg, r->now);

	on_full(&r->ob);
	return d;
}

enum drop rig_from_peer(struct rig_client *c, const struct addr *peer, struct span data)
{
	struct turn_rig *r = c->r;
	struct alloc *a = rig_alloc(c);
	enum drop d = turn_relay_input(&r->t, a ? a->self : (struct handle){ 0 }, peer, data, r->now);

	on_full(&r->ob);
	return d;
}

enum drop rig_hairpin(struct turn_rig *r, const struct rig_sent *s)
{
	int f = family_of(&s->path.remote);
	const struct rig_relay *to = find(r, f, s->path.remote.port);
	struct addr from = s->path.local;
	struct rig_sent copy = *s;
	enum drop d;

	d = turn_relay_input(&r->t, to ? to->alloc : (struct handle){ 0 }, &from, span_of(copy.b, copy.n), r->now);
	on_full(&r->ob);
	return d;
}

struct rig_sent *rig_last(struct turn_rig *r)
{
	return r->n_sent ? &r->sent[r->n_sent - 1] : NULL;
}

/* --- clients ----------------------------------------------------------------------------------------------------- */

static void put_text(char *to, size_t size, const char *text)
{
	struct wr w = wr_from(to, size - 1);

	wr_str(&w, text);
	*w.p = '\0';
}

void rig_credential(struct rig_client *c, uint64_t life_s, const char *id)
{
	struct wr w = wr_from(c->user, sizeof(c->user) - 1);

	wr_dec(&w, wall_of(&c->r->t, c->r->now).us / US_PER_SEC + life_s);
	if (*id) {
		wr_u8(&w, ':');
		wr_str(&w, id);
	}
	*w.p = '\0';
}

void rig_client(struct rig_client *c, struct turn_rig *r, enum via via, struct addr from)
{
	static uint32_t conns;

	*c = (struct rig_client){ .r = r };
	c->c.path.remote = from;
	c->c.path.local = addr_is_v4(&from) ? addr_v4(192, 0, 2, 1, 3478) : r->conf.relay[REL_V6].at;
	c->c.path.local.port = 3478;
	c->c.via = via;
	if (via != VIA_UDP)
		c->c.conn = (struct handle){ ++conns, 1 };
	c->tids = (uint32_t)from.port << 16;
	put_text(c->secret, sizeof(c->secret), RIG_SECRET);
	put_text(c->realm, sizeof(c->realm), RIG_REALM);
	rig_credential(c, 3600, "alice");
}

void rig_begin(struct rig_client *c, uint16_t method)
{
	uint8_t tid[STUN_TID_LEN] = { 1, 2, 3, 4, 5, 6, 7, 8 };

	put_be32(tid + 8, ++c->tids);
	c->w = wr_from(c->mem, sizeof(c->mem));
	stun_begin(&c->w, STUN_REQUEST, method, tid);
}

struct span rig_key(const struct rig_client *c, uint8_t key[STUN_KEY_MAX])
{
	char password[TURN_PASSWORD_LEN + 1];
	struct span user = span_str(c->user);

	(void)turn_cred_password(span_str(c->secret), user, password);
	return span_of(key, stun_longterm_key(c->sha256 ? STUN_ALG_SHA256 : STUN_ALG_MD5, user, span_str(c->realm),
					      span_of(password, TURN_PASSWORD_LEN), key));
}

void rig_sign(struct rig_client *c)
{
	uint8_t key[STUN_KEY_MAX], hash[STUN_USERHASH_LEN];
	const uint8_t alg[4] = { 0, c->sha256 ? STUN_ALG_SHA256 : STUN_ALG_MD5 };

	stun_userhash(span_str(c->user), span_str(c->realm), hash);
	if (c->userhash)
		stun_put(&c->w, STUN_ATTR_USERHASH, span_of(hash, sizeof(hash)));
	else
		stun_put(&c->w, STUN_ATTR_USERNAME, span_str(c->user));
	stun_put(&c->w, STUN_ATTR_REALM, span_str(c->realm));
	stun_put(&c->w, STUN_ATTR_NONCE, span_of(c->nonce, c->nonce_n));
	if (!c->no_algorithms) {
		stun_put(&c->w, STUN_ATTR_PASSWORD_ALGORITHMS, auth_algorithms());
		stun_put(&c->w, STUN_ATTR_PASSWORD_ALGORITHM, span_of(alg, sizeof(alg)));
	}
	if (c->sha256)
		stun_put_integrity256(&c->w, rig_key(c, key));
	else
		stun_put_integrity(&c->w, rig_key(c, key));
}

static bool is_mine(const struct rig_client *c, const struct rig_sent *s)
{
	return c->c.via == VIA_UDP ? addr_eq(&s->path.remote, &c->c.path.remote) && handle_is_none(s->conn) :
				     handle_eq(s->conn, c->c.conn);
}

int rig_read(struct rig_client *c, struct span msg)
{
	uint8_t key[STUN_KEY_MAX];
	struct span k = rig_key(c, key);

	c->answered = c->ans_signed = false;
	memcpy(c->ans, msg.p, msg.n);
	c->ans_n = msg.n;
	if (stun_parse(span_of(c->ans, msg.n), &c->m) < 0 || turn_attrs_parse(&c->m, &c->a) < 0)
		return -1;
	c->answered = true;
	c->ans_signed = (c->m.has_integrity256 ? stun_check_integrity256(&c->m, k) : stun_check_integrity(&c->m, k)) == 0;
	if (c->m.nonce.n && c->m.nonce.n <= sizeof(c->nonce)) {
		memcpy(c->nonce, c->m.nonce.p, c->m.nonce.n);
		c->nonce_n = c->m.nonce.n;
	}
	return c->m.cls == STUN_SUCCESS ? 0 : c->m.error;
}

/* The last message to this client, when it is an answer. */
static int read_answer(struct rig_client *c)
{
	const struct rig_sent *s = rig_last(c->r);

	c->answered = c->ans_signed = false;
	return s && is_mine(c, s) ? rig_read(c, span_of(s->b, s->n)) : -1;
}

int rig_again(struct rig_client *c)
{
	rig_clear(c->r);
	c->drop = rig_input(c->r, &c->c, wr_span_of(&c->w));
	return read_answer(c);
}

int rig_call_unsigned(struct rig_client *c)
{
	if (c->fingerprint)
		stun_put_fingerprint(&c->w);
	stun_end(&c->w);
	return rig_again(c);
}

int rig_call(struct rig_client *c)
{
	rig_sign(c);
	return rig_call_unsigned(c);
}

int rig_nonce(struct rig_client *c)
{
	rig_begin(c, TURN_ALLOCATE);
	rig_put_transport(c, TURN_UDP);
	return rig_call_unsigned(c);
}

void rig_put_transport(struct rig_client *c, uint8_t transport)
{
	turn_put_u8(&c->w, TURN_ATTR_REQUESTED_TRANSPORT, transport);
}

int rig_allocate(struct rig_client *c)
{
	(void)rig_nonce(c);
	rig_begin(c, TURN_ALLOCATE);
	rig_put_transport(c, TURN_UDP);
	return rig_call(c);
}

static void put_peer(struct rig_client *c, const struct addr *peer)
{
	stun_put_xor_addr(&c->w, TURN_ATTR_XOR_PEER_ADDRESS, peer, c->mem + 8);
}

int rig_permit(struct rig_client *c, const struct addr *peer)
{
	rig_begin(c, TURN_CREATE_PERMISSION);
	put_peer(c, peer);
	return rig_call(c);
}

int rig_bind(struct rig_client *c, uint16_t channel, const struct addr *peer)
{
	rig_begin(c, TURN_CHANNEL_BIND);
	turn_put_channel(&c->w, channel);
	put_peer(c, peer);
	return rig_call(c);
}

int rig_refresh(struct rig_client *c, uint32_t life)
{
	rig_begin(c, TURN_REFRESH);
	turn_put_u32(&c->w, TURN_ATTR_LIFETIME, life);
	return rig_call(c);
}

enum drop rig_channel_data(struct rig_client *c, uint16_t channel, struct span data)
{
	uint8_t msg[OUTBOX_DGRAM_MAX + 64];

	turn_channel_put(msg, channel, (uint16_t)data.n);
	if (data.n)
		memcpy(msg + TURN_CHANNEL_HDR_LEN, data.p, data.n);
	rig_clear(c->r);
	return rig_input(c->r, &c->c, span_of(msg, TURN_CHANNEL_HDR_LEN + data.n));
}

enum drop rig_send(struct rig_client *c, const struct addr *peer, struct span data, bool df)
{
	uint8_t tid[STUN_TID_LEN] = { 9 };

	c->w = wr_from(c->mem, sizeof(c->mem));
	stun_begin(&c->w, STUN_INDICATION, TURN_SEND, tid);
	if (df)
		stun_put(&c->w, TURN_ATTR_DONT_FRAGMENT, (struct span){ 0 });
	if (peer)
		put_peer(c, peer);
	stun_put(&c->w, TURN_ATTR_DATA, data);
	stun_end(&c->w);
	rig_clear(c->r);
	return rig_input(c->r, &c->c, wr_span_of(&c->w));
}

struct alloc *rig_alloc(struct rig_client *c)
{
	return alloc_by_client(&c->r->t, &c->c);
}
