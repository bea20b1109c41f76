/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * Listening stream sockets. Every worker has its own of each address, and the kernel spreads connections over them; the one
 * Unix socket of the front is the first worker's, which deals connections out in turn.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "sys/log.h"
#include "sys/notify.h"
#include "sys/sock.h"
#include "turnd/shell_conn.h"
#include "turnd/shell_peer.h"

#define ACCEPT_BATCH 32
#define ACCEPT_PAUSE DUR_MS(100) /* out of descriptors: the waiting connection would wake us for ever */
#define TURNS_MODE 0660

/* ---- connections without an allocation, by source ---- */

static uint16_t source_of(const struct streams *s, const struct addr *a)
{
	return (uint16_t)(siphash24(s->from_key, a->ip, addr_is_v4(a) ? 16 : 8) % SOURCE_SLOTS);
}

bool source_take(struct conn *c)
{
	struct streams *s = c->worker->streams;
	uint16_t at = source_of(s, &c->client.path.remote);

	if (c->counted)
		return true;
	if (s->from[at] >= CONNS_PER_SOURCE)
		return false;
	s->from[at]++;
	c->source = at;
	c->counted = true;
	return true;
}

void source_give(struct conn *c)
{
	if (c->counted)
		c->worker->streams->from[c->source]--;
	c->counted = false;
}

/* ---- accepting ---- */

static void acceptor_pause(struct acceptor *a)
{
	struct worker *w = a->worker;

	loop_unwatch(a->watch);
	a->watch = NULL;
	a->paused = true;
	timer_set(w->streams->resume, mono_add(loop_now(w->loop), ACCEPT_PAUSE));
}

static bool out_of_something(int err)
{
	return err == -EMFILE || err == -ENFILE || err == -ENOBUFS || err == -ENOMEM;
}

static void on_acceptable(int fd, unsigned events, void *arg)
{
	struct acceptor *a = arg;
	struct streams *s = a->worker->streams;

	(void)events;
	s->accepting = a;
	for (int i = 0; i < ACCEPT_BATCH && s->accepting; i++) {
		struct addr peer;
		int got = sock_accept(fd, &peer);

		if (got >= 0) {
			a->admit(a, got, &peer);
		} else if (got == -EAGAIN) {
			s->starved = false;
			break;
		} else if (out_of_something(got)) {
			if (!s->starved)
				log_warn("a connection waits, but accepting fails: %s (LimitNOFILE= too low?)", err_str(got));
			s->starved = true;
			acceptor_pause(a);
			break;
		}
		/* Anything else concerns the connection that was waiting, not the listener (accept(2)). */
	}
	s->accepting = NULL;
}

static bool acceptor_watch(struct acceptor *a)
{
	a->watch = loop_watch(a->worker->loop, a->fd, LOOP_READ, on_acceptable, a);
	return a->watch != NULL;
}

static void on_resume(void *arg)
{
	struct worker *w = arg;
	struct acceptor *a;

	LIST_FOREACH(a, &w->streams->acceptors, link) {
		if (!a->paused)
			continue;
		a->paused = !acceptor_watch(a);
		if (a->paused)
			timer_set(w->streams->resume, mono_add(loop_now(w->loop), ACCEPT_PAUSE));
	}
}

struct acceptor *acceptor_new(struct worker *w, int fd, size_t size)
{
	struct acceptor *a = mem_alloc(size);

	if (!a) {
		close(fd);
		return NULL;
	}
	a->worker = w;
	a->fd = fd;
	LIST_INSERT_HEAD(&w->streams->acceptors, a, link);
	if (!acceptor_watch(a)) {
		acceptor_free(a);
		return NULL;
	}
	return a;
}

void acceptor_free(struct acceptor *a)
{
	if (a->worker->streams->accepting == a)
		a->worker->streams->accepting = NULL;
	loop_unwatch(a->watch);
	LIST_REMOVE(a, link);
	close(a->fd);
	mem_free(a);
}

/* ---- clients ---- */

static void admit_client(struct acceptor *a, int fd, const struct addr *peer)
{
	struct worker *w = a->worker;
	struct path path = { .remote = *peer, .local = addr_is_unset(&a->local) ? sock_local(fd) : a->local };
	struct conn *c = conn_new(w, fd, a->tls ? VIA_TLS : VIA_TCP, &path);

	if (!c || !source_take(c) || !conn_start(c)) {
		w->stats.conns_refused++;
		if (c)
			conn_close(w, c);
	}
}

/* Whose connection it is, the PROXY header will tell. */
static void admit_forwarded(struct acceptor *a, int fd, const struct addr *peer)
{
	struct worker *w = a->worker;
	struct turnd *d = w->d;
	struct path unknown = { 0 };
	struct conn *c = conn_new(w, fd, VIA_TLS, &unknown);
	uint32_t to = w->streams->next_worker++ % d->n_workers;

	(void)peer;
	if (!c) {
		w->stats.conns_refused++;
		return;
	}
	c->state = CONN_PROXY;
	if (to != w->index)
		conn_move(c, &d->worker[to], span_of(NULL, 0));
	else if (!conn_start(c))
		conn_close(w, c);
}

/* ---- all of it ---- */

static int listen_on(struct worker *w, const struct addr *at, bool tls)
{
	char text[ADDR_TEXT_MAX];
	int fd = sock_listen_shared(at);
	struct acceptor *a;

	if (fd < 0)
		return log_err(fd, "listening on TCP %s", addr_fmt(at, text));
	a = acceptor_new(w, fd, sizeof(*a));
	if (!a)
		return log_err(ERR_NOMEM, "listening on TCP %s", addr_fmt(at, text));
	a->admit = admit_client;
	a->tls = tls;
	/* A socket bound to every address has to be asked which one was reached. */
	if (addr_classify(at) != ADDR_UNSPECIFIED)
		a->local = *at;
	return 0;
}

static int listen_forwarded(struct worker *w)
{
	const char *path = w->d->conf.turns_socket;
	int fd = notify_inherited("turnd-turns");
	struct acceptor *a;

	if (fd >= 0 && fcntl(fd, F_SETFL, O_NONBLOCK) < 0) {
		int r = log_err(-errno, "the inherited descriptor turnd-turns");

		close(fd);
		return r;
	}
	if (fd < 0 && !path[0])
		return 0;
	if (fd < 0)
		fd = sock_listen_unix(path, TURNS_MODE);
	if (fd < 0)
		return log_err(fd, "listening on TurnsSocket=%s", path);
	a = acceptor_new(w, fd, sizeof(*a));
	if (!a)
		return log_err(ERR_NOMEM, "listening on TurnsSocket=%s", path);
	a->admit = admit_forwarded;
	return 0;
}

static int make_tables(struct worker *w)
{
	struct streams *s = mem_alloc(sizeof(*s));

	if (!s)
		return ERR_NOMEM;
	w->streams = s;
	LIST_INIT(&s->acceptors);
	LIST_INIT(&s->dirty);
	slab_init(&w->conns, sizeof(struct conn), CONNS_MAX);
	dq_init(&w->conns_due);
	hmap_init(&w->dtls, &w->rng);
	peers_open(w);
	rng_bytes(&w->rng, s->from_key, sizeof(s->from_key));
	s->rx = mem_alloc(STREAM_RX);
	s->plain = mem_alloc(STREAM_PLAIN);
	s->from = mem_alloc(SOURCE_SLOTS * sizeof(*s->from));
	s->resume = loop_timer(w->loop, on_resume, w);
	return s->rx && s->plain && s->from && s->resume ? 0 : ERR_NOMEM;
}

int conns_open(struct worker *w)
{
	const struct turnd_conf *conf = &w->d->conf;
	int r = make_tables(w);

	if (r < 0)
		return log_err(r, "making room for connections");
	for (uint32_t i = 0; r == 0 && i < conf->listen.n; i++)
		r = listen_on(w, &conf->listen.a[i], false);
	for (uint32_t i = 0; r == 0 && i < conf->listen_tls.n; i++)
		r = listen_on(w, &conf->listen_tls.a[i], true);
	if (r == 0 && w->index == 0)
		r = listen_forwarded(w);
	return r;
}

void conns_close(struct worker *w)
{
	struct streams *s = w->streams;
	struct acceptor *a;
	struct handle h;
	uint32_t slot = 0;
	struct conn *c;

	if (!s)
		return;
	while ((c = slab_next(&w->conns, &slot, &h)))
		conn_close(w, c);
	peers_close(w);
	while ((a = LIST_FIRST(&s->acceptors)))
		acceptor_free(a);
	timer_free(s->resume);
	hmap_done(&w->dtls);
	dq_done(&w->conns_due);
	slab_done(&w->conns);
	mem_free(s->rx);
	mem_free(s->plain);
	mem_free(s->from);
	mem_free(s);
	w->streams = NULL;
}
