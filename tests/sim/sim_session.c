/* SPDX-License-Identifier: AGPL-3.0-only */
/* Lives of members: who comes, goes, comes back, is replaced, is alone, changes address or falls silent. */
#include "sim/peer.h"
#include "t.h"

#define SEED 20260812

static struct peer *client_in(struct world *w, uint64_t sub, const char *room)
{
	struct peer_conf c = { .room = room, .audio = true, .video = true, .sub = sub };

	return peer_new(w, &c);
}

static struct peer *client(struct world *w, uint64_t sub)
{
	return client_in(w, sub, "r");
}

static void start(struct world *w, uint32_t n, uint64_t solo_kick)
{
	OK(world_init(w, &(struct world_conf){ .seed = SEED, .solo_kick = solo_kick }));
	for (uint32_t i = 0; i < n; i++)
		OK(peer_join(client(w, i + 1)));
	world_pass(w, DUR_SEC(5));
}

static const struct peer_line *line_of(const struct peer *p, const char *mid)
{
	for (uint32_t i = 0; i < p->n_lines; i++)
		if (strcmp(p->lines[i].mid, mid) == 0)
			return &p->lines[i];
	return NULL;
}

static bool plays(struct peer *to, uint64_t from)
{
	const struct track_in *v = peer_in(to, from, true), *a = peer_in(to, from, false);

	return v && a && v->key_complete && mono_since(to->w->now, v->last_at) < DUR_MS(100) &&
	       mono_since(to->w->now, a->last_at) < DUR_MS(100);
}

/* RFC 8829 5.2.2: a leaver's line is offered as inactive; the next joiner's tracks come on the same lines (same
 * mid), under its own name. Lines do not pile up. */
static void a_leavers_lines_are_reused(void)
{
	struct world w;
	struct peer *stays, *leaver;
	char video[SDP_MID_MAX + 1], audio[SDP_MID_MAX + 1];
	uint32_t lines;

	start(&w, 2, 0);
	stays = w.peers[0];
	leaver = w.peers[1];
	OK(plays(stays, 2));
	memcpy(video, peer_in(stays, 2, true)->mid, sizeof(video));
	memcpy(audio, peer_in(stays, 2, false)->mid, sizeof(audio));
	lines = stays->n_lines;
	peer_leave(leaver);
	world_pass(&w, DUR_SEC(1));
	EQ(w.s.members.live, 1);
	OK(peer_in(stays, 2, true) == NULL && peer_in(stays, 2, false) == NULL);
	OK(line_of(stays, video) && line_of(stays, video)->dir == SDP_INACTIVE);
	for (uint64_t sub = 3; sub < 6; sub++) {
		struct peer *next = client(&w, sub);

		OK(peer_join(next));
		world_pass(&w, DUR_SEC(3));
		OK(plays(stays, sub) && plays(next, 1));
		EQ(stays->n_lines, lines);
		if (peer_in(stays, sub, true))
			EQ_STR(peer_in(stays, sub, true)->mid, video);
		if (peer_in(stays, sub, false))
			EQ_STR(peer_in(stays, sub, false)->mid, audio);
		peer_leave(next);
		world_pass(&w, DUR_SEC(1));
	}
	EQ(w.s.subs.live, 0);
	EQ(w.s.tracks.live, 2);
	world_done(&w, t_failures);
}

/* A WebSocket that breaks is no end of the media: with the same certificate on the next one everything goes on,
 * numbers too, without a gap and without a new line. */
static void a_resumed_session_keeps_its_media(void)
{
	struct world w;
	struct peer *p, *other;
	const struct track_in *v;
	uint32_t lines, ssrc;

	start(&w, 2, 0);
	p = w.peers[0];
	other = w.peers[1];
	lines = p->n_lines;
	ssrc = peer_in(p, 2, true)->ssrc;
	peer_lose(p);
	world_pass(&w, DUR_SEC(4));
	OK(plays(p, 2) && plays(other, 1));
	OK(peer_join(p));
	world_pass(&w, DUR_SEC(30));
	EQ(w.s.stats.resumed, 1);
	OK(plays(p, 2) && plays(other, 1));
	EQ(p->n_lines, lines);
	EQ(p->close_code, 0);
	v = peer_in(p, 2, true);
	EQ(v->ssrc, ssrc);
	EQ(track_in_holes(v, 10), 0);
	OK(v->max_silence < DUR_MS(100));
	v = peer_in(other, 1, true);
	EQ(track_in_holes(v, 10), 0);
	EQ(v->resets, 0);
	OK(v->max_silence < DUR_MS(100));
	EQ(w.s.stats.disconnects, 0);
	world_done(&w, t_failures);
}

/* Who joins while the WebSocket of another is broken reaches him when it is back. */
static void what_changed_meanwhile_is_offered_after_resuming(void)
{
	struct world w;
	struct peer *p, *late;

	start(&w, 3, 0);
	p = w.peers[0];
	peer_lose(p);
	late = client(&w, 9);
	OK(peer_join(late));
	peer_leave(w.peers[1]);
	world_pass(&w, DUR_SEC(4));
	OK(peer_join(p));
	world_pass(&w, DUR_SEC(5));
	OK(plays(p, 9) && plays(late, 1) && plays(p, 3));
	OK(peer_in(p, 2, true) == NULL);
	EQ(p->map_peers, 2);
	EQ(w.s.stats.resumed, 1);
	world_done(&w, t_failures);
}

/* A page that was reloaded has another certificate: its old call ends, a new one begins under the same member. */
static void another_certificate_starts_anew(void)
{
	struct world w;
	struct peer *p, *other;

	start(&w, 2, 0);
	p = w.peers[0];
	other = w.peers[1];
	peer_lose(p);
	peer_renew(p);
	world_pass(&w, DUR_SEC(2));
	OK(peer_join(p));
	world_pass(&w, DUR_SEC(5));
	EQ(w.s.stats.resumed, 0);
	EQ(w.s.members.live, 2);
	OK(plays(p, 2) && plays(other, 1));
	EQ(w.s.tracks.live, 4);
	EQ(w.s.subs.live, 4);
	EQ(w.s.paths.ufrags.live, 2);
	EQ(w.s.paths.paths.live, 2);
	world_done(&w, t_failures);
}

/* The same person in a second tab: the first one's WebSocket is closed with 4031, the room sees one member. */
static void a_second_tab_replaces_the_first(void)
{
	struct world w;
	struct peer *second, *other;

	start(&w, 2, 0);
	other = w.peers[1];
	second = client(&w, 1);
	OK(peer_join(second));
	world_pass(&w, DUR_SEC(5));
	EQ(w.peers[0]->close_code, 4031);
	EQ(w.peers[0]->log[strlen(w.peers[0]->log) - 1], 'C');
	EQ(w.s.stats.replaced, 1);
	EQ(w.s.members.live, 2);
	EQ(second->close_code, 0);
	OK(plays(second, 2));
	OK(peer_in(other, 1, true) && peer_in(other, 1, true)->key_complete);
	world_done(&w, t_failures);
}

/* The wire contract has one room per process; here rooms are apart: not a packet and not a name crosses, even with
 * equal subs. */
static void rooms_do_not_leak(void)
{
	struct world w;
	static const char *const rooms[] = { "a", "b" };

	OK(world_init(&w, &(struct world_conf){ .seed = SEED }));
	for (uint32_t i = 0; i < 6; i++)
		OK(peer_join(client_in(&w, i / 2 + 1, rooms[i % 2])));
	world_pass(&w, DUR_SEC(5));
	EQ(w.s.rooms.live, 2);
	EQ(w.s.members.live, 6);
	for (uint32_t i = 0; i < 6; i++) {
		EQ(w.peers[i]->n_in, 4);
		EQ(w.peers[i]->map_peers, i / 2);
		for (uint32_t k = 0; k < w.peers[i]->n_in; k++) {
			EQ(w.peers[i]->in[k].foreign, 0);
			OK(w.peers[i]->in[k].packets > 100);
		}
	}
	world_done(&w, t_failures);
}

/* Section 6 of the existing system: alone for SoloKick, a member is closed with 1001; company stops the clock. */
static void who_stays_alone_is_sent_home(void)
{
	struct world w;

	start(&w, 2, DUR_SEC(60));
	world_pass(&w, DUR_SEC(100));
	EQ(w.s.members.live, 2);
	peer_leave(w.peers[1]);
	world_pass(&w, DUR_SEC(59));
	EQ(w.s.members.live, 1);
	world_pass(&w, DUR_SEC(2));
	EQ(w.s.members.live, 0);
	EQ(w.s.rooms.live, 0);
	EQ(w.peers[0]->close_code, 1001);
	EQ(w.s.stats.solo_kicked, 1);
	world_done(&w, t_failures);
}

/* A WebSocket on which no offer arrives within 30 s is closed with 4002 and leaves nothing behind. */
static void no_offer_in_time_is_4002(void)
{
	struct world w;
	struct peer *p;

	OK(world_init(&w, &(struct world_conf){ .seed = SEED }));
	p = client(&w, 1);
	OK(peer_open(p));
	world_pass(&w, DUR_SEC(29));
	EQ(p->close_code, 0);
	world_pass(&w, DUR_SEC(2));
	EQ(p->close_code, 4002);
	EQ(w.s.stats.offers[OFFER_TIMEOUT], 1);
	EQ(w.s.members.live, 0);
	EQ(w.s.rooms.live, 0);
	world_done(&w, t_failures);
}

/* Without a new WebSocket within GRACE the member ends, and the others are told. */
static void grace_ends(void)
{
	struct world w;

	start(&w, 2, 0);
	peer_lose(w.peers[0]);
	world_pass(&w, DUR_SEC(9));
	EQ(w.s.members.live, 2);
	OK(plays(w.peers[1], 1));
	world_pass(&w, DUR_SEC(2));
	EQ(w.s.members.live, 1);
	OK(peer_in(w.peers[1], 1, true) == NULL);
	EQ(w.s.stats.disconnects, 1);
	world_done(&w, t_failures);
}

/* RFC 7675 5.1: without a check for 30 s there is no consent, whatever else arrives: the member ends with 1001. */
static void consent_expires(void)
{
	struct world w;

	start(&w, 2, 0);
	w.peers[0]->no_checks = true;
	world_pass(&w, DUR_SEC(26));
	EQ(w.s.members.live, 2);
	world_pass(&w, DUR_SEC(6));
	EQ(w.s.members.live, 1);
	EQ(w.peers[0]->close_code, 1001);
	EQ(w.s.stats.ends[TRANSPORT_END_CONSENT], 1);
	EQ(w.s.paths.paths.live, 1);
	world_done(&w, t_failures);
}

/* RFC 8445 lets an address change without a word of signalling: after the check from the new one, both directions
 * use it. */
static void a_new_address_needs_one_check(void)
{
	struct world w;
	struct peer *p;

	start(&w, 2, 0);
	p = w.peers[0];
	peer_rebind(p);
	world_pass(&w, DUR_MS(300));
	OK(plays(p, 2) && plays(w.peers[1], 1));
	world_pass(&w, DUR_SEC(40));
	OK(plays(p, 2) && plays(w.peers[1], 1));
	OK(peer_in(p, 2, true)->max_silence < DUR_MS(150));
	EQ(w.s.stats.disconnects, 0);
	OK(w.s.stats.drops[DROP_UNKNOWN_PATH] < 10);
	world_done(&w, t_failures);
}

/* Orderly stop: everybody gets 1001, nothing is left. */
static void shutdown_closes_everybody(void)
{
	struct world w;

	start(&w, 4, 0);
	sfu_shutdown(&w.s, w.now);
	world_collect(&w);
	world_pass(&w, DUR_MS(100));
	for (uint32_t i = 0; i < 4; i++)
		EQ(w.peers[i]->close_code, 1001);
	EQ(w.s.members.live + w.s.rooms.live + w.s.tracks.live + w.s.streams.live + w.s.subs.live, 0);
	EQ(w.s.paths.paths.live + w.s.paths.ufrags.live, 0);
	OK(mono_is_never(sfu_next(&w.s)));
	world_done(&w, t_failures);
}

T_MAIN(T(a_leavers_lines_are_reused), T(a_resumed_session_keeps_its_media),
       T(what_changed_meanwhile_is_offered_after_resuming), T(another_certificate_starts_anew),
       T(a_second_tab_replaces_the_first), T(rooms_do_not_leak), T(who_stays_alone_is_sent_home),
       T(no_offer_in_time_is_4002), T(grace_ends), T(consent_expires), T(a_new_address_needs_one_check),
       T(shutdown_closes_everybody))
