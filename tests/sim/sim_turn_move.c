/* SPDX-License-Identifier: AGPL-3.0-only */
/* A client's address becomes another one in the middle of a call: without a word by its NAT, or as RFC 8016 has it. */
#include "sim/turn_world.h"
#include "t.h"
#include "turnd/req.h"

#define SEED 20260902
#define MINUTE DUR_SEC(60)
#define TAIL DUR_SEC(2)
#define DELAY DUR_MS(80)
#define JITTER DUR_MS(40)
#define SAYS DUR_MS(20) /* between two datagrams */
#define SETTLE DUR_SEC(10)

static struct turn_client *caller(struct turn_world *w, uint32_t loss, bool mobility)
{
	struct turn_client *c = turn_client_new(w, &(struct turn_client_conf){ .credential_s = 86400, .mobility = mobility });

	turn_client_net(c, DELAY, JITTER, loss);
	turn_client_allocate(c);
	return c;
}

static void talk(struct turn_client *a, struct turn_client *b, bool on)
{
	turn_client_talk(a, on);
	turn_client_talk(b, on);
}

static void hang_up(struct turn_world *w, struct turn_client *a, struct turn_client *b)
{
	talk(a, b, false);
	turn_world_pass(w, TAIL);
}

/* --- without mobility -------------------------------------------------------------------------------------------- */

/* RFC 8656 3: an allocation belongs to a 5-tuple. When a NAT gives the client another port, what it says is nobody's and what is
 * sent to it goes astray, until it asks, hears 437 and allocates anew: the call goes on by the new address. The old allocation,
 * which nobody can reach any more, dies when its time is over and not before. */
static void a_rebinding_costs_the_allocation(void)
{
	for (uint32_t loss = 0; loss <= 500; loss += 500) {
		struct turn_world *w = turn_world_new(SEED, 1);
		struct turn_client *a = caller(w, loss, false), *b = caller(w, loss, false);
		struct turn_sum before, after;
		struct addr old;
		mono_t expires;

		OK(turn_world_connect(w, a, b));
		expires = rig_alloc(&a->rc)->expires;
		old = a->relayed;
		talk(a, b, true);
		turn_world_pass(w, DUR_SEC(30));
		turn_client_rebind(a);
		turn_world_pass(w, DUR_SEC(5));
		OK(turn_world_drops(w, DROP_CLIENT_UNKNOWN) > 200);
		OK(w->unsolicited > 200);
		turn_client_refresh(a);
		turn_client_talk(a, false);
		for (int i = 0; i < 600 && a->n_allocated < 2; i++)
			turn_world_pass(w, DUR_MS(100));
		EQ(a->code[TX_REFRESH], TURN_ERR_MISMATCH);
		EQ(a->n_allocated, 2);
		OK(!addr_eq(&a->relayed, &old));
		OK(turn_world_connect(w, a, b));
		before = turn_client_sum(b);
		hang_up(w, a, b);
		talk(a, b, true);
		turn_world_pass(w, MINUTE);
		hang_up(w, a, b);
		after = turn_client_sum(b);
		OK(after.arrived > before.arrived + 2700);
		OK(mono_since(w->now, after.last) > MINUTE);
		OK(mono_since(w->now, turn_client_sum(a).last) > MINUTE);

		EQ(turn_world_allocs(w), 3);
		EQ(w->worker[0].rig.quota.used, 3);
		turn_world_pass(w, mono_since(expires, w->now) - 1);
		EQ(turn_world_allocs(w), 3);
		OK(rig_relay_open(&w->worker[0].rig, REL_V4, old.port));
		turn_world_pass(w, 1);
		EQ(turn_world_allocs(w), 2);
		EQ(w->worker[0].rig.quota.used, 2);
		OK(!rig_relay_open(&w->worker[0].rig, REL_V4, old.port));
		turn_world_free(w, t_failures);
	}
}

/* --- with mobility ----------------------------------------------------------------------------------------------- */

/* Until it is told that the server knows: then all it has goes by the new address. */
static mono_t moved(struct turn_world *w, struct turn_client *c, bool keep)
{
	turn_client_move(c, keep);
	for (int i = 0; i < 60000 && c->moving; i++)
		turn_world_pass(w, DUR_MS(1));
	OK(!c->moving);
	return w->now;
}

/* Of its datagrams from number `first` on, those that arrived nowhere were under way when it had just moved. */
static uint32_t late_by_the_former(const struct turn_client *c, uint32_t first, uint32_t end, mono_t at)
{
	uint32_t n = 0;

	for (uint32_t i = first; i < end; i++) {
		const struct turn_fate *f = &c->fate[i];

		if (f->arrived || f->lost)
			continue;
		n++;
		OK(f->at.us <= at.us);
		OK(mono_since(at, f->at) <= DELAY + JITTER + SAYS);
	}
	return n;
}

/* How many of its datagrams reached nobody: those, and one that says something by the former address a minute later. */
static uint32_t move_and_keep(struct turn_world *w, struct turn_client *c)
{
	uint32_t first, end, n;
	mono_t at;

	turn_world_pass(w, 3 * MINUTE);
	first = c->seq;
	at = moved(w, c, true);
	turn_world_pass(w, MINUTE);
	end = c->seq;
	turn_client_say(c, c->current - 1);
	turn_world_pass(w, TAIL);
	n = late_by_the_former(c, first, end, at);
	EQ(c->fate[end].arrived, 0);
	return n + !c->fate[end].lost;
}

/* RFC 8016 3.2.2: the client has both addresses for a while and moves three times, with two workers each time to the other
 * one's socket. Both directions use the former address until it was told, and the only datagrams that go nowhere are its own
 * that were under way by the former one when the first arrived by the new. Afterwards the former is a stranger's. */
static void a_client_that_keeps_its_old_way_loses_nothing(void)
{
	const struct {
		const char *row;
		uint32_t workers, loss;
	} rows[] = {
		{ "one worker: ", 1, 0 },
		{ "one worker, 5 % loss: ", 1, 500 },
		{ "two workers: ", 2, 0 },
		{ "two workers, 5 % loss: ", 2, 500 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct turn_world *w = turn_world_new(SEED + i, rows[i].workers);
		struct turn_client *a = caller(w, rows[i].loss, true), *b = caller(w, rows[i].loss, false);
		uint32_t missing = 0;
		struct addr relayed;

		t_row = rows[i].row;
		OK(turn_world_connect(w, a, b));
		relayed = a->relayed;
		talk(a, b, true);
		for (uint32_t move = 1; move < TURN_CLIENT_PATHS; move++)
			missing += move_and_keep(w, a);
		turn_world_pass(w, 6 * MINUTE);
		hang_up(w, a, b);
		EQ(turn_client_sum(a).missing, missing);
		EQ(turn_world_drops(w, DROP_CLIENT_UNKNOWN), missing);
		EQ(turn_world_drops(w, DROP_NONE), missing);
		EQ(turn_client_sum(b).missing + turn_client_sum(b).closed, 0);
		EQ(turn_client_sum(a).twice + turn_client_sum(b).twice, 0);
		EQ(a->n_strange + b->n_strange + a->n_timeouts + b->n_timeouts, 0);
		EQ(turn_world_ended(w), 0);
		EQ(turn_world_allocs(w), 2);
		OK(addr_eq(&a->relayed, &relayed));
		OK(rows[i].workers > 1 ? w->handed_over >= 2 : w->handed_over == 0);
		printf("# %sseed %" PRIu64 ", missing %u, handed over %u\n", t_row, w->seed, missing, w->handed_over);
		turn_world_free(w, t_failures);
	}
	t_row = "";
}

/* The old address is gone at once: what was under way to it, and what is sent until the server has heard something by the new
 * one, meets a closed door. Nothing else does, whichever worker's socket the new address leads to. */
static void a_client_whose_old_way_is_dead_loses_a_moment(void)
{
	for (uint32_t workers = 1; workers <= 2; workers++) {
		struct turn_world *w = turn_world_new(SEED, workers);
		struct turn_client *a = caller(w, 0, true), *b = caller(w, 0, false);
		mono_t left, at;
		struct turn_sum s;

		OK(turn_world_connect(w, a, b));
		talk(a, b, true);
		turn_world_pass(w, MINUTE);
		left = w->now;
		at = moved(w, a, false);
		OK(mono_since(at, left) <= 4 * (DELAY + JITTER) + SAYS);
		turn_world_pass(w, 12 * MINUTE);
		hang_up(w, a, b);
		EQ(turn_client_sum(a).missing, 0);
		s = turn_client_sum(b);
		EQ(s.missing, 0);
		OK(s.closed > 0);
		OK(mono_since(left, s.first) <= 2 * (DELAY + JITTER));
		OK(s.last.us <= mono_add(at, DELAY + JITTER + SAYS).us);
		EQ(turn_world_drops(w, DROP_NONE), 0);
		EQ(turn_world_ended(w), 0);
		EQ(w->handed_over, workers - 1);
		turn_world_free(w, t_failures);
	}
}

/* The same client has nothing to say: data goes to the former address for ten seconds, then to the new one. */
static void a_silent_client_is_found_after_ten_seconds(void)
{
	struct turn_world *w = turn_world_new(SEED, 1);
	struct turn_client *a = caller(w, 0, true), *b = caller(w, 0, false);
	struct turn_sum s;
	mono_t at;

	OK(turn_world_connect(w, a, b));
	turn_client_talk(b, true);
	turn_world_pass(w, DUR_SEC(10));
	at = moved(w, a, false);
	turn_world_pass(w, DUR_SEC(30));
	hang_up(w, a, b);
	s = turn_client_sum(b);
	EQ(s.missing, 0);
	EQ(s.twice, 0);
	OK(s.last.us >= at.us + SETTLE - 3 * (DELAY + JITTER));
	OK(s.last.us <= at.us + SETTLE);
	EQ(turn_world_drops(w, DROP_NONE), 0);
	turn_world_free(w, t_failures);
}

/* The answers to the Refresh that moves are lost: the same transaction is answered again, the ticket that comes at last is good
 * for the next move, and the one before it is not. */
static void a_move_whose_answers_are_lost_is_answered_again(void)
{
	for (uint32_t workers = 1; workers <= 2; workers++) {
		struct turn_world *w = turn_world_new(SEED, workers);
		struct turn_client *a = caller(w, 0, true), *b = caller(w, 0, false);
		uint8_t old[TICKET_LEN];

		OK(turn_world_connect(w, a, b));
		talk(a, b, true);
		turn_world_pass(w, DUR_SEC(10));
		memcpy(old, a->ticket, sizeof(old));
		turn_client_move(a, false);
		turn_world_pass(w, 2 * (DELAY + JITTER)); /* 438 */
		a->deaf = 3;
		turn_world_pass(w, DUR_SEC(15));
		EQ(a->deaf, 0);
		OK(!a->moving);
		EQ(a->code[TX_REFRESH], 0);
		OK(memcmp(old, a->ticket, sizeof(old)) != 0);
		(void)moved(w, a, false);
		EQ(a->code[TX_REFRESH], 0);
		turn_world_pass(w, DUR_SEC(10));
		EQ(turn_world_ended(w), 0);
		EQ(turn_world_allocs(w), 2);
		hang_up(w, a, b);
		EQ(turn_client_sum(a).missing, 0);
		EQ(turn_client_sum(b).missing, 0);

		/* Somebody who kept the first ticket. */
		memcpy(a->ticket, old, sizeof(old));
		turn_client_move(a, true);
		turn_world_pass(w, DUR_SEC(5));
		EQ(a->code[TX_REFRESH], TURN_ERR_MISMATCH);
		turn_world_free(w, t_failures);
	}
}

T_MAIN(T(a_rebinding_costs_the_allocation), T(a_client_that_keeps_its_old_way_loses_nothing),
       T(a_client_whose_old_way_is_dead_loses_a_moment), T(a_silent_client_is_found_after_ten_seconds),
       T(a_move_whose_answers_are_lost_is_answered_again))
