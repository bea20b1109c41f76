/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * Packets through the relay. The generator never sleeps: on loopback it is the server's send that would wake it, on the
 * server's account. A turn of its loop in which nothing was due and nothing came counts as idle.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <linux/sock_diag.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/load_turn.h"

#define STAMP_LEN 16 /* of each payload: run, flow, time */
#define BURSTS_PER_TURN 32
#define QUIET_NS UINT64_C(20000000)  /* nothing comes any more */
#define DRAIN_NS UINT64_C(300000000) /* at most */
#define SOCKET_BYTES (16u << 20)
#define PORT_FROM 24000 /* below the relay's ports: turnd relays to none of those but the open ones */
#define PORT_TO 32000

_Noreturn void load_turn_die(const char *what)
{
	fprintf(stderr, "bench_turn: %s%s%s\n", what, errno ? ": " : "", errno ? strerror(errno) : "");
	exit(1);
}

uint64_t load_turn_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void port_full(struct outbox *ob)
{
	struct turn_port *p = ob->owner;

	udp_send(&p->udp, ob);
}

static void port_open(struct turn_port *p, struct addr at, bool one_local)
{
	struct udp_conf conf = { .bind = at, .rcvbuf = SOCKET_BYTES, .sndbuf = SOCKET_BYTES, .one_local = one_local };
	int r = -EADDRINUSE;

	p->mem = udp_mem_new();
	if (!p->mem)
		load_turn_die("no memory");
	for (conf.bind.port = PORT_FROM; r == -EADDRINUSE && conf.bind.port < PORT_TO; conf.bind.port++)
		r = udp_open(&p->udp, p->mem, &conf);
	if (r < 0) {
		errno = -r;
		load_turn_die("opening a socket");
	}
	outbox_init(&p->out, p->msg, ARRAY_LEN(p->msg), p->bytes, sizeof(p->bytes), port_full, p);
	outbox_parts(&p->out, p->part, ARRAY_LEN(p->part));
}

void load_turn_init(struct load_turn *l)
{
	load_turn_watch(l);
	load_turn_clients(l);
	port_open(&l->front, addr_v4(0, 0, 0, 0, 0), false);
	for (uint32_t i = 0; i < TURN_PEERS; i++)
		port_open(&l->peer[i], addr_v4(127, 0, 0, 1, 0), true);
}

static void port_close(struct turn_port *p)
{
	udp_close(&p->udp);
	udp_mem_free(p->mem);
}

void load_turn_done(struct load_turn *l)
{
	port_close(&l->front);
	for (uint32_t i = 0; i < TURN_PEERS; i++)
		port_close(&l->peer[i]);
	free(l->client);
}

/* Datagrams that found the socket full, since it was opened. */
static uint32_t port_drops(const struct turn_port *p)
{
	uint32_t info[SK_MEMINFO_VARS] = { 0 };
	socklen_t n = sizeof(info);

	return getsockopt(p->udp.fd, SOL_SOCKET, SO_MEMINFO, info, &n) < 0 ? 0 : info[SK_MEMINFO_DROPS];
}

static uint32_t all_drops(const struct load_turn *l)
{
	uint32_t n = port_drops(&l->front);

	for (uint32_t i = 0; i < TURN_PEERS; i++)
		n += port_drops(&l->peer[i]);
	return n;
}

/* --- sending ------------------------------------------------------------------------------------------ */

static void send_burst(struct load_turn *l, uint64_t k)
{
	static const uint8_t zeros[OUTBOX_DGRAM_MAX];
	const struct turn_plan *p = l->plan;
	uint32_t flow = (uint32_t)(k % l->n_flows);
	const struct turn_client *c = &l->client[flow];
	bool up = p->echo || k / l->n_flows % 2 == 0;
	struct turn_port *port = up ? &l->front : load_turn_peer(l, flow);
	struct path path = { .remote = up ? l->server : c->relayed };
	uint8_t head[TURN_CHANNEL_HDR_LEN + STAMP_LEN], *stamp = head + TURN_CHANNEL_HDR_LEN;
	struct span h = up ? span_of(head, sizeof(head)) : span_of(stamp, STAMP_LEN);

	if (up)
		path.local = c->at;
	turn_channel_put(head, load_turn_channel(flow), (uint16_t)p->size);
	put_be32(stamp, l->run);
	put_be32(stamp + 4, flow);
	put_be64(stamp + 8, load_turn_now());
	for (uint32_t i = 0; i < p->burst; i++)
		outbox_put(&port->out, &path, h, span_of(zeros, p->size - STAMP_LEN));
	l->result->sent += p->burst;
}

static void flush(struct load_turn *l)
{
	udp_send(&l->front.udp, &l->front.out);
	for (uint32_t i = 0; i < TURN_PEERS; i++)
		if (l->peer[i].out.n)
			udp_send(&l->peer[i].udp, &l->peer[i].out);
}

/* --- receiving ---------------------------------------------------------------------------------------- */

static bool is_ours(struct load_turn *l, struct span data)
{
	if (data.n >= STAMP_LEN && be32_at(data.p) != l->run)
		return false; /* late, of an earlier run */
	if (data.n == l->plan->size && be32_at(data.p + 4) < l->n_flows)
		return true;
	l->result->bad++;
	return false;
}

static void at_client(struct load_turn *l, struct span dgram)
{
	struct turn_result *r = l->result;
	struct span data;
	uint16_t channel;

	if (!turn_is_channel(dgram))
		return;
	if (turn_channel_parse(dgram, &channel, &data) < 0) {
		r->bad++;
		return;
	}
	if (!is_ours(l, data))
		return;
	r->bad += channel != load_turn_channel(be32_at(data.p + 4));
	r->got++;
	if (l->plan->echo && r->n_rtts < TURN_RTTS_MAX)
		l->rtt_ns[r->n_rtts++] = (uint32_t)(load_turn_now() - be64_at(data.p + 8));
}

static void at_peer(struct load_turn *l, struct turn_port *p, const struct dgram *d)
{
	struct span data = span_of(d->p, d->n);

	if (!is_ours(l, data))
		return;
	if (l->plan->echo)
		outbox_put(&p->out, &d->path, span_of(d->p, 0), data);
	else
		l->result->got++;
}

/* False: nothing came. */
static bool receive(struct load_turn *l, struct turn_port *p)
{
	int n = udp_recv(&p->udp, l->dgrams);

	if (n < 0)
		load_turn_die("receiving");
	for (int i = 0; i < n; i++) {
		const struct dgram *d = &l->dgrams[i];

		if (p == &l->front)
			at_client(l, span_of(d->p, d->n));
		else
			at_peer(l, p, d);
	}
	if (p->out.n) /* borrowed from what was received */
		udp_send(&p->udp, &p->out);
	return n > 0;
}

static bool receive_all(struct load_turn *l)
{
	bool some = receive(l, &l->front);

	for (uint32_t i = 0; i < TURN_PEERS; i++)
		some = receive(l, &l->peer[i]) || some;
	return some;
}

/* --- a run -------------------------------------------------------------------------------------------- */

/* Returns the time of idle turns. */
static uint64_t window(struct load_turn *l, uint64_t began)
{
	const struct turn_plan *p = l->plan;
	double bursts_per_ns = p->pps / p->burst / 1e9;
	uint64_t done = 0, idle = 0, now = began, then;

	while (now - began < p->ns) {
		uint64_t due = (uint64_t)((double)(now - began) * bursts_per_ns);
		uint64_t upto = due - done > BURSTS_PER_TURN ? done + BURSTS_PER_TURN : due;
		bool some = done < upto;

		for (; done < upto; done++)
			send_burst(l, done);
		flush(l);
		some = receive_all(l) || some;
		then = now;
		now = load_turn_now();
		idle += some ? 0 : now - then;
	}
	l->result->behind = 1 - (double)done / ((double)p->ns * bursts_per_ns);
	return idle;
}

static void drain(struct load_turn *l)
{
	uint64_t began = load_turn_now(), last = began, now = began;

	while (now - last < QUIET_NS && now - began < DRAIN_NS) {
		if (receive_all(l))
			last = load_turn_now();
		now = load_turn_now();
	}
}

void load_turn_run(struct load_turn *l, const struct turn_plan *p, struct turn_result *r)
{
	uint64_t began, cpu, wait, own_wait, idle;
	uint32_t drops = all_drops(l);

	*r = (struct turn_result){ 0 };
	l->plan = p;
	l->result = r;
	l->run++;
	wait = load_turn_wait_ns(l->pid);
	own_wait = load_turn_wait_ns(getpid());
	cpu = load_turn_cpu_ns(l);
	began = load_turn_now();
	idle = window(l, began);
	r->ns = load_turn_now() - began;
	r->wait = (double)(load_turn_wait_ns(getpid()) - own_wait) / (double)r->ns;
	drain(l);
	r->server_ns = load_turn_cpu_ns(l) - cpu;
	r->server_wait_ns = load_turn_wait_ns(l->pid) - wait;
	r->busy = 1 - (double)idle / (double)r->ns;
	r->dropped = all_drops(l) - drops;
	r->loss = r->sent ? 1 - (double)r->got / (double)r->sent : 1;
}

static int by_size(const void *a, const void *b)
{
	uint32_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return x < y ? -1 : x > y;
}

double load_turn_rtt_us(struct load_turn *l, const struct turn_result *r, double quantile)
{
	if (r->n_rtts == 0)
		return 0;
	qsort(l->rtt_ns, r->n_rtts, sizeof(l->rtt_ns[0]), by_size);
	return l->rtt_ns[(uint32_t)((double)(r->n_rtts - 1) * quantile)] / 1e3;
}
