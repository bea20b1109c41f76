/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * A script of what can happen to a TURN core with small bounds: requests good, odd, spoiled and replayed, by clients of every
 * transport; data of clients and peers; streams of peers; time, clock steps, reloads, a shell that fails. After each step
 *
 *   - sockets, quotas, keys, timers and streams are those of the allocations there are,
 *   - what left went by an open socket, to a peer that the rules allow or to a client that proved its address, and what
 *     strangers' prefixes were sent is within what they sent and their burst,
 *   - an answer has the transaction of a request of that client, and says nothing of the software unless it is signed,
 *   - no deadline is left in the past.
 *
 * At the end every socket is closed and every stream.
 */
#include "turn_judge.h"
#include "turnd/req.h"

#define DATA_MAX 600
#define PEERS 48 /* the last of them are relayed addresses of ours */

/* --- requests ---------------------------------------------------------------------------------------------------- */

static uint8_t next(struct script *s)
{
	return rd_left(&s->in) ? rd_u8(&s->in) : 0;
}

static struct addr a_peer(struct script *s, uint8_t k)
{
	static const char *const text[] = {
		"1.1.1.1:53", "8.8.8.8:9", "1.1.1.1:54", "127.0.0.9:7", "10.0.0.1:80", "127.0.0.1:80", "169.254.169.254:80",
		"0.0.0.0:80", "192.0.2.1:3478", "192.0.2.1:80", "5.5.5.5:53", "224.0.0.1:9", "255.255.255.255:9", "100.64.0.1:9",
		"1.1.1.1", "[2620:fe::9]:53", "[::1]:53", "[fe80::1]:53", "[fc00::1]:53", "[2002:a00:1::1]:53",
		"[2002:101:101::1]:53", "[64:ff9b::7f00:1]:53", "[64:ff9b::505:505]:53", "[2001:db8::1]:53", "[::7f00:1]:53",
		"[2001:0:101:101::80ff:fffe]:53", "[2620::5efe:a00:1]:53", "[ff02::1]:53", "[64:ff9b::c000:201]:50000",
		"[2002:909:909::1]:50001", "9.9.9.9:50003", "192.0.2.1:50002",
	};
	struct addr a = { 0 };
	uint32_t n = s->r.n_relays;

	if (k >= ARRAY_LEN(text)) { /* one of our own, bound or told */
		const struct rig_relay *o = &s->r.relay[n ? (k >> 1) % n : 0];

		a = k & 1 ? s->r.t.conf.relay[n ? o->family : 0].at : s->r.t.conf.relay[n ? o->family : 0].external;
		a.port = n ? o->port : PORT_FIRST;
		return a;
	}
	MUST(addr_parse(span_str(text[k]), &a) == 0);
	return a;
}

static void put_peer(struct script *s, struct rig_client *c)
{
	struct addr peer = a_peer(s, next(s) % PEERS);

	stun_put_xor_addr(&c->w, TURN_ATTR_XOR_PEER_ADDRESS, &peer, c->mem + 8);
}

static void put_kept(struct script *s, struct rig_client *c, uint8_t v)
{
	uint32_t id = s->n_alive ? s->alive[v % s->n_alive].id : v;

	if (v & 0x80)
		stun_put(&c->w, TURN_ATTR_MOBILITY_TICKET, span_of(s->ticket[v % RING], v & 0x40 ? 0 : TICKET_LEN));
	else if (v & 0x40)
		stun_put(&c->w, TURN_ATTR_RESERVATION_TOKEN, span_of(s->token[v % RING], TURN_TOKEN_LEN));
	else
		turn_put_u32(&c->w, TURN_ATTR_CONNECTION_ID, v & 0x20 ? id ^ 0x01000000 : id);
}

static void put_attr(struct script *s, struct rig_client *c, uint8_t kind)
{
	static const uint32_t life[] = { 0, 1, 30, 599, 600, 601, 3600, UINT32_MAX };
	static const uint16_t channel[] = { 0x4000, 0x4001, 0x4002, 0x4003, 0x4fff, 0x3fff, 0x5000, 0 };
	static const uint8_t byte[] = { 0, 1, 2, 3, 6, 17, 0x80, 0xff }, mem[DATA_MAX] = { 0 };
	uint8_t v = kind % 16 > 2 ? next(s) : 0;

	switch (kind % 16) {
	case 0:
	case 1:
	case 2:
		put_peer(s, c);
		break;
	case 3:
		turn_put_u32(&c->w, TURN_ATTR_LIFETIME, life[v % 8]);
		break;
	case 4:
		turn_put_channel(&c->w, channel[v % 8]);
		break;
	case 5:
		rig_put_transport(c, byte[v % 8]);
		break;
	case 6:
		turn_put_u8(&c->w, TURN_ATTR_REQUESTED_ADDRESS_FAMILY, byte[v % 8]);
		break;
	case 7:
		turn_put_u8(&c->w, TURN_ATTR_ADDITIONAL_ADDRESS_FAMILY, byte[v % 8]);
		break;
	case 8:
		turn_put_u8(&c->w, TURN_ATTR_EVEN_PORT, byte[v % 8]);
		break;
	case 9:
	case 10:
	case 11:
		put_kept(s, c, v);
		break;
	case 12:
		stun_put(&c->w, TURN_ATTR_DATA, span_of(mem, (size_t)v * 2));
		break;
	case 13:
		turn_put_u32(&c->w, STUN_ATTR_CHANGE_REQUEST, v % 8);
		break;
	case 14:
		turn_put_u32(&c->w, STUN_ATTR_RESPONSE_PORT, (uint32_t)v << 16);
		break;
	default:
		stun_put(&c->w, (uint16_t)(v & 1 ? TURN_ATTR_DONT_FRAGMENT : v << 8 | 0x77), (struct span){ 0 });
	}
}

/* What answers bring: a nonce, a ticket, a token. */
static void learn(struct script *s, struct rig_client *c)
{
	for (uint32_t i = 0; i < s->r.n_sent; i++) {
		const struct rig_sent *m = &s->r.sent[i];

		if (c->c.via == VIA_UDP ? !path_eq(&m->path, &c->c.path) : !handle_eq(m->conn, c->c.conn))
			continue;
		if (rig_read(c, span_of(m->b, m->n)) < 0)
			continue;
		MUST(c->m.cls != STUN_SUCCESS || c->m.method == STUN_BINDING || c->ans_signed || c->m.method == TURN_CONNECT);
		if (c->a.ticket.n == TICKET_LEN)
			memcpy(s->ticket[s->n_tickets++ % RING], c->a.ticket.p, TICKET_LEN);
		if (c->a.reservation.n)
			memcpy(s->token[s->n_tokens++ % RING], c->a.reservation.p, TURN_TOKEN_LEN);
	}
}

/* The core borrows the message until the outbox is empty, as it does from the shell: a block of exactly its size. */
static void feed(struct script *s, struct rig_client *c, struct span msg)
{
	struct client who = c->c;
	uint8_t *exact = malloc(msg.n ? msg.n : 1);
	enum drop d;

	MUST(exact);
	if (msg.n)
		memcpy(exact, msg.p, msg.n);
	if (who.via == VIA_UDP)
		*judge_prefix(s, &who.path.remote, false) += msg.n;
	if (msg.n >= STUN_HDR_LEN && be16_at(msg.p) == TURN_CONNECT)
		memcpy(s->connect_tid[s->n_connects++], msg.p + 8, STUN_TID_LEN);
	d = rig_input(&s->r, &who, span_of(exact, msg.n));
	MUST(d < DROP_MAX_);
	MUST(d != DROP_OTHER_WORKER || (s->r.t.other != s->r.conf.worker && s->r.t.other < s->r.conf.n_workers));
	MUST(d != DROP_OTHER_WORKER || s->r.n_sent == 0);
	learn(s, c);
	judge(s, c, span_of(exact, msg.n));
	free(exact);
}

static void finish(struct script *s, struct rig_client *c, uint8_t how)
{
	if (how & 1)
		c->secret[0] ^= 1; /* as one who does not know it */
	c->sha256 = how & 2;
	c->userhash = (how & 0x0c) == 0x0c;
	c->no_algorithms = (how & 0x30) == 0x30;
	c->fingerprint = how & 0x40;
	if (c->nonce_n && !(how & 0x80))
		rig_sign(c);
	if (how & 1)
		c->secret[0] ^= 1;
	if (c->fingerprint)
		stun_put_fingerprint(&c->w);
	stun_end(&c->w);
	MUST(!c->w.bad);
	s->last = wr_span_of(&c->w);
	MUST(s->last.n <= sizeof(s->last_mem));
	memcpy(s->last_mem, s->last.p, s->last.n);
	s->last.p = s->last_mem;
	feed(s, c, s->last);
}

static void request(struct script *s, struct rig_client *c, uint8_t arg)
{
	static const uint16_t method[] = { TURN_ALLOCATE, TURN_REFRESH, TURN_CREATE_PERMISSION, TURN_CHANNEL_BIND, TURN_CONNECT,
					   TURN_CONNECTION_BIND, STUN_BINDING, TURN_SEND };
	uint8_t how = next(s);

	rig_begin(c, method[arg % 8]);
	if (arg % 8 == 0 && !(arg & 0x20))
		rig_put_transport(c, arg & 0x10 ? TURN_TCP : TURN_UDP);
	if ((arg % 8 >= 2 && arg % 8 <= 4) && !(arg & 0x20))
		put_peer(s, c);
	if (arg % 8 == 3 && !(arg & 0x20))
		turn_put_channel(&c->w, (uint16_t)(TURN_CHANNEL_MIN + (arg >> 3) % 2));
	for (int i = 0; i < arg >> 6; i++)
		put_attr(s, c, next(s));
	finish(s, c, how & (arg & 8 ? 0xff : 0x42));
}

/* The message of before again, by whomever, with some octets changed. */
static void replay(struct script *s, struct rig_client *c, uint8_t arg)
{
	for (int i = 0; i < arg % 4 && s->last.n; i++) {
		uint32_t at = next(s);

		s->last_mem[(at * 4u + (arg >> 2) % 4) % s->last.n] ^= next(s);
	}
	feed(s, c, s->last);
}

/* --- the other steps --------------------------------------------------------------------------------------------- */

static void data_of_client(struct script *s, struct rig_client *c, uint8_t arg)
{
	static const uint8_t data[DATA_MAX] = { 0 };
	uint8_t msg[DATA_MAX + TURN_CHANNEL_HDR_LEN] = { 0 }, tid[STUN_TID_LEN] = { 9 };
	struct addr peer = a_peer(s, next(s) % PEERS);
	size_t n = (size_t)arg * 2;

	if (arg & 1) {
		turn_channel_put(msg, (uint16_t)(TURN_CHANNEL_MIN + peer.port % 4), (uint16_t)n);
		feed(s, c, span_of(msg, n + TURN_CHANNEL_HDR_LEN));
		return;
	}
	c->w = wr_from(c->mem, sizeof(c->mem));
	stun_begin(&c->w, STUN_INDICATION, TURN_SEND, tid);
	if (arg & 2)
		stun_put(&c->w, TURN_ATTR_DONT_FRAGMENT, (struct span){ 0 });
	stun_put_xor_addr(&c->w, TURN_ATTR_XOR_PEER_ADDRESS, &peer, tid);
	stun_put(&c->w, TURN_ATTR_DATA, span_of(data, n));
	stun_end(&c->w);
	feed(s, c, wr_span_of(&c->w));
}

static void data_of_peer(struct script *s, uint8_t arg)
{
	uint8_t data[DATA_MAX] = { 0x80 };
	struct addr peer = a_peer(s, next(s) % PEERS);
	const struct rig_relay *to = &s->r.relay[s->r.n_relays ? arg % s->r.n_relays : 0];

	(void)turn_relay_input(&s->r.t, to->alloc, &peer, span_of(data, (size_t)arg * 2), s->r.now);
	s->r.ob.full(&s->r.ob);
	judge(s, NULL, (struct span){ 0 });
	if (!(arg & 1) || s->astray.n == 0)
		return;
	(void)rig_hairpin(&s->r, &s->astray);
	judge(s, NULL, (struct span){ 0 });
}

static void stream_of_peer(struct script *s, uint8_t arg)
{
	struct addr peer = a_peer(s, next(s) % PEERS);
	const struct rig_relay *to = &s->r.relay[s->r.n_relays ? arg % s->r.n_relays : 0];
	uint32_t at = s->n_alive ? (arg >> 2) % s->n_alive : 0, id = s->n_alive ? s->alive[at].id : arg;
	int err = arg & 0x40 ? -1 : 0;

	switch (arg & 3) {
	case 0:
	case 1:
		id = s->n_alive == ALIVE_MAX ? 0 : turn_peer_accepted(&s->r.t, to->alloc, family_of(&peer), &peer, s->r.now);
		if (id)
			judge_add_alive(s, id, false);
		break;
	case 2:
		if (s->n_alive && err && s->alive[at].connecting)
			judge_del_alive(s, id);
		else if (s->n_alive)
			s->alive[at].connecting = false;
		turn_peer_connected(&s->r.t, id, err, s->r.now);
		break;
	default:
		turn_peer_gone(&s->r.t, id);
		if (s->n_alive)
			judge_del_alive(s, id);
	}
	s->r.ob.full(&s->r.ob);
	judge(s, NULL, (struct span){ 0 });
}

static void pass(struct script *s, uint8_t arg)
{
	static const uint64_t us[] = { 1, 1000, DUR_SEC(1), DUR_SEC(10), DUR_SEC(31), DUR_SEC(299), DUR_SEC(601), DUR_SEC(3600) };

	rig_tick(&s->r, us[arg % 8]);
	MUST(turn_next(&s->r.t).us > s->r.now.us);
	judge(s, NULL, (struct span){ 0 });
	if (arg & 0x80)
		turn_set_wall(&s->r.t, s->r.now, (wall_t){ (RIG_WALL + (arg & 0x70) * UINT64_C(100)) * US_PER_SEC });
}

static void reload(struct script *s, uint8_t arg)
{
	struct turn_conf c = s->r.conf;

	c.n_secrets = 1 + (arg & 1);
	c.mobility = arg & 2;
	c.tcp_relay = arg & 4;
	c.max_bps = arg & 8 ? 1 : 0;
	c.max_perms = arg & 0x10 ? 4 : 1;
	c.max_channels = arg & 0x20 ? 3 : 0;
	c.max_life = arg & 0x40 ? DUR_SEC(LIFE_MAX) : DUR_SEC(5);
	c.software = arg & 0x80;
	memset(c.nonce_key, arg, sizeof(c.nonce_key)); /* these stay as they are */
	memset(c.ticket_key, arg, sizeof(c.ticket_key));
	c.max_allocs = arg;
	turn_reconf(&s->r.t, &c);
	quota_set(&s->r.quota, arg % 4, arg % 8, arg & 8 ? 1000 : 0, s->r.now);
}

static void disturb(struct script *s, uint8_t arg)
{
	static const int errs[] = { TURN_PORT_TAKEN, -24, -13, ERR_NOMEM };

	s->r.open_err = errs[arg % 4];
	s->r.open_fails = arg & 0x10 ? arg >> 5 : 0;
	s->r.fail_family = arg & 4 ? REL_V6 : -1;
	s->r.blocked = arg & 0x80;
	s->r.no_draw = arg & 8 ? 3 : 0;
	s->r.connect_err = arg & 0x20 ? -111 : 0;
}

static void gone(struct script *s, struct rig_client *c, uint8_t arg)
{
	turn_client_gone(&s->r.t, &c->c);
	if (c->c.via == VIA_UDP) /* it moved */
		c->c.path.remote.port = (uint16_t)(c->c.path.remote.port + (arg & 1));
	else
		c->c.conn.slot += 1000;
	judge(s, NULL, (struct span){ 0 });
}

static void end_one(struct script *s, uint8_t arg)
{
	uint32_t n = s->r.n_relays;
	struct handle h = n ? s->r.relay[arg % n].alloc : (struct handle){ arg, 1 };
	bool there = turn_alloc(&s->r.t, h) != NULL;

	MUST(turn_end(&s->r.t, h) == there && !turn_alloc(&s->r.t, h));
	if (arg == 0xff)
		turn_drain(&s->r.t);
	judge(s, NULL, (struct span){ 0 });
}

static void raw(struct script *s, struct rig_client *c, uint8_t arg)
{
	struct span all = rd_span(&s->in, rd_left(&s->in) < arg ? rd_left(&s->in) : arg);

	feed(s, c, all);
}

static void step(struct script *s)
{
	uint8_t op = next(s), arg = next(s);
	struct rig_client *c = &s->client[(op >> 4) % CLIENTS];

	switch (op % 16) {
	case 7:
		replay(s, c, arg);
		break;
	case 8:
		data_of_client(s, c, arg);
		break;
	case 9:
		data_of_peer(s, arg);
		break;
	case 10:
		stream_of_peer(s, arg);
		break;
	case 11:
		pass(s, arg);
		break;
	case 12:
		reload(s, arg);
		break;
	case 13:
		disturb(s, arg);
		break;
	case 14:
		gone(s, c, arg);
		break;
	case 15:
		if (arg & 1)
			end_one(s, arg);
		else
			raw(s, c, arg);
		break;
	default:
		request(s, c, arg);
	}
}

/* --- a script ---------------------------------------------------------------------------------------------------- */

static void begin(struct script *s)
{
	struct turn_conf *c = &s->r.conf;

	rig_init(&s->r);
	c->software = true;
	c->first = addr_v4(192, 0, 2, 1, PORT);
	c->other = addr_v4(192, 0, 2, 2, PORT_OTHER);
	c->min_port = c->policy.min_port = PORT_FIRST;
	c->max_port = c->policy.max_port = PORT_LAST;
	c->max_allocs = 6;
	c->policy.deny[c->policy.n_deny].net = addr_v4(5, 5, 5, 0, 0);
	c->policy.deny[c->policy.n_deny++].len = 24;
	quota_set(&s->r.quota, 3, 5, 0, s->r.now);
	judge_start(s);
}

static void add_clients(struct script *s)
{
	static const enum via via[CLIENTS] = { VIA_UDP, VIA_UDP, VIA_UDP, VIA_TCP, VIA_TLS, VIA_DTLS, VIA_TCP, VIA_UDP };
	static const uint8_t v6[16] = { 0x26, 0x20, 0, 9, [15] = 7 };

	for (uint8_t i = 0; i < CLIENTS; i++) {
		struct addr from = i == 2 ? addr_from_v6(v6, 1000) : addr_v4(11, i == 7 ? 1 : 0, 0, i, (uint16_t)(1000 + 256 * i));

		rig_client(&s->client[i], &s->r, via[i], from);
		if (via[i] != VIA_UDP)
			s->client[i].c.conn = (struct handle){ 1u + i, 1 };
		rig_credential(&s->client[i], i == 5 ? 300 : 7200, i == 1 ? "bob" : i == 4 ? TURN_PROBE_ID : "alice");
		(void)rig_nonce(&s->client[i]);
		if (via[i] == VIA_UDP) {
			judge_told(s, &s->client[i].c.path);
			*judge_prefix(s, &from, false) += wr_len(&s->client[i].w);
			*judge_prefix(s, &from, true) += s->client[i].ans_n;
		}
	}
	s->client[7].c.path.local = addr_v4(192, 0, 2, 2, PORT_OTHER);
	rig_clear(&s->r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct script s;

	memset(&s, 0, sizeof(s));
	s.in = rd_from(span_of(data, n));
	begin(&s);
	add_clients(&s);
	for (int i = 0; i < STEPS_MAX && rd_left(&s.in) >= 2; i++)
		step(&s);
	turn_done(&s.r.t);
	judge_end(&s);
	quota_done(&s.r.quota);
	return 0;
}
