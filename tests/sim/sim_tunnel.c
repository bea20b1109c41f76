/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * A pool and the streams of a day in virtual time, over three channels that come and go: well, refusing, swallowing what they
 * get, or connecting but ill. As the shell does it: probes when they are due, a race per stream, resets when a channel goes down.
 *
 *   - a stream that one well channel could have had is connected within two seconds,
 *   - a channel that stays dead takes no stream any more after the first that failed through it, and is down within
 *     three probes; its streams are ended then,
 *   - one that is well again is back after two.
 */
#include "base/rng.h"
#include "t.h"
#include "tunneld/race.h"

#define N 3
#define TICK DUR_MS(20)
#define RTT DUR_MS(60)
#define LIMIT DUR_MS(1800)
#define PROBE_TIMEOUT DUR_SEC(3)
#define INTERVAL DUR_SEC(10)
#define FAR MONO_NEVER

enum fate { WELL, REFUSES, SWALLOWS, ILL };

struct chan {
	enum fate fate;
	mono_t probe_ends; /* FAR: none under way */
	uint32_t streams;
	uint32_t reset;
};

struct sim {
	struct pool p;
	struct chan c[N];
	struct rng rng;
	mono_t now;
	uint32_t streams, refused;
};

static void begin(struct sim *s)
{
	const struct pool_conf conf = { .interval = INTERVAL, .passes = 2, .fails = 3 };
	struct pool_list all = { N, { 0, 1, 2 } };

	*s = (struct sim){ .now = { DUR_SEC(1000) } };
	rng_seed(&s->rng, 20261123);
	pool_init(&s->p, &conf);
	for (int i = 0; i < N; i++) {
		EQ(pool_add(&s->p, s->now), i);
		s->c[i].probe_ends = FAR;
	}
	pool_set_order(&s->p, ORDER_WEB, &all);
	pool_set_order(&s->p, ORDER_WS, &all);
}

static void end_probe(struct sim *s, uint32_t i)
{
	static const enum why result[] = { [WELL] = WHY_NONE, [REFUSES] = WHY_REFUSED, [SWALLOWS] = WHY_TIMEOUT,
					   [ILL] = WHY_STATUS };
	struct chan *c = &s->c[i];

	c->probe_ends = FAR;
	if (pool_probed(&s->p, i, result[c->fate], RTT, s->now) != POOL_WENT_DOWN)
		return;
	c->reset += c->streams;
	for (; c->streams; c->streams--)
		(void)pool_closed(&s->p, i, ORDER_WS);
}

static void pass(struct sim *s, uint64_t us)
{
	mono_t until = mono_add(s->now, us);
	int i;

	for (; !mono_reached(s->now, until); s->now = mono_add(s->now, TICK)) {
		while ((i = pool_tick(&s->p, s->now)) >= 0)
			s->c[i].probe_ends = mono_add(s->now, s->c[i].fate == SWALLOWS ? PROBE_TIMEOUT : RTT);
		for (i = 0; i < N; i++) {
			if (mono_reached(s->now, s->c[i].probe_ends))
				end_probe(s, (uint32_t)i);
		}
	}
}

/* A stream from its accept to its channel, -1 for none; *ret_us: how long it took. */
static int stream(struct sim *s, uint64_t *ret_us)
{
	mono_t connected[POOL_CHANNELS], now = s->now;
	struct pool_list l;
	struct race r;
	int k;

	pool_choose(&s->p, ORDER_WS, &l);
	race_init(&r, &l, LIMIT, now);
	for (;; now = mono_add(now, DUR_MS(10))) {
		while ((k = race_begin(&r, now)) >= 0) {
			enum fate f = s->c[l.slot[k]].fate;

			connected[k] = f == SWALLOWS ? FAR : mono_add(now, RTT);
			if (f != REFUSES)
				continue;
			pool_failed(&s->p, l.slot[k], WHY_REFUSED, now);
			race_failed(&r, (uint32_t)k);
		}
		*ret_us = mono_since(now, s->now);
		for (k = 0; k < (int)r.begun; k++) {
			if (!(r.pending >> k & 1) || !mono_reached(now, connected[k]))
				continue;
			for (int o = 0; o < k; o++) {
				if (r.pending >> o & 1)
					pool_failed(&s->p, l.slot[o], WHY_SLOW, now);
			}
			pool_opened(&s->p, l.slot[k], ORDER_WS);
			pool_connected(&s->p, l.slot[k], k > 0, *ret_us);
			s->c[l.slot[k]].streams++;
			s->streams++;
			return l.slot[k];
		}
		if (race_over(&r, now))
			return -1;
	}
}

static void settle(struct sim *s, enum fate a, enum fate b, enum fate c)
{
	s->c[0].fate = a;
	s->c[1].fate = b;
	s->c[2].fate = c;
	pass(s, DUR_SEC(60));
}

static void a_dead_channel_costs_one_stream_a_moment(void)
{
	static const enum fate ends[] = { REFUSES, SWALLOWS };

	for (size_t e = 0; e < ARRAY_LEN(ends); e++) {
		uint64_t us;
		struct sim s;

		t_row = ends[e] == REFUSES ? "refuses: " : "swallows: ";
		begin(&s);
		settle(&s, WELL, WELL, WELL);
		for (int i = 0; i < 10; i++)
			EQ(stream(&s, &us), 0);
		s.c[0].fate = ends[e];
		EQ(stream(&s, &us), 1);
		OK(us < DUR_SEC(2) && us >= (ends[e] == REFUSES ? RTT : RACE_STAGGER));
		for (int i = 0; i < 10; i++) {
			EQ(stream(&s, &us), 1);
			EQ(us, RTT);
		}
		EQ(s.c[0].streams, 10);
		pass(&s, 3 * (INTERVAL + PROBE_TIMEOUT) + TICK);
		EQ(s.p.ch[0].state, POOL_DOWN);
		EQ(s.c[0].reset, 10);
		EQ(s.c[1].reset, 0);
		s.c[0].fate = WELL;
		pass(&s, 2 * (INTERVAL + PROBE_TIMEOUT) + TICK);
		EQ(s.p.ch[0].state, POOL_UP);
		EQ(stream(&s, &us), 0);
	}
}

static void connecting_is_not_being_well(void)
{
	struct sim s;
	uint64_t us;

	begin(&s);
	settle(&s, ILL, WELL, WELL);
	EQ(s.p.ch[0].state, POOL_DOWN);
	EQ(stream(&s, &us), 1);
	settle(&s, ILL, ILL, ILL);
	EQ(stream(&s, &us), -1);
	EQ(us, 0); /* closed at once */
}

/* It accepts every stream and answers none: the first probe that finds out turns new streams away. */
static void what_accepts_and_never_answers_is_avoided_after_one_probe(void)
{
	struct sim s;
	uint64_t us;

	begin(&s);
	settle(&s, WELL, WELL, WELL);
	s.c[0].fate = ILL;
	EQ(stream(&s, &us), 0);
	pass(&s, INTERVAL + RTT + TICK);
	EQ(s.p.ch[0].state, POOL_UP);
	EQ(stream(&s, &us), 1);
	EQ(us, RTT);
	EQ(s.c[0].reset, 0); /* what it has may go on until it is down */
}

static void at_first_nothing_is_known(void)
{
	struct sim s;
	uint64_t us;

	begin(&s);
	s.c[0].fate = SWALLOWS;
	EQ(stream(&s, &us), 1);
	OK(us < DUR_SEC(2));
	pass(&s, DUR_SEC(2));
	EQ(s.p.ch[1].state, POOL_UP); /* eager until something is known */
	EQ(stream(&s, &us), 1);
	EQ(us, RTT);
}

/* Channels change as they like, but one is always well and has been for a while. */
static void a_day_of_change(void)
{
	uint32_t worst_ms = 0;
	struct sim s;

	begin(&s);
	settle(&s, WELL, WELL, WELL);
	for (uint32_t i = 0; i < 4000; i++) {
		uint32_t keeps = i / 200 % N, dice = rng_below(&s.rng, 40);
		uint64_t us;

		if (i % 200 == 0) {
			s.c[keeps].fate = WELL;
			pass(&s, DUR_SEC(40));
		}
		if (dice < N && dice != keeps)
			s.c[dice].fate = (enum fate)rng_below(&s.rng, 4);
		OK(stream(&s, &us) >= 0);
		worst_ms = us / 1000 > worst_ms ? (uint32_t)(us / 1000) : worst_ms;
		pass(&s, DUR_MS(rng_below(&s.rng, 4000)));
	}
	printf("# worst connection of a day: %u ms\n", worst_ms);
	OK(worst_ms < 2000);
}

T_MAIN(T(a_dead_channel_costs_one_stream_a_moment), T(connecting_is_not_being_well),
       T(what_accepts_and_never_answers_is_avoided_after_one_probe), T(at_first_nothing_is_known),
       T(a_day_of_change))
