/* SPDX-License-Identifier: AGPL-3.0-only */
#include "turnd/quota.h"

#include "t.h"

#define REALM SPAN_LIT("example.org")
#define ALICE SPAN_LIT("alice")
#define BOB SPAN_LIT("bob")
#define T0 ((mono_t){ DUR_SEC(100) })

static struct quota quota(uint32_t per_user, uint32_t total, uint64_t bps)
{
	struct quota q;
	struct rng rng;

	rng_seed(&rng, 5);
	quota_init(&q, per_user, total, bps, &rng, T0);
	return q;
}

static bool knows(const struct quota *q, struct span user)
{
	uint8_t hash[STUN_USERHASH_LEN];
	struct span name = { 0 };

	stun_userhash(user, REALM, hash);
	return quota_user_by_hash(q, hash, &name) == 0 && span_eq(name, user);
}

/* RFC 8656 7.2: 486 is the user's own quota, 508 the server's; giving back makes room. */
static void counts_per_user_and_in_total(void)
{
	static const struct {
		const char *row, *user;
		bool give;
		int want;
		uint32_t used;
	} rows[] = {
		{ "first: ", "alice", false, 0, 1 },
		{ "second: ", "alice", false, 0, 2 },
		{ "hers is used up: ", "alice", false, 486, 2 },
		{ "his is not: ", "bob", false, 0, 3 },
		{ "the total is: ", "bob", false, 508, 3 },
		{ "for strangers too: ", "carol", false, 508, 3 },
		{ "hers before the total: ", "alice", false, 486, 3 },
		{ "given back: ", "alice", true, 0, 2 },
		{ "and taken: ", "carol", false, 0, 3 },
		{ "a give of nobody: ", "dave", true, 0, 3 },
		{ "a part of a name: ", "ali", true, 0, 3 },
		{ "another case: ", "Alice", true, 0, 3 },
		{ "alice's last: ", "alice", true, 0, 2 },
		{ "she has none: ", "alice", true, 0, 2 },
		{ "bob's last: ", "bob", true, 0, 1 },
		{ "carol's last: ", "carol", true, 0, 0 },
	};
	struct quota q = quota(2, 3, 0);

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		t_row = rows[i].row;
		if (rows[i].give)
			quota_give(&q, span_str(rows[i].user));
		else
			EQ(quota_take(&q, span_str(rows[i].user), REALM), rows[i].want);
		EQ(q.used, rows[i].used);
	}
	EQ(q.users.n, 0);
	EQ(q.hashes.n, 0);
	EQ(q.slab.live, 0);
	quota_done(&q);
}

/* 0 is no limit. Lower limits end nothing: they refuse until enough was given back. */
static void limits_may_change(void)
{
	struct quota q = quota(0, 0, 0);

	for (int i = 0; i < 1000; i++)
		EQ(quota_take(&q, ALICE, REALM), 0);
	quota_set(&q, 10, 0, 0, T0);
	EQ(quota_take(&q, ALICE, REALM), 486);
	EQ(quota_take(&q, BOB, REALM), 0);
	quota_set(&q, 0, 10, 0, T0);
	EQ(quota_take(&q, BOB, REALM), 508);
	EQ(q.used, 1001);
	for (int i = 0; i < 1000; i++)
		quota_give(&q, ALICE);
	EQ(quota_take(&q, ALICE, REALM), 0);
	quota_done(&q);
}

/* RFC 8489 14.4: a user with an allocation is found by hash(username:realm), until the last one is given. */
static void finds_users_by_hash(void)
{
	uint8_t name[] = "bob";
	struct quota q = quota(0, 0, 0);

	OK(!knows(&q, ALICE));
	EQ(quota_take(&q, ALICE, REALM), 0);
	EQ(quota_take(&q, ALICE, REALM), 0);
	EQ(quota_take(&q, span_of(name, 3), REALM), 0);
	memset(name, 'x', 3); /* the name was copied */
	OK(knows(&q, ALICE));
	OK(knows(&q, BOB));
	quota_give(&q, ALICE);
	OK(knows(&q, ALICE));
	quota_give(&q, ALICE);
	OK(!knows(&q, ALICE));
	OK(knows(&q, BOB));
	quota_done(&q);
}

/* Names are bytes of any value, none of them special, and of a bounded length. */
static void names_are_bytes(void)
{
	static uint8_t longest[STUN_USERNAME_MAX + 1];
	struct quota q = quota(1, 0, 0);
	const struct span rows[] = {
		{ 0 }, SPAN_LIT("\0"), SPAN_LIT("\0\0"), SPAN_LIT("a\0b"), SPAN_LIT("a\0c"), { longest, STUN_USERNAME_MAX },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		EQ(quota_take(&q, rows[i], REALM), 0);
		EQ(quota_take(&q, rows[i], REALM), 486);
		OK(knows(&q, rows[i]));
	}
	EQ(quota_take(&q, span_of(longest, sizeof(longest)), REALM), 508);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		quota_give(&q, rows[i]);
	EQ(q.slab.live, 0);
	quota_done(&q);
}

/* Random takes and gives of many users agree with plain counters. */
static void agrees_with_counters(void)
{
	struct quota q = quota(3, 150, 0);
	uint32_t count[100] = { 0 }, used = 0;
	struct rng rng;

	rng_seed(&rng, 9);
	for (int i = 0; i < 20000; i++) {
		uint32_t u = rng_below(&rng, ARRAY_LEN(count));
		uint8_t name[4];

		put_be32(name, u);
		if (rng_below(&rng, 2)) {
			quota_give(&q, span_of(name, 4));
			used -= count[u] > 0;
			count[u] -= count[u] > 0;
		} else {
			int want = count[u] >= 3 ? 486 : used >= 150 ? 508 : 0;

			EQ(quota_take(&q, span_of(name, 4), REALM), want);
			used += want == 0;
			count[u] += want == 0;
		}
		EQ(q.used, used);
		EQ(knows(&q, span_of(name, 4)), count[u] > 0);
	}
	quota_done(&q);
}

/* Any allocation that fails is 508, and counts nothing. */
static void missing_memory_is_508(void)
{
	size_t n;

	struct quota whole = quota(0, 0, 0);

	(void)mem_fail_at(SIZE_MAX);
	EQ(quota_take(&whole, ALICE, REALM), 0);
	n = mem_fail_at(SIZE_MAX);
	quota_done(&whole);
	EQ(n, 5); /* the slab's two, the name, both maps */
	for (size_t nth = 0; nth < n; nth++) {
		struct quota q = quota(0, 0, 0);

		(void)mem_fail_at(nth);
		EQ(quota_take(&q, ALICE, REALM), 508);
		(void)mem_fail_at(SIZE_MAX);
		EQ(q.used, 0);
		OK(!knows(&q, ALICE));
		EQ(quota_take(&q, ALICE, REALM), 0);
		EQ(q.used, 1);
		quota_done(&q);
	}
}

/* Bandwidth is bytes per second, drawn in large pieces; a rest too small to be worth it waits. */
static void draws_bandwidth_in_pieces(void)
{
	struct quota q = quota(0, 0, 4 * QUOTA_PIECE + 5000);
	mono_t now = T0;
	uint64_t sum = 0;

	for (int i = 0; i < 4; i++)
		EQ(quota_draw(&q, now), QUOTA_PIECE);
	EQ(quota_draw(&q, now), QUOTA_PIECE / 16);
	EQ(quota_draw(&q, now), 0);
	for (int i = 0; i < 1000; i++) {
		now = mono_add(now, DUR_MS(10));
		sum += quota_draw(&q, now);
	}
	OK(sum <= 10 * (4 * QUOTA_PIECE + 5000));
	OK(sum > 9 * 4 * QUOTA_PIECE);
	quota_set(&q, 0, 0, 0, now);
	EQ(quota_draw(&q, now), UINT32_MAX);
	quota_set(&q, 0, 0, UINT64_MAX, now);
	EQ(quota_draw(&q, now), QUOTA_PIECE);
	quota_set(&q, 0, 0, 1, now);
	quota_done(&q);

	q = quota(0, 0, 1); /* even then a whole piece fits */
	EQ(quota_draw(&q, now), QUOTA_PIECE);
	EQ(quota_draw(&q, now), 0);
	quota_done(&q);
}

T_MAIN(T(counts_per_user_and_in_total), T(limits_may_change), T(finds_users_by_hash), T(names_are_bytes),
       T(agrees_with_counters), T(missing_memory_is_508), T(draws_bandwidth_in_pieces))
