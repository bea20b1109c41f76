/* SPDX-License-Identifier: AGPL-3.0-only */
#include <errno.h>

#include "sim/turn_rig.h"
#include "t.h"
#include "turnd/req.h"

#define ME addr_v4(7, 7, 7, 7, 1111)
#define PEER addr_v4(8, 8, 8, 8, 80)

struct world {
	struct turn_rig r;
	struct rig_client c, data; /* data: the client's second stream */
	struct addr peer;
};

static int allocate_tcp(struct rig_client *c)
{
	(void)rig_nonce(c);
	rig_begin(c, TURN_ALLOCATE);
	rig_put_transport(c, TURN_TCP);
	return rig_call(c);
}

static void begin(struct world *w)
{
	rig_init(&w->r);
	rig_start(&w->r);
	rig_client(&w->c, &w->r, VIA_TCP, ME);
	rig_client(&w->data, &w->r, VIA_TCP, addr_v4(7, 7, 7, 7, 1112));
	w->peer = PEER;
	EQ(allocate_tcp(&w->c), 0);
	(void)rig_nonce(&w->data);
}

static int connect_to(struct rig_client *c, const struct addr *peer)
{
	rig_begin(c, TURN_CONNECT);
	stun_put_xor_addr(&c->w, TURN_ATTR_XOR_PEER_ADDRESS, peer, c->mem + 8);
	return rig_call(c);
}

static int bind_to(struct rig_client *c, uint32_t id)
{
	rig_begin(c, TURN_CONNECTION_BIND);
	turn_put_u32(&c->w, TURN_ATTR_CONNECTION_ID, id);
	return rig_call(c);
}

/* What came last, as a message. */
static bool last_message(const struct turn_rig *r, struct stun_msg *m, struct turn_attrs *a)
{
	const struct rig_sent *s = rig_last((struct turn_rig *)r);

	return s && stun_parse(span_of(s->b, s->n), m) == 0 && turn_attrs_parse(m, a) == 0;
}

static bool signed_for(const struct rig_client *c, const struct stun_msg *m)
{
	uint8_t key[STUN_KEY_MAX];

	return stun_check_integrity(m, rig_key(c, key)) == 0;
}

/* RFC 6062 5.2, 5.4: Connect is answered when the peer has answered; then a second stream is joined to it. */
static void client_connects(void)
{
	struct world w;
	struct stun_msg m;
	struct turn_attrs a;
	uint8_t tid[STUN_TID_LEN];

	begin(&w);
	EQ(connect_to(&w.c, &w.peer), -1);
	EQ(w.c.drop, DROP_NONE);
	memcpy(tid, w.c.mem + 8, sizeof(tid));
	OK(addr_eq(&w.r.connect_to, &w.peer));
	EQ(w.r.connect_from, rig_alloc(&w.c)->port[REL_V4]);
	turn_peer_connected(&w.r.t, w.r.connecting, 0, w.r.now);
	OK(last_message(&w.r, &m, &a));
	EQ(m.cls, STUN_SUCCESS);
	EQ(m.method, TURN_CONNECT);
	EQ(memcmp(m.tid, tid, sizeof(tid)), 0);
	OK(signed_for(&w.c, &m));
	EQ(a.connection, w.r.connecting);
	EQ(a.connection >> 24, w.r.conf.worker);
	EQ(bind_to(&w.data, a.connection), 0);
	OK(w.data.ans_signed);
	EQ(w.r.joined, w.r.connecting);
	OK(handle_eq(w.r.joined_conn, w.data.c.conn));
	EQ(w.r.t.stats.streams, 1);
	t_row = "joined streams have no timer: ";
	rig_tick(&w.r, DUR_SEC(300));
	EQ(w.r.closed, 0);
	EQ(w.r.t.streams.live, 1);
	t_row = "and go with their allocation: ";
	EQ(rig_refresh(&w.c, 0), 0);
	EQ(w.r.closed, w.r.joined);
	EQ(w.r.t.streams.live, 0);
	rig_done(&w.r);
}

/* Every refusal of Connect. */
static void connect_is_checked(void)
{
	struct world w;
	struct stun_msg m;
	struct turn_attrs a;
	struct addr more = addr_v4(8, 8, 8, 9, 80), third = addr_v4(8, 8, 8, 10, 80), inside = addr_v4(10, 0, 0, 1, 80);
	struct addr ours = addr_v4(192, 0, 2, 1, 3478), closed = addr_v4(9, 9, 9, 9, 0);
	struct rig_client u;

	begin(&w);
	EQ(connect_to(&w.c, &inside), 403);
	EQ(connect_to(&w.c, &ours), 403);
	EQ(connect_to(&w.c, &closed), 403);
	closed.port = rig_alloc(&w.c)->port[REL_V4] == 50000 ? 50001 : 50000;
	t_row = "a relay port that is not open: ";
	EQ(connect_to(&w.c, &closed), 403);
	rig_begin(&w.c, TURN_CONNECT);
	EQ(rig_call(&w.c), 400);
	EQ(connect_to(&w.c, &w.peer), -1);
	t_row = "once more: ";
	EQ(connect_to(&w.c, &w.peer), 446);
	EQ(connect_to(&w.c, &more), -1);
	t_row = "max_streams: ";
	EQ(connect_to(&w.c, &third), 508);
	t_row = "it fails later: ";
	turn_peer_connected(&w.r.t, w.r.connecting, -ECONNREFUSED, w.r.now);
	OK(last_message(&w.r, &m, &a));
	EQ(m.error, 447);
	OK(signed_for(&w.c, &m));
	t_row = "it fails at once: ";
	w.r.connect_err = -ENETUNREACH;
	EQ(connect_to(&w.c, &third), 447);
	EQ(w.r.t.streams.live, 1);
	t_row = "an allocation for datagrams: ";
	rig_client(&u, &w.r, VIA_TCP, addr_v4(7, 7, 7, 7, 1113));
	EQ(rig_allocate(&u), 0);
	EQ(connect_to(&u, &w.peer), 400);
	rig_done(&w.r);
}

/* RFC 6062 5.3: a peer with permission is announced, any other is closed. */
static void peer_connects(void)
{
	struct world w;
	struct stun_msg m;
	struct turn_attrs a;
	struct handle h;
	uint32_t id;

	begin(&w);
	h = rig_alloc(&w.c)->self;
	EQ(turn_peer_accepted(&w.r.t, h, REL_V4, &w.peer, w.r.now), 0);
	EQ(w.r.t.stats.drops[DROP_RELAY_PERMISSION], 1);
	EQ(rig_permit(&w.c, &w.peer), 0);
	id = turn_peer_accepted(&w.r.t, h, REL_V4, &w.peer, w.r.now);
	OK(id);
	OK(last_message(&w.r, &m, &a));
	EQ(m.cls, STUN_INDICATION);
	EQ(m.method, TURN_CONNECTION_ATTEMPT);
	EQ(a.connection, id);
	OK(addr_eq(&a.peer[0], &w.peer));
	EQ(bind_to(&w.data, id), 0);
	EQ(w.r.joined, id);
	t_row = "the client takes nothing: ";
	w.r.blocked = true;
	EQ(turn_peer_accepted(&w.r.t, h, REL_V4, &w.peer, w.r.now), 0);
	w.r.blocked = false;
	EQ(w.r.t.streams.live, 1);
	t_row = "max_streams: ";
	OK(turn_peer_accepted(&w.r.t, h, REL_V4, &w.peer, w.r.now));
	EQ(turn_peer_accepted(&w.r.t, h, REL_V4, &w.peer, w.r.now), 0);
	t_row = "no such allocation: ";
	EQ(turn_peer_accepted(&w.r.t, (struct handle){ 0 }, REL_V4, &w.peer, w.r.now), 0);
	t_row = "gone before it was joined, and after: ";
	turn_peer_gone(&w.r.t, id);
	EQ(w.r.t.streams.live, 1);
	turn_peer_gone(&w.r.t, id);
	EQ(w.r.t.streams.live, 1);
	rig_done(&w.r);
}

/* RFC 6062 5.2, 5.4: 30 s to connect, 30 s to bind. */
static void waiting_ends_after_30s(void)
{
	struct world w;
	struct stun_msg m;
	struct turn_attrs a;

	begin(&w);
	EQ(connect_to(&w.c, &w.peer), -1);
	rig_tick(&w.r, DUR_SEC(30) - 1);
	EQ(w.r.closed, 0);
	rig_tick(&w.r, 1);
	EQ(w.r.closed, w.r.connecting);
	OK(last_message(&w.r, &m, &a));
	EQ(m.error, 447);
	t_row = "too late: ";
	turn_peer_connected(&w.r.t, w.r.connecting, 0, w.r.now);
	EQ(connect_to(&w.c, &w.peer), -1);
	rig_tick(&w.r, DUR_SEC(20));
	turn_peer_connected(&w.r.t, w.r.connecting, 0, w.r.now);
	rig_tick(&w.r, DUR_SEC(30) - 1);
	EQ(w.r.t.streams.live, 1);
	rig_tick(&w.r, 1);
	EQ(w.r.closed, w.r.connecting);
	EQ(w.r.t.streams.live, 0);
	EQ(bind_to(&w.data, w.r.connecting), 400);
	rig_done(&w.r);
}

/* Every refusal of ConnectionBind. */
static void connection_bind_is_checked(void)
{
	struct world w;
	struct rig_client other, udp;
	uint32_t id;

	begin(&w);
	EQ(connect_to(&w.c, &w.peer), -1);
	id = w.r.connecting;
	t_row = "not connected yet: ";
	EQ(bind_to(&w.data, id), 400);
	turn_peer_connected(&w.r.t, id, 0, w.r.now);
	t_row = "unknown: ";
	EQ(bind_to(&w.data, id ^ 1), 400);
	t_row = "none: ";
	rig_begin(&w.data, TURN_CONNECTION_BIND);
	EQ(rig_call(&w.data), 400);
	t_row = "on the control stream: ";
	EQ(bind_to(&w.c, id), 400);
	t_row = "by another user: ";
	rig_client(&other, &w.r, VIA_TCP, addr_v4(7, 7, 7, 7, 1114));
	rig_credential(&other, 3600, "mallory");
	(void)rig_nonce(&other);
	EQ(bind_to(&other, id), 441);
	t_row = "over UDP: ";
	rig_client(&udp, &w.r, VIA_UDP, addr_v4(7, 7, 7, 7, 1115));
	(void)rig_nonce(&udp);
	EQ(bind_to(&udp, id), 400);
	t_row = "of another worker: ";
	EQ(bind_to(&w.data, 5u << 24 | 77), -1);
	EQ(w.data.drop, DROP_OTHER_WORKER);
	EQ(w.r.t.other, 5);
	t_row = "the answer does not fit: ";
	w.r.blocked = true;
	EQ(bind_to(&w.data, id), -1);
	EQ(w.r.joined, 0);
	w.r.blocked = false;
	EQ(bind_to(&w.data, id), 0);
	t_row = "twice: ";
	EQ(bind_to(&w.data, id), 400);
	rig_done(&w.r);
}

/* RFC 6062 5: no datagrams, no channels; and everything ends with the control stream. */
static void streams_only(void)
{
	struct world w;

	begin(&w);
	EQ(rig_permit(&w.c, &w.peer), 0);
	EQ(rig_send(&w.c, &w.peer, SPAN_LIT("data"), false), DROP_PEER_FAMILY);
	EQ(rig_bind(&w.c, 0x4000, &w.peer), 400);
	EQ(connect_to(&w.c, &w.peer), -1);
	turn_client_gone(&w.r.t, &w.c.c);
	EQ(w.r.closed, w.r.connecting);
	EQ(w.r.t.allocs.live, 0);
	EQ(w.r.t.streams.live, 0);
	turn_peer_connected(&w.r.t, w.r.connecting, 0, w.r.now);
	rig_done(&w.r);
}

/* Two clients' streams: connected by the external address, presented by it. */
static void streams_hairpin(void)
{
	struct world w;
	struct rig_client d;
	struct addr told, from;
	struct stun_msg m;
	struct turn_attrs a;

	begin(&w);
	rig_client(&d, &w.r, VIA_TLS, addr_v4(7, 7, 7, 9, 1));
	EQ(allocate_tcp(&d), 0);
	told = d.a.relayed[0];
	EQ(connect_to(&w.c, &told), -1);
	OK(addr_same_ip(&w.r.connect_to, &w.r.conf.relay[REL_V4].at));
	EQ(w.r.connect_to.port, told.port);
	from = w.r.conf.relay[REL_V4].at;
	from.port = w.r.connect_from;
	told = relay_address(&w.r.t, rig_alloc(&w.c), REL_V4);
	EQ(rig_permit(&d, &told), 0);
	OK(turn_peer_accepted(&w.r.t, rig_alloc(&d)->self, REL_V4, &from, w.r.now));
	OK(last_message(&w.r, &m, &a));
	OK(addr_eq(&a.peer[0], &told));
	rig_done(&w.r);
}

T_MAIN(T(client_connects), T(connect_is_checked), T(peer_connects), T(waiting_ends_after_30s),
       T(connection_bind_is_checked), T(streams_only), T(streams_hairpin))
