/* SPDX-License-Identifier: AGPL-3.0-only */
#include "base/slab.h"
#include "sim/turn_rig.h"
#include "t.h"
#include "turnd/req.h"

#define ME addr_v4(7, 7, 7, 7, 1111)
#define PEER addr_v4(8, 8, 8, 8, 5000)

struct world {
	struct turn_rig r;
	struct rig_client c;
	struct addr peer;
};

static void begin(struct world *w)
{
	rig_init(&w->r);
	rig_start(&w->r);
	rig_client(&w->c, &w->r, VIA_UDP, ME);
	w->peer = PEER;
}

/* What no client sends goes nowhere, and is counted under its name. */
static void garbage_is_dropped(void)
{
	const struct {
		const char *row;
		enum stun_class cls;
		uint16_t method, attr;
		enum drop want;
	} row[] = {
		{ "success: ", STUN_SUCCESS, STUN_BINDING, 0, DROP_STUN_UNEXPECTED },
		{ "error: ", STUN_ERROR, TURN_ALLOCATE, 0, DROP_STUN_UNEXPECTED },
		{ "Data indication: ", STUN_INDICATION, TURN_DATA, 0, DROP_STUN_UNEXPECTED },
		{ "Allocate indication: ", STUN_INDICATION, TURN_ALLOCATE, 0, DROP_STUN_UNEXPECTED },
		{ "Send request: ", STUN_REQUEST, TURN_SEND, 0, DROP_STUN_UNEXPECTED },
		{ "method 2: ", STUN_REQUEST, 2, 0, DROP_STUN_UNEXPECTED },
		{ "method 13: ", STUN_REQUEST, 13, 0, DROP_STUN_UNEXPECTED },
		{ "method 0xfff: ", STUN_REQUEST, 0xfff, 0, DROP_STUN_UNEXPECTED },
		{ "unknown attribute: ", STUN_INDICATION, TURN_SEND, 0x7abc, DROP_STUN_UNEXPECTED },
		{ "no attributes: ", STUN_INDICATION, TURN_SEND, 0, DROP_CLIENT_UNKNOWN },
		{ "keepalive: ", STUN_INDICATION, STUN_BINDING, 0, DROP_NONE },
	};
	static const uint8_t tid[STUN_TID_LEN];

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct world w;

		t_row = row[i].row;
		begin(&w);
		w.c.w = wr_from(w.c.mem, sizeof(w.c.mem));
		stun_begin(&w.c.w, row[i].cls, row[i].method, tid);
		if (row[i].attr)
			stun_put(&w.c.w, row[i].attr, (struct span){ 0 });
		EQ(rig_call_unsigned(&w.c), -1);
		EQ(w.c.drop, row[i].want);
		EQ(w.r.t.stats.drops[row[i].want], row[i].want != DROP_NONE);
		EQ(w.r.n_sent, 0);
		rig_done(&w.r);
	}
}

/* Every beginning of a good message, and the message with each byte spoilt, changes nothing. */
static void truncated_and_spoilt_messages_do_nothing(void)
{
	struct world w;
	uint8_t msg[512];
	size_t n;

	begin(&w);
	EQ(rig_allocate(&w.c), 0);
	EQ(rig_permit(&w.c, &w.peer), 0);
	rig_begin(&w.c, TURN_REFRESH);
	turn_put_u32(&w.c.w, TURN_ATTR_LIFETIME, 0);
	w.r.t.conf.nonce_life = 0; /* or the whole message would do what it says */
	rig_tick(&w.r, DUR_SEC(2));
	EQ(rig_call(&w.c), 438);
	w.r.t.conf.nonce_life = DUR_SEC(600);
	n = wr_len(&w.c.w);
	memcpy(msg, w.c.mem, n);
	for (size_t i = 0; i < n; i++)
		OK(rig_input(&w.r, &w.c.c, span_of(msg, i)) != DROP_NONE);
	for (size_t i = 0; i < n; i++) {
		msg[i] ^= 0x55;
		(void)rig_input(&w.r, &w.c.c, span_of(msg, n));
		msg[i] ^= 0x55;
	}
	EQ(w.r.t.stats.answered[TURN_REFRESH][0], 0);
	EQ(rig_input(&w.r, &w.c.c, span_of(msg, n)), DROP_NONE);
	EQ(w.r.t.stats.answered[TURN_REFRESH][0], 1);
	rig_done(&w.r);
}

static void wrong_fingerprint_is_dropped(void)
{
	struct world w;

	begin(&w);
	rig_begin(&w.c, STUN_BINDING);
	stun_put_fingerprint(&w.c.w);
	w.c.mem[wr_len(&w.c.w) - 1] ^= 1;
	EQ(rig_again(&w.c), -1);
	EQ(w.c.drop, DROP_STUN_FINGERPRINT);
	w.c.mem[wr_len(&w.c.w) - 1] ^= 1;
	EQ(rig_again(&w.c), 0);
	rig_done(&w.r);
}

static void random_bytes_do_nothing(void)
{
	struct world w;
	uint8_t b[200];

	begin(&w);
	EQ(rig_allocate(&w.c), 0);
	EQ(rig_bind(&w.c, 0x4000, &w.peer), 0);
	for (int i = 0; i < 100000; i++) {
		size_t n = rng_below(&w.r.rng, sizeof(b));

		rng_bytes(&w.r.rng, b, n);
		if (n > 8 && i % 2)
			put_be32(b + 4, STUN_MAGIC);
		rig_clear(&w.r);
		(void)rig_input(&w.r, &w.c.c, span_of(b, n));
	}
	EQ(w.r.t.allocs.live, 1);
	EQ(w.r.n_relays, 1);
	rig_done(&w.r);
}

/* 100,000 strangers ask for an allocation: not one byte is kept for them. */
static void strangers_cost_no_memory(void)
{
	struct world w;

	begin(&w);
	(void)mem_fail_at(SIZE_MAX);
	for (uint32_t i = 0; i < 100000; i++) {
		rig_client(&w.c, &w.r, VIA_UDP, addr_v4(7, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i, (uint16_t)(i | 1)));
		(void)rig_nonce(&w.c);
	}
	EQ(mem_fail_at(SIZE_MAX), 0);
	EQ(w.r.t.allocs.live, 0);
	EQ(w.r.t.clients.n, 0);
	EQ(w.r.quota.used, 0);
	EQ(w.r.n_relays, 0);
	OK(w.r.t.stats.drops[DROP_CHALLENGE_LIMIT] > 0);
	rig_done(&w.r);
}

/* Data costs no memory, either way. */
static void data_costs_no_memory(void)
{
	struct world w;

	begin(&w);
	EQ(rig_allocate(&w.c), 0);
	EQ(rig_bind(&w.c, 0x4000, &w.peer), 0);
	(void)mem_fail_at(SIZE_MAX);
	for (int i = 0; i < 1000; i++) {
		EQ(rig_channel_data(&w.c, 0x4000, SPAN_LIT("data")), DROP_NONE);
		EQ(rig_send(&w.c, &w.peer, SPAN_LIT("data"), false), DROP_NONE);
		EQ(rig_from_peer(&w.c, &w.peer, SPAN_LIT("data")), DROP_NONE);
	}
	EQ(mem_fail_at(SIZE_MAX), 0);
	rig_done(&w.r);
}

/* A drained server keeps whom it has. */
static void draining_keeps_sessions(void)
{
	struct world w;
	struct rig_client d;

	begin(&w);
	EQ(rig_allocate(&w.c), 0);
	turn_drain(&w.r.t);
	rig_client(&d, &w.r, VIA_UDP, addr_v4(7, 7, 7, 8, 1));
	EQ(rig_allocate(&d), 508);
	EQ(rig_refresh(&w.c, 600), 0);
	EQ(rig_bind(&w.c, 0x4000, &w.peer), 0);
	EQ(rig_channel_data(&w.c, 0x4000, SPAN_LIT("data")), DROP_NONE);
	rig_done(&w.r);
}

/* Ticks may be late, early, repeated; what is due is never later than turn_next said. */
static void ticks_are_idempotent(void)
{
	struct world w;
	mono_t at;

	begin(&w);
	OK(mono_is_never(turn_next(&w.r.t)));
	rig_tick(&w.r, 1);
	EQ(rig_allocate(&w.c), 0);
	at = turn_next(&w.r.t);
	EQ(at.us, rig_alloc(&w.c)->expires.us);
	rig_tick(&w.r, 0);
	rig_tick(&w.r, 0);
	EQ(turn_next(&w.r.t).us, at.us);
	rig_tick(&w.r, DUR_SEC(100000));
	rig_tick(&w.r, 0);
	OK(mono_is_never(turn_next(&w.r.t)));
	EQ(w.r.t.stats.expired, 1);
	t_row = "a request comes before the tick: ";
	EQ(rig_nonce(&w.c), 401);
	rig_credential(&w.c, 3600, "alice");
	EQ(rig_allocate(&w.c), 0);
	w.r.now = mono_add(w.r.now, DUR_SEC(600));
	EQ(rig_allocate(&w.c), 0);
	EQ(w.r.t.allocs.live, 1);
	EQ(w.r.t.stats.expired, 2);
	rig_done(&w.r);
}

/* The operator may end a session, once. */
static void operator_ends_a_session(void)
{
	struct world w;
	struct handle h;

	begin(&w);
	EQ(rig_allocate(&w.c), 0);
	h = rig_alloc(&w.c)->self;
	OK(turn_alloc(&w.r.t, h) != NULL);
	OK(turn_end(&w.r.t, h));
	OK(!turn_end(&w.r.t, h));
	OK(!turn_alloc(&w.r.t, h));
	EQ(w.r.n_relays, 0);
	rig_done(&w.r);
}

/* New settings hold for what comes; what must not change does not. */
static void reconf_keeps_identity(void)
{
	struct world w;
	struct turn_conf c;

	begin(&w);
	EQ(rig_allocate(&w.c), 0);
	c = w.r.conf;
	c.worker = 7;
	c.max_allocs = 1;
	c.relay[REL_V4].at = addr_v4(192, 0, 2, 99, 0);
	memset(c.nonce_key, 9, sizeof(c.nonce_key));
	c.max_perms = 0;
	c.default_life = DUR_SEC(60);
	turn_reconf(&w.r.t, &c);
	EQ(w.r.t.conf.worker, 3);
	EQ(rig_permit(&w.c, &w.peer), 508);
	rig_begin(&w.c, TURN_REFRESH);
	EQ(rig_call(&w.c), 0);
	EQ(w.c.a.lifetime, 60);
	rig_client(&w.c, &w.r, VIA_UDP, addr_v4(7, 7, 7, 8, 1));
	EQ(rig_allocate(&w.c), 0);
	OK(addr_same_ip(&w.c.a.relayed[0], &w.r.conf.relay[REL_V4].external));
	rig_done(&w.r);
}

static void out_of_memory_at_start(void)
{
	struct turn_rig r;

	rig_init(&r);
	mem_fail_at(0);
	EQ(turn_init(&r.t, &r.conf, &r.rng, &r.ob, NULL, &r, r.now, (wall_t){ 0 }), ERR_NOMEM);
	quota_done(&r.quota);
}

T_MAIN(T(garbage_is_dropped), T(truncated_and_spoilt_messages_do_nothing), T(wrong_fingerprint_is_dropped),
       T(random_bytes_do_nothing), T(strangers_cost_no_memory), T(data_costs_no_memory), T(draining_keeps_sessions),
       T(ticks_are_idempotent), T(operator_ends_a_session), T(reconf_keeps_identity), T(out_of_memory_at_start))
