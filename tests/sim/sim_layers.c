/* SPDX-License-Identifier: AGPL-3.0-only */
/* Simulcast and payloads that nobody here can read. */
#include "sim/peer.h"
#include "t.h"

#define SEED 20260813

static struct peer *client(struct world *w, uint64_t sub, bool simulcast, bool opaque)
{
	struct peer_conf c = { .room = "r", .audio = true, .video = true, .sub = sub, .simulcast = simulcast, .opaque = opaque };

	return peer_new(w, &c);
}

/* RFC 8853: of three layers a subscriber gets exactly one, the largest; when that one stops it goes on with the
 * next within a second and a half, at a keyframe of that layer, and returns likewise. Numbers stay continuous
 * throughout. */
static void one_layer_at_a_time_changed_at_keyframes(void)
{
	static const struct {
		const char *row;
		bool paused;
		uint8_t layer;
	} step[] = { { "all: ", false, 2 }, { "without f: ", true, 1 }, { "f again: ", false, 2 } };
	struct world w;
	struct peer *from, *to;

	OK(world_init(&w, &(struct world_conf){ .seed = SEED }));
	from = client(&w, 1, true, false);
	to = client(&w, 2, false, false);
	OK(peer_join(to) && peer_join(from));
	world_pass(&w, DUR_SEC(4));
	for (size_t i = 0; i < ARRAY_LEN(step); i++) {
		struct track_in *v = peer_in(to, 1, true);
		uint32_t before = v ? v->switches : 0;

		t_row = step[i].row;
		from->video[2].paused = step[i].paused;
		world_pass(&w, DUR_SEC(4));
		OK(v != NULL);
		if (!v)
			break;
		EQ(v->layer, step[i].layer);
		EQ(v->switches - before, i != 0);
		EQ(v->bad_switches, 0);
		EQ(track_in_holes(v, 10), 0);
		EQ(v->resets, 0);
		OK(v->max_silence < DUR_MS(1500));
		OK(v->first_was_key);
	}
	OK(w.s.stats.layer_packets[2] > 0 && w.s.stats.layer_packets[1] > 0);
	EQ(w.s.streams.live, 3 + 1 + 2);
	world_done(&w, t_failures);
}

/* The budget a receiver reports (REMB) decides the layer. The rates are 450, 670 and 890 kbit/s; when none fits,
 * it is the smallest. */
static void a_small_budget_gets_a_small_layer(void)
{
	static const struct {
		const char *row;
		uint64_t remb;
		uint8_t layer;
	} step[] = { { "unknown: ", 0, 2 }, { "small: ", 200000, 0 }, { "middle: ", 750000, 1 }, { "large: ", 5000000, 2 } };
	struct world w;
	struct peer *to;

	OK(world_init(&w, &(struct world_conf){ .seed = SEED }));
	OK(peer_join(client(&w, 1, true, false)));
	to = client(&w, 2, false, false);
	OK(peer_join(to));
	for (size_t i = 0; i < ARRAY_LEN(step); i++) {
		t_row = step[i].row;
		to->remb = step[i].remb;
		world_pass(&w, DUR_SEC(4));
		OK(peer_in(to, 1, true) != NULL);
		if (!peer_in(to, 1, true))
			break;
		EQ(peer_in(to, 1, true)->layer, step[i].layer);
		EQ(peer_in(to, 1, true)->bad_switches, 0);
	}
	world_done(&w, t_failures);
}

/* Repairs work per layer: 3 % loss on a simulcast publisher's path leaves every frame of the chosen layer whole. */
static void layers_are_repaired(void)
{
	struct world w;
	struct peer *from, *to;
	uint32_t whole;

	OK(world_init(&w, &(struct world_conf){ .seed = SEED }));
	from = client(&w, 1, true, false);
	to = client(&w, 2, false, false);
	from->up.loss = 300;
	OK(peer_join(from) && peer_join(to));
	world_pass(&w, DUR_SEC(20));
	EQ(peer_in(to, 1, true)->layer, 2);
	EQ(peer_broken(to, from, 30, &whole), 0);
	OK(whole > 500);
	OK(from->video[2].resent > 10);
	world_done(&w, t_failures);
}

/* SFrame hides keyframes from the SFU: what cannot be recognised is not waited for longer than a second. */
static void opaque_payload_starts_within_about_a_second(void)
{
	struct world w;
	struct peer *from, *to;
	struct track_in *v;

	OK(world_init(&w, &(struct world_conf){ .seed = SEED }));
	from = client(&w, 1, false, true);
	OK(peer_join(from));
	world_pass(&w, DUR_SEC(3));
	to = client(&w, 2, false, true);
	OK(peer_join(to));
	world_pass(&w, DUR_SEC(4));
	v = peer_in(to, 1, true);
	OK(v && v->started);
	if (v) {
		OK(mono_since(v->first_at, to->connected_at) <= DUR_MS(1150));
		EQ(track_in_holes(v, 10), 0);
	}
	OK(from->video[0].n_asked >= 1 && from->video[0].n_asked <= 4);
	world_done(&w, t_failures);
}

/* A second video line is a slot for a screen: it is offered to the others when its first packet comes, under a
 * name of its own. */
static void a_screen_is_announced_by_its_first_packet(void)
{
	struct world w;
	struct peer_conf c = { .room = "r", .audio = true, .video = true, .screen = true, .data = true, .sub = 1 };
	struct peer *from, *to;
	uint32_t before;

	OK(world_init(&w, &(struct world_conf){ .seed = SEED }));
	from = peer_new(&w, &c);
	to = client(&w, 2, false, false);
	OK(peer_join(from) && peer_join(to));
	world_pass(&w, DUR_SEC(3));
	before = to->n_in;
	EQ(before, 2);
	from->video[1].paused = false;
	world_pass(&w, DUR_SEC(3));
	EQ(to->n_in, 3);
	EQ_STR(to->in[2].msid, "peer-1-screen peer-1-screen-video");
	OK(to->in[2].key_complete);
	EQ(to->in[2].foreign, 0);
	world_done(&w, t_failures);
}

T_MAIN(T(one_layer_at_a_time_changed_at_keyframes), T(a_small_budget_gets_a_small_layer), T(layers_are_repaired),
       T(opaque_payload_starts_within_about_a_second), T(a_screen_is_announced_by_its_first_packet))
