/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * Datagrams between sockets and the core: receive a batch, call, flush. Payloads are borrowed from the receive memory, so
 * nothing is received before the outbox is empty. Decides nothing.
 */
#include <errno.h>
#include <stdlib.h>

#include "sys/log.h"
#include "sys/reuseport.h"
#include "turnd/shell_peer.h"
#include "turnd/shell_udp.h"

#define RECV_ROUNDS 8 /* batches per turn and socket, so that all others get theirs */

struct relay {
	struct udp udp;
	struct watch *watch;
	struct worker *worker;
	struct handle alloc;
	uint16_t port;
	uint8_t family;
};

/* Another batch at once? One that did not fill its messages emptied the socket: asking again would only hear so. One
 * whose datagrams did not fit continues in memory, where no poll sees it. */
static bool more_waits(struct worker *w, uint64_t msgs_before, int n, int round)
{
	bool full = udp_mem_stats(w->mem)->recv_msgs - msgs_before == UDP_RX_MSGS;
	bool last = round + 1 >= RECV_ROUNDS;

	if (n == UDP_RX_DGRAMS)
		return true;
	w->behind |= full && last;
	return full && !last;
}

/* --- listeners ------------------------------------------------------------------------------------------ */

static void client_input(struct worker *w, struct listener *l, const struct dgram *g, mono_t now)
{
	struct client c = { .path = g->path, .via = VIA_UDP };
	struct span msg = span_of(g->p, g->n);

	if (addr_is_unset(&c.path.local))
		c.path.local = l->udp.local; /* bound to that one */
	c.path.local.port = l->udp.local.port;
	if (l->dtls)
		dtls_dgram(w, &c.path, msg);
	else if (turn_input(&w->turn, &c, msg, now) == DROP_OTHER_WORKER)
		steer_hand_over(w, &c, msg, w->turn.other);
}

void udp_readable(struct worker *w, struct listener *l)
{
	mono_t now = worker_now(w);
	bool more = true;

	for (int round = 0; more; round++) {
		uint64_t msgs = udp_mem_stats(w->mem)->recv_msgs;
		int n = udp_recv(&l->udp, w->dgrams);

		for (int i = 0; i < n; i++)
			client_input(w, l, &w->dgrams[i], now);
		if (w->out.n)
			worker_flush(w);
		more = n >= 0 && more_waits(w, msgs, n, round);
	}
}

static void on_listener(int fd, unsigned events, void *arg)
{
	struct listener *l = arg;

	(void)fd;
	(void)events;
	udp_readable(l->worker, l);
}

/* The sockets of one address make a group; the last one says how clients are spread over it. A DTLS session cannot go to
 * another worker, so all of a host's are with one: what one of them reserves another may fetch (RFC 8656 7.2). */
static int open_listener(struct worker *w, const struct addr *at, bool dtls)
{
	const struct turnd_conf *conf = &w->d->conf;
	struct listener *l = &w->listener[w->n_listeners];
	bool shared = w->d->n_workers > 1;
	struct udp_conf c = { .bind = *at, .one_local = !addr_is_any(at) };
	char text[ADDR_TEXT_MAX];
	int r = 0;

	/* Beside a stranger's group of our user's the kernel would let us in and share: ask alone first. */
	if (shared && w->index == 0) {
		r = udp_open(&l->udp, w->mem, &c);
		udp_close(&l->udp);
	}
	c.reuseport = shared;
	c.rcvbuf = conf->receive_buffer;
	c.sndbuf = conf->send_buffer;
	if (r == 0)
		r = udp_open(&l->udp, w->mem, &c);
	if (r < 0)
		return log_err(r, "UDP on %s (another process on this port?)", addr_fmt(at, text));
	w->n_listeners++;
	l->worker = w;
	l->dtls = dtls;
	if (shared && w->index + 1 == w->d->n_workers)
		r = reuseport_spread(l->udp.fd, w->d->n_workers, !dtls);
	if (r < 0)
		log_err(r, "spreading clients of UDP %s over workers; those that change their address may get lost",
			addr_fmt(at, text));
	l->watch = loop_watch(w->loop, l->udp.fd, LOOP_READ, on_listener, l);
	return l->watch ? 0 : log_err(ERR_NOMEM, "watching UDP %s", addr_fmt(at, text));
}

/* RFC 5780: the primary address with the alternate port, and the alternate address with both. */
static int open_alternates(struct worker *w)
{
	struct addr first = w->d->conf.turn.first, other = w->d->conf.turn.other;
	struct addr first_port = other, other_port = first;
	int r;

	if (addr_is_unset(&other))
		return 0;
	first_port.port = first.port;
	other_port.port = other.port;
	r = open_listener(w, &other, false);
	if (r == 0)
		r = open_listener(w, &first_port, false);
	return r < 0 ? r : open_listener(w, &other_port, false);
}

int udp_listen(struct worker *w)
{
	const struct turnd_conf *c = &w->d->conf;
	int r = 0;

	w->listener = calloc(c->listen.n + c->listen_tls.n + 3, sizeof(*w->listener));
	if (!w->listener)
		return log_err(ERR_NOMEM, "listening sockets");
	for (int f = 0; f < REL_MAX_; f++) {
		w->relays[f] = calloc((size_t)(c->max_port - c->min_port) + 1, sizeof(struct relay *));
		if (!w->relays[f])
			return log_err(ERR_NOMEM, "table of relay sockets");
	}
	for (uint32_t i = 0; r == 0 && i < c->listen.n; i++)
		r = open_listener(w, &c->listen.a[i], false);
	for (uint32_t i = 0; r == 0 && i < c->listen_tls.n; i++)
		r = open_listener(w, &c->listen_tls.a[i], true);
	return r < 0 ? r : open_alternates(w);
}

void udp_unlisten(struct worker *w)
{
	for (uint32_t i = 0; i < w->n_listeners; i++) {
		loop_unwatch(w->listener[i].watch);
		udp_close(&w->listener[i].udp);
	}
	free(w->listener);
	for (int f = 0; f < REL_MAX_; f++)
		free(w->relays[f]);
}

/* --- relay sockets -------------------------------------------------------------------------------------- */

static struct relay **slot_of(struct worker *w, int family, uint16_t port)
{
	const struct turn_conf *c = &w->turn.conf;

	if (port < c->min_port || port > c->max_port)
		return NULL;
	return &w->relays[family][port - c->min_port];
}

struct udp *udp_by_local(struct worker *w, const struct addr *local)
{
	struct relay **at = slot_of(w, addr_is_v4(local) ? REL_V4 : REL_V6, local->port);

	if (at)
		return *at ? &(*at)->udp : NULL;
	for (uint32_t i = 0; i < w->n_listeners; i++) {
		struct udp *u = &w->listener[i].udp;

		if (u->local.port == local->port && (addr_is_any(&u->local) || addr_same_ip(&u->local, local)))
			return u;
	}
	return NULL;
}

/* Two bits per port: the same number may be a UDP relay and a TCP one, even of different workers. */
static void mark(struct turnd *d, int family, uint16_t port, bool tcp, bool open)
{
	uint32_t i = 2 * (uint32_t)(port - d->conf.min_port) + tcp;
	atomic_uint *word = &d->relay_open[family][i / 32];
	unsigned bit = 1u << i % 32;

	if (open)
		atomic_fetch_or_explicit(word, bit, memory_order_relaxed);
	else
		atomic_fetch_and_explicit(word, ~bit, memory_order_relaxed);
}

bool relay_sock_is_open(void *owner, int family, uint16_t port)
{
	const struct turnd *d = ((struct worker *)owner)->d;
	uint32_t i = 2 * (uint32_t)(port - d->conf.min_port);

	if (port < d->conf.min_port || port > d->conf.max_port)
		return false;
	return (atomic_load_explicit(&d->relay_open[family][i / 32], memory_order_relaxed) >> i % 32 & 3) != 0;
}

/* The core may close this very socket while it takes a datagram in: the table tells. */
static void on_relay(int fd, unsigned events, void *arg)
{
	struct relay *r = arg;
	struct worker *w = r->worker;
	struct relay *const *at = slot_of(w, r->family, r->port);
	mono_t now = worker_now(w);
	bool more = true;

	(void)fd;
	(void)events;
	for (int round = 0; more && *at == r; round++) {
		uint64_t msgs = udp_mem_stats(w->mem)->recv_msgs;
		int n = udp_recv(&r->udp, w->dgrams);
		const struct handle alloc = r->alloc;

		for (int i = 0; i < n; i++) {
			const struct dgram *g = &w->dgrams[i];

			(void)turn_relay_input(&w->turn, alloc, &g->path.remote, span_of(g->p, g->n), now);
		}
		if (w->out.n)
			worker_flush(w);
		more = n >= 0 && more_waits(w, msgs, n, round);
	}
}

static int open_relay(struct worker *w, struct relay *r)
{
	struct udp_conf c = { .bind = w->turn.conf.relay[r->family].at, .one_local = true };
	int e;

	c.bind.port = r->port;
	e = udp_open(&r->udp, w->mem, &c);
	if (e < 0)
		return e;
	r->watch = loop_watch(w->loop, r->udp.fd, LOOP_READ, on_relay, r);
	if (r->watch)
		return 0;
	udp_close(&r->udp);
	return ERR_NOMEM;
}

int relay_sock_open(void *owner, struct handle alloc, int family, uint16_t port, bool tcp)
{
	struct worker *w = owner;
	struct relay **at = slot_of(w, family, port);
	struct relay *r;
	int e;

	if (tcp) {
		e = peer_listen(w, alloc, family, port);
		if (e == 0)
			mark(w->d, family, port, true, true);
		return e;
	}
	if (!at || *at)
		return -EADDRINUSE;
	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	*r = (struct relay){ .worker = w, .alloc = alloc, .port = port, .family = (uint8_t)family };
	e = open_relay(w, r);
	if (e < 0) {
		free(r);
		return e;
	}
	*at = r;
	mark(w->d, family, port, false, true);
	return 0;
}

void relay_sock_close(void *owner, int family, uint16_t port, bool tcp)
{
	struct worker *w = owner;
	struct relay **at = slot_of(w, family, port);
	struct relay *r = at ? *at : NULL;

	if (tcp) {
		peer_unlisten(w, family, port);
	} else if (r) {
		if (w->out.n)
			worker_flush(w); /* what was put for it */
		*at = NULL;
		loop_unwatch(r->watch);
		udp_close(&r->udp);
		free(r);
	}
	mark(w->d, family, port, tcp, false);
}
