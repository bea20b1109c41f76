/* SPDX-License-Identifier: AGPL-3.0-only */
#include "turn_script.h"

#include "t.h"

static struct script s;

/* RFC 8656: two allocations, a datum there and back, nothing left. */
static void a_datum_goes_there_and_back(void)
{
	EQ(script_start(&s, LIE_NONE, NULL, false), 0);
	OK(script_run(&s));
	EQ(s.p.end.why, PROBE_OK);
	OK(!s.allocated[0] && !s.allocated[1]);
	EQ(s.asked[0], 4); /* Allocate twice, CreatePermission, Refresh */
	EQ(s.asked[1], 4);
	EQ(s.sent, 10);
	EQ_STR(s.p.user, "1700000600:healthprobe");
}

/* What each lie gets, where it stood, and that nothing the server granted is left. */
static void every_lie_has_its_end(void)
{
	const struct {
		const char *row;
		enum lie lie;
		enum probe_why why;
		uint16_t code;
		enum turn_probe_step step;
		bool left; /* the server would not let go */
	} rows[] = {
		{ "silent: ", LIE_SILENT, PROBE_TIMEOUT, 0, TURN_PROBE_ALLOCATE, false },
		{ "no nonce: ", LIE_NO_NONCE, PROBE_GARBAGE, 401, TURN_PROBE_ALLOCATE, false },
		{ "a nonce beyond the RFC: ", LIE_LONG_NONCE, PROBE_GARBAGE, 0, TURN_PROBE_ALLOCATE, false },
		{ "401 for ever: ", LIE_ENDLESS_401, PROBE_AUTH, 401, TURN_PROBE_ALLOCATE, false },
		{ "438 for ever: ", LIE_ENDLESS_438, PROBE_CODE, 438, TURN_PROBE_ALLOCATE, false },
		{ "438 once per request: ", LIE_ONE_438, PROBE_OK, 0, 0, false },
		{ "another secret: ", LIE_OTHER_SECRET, PROBE_AUTH, 401, TURN_PROBE_ALLOCATE, false },
		/* The second leg's is granted when all is over; no server of ours does that. */
		{ "open to anybody: ", LIE_OPEN, PROBE_GARBAGE, 0, TURN_PROBE_ALLOCATE, true },
		{ "quota: ", LIE_QUOTA, PROBE_CODE, 486, TURN_PROBE_ALLOCATE, false },
		{ "redirect: ", LIE_REDIRECT, PROBE_CODE, 300, TURN_PROBE_ALLOCATE, false },
		{ "wrong transaction: ", LIE_WRONG_TID, PROBE_GARBAGE, 0, TURN_PROBE_ALLOCATE, false },
		{ "wrong method: ", LIE_WRONG_METHOD, PROBE_GARBAGE, 0, TURN_PROBE_ALLOCATE, false },
		{ "wrong integrity: ", LIE_WRONG_INTEGRITY, PROBE_GARBAGE, 0, TURN_PROBE_ALLOCATE, false },
		{ "no integrity: ", LIE_NO_INTEGRITY, PROBE_GARBAGE, 0, TURN_PROBE_ALLOCATE, false },
		{ "truncated: ", LIE_TRUNCATED, PROBE_GARBAGE, 0, TURN_PROBE_ALLOCATE, false },
		{ "oversized: ", LIE_OVERSIZED, PROBE_GARBAGE, 0, TURN_PROBE_ALLOCATE, false },
		{ "noise: ", LIE_NOISE, PROBE_GARBAGE, 0, TURN_PROBE_ALLOCATE, false },
		{ "from elsewhere: ", LIE_ELSEWHERE, PROBE_GARBAGE, 0, TURN_PROBE_ALLOCATE, false },
		{ "no relayed address: ", LIE_NO_RELAYED, PROBE_GARBAGE, 0, TURN_PROBE_ALLOCATE, false },
		{ "relayed port 0: ", LIE_RELAYED_PORT_0, PROBE_GARBAGE, 0, TURN_PROBE_ALLOCATE, false },
		{ "forbidden: ", LIE_FORBIDDEN, PROBE_CODE, 403, TURN_PROBE_PERMIT, false },
		{ "relays nothing: ", LIE_SWALLOW, PROBE_TIMEOUT, 0, TURN_PROBE_DATUM_SENT, false },
		{ "relays other bytes: ", LIE_ALTER, PROBE_GARBAGE, 0, TURN_PROBE_DATUM_SENT, false },
		{ "relays to the sender: ", LIE_ECHO_OURS, PROBE_GARBAGE, 0, TURN_PROBE_DATUM_SENT, false },
		{ "loses the first of each: ", LIE_LOSE_FIRST, PROBE_OK, 0, 0, false },
		{ "does not answer Refresh: ", LIE_KEEP, PROBE_OK, 0, 0, true },
		{ "Refresh: 437: ", LIE_GONE, PROBE_OK, 0, 0, false },
	};

	EQ(ARRAY_LEN(rows), LIE_MAX_ - 1);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		t_row = rows[i].row;
		EQ(script_start(&s, rows[i].lie, NULL, false), 0);
		OK(script_run(&s));
		EQ(s.p.end.why, rows[i].why);
		EQ(s.p.end.code, rows[i].code);
		EQ(s.p.end.step, rows[i].step);
		OK(mono_since(s.now, (mono_t){ DUR_SEC(100) }) <= SCRIPT_DEADLINE + SCRIPT_RELEASE);
		OK(s.sent <= 40);
		EQ(s.allocated[0] || s.allocated[1], rows[i].left);
	}
}

static void a_realm_that_is_asked_for_must_be_the_servers(void)
{
	char longest[TURN_PROBE_TEXT_MAX + 2];

	EQ(script_start(&s, LIE_NONE, "oxpulse", false), 0);
	OK(script_run(&s));
	EQ(s.p.end.why, PROBE_OK);
	EQ(script_start(&s, LIE_NONE, "example", false), 0);
	OK(script_run(&s));
	EQ(s.p.end.why, PROBE_GARBAGE);
	memset(longest, 'r', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	EQ(script_start(&s, LIE_NONE, longest, false), ERR_LIMIT);
}

/* RFC 8489 6.2.1, 6.2.2: over a stream nothing is sent twice but the datum. */
static void requests_are_repeated_over_udp_only(void)
{
	EQ(script_start(&s, LIE_SILENT, NULL, false), 0);
	OK(script_run(&s));
	EQ(s.sent, 2 * 4); /* at 0, 0.5, 1.5, 3.5 s */
	EQ(script_start(&s, LIE_SILENT, NULL, true), 0);
	OK(script_run(&s));
	EQ(s.sent, 2);
	EQ(script_start(&s, LIE_SWALLOW, NULL, true), 0);
	OK(script_run(&s));
	EQ(s.sent, 8 + 4);
}

/* turnd sends strangers no more than it got from them: what asks for a challenge is longer than one. */
static void what_asks_for_a_challenge_is_not_small(void)
{
	EQ(script_start(&s, LIE_SILENT, NULL, false), 0);
	EQ(s.p.box.n, 2);
	OK(s.p.box.out[0].n >= 160);
}

static void a_lost_leg_ends_it_and_the_other_is_released(void)
{
	EQ(script_start(&s, LIE_SWALLOW, NULL, true), 0);
	script_flush(&s);
	EQ(s.p.step, TURN_PROBE_DATUM_SENT);
	s.allocated[1] = false; /* a server ends what a stream held */
	turn_probe_lost(&s.p, 1, s.now);
	OK(script_run(&s));
	EQ(s.p.end.why, PROBE_CLOSED);
	EQ(s.p.end.step, TURN_PROBE_DATUM_SENT);
	OK(!s.allocated[0]);
	turn_probe_lost(&s.p, 0, s.now); /* again, and late: nothing */
	EQ(s.p.step, TURN_PROBE_DONE);
}

/* A server that answered and then fell silent is slow, not another program. */
static void a_late_copy_of_an_answer_is_not_garbage(void)
{
	static const uint8_t tid[STUN_TID_LEN] = "an old one";
	uint8_t mem[64];
	struct wr w = wr_from(mem, sizeof(mem));

	EQ(script_start(&s, LIE_SWALLOW, NULL, false), 0);
	script_flush(&s);
	EQ(s.p.step, TURN_PROBE_DATUM_SENT);
	stun_begin(&w, STUN_SUCCESS, TURN_ALLOCATE, tid);
	script_hear(&s, 0, wr_span_of(&w));
	OK(script_run(&s));
	EQ(s.p.end.why, PROBE_TIMEOUT);
}

static void abandoned_it_releases_without_waiting(void)
{
	EQ(script_start(&s, LIE_SWALLOW, NULL, false), 0);
	script_flush(&s);
	turn_probe_abandon(&s.p, s.now);
	EQ(s.p.step, TURN_PROBE_DONE);
	EQ(s.p.box.n, 2);
	script_flush(&s);
	OK(!s.allocated[0] && !s.allocated[1]);
	OK(mono_is_never(turn_probe_next(&s.p)));
}

static void done_leaves_no_secret(void)
{
	static const struct turn_probe zero;

	EQ(script_start(&s, LIE_NONE, NULL, false), 0);
	turn_probe_done(&s.p);
	OK(memcmp(&s.p, &zero, sizeof(zero)) == 0);
}

static void over_ipv6_it_asks_for_an_ipv6_address(void)
{
	const struct turn_probe_conf c = {.server = {.ip = {0x20, 1, 0xd, 0xb8, [15] = 1}, .port = 3478},
					  .secret = SCRIPT_SECRET,
					  .deadline = {1}};
	struct turn_attrs a;
	struct stun_msg m;

	rng_seed(&s.rng, 2);
	EQ(turn_probe_init(&s.p, &c, &s.rng, (mono_t){ 0 }), 0);
	EQ(stun_parse(span_of(s.p.box.out[0].b, s.p.box.out[0].n), &m), 0);
	EQ(turn_attrs_parse(&m, &a), 0);
	EQ(a.family, TURN_FAMILY_V6);
}

T_MAIN(T(a_datum_goes_there_and_back), T(every_lie_has_its_end), T(a_realm_that_is_asked_for_must_be_the_servers),
       T(requests_are_repeated_over_udp_only), T(what_asks_for_a_challenge_is_not_small),
       T(a_lost_leg_ends_it_and_the_other_is_released),
       T(a_late_copy_of_an_answer_is_not_garbage), T(abandoned_it_releases_without_waiting), T(done_leaves_no_secret),
       T(over_ipv6_it_asks_for_an_ipv6_address))
