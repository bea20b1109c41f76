/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sfud/room/room.h"

#include "sim/peer.h"
#include "t.h"

#define SEED 6

static struct peer *client(struct world *w, uint64_t sub, bool other_ids)
{
	struct peer_conf c = { .room = "r", .audio = true, .video = true, .sub = sub, .other_ids = other_ids };

	return peer_new(w, &c);
}

static void start(struct world *w)
{
	OK(world_init(w, &(struct world_conf){ .seed = SEED }));
	OK(peer_join(client(w, 1, false)) && peer_join(client(w, 2, true)));
	world_pass(w, DUR_SEC(3));
}

/* Two browsers with other payload types and extension ids understand each other: numbers are the receiver's. */
static void numbers_are_translated(void)
{
	struct world w;
	struct sub *sub = NULL;
	struct handle h;
	uint32_t slot = 0;

	start(&w);
	while ((sub = slab_next(&w.s.subs, &slot, &h))) {
		const struct member *m = member_get(&w.s, sub->owner);
		bool first = m && m->sub == 1;

		EQ(sub->pt_map[sub->video ? (first ? 120 : 96) : first ? 109 : 111],
		   sub->video ? (first ? 96 : 120) : first ? 111 : 109);
		if (!sub->video)
			EQ(sub->ext_map[first ? 5 : 1], first ? 1 : 5);
		EQ(sub->ext_map[3], 0);
		OK(sub->packets > 50);
	}
	OK(peer_in(w.peers[0], 2, true)->key_complete && peer_in(w.peers[1], 1, true)->key_complete);
	EQ(w.s.stats.drops[DROP_FWD_CODEC], 0);
	world_done(&w, 0);
}

/* What is forwarded is counted once per receiver, in packets and in bytes. */
static void counters_tell_what_was_sent(void)
{
	struct world w;

	start(&w);
	const uint64_t arrived = peer_in(w.peers[0], 2, true)->packets + peer_in(w.peers[1], 1, true)->packets;

	OK(w.s.stats.forwarded[1] >= arrived && w.s.stats.forwarded[1] <= arrived + 16); /* the rest is under way */
	OK(w.s.stats.received[0] > 200 && w.s.stats.received[1] > 200);
	OK(w.s.stats.forwarded[1] <= w.s.stats.received[1]);
	OK(w.s.stats.forwarded_bytes[1] > w.s.stats.forwarded[1] * 900);
	EQ(w.s.stats.layer_packets[LAYERS_MAX], w.s.stats.forwarded[0] + w.s.stats.forwarded[1]);
	world_done(&w, 0);
}

/* A packet of one batch is written once per receiver at the flush, and its memory is not needed afterwards; a batch of
 * more packets than a burst holds loses none. */
static void large_batches_lose_nothing(void)
{
	struct world w;
	struct peer *p;
	struct track_in *v;

	start(&w);
	p = w.peers[0];
	p->video[0].layer = 12; /* fourteen packets a frame, all at once … */
	w.peers[1]->storm = true; /* … and keyframes in between */
	world_pass(&w, DUR_SEC(3));
	v = peer_in(w.peers[1], 1, true);
	OK(v->packets > 1000);
	EQ(track_in_holes(v, 20), 0);
	EQ(v->recovered, 0);
	world_done(&w, 0);
}

/* What is asked for again comes as RTX under numbers of its own; what is no longer kept, or was never sent, does not. */
static void lost_packets_are_sent_again_once_each(void)
{
	struct world w;
	struct sub *sub;
	struct handle h;
	uint32_t slot = 0;
	uint16_t seqs[3];
	uint64_t rtx;

	start(&w);
	do {
		sub = slab_next(&w.s.subs, &slot, &h);
	} while (sub && !sub->video);
	OK(sub != NULL);
	if (!sub)
		return;
	rtx = sub->rtx_index;
	seqs[0] = (uint16_t)(sub->rw.out_top - 3);
	seqs[1] = (uint16_t)(sub->rw.out_top + 1);
	seqs[2] = (uint16_t)(sub->rw.out_top - 20000);
	forward_resend(&w.s, sub, seqs, 3, w.now);
	EQ(sub->rtx_index, rtx + 1);
	EQ(w.s.stats.rtx_sent, 1);
	EQ(w.s.stats.drops[DROP_RTX_GONE], 2);
	for (int i = 0; i < 2000; i++)
		forward_resend(&w.s, sub, seqs, 1, w.now);
	OK(w.s.stats.drops[DROP_RTX_LIMIT] > 1000);
	world_done(&w, 0);
}

T_MAIN(T(numbers_are_translated), T(counters_tell_what_was_sent), T(large_batches_lose_nothing),
       T(lost_packets_are_sent_again_once_each))
