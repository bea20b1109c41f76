/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * A client whose allocation is another worker's: it has moved (RFC 8016), or it brought a token (RFC 8656 7.2). Its datagram goes
 * there by mail, and that worker opens a socket connected to the client, so that the kernel hands it what follows.
 *
 *   timer   armed by      fires after   does
 *   sweep   the first     SWEEP         closes sockets of clients without an allocation
 */
#include <stdlib.h>

#include "turnd/shell_udp.h"

#define STEERS_MAX 256 /* of one worker; beyond, a client's datagrams keep coming by mail */
#define SWEEP DUR_SEC(30)

struct steer {
	struct listener listener; /* the first member; reads like the listener it belongs to */
	struct client client;
	bool used;
};

struct steers {
	struct steer *steer[STEERS_MAX];
	uint32_t n;
	mono_t sweep;
};

struct dgram_mail {
	struct mail mail; /* the first member */
	struct client client;
	size_t n;
	uint8_t bytes[];
};

int steer_open(struct worker *w)
{
	w->steers = calloc(1, sizeof(*w->steers));
	if (w->steers)
		w->steers->sweep = MONO_NEVER;
	return w->steers ? 0 : ERR_NOMEM;
}

static void end(struct steer *s)
{
	loop_unwatch(s->listener.watch);
	udp_close(&s->listener.udp);
	free(s);
}

void steer_close(struct worker *w)
{
	for (uint32_t i = 0; w->steers && i < w->steers->n; i++)
		end(w->steers->steer[i]);
	free(w->steers);
	w->steers = NULL;
}

static bool is_steered(const struct worker *w, const struct client *c)
{
	for (uint32_t i = 0; i < w->steers->n; i++) {
		if (path_eq(&w->steers->steer[i]->client.path, &c->path))
			return true;
	}
	return false;
}

static void on_steered(int fd, unsigned events, void *arg)
{
	struct steer *s = arg;

	(void)fd;
	(void)events;
	udp_readable(s->listener.worker, &s->listener);
}

static void steer(struct worker *w, const struct client *c)
{
	const struct udp_conf conf = { .bind = c->path.local, .one_local = true, .reuseport = true,
				       .connect = c->path.remote };
	struct steers *all = w->steers;
	struct steer *s;

	if (all->n == STEERS_MAX || is_steered(w, c))
		return;
	s = calloc(1, sizeof(*s));
	if (!s)
		return;
	s->client = *c;
	s->listener.worker = w;
	if (udp_open(&s->listener.udp, w->mem, &conf) == 0)
		s->listener.watch = loop_watch(w->loop, s->listener.udp.fd, LOOP_READ, on_steered, s);
	if (!s->listener.watch) {
		end(s);
		return;
	}
	all->steer[all->n++] = s;
	w->stats.steered++;
	if (mono_is_never(all->sweep))
		all->sweep = mono_add(loop_now(w->loop), SWEEP);
}

static void on_dgram(struct worker *w, struct mail *m)
{
	struct dgram_mail *g = CONTAINER_OF(m, struct dgram_mail, mail);
	enum drop d = turn_input(&w->turn, &g->client, span_of(g->bytes, g->n), worker_now(w));

	/* Before the answer leaves: what the client says next must find the socket. */
	if (d == DROP_NONE)
		steer(w, &g->client);
	worker_flush(w);
	free(g);
}

void steer_hand_over(struct worker *w, const struct client *c, struct span msg, uint8_t to)
{
	struct dgram_mail *g = to < w->d->n_workers ? malloc(sizeof(*g) + msg.n) : NULL;

	if (!g)
		return;
	g->mail.fn = on_dgram;
	g->client = *c;
	g->n = msg.n;
	memcpy(g->bytes, msg.p, msg.n);
	w->stats.handed_over++;
	if (!worker_post(&w->d->worker[to], &g->mail))
		free(g);
}

static void mark_used(struct worker *w)
{
	const struct alloc *a;
	struct handle h;

	for (uint32_t slot = 0; (a = slab_next(&w->turn.allocs, &slot, &h));) {
		for (uint32_t i = 0; a->now.client.via == VIA_UDP && i < w->steers->n; i++)
			w->steers->steer[i]->used |= path_eq(&w->steers->steer[i]->client.path, &a->now.client.path);
	}
}

void steer_tick(struct worker *w, mono_t now)
{
	struct steers *all = w->steers;
	uint32_t n = 0;

	if (!mono_reached(now, all->sweep))
		return;
	mark_used(w);
	for (uint32_t i = 0; i < all->n; i++) {
		struct steer *s = all->steer[i];

		if (s->used)
			all->steer[n++] = s;
		else
			end(s);
	}
	for (uint32_t i = 0; i < n; i++)
		all->steer[i]->used = false;
	all->n = n;
	all->sweep = n ? mono_add(now, SWEEP) : MONO_NEVER;
}

mono_t steer_next(const struct worker *w)
{
	return w->steers->sweep;
}
