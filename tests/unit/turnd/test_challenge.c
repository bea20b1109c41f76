/* SPDX-License-Identifier: AGPL-3.0-only */
#include "turnd/challenge.h"

#include "base/slab.h"
#include "t.h"

static const struct addr from = { .ip = { [10] = 0xff, [11] = 0xff, [12] = 192, [13] = 0, [14] = 2, [15] = 1 } };

static struct challenge fresh(uint64_t seed)
{
	struct challenge c = { 0 };
	struct rng rng;

	rng_seed(&rng, seed);
	EQ(challenge_init(&c, &rng), 0);
	return c;
}

static bool take(struct challenge *c, size_t received, size_t reply, uint64_t us)
{
	return challenge_take(c, &from, received, reply, (mono_t){ us });
}

/* A burst at first, then byte for byte; the burst comes back a quiet time after the last refusal, never without one. */
static void a_burst_then_byte_for_byte(void)
{
	static const struct {
		const char *row;
		size_t received, reply;
		uint64_t at;
		bool want;
	} rows[] = {
		{ "all but one of the burst: ", 0, CHALLENGE_BURST - 1, DUR_SEC(0), true },
		{ "the last byte: ", 0, 1, DUR_SEC(0), true },
		{ "no refusal yet, so no return: ", 20, 20, DUR_SEC(100), true },
		{ "nothing left: ", 0, 1, DUR_SEC(100), false },
		{ "what came may go: ", 50, 50, DUR_SEC(101), true },
		{ "more than came: ", 50, 51, DUR_SEC(102), false },
		{ "a refused one's bytes count: ", 0, 50, DUR_SEC(102), true },
		{ "stamps anew: ", 0, 1, DUR_SEC(102), false },
		{ "just before the quiet time: ", 0, 1, DUR_SEC(112) - 1, false },
		{ "again 10 s: ", 0, 1, DUR_SEC(121), false },
		{ "the burst is back: ", 0, CHALLENGE_BURST, DUR_SEC(131), true },
		{ "but not more: ", 0, 1, DUR_SEC(131), false },
		{ "never more than the burst: ", 1 << 30, CHALLENGE_BURST + 1, DUR_SEC(132), false },
		{ "an empty reply always goes: ", 0, 0, DUR_SEC(132), true },
		{ "the whole burst, received: ", SIZE_MAX, CHALLENGE_BURST, DUR_SEC(132), true },
	};
	struct challenge c = fresh(1);

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		t_row = rows[i].row;
		EQ(take(&c, rows[i].received, rows[i].reply, rows[i].at), rows[i].want);
	}
	challenge_done(&c);
}

/* A refusal in the very first instant is one. */
static void a_refusal_at_boot_counts(void)
{
	struct challenge c = fresh(1);

	OK(!take(&c, 0, CHALLENGE_BURST + 1, 0));
	OK(take(&c, 0, CHALLENGE_BURST, 0));
	OK(!take(&c, 0, 1, 0));
	OK(take(&c, 0, 1, DUR_SEC(11)));
	challenge_done(&c);
}

/* Whatever arrives in whatever order: between two quiet times no more leaves than the burst and what was received. */
static void never_amplifies(void)
{
	for (uint64_t seed = 1; seed <= 200; seed++) {
		struct challenge c = fresh(seed);
		uint64_t now = 0, sent = 0, received = 0, refused = 0;
		struct rng rng;

		rng_seed(&rng, seed);
		for (int i = 0; i < 500; i++) {
			uint32_t in = rng_below(&rng, 200), out = rng_below(&rng, 300);

			now += rng_below(&rng, 50) ? rng_below(&rng, 100000) : DUR_SEC(rng_below(&rng, 20));
			if (refused && mono_since((mono_t){ now }, (mono_t){ refused }) >= CHALLENGE_QUIET)
				sent = received = refused = 0;
			received += in;
			if (take(&c, in, out, now))
				sent += out;
			else
				refused = (now / US_PER_SEC + 1) * US_PER_SEC; /* kept in whole seconds */
			OK(sent <= CHALLENGE_BURST + received);
		}
		challenge_done(&c);
	}
}

static uint32_t slots_used(const struct challenge *c)
{
	uint32_t n = 0;

	for (size_t i = 0; i < CHALLENGE_SLOTS; i++)
		n += c->slot[i].credit != CHALLENGE_BURST;
	return n;
}

/* The budget is that of a /24 or a /56; many prefixes spread over the table. */
static void a_prefix_shares_its_budget(void)
{
	struct challenge c = fresh(3);
	struct addr a = addr_v4(192, 0, 2, 1, 1);
	uint8_t ip[16] = { 0x20, 0x01, 0x0d, 0xb8, 0, 1, 0x70 };

	for (int i = 0; i < 256; i++) {
		a.ip[15] = (uint8_t)i;
		a.port = (uint16_t)i;
		OK(challenge_take(&c, &a, 0, 1, (mono_t){ 0 }));
	}
	EQ(slots_used(&c), 1);
	for (int i = 0; i < 256; i++) {
		ip[7] = (uint8_t)i;
		ip[15] = (uint8_t)i;
		a = addr_from_v6(ip, (uint16_t)i);
		OK(challenge_take(&c, &a, 0, 1, (mono_t){ 0 }));
	}
	EQ(slots_used(&c), 2);
	for (int i = 0; i < 256; i++) {
		a = addr_v4(10, 0, (uint8_t)i, 1, 1);
		(void)challenge_take(&c, &a, 0, 1, (mono_t){ 0 });
		ip[6] = (uint8_t)i;
		a = addr_from_v6(ip, 1);
		(void)challenge_take(&c, &a, 0, 1, (mono_t){ 0 });
	}
	OK(slots_used(&c) > 450);
	challenge_done(&c);
}

static void missing_memory_is_told(void)
{
	struct challenge c = { 0 };
	struct rng rng;

	rng_seed(&rng, 1);
	(void)mem_fail_at(0);
	EQ(challenge_init(&c, &rng), ERR_NOMEM);
	(void)mem_fail_at(SIZE_MAX);
	challenge_done(&c);
}

T_MAIN(T(a_burst_then_byte_for_byte), T(a_refusal_at_boot_counts), T(never_amplifies), T(a_prefix_shares_its_budget),
       T(missing_memory_is_told))
