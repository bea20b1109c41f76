/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sfud/transport/paths.h"

#include "t.h"

#define ALICE ((struct handle){ 1, 1 })
#define BOB ((struct handle){ 2, 1 })

static struct paths table(uint32_t max)
{
	struct paths p;
	struct rng rng;

	rng_seed(&rng, 7);
	paths_init(&p, max, &rng);
	return p;
}

static struct path at(uint8_t host, uint16_t port)
{
	return (struct path){ .remote = addr_v4(192, 0, 2, host, port), .local = addr_v4(198, 51, 100, 1, 0) };
}

static struct handle who(const struct paths *p, struct path path)
{
	return paths_find(p, &path);
}

/* A datagram belongs to a member only by its whole 5-tuple. */
static void a_path_is_the_whole_tuple(void)
{
	struct paths p = table(4);
	struct path known = at(1, 5000), other_local = known;

	other_local.local = addr_v4(198, 51, 100, 2, 0);
	paths_learn(&p, &known, ALICE);
	OK(handle_eq(who(&p, known), ALICE));
	OK(handle_is_none(who(&p, at(1, 5001))));
	OK(handle_is_none(who(&p, at(2, 5000))));
	OK(handle_is_none(who(&p, other_local)));
	paths_done(&p);
}

/* Behind a NAT an address and port may pass to another peer: who proved it last has it, and the first cannot take it
 * away again by leaving. */
static void the_last_proof_counts(void)
{
	struct paths p = table(4);
	struct path path = at(1, 5000);

	paths_learn(&p, &path, ALICE);
	paths_learn(&p, &path, BOB);
	OK(handle_eq(who(&p, path), BOB));
	EQ(p.paths.live, 1);
	paths_forget(&p, &path, ALICE);
	OK(handle_eq(who(&p, path), BOB));
	paths_forget(&p, &path, BOB);
	OK(handle_is_none(who(&p, path)));
	paths_forget(&p, &path, BOB);
	EQ(p.paths.live, 0);
	paths_done(&p);
}

/* RFC 8445 7.3: the local part of USERNAME names the member; anything else names nobody. */
static void ufrags_name_members(void)
{
	static const struct {
		const char *row, *ufrag;
		struct handle want;
	} rows[] = {
		{ "alice: ", "aaaaaaaa", { 1, 1 } }, { "bob: ", "bbbbbbbb", { 2, 1 } }, { "nobody: ", "cccccccc", { 0 } },
		{ "short: ", "aaaaaaa", { 0 } },     { "long: ", "aaaaaaaaa", { 0 } },   { "empty: ", "", { 0 } },
	};
	struct paths p = table(4);

	EQ(paths_learn_ufrag(&p, "aaaaaaaa", ALICE), 0);
	EQ(paths_learn_ufrag(&p, "bbbbbbbb", BOB), 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		t_row = rows[i].row;
		OK(handle_eq(paths_find_ufrag(&p, span_str(rows[i].ufrag)), rows[i].want));
	}
	t_row = "";
	paths_forget_ufrag(&p, "aaaaaaaa");
	paths_forget_ufrag(&p, "aaaaaaaa");
	OK(handle_is_none(paths_find_ufrag(&p, span_str("aaaaaaaa"))));
	EQ(p.ufrags.live, 1);
	paths_done(&p);
}

/* A full table and missing memory refuse, and forget nothing that is known. */
static void bounds_and_memory_refuse(void)
{
	struct paths p = table(1);
	struct path path;

	EQ(paths_learn_ufrag(&p, "aaaaaaaa", ALICE), 0);
	EQ(paths_learn_ufrag(&p, "bbbbbbbb", BOB), ERR_NOMEM);
	for (uint16_t i = 0; i < ICE_PATHS_MAX + 2; i++) {
		path = at(1, (uint16_t)(5000 + i));
		paths_learn(&p, &path, ALICE);
	}
	EQ(p.paths.live, ICE_PATHS_MAX);
	OK(handle_eq(who(&p, at(1, 5000)), ALICE));
	OK(handle_is_none(who(&p, path)));
	paths_done(&p);

	for (size_t nth = 0; nth < 4; nth++) {
		p = table(4);
		path = at(1, 5000);
		(void)mem_fail_at(nth);
		paths_learn(&p, &path, ALICE);
		(void)paths_learn_ufrag(&p, "aaaaaaaa", ALICE);
		(void)mem_fail_at(SIZE_MAX);
		EQ(p.paths.live, !handle_is_none(who(&p, path)));
		EQ(p.ufrags.live, !handle_is_none(paths_find_ufrag(&p, span_str("aaaaaaaa"))));
		paths_done(&p);
	}
}

T_MAIN(T(a_path_is_the_whole_tuple), T(the_last_proof_counts), T(ufrags_name_members), T(bounds_and_memory_refuse))
