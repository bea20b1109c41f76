/* SPDX-License-Identifier: AGPL-3.0-only */
#include "turnd/perm.h"

#include "base/slab.h"
#include "t.h"

#define AT(n) ((mono_t){ DUR_SEC(n) })

static struct addr peer(uint8_t i, uint16_t port)
{
	return addr_v4(8, 8, 8, i, port);
}

/* RFC 8656 9: a permission lasts 300 s, whatever the port, and only a refresh extends it. */
static void permission_lasts_300s_unless_refreshed(void)
{
	const struct {
		const char *row;
		unsigned at;
		bool refresh, want;
	} step[] = {
		{ "fresh: ", 1, false, true },           { "last second: ", 299, true, true },
		{ "former deadline: ", 300, false, true }, { "before the new one: ", 598, false, true },
		{ "after it: ", 599, false, false },
	};
	struct perms p = { 0 };
	struct addr a = peer(1, 5000), other_port = peer(1, 6000), other_ip = peer(2, 5000);

	EQ(perm_add(&p, &a, 1, 4, AT(0)), 0);
	for (size_t i = 0; i < ARRAY_LEN(step); i++) {
		t_row = step[i].row;
		EQ(perm_has(&p, &other_port, AT(step[i].at)), step[i].want);
		OK(!perm_has(&p, &other_ip, AT(step[i].at)));
		if (step[i].refresh)
			EQ(perm_add(&p, &a, 1, 4, AT(step[i].at)), 0);
	}
	perms_done(&p);
}

/* RFC 8656 10.2: all peers of a request or none. */
static void all_peers_or_none(void)
{
	struct addr some[] = { peer(1, 0), peer(2, 0), peer(2, 9) }, more[] = { peer(2, 0), peer(3, 0), peer(4, 0) };
	struct perms p = { 0 };

	EQ(perm_add(&p, some, 3, 3, AT(0)), 0);
	EQ(p.n_perms, 2);
	EQ(perm_add(&p, more, 3, 3, AT(1)), ERR_LIMIT);
	OK(!perm_has(&p, &more[1], AT(1)));
	EQ(perm_add(&p, more, 2, 3, AT(1)), 0);
	OK(perm_has(&p, &more[1], AT(1)));
	t_row = "expired ones make room: ";
	EQ(perm_add(&p, more, 3, 3, AT(301)), 0);
	EQ(p.n_perms, 3);
	perms_done(&p);
}

/* RFC 8656 12.1: one number, one peer, both ways; a binding lasts 600 s. */
static void channels_are_one_to_one(void)
{
	const struct {
		const char *row;
		uint16_t number;
		uint8_t peer;
		unsigned at;
		int want;
	} step[] = {
		{ "first: ", 0x4000, 1, 0, 0 },
		{ "refresh: ", 0x4000, 1, 10, 0 },
		{ "number taken: ", 0x4000, 2, 20, ERR_UNEXPECTED },
		{ "peer has a number: ", 0x4001, 1, 20, ERR_UNEXPECTED },
		{ "second: ", 0x4001, 2, 20, 0 },
		{ "full: ", 0x4002, 3, 20, ERR_LIMIT },
		{ "still bound: ", 0x4000, 2, 609, ERR_UNEXPECTED },
		{ "expired, the number is free: ", 0x4000, 3, 610, 0 },
		{ "expired, the peer is free: ", 0x4005, 2, 640, 0 },
	};
	struct perms p = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(step); i++) {
		struct addr a = peer(step[i].peer, 1000);

		t_row = step[i].row;
		EQ(channel_bind(&p, step[i].number, &a, 4, 2, AT(step[i].at)), step[i].want);
	}
	perms_done(&p);
}

/* RFC 8656 12.2: binding installs the permission; afterwards each has its own life. */
static void binding_installs_a_permission(void)
{
	struct addr a = peer(1, 1000), b = peer(2, 1000);
	struct perms p = { 0 };

	EQ(channel_bind(&p, 0x4000, &a, 1, 2, AT(0)), 0);
	OK(perm_has(&p, &a, AT(299)));
	OK(!perm_has(&p, &a, AT(300)));
	OK(channel_by_number(&p, 0x4000, AT(599)) != NULL);
	OK(channel_by_peer(&p, &a, AT(599)) != NULL);
	OK(!channel_by_peer(&p, &b, AT(1)));
	OK(!channel_by_number(&p, 0x4000, AT(600)));
	OK(!channel_by_peer(&p, &a, AT(600)));
	t_row = "no room for the permission, no channel either: ";
	EQ(channel_bind(&p, 0x4001, &b, 1, 2, AT(1)), ERR_LIMIT);
	OK(!channel_by_number(&p, 0x4001, AT(1)));
	perms_done(&p);
}

static bool is_second(const void *arg, const struct addr *a)
{
	return addr_same_ip(arg, a);
}

/* After a reload: who may no longer be reached loses both, the others nothing. */
static void unwanted_peers_are_forgotten(void)
{
	struct addr a[] = { peer(1, 1), peer(2, 1), peer(3, 1) };
	struct perms p = { 0 };

	for (uint16_t i = 0; i < 3; i++)
		EQ(channel_bind(&p, (uint16_t)(0x4000 + i), &a[i], 8, 8, AT(0)), 0);
	perms_keep(&p, is_second, &a[1]);
	EQ(p.n_perms, 1);
	EQ(p.n_channels, 1);
	OK(perm_has(&p, &a[1], AT(1)) && channel_by_number(&p, 0x4001, AT(1)));
	OK(!perm_has(&p, &a[0], AT(1)) && !channel_by_number(&p, 0x4000, AT(1)) && !channel_by_peer(&p, &a[2], AT(1)));
	perms_done(&p);
}

/* Whatever runs out, the tables stay as they were. */
static void out_of_memory_changes_nothing(void)
{
	struct addr a[] = { peer(1, 1), peer(2, 1), peer(3, 1) };

	for (size_t n = 0; n < 3; n++) {
		struct perms p = { 0 };
		int r;

		mem_fail_at(n);
		r = channel_bind(&p, 0x4000, &a[0], 8, 8, AT(0));
		if (r == 0)
			r = perm_add(&p, a, 3, 8, AT(0));
		mem_fail_at(SIZE_MAX);
		EQ(r, ERR_NOMEM);
		EQ(p.n_channels, n == 2);
		EQ(p.n_perms, n == 2);
		perms_done(&p);
	}
}

T_MAIN(T(permission_lasts_300s_unless_refreshed), T(all_peers_or_none), T(channels_are_one_to_one),
       T(binding_installs_a_permission), T(out_of_memory_changes_nothing), T(unwanted_peers_are_forgotten))
