/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * What batches are worth: 1200-byte packets over loopback to one receiver, three ways in alternating rounds.
 *
 *   send      one send() per packet on a connected socket; the receiver calls recv() per packet
 *   sendmmsg  64 packets per sendmmsg(); the receiver uses plain recvmmsg(64)
 *   gso       outbox (one copy of each packet) + udp_send, UDP_SEGMENT; the receiver uses udp_recv, UDP_GRO
 *
 * Sender and receiver are a thread each. On loopback the kernel's receive half runs in the sender's context,
 * so the sender's figure alone already holds most of both. Packets are those that arrived.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#include "base/err.h"
#include "sys/udp.h"

#define PACKET 1200
#define ROUNDS 5
#define ROUND_NS 500000000LL
#define BATCH 64
#define BOX_MSGS 16
#define BUFFER (32u << 20)
#define CHUNK 512 /* packets between two looks at the clock */

enum mode { MODE_SEND, MODE_SENDMMSG, MODE_GSO, MODE_MAX_ };

static const char *const mode_name[MODE_MAX_] = { "send + recv", "sendmmsg + recvmmsg", "outbox GSO + GRO" };

struct side {
	struct udp_mem *mem;
	struct udp udp;
	double cpu; /* seconds */
	uint64_t packets;
};

struct round {
	enum mode mode;
	struct side tx, rx;
	atomic_bool done;
};

struct total {
	double tx_cpu, rx_cpu;
	uint64_t sent, got;
};

static uint8_t payload[PACKET];

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static double cpu_now(void)
{
	struct rusage ru;

	if (getrusage(RUSAGE_THREAD, &ru) < 0)
		die("getrusage");
	return (double)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) +
	       (double)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1e6;
}

static long long clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

/* --- sender ------------------------------------------------------------------------------------------- */

static void wait_writable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	(void)poll(&p, 1, 10);
}

static uint64_t chunk_send(struct udp *u)
{
	uint64_t n = 0;

	for (int i = 0; i < CHUNK; i++) {
		if (send(u->fd, payload, PACKET, 0) == PACKET)
			n++;
		else
			wait_writable(u->fd);
	}
	return n;
}

static uint64_t chunk_sendmmsg(struct udp *u)
{
	static struct iovec iov = { payload, PACKET };
	static struct mmsghdr hdr[BATCH];
	uint64_t n = 0;

	for (int i = 0; i < BATCH; i++)
		hdr[i].msg_hdr = (struct msghdr){ .msg_iov = &iov, .msg_iovlen = 1 };
	for (int i = 0; i < CHUNK / BATCH; i++) {
		int r = sendmmsg(u->fd, hdr, BATCH, 0);

		if (r > 0)
			n += (uint64_t)r;
		if (r < BATCH)
			wait_writable(u->fd);
	}
	return n;
}

static void box_full(struct outbox *ob)
{
	udp_send(ob->owner, ob);
}

static uint64_t chunk_gso(struct udp *u, struct outbox *ob, const struct path *path)
{
	const struct udp_stats *stats = udp_mem_stats(u->mem);
	uint64_t before = stats->sent_dgrams;

	for (int i = 0; i < CHUNK; i++) {
		memcpy(outbox_reserve(ob, PACKET), payload, PACKET);
		outbox_commit(ob, path, PACKET);
	}
	udp_send(u, ob);
	return stats->sent_dgrams - before;
}

static void *sender(void *arg)
{
	static uint8_t mem[BOX_MSGS * OUTBOX_MSG_BYTES];
	struct round *r = arg;
	struct udp *u = &r->tx.udp;
	struct path path = { .remote = r->rx.udp.local };
	struct out_msg msgs[BOX_MSGS];
	struct outbox ob;
	double cpu = cpu_now();
	long long end = clock_ns() + ROUND_NS;

	outbox_init(&ob, msgs, BOX_MSGS, mem, sizeof(mem), box_full, u);
	while (clock_ns() < end) {
		if (r->mode == MODE_SEND)
			r->tx.packets += chunk_send(u);
		else if (r->mode == MODE_SENDMMSG)
			r->tx.packets += chunk_sendmmsg(u);
		else
			r->tx.packets += chunk_gso(u, &ob, &path);
	}
	r->tx.cpu = cpu_now() - cpu;
	atomic_store(&r->done, true);
	return NULL;
}

/* --- receiver ----------------------------------------------------------------------------------------- */

static int take_recv(struct udp *u)
{
	uint8_t buf[2048];
	int n = 0;

	while (n < CHUNK && recv(u->fd, buf, sizeof(buf), 0) >= 0)
		n++;
	return n;
}

static int take_recvmmsg(struct udp *u)
{
	static uint8_t buf[BATCH][2048];
	static struct iovec iov[BATCH];
	static struct mmsghdr hdr[BATCH];

	if (!hdr[0].msg_hdr.msg_iov) {
		for (int i = 0; i < BATCH; i++) {
			iov[i] = (struct iovec){ buf[i], sizeof(buf[i]) };
			hdr[i].msg_hdr = (struct msghdr){ .msg_iov = &iov[i], .msg_iovlen = 1 };
		}
	}
	return recvmmsg(u->fd, hdr, BATCH, 0, NULL);
}

static int take_udp(struct udp *u)
{
	static struct dgram d[UDP_RX_DGRAMS];

	return udp_recv(u, d);
}

static void receive(struct round *r)
{
	static int (*const take[MODE_MAX_])(struct udp *) = { take_recv, take_recvmmsg, take_udp };
	struct pollfd p = { .fd = r->rx.udp.fd, .events = POLLIN };
	double cpu = cpu_now();
	bool last = false;

	for (;;) {
		int n = take[r->mode](&r->rx.udp);

		if (n > 0) {
			r->rx.packets += (uint64_t)n;
			continue;
		}
		if (last)
			break;
		last = atomic_load(&r->done);
		(void)poll(&p, 1, last ? 0 : 10);
	}
	r->rx.cpu = cpu_now() - cpu;
}

/* --- rounds ------------------------------------------------------------------------------------------- */

static void open_side(struct side *s, const struct udp_conf *c)
{
	s->mem = udp_mem_new();
	if (!s->mem || udp_open(&s->udp, s->mem, c) < 0)
		die("udp_open");
}

static void close_side(struct side *s)
{
	udp_close(&s->udp);
	udp_mem_free(s->mem);
}

static void run_round(enum mode mode, struct total *t)
{
	struct round r = { .mode = mode };
	struct udp_conf c = {
		.bind = addr_v4(127, 0, 0, 1, 0), .rcvbuf = BUFFER, .sndbuf = BUFFER, .no_gro = mode != MODE_GSO
	};
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	pthread_t thread;

	open_side(&r.rx, &c);
	open_side(&r.tx, &c);
	to.sin_port = htons(r.rx.udp.local.port);
	if (mode != MODE_GSO && connect(r.tx.udp.fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		die("connect");
	if (pthread_create(&thread, NULL, sender, &r) != 0)
		die("pthread_create");
	receive(&r);
	pthread_join(thread, NULL);
	t->tx_cpu += r.tx.cpu;
	t->rx_cpu += r.rx.cpu;
	t->sent += r.tx.packets;
	t->got += r.rx.packets;
	if (mode == MODE_GSO && !r.tx.udp.gso)
		printf("# GSO is not available here\n");
	close_side(&r.tx);
	close_side(&r.rx);
}

static double per_sec(uint64_t n, double cpu)
{
	return cpu > 0 ? (double)n / cpu : 0;
}

int main(void)
{
	struct total t[MODE_MAX_] = { { 0 } }, warm_up = { 0 };
	double base_tx, base_both;

	run_round(MODE_GSO, &warm_up);
	for (int i = 0; i < ROUNDS; i++)
		for (int m = 0; m < MODE_MAX_; m++)
			run_round((enum mode)m, &t[m]);

	base_tx = per_sec(t[MODE_SEND].got, t[MODE_SEND].tx_cpu);
	base_both = per_sec(t[MODE_SEND].got, t[MODE_SEND].tx_cpu + t[MODE_SEND].rx_cpu);
	printf("# %d-byte packets, loopback, %d alternating rounds of %lld ms each; send: recv() per packet, sendmmsg:\n"
	       "# plain recvmmsg, gso: udp_recv with UDP_GRO. Packets that arrived, per second of CPU (user + system).\n"
	       "%-20s %16s %8s %22s %8s %8s\n",
	       PACKET, ROUNDS, ROUND_NS / 1000000, "", "sender CPU", "ratio", "sender+receiver CPU", "ratio", "lost");
	for (int m = 0; m < MODE_MAX_; m++) {
		double tx = per_sec(t[m].got, t[m].tx_cpu), both = per_sec(t[m].got, t[m].tx_cpu + t[m].rx_cpu);

		printf("%-20s %14.0f/s %7.1fx %20.0f/s %7.1fx %7.2f%%\n", mode_name[m], tx, tx / base_tx, both,
		       both / base_both,
		       t[m].sent ? 100.0 * (double)(t[m].sent - t[m].got) / (double)t[m].sent : 0.0);
	}
	printf("udp_gso_vs_send: %.1f x packets per CPU second\n",
	       per_sec(t[MODE_GSO].got, t[MODE_GSO].tx_cpu + t[MODE_GSO].rx_cpu) / base_both);
	return 0;
}
