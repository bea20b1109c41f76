/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sim/turn_rig.h"
#include "t.h"
#include "turnd/req.h"

static struct addr from(uint32_t i)
{
	return addr_v4(7, 7, (uint8_t)(i >> 8), (uint8_t)i, (uint16_t)(1000 + i));
}

/* Each 5-tuple finds its own allocation: another port, another address of ours, another stream is somebody else. */
static void five_tuples_are_told_apart(void)
{
	struct turn_rig r;
	struct rig_client c[5];

	rig_init(&r);
	rig_start(&r);
	rig_client(&c[0], &r, VIA_UDP, from(1));
	rig_client(&c[1], &r, VIA_UDP, from(1));
	c[1].c.path.remote.port++;
	rig_client(&c[2], &r, VIA_UDP, from(1));
	c[2].c.path.local.port = 5349;
	rig_client(&c[3], &r, VIA_TCP, from(1));
	rig_client(&c[4], &r, VIA_TCP, from(1));
	for (uint32_t i = 0; i < ARRAY_LEN(c); i++)
		EQ(rig_allocate(&c[i]), 0);
	EQ(r.t.allocs.live, ARRAY_LEN(c));
	for (uint32_t i = 0; i < ARRAY_LEN(c); i++)
		for (uint32_t k = 0; k < ARRAY_LEN(c); k++)
			EQ(rig_alloc(&c[i]) == rig_alloc(&c[k]), i == k);
	rig_done(&r);
}

/* Many come and go, in different orders; nobody finds another's. */
static void many_come_and_go(void)
{
	static struct rig_client c[150];
	struct turn_rig r;

	rig_init(&r);
	rig_start(&r);
	quota_set(&r.quota, 0, 0, 0, r.now);
	for (uint32_t round = 0; round < 3; round++) {
		for (uint32_t i = 0; i < ARRAY_LEN(c); i++) {
			rig_client(&c[i], &r, i % 3 ? VIA_TCP : VIA_DTLS, from(i));
			EQ(rig_allocate(&c[i]), 0);
		}
		for (uint32_t i = 0; i < ARRAY_LEN(c); i++)
			OK(client_same(&rig_alloc(&c[i])->now.client, &c[i].c));
		for (uint32_t i = 0; i < ARRAY_LEN(c); i++) {
			uint32_t k = (i * 7 + round) % ARRAY_LEN(c);

			if (k % 2)
				turn_client_gone(&r.t, &c[k].c);
			else
				EQ(rig_refresh(&c[k], 0), 0);
			OK(!rig_alloc(&c[k]));
		}
	}
	EQ(r.t.allocs.live, 0);
	EQ(r.t.clients.n, 0);
	EQ(r.quota.used, 0);
	EQ(r.n_relays, 0);
	EQ(r.t.stats.ended, 450);
	rig_done(&r);
}

/* The end of a stream is the end of its allocation, of that one only. */
static void stream_takes_its_allocation_along(void)
{
	struct turn_rig r;
	struct rig_client c, d;

	rig_init(&r);
	rig_start(&r);
	rig_client(&c, &r, VIA_TLS, from(1));
	rig_client(&d, &r, VIA_TLS, from(1));
	EQ(rig_allocate(&c), 0);
	turn_client_gone(&r.t, &d.c);
	EQ(r.t.allocs.live, 1);
	turn_client_gone(&r.t, &c.c);
	EQ(r.t.allocs.live, 0);
	turn_client_gone(&r.t, &c.c);
	rig_done(&r);
}

static struct alloc *mobile(struct turn_rig *r, struct rig_client *c, struct rig_client *to)
{
	struct alloc *a;

	rig_init(r);
	rig_start(r);
	rig_client(c, r, VIA_TCP, from(1));
	rig_client(to, r, VIA_TCP, from(2));
	EQ(rig_allocate(c), 0);
	a = rig_alloc(c);
	a->mobile = true;
	alloc_move(&r->t, a, &to->c, r->now);
	return a;
}

/* Of the two streams of a client on the move either may end: the other one stays. */
static void either_stream_may_end(void)
{
	for (int which = 0; which < 2; which++) {
		struct turn_rig r;
		struct rig_client c, d;
		struct alloc *a = mobile(&r, &c, &d);

		OK(rig_alloc(&c) == a && rig_alloc(&d) == a);
		OK(client_same(alloc_client(a), &c.c));
		turn_client_gone(&r.t, which ? &d.c : &c.c);
		EQ(rig_alloc(&c) == a, which);
		EQ(rig_alloc(&d) == a, !which);
		OK(client_same(alloc_client(a), which ? &c.c : &d.c));
		EQ(r.t.clients.n, 1);
		rig_done(&r);
	}
}

/* Two moves in a row: the first address is nobody's any more. */
static void third_address_replaces_the_first(void)
{
	struct turn_rig r;
	struct rig_client c, d, e;
	struct alloc *a = mobile(&r, &c, &d);

	rig_client(&e, &r, VIA_UDP, from(3));
	alloc_move(&r.t, a, &e.c, r.now);
	OK(!rig_alloc(&c));
	OK(rig_alloc(&d) == a && rig_alloc(&e) == a);
	EQ(r.t.clients.n, 2);
	alloc_end(&r.t, a);
	EQ(r.t.clients.n, 0);
	rig_done(&r);
}

T_MAIN(T(five_tuples_are_told_apart), T(many_come_and_go), T(stream_takes_its_allocation_along), T(either_stream_may_end),
       T(third_address_replaces_the_first))
