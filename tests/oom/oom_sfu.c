/* SPDX-License-Identifier: AGPL-3.0-only */
/* A small call again and again, each time with another allocation failing. */
#include "base/slab.h"
#include "sim/peer.h"
#include "t.h"

#define SEED 20260815
#define SWEEP_MAX 5000

struct outcome {
	size_t made;       /* allocations */
	bool ready;        /* the core came up */
	uint32_t joined;   /* WebSockets accepted */
	uint32_t playing;  /* pairs of which one sees the other */
	uint32_t left;     /* objects behind at the end */
	bool codes_ok;     /* whoever was closed was told one of the protocol's codes */
};

static void client(struct world *w, uint64_t sub, struct outcome *o)
{
	struct peer_conf c = { .room = "r", .audio = true, .video = true, .sub = sub, .simulcast = sub == 2 };

	o->joined += peer_join(peer_new(w, &c));
}

static uint32_t playing(struct world *w)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < w->n_peers; i++)
		for (uint32_t k = 0; k < w->n_peers; k++) {
			const struct track_in *v = peer_in(w->peers[i], w->peers[k]->conf.sub, true);

			n += i != k && v && v->key_complete;
		}
	return n;
}

static uint32_t live(const struct sfu *s)
{
	return s->members.live + s->rooms.live + s->tracks.live + s->streams.live + s->subs.live + s->paths.paths.live +
	       s->paths.ufrags.live;
}

/* Three join, talk, one resumes, all leave; allocation number `nth` fails on the way. */
static struct outcome call(size_t nth)
{
	struct outcome o = { .codes_ok = true };
	struct world w;

	(void)mem_fail_at(nth);
	o.ready = world_init(&w, &(struct world_conf){ .seed = SEED });
	if (o.ready) {
		for (uint64_t sub = 1; sub <= 3; sub++)
			client(&w, sub, &o);
		world_pass(&w, DUR_MS(1500));
		o.playing = playing(&w);
		peer_lose(w.peers[0]);
		(void)peer_join(w.peers[0]);
		world_pass(&w, DUR_MS(300));
		for (uint32_t i = 0; i < w.n_peers; i++)
			peer_leave(w.peers[i]);
		world_pass(&w, DUR_SEC(45));
		o.left = live(&w.s);
		for (uint32_t i = 0; i < w.n_peers; i++) {
			unsigned c = w.peers[i]->close_code;

			o.codes_ok = o.codes_ok && (c == 0 || c == SIG_CLOSE_SHUTDOWN || c == SIG_CLOSE_BAD_OFFER ||
						    c == SIG_CLOSE_INTERNAL || c == SIG_CLOSE_REPLACED);
		}
	}
	world_done(&w, 0);
	o.made = mem_fail_at(SIZE_MAX);
	return o;
}

/* The house rule for memory: an allocation that fails is a refusal of what asked for it. Nothing is left behind, and
 * whatever failed, the next call works. */
static void every_failing_allocation_is_a_refusal(void)
{
	struct outcome clean = call(SIZE_MAX), o;
	size_t refused = 0, degraded = 0, n;
	char row[32];

	EQ(clean.playing, 6);
	EQ(clean.left, 0);
	for (n = 0; n < SWEEP_MAX; n++) {
		snprintf(row, sizeof(row), "allocation %zu: ", n);
		t_row = row;
		o = call(n);
		if (o.made <= n)
			break; /* it made fewer: none failed */
		OK(o.ready || n < 8);
		EQ(o.left, 0);
		OK(o.codes_ok);
		refused += !o.ready || o.joined < 3;
		degraded += o.ready && o.playing < 6;
	}
	t_row = "";
	OK(n < SWEEP_MAX && n >= clean.made);
	o = call(SIZE_MAX);
	EQ(o.playing, 6);
	EQ(o.made, clean.made);
	printf("# %zu allocations; refused %zu, fewer streams %zu\n", n, refused, degraded);
}

T_MAIN(T(every_failing_allocation_is_a_refusal))
