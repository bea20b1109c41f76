/* SPDX-License-Identifier: AGPL-3.0-only */
#include <errno.h>

#include "base/slab.h"
#include "sim/turn_rig.h"
#include "t.h"
#include "turnd/req.h"

#define ME addr_v4(7, 7, 7, 7, 1111)

static void put_family(struct rig_client *c, uint8_t family)
{
	turn_put_u8(&c->w, TURN_ATTR_REQUESTED_ADDRESS_FAMILY, family);
}

static void put_more(struct rig_client *c, uint8_t family)
{
	turn_put_u8(&c->w, TURN_ATTR_ADDITIONAL_ADDRESS_FAMILY, family);
}

static void put_even(struct rig_client *c, bool next)
{
	turn_put_u8(&c->w, TURN_ATTR_EVEN_PORT, next ? 0x80 : 0);
}

static void put_token(struct rig_client *c, const uint8_t token[TURN_TOKEN_LEN])
{
	stun_put(&c->w, TURN_ATTR_RESERVATION_TOKEN, span_of(token, TURN_TOKEN_LEN));
}

/* RFC 8656 7.3: everything the client must know, signed. */
static void tells_addresses_and_lifetime(void)
{
	struct turn_rig r;
	struct rig_client c;

	rig_init(&r);
	rig_start(&r);
	rig_client(&c, &r, VIA_UDP, ME);
	EQ(rig_nonce(&c), 401);
	EQ(rig_allocate(&c), 0);
	OK(c.ans_signed);
	OK(addr_eq(&c.m.mapped, &c.c.path.remote));
	EQ(c.a.n_relayed, 1);
	OK(addr_same_ip(&c.a.relayed[0], &r.conf.relay[REL_V4].external));
	OK(c.a.relayed[0].port >= 50000 && c.a.relayed[0].port <= 50999);
	OK(rig_relay_open(&r, REL_V4, c.a.relayed[0].port));
	EQ(c.a.lifetime, 600);
	EQ(r.t.stats.allocated[VIA_UDP], 1);
	EQ(r.t.stats.answered[TURN_ALLOCATE][0], 1);
	EQ(r.t.stats.errors[401 - 300], 2);
	EQ(r.quota.used, 1);
	rig_done(&r);
	EQ(r.n_relays, 0);
	EQ(sizeof(struct alloc) < 700, true);
}

enum { A_V4 = 1, A_V6 = 2, A_MORE4 = 4, A_MORE6 = 8, A_EVEN = 16, A_NEXT = 32, A_TOKEN = 64, A_DF = 128, A_TICKET = 256,
       A_LONG_TICKET = 512, A_V9 = 1024, A_UNKNOWN = 2048, A_BAD = 4096 };

static void put_all(struct rig_client *c, unsigned what)
{
	static const uint8_t token[TURN_TOKEN_LEN] = { 3, 1 };

	if (what & (A_V4 | A_V6 | A_V9))
		put_family(c, what & A_V4 ? 1 : what & A_V6 ? 2 : 9);
	if (what & (A_MORE4 | A_MORE6))
		put_more(c, what & A_MORE4 ? 1 : 2);
	if (what & (A_EVEN | A_NEXT))
		put_even(c, what & A_NEXT);
	if (what & A_TOKEN)
		put_token(c, token);
	if (what & A_DF)
		stun_put(&c->w, TURN_ATTR_DONT_FRAGMENT, (struct span){ 0 });
	if (what & (A_TICKET | A_LONG_TICKET))
		stun_put(&c->w, TURN_ATTR_MOBILITY_TICKET, span_of(token, what & A_TICKET ? 0 : 8));
	if (what & A_UNKNOWN)
		stun_put(&c->w, 0x7abc, (struct span){ 0 });
	if (what & A_BAD)
		stun_put(&c->w, TURN_ATTR_LIFETIME, SPAN_LIT("xx"));
}

/* RFC 8656 7.2, RFC 6062 5.1, RFC 8016 3.1: each refusal, and that it leaves nothing behind. */
static void refuses_with_the_right_code(void)
{
	const struct {
		const char *row;
		enum via via;
		uint8_t transport;
		unsigned what;
		int want;
	} row[] = {
		{ "no transport: ", VIA_UDP, 0, 0, 400 },
		{ "SCTP: ", VIA_UDP, 132, 0, 442 },
		{ "family 9: ", VIA_UDP, 17, A_V9, 440 },
		{ "family and additional: ", VIA_UDP, 17, A_V4 | A_MORE6, 400 },
		{ "family and token: ", VIA_UDP, 17, A_V4 | A_TOKEN, 400 },
		{ "additional and token: ", VIA_UDP, 17, A_MORE6 | A_TOKEN, 400 },
		{ "additional IPv4: ", VIA_UDP, 17, A_MORE4, 400 },
		{ "additional and reserving: ", VIA_UDP, 17, A_MORE6 | A_NEXT, 400 },
		{ "even and token: ", VIA_UDP, 17, A_EVEN | A_TOKEN, 400 },
		{ "unknown token: ", VIA_UDP, 17, A_TOKEN, 508 },
		{ "a ticket to begin with: ", VIA_UDP, 17, A_LONG_TICKET, 400 },
		{ "unknown attribute: ", VIA_UDP, 17, A_UNKNOWN, 420 },
		{ "lifetime of two bytes: ", VIA_UDP, 17, A_BAD, 400 },
		{ "TCP over UDP: ", VIA_UDP, 6, 0, 400 },
		{ "TCP over DTLS: ", VIA_DTLS, 6, 0, 400 },
		{ "TCP, even: ", VIA_TCP, 6, A_EVEN, 400 },
		{ "TCP, no fragments: ", VIA_TCP, 6, A_DF, 400 },
		{ "TCP, token: ", VIA_TLS, 6, A_TOKEN, 400 },
		{ "TCP: ", VIA_TLS, 6, 0, 0 },
		{ "UDP over TCP: ", VIA_TCP, 17, 0, 0 },
		{ "IPv6: ", VIA_UDP, 17, A_V6, 0 },
		{ "no fragments: ", VIA_UDP, 17, A_DF, 0 },
		{ "mobile: ", VIA_UDP, 17, A_TICKET, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct turn_rig r;
		struct rig_client c;

		t_row = row[i].row;
		rig_init(&r);
		rig_start(&r);
		rig_client(&c, &r, row[i].via, ME);
		EQ(rig_nonce(&c), 401);
		rig_begin(&c, TURN_ALLOCATE);
		if (row[i].transport)
			rig_put_transport(&c, row[i].transport);
		put_all(&c, row[i].what);
		EQ(rig_call(&c), row[i].want);
		OK(c.ans_signed);
		EQ(r.t.allocs.live, row[i].want == 0);
		EQ(r.n_relays, row[i].want == 0);
		EQ(r.quota.used, row[i].want == 0);
		if (row[i].want == 420)
			EQ(c.m.error, 420);
		rig_done(&r);
	}
}

/* What the configuration switches off. */
static void refuses_what_is_not_served(void)
{
	const struct {
		const char *row;
		enum via via;
		uint8_t transport;
		unsigned what;
		int want;
	} row[] = {
		{ "UDP: ", VIA_TCP, 17, 0, 442 },
		{ "TCP: ", VIA_TCP, 6, 0, 442 },
	};
	struct turn_rig r;
	struct rig_client c;

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		t_row = row[i].row;
		rig_init(&r);
		r.conf.udp_relay = r.conf.tcp_relay = false;
		rig_start(&r);
		rig_client(&c, &r, row[i].via, ME);
		(void)rig_nonce(&c);
		rig_begin(&c, TURN_ALLOCATE);
		rig_put_transport(&c, row[i].transport);
		EQ(rig_call(&c), row[i].want);
		rig_done(&r);
	}
	t_row = "mobility, IPv6: ";
	rig_init(&r);
	r.conf.mobility = false;
	r.conf.relay[REL_V6].at = (struct addr){ 0 };
	rig_start(&r);
	rig_client(&c, &r, VIA_UDP, ME);
	(void)rig_nonce(&c);
	rig_begin(&c, TURN_ALLOCATE);
	rig_put_transport(&c, TURN_UDP);
	put_all(&c, A_TICKET);
	EQ(rig_call(&c), 405);
	rig_begin(&c, TURN_ALLOCATE);
	rig_put_transport(&c, TURN_UDP);
	put_all(&c, A_V6);
	EQ(rig_call(&c), 440);
	rig_done(&r);
}

/* RFC 8656 7.2: the same transaction again gets the same answer, any other is 437. */
static void retransmission_gets_the_same_answer(void)
{
	struct turn_rig r;
	struct rig_client c;
	uint8_t first[OUTBOX_DGRAM_MAX];
	size_t n;

	rig_init(&r);
	rig_start(&r);
	rig_client(&c, &r, VIA_UDP, ME);
	EQ(rig_allocate(&c), 0);
	n = c.ans_n;
	memcpy(first, c.ans, n);
	EQ(rig_again(&c), 0);
	EQ_SPAN(span_of(c.ans, c.ans_n), span_of(first, n));
	EQ(r.t.allocs.live, 1);
	EQ(r.n_relays, 1);
	rig_begin(&c, TURN_ALLOCATE);
	rig_put_transport(&c, TURN_UDP);
	EQ(rig_call(&c), 437);
	t_row = "another user there: ";
	rig_credential(&c, 3600, "bob");
	rig_begin(&c, TURN_ALLOCATE);
	rig_put_transport(&c, TURN_UDP);
	EQ(rig_call(&c), 437);
	EQ(r.t.allocs.live, 1);
	rig_done(&r);
}

/* RFC 8656 7.2: the greater of the default and what was asked for, within the server's limit and the credential. */
static void lifetime_is_bounded(void)
{
	const struct {
		const char *row;
		uint32_t asked;
		uint64_t credential;
		const char *id;
		uint32_t want;
	} row[] = {
		{ "less than the default: ", 60, 7200, "alice", 600 },
		{ "more: ", 1200, 7200, "alice", 1200 },
		{ "too much: ", 100000, 7200, "alice", 3600 },
		{ "a short credential: ", 1200, 100, "alice", 100 },
		{ "a probe: ", 1200, 7200, TURN_PROBE_ID, 120 },
		{ "nameless: ", 1200, 7200, "", 1200 },
	};

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct turn_rig r;
		struct rig_client c;

		t_row = row[i].row;
		rig_init(&r);
		rig_start(&r);
		rig_client(&c, &r, VIA_UDP, ME);
		rig_credential(&c, row[i].credential, row[i].id);
		(void)rig_nonce(&c);
		rig_begin(&c, TURN_ALLOCATE);
		rig_put_transport(&c, TURN_UDP);
		turn_put_u32(&c.w, TURN_ATTR_LIFETIME, row[i].asked);
		EQ(rig_call(&c), 0);
		EQ(c.a.lifetime, row[i].want);
		rig_tick(&r, DUR_SEC(row[i].want) - 1);
		EQ(r.t.allocs.live, 1);
		rig_tick(&r, 1);
		EQ(r.t.allocs.live, 0);
		EQ(r.t.stats.expired, 1);
		EQ(r.n_relays, 0);
		EQ(r.quota.used, 0);
		rig_done(&r);
	}
}

/* RFC 8656 7.2: both families; when one fails, the answer says which and why. */
static void dual_allocation_survives_half(void)
{
	const struct {
		const char *row;
		int fail_family;
		uint32_t relayed;
		uint16_t error;
	} row[] = { { "both: ", 7, 2, 0 }, { "no IPv6: ", REL_V6, 1, 508 }, { "no IPv4: ", REL_V4, 1, 508 } };

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct turn_rig r;
		struct rig_client c;

		t_row = row[i].row;
		rig_init(&r);
		r.open_err = -ENOBUFS;
		r.open_fails = 99;
		r.fail_family = row[i].fail_family;
		rig_start(&r);
		rig_client(&c, &r, VIA_UDP, ME);
		(void)rig_nonce(&c);
		rig_begin(&c, TURN_ALLOCATE);
		rig_put_transport(&c, TURN_UDP);
		put_more(&c, TURN_FAMILY_V6);
		EQ(rig_call(&c), 0);
		EQ(c.a.n_relayed, row[i].relayed);
		EQ(c.a.address_error, row[i].error);
		EQ(rig_again(&c), 0);
		EQ(c.a.n_relayed, row[i].relayed);
		EQ(c.a.address_error, row[i].error);
		rig_done(&r);
	}
}

/* RFC 8656 7.2: EVEN-PORT with R keeps the next port for 30 s under a token that works once. */
static void reserves_the_next_port(void)
{
	struct turn_rig r;
	struct rig_client c, d;
	uint8_t token[TURN_TOKEN_LEN];
	uint16_t port;

	rig_init(&r);
	rig_start(&r);
	rig_client(&c, &r, VIA_UDP, ME);
	rig_client(&d, &r, VIA_UDP, addr_v4(7, 7, 7, 7, 2222));
	(void)rig_nonce(&c);
	(void)rig_nonce(&d);
	rig_begin(&c, TURN_ALLOCATE);
	rig_put_transport(&c, TURN_UDP);
	put_even(&c, true);
	EQ(rig_call(&c), 0);
	port = c.a.relayed[0].port;
	EQ(port % 2, 0);
	OK(rig_relay_open(&r, REL_V4, (uint16_t)(port + 1)));
	EQ(c.a.reservation.n, TURN_TOKEN_LEN);
	EQ(c.a.reservation.p[0], r.conf.worker);
	memcpy(token, c.a.reservation.p, sizeof(token));
	EQ(rig_again(&c), 0);
	EQ_SPAN(c.a.reservation, span_of(token, sizeof(token)));
	for (int i = 0; i < 2; i++) {
		rig_begin(&d, TURN_ALLOCATE);
		rig_put_transport(&d, TURN_UDP);
		put_token(&d, token);
		EQ(rig_call(&d), i ? 437 : 0);
	}
	EQ(rig_alloc(&d)->port[REL_V4], port + 1);
	EQ(rig_refresh(&d, 0), 0);
	t_row = "used up: ";
	rig_begin(&d, TURN_ALLOCATE);
	rig_put_transport(&d, TURN_UDP);
	put_token(&d, token);
	EQ(rig_call(&d), 508);
	rig_done(&r);
}

static void reservation_ends_after_30s(void)
{
	struct turn_rig r;
	struct rig_client c;

	rig_init(&r);
	rig_start(&r);
	rig_client(&c, &r, VIA_UDP, ME);
	(void)rig_nonce(&c);
	rig_begin(&c, TURN_ALLOCATE);
	rig_put_transport(&c, TURN_UDP);
	put_even(&c, true);
	EQ(rig_call(&c), 0);
	EQ(r.n_relays, 2);
	EQ(turn_next(&r.t).us, mono_add(r.now, DUR_SEC(30)).us);
	rig_tick(&r, DUR_SEC(30) - 1);
	EQ(r.n_relays, 2);
	rig_tick(&r, 1);
	EQ(r.n_relays, 1);
	rig_done(&r);
	EQ(r.n_relays, 0);
}

/* A token names its worker; that one has the port. */
static void token_of_another_worker_is_handed_over(void)
{
	static const uint8_t theirs[TURN_TOKEN_LEN] = { 5, 1 }, nobodys[TURN_TOKEN_LEN] = { 99, 1 };
	struct turn_rig r;
	struct rig_client c;

	rig_init(&r);
	rig_start(&r);
	rig_client(&c, &r, VIA_UDP, ME);
	(void)rig_nonce(&c);
	rig_begin(&c, TURN_ALLOCATE);
	rig_put_transport(&c, TURN_UDP);
	put_token(&c, theirs);
	EQ(rig_call(&c), -1);
	EQ(c.drop, DROP_OTHER_WORKER);
	EQ(r.t.other, 5);
	rig_begin(&c, TURN_ALLOCATE);
	rig_put_transport(&c, TURN_UDP);
	put_token(&c, nobodys);
	EQ(rig_call(&c), 508);
	EQ(r.t.allocs.live, 0);
	rig_done(&r);
}

static int allocate_from(struct turn_rig *r, uint16_t port, const char *id)
{
	struct rig_client c;

	rig_client(&c, r, VIA_TCP, addr_v4(7, 7, 7, 7, port));
	rig_credential(&c, 3600, id);
	return rig_allocate(&c);
}

/* 486 is the user's own limit, 508 everybody's, and a draining server's. */
static void limits_have_their_codes(void)
{
	struct turn_rig r;

	rig_init(&r);
	r.conf.max_allocs = 5;
	rig_start(&r);
	quota_set(&r.quota, 2, 4, 0, r.now);
	EQ(allocate_from(&r, 1, "a"), 0);
	EQ(allocate_from(&r, 2, "a"), 0);
	EQ(allocate_from(&r, 3, "a"), 486);
	EQ(allocate_from(&r, 4, "b"), 0);
	EQ(allocate_from(&r, 5, "b"), 0);
	EQ(allocate_from(&r, 6, "c"), 508);
	quota_set(&r.quota, 2, 0, 0, r.now);
	EQ(allocate_from(&r, 7, "c"), 0);
	t_row = "the worker's table is full: ";
	EQ(allocate_from(&r, 8, "c"), 508);
	EQ(r.quota.used, 5);
	rig_done(&r);
	t_row = "draining: ";
	rig_init(&r);
	rig_start(&r);
	EQ(allocate_from(&r, 1, "a"), 0);
	turn_drain(&r.t);
	EQ(allocate_from(&r, 2, "b"), 508);
	EQ(r.t.allocs.live, 1);
	rig_done(&r);
}

/* Ports that are taken are tried past, 64 times. */
static void tries_other_ports(void)
{
	struct turn_rig r;

	rig_init(&r);
	r.open_err = -EADDRINUSE;
	r.open_fails = 63;
	rig_start(&r);
	EQ(allocate_from(&r, 1, "a"), 0);
	EQ(r.n_opened, 64);
	r.open_fails = 64;
	EQ(allocate_from(&r, 2, "a"), 508);
	t_row = "other errors are final: ";
	r.n_opened = 0;
	r.open_err = -EMFILE;
	r.open_fails = 1;
	EQ(allocate_from(&r, 3, "a"), 508);
	EQ(r.n_opened, 1);
	EQ(r.t.allocs.live, 1);
	EQ(r.quota.used, 1);
	rig_done(&r);
}

/* Whatever cannot be had: an error, and nothing left behind. */
static void out_of_memory_leaves_nothing(void)
{
	for (size_t n = 0; n < 8; n++) {
		struct turn_rig r;
		struct rig_client c;
		int code;

		rig_init(&r);
		rig_start(&r);
		rig_client(&c, &r, VIA_UDP, ME);
		(void)rig_nonce(&c);
		rig_begin(&c, TURN_ALLOCATE);
		rig_put_transport(&c, TURN_UDP);
		mem_fail_at(n);
		code = rig_call(&c);
		mem_fail_at(SIZE_MAX);
		OK(code == 0 || code == 508);
		EQ(r.t.allocs.live, code == 0);
		EQ(r.quota.used, code == 0);
		EQ(r.n_relays, code == 0);
		rig_done(&r);
	}
}

T_MAIN(T(tells_addresses_and_lifetime), T(refuses_with_the_right_code), T(refuses_what_is_not_served),
       T(retransmission_gets_the_same_answer), T(lifetime_is_bounded), T(dual_allocation_survives_half),
       T(reserves_the_next_port), T(reservation_ends_after_30s), T(token_of_another_worker_is_handed_over),
       T(limits_have_their_codes), T(tries_other_ports), T(out_of_memory_leaves_nothing))
