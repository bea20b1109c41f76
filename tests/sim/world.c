/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sim/world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "sim/null_dtls.h"
#include "sim/peer.h"

struct addr world_addr(void)
{
	return addr_v4(198, 51, 100, 1, 7878);
}

static struct peer *peer_at(struct world *w, const struct addr *a)
{
	for (uint32_t i = 0; i < w->n_peers; i++)
		if (addr_eq(&w->peers[i]->addr, a))
			return w->peers[i];
	return NULL;
}

static void out_full(struct outbox *ob)
{
	struct world *w = ob->owner;

	for (uint32_t i = 0; i < ob->n; i++) {
		const struct out_msg *m = &ob->msg[i];
		struct peer *p = peer_at(w, &m->path.remote);

		for (size_t at = 0; p && at < m->len; at += m->seg) {
			size_t n = m->len - at < m->seg ? m->len - at : m->seg;

			net_send(&w->net, &p->down, (struct net_item){ .kind = NET_DOWN, .peer = p->index },
				 span_of(m->data + at, n), w->now);
		}
	}
	outbox_clear(ob);
}

static struct peer *peer_bound(struct world *w, struct handle member)
{
	for (uint32_t i = 0; i < w->n_peers; i++)
		if (w->peers[i]->ws_bound && handle_eq(w->peers[i]->member, member))
			return w->peers[i];
	return NULL;
}

static void sig_full(struct sigbox *sb)
{
	struct world *w = sb->owner;

	for (uint32_t i = 0; i < sb->n; i++) {
		const struct sig_out *o = &sb->out[i];
		struct peer *p = peer_bound(w, o->member);
		struct net_item item = { .kind = NET_TEXT_DOWN };

		if (!p)
			continue;
		item.peer = p->index;
		item.connection = p->connection;
		if (o->close != SIG_CLOSE_NONE) {
			item.kind = NET_CLOSE;
			item.code = o->close;
			p->ws_bound = false;
		}
		net_send(&w->net, &w->text, item, o->close ? span_str(o->reason) : span_of(sb->mem + o->at, o->n), w->now);
	}
	sigbox_clear(sb);
}

bool world_init(struct world *w, const struct world_conf *c)
{
	static const uint8_t fingerprint[DTLS_FINGERPRINT_LEN] = "our own certificate, hashed";
	struct sfu_conf conf = { .n_candidates = 1, .max_members = c->max_members ? c->max_members : 64,
				 .max_rooms = c->max_rooms ? c->max_rooms : 8, .solo_kick = c->solo_kick,
				 .bwe_hint_gap = DUR_MS(100) };

	*w = (struct world){ .seed = c->seed, .now = SIM_MS(1000), .text = { .delay = DUR_MS(20) } };
	w->out_mem = malloc(WORLD_OUT);
	w->sig_mem = malloc(WORLD_SIG);
	if (!w->out_mem || !w->sig_mem)
		abort();
	conf.candidate[0] = world_addr();
	net_init(&w->net, c->seed);
	rng_seed(&w->rng, c->seed ^ 0x5f5f);
	outbox_init(&w->out, w->msgs, ARRAY_LEN(w->msgs), w->out_mem, WORLD_OUT, out_full, w);
	sigbox_init(&w->sig, w->sigs, ARRAY_LEN(w->sigs), w->sig_mem, WORLD_SIG, sig_full, w);
	return sfu_init(&w->s, &conf, &w->rng, &null_dtls_ops, NULL, fingerprint, &w->out, &w->sig) == 0;
}

void world_done(struct world *w, int failures)
{
	if (failures)
		printf("# seed %" PRIu64 "\n", w->seed);
	for (uint32_t i = 0; i < w->n_peers; i++)
		peer_free(w->peers[i]);
	sfu_done(&w->s);
	net_done(&w->net);
	free(w->out_mem);
	free(w->sig_mem);
}

void world_collect(struct world *w)
{
	if (w->out.n)
		out_full(&w->out);
	if (w->sig.n)
		sig_full(&w->sig);
}

enum drop world_inject(struct world *w, const struct path *path, struct span dgram)
{
	uint8_t b[OUTBOX_DGRAM_MAX];
	size_t n = dgram.n < sizeof(b) ? dgram.n : sizeof(b);
	enum drop d;

	if (n)
		memcpy(b, dgram.p, n);
	d = sfu_input(&w->s, path, b, n, w->now);
	sfu_flush(&w->s, w->now);
	world_collect(w);
	return d;
}

void world_send(struct world *w, const struct peer *p, struct span dgram)
{
	struct net_item item = { .kind = NET_UP, .peer = p->index, .path = { .remote = p->addr, .local = world_addr() } };

	net_send(&w->net, &p->up, item, dgram, w->now);
}

void world_text(struct world *w, const struct peer *p, struct span text)
{
	struct net_item item = { .kind = NET_TEXT_UP, .peer = p->index, .connection = p->connection };

	net_send(&w->net, &w->text, item, text, w->now);
}

static void to_client(struct world *w, const struct net_item *it)
{
	struct peer *p = w->peers[it->peer];

	if (it->kind == NET_DOWN)
		peer_dgram(p, it->b, it->n, it->sent);
	else if (!p->ws_open || it->connection != p->connection)
		return;
	else if (it->kind == NET_TEXT_DOWN)
		peer_text(p, span_of(it->b, it->n));
	else
		peer_closed(p, it->code);
}

/* What is due for the SFU, in batches as a receive call would give them; memory is kept until the flush. */
static void deliver(struct world *w)
{
	struct net_item it, batch[WORLD_BATCH];
	size_t n = 0;

	while (net_pop(&w->net, w->now, &it)) {
		if (it.kind == NET_UP) {
			(void)sfu_input(&w->s, &it.path, it.b, it.n, w->now);
			batch[n++] = it;
		} else {
			const struct peer *p = w->peers[it.peer];

			if (it.kind != NET_TEXT_UP)
				to_client(w, &it);
			else if (p->ws_bound && it.connection == p->connection)
				sfu_text(&w->s, p->member, span_of(it.b, it.n), w->now);
			free(it.b);
		}
		if (n < WORLD_BATCH && mono_reached(w->now, net_next(&w->net)))
			continue;
		sfu_flush(&w->s, w->now);
		while (n)
			free(batch[--n].b);
		world_collect(w);
	}
}

static mono_t next_at(const struct world *w)
{
	mono_t at = mono_min(net_next(&w->net), sfu_next(&w->s));

	for (uint32_t i = 0; i < w->n_peers; i++)
		at = mono_min(at, peer_next(w->peers[i]));
	return at;
}

void world_run(struct world *w, mono_t until)
{
	uint64_t idle = 0;

	for (;;) {
		mono_t at = next_at(w);

		if (at.us > until.us)
			break;
		/* Time may stand still only while something is worked off. */
		idle = at.us <= w->now.us ? idle + 1 : 0;
		if (idle > 100000) {
			printf("# the clock stands at %" PRIu64 " us: a deadline that its tick does not move\n", w->now.us);
			abort();
		}
		w->now = at.us > w->now.us ? at : w->now;
		deliver(w);
		if (mono_reached(w->now, sfu_next(&w->s)))
			sfu_tick(&w->s, w->now);
		for (uint32_t i = 0; i < w->n_peers; i++)
			if (mono_reached(w->now, peer_next(w->peers[i])))
				peer_tick(w->peers[i]);
		world_collect(w);
	}
	w->now = until;
}

void world_pass(struct world *w, uint64_t us)
{
	world_run(w, mono_add(w->now, us));
}
