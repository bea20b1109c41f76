/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sfud/room/room.h"

#include "sim/peer.h"
#include "t.h"

#define SEED 5

static void start(struct world *w, uint32_t n)
{
	OK(world_init(w, &(struct world_conf){ .seed = SEED }));
	for (uint32_t i = 0; i < n; i++) {
		struct peer_conf c = { .room = "r", .audio = true, .video = true, .sub = i + 1 };

		OK(peer_join(peer_new(w, &c)));
	}
	world_pass(w, DUR_SEC(2));
}

/* Both sides list a subscription: each is in its track's list and in its owner's, and nowhere else. */
static void lists_of_both_sides_agree(void)
{
	struct world w;
	struct handle h;
	uint32_t slot = 0, listed = 0;
	struct track *t;

	start(&w, 5);
	while ((t = slab_next(&w.s.tracks, &slot, &h))) {
		EQ(t->n_subs, 4);
		for (uint32_t i = 0; i < t->n_subs; i++) {
			const struct sub *sub = sub_get(&w.s, t->subs[i]);
			const struct member *m = sub ? member_get(&w.s, sub->owner) : NULL;

			OK(m && handle_eq(m->lines[sub->line].sub, sub->self));
			OK(sub && sub->state == SUB_OPEN && sub->ssrc != sub->rtx_ssrc);
			listed++;
		}
	}
	EQ(listed, w.s.subs.live);
	EQ(w.s.stats.sub_moves[SUB_TO_OPEN][SUB_NEGOTIATING], 40);
	EQ(w.s.stats.sub_moves[SUB_NEGOTIATING][SUB_OPEN], 40);
	world_done(&w, 0);
}

/* A closed track takes its streams, subscriptions and SSRCs along, and tells the subscribers. */
static void closing_leaves_nothing(void)
{
	struct world w;
	struct member *m;
	struct track *t;

	start(&w, 3);
	m = member_get(&w.s, w.peers[0]->member);
	t = m ? track_get(&w.s, m->lines[1].track) : NULL;
	OK(t && t->video);
	if (t)
		track_close(&w.s, t, w.now);
	world_collect(&w);
	EQ(w.s.tracks.live, 5);
	EQ(w.s.streams.live, 5);
	EQ(w.s.subs.live, 12 - 2);
	EQ(m ? m->n_ssrcs : 0, 1);
	w.peers[0]->video[0].paused = true;
	world_pass(&w, DUR_SEC(1));
	OK(peer_in(w.peers[1], 1, true) == NULL && peer_in(w.peers[1], 1, false) != NULL);
	world_done(&w, 0);
}

T_MAIN(T(lists_of_both_sides_agree), T(closing_leaves_nothing))
