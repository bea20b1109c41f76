/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sim/peer.h"
#include "t.h"

#define SEED 2

static void start(struct world *w, uint32_t n)
{
	OK(world_init(w, &(struct world_conf){ .seed = SEED }));
	for (uint32_t i = 0; i < n; i++) {
		struct peer_conf c = { .room = "r", .audio = true, .video = true, .sub = i + 1, .data = i == 0 };

		OK(peer_join(peer_new(w, &c)));
	}
	world_pass(w, DUR_SEC(3));
}

static bool plays(struct peer *to, uint64_t from)
{
	const struct track_in *v = peer_in(to, from, true), *a = peer_in(to, from, false);

	return v && a && mono_since(to->w->now, v->last_at) < DUR_MS(100) && mono_since(to->w->now, a->last_at) < DUR_MS(100);
}

/* RFC 8829 5.2: our lines get mids that no line of the client's has, and a data channel is refused in its place. */
static void mids_of_ours_collide_with_none(void)
{
	struct world w;

	start(&w, 3);
	for (uint32_t i = 0; i < 3; i++) {
		const struct peer *p = w.peers[i];

		for (uint32_t a = 0; a < p->n_lines; a++)
			for (uint32_t b = 0; b < a; b++)
				OK(strcmp(p->lines[a].mid, p->lines[b].mid) != 0);
	}
	EQ(w.peers[0]->n_lines, 3 + 4);
	EQ(w.peers[1]->n_lines, 2 + 4);
	world_done(&w, t_failures);
}

/* A resumed session that stopped receiving gets all its lines again. */
static void lines_that_rest_after_resuming_are_offered_again(void)
{
	struct world w;
	struct peer *p;
	uint32_t lines;

	start(&w, 3);
	p = w.peers[0];
	lines = p->n_lines;
	peer_lose(p);
	for (uint32_t i = 0; i < p->n_lines; i++)
		if (!p->lines[i].ours)
			p->lines[i].dir = SDP_INACTIVE;
	OK(peer_join(p));
	world_pass(&w, DUR_SEC(3));
	EQ(w.s.stats.resumed, 1);
	OK(plays(p, 2) && plays(p, 3) && plays(w.peers[1], 1));
	EQ(p->n_lines, lines);
	world_done(&w, t_failures);
}

/* A resumed session may have lost the offer that was in flight: the lines it does not know come again. */
static void an_offer_lost_with_its_websocket_is_repeated(void)
{
	struct world w;
	struct peer *p;
	struct peer_conf c = { .room = "r", .audio = true, .video = true, .sub = 9 };

	start(&w, 2);
	p = w.peers[0];
	OK(peer_join(peer_new(&w, &c)));
	world_pass(&w, DUR_MS(25)); /* the first offer about it is under way */
	EQ(w.s.stats.reneg_sent[0] + w.s.stats.reneg_sent[1], 4 + 4 + 2 + 2);
	peer_lose(p);
	world_pass(&w, DUR_SEC(1));
	OK(peer_join(p));
	world_pass(&w, DUR_SEC(3));
	OK(plays(p, 2) && plays(p, 9));
	EQ(p->n_lines, 3 + 4);
	world_done(&w, t_failures);
}

/* A resumed session whose lines are not ours is refused with 4003. */
static void foreign_lines_are_no_resumption(void)
{
	struct world w;
	struct peer *p;

	start(&w, 2);
	p = w.peers[0];
	peer_lose(p);
	memcpy(p->lines[0].mid, "zz", 3);
	OK(peer_join(p));
	world_pass(&w, DUR_SEC(1));
	EQ(p->close_code, 4003);
	EQ(w.s.members.live, 1);
	world_done(&w, t_failures);
}

/* A publisher that stops a line when it resumes is not shown any longer; the other line goes on. */
static void a_line_that_stops_sending_takes_its_track_along(void)
{
	struct world w;
	struct peer *p, *other;

	start(&w, 2);
	p = w.peers[0];
	other = w.peers[1];
	peer_lose(p);
	p->lines[1].dir = SDP_INACTIVE;
	p->video[0].paused = true;
	OK(peer_join(p));
	world_pass(&w, DUR_SEC(2));
	OK(peer_in(other, 1, true) == NULL);
	OK(peer_in(other, 1, false) != NULL);
	EQ(w.s.tracks.live, 3);
	world_done(&w, t_failures);
}

T_MAIN(T(mids_of_ours_collide_with_none), T(lines_that_rest_after_resuming_are_offered_again),
       T(an_offer_lost_with_its_websocket_is_repeated), T(foreign_lines_are_no_resumption),
       T(a_line_that_stops_sending_takes_its_track_along))
