/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * What the tests of udp share: real sockets on 127/8 and ::1 only; every wait is a bounded poll(). Errors that no
 * loopback route gives come from a double of sendmmsg, which plays a script and otherwise asks the kernel. GSO is
 * required: every kernel this suite supports has it.
 */
#ifndef TESTS_SYS_UDP_RIG_H
#define TESTS_SYS_UDP_RIG_H

#include "t.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sys/udp.h"

#define WAIT_MS 3000
#define MANY 1100

/* What the next calls of sendmmsg do: > 0 send at most so many, < 0 fail with -errno. 0 ends the script. */
static const int *script;
static int calls;

int sendmmsg(int fd, struct mmsghdr *m, unsigned n, int flags)
{
	calls++;
	if (script && *script) {
		int step = *script++;

		if (step < 0) {
			errno = -step;
			return -1;
		}
		n = (unsigned)step < n ? (unsigned)step : n;
	}
	return (int)syscall(SYS_sendmmsg, fd, m, n, flags);
}

/* A box with memory, sending from `u`. */
struct box {
	struct outbox ob;
	struct out_msg msg[64];
	struct span part[256];
	uint8_t mem[64 * OUTBOX_DGRAM_MAX];
};

static struct box box;
static struct dgram got[MANY + UDP_RX_DGRAMS];
static uint8_t copy[MANY][OUTBOX_DGRAM_MAX]; /* got[i].p[] outlives udp_recv only here */

static inline void box_full(struct outbox *ob)
{
	udp_send(ob->owner, ob);
}

static inline void box_init(struct udp *from)
{
	outbox_init(&box.ob, box.msg, ARRAY_LEN(box.msg), box.mem, sizeof(box.mem), box_full, from);
	outbox_parts(&box.ob, box.part, ARRAY_LEN(box.part));
}

/* Datagram number k of n bytes: its number, then bytes that differ at each place. n >= 2. */
static inline void put(const struct path *path, unsigned k, size_t n)
{
	uint8_t *p = outbox_reserve(&box.ob, n);

	put_be16(p, (uint16_t)k);
	for (size_t i = 2; i < n; i++)
		p[i] = (uint8_t)(k * 7 + i);
	outbox_commit(&box.ob, path, n);
}

/* The same in two pieces, the second of which stays where it is. */
static inline void put_pieces(const struct path *path, unsigned k, size_t head, size_t n)
{
	static uint8_t payload[256][OUTBOX_DGRAM_MAX];
	uint8_t *p = payload[k % 256];

	put_be16(p, (uint16_t)k);
	for (size_t i = 2; i < n; i++)
		p[i] = (uint8_t)(k * 7 + i);
	outbox_put(&box.ob, path, span_of(p, head), span_of(p + head, n - head));
}

static inline bool intact(const struct dgram *d, unsigned k, size_t n)
{
	if (d->n != n || be16_at(d->p) != k)
		return false;
	for (size_t i = 2; i < n; i++)
		if (d->p[i] != (uint8_t)(k * 7 + i))
			return false;
	return true;
}

/* Receives until `want` datagrams are there; copies them, so that they stay valid. */
static inline size_t take(struct udp *u, size_t want)
{
	struct pollfd p = { .fd = u->fd, .events = POLLIN };
	size_t n = 0;

	while (n < want) {
		int r = udp_recv(u, got + n);

		for (int i = 0; i < r; i++, n++) {
			if (n < MANY) {
				memcpy(copy[n], got[n].p, got[n].n);
				got[n].p = copy[n];
			}
		}
		if (r < 0 || (r == 0 && poll(&p, 1, WAIT_MS) != 1))
			break;
	}
	return n;
}

static inline struct addr text(const char *s)
{
	struct addr a = { 0 };

	EQ(addr_parse(span_str(s), &a), 0);
	return a;
}

/* With memory of its own, so that counters tell sockets apart. */
static inline int open_with(struct udp *u, const struct udp_conf *c)
{
	struct udp_mem *m = udp_mem_new();
	int r = udp_open(u, m, c);

	u->mem = m;
	return r;
}

static inline void shut(struct udp *u)
{
	udp_close(u);
	udp_mem_free(u->mem);
}

static inline const struct udp_stats *stats(const struct udp *u)
{
	return udp_mem_stats(u->mem);
}

static inline bool open_at(struct udp *u, const char *at, bool no_gso, bool no_gro)
{
	struct udp_conf c = { .bind = text(at), .rcvbuf = 4u << 20, .no_gso = no_gso, .no_gro = no_gro };

	return open_with(u, &c) == 0;
}

static inline bool open_pair(struct udp *a, struct udp *b)
{
	return open_at(a, "127.0.0.1", false, false) && open_at(b, "127.0.0.1", false, false);
}

static inline bool have_v6(void)
{
	CLEANUP(shut) struct udp u = { .fd = -1 };
	struct udp_conf c = { .bind = text("::1") };

	if (open_with(&u, &c) == 0)
		return true;
	printf("# skipped: no IPv6 on this machine\n");
	return false;
}

static inline struct addr with_port(const char *ip, const struct udp *u)
{
	struct addr a = text(ip);

	a.port = u->local.port;
	return a;
}

/* Two messages, so that the source address stands with and without UDP_SEGMENT beside it. */
static inline void exchange(struct udp *from, struct udp *to, const struct path *path)
{
	box_init(from);
	for (unsigned k = 0; k < 3; k++)
		put(path, k, k < 2 ? 100 : 200);
	udp_send(from, &box.ob);
	EQ(take(to, 3), 3);
	for (unsigned k = 0; k < 3; k++)
		OK(intact(&got[k], k, k < 2 ? 100 : 200));
}

static inline int option_of(const struct udp *u, int level, int name)
{
	socklen_t n = sizeof(int);
	int v = -1;

	EQ(getsockopt(u->fd, level, name, &v, &n), 0);
	return v;
}

#endif
