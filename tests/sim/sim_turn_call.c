/* SPDX-License-Identifier: AGPL-3.0-only */
/* Calls through relayed addresses over bad paths: what is renewed lives on, and what the net does not lose arrives once. */
#include "sim/turn_world.h"
#include "t.h"

#define SEED 20260901
#define SEEDS 4
#define MINUTE DUR_SEC(60)
#define TAIL DUR_SEC(2) /* longer than any datagram is under way */

static struct turn_client *caller(struct turn_world *w, const struct turn_client_conf *conf)
{
	struct turn_client *c = turn_client_new(w, conf);

	turn_client_net(c, DUR_MS(80), DUR_MS(40), 500);
	if (!conf->plain)
		turn_client_allocate(c);
	return c;
}

static void talk(struct turn_client *a, struct turn_client *b, bool on)
{
	turn_client_talk(a, on);
	turn_client_talk(b, on);
}

/* Everything that was sent arrived once or was lost by the net. */
static void whole(const struct turn_client *c, uint32_t at_least)
{
	struct turn_sum s = turn_client_sum(c);

	OK(s.sent >= at_least);
	EQ(s.twice, 0);
	EQ(s.missing, 0);
	EQ(s.closed, 0);
	EQ(s.arrived + s.lost, s.sent);
	EQ(c->n_strange, 0);
	EQ(c->n_timeouts, 0);
}

static void report(const struct turn_world *w, const struct turn_client *a, const struct turn_client *b)
{
	struct turn_sum x = turn_client_sum(a), y = turn_client_sum(b);

	printf("# seed %" PRIu64 ", workers %u: sent %u, arrived %u, lost %u, messages again %u, stale nonces %u\n", w->seed,
	       w->n_workers, x.sent + y.sent, x.arrived + y.arrived, x.lost + y.lost, a->n_again + b->n_again,
	       a->n_stale + b->n_stale);
}

/* RFC 8656 8, 10, 12: two clients behind NATs, each reached by its relayed address only, 80 to 120 ms and 5 % loss each way.
 * For twelve minutes, which is longer than any permission, channel or allocation lives without being renewed, every datagram
 * arrives exactly once and unchanged unless the net lost it, the server drops nothing, and no allocation ends. */
static void a_call_outlives_every_timer(void)
{
	for (uint64_t seed = SEED; seed < SEED + SEEDS; seed++) {
		struct turn_world *w = turn_world_new(seed, 1 + seed % 2);
		struct turn_client *a = caller(w, &(struct turn_client_conf){ .credential_s = 7200 });
		struct turn_client *b = caller(w, &(struct turn_client_conf){ .credential_s = 7200, .sha256 = true,
									      .no_channel = seed % 4 > 1 });

		OK(turn_world_connect(w, a, b));
		talk(a, b, true);
		turn_world_pass(w, 12 * MINUTE);
		talk(a, b, false);
		turn_world_pass(w, TAIL);
		whole(a, 35000);
		whole(b, 35000);
		EQ(turn_world_drops(w, DROP_NONE), 0);
		EQ(turn_world_ended(w), 0);
		EQ(turn_world_allocs(w), 2);
		EQ(a->n_allocated + b->n_allocated, 2);
		report(w, a, b);
		turn_client_delete(a);
		turn_client_delete(b);
		turn_world_pass(w, MINUTE);
		EQ(turn_world_allocs(w), 0);
		EQ(turn_world_relays(w), 0);
		turn_world_free(w, t_failures);
	}
}

/* The same with somebody who has a public address and knows nothing of TURN. */
static void a_plain_host_is_reached_and_answers(void)
{
	struct turn_world *w = turn_world_new(SEED, 1);
	struct turn_client *a = caller(w, &(struct turn_client_conf){ .credential_s = 7200 });
	struct turn_client *b = caller(w, &(struct turn_client_conf){ .plain = true });

	OK(turn_world_connect(w, a, b));
	talk(a, b, true);
	turn_world_pass(w, 6 * MINUTE);
	talk(a, b, false);
	turn_world_pass(w, TAIL);
	whole(a, 17000);
	whole(b, 17000);
	EQ(turn_world_drops(w, DROP_NONE), 0);
	turn_world_free(w, t_failures);
}

/* RFC 8489 9.2.5: nonces are good for ten minutes. What comes with an older one is 438, is asked again with the new one, and
 * half an hour of it ends nothing. */
static void a_nonce_runs_out_and_the_session_goes_on(void)
{
	for (uint64_t seed = SEED; seed < SEED + SEEDS; seed++) {
		struct turn_world *w = turn_world_new(seed, 2);
		struct turn_client *a = caller(w, &(struct turn_client_conf){ .credential_s = 7200 });
		struct turn_client *b = caller(w, &(struct turn_client_conf){ .credential_s = 7200 });

		OK(turn_world_connect(w, a, b));
		turn_world_pass(w, 30 * MINUTE);
		OK(a->n_stale >= 2 && a->n_stale <= 6);
		OK(b->n_stale >= 2 && b->n_stale <= 6);
		EQ(turn_world_ended(w), 0);
		talk(a, b, true);
		turn_world_pass(w, DUR_SEC(10));
		talk(a, b, false);
		turn_world_pass(w, TAIL);
		whole(a, 490);
		whole(b, 490);
		turn_world_free(w, t_failures);
	}
}

/* RFC 8656 7.2: the answer to an Allocate is lost three times. The same transaction gets the same relayed address, out of
 * one allocation and one socket. */
static void a_lost_answer_is_given_again(void)
{
	struct turn_world *w = turn_world_new(SEED, 1);
	struct turn_client *c = turn_client_new(w, &(struct turn_client_conf){ .credential_s = 7200, .mobility = true });

	turn_client_net(c, DUR_MS(80), 0, 0);
	turn_client_allocate(c);
	turn_world_pass(w, DUR_MS(200)); /* 401 was there, the signed one is on its way */
	c->deaf = 3;
	turn_world_pass(w, DUR_SEC(3));
	EQ(c->deaf, 0);
	OK(!c->allocated);
	EQ(turn_world_allocs(w), 1);
	EQ(rig_read(&c->rc, span_of(c->missed, c->missed_n)), 0);
	OK(c->rc.ans_signed);
	c->relayed = c->rc.a.relayed[0];
	turn_world_pass(w, DUR_SEC(3));
	OK(c->allocated);
	OK(addr_eq(&c->relayed, &c->rc.a.relayed[0]));
	EQ(c->ticket_n, TICKET_LEN);
	EQ(turn_world_allocs(w), 1);
	EQ(turn_world_relays(w), 1);
	EQ(c->n_allocated, 1);

	/* RFC 8656 8.3: who deletes and does not hear of it asks again, and 437 says so, too. */
	c->deaf = 1;
	turn_client_delete(c);
	turn_world_pass(w, DUR_SEC(3));
	EQ(c->code[TX_REFRESH], TURN_ERR_MISMATCH);
	OK(!c->allocated);
	EQ(turn_world_allocs(w), 0);
	EQ(turn_world_relays(w), 0);
	turn_world_free(w, t_failures);
}

/* --- the calendar ------------------------------------------------------------------------------------------------ */

/* Lifetimes are no matter of the calendar: an hour forward and an hour back during a call change none of them. */
static void a_step_of_the_clock_moves_no_lifetime(void)
{
	for (int64_t step = -3600; step <= 3600; step += 7200) {
		struct turn_world *w = turn_world_new(SEED, 2);
		struct turn_client *a = caller(w, &(struct turn_client_conf){ .credential_s = 86400 });
		struct turn_client *b = caller(w, &(struct turn_client_conf){ .credential_s = 86400 });

		OK(turn_world_connect(w, a, b));
		talk(a, b, true);
		turn_world_pass(w, 2 * MINUTE);
		turn_world_step_wall(w, step);
		turn_world_pass(w, 10 * MINUTE);
		turn_world_step_wall(w, -step);
		turn_world_pass(w, MINUTE);
		talk(a, b, false);
		turn_world_pass(w, TAIL);
		whole(a, 38000);
		whole(b, 38000);
		EQ(turn_world_ended(w), 0);
		EQ(turn_world_drops(w, DROP_NONE), 0);
		/* Nobody renews: it ends by its own clock. */
		a->refresh_at = b->refresh_at = MONO_NEVER;
		turn_world_step_wall(w, step);
		turn_world_pass(w, DUR_SEC(600));
		EQ(turn_world_allocs(w), 0);
		turn_world_free(w, t_failures);
	}
}

/* A credential is judged by the clock as it stands. Past its hour a Refresh is 401, while the allocation lives out what it was
 * granted; once the clock is back, the same name is good again; and ending it is allowed always. */
static void a_credential_is_judged_by_the_new_clock(void)
{
	struct turn_world *w = turn_world_new(SEED, 1);
	struct turn_client *c = caller(w, &(struct turn_client_conf){ .credential_s = 3600 });
	struct turn_client *late = turn_client_new(w, &(struct turn_client_conf){ .credential_s = 3600 });
	mono_t expires;

	turn_world_pass(w, MINUTE);
	OK(c->allocated);
	expires = rig_alloc(&c->rc)->expires;
	turn_world_step_wall(w, 3600);
	turn_client_refresh(c);
	turn_client_allocate(late);
	turn_world_pass(w, MINUTE);
	EQ(c->code[TX_REFRESH], TURN_ERR_UNAUTHORIZED);
	EQ(late->code[TX_ALLOCATE], TURN_ERR_UNAUTHORIZED);
	EQ(turn_world_allocs(w), 1);
	EQ(rig_alloc(&c->rc)->expires.us, expires.us);

	turn_world_step_wall(w, -3600);
	turn_client_refresh(c);
	turn_client_allocate(late);
	turn_world_pass(w, MINUTE);
	EQ(c->code[TX_REFRESH], 0);
	OK(late->allocated);
	OK(rig_alloc(&c->rc)->expires.us > expires.us);

	turn_world_step_wall(w, 3600);
	turn_client_delete(c);
	turn_world_pass(w, MINUTE);
	EQ(c->code[TX_REFRESH], 0);
	EQ(turn_world_allocs(w), 1);
	turn_world_free(w, t_failures);
}

/* No lifetime reaches beyond the credential, and near its end an allocation is renewed by the rest of it. */
static void no_lifetime_outlives_its_credential(void)
{
	struct turn_world *w = turn_world_new(SEED, 1);
	struct turn_client *c = turn_client_new(w, &(struct turn_client_conf){ .credential_s = 900 });

	turn_client_allocate(c);
	turn_world_pass(w, DUR_SEC(890));
	OK(c->allocated);
	OK(c->life < 600);
	turn_world_pass(w, DUR_SEC(10));
	EQ(turn_world_allocs(w), 0);
	turn_world_free(w, t_failures);
}

/* --- draining ---------------------------------------------------------------------------------------------------- */

/* Drain: who comes is told 508; who is in a call stays in it past all its timers, and the last one to go leaves nothing. */
static void draining_keeps_what_there_is(void)
{
	struct turn_world *w = turn_world_new(SEED, 2);
	struct turn_client *a = caller(w, &(struct turn_client_conf){ .credential_s = 7200 });
	struct turn_client *b = caller(w, &(struct turn_client_conf){ .credential_s = 7200 });
	struct turn_client *late = turn_client_new(w, &(struct turn_client_conf){ .credential_s = 7200 });

	OK(turn_world_connect(w, a, b));
	talk(a, b, true);
	for (uint32_t i = 0; i < w->n_workers; i++)
		turn_drain(&w->worker[i].rig.t);
	turn_client_allocate(late);
	turn_world_pass(w, 12 * MINUTE);
	talk(a, b, false);
	turn_world_pass(w, TAIL);
	EQ(late->code[TX_ALLOCATE], TURN_ERR_CAPACITY);
	whole(a, 35000);
	whole(b, 35000);
	EQ(turn_world_allocs(w), 2);
	turn_client_delete(a);
	turn_world_pass(w, MINUTE);
	b->refresh_at = MONO_NEVER; /* its host was switched off */
	turn_world_pass(w, 11 * MINUTE);
	EQ(turn_world_allocs(w), 0);
	EQ(turn_world_relays(w), 0);
	turn_world_free(w, t_failures);
}

T_MAIN(T(a_call_outlives_every_timer), T(a_plain_host_is_reached_and_answers), T(a_nonce_runs_out_and_the_session_goes_on),
       T(a_lost_answer_is_given_again), T(a_step_of_the_clock_moves_no_lifetime), T(a_credential_is_judged_by_the_new_clock),
       T(no_lifetime_outlives_its_credential), T(draining_keeps_what_there_is))
