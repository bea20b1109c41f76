/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sim/turn_rig.h"
#include "t.h"
#include "turnd/req.h"

struct world {
	struct turn_rig r;
	struct rig_client a, b;
	struct addr at_a, at_b; /* their relayed addresses */
};

static void begin(struct world *w, bool external)
{
	rig_init(&w->r);
	if (!external)
		w->r.conf.relay[REL_V4].external = (struct addr){ 0 };
	rig_start(&w->r);
	rig_client(&w->a, &w->r, VIA_UDP, addr_v4(7, 7, 7, 7, 1111));
	rig_client(&w->b, &w->r, VIA_TCP, addr_v4(7, 7, 7, 8, 2222));
	EQ(rig_allocate(&w->a), 0);
	EQ(rig_allocate(&w->b), 0);
	w->at_a = w->a.a.relayed[0];
	w->at_b = w->b.a.relayed[0];
}

/* Two clients of one server reach each other by the addresses they were told, in both directions. */
static void clients_reach_each_other(void)
{
	for (int external = 0; external < 2; external++) {
		struct world w;
		struct rig_sent *s;
		struct stun_msg m;
		struct turn_attrs attrs;

		t_row = external ? "behind an external address: " : "by the bound address: ";
		begin(&w, external);
		EQ(addr_same_ip(&w.at_a, &w.r.conf.relay[REL_V4].at), !external);
		EQ(rig_bind(&w.a, 0x4000, &w.at_b), 0);
		EQ(rig_permit(&w.b, &w.at_a), 0);

		EQ(rig_channel_data(&w.a, 0x4000, SPAN_LIT("ping")), DROP_NONE);
		s = rig_last(&w.r);
		OK(addr_same_ip(&s->path.remote, &w.r.conf.relay[REL_V4].at));
		EQ(s->path.remote.port, w.at_b.port);
		EQ(rig_hairpin(&w.r, s), DROP_NONE);
		s = rig_last(&w.r);
		OK(handle_eq(s->conn, w.b.c.conn));
		EQ(stun_parse(span_of(s->b, s->n), &m), 0);
		EQ(turn_attrs_parse(&m, &attrs), 0);
		OK(addr_eq(&attrs.peer[0], &w.at_a));
		EQ_SPAN(attrs.data, SPAN_LIT("ping"));

		EQ(rig_send(&w.b, &w.at_a, SPAN_LIT("pong"), false), DROP_NONE);
		EQ(rig_hairpin(&w.r, rig_last(&w.r)), DROP_NONE);
		s = rig_last(&w.r);
		EQ_SPAN(span_of(s->b, s->n), SPAN_LIT("\x40\x00\x00\x04pong"));
		EQ(w.r.t.stats.hairpin, 2);
		rig_done(&w.r);
	}
}

/* A relay address with a port that no client has is this host: nothing goes there, nothing comes from there. */
static void closed_ports_of_ours_are_forbidden(void)
{
	struct world w;
	struct addr closed, at;

	begin(&w, true);
	closed = w.at_a;
	while (rig_relay_open(&w.r, REL_V4, closed.port))
		closed.port = (uint16_t)(50000 + (closed.port + 1) % 1000);
	EQ(rig_permit(&w.a, &closed), 0);
	EQ(rig_send(&w.a, &closed, SPAN_LIT("data"), false), DROP_PEER_FORBIDDEN);
	EQ(rig_bind(&w.a, 0x4000, &closed), 0);
	EQ(rig_channel_data(&w.a, 0x4000, SPAN_LIT("data")), DROP_PEER_FORBIDDEN);
	EQ(w.r.n_sent, 0);
	EQ(rig_from_peer(&w.a, &closed, SPAN_LIT("data")), DROP_PEER_FORBIDDEN);
	at = w.r.conf.relay[REL_V4].at;
	at.port = 3478;
	EQ(rig_from_peer(&w.a, &at, SPAN_LIT("data")), DROP_PEER_FORBIDDEN);
	EQ(rig_permit(&w.a, &at), 0);
	EQ(rig_send(&w.a, &at, SPAN_LIT("data"), false), DROP_PEER_FORBIDDEN);
	rig_done(&w.r);
}

/* AllowPeer= exempts a server beside us, on our own address, outside of the relay ports. */
static void neighbour_may_be_allowed(void)
{
	struct turn_rig r;
	struct rig_client c;
	struct addr sfu = addr_v4(9, 9, 9, 9, 7878), next = addr_v4(127, 0, 0, 9, 7878);

	rig_init(&r);
	r.conf.policy.allow[r.conf.policy.n_allow++] = sfu;
	rig_start(&r);
	rig_client(&c, &r, VIA_UDP, addr_v4(7, 7, 7, 7, 1111));
	EQ(rig_allocate(&c), 0);
	EQ(rig_bind(&c, 0x4000, &sfu), 0);
	EQ(rig_channel_data(&c, 0x4000, SPAN_LIT("data")), DROP_NONE);
	OK(addr_eq(&rig_last(&r)->path.remote, &sfu));
	EQ(rig_from_peer(&c, &sfu, SPAN_LIT("data")), DROP_NONE);
	EQ(rig_bind(&c, 0x4001, &next), 0);
	EQ(rig_channel_data(&c, 0x4001, SPAN_LIT("data")), DROP_NONE);
	EQ(rig_from_peer(&c, &next, SPAN_LIT("data")), DROP_NONE);
	rig_done(&r);
}

/* 443 for a family the allocation has not, 403 for whom nobody may reach. */
static void peers_are_judged(void)
{
	static const uint8_t v6[16] = { 0x2a, 0x00, [15] = 9 }, mapped[16] = { [10] = 0xff, 0xff, 10, 0, 0, 1 };
	const struct {
		const char *row;
		struct addr peer;
		bool with_port;
		uint16_t want;
	} row[] = {
		{ "global: ", addr_v4(8, 8, 8, 8, 1), true, 0 },
		{ "no port: ", addr_v4(8, 8, 8, 8, 0), true, 403 },
		{ "no port needed: ", addr_v4(8, 8, 8, 8, 0), false, 0 },
		{ "private: ", addr_v4(192, 168, 1, 1, 1), true, 403 },
		{ "private, mapped: ", addr_from_v6(mapped, 1), true, 403 },
		{ "IPv6: ", addr_from_v6(v6, 1), true, 443 },
		{ "our listening port: ", addr_v4(192, 0, 2, 1, 3478), true, 403 },
		{ "our address: ", addr_v4(192, 0, 2, 1, 3478), false, 0 },
		{ "a relay port of ours: ", addr_v4(9, 9, 9, 9, 50001), true, 0 },
	};
	struct world w;

	begin(&w, true);
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		t_row = row[i].row;
		EQ(relay_judge(&w.r.t, rig_alloc(&w.a), &row[i].peer, row[i].with_port), row[i].want);
	}
	rig_done(&w.r);
}

/* The allocation's limit and everybody's; what is over them is lost and counted, and a second later there is room. */
static void bandwidth_is_limited(void)
{
	static uint8_t b[1000];
	struct turn_rig r;
	struct rig_client c;
	struct addr peer = addr_v4(8, 8, 8, 8, 5000);
	uint32_t through = 0;

	rig_init(&r);
	r.conf.max_bps = 100000;
	rig_start(&r);
	rig_client(&c, &r, VIA_UDP, addr_v4(7, 7, 7, 7, 1111));
	EQ(rig_allocate(&c), 0);
	EQ(rig_bind(&c, 0x4000, &peer), 0);
	for (int i = 0; i < 100; i++)
		through += rig_channel_data(&c, 0x4000, span_of(b, sizeof(b))) == DROP_NONE;
	EQ(through, 100);
	EQ(rig_channel_data(&c, 0x4000, span_of(b, sizeof(b))), DROP_BANDWIDTH);
	EQ(rig_from_peer(&c, &peer, span_of(b, sizeof(b))), DROP_BANDWIDTH);
	rig_tick(&r, DUR_MS(100));
	for (int i = 0; i < 10; i++)
		EQ(rig_channel_data(&c, 0x4000, span_of(b, sizeof(b))), DROP_NONE);
	EQ(rig_channel_data(&c, 0x4000, span_of(b, sizeof(b))), DROP_BANDWIDTH);
	EQ(r.t.stats.drops[DROP_BANDWIDTH], 3);
	EQ(r.t.stats.packets[0], 110);
	rig_done(&r);
}

/* The total is drawn in pieces; when there is none, the source is left alone for a moment. */
static void total_bandwidth_is_drawn(void)
{
	struct world w;
	struct addr peer = addr_v4(8, 8, 8, 8, 5000);

	begin(&w, true);
	EQ(rig_bind(&w.a, 0x4000, &peer), 0);
	w.r.no_draw = 1;
	EQ(rig_channel_data(&w.a, 0x4000, SPAN_LIT("data")), DROP_TOTAL_BANDWIDTH);
	EQ(w.r.no_draw, 0);
	EQ(rig_channel_data(&w.a, 0x4000, SPAN_LIT("data")), DROP_TOTAL_BANDWIDTH);
	EQ(w.r.t.drawn, 0);
	RIG_MS(&w.r, 1);
	EQ(rig_channel_data(&w.a, 0x4000, SPAN_LIT("data")), DROP_NONE);
	EQ(w.r.t.drawn, UINT32_MAX - 4);
	rig_done(&w.r);
}

T_MAIN(T(clients_reach_each_other), T(closed_ports_of_ours_are_forbidden), T(neighbour_may_be_allowed),
       T(peers_are_judged), T(bandwidth_is_limited), T(total_bandwidth_is_drawn))
