/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * TCP relay (RFC 6062): listening on relayed addresses, connecting from them, and peers' streams until they are joined with a
 * client's. The core keeps the time limits. What a peer sends before it is joined stays in the kernel.
 */
#include <errno.h>
#include <unistd.h>

#include "sys/sock.h"
#include "turnd/shell_conn.h"
#include "turnd/shell_peer.h"

struct peer {
	struct handle self;
	struct hmap_node by_id;
	struct worker *worker;
	uint32_t id;
	int fd;              /* -1: joined, the pipe has it */
	struct watch *watch;
	struct handle conn;  /* when joined */
	bool connecting;
};

/* A relayed address that peers may connect to. */
struct port {
	struct acceptor acceptor; /* the first member */
	struct hmap_node by_port;
	struct handle alloc;
	uint32_t key;
	uint8_t family;
};

static uint32_t key_of(int family, uint16_t port)
{
	return (uint32_t)family << 16 | port;
}

static uint64_t hash_of(const struct hmap *m, uint32_t key)
{
	return hmap_hash(m, &key, sizeof(key));
}

static struct peer *peer_get(const struct worker *w, uint32_t id)
{
	const struct hmap *m = w->streams ? &w->streams->peer_ids : NULL;

	for (struct hmap_node *n = m ? hmap_first(m, hash_of(m, id)) : NULL; n; n = hmap_next(n)) {
		struct peer *p = CONTAINER_OF(n, struct peer, by_id);

		if (p->id == id)
			return p;
	}
	return NULL;
}

/* Takes fd, also when it fails. */
static struct peer *peer_new(struct worker *w, uint32_t id, int fd)
{
	struct streams *s = w->streams;
	struct handle h;
	struct peer *p = slab_new(&s->peers, &h);

	if (!p) {
		close(fd);
		return NULL;
	}
	*p = (struct peer){ .self = h, .worker = w, .id = id, .fd = fd };
	if (hmap_put(&s->peer_ids, &p->by_id, hash_of(&s->peer_ids, id)) < 0) {
		close(fd);
		slab_free(&s->peers, h);
		return NULL;
	}
	return p;
}

static void peer_free(struct peer *p)
{
	struct streams *s = p->worker->streams;

	loop_unwatch(p->watch);
	if (p->fd >= 0)
		close(p->fd);
	hmap_del(&s->peer_ids, &p->by_id);
	slab_free(&s->peers, p->self);
}

/* Until it is joined only its end matters; when bytes wait, even that has to wait for them. */
static void on_waiting(int fd, unsigned events, void *arg)
{
	struct peer *p = arg;
	struct worker *w = p->worker;
	uint32_t id = p->id;
	int r = sock_peek(fd);

	(void)events;
	if (r == -EAGAIN)
		return;
	loop_unwatch(p->watch);
	p->watch = NULL;
	if (r > 0)
		return;
	peer_free(p);
	turn_peer_gone(&w->turn, id);
}

static void wait_for_client(struct peer *p)
{
	p->connecting = false;
	p->watch = loop_watch(p->worker->loop, p->fd, LOOP_READ, on_waiting, p); /* none: its time limit remains */
}

static void on_connected(int fd, unsigned events, void *arg)
{
	struct peer *p = arg;
	struct worker *w = p->worker;
	uint32_t id = p->id;
	int r = sock_outcome(fd);

	(void)events;
	loop_unwatch(p->watch);
	p->watch = NULL;
	if (r < 0)
		peer_free(p);
	else
		wait_for_client(p);
	turn_peer_connected(&w->turn, id, r, worker_now(w));
}

int peer_connect(void *owner, uint32_t id, int family, uint16_t port, const struct addr *peer)
{
	struct worker *w = owner;
	struct addr from = w->turn.conf.relay[family].at;
	struct peer *p;
	int fd;

	from.port = port;
	fd = sock_connect_tcp(&from, peer);
	if (fd < 0)
		return fd;
	p = peer_new(w, id, fd);
	if (!p)
		return -ENOMEM;
	p->connecting = true;
	p->watch = loop_watch(w->loop, fd, LOOP_WRITE, on_connected, p);
	if (p->watch)
		return 0;
	peer_free(p);
	return -ENOMEM;
}

void peer_join(void *owner, uint32_t id, struct handle conn)
{
	struct worker *w = owner;
	struct peer *p = peer_get(w, id);
	struct conn *c = conn_get(w, conn);
	int fd;

	if (!p || !c || p->fd < 0 || c->fd < 0 || c->state != CONN_TURN) {
		if (c)
			conn_break(c);
		return;
	}
	loop_unwatch(p->watch);
	p->watch = NULL;
	fd = p->fd;
	p->fd = -1;
	p->conn = conn;
	c->peer = id;
	source_give(c);
	if (pipe_open(c, fd, span_of(NULL, 0)) < 0)
		conn_break(c);
}

void peer_close(void *owner, uint32_t id)
{
	struct worker *w = owner;
	struct peer *p = peer_get(w, id);
	struct conn *c = p ? conn_get(w, p->conn) : NULL;

	if (c) {
		c->peer = 0;
		conn_break(c);
	}
	if (p)
		peer_free(p);
}

void peer_left(struct worker *w, uint32_t id)
{
	struct peer *p = peer_get(w, id);

	if (p)
		peer_free(p);
	turn_peer_gone(&w->turn, id);
}

static void admit_peer(struct acceptor *a, int fd, const struct addr *peer)
{
	struct port *port = CONTAINER_OF(a, struct port, acceptor);
	struct worker *w = a->worker;
	uint32_t id = turn_peer_accepted(&w->turn, port->alloc, port->family, peer, worker_now(w));
	struct peer *p;

	if (id == 0) {
		close(fd);
		return;
	}
	p = peer_new(w, id, fd);
	if (p)
		wait_for_client(p);
	else
		turn_peer_gone(&w->turn, id);
}

int peer_listen(struct worker *w, struct handle alloc, int family, uint16_t port)
{
	struct streams *s = w->streams;
	struct addr at = w->turn.conf.relay[family].at;
	struct port *p;
	int fd, r;

	at.port = port;
	fd = sock_listen_shared(&at);
	if (fd < 0)
		return fd;
	p = (struct port *)acceptor_new(w, fd, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->acceptor.admit = admit_peer;
	p->alloc = alloc;
	p->family = (uint8_t)family;
	p->key = key_of(family, port);
	r = hmap_put(&s->peer_ports, &p->by_port, hash_of(&s->peer_ports, p->key));
	if (r < 0)
		acceptor_free(&p->acceptor);
	return r < 0 ? -ENOMEM : 0;
}

void peer_unlisten(struct worker *w, int family, uint16_t port)
{
	struct hmap *m = w->streams ? &w->streams->peer_ports : NULL;
	uint32_t key = key_of(family, port);

	for (struct hmap_node *n = m ? hmap_first(m, hash_of(m, key)) : NULL; n; n = hmap_next(n)) {
		struct port *p = CONTAINER_OF(n, struct port, by_port);

		if (p->key == key) {
			hmap_del(m, n);
			acceptor_free(&p->acceptor);
			return;
		}
	}
}

void peers_open(struct worker *w)
{
	struct streams *s = w->streams;

	slab_init(&s->peers, sizeof(struct peer), CONNS_MAX);
	hmap_init(&s->peer_ids, &w->rng);
	hmap_init(&s->peer_ports, &w->rng);
}

void peers_close(struct worker *w)
{
	struct streams *s = w->streams;
	uint32_t slot = 0;
	struct handle h;
	struct peer *p;

	while ((p = slab_next(&s->peers, &slot, &h)))
		peer_free(p);
	slab_done(&s->peers);
	hmap_done(&s->peer_ids);
	hmap_done(&s->peer_ports);
}
