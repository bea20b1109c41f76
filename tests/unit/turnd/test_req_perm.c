/* SPDX-License-Identifier: AGPL-3.0-only */
#include "base/slab.h"
#include "sim/turn_rig.h"
#include "t.h"
#include "turnd/req.h"

#define ME addr_v4(7, 7, 7, 7, 1111)

struct world {
	struct turn_rig r;
	struct rig_client c;
};

static void begin(struct world *w)
{
	rig_init(&w->r);
	rig_start(&w->r);
	rig_client(&w->c, &w->r, VIA_UDP, ME);
	EQ(rig_allocate(&w->c), 0);
}

static struct addr peer(uint8_t i)
{
	return addr_v4(8, 8, 8, i, 5000);
}

static void put_peer(struct rig_client *c, struct addr a)
{
	stun_put_xor_addr(&c->w, TURN_ATTR_XOR_PEER_ADDRESS, &a, c->mem + 8);
}

static int permit_both(struct rig_client *c, struct addr a, struct addr b)
{
	rig_begin(c, TURN_CREATE_PERMISSION);
	put_peer(c, a);
	put_peer(c, b);
	return rig_call(c);
}

/* RFC 8656 10.2: one peer that cannot be had, and none is installed. */
static void all_permissions_or_none(void)
{
	static const uint8_t v6[16] = { 0x2a, 0x00, [15] = 9 };
	struct world w;

	begin(&w);
	EQ(permit_both(&w.c, peer(1), addr_v4(127, 0, 0, 1, 0)), 403);
	EQ(permit_both(&w.c, peer(1), addr_v4(10, 0, 0, 1, 0)), 403);
	EQ(permit_both(&w.c, peer(1), addr_from_v6(v6, 0)), 443);
	EQ(rig_alloc(&w.c)->perms.n_perms, 0);
	EQ(permit_both(&w.c, peer(1), peer(2)), 0);
	EQ(permit_both(&w.c, peer(2), peer(3)), 0);
	EQ(permit_both(&w.c, peer(4), peer(5)), 508);
	EQ(rig_alloc(&w.c)->perms.n_perms, 3);
	rig_begin(&w.c, TURN_CREATE_PERMISSION);
	EQ(rig_call(&w.c), 400);
	t_row = "17 peers: ";
	rig_begin(&w.c, TURN_CREATE_PERMISSION);
	for (uint8_t i = 0; i < 17; i++)
		put_peer(&w.c, peer(i));
	EQ(rig_call(&w.c), 508);
	rig_done(&w.r);
}

/* RFC 8656 12.2. */
static void channel_bind_is_checked(void)
{
	const struct {
		const char *row;
		uint16_t number;
		struct addr peer;
		int want;
	} row[] = {
		{ "first: ", 0x4000, addr_v4(8, 8, 8, 1, 5000), 0 },
		{ "again: ", 0x4000, addr_v4(8, 8, 8, 1, 5000), 0 },
		{ "the number to another port: ", 0x4000, addr_v4(8, 8, 8, 1, 5001), 400 },
		{ "the number to another peer: ", 0x4000, addr_v4(8, 8, 8, 2, 5000), 400 },
		{ "another number: ", 0x4001, addr_v4(8, 8, 8, 1, 5000), 400 },
		{ "below: ", 0x3fff, addr_v4(8, 8, 8, 2, 5000), 400 },
		{ "reserved: ", 0x8000, addr_v4(8, 8, 8, 2, 5000), 400 },
		{ "the last number of RFC 5766: ", 0x7fff, addr_v4(8, 8, 8, 2, 5000), 0 },
		{ "inside: ", 0x4002, addr_v4(169, 254, 169, 254, 80), 403 },
		{ "our own socket: ", 0x4002, addr_v4(192, 0, 2, 1, 3478), 403 },
		{ "no port: ", 0x4002, addr_v4(8, 8, 8, 3, 0), 403 },
		{ "third: ", 0x4002, addr_v4(8, 8, 8, 3, 5000), 0 },
		{ "too many: ", 0x4003, addr_v4(8, 8, 8, 4, 5000), 508 },
	};
	struct world w;

	begin(&w);
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		t_row = row[i].row;
		EQ(rig_bind(&w.c, row[i].number, &row[i].peer), row[i].want);
		OK(w.c.ans_signed);
	}
	t_row = "no peer: ";
	rig_begin(&w.c, TURN_CHANNEL_BIND);
	turn_put_channel(&w.c.w, 0x4003);
	EQ(rig_call(&w.c), 400);
	t_row = "no number: ";
	rig_begin(&w.c, TURN_CHANNEL_BIND);
	put_peer(&w.c, peer(9));
	EQ(rig_call(&w.c), 400);
	rig_done(&w.r);
}

/* RFC 8656 5: without an allocation everything but Allocate is 437. */
static void nothing_without_an_allocation(void)
{
	struct world w;
	struct addr a = peer(1);

	begin(&w);
	EQ(rig_refresh(&w.c, 0), 0);
	EQ(rig_permit(&w.c, &a), 437);
	EQ(rig_bind(&w.c, 0x4000, &a), 437);
	EQ(rig_refresh(&w.c, 600), 437);
	EQ(rig_refresh(&w.c, 0), 437);
	rig_begin(&w.c, TURN_CONNECT);
	put_peer(&w.c, a);
	EQ(rig_call(&w.c), 437);
	OK(w.c.ans_signed);
	rig_done(&w.r);
}

static void out_of_memory_is_508(void)
{
	struct world w;
	struct addr a = peer(1);

	begin(&w);
	mem_fail_at(0);
	EQ(rig_permit(&w.c, &a), 508);
	mem_fail_at(0);
	EQ(rig_bind(&w.c, 0x4000, &a), 508);
	mem_fail_at(SIZE_MAX);
	EQ(rig_bind(&w.c, 0x4000, &a), 0);
	rig_done(&w.r);
}

T_MAIN(T(all_permissions_or_none), T(channel_bind_is_checked), T(nothing_without_an_allocation), T(out_of_memory_is_508))
