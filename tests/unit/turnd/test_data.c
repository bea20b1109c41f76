/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sim/turn_rig.h"
#include "t.h"
#include "turnd/req.h"

#define ME addr_v4(7, 7, 7, 7, 1111)
#define PEER addr_v4(8, 8, 8, 8, 5000)

struct world {
	struct turn_rig r;
	struct rig_client c;
	struct addr peer;
	uint16_t port; /* the relayed one */
};

static void begin(struct world *w, enum via via)
{
	rig_init(&w->r);
	rig_start(&w->r);
	rig_client(&w->c, &w->r, via, ME);
	w->peer = PEER;
	EQ(rig_allocate(&w->c), 0);
	w->port = w->c.a.relayed[0].port;
}

static void fill(uint8_t *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		b[i] = (uint8_t)(i * 7);
}

/* RFC 8656 12.6: what a client sends on its channel leaves by its relayed port, as it is. */
static void channel_data_reaches_the_peer(void)
{
	static const size_t sizes[] = { 1, 3, 4, 100, 1200, OUTBOX_DGRAM_MAX };
	struct world w;
	uint8_t b[OUTBOX_DGRAM_MAX + 1];

	fill(b, sizeof(b));
	begin(&w, VIA_UDP);
	EQ(rig_bind(&w.c, 0x4abc, &w.peer), 0);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		EQ(rig_channel_data(&w.c, 0x4abc, span_of(b, sizes[i])), DROP_NONE);
		EQ(w.r.n_sent, 1);
		EQ_SPAN(span_of(rig_last(&w.r)->b, rig_last(&w.r)->n), span_of(b, sizes[i]));
		OK(addr_eq(&rig_last(&w.r)->path.remote, &w.peer));
		OK(addr_same_ip(&rig_last(&w.r)->path.local, &w.r.conf.relay[REL_V4].at));
		EQ(rig_last(&w.r)->path.local.port, w.port);
		OK(!rig_last(&w.r)->df);
	}
	EQ(w.r.t.stats.packets[0], ARRAY_LEN(sizes));
	EQ(w.r.t.stats.bytes[0], 1 + 3 + 4 + 100 + 1200 + OUTBOX_DGRAM_MAX);
	EQ(rig_alloc(&w.c)->packets[0], ARRAY_LEN(sizes));
	EQ(rig_channel_data(&w.c, 0x4abc, span_of(b, sizeof(b))), DROP_TOO_LARGE);
	EQ(rig_channel_data(&w.c, 0x4abd, span_of(b, 4)), DROP_CHANNEL_UNKNOWN);
	EQ(rig_channel_data(&w.c, 0x8000, span_of(b, 4)), DROP_UNKNOWN_KIND);
	rig_done(&w.r);
}

/* A truncated ChannelData message is none; padding behind a whole one is. */
static void channel_length_is_checked(void)
{
	static const uint8_t msg[] = { 0x40, 0x01, 0, 5, 'h', 'e', 'l', 'l', 'o', 0, 0, 0 };
	struct world w;

	begin(&w, VIA_TCP);
	EQ(rig_bind(&w.c, 0x4001, &w.peer), 0);
	for (size_t n = 0; n <= sizeof(msg); n++) {
		rig_clear(&w.r);
		EQ(rig_input(&w.r, &w.c.c, span_of(msg, n)), n < 9 ? DROP_UNKNOWN_KIND : DROP_NONE);
		EQ(w.r.n_sent, n >= 9);
		if (n >= 9)
			EQ_SPAN(span_of(rig_last(&w.r)->b, rig_last(&w.r)->n), SPAN_LIT("hello"));
	}
	rig_done(&w.r);
}

/* RFC 8656 11.3: on the channel when there is one, on UDP and on streams, of every size. */
static void peer_data_comes_on_its_channel(void)
{
	static const enum via vias[] = { VIA_UDP, VIA_TCP, VIA_DTLS };
	uint8_t b[64];

	fill(b, sizeof(b));
	for (size_t v = 0; v < ARRAY_LEN(vias); v++) {
		struct world w;

		t_row = via_str(vias[v]);
		begin(&w, vias[v]);
		EQ(rig_bind(&w.c, 0x4001, &w.peer), 0);
		for (size_t n = 1; n < 9; n++) {
			struct rig_sent *s;

			rig_clear(&w.r);
			EQ(rig_from_peer(&w.c, &w.peer, span_of(b, n)), DROP_NONE);
			EQ(w.r.n_sent, 1);
			s = rig_last(&w.r);
			EQ(be16_at(s->b), 0x4001);
			EQ(be16_at(s->b + 2), n);
			EQ_SPAN(span_of(s->b + 4, n), span_of(b, n));
			EQ(s->n, 4 + n + (vias[v] == VIA_UDP ? 0 : turn_pad(n)));
			EQ(addr_eq(&s->path.remote, &w.c.c.path.remote), vias[v] == VIA_UDP);
		}
		EQ(w.r.t.stats.packets[1], 8);
		rig_done(&w.r);
	}
}

/* RFC 8656 11.3: without a channel in a Data indication, whose length counts padding wherever the padding comes from. */
static void peer_data_comes_as_indication(void)
{
	static const enum via vias[] = { VIA_UDP, VIA_TLS, VIA_DTLS };
	uint8_t b[64];

	fill(b, sizeof(b));
	for (size_t v = 0; v < ARRAY_LEN(vias); v++) {
		struct world w;

		t_row = via_str(vias[v]);
		begin(&w, vias[v]);
		EQ(rig_permit(&w.c, &w.peer), 0);
		for (size_t n = 0; n < 9; n++) {
			struct stun_msg m;
			struct turn_attrs a;
			struct rig_sent *s;

			rig_clear(&w.r);
			EQ(rig_from_peer(&w.c, &w.peer, span_of(b, n)), DROP_NONE);
			s = rig_last(&w.r);
			EQ(stun_parse(span_of(s->b, s->n), &m), 0);
			EQ(turn_attrs_parse(&m, &a), 0);
			EQ(m.cls, STUN_INDICATION);
			EQ(m.method, TURN_DATA);
			EQ(a.n_peers, 1);
			OK(addr_eq(&a.peer[0], &w.peer));
			EQ_SPAN(a.data, span_of(b, n));
		}
		rig_done(&w.r);
	}
}

/* What does not fit is dropped, never cut. */
static void oversized_data_is_dropped(void)
{
	static uint8_t b[70000];
	struct world w;

	begin(&w, VIA_UDP);
	EQ(rig_permit(&w.c, &w.peer), 0);
	EQ(rig_from_peer(&w.c, &w.peer, span_of(b, OUTBOX_DGRAM_MAX - 36)), DROP_NONE);
	EQ(rig_from_peer(&w.c, &w.peer, span_of(b, OUTBOX_DGRAM_MAX - 35)), DROP_TOO_LARGE);
	EQ(rig_from_peer(&w.c, &w.peer, span_of(b, OUTBOX_DGRAM_MAX - 32)), DROP_TOO_LARGE);
	EQ(rig_from_peer(&w.c, &w.peer, span_of(b, 65535)), DROP_TOO_LARGE);
	EQ(rig_bind(&w.c, 0x4000, &w.peer), 0);
	EQ(rig_from_peer(&w.c, &w.peer, span_of(b, OUTBOX_DGRAM_MAX - 4)), DROP_NONE);
	EQ(rig_from_peer(&w.c, &w.peer, span_of(b, OUTBOX_DGRAM_MAX - 3)), DROP_TOO_LARGE);
	EQ(rig_from_peer(&w.c, &w.peer, span_of(b, 65536)), DROP_TOO_LARGE);
	EQ(w.r.t.stats.packets[1], 2);
	rig_done(&w.r);
}

/* RFC 8656 11.2: peer and data, a permission, an address that may be reached. */
static void send_is_checked(void)
{
	static const uint8_t v6[16] = { 0x26, 0x20, [15] = 9 };
	const struct {
		const char *row;
		struct addr peer;
		bool permit;
		enum drop want;
	} row[] = {
		{ "permitted: ", PEER, true, DROP_NONE },
		{ "not permitted: ", addr_v4(8, 8, 8, 9, 5000), false, DROP_PERMISSION },
		{ "another port: ", addr_v4(8, 8, 8, 8, 6000), false, DROP_NONE },
		{ "port 0: ", addr_v4(8, 8, 8, 8, 0), false, DROP_PEER_FORBIDDEN },
		{ "inside: ", addr_v4(10, 0, 0, 1, 5000), false, DROP_PEER_FORBIDDEN },
		{ "ourselves: ", addr_v4(192, 0, 2, 1, 3478), false, DROP_PEER_FORBIDDEN },
		{ "IPv6: ", addr_from_v6(v6, 5000), false, DROP_PEER_FAMILY },
	};
	struct world w;

	begin(&w, VIA_UDP);
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		t_row = row[i].row;
		if (row[i].permit)
			EQ(rig_permit(&w.c, &row[i].peer), 0);
		EQ(rig_send(&w.c, &row[i].peer, SPAN_LIT("data"), false), row[i].want);
		EQ(w.r.n_sent, row[i].want == DROP_NONE);
		EQ(w.r.t.stats.drops[row[i].want], row[i].want == DROP_NONE ? 0 : row[i].want == DROP_PEER_FORBIDDEN ? i - 2 : 1);
	}
	EQ(rig_send(&w.c, NULL, SPAN_LIT("data"), false), DROP_SEND_MALFORMED);
	t_row = "DONT-FRAGMENT counts for this datagram: ";
	EQ(rig_send(&w.c, &w.peer, SPAN_LIT("data"), true), DROP_NONE);
	OK(rig_last(&w.r)->df);
	EQ(rig_send(&w.c, &w.peer, SPAN_LIT("data"), false), DROP_NONE);
	OK(!rig_last(&w.r)->df);
	rig_done(&w.r);
}

/* RFC 8656 9, 12: a client may use its channel for 600 s; a peer needs the permission, which lasts 300 s. */
static void permissions_and_channels_expire(void)
{
	struct world w;

	begin(&w, VIA_UDP);
	rig_begin(&w.c, TURN_REFRESH);
	turn_put_u32(&w.c.w, TURN_ATTR_LIFETIME, 3000);
	EQ(rig_call(&w.c), 0);
	EQ(rig_bind(&w.c, 0x4000, &w.peer), 0);
	rig_tick(&w.r, DUR_SEC(299));
	EQ(rig_from_peer(&w.c, &w.peer, SPAN_LIT("data")), DROP_NONE);
	rig_tick(&w.r, DUR_SEC(1));
	EQ(rig_from_peer(&w.c, &w.peer, SPAN_LIT("data")), DROP_RELAY_PERMISSION);
	EQ(rig_channel_data(&w.c, 0x4000, SPAN_LIT("data")), DROP_NONE);
	t_row = "data refreshed nothing: ";
	EQ(rig_from_peer(&w.c, &w.peer, SPAN_LIT("data")), DROP_RELAY_PERMISSION);
	EQ(rig_permit(&w.c, &w.peer), 0);
	EQ(rig_from_peer(&w.c, &w.peer, SPAN_LIT("data")), DROP_NONE);
	rig_tick(&w.r, DUR_SEC(300) - 1);
	EQ(rig_channel_data(&w.c, 0x4000, SPAN_LIT("data")), DROP_NONE);
	rig_tick(&w.r, 1);
	EQ(rig_channel_data(&w.c, 0x4000, SPAN_LIT("data")), DROP_CHANNEL_UNKNOWN);
	rig_done(&w.r);
}

/* After its end an allocation carries nothing, though the timer may be late. */
static void ended_allocation_is_silent(void)
{
	struct world w;
	struct rig_client stranger;
	struct handle was;

	begin(&w, VIA_UDP);
	EQ(rig_bind(&w.c, 0x4000, &w.peer), 0);
	was = rig_alloc(&w.c)->self;
	w.r.now = mono_add(w.r.now, DUR_SEC(600));
	EQ(rig_channel_data(&w.c, 0x4000, SPAN_LIT("data")), DROP_CLIENT_UNKNOWN);
	EQ(rig_from_peer(&w.c, &w.peer, SPAN_LIT("data")), DROP_RELAY_GONE);
	rig_tick(&w.r, 0);
	EQ(turn_relay_input(&w.r.t, was, &w.peer, SPAN_LIT("data"), w.r.now), DROP_RELAY_GONE);
	rig_client(&stranger, &w.r, VIA_UDP, addr_v4(7, 7, 7, 7, 2222));
	EQ(rig_channel_data(&stranger, 0x4000, SPAN_LIT("data")), DROP_CLIENT_UNKNOWN);
	EQ(rig_send(&stranger, &w.peer, SPAN_LIT("data"), false), DROP_CLIENT_UNKNOWN);
	rig_done(&w.r);
}

/* A stream that takes no more loses data, and it is not counted as relayed. */
static void blocked_stream_loses_data(void)
{
	struct world w;

	begin(&w, VIA_TLS);
	EQ(rig_permit(&w.c, &w.peer), 0);
	w.r.blocked = true;
	EQ(rig_from_peer(&w.c, &w.peer, SPAN_LIT("data")), DROP_BLOCKED);
	EQ(w.r.t.stats.packets[1], 0);
	rig_done(&w.r);
}

T_MAIN(T(channel_data_reaches_the_peer), T(channel_length_is_checked), T(peer_data_comes_on_its_channel),
       T(peer_data_comes_as_indication), T(oversized_data_is_dropped), T(send_is_checked),
       T(permissions_and_channels_expire), T(ended_allocation_is_silent), T(blocked_stream_loses_data))
