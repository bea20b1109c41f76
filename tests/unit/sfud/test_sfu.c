/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sfud/room/sfu.h"

#include "base/slab.h"
#include "sim/peer.h"
#include "t.h"

#define SEED 4

static struct peer *client(struct world *w, uint64_t sub)
{
	struct peer_conf c = { .room = "r", .audio = true, .video = true, .sub = sub };

	return peer_new(w, &c);
}

/* Ticks may come late, early and twice: nothing but a deadline makes them do anything. */
static void ticks_are_idempotent(void)
{
	struct world w;
	mono_t next;

	OK(world_init(&w, &(struct world_conf){ .seed = SEED }));
	OK(mono_is_never(sfu_next(&w.s)));
	OK(peer_open(client(&w, 1)));
	next = sfu_next(&w.s);
	EQ(next.us, mono_add(w.now, OFFER_WAIT).us);
	for (int i = 0; i < 3; i++)
		sfu_tick(&w.s, w.now);
	EQ(sfu_next(&w.s).us, next.us);
	EQ(w.s.members.live, 1);
	sfu_tick(&w.s, mono_add(next, DUR_SEC(1000)));
	EQ(w.s.members.live, 0);
	OK(mono_is_never(sfu_next(&w.s)));
	world_done(&w, 0);
}

/* A stale handle speaks for nobody. */
static void stale_handles_are_ignored(void)
{
	struct world w;
	struct peer *p;
	struct handle old;

	OK(world_init(&w, &(struct world_conf){ .seed = SEED }));
	p = client(&w, 1);
	OK(peer_open(p));
	old = p->member;
	peer_lose(p);
	world_pass(&w, DUR_SEC(1));
	EQ(w.s.members.live, 0);
	sfu_text(&w.s, old, SPAN_LIT("{}"), w.now);
	sfu_gone(&w.s, old, w.now);
	OK(peer_open(p));
	sfu_gone(&w.s, old, w.now);
	EQ(w.s.members.live, 1);
	world_done(&w, 0);
}

/* Behind a NAT addresses are used again: a 5-tuple belongs to whoever proved it last; who leaves later does not take it along. */
static void a_path_belongs_to_its_last_prover(void)
{
	struct world w;
	struct peer *a, *b;
	uint64_t before;

	OK(world_init(&w, &(struct world_conf){ .seed = SEED }));
	a = client(&w, 1);
	b = client(&w, 2);
	OK(peer_join(a) && peer_join(b));
	world_pass(&w, DUR_SEC(2));
	a->gone = true; /* falls silent; b appears behind its address */
	b->addr = a->addr;
	a->addr.port = 9;
	b->check_at = w.now;
	world_pass(&w, DUR_SEC(5));
	EQ(w.s.paths.paths.live, 2);
	before = w.s.stats.received[1];
	world_pass(&w, DUR_SEC(40)); /* a's consent is over */
	EQ(w.s.members.live, 1);
	OK(w.s.stats.received[1] > before + 2000);
	EQ(w.s.stats.drops[DROP_SRTP_AUTH], 0);
	world_done(&w, 0);
}

/* A peer's close_notify ends its member in the same turn, with 1001 for a WebSocket that is still there. */
static void close_notify_ends_the_member(void)
{
	struct world w;
	struct peer *p;

	OK(world_init(&w, &(struct world_conf){ .seed = SEED }));
	p = client(&w, 1);
	OK(peer_join(p));
	world_pass(&w, DUR_SEC(2));
	p->ws_bound = false; /* the shell would not hear of it, nor does the core */
	peer_leave(p);
	world_pass(&w, DUR_MS(50));
	EQ(w.s.members.live, 0);
	EQ(w.s.stats.ends[TRANSPORT_END_CLOSED], 1);
	world_done(&w, 0);
}

/* Without memory for its scratch the core does not come up, and leaves none behind. */
static void no_memory_no_core(void)
{
	for (size_t n = 0; n < 4; n++) {
		struct world w;

		(void)mem_fail_at(n);
		OK(!world_init(&w, &(struct world_conf){ .seed = SEED }));
		(void)mem_fail_at(SIZE_MAX);
		world_done(&w, 0);
	}
}

T_MAIN(T(ticks_are_idempotent), T(stale_handles_are_ignored), T(a_path_belongs_to_its_last_prover),
       T(close_notify_ends_the_member), T(no_memory_no_core))
