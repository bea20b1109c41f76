/* SPDX-License-Identifier: AGPL-3.0-only */
/* Calls over bad paths: what is lost is repaired, what is asked is throttled, what is numbered is continuous. */
#include "sim/peer.h"
#include "t.h"

#define SEED 20260811
#define TAIL 30 /* frames (one second) that may still be under way at the end */
#define START 8 /* packets of the first frame: when they arrive reordered, nobody knows what was lost among them */

static struct peer *client(struct world *w, uint64_t sub)
{
	struct peer_conf c = { .room = "r", .audio = true, .video = true, .sub = sub, .other_ids = sub % 2 == 0 };

	return peer_new(w, &c);
}

static void ways(struct peer *p, uint64_t delay, uint64_t jitter, uint32_t loss)
{
	p->up = p->down = (struct net_way){ .delay = delay, .jitter = jitter, .loss = loss };
}

static void stream_whole(struct peer *to, struct peer *from, uint32_t margin)
{
	struct track_in *v = peer_in(to, from->conf.sub, true), *a = peer_in(to, from->conf.sub, false);
	uint32_t whole;

	OK(v != NULL && a != NULL);
	if (!v || !a)
		return;
	EQ(peer_broken(to, from, margin, &whole), 0);
	OK(whole > 0);
	OK(track_in_holes(v, margin * 4) <= START);
	OK(v->given_up <= START);
	EQ(v->foreign + a->foreign, 0);
	EQ(v->resets + a->resets, 0);
	OK(v->first_was_key);
	EQ(v->mapped, from->conf.sub);
	EQ(a->mapped, from->conf.sub);
}

/* Everybody receives everybody: whole frames, and no number that never came. */
static void all_whole(struct world *w, uint32_t margin)
{
	for (uint32_t i = 0; i < w->n_peers; i++) {
		for (uint32_t k = 0; k < w->n_peers; k++)
			if (i != k)
				stream_whole(w->peers[i], w->peers[k], margin);
		EQ(w->peers[i]->undecrypted, 0);
		EQ(w->peers[i]->stray, 0);
	}
}

/* RFC 4585: three people, 80 ms each way with 40 ms of jitter (reordering), 5 % loss in each direction, one minute:
 * every packet of every video frame reaches everybody in the end. Sequence numbers have no holes, keyframes are asked
 * for at most every 500 ms, and transport-wide feedback comes 50 ms after the packet that follows the last one (some
 * 1000 a minute, 5 % of them lost). Whatever the dice say. */
static void a_minute_at_five_percent_loss_loses_no_frame(void)
{
	for (uint64_t seed = SEED; seed < SEED + 4; seed++) {
		struct world w;

		OK(world_init(&w, &(struct world_conf){ .seed = seed }));
		for (uint64_t sub = 1; sub <= 3; sub++) {
			struct peer *p = client(&w, sub);

			ways(p, DUR_MS(80), DUR_MS(40), 500);
			OK(peer_join(p));
		}
		world_pass(&w, DUR_SEC(60));
		all_whole(&w, TAIL);
		EQ(w.s.stats.lost, 0);
		for (uint32_t i = 0; i < 3; i++) {
			const struct peer *p = w.peers[i];

			OK(p->twcc_reports > 900 && p->twcc_reports <= 1220);
			OK(p->video[0].resent > 100);
			OK(p->video[0].frame > 1700);
			for (uint32_t k = 1; k < p->video[0].n_asked; k++)
				OK(mono_since(p->video[0].asked[k], p->video[0].asked[k - 1]) >= KEYFRAME_GAP);
		}
		printf("# carried %ju, lost %ju, resent %ju, NACKs in %ju out %ju, keyframes asked %ju\n",
		       (uintmax_t)w.net.carried, (uintmax_t)w.net.lost, (uintmax_t)w.s.stats.rtx_sent,
		       (uintmax_t)w.s.stats.nacks_in, (uintmax_t)w.s.stats.nacks_out, (uintmax_t)w.s.stats.plis_out);
		world_done(&w, t_failures);
	}
}

/* On a clean path nothing is repaired, asked twice or dropped: one keyframe per publisher, for both subscribers. */
static void a_clean_path_needs_no_repair(void)
{
	struct world w;

	OK(world_init(&w, &(struct world_conf){ .seed = SEED }));
	for (uint64_t sub = 1; sub <= 3; sub++)
		OK(peer_join(client(&w, sub)));
	world_pass(&w, DUR_SEC(10));
	all_whole(&w, 3);
	EQ(w.s.stats.nacks_in + w.s.stats.nacks_out + w.s.stats.rtx_sent, 0);
	OK(w.s.stats.plis_out <= 6);
	for (int d = DROP_NONE + 1; d < DROP_MAX_; d++) {
		t_row = drop_str((enum drop)d);
		if (d != DROP_FWD_LAYER) /* before the first keyframe */
			EQ(w.s.stats.drops[d], 0);
	}
	world_done(&w, t_failures);
}

/* RFC 5104 4.3.1 asks for restraint: two subscribers who want a keyframe a hundred times a second get one per 500
 * ms out of the publisher, and the first at once. */
static void keyframe_requests_are_folded(void)
{
	struct world w;
	struct peer *p;
	uint32_t before;
	mono_t begin;

	OK(world_init(&w, &(struct world_conf){ .seed = SEED }));
	for (uint64_t sub = 1; sub <= 3; sub++)
		OK(peer_join(client(&w, sub)));
	world_pass(&w, DUR_SEC(5));
	p = w.peers[0];
	before = p->video[0].n_asked;
	begin = w.now;
	w.peers[1]->storm = w.peers[2]->storm = true;
	world_pass(&w, DUR_SEC(10));
	OK(p->video[0].n_asked - before >= 19 && p->video[0].n_asked - before <= 21);
	OK(mono_since(p->video[0].asked[before], begin) <= DUR_MS(20 + 10));
	for (uint32_t k = before + 1; k < p->video[0].n_asked; k++)
		OK(mono_since(p->video[0].asked[k], p->video[0].asked[k - 1]) >= KEYFRAME_GAP);
	world_done(&w, t_failures);
}

/* Who joins a running call sees a picture one keyframe request after its media path stands: its own round trip for
 * the first offer's answer, then the publisher's for the keyframe. */
static void a_late_joiner_gets_a_keyframe_at_once(void)
{
	struct world w;
	struct peer *late;
	struct track_in *v;

	OK(world_init(&w, &(struct world_conf){ .seed = SEED }));
	OK(peer_join(client(&w, 1)));
	world_pass(&w, DUR_SEC(5));
	late = client(&w, 2);
	OK(peer_join(late));
	world_pass(&w, DUR_SEC(2));
	v = peer_in(late, 1, true);
	OK(v != NULL);
	if (v) {
		mono_t ready = v->live_at.us > late->connected_at.us ? v->live_at : late->connected_at;

		OK(v->first_was_key);
		/* The answer 20 ms, the request 20 ms, up to a frame of waiting, the keyframe's way of 20 + 20 ms. */
		OK(mono_since(v->key_at, ready) <= DUR_MS(20 + 20 + 34 + 40 + 5));
		printf("# keyframe complete %ju us after the path\n", (uintmax_t)mono_since(v->key_at, ready));
	}
	EQ(w.peers[0]->video[0].n_asked, 1);
	world_done(&w, t_failures);
}

/* Both directions of one person's path are dead for five seconds: afterwards the call goes on without any new
 * negotiation, its picture within a second and a half, and nobody else noticed. */
static void a_path_outage_recovers(void)
{
	struct world w;
	struct peer *p;
	uint32_t whole;
	char before[sizeof(p->log)];

	OK(world_init(&w, &(struct world_conf){ .seed = SEED }));
	for (uint64_t sub = 1; sub <= 3; sub++)
		OK(peer_join(client(&w, sub)));
	world_pass(&w, DUR_SEC(10));
	p = w.peers[0];
	memcpy(before, p->log, sizeof(before));
	p->up.dead = p->down.dead = true;
	world_pass(&w, DUR_SEC(5));
	p->up.dead = p->down.dead = false;
	world_pass(&w, DUR_MS(1500));
	for (uint32_t i = 0; i < 3; i++) {
		for (uint32_t k = 0; k < 3; k++) {
			struct track_in *v = i == k ? NULL : peer_in(w.peers[i], w.peers[k]->conf.sub, true);

			if (v)
				OK(v->key_complete && mono_since(w.now, v->last_at) < DUR_MS(60));
		}
	}
	EQ_STR(p->log, before);
	EQ(w.s.stats.disconnects, 0);
	EQ(peer_broken(w.peers[1], w.peers[2], 5, &whole), 0);
	world_done(&w, t_failures);
}

/* RFC 3550 5.1: numbers wrap. The publisher's do after 36 packets, the SFU's after 32,768 at the latest. */
static void numbers_wrap_without_a_gap(void)
{
	struct world w;
	struct peer *from, *to;
	struct peer_conf c = { .room = "r", .video = true, .sub = 1, .first_seq = 65500 };
	const struct track_in *v;

	OK(world_init(&w, &(struct world_conf){ .seed = SEED }));
	from = peer_new(&w, &c);
	c = (struct peer_conf){ .room = "r", .audio = true, .sub = 2 };
	to = peer_new(&w, &c);
	ways(from, DUR_MS(20), DUR_MS(10), 200);
	ways(to, DUR_MS(20), DUR_MS(10), 200);
	from->video[0].layer = 12; /* fourteen packets a frame */
	OK(peer_join(from) && peer_join(to));
	world_pass(&w, DUR_SEC(145));
	v = peer_in(to, 1, true);
	OK(v != NULL);
	if (v) {
		OK(v->top >= 65536 * 2);
		OK(track_in_holes(v, 100) <= START);
		OK(v->given_up <= START);
		EQ(v->resets, 0);
	}
	EQ(w.s.stats.lost, 0);
	world_done(&w, t_failures);
}

/* Twelve people in one room: everybody sees and hears the eleven others. */
static void twelve_people_make_a_full_mesh(void)
{
	struct world w;

	OK(world_init(&w, &(struct world_conf){ .seed = SEED }));
	for (uint64_t sub = 1; sub <= 12; sub++) {
		OK(peer_join(client(&w, sub)));
		world_pass(&w, DUR_MS(100));
	}
	world_pass(&w, DUR_SEC(10));
	all_whole(&w, 3);
	for (uint32_t i = 0; i < 12; i++) {
		EQ(w.peers[i]->n_in, 22);
		EQ(w.peers[i]->in_flight_max, 1);
	}
	EQ(w.s.subs.live, 12 * 22);
	EQ(w.s.streams.live, 12 * 2);
	world_done(&w, t_failures);
}

T_MAIN(T(a_minute_at_five_percent_loss_loses_no_frame), T(a_clean_path_needs_no_repair), T(keyframe_requests_are_folded),
       T(a_late_joiner_gets_a_keyframe_at_once), T(a_path_outage_recovers), T(numbers_wrap_without_a_gap),
       T(twelve_people_make_a_full_mesh))
