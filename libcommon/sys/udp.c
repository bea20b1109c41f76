/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * Opening and receiving. All headers (names, vectors, control messages) are built once with the memory; a batch only
 * writes what changes. A dual-stack socket carries IPv4 in the v4-mapped form, which is what struct addr holds, too:
 * IPV6_PKTINFO serves both families there, in both directions.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/err.h"
#include "sys/udp_impl.h"

#define RX_TRIES 4 /* pending socket errors one udp_recv steps over */

#define RX_CONTROL                                                                                           \
	(CMSG_SPACE(sizeof(struct in6_pktinfo)) + 2 * CMSG_SPACE(sizeof(int)) /* TCLASS or TOS, UDP_GRO */)

/* A received message: datagrams of `seg` bytes, of which those before `off` were handed out. */
struct train {
	struct path path;
	uint8_t *p;
	uint32_t len, off, seg;
	uint8_t ecn;
};

struct rx_control {
	_Alignas(struct cmsghdr) uint8_t b[RX_CONTROL];
};

struct udp_rx {
	struct mmsghdr hdr[UDP_RX_MSGS];
	struct iovec iov[UDP_RX_MSGS];
	union sa name[UDP_RX_MSGS];
	struct rx_control control[UDP_RX_MSGS];
	uint32_t n, at; /* messages of the last recvmmsg; those before `at` were handed out */
	struct train cur; /* message `at`, parsed when cur.off > 0 */
	int from;         /* the descriptor they came from */
	uint8_t data[UDP_RX_MSGS][UDP_RX_BYTES];
};

static struct addr sa_addr(const union sa *sa)
{
	struct addr a;

	if (sa->any.sa_family == AF_INET)
		return addr_from_v4((const uint8_t *)&sa->v4.sin_addr, ntohs(sa->v4.sin_port));
	a = addr_from_v6(sa->v6.sin6_addr.s6_addr, ntohs(sa->v6.sin6_port));
	a.scope = sa->v6.sin6_scope_id;
	return a;
}

/* --- memory ------------------------------------------------------------------------------------------- */

static struct udp_rx *rx_new(void)
{
	struct udp_rx *rx = malloc(sizeof(*rx));

	if (!rx)
		return NULL;
	/* `data` stays untouched: pages that no burst needs cost nothing */
	memset(rx, 0, offsetof(struct udp_rx, data));
	rx->n = UDP_RX_MSGS; /* all of them want their lengths set */
	rx->at = UDP_RX_MSGS;
	for (uint32_t i = 0; i < UDP_RX_MSGS; i++) {
		struct msghdr *h = &rx->hdr[i].msg_hdr;

		rx->iov[i] = (struct iovec){ rx->data[i], UDP_RX_BYTES };
		h->msg_iov = &rx->iov[i];
		h->msg_iovlen = 1;
		h->msg_name = &rx->name[i];
		h->msg_control = rx->control[i].b;
	}
	return rx;
}

struct udp_mem *udp_mem_new(void)
{
	struct udp_mem *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->rx = rx_new();
	m->tx = udp_tx_new();
	if (m->rx && m->tx)
		return m;
	udp_mem_free(m);
	return NULL;
}

void udp_mem_free(struct udp_mem *m)
{
	if (!m)
		return;
	free(m->rx);
	free(m->tx);
	free(m);
}

const struct udp_stats *udp_mem_stats(const struct udp_mem *m)
{
	return &m->stats;
}

/* --- opening ------------------------------------------------------------------------------------------ */

/* Best effort: a smaller buffer is no reason not to start. FORCE passes the sysctl limit but needs CAP_NET_ADMIN. */
static void set_buf(struct udp *u, int force, int name, uint32_t bytes)
{
	int value = bytes > INT_MAX / 2 ? INT_MAX / 2 : (int)bytes;

	if (value == 0)
		return;
	if (!u->mem->no_force) {
		if (set_int(u->fd, SOL_SOCKET, force, value) == 0)
			return;
		u->mem->no_force = errno == EPERM;
	}
	(void)set_int(u->fd, SOL_SOCKET, name, value);
}

/* IPV6_V6ONLY, and what is to come with each datagram: where it arrived (PKTINFO) and its ECN bits. */
static int set_family(const struct udp *u, const struct udp_conf *c)
{
	bool only_v6 = u->v6 && !ip_is_any(&c->bind);
	const struct {
		bool wanted;
		int level, name, value;
	} options[] = {
		{ u->v6, IPPROTO_IPV6, IPV6_V6ONLY, only_v6 },
		{ u->v6 && !c->one_local, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1 },
		{ u->v6, IPPROTO_IPV6, IPV6_RECVTCLASS, 1 },
		{ !u->v6 && !c->one_local, IPPROTO_IP, IP_PKTINFO, 1 },
		{ !only_v6, IPPROTO_IP, IP_RECVTOS, 1 },
		{ c->reuseport, SOL_SOCKET, SO_REUSEPORT, 1 },
	};

	for (size_t i = 0; i < ARRAY_LEN(options); i++) {
		if (options[i].wanted && set_int(u->fd, options[i].level, options[i].name, options[i].value) < 0)
			return -errno;
	}
	return 0;
}

static const struct udp_family *family_of(struct udp *u)
{
	struct udp_family *f = &u->mem->family[u->v6];
	socklen_t n = sizeof(int);
	int seg;

	if (f->known)
		return f;
	f->known = true;
	f->gso = getsockopt(u->fd, IPPROTO_UDP, UDP_SEGMENT, &seg, &n) == 0;
	n = sizeof(f->pmtu);
	if (getsockopt(u->fd, IPPROTO_IP, IP_MTU_DISCOVER, &f->pmtu, &n) < 0)
		f->pmtu = IP_PMTUDISC_WANT;
	return f;
}

static int set_options(struct udp *u, const struct udp_conf *c)
{
	int r = set_family(u, c);

	if (r < 0)
		return r;
	set_buf(u, SO_RCVBUFFORCE, SO_RCVBUF, c->rcvbuf);
	set_buf(u, SO_SNDBUFFORCE, SO_SNDBUF, c->sndbuf);
	if (!c->no_gro)
		(void)set_int(u->fd, IPPROTO_UDP, UDP_GRO, 1);
	u->gso = family_of(u)->gso && !c->no_gso;
	return 0;
}

static int bind_to(struct udp *u, const struct addr *a)
{
	union sa sa;
	socklen_t n = sa_put(&sa, u->v6, a);

	if (bind(u->fd, &sa.any, n) < 0)
		return -errno;
	u->local = *a;
	if (a->port != 0)
		return 0;
	if (getsockname(u->fd, &sa.any, &n) < 0)
		return -errno;
	u->local = sa_addr(&sa);
	return 0;
}

static int connect_to(struct udp *u, const struct addr *a)
{
	union sa sa;
	socklen_t n;

	if (addr_is_unset(a))
		return 0;
	if (!u->v6 && !addr_is_v4(a))
		return -EAFNOSUPPORT;
	n = sa_put(&sa, u->v6, a);
	return connect(u->fd, &sa.any, n) < 0 ? -errno : 0;
}

int udp_open(struct udp *u, struct udp_mem *m, const struct udp_conf *c)
{
	struct addr at = c->bind;
	int r;

	*u = (struct udp){ .v6 = !addr_is_v4(&at), .mem = m };
	u->fd = socket(u->v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (u->fd < 0 && errno == EAFNOSUPPORT && u->v6 && ip_is_any(&at)) {
		/* A kernel without IPv6: "every address" means every IPv4 address there. */
		at = addr_v4(0, 0, 0, 0, at.port);
		u->v6 = false;
		u->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	}
	if (u->fd < 0)
		return -errno;
	r = set_options(u, c);
	if (r == 0)
		r = bind_to(u, &at);
	if (r == 0)
		r = connect_to(u, &c->connect);
	if (r < 0)
		udp_close(u);
	return r;
}

/* What is left of a batch is of a socket that is gone, or of one whose owner broke the rule of udp_recv: to hand it out
 * as another's would be worse than to lose it. */
static void rx_forget(struct udp_rx *rx)
{
	rx->at = rx->n;
	rx->cur.off = 0;
}

void udp_close(struct udp *u)
{
	if (u->fd > 0) { /* 0 is zeroed memory */
		if (u->mem->rx->from == u->fd)
			rx_forget(u->mem->rx);
		close(u->fd);
	}
	u->fd = -1;
}

/* --- receiving ---------------------------------------------------------------------------------------- */

/* An error of recvmmsg that is not EAGAIN belongs to an earlier send (ICMP on a connected socket): step over it. */
static int rx_fill(struct udp *u)
{
	struct udp_rx *rx = u->mem->rx;
	struct udp_stats *s = &u->mem->stats;
	int r = -1;

	for (uint32_t i = 0; i < rx->n; i++) {
		rx->hdr[i].msg_hdr.msg_namelen = sizeof(rx->name[i]);
		rx->hdr[i].msg_hdr.msg_controllen = sizeof(rx->control[i].b);
	}
	rx->n = 0;
	rx->at = 0;
	rx->from = u->fd;
	for (int tries = 0; r < 0 && tries < RX_TRIES; tries++) {
		s->recv_calls++;
		r = recvmmsg(u->fd, rx->hdr, UDP_RX_MSGS, 0, NULL);
		if (r < 0 && errno == EAGAIN)
			return 0;
	}
	if (r < 0)
		return -errno;
	rx->n = (uint32_t)r;
	s->recv_msgs += rx->n;
	return r;
}

static struct addr local_v4(const struct cmsghdr *c)
{
	struct in_pktinfo info;

	/* Of a broadcast, spec_dst is our address and addr is not: a reply needs the former. */
	memcpy(&info, CMSG_DATA(c), sizeof(info));
	return addr_from_v4((const uint8_t *)&info.ipi_spec_dst, 0);
}

static struct addr local_v6(const struct cmsghdr *c)
{
	struct in6_pktinfo info;
	struct addr a;

	memcpy(&info, CMSG_DATA(c), sizeof(info));
	a = addr_from_v6(info.ipi6_addr.s6_addr, 0);
	if (IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr))
		a.scope = (uint32_t)info.ipi6_ifindex;
	if (IN6_IS_ADDR_MULTICAST(&info.ipi6_addr)) /* no source address: let the kernel choose one for the reply */
		a = (struct addr){ 0 };
	return a;
}

static void train_parse(struct mmsghdr *m, struct train *t)
{
	struct msghdr *h = &m->msg_hdr;
	int v;

	*t = (struct train){ .p = h->msg_iov->iov_base, .len = m->msg_len, .seg = m->msg_len };
	t->path.remote = sa_addr(h->msg_name);
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
			memcpy(&v, CMSG_DATA(c), sizeof(v));
			if (v > 0)
				t->seg = (uint32_t)v;
		} else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			t->path.local = local_v4(c);
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			t->path.local = local_v6(c);
		} else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS) {
			t->ecn = *CMSG_DATA(c) & 3;
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS) {
			memcpy(&v, CMSG_DATA(c), sizeof(v));
			t->ecn = (uint8_t)(v & 3);
		}
	}
}

/* Up to `room` (>= 1) datagrams of the train; an empty datagram is a train of one. */
static uint32_t train_split(struct udp *u, struct train *t, struct dgram *d, uint32_t room)
{
	uint32_t n = 0;

	do {
		uint32_t left = t->len - t->off, len = left < t->seg ? left : t->seg;

		if (len <= OUTBOX_DGRAM_MAX)
			d[n++] = (struct dgram){ t->path, t->p + t->off, (uint16_t)len, t->ecn };
		else
			u->mem->stats.truncated++;
		t->off += len;
	} while (t->off < t->len && n < room);
	return n;
}

int udp_recv(struct udp *u, struct dgram dgrams[UDP_RX_DGRAMS])
{
	struct udp_rx *rx = u->mem->rx;
	uint32_t n = 0;
	int r;

	if (rx->from != u->fd)
		rx_forget(rx);
	if (rx->at == rx->n) {
		r = rx_fill(u);
		if (r <= 0)
			return r;
	}
	while (rx->at < rx->n && n < UDP_RX_DGRAMS) {
		if (rx->cur.off == 0)
			train_parse(&rx->hdr[rx->at], &rx->cur);
		n += train_split(u, &rx->cur, dgrams + n, UDP_RX_DGRAMS - n);
		if (rx->cur.off == rx->cur.len) {
			rx->cur.off = 0;
			rx->at++;
		}
	}
	u->mem->stats.recv_dgrams += n;
	return (int)n;
}
