/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sim/turn_client.h"

#include <stdlib.h>

#include "sim/turn_world.h"

#define RTO DUR_MS(500)
#define TX_SENDS 7
#define TX_LAST_WAIT (16 * RTO)
#define TX_STALE_MAX 3
#define REFRESH_AHEAD 60
#define PERMIT_EVERY DUR_SEC(240)
#define BIND_EVERY DUR_SEC(540)
#define DATA_EVERY DUR_MS(20)
#define DATA_MARK 0x80 /* neither STUN nor ChannelData */
#define DATA_HEAD 6    /* mark, client, number */
#define DATA_SIZES 1150
#define NAT_PORT 40000

/* --- its paths --------------------------------------------------------------------------------------------------- */

static struct addr public_address(const struct turn_client *c, uint32_t path)
{
	return addr_v4(8, 8, (uint8_t)c->index, (uint8_t)(1 + path), (uint16_t)(NAT_PORT + c->index + path));
}

static uint32_t add_path(struct turn_client *c)
{
	struct turn_way *p = &c->path[c->n_paths];

	if (c->n_paths == TURN_CLIENT_PATHS)
		abort();
	*p = c->path[c->current];
	p->public = public_address(c, c->n_paths);
	p->dead = false;
	return c->n_paths++;
}

struct turn_client *turn_client_new(struct turn_world *w, const struct turn_client_conf *conf)
{
	struct turn_client *c = calloc(1, sizeof(*c));

	if (!c || w->n_clients == TURN_WORLD_CLIENTS)
		abort();
	c->fate = calloc(TURN_CLIENT_SEQS, sizeof(*c->fate));
	if (!c->fate)
		abort();
	c->conf = *conf;
	c->w = w;
	c->index = w->n_clients;
	c->refresh_at = c->permit_at = c->bind_at = c->data_at = MONO_NEVER;
	(void)add_path(c);
	rig_client(&c->rc, &w->worker[0].rig, VIA_UDP, c->path[0].public);
	c->rc.tids = c->index << 24;
	c->rc.sha256 = conf->sha256;
	if (conf->credential_s)
		rig_credential(&c->rc, conf->credential_s, "alice");
	if (conf->plain)
		c->relayed = c->path[0].public;
	w->client[w->n_clients++] = c;
	return c;
}

void turn_client_free(struct turn_client *c)
{
	free(c->fate);
	free(c);
}

void turn_client_net(struct turn_client *c, uint64_t delay, uint64_t jitter, uint32_t loss)
{
	c->path[c->current].up = (struct net_way){ .delay = delay, .jitter = jitter, .loss = loss };
	c->path[c->current].down = c->path[c->current].up;
}

/* --- requests ---------------------------------------------------------------------------------------------------- */

static void put_attrs(struct turn_client *c, enum turn_tx_kind kind)
{
	struct wr *w = &c->rc.w;

	switch (kind) {
	case TX_ALLOCATE:
		rig_put_transport(&c->rc, TURN_UDP);
		if (c->conf.mobility)
			stun_put(w, TURN_ATTR_MOBILITY_TICKET, (struct span){ 0 });
		return;
	case TX_REFRESH:
		turn_put_u32(w, TURN_ATTR_LIFETIME, c->deleting ? 0 : 600);
		if (c->moving)
			stun_put(w, TURN_ATTR_MOBILITY_TICKET, span_of(c->ticket, c->ticket_n));
		return;
	case TX_BIND:
		turn_put_channel(w, c->channel);
		break;
	case TX_PERMIT:
	case TX_MAX_:
		break;
	}
	stun_put_xor_addr(w, TURN_ATTR_XOR_PEER_ADDRESS, &c->target, c->rc.mem + 8);
}

static void send_tx(struct turn_client *c, struct turn_tx *tx)
{
	struct turn_way *p = &c->path[tx->path];

	turn_world_up(c->w, c, p, &c->rc.c.path.local, span_of(tx->msg, tx->n));
	c->n_again += tx->sent > 0;
	tx->sent++;
	tx->next = mono_add(c->w->now, tx->sent == TX_SENDS ? TX_LAST_WAIT : tx->rto);
	tx->rto *= 2;
}

/* Without a nonce, unsigned: the answer brings one. */
static void build(struct turn_client *c, enum turn_tx_kind kind)
{
	static const uint16_t method[TX_MAX_] = { TURN_ALLOCATE, TURN_REFRESH, TURN_CREATE_PERMISSION, TURN_CHANNEL_BIND };
	struct turn_tx *tx = &c->tx[kind];
	struct span msg;

	rig_begin(&c->rc, method[kind]);
	put_attrs(c, kind);
	tx->is_signed = c->rc.nonce_n > 0;
	if (tx->is_signed)
		rig_sign(&c->rc);
	stun_end(&c->rc.w);
	msg = wr_span_of(&c->rc.w);
	memcpy(tx->msg, msg.p, msg.n);
	tx->n = msg.n;
	tx->running = true;
	tx->sent = 0;
	tx->rto = RTO;
}

static void begin(struct turn_client *c, enum turn_tx_kind kind, uint32_t path)
{
	struct turn_tx *tx = &c->tx[kind];

	tx->path = path;
	tx->stale = 0;
	build(c, kind);
	send_tx(c, tx);
}

void turn_client_allocate(struct turn_client *c)
{
	begin(c, TX_ALLOCATE, c->current);
}

void turn_client_refresh(struct turn_client *c)
{
	begin(c, TX_REFRESH, c->current);
}

void turn_client_delete(struct turn_client *c)
{
	c->deleting = true;
	turn_client_refresh(c);
}

void turn_client_reach(struct turn_client *c, const struct turn_client *to)
{
	c->to = to;
	c->target = to->relayed;
	c->permitted = c->bound = false;
	c->permit_at = c->bind_at = MONO_NEVER;
	if (c->conf.plain)
		return;
	c->channel = c->channel ? (uint16_t)(c->channel + 1) : TURN_CHANNEL_MIN;
	begin(c, TX_PERMIT, c->current);
	if (!c->conf.no_channel)
		begin(c, TX_BIND, c->current);
}

bool turn_client_reaches(const struct turn_client *c)
{
	return c->conf.plain || (c->allocated && c->permitted && (c->bound || c->conf.no_channel));
}

void turn_client_rebind(struct turn_client *c)
{
	c->path[c->current].dead = true;
	c->current = add_path(c);
}

void turn_client_move(struct turn_client *c, bool keep)
{
	uint32_t fresh = add_path(c);

	c->path[c->current].dead = !keep;
	c->moving = true;
	begin(c, TX_REFRESH, fresh);
}

/* --- answers ----------------------------------------------------------------------------------------------------- */

static void keep_ticket(struct turn_client *c)
{
	struct span t = c->rc.a.ticket;

	if (t.n != sizeof(c->ticket))
		return;
	memcpy(c->ticket, t.p, t.n);
	c->ticket_n = t.n;
}

static void live_on(struct turn_client *c)
{
	uint32_t ahead = c->rc.a.lifetime < 2 * REFRESH_AHEAD ? c->rc.a.lifetime / 2 : REFRESH_AHEAD;

	c->life = c->rc.a.lifetime;
	c->refresh_at = mono_add(c->w->now, DUR_SEC(c->life - ahead));
	keep_ticket(c);
}

static void forget(struct turn_client *c)
{
	c->allocated = c->permitted = c->bound = c->deleting = false;
	c->refresh_at = c->permit_at = c->bind_at = MONO_NEVER;
}

static void on_allocated(struct turn_client *c)
{
	c->allocated = true;
	c->n_allocated++;
	c->relayed = c->rc.a.relayed[0];
	live_on(c);
}

static void on_refreshed(struct turn_client *c, int code)
{
	if ((code == 0 && c->deleting) || code == TURN_ERR_MISMATCH) {
		forget(c);
	} else if (code == 0) {
		if (c->moving)
			c->current = c->tx[TX_REFRESH].path;
		c->moving = false;
		live_on(c);
	}
}

/* What it has not got it asks for again at once: an allocation that is not its own any more. */
static void on_final(struct turn_client *c, enum turn_tx_kind kind, int code)
{
	bool deleted = c->deleting;

	c->code[kind] = code;
	if (kind == TX_REFRESH) {
		on_refreshed(c, code);
		if (code == TURN_ERR_MISMATCH && !deleted)
			turn_client_allocate(c);
	}
	if (code)
		return;
	if (kind == TX_ALLOCATE) {
		on_allocated(c);
	} else if (kind == TX_PERMIT) {
		c->permitted = true;
		c->permit_at = mono_add(c->w->now, PERMIT_EVERY);
	} else if (kind == TX_BIND) {
		c->bound = true;
		c->bind_at = mono_add(c->w->now, BIND_EVERY);
	}
}

static void on_answer(struct turn_client *c, enum turn_tx_kind kind, struct span dgram)
{
	struct turn_tx *tx = &c->tx[kind];
	int code = rig_read(&c->rc, dgram);
	bool unsigned_401 = code == TURN_ERR_UNAUTHORIZED && !tx->is_signed;

	if (code < 0 || (code == 0 && !c->rc.ans_signed)) {
		c->n_strange++;
		return;
	}
	tx->running = false;
	c->n_stale += code == TURN_ERR_STALE_NONCE;
	if ((unsigned_401 || code == TURN_ERR_STALE_NONCE) && tx->stale++ < TX_STALE_MAX) {
		build(c, kind);
		send_tx(c, tx);
		return;
	}
	on_final(c, kind, code);
}

static void on_response(struct turn_client *c, const struct stun_msg *m)
{
	for (int k = 0; k < TX_MAX_; k++) {
		if (c->tx[k].running && memcmp(c->tx[k].msg + 8, m->tid, STUN_TID_LEN) == 0) {
			on_answer(c, (enum turn_tx_kind)k, m->raw);
			return;
		}
	}
}

/* --- numbered datagrams ------------------------------------------------------------------------------------------ */

static size_t size_of(uint32_t index, uint32_t seq)
{
	return DATA_HEAD + (seq * 37u + index * 101u) % DATA_SIZES;
}

static struct span numbered(uint32_t index, uint32_t seq, uint8_t *mem)
{
	size_t n = size_of(index, seq);

	mem[0] = DATA_MARK;
	mem[1] = (uint8_t)index;
	put_be32(mem + 2, seq);
	for (size_t i = DATA_HEAD; i < n; i++)
		mem[i] = (uint8_t)(seq + i * 7 + index);
	return span_of(mem, n);
}

static bool unwrap(struct span dgram, struct span *ret)
{
	struct turn_attrs a;
	struct stun_msg m;
	uint16_t channel;

	*ret = dgram;
	if (dgram.n && dgram.p[0] == DATA_MARK)
		return true;
	if (turn_is_channel(dgram))
		return turn_channel_parse(dgram, &channel, ret) == 0;
	if (stun_parse(dgram, &m) < 0 || m.cls != STUN_INDICATION || turn_attrs_parse(&m, &a) < 0)
		return false;
	*ret = a.data;
	return a.has_data;
}

bool turn_numbered(struct span dgram, uint32_t *ret_index, uint32_t *ret_seq, struct span *ret_data)
{
	if (!unwrap(dgram, ret_data) || ret_data->n < DATA_HEAD || ret_data->p[0] != DATA_MARK)
		return false;
	*ret_index = ret_data->p[1];
	*ret_seq = be32_at(ret_data->p + 2);
	return *ret_seq < TURN_CLIENT_SEQS;
}

static void arrived(struct turn_client *c, struct span dgram)
{
	uint8_t mem[DATA_HEAD + DATA_SIZES];
	uint32_t index, seq;
	struct span data;

	if (!turn_numbered(dgram, &index, &seq, &data) || index >= c->w->n_clients || index == c->index ||
	    !span_eq(data, numbered(index, seq, mem)))
		c->n_strange++;
	else
		c->w->client[index]->fate[seq].arrived++;
}

static void say_by_turn(struct turn_client *c, uint32_t path, struct span data)
{
	uint8_t mem[OUTBOX_DGRAM_MAX], tid[STUN_TID_LEN] = { 9 };
	struct wr w = wr_from(mem, sizeof(mem));

	if (c->bound) {
		wr_be16(&w, c->channel);
		wr_be16(&w, (uint16_t)data.n);
		wr_bytes(&w, data.p, data.n);
	} else {
		stun_begin(&w, STUN_INDICATION, TURN_SEND, tid);
		stun_put_xor_addr(&w, TURN_ATTR_XOR_PEER_ADDRESS, &c->target, tid);
		stun_put(&w, TURN_ATTR_DATA, data);
		stun_end(&w);
	}
	turn_world_up(c->w, c, &c->path[path], &c->rc.c.path.local, wr_span_of(&w));
}

void turn_client_say(struct turn_client *c, uint32_t path)
{
	uint8_t mem[DATA_HEAD + DATA_SIZES];
	struct span data = numbered(c->index, c->seq, mem);

	if (c->seq == TURN_CLIENT_SEQS)
		abort();
	c->fate[c->seq++].at = c->w->now;
	if (c->conf.plain)
		turn_world_up(c->w, c, &c->path[path], &c->target, data);
	else
		say_by_turn(c, path, data);
}

void turn_client_talk(struct turn_client *c, bool on)
{
	c->talking = on;
	c->data_at = on ? c->w->now : MONO_NEVER;
}

/* While it moves and the old way is dead there is none: nothing is sent. */
static void talk(struct turn_client *c)
{
	if (turn_client_reaches(c) && !(c->moving && c->path[c->current].dead))
		turn_client_say(c, c->current);
	c->data_at = mono_add(c->w->now, DATA_EVERY);
}

struct turn_sum turn_client_sum(const struct turn_client *c)
{
	struct turn_sum s = { .sent = c->seq };

	for (uint32_t i = 0; i < c->seq; i++) {
		const struct turn_fate *f = &c->fate[i];
		bool gone = f->lost || f->closed;

		s.lost += f->lost;
		s.closed += f->closed;
		s.arrived += f->arrived > 0;
		s.twice += f->arrived > !gone;
		s.missing += !gone && !f->arrived;
		if (f->lost || f->arrived)
			continue;
		s.first = s.last.us ? s.first : f->at;
		s.last = f->at;
	}
	return s;
}

/* --- input and time ---------------------------------------------------------------------------------------------- */

/* Data comes from where it was sent to: the other one's relayed address. */
static bool is_from_other(const struct turn_client *c, struct span dgram, const struct stun_msg *m)
{
	struct turn_attrs a;

	if (turn_is_channel(dgram))
		return c->bound && be16_at(dgram.p) == c->channel;
	return turn_attrs_parse(m, &a) == 0 && a.n_peers == 1 && addr_eq(&a.peer[0], &c->target);
}

void turn_client_input(struct turn_client *c, const struct addr *from, struct span dgram)
{
	struct stun_msg m = { 0 };
	bool stun = stun_parse(dgram, &m) == 0;

	if (stun && (m.cls == STUN_SUCCESS || m.cls == STUN_ERROR)) {
		if (!c->deaf) {
			on_response(c, &m);
			return;
		}
		c->deaf--;
		memcpy(c->missed, dgram.p, dgram.n);
		c->missed_n = dgram.n;
		return;
	}
	if (c->conf.plain ? addr_eq(from, &c->target) : is_from_other(c, dgram, &m))
		arrived(c, dgram);
	else
		c->n_strange++;
}

static void tick_tx(struct turn_client *c, enum turn_tx_kind kind)
{
	struct turn_tx *tx = &c->tx[kind];

	if (!tx->running || !mono_reached(c->w->now, tx->next))
		return;
	if (tx->sent < TX_SENDS) {
		send_tx(c, tx);
		return;
	}
	tx->running = false;
	c->n_timeouts++;
	c->code[kind] = -1;
}

static bool is_due(struct turn_client *c, mono_t *at)
{
	bool due = mono_reached(c->w->now, *at);

	if (due)
		*at = MONO_NEVER;
	return due;
}

void turn_client_tick(struct turn_client *c)
{
	for (int k = 0; k < TX_MAX_; k++)
		tick_tx(c, (enum turn_tx_kind)k);
	if (is_due(c, &c->refresh_at))
		begin(c, TX_REFRESH, c->current);
	if (is_due(c, &c->permit_at))
		begin(c, TX_PERMIT, c->current);
	if (is_due(c, &c->bind_at))
		begin(c, TX_BIND, c->current);
	if (is_due(c, &c->data_at))
		talk(c);
}

mono_t turn_client_next(const struct turn_client *c)
{
	mono_t at = mono_min(mono_min(c->refresh_at, c->permit_at), mono_min(c->bind_at, c->data_at));

	for (int k = 0; k < TX_MAX_; k++)
		if (c->tx[k].running)
			at = mono_min(at, c->tx[k].next);
	return at;
}
