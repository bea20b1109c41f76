/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * All headers (names, vectors, control messages) are built once at open; a batch only writes what changes.
 * A dual-stack socket carries IPv4 in the v4-mapped form, which is what struct addr holds, too: IPV6_PKTINFO
 * serves both families there, in both directions.
 */
#include "sys/udp.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"

#define TX_SLOTS 64 /* headers per sendmmsg */
#define RX_TRIES 4  /* pending socket errors one udp_recv steps over */

#define SEG_SPACE CMSG_SPACE(sizeof(uint16_t))
#define RX_CONTROL                                                                                           \
	(CMSG_SPACE(sizeof(struct in6_pktinfo)) + 2 * CMSG_SPACE(sizeof(int)) /* TCLASS or TOS, UDP_GRO */)

union sa {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

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
	uint8_t data[UDP_RX_MSGS][UDP_RX_BYTES];
};

/* The segment size stands first: without it the control data starts at `src`, whose length has no say in that. */
struct tx_control {
	_Alignas(struct cmsghdr) uint8_t seg[SEG_SPACE];
	uint8_t src[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

struct udp_tx {
	struct mmsghdr hdr[TX_SLOTS];
	struct iovec iov[TX_SLOTS];
	union sa name[TX_SLOTS];
	struct tx_control control[TX_SLOTS];
	uint16_t seg[TX_SLOTS], segs[TX_SLOTS];
};

/* The next datagram to get a header. */
struct tx_cursor {
	const struct out_msg *m, *end;
	uint32_t off;
};

static const char *const err_label[UDP_ERR_MAX_] = {
	[UDP_ERR_DEST_REQUIRED] = "dest_required",
	[UDP_ERR_NETWORK_UNREACHABLE] = "network_unreachable",
	[UDP_ERR_HOST_UNREACHABLE] = "host_unreachable",
	[UDP_ERR_PERM] = "perm",
	[UDP_ERR_FULL] = "full",
	[UDP_ERR_OTHER] = "other",
};

const char *udp_err_str(enum udp_err e)
{
	return (unsigned)e < UDP_ERR_MAX_ ? err_label[e] : "unknown";
}

static enum udp_err err_kind(int err)
{
	switch (err) {
	case EDESTADDRREQ:
		return UDP_ERR_DEST_REQUIRED;
	case ENETUNREACH:
	case ENETDOWN:
		return UDP_ERR_NETWORK_UNREACHABLE;
	case EHOSTUNREACH:
	case EHOSTDOWN:
	case ECONNREFUSED:
		return UDP_ERR_HOST_UNREACHABLE;
	case EPERM: /* a firewall rule */
	case EACCES: /* a broadcast address */
		return UDP_ERR_PERM;
	case EAGAIN:
	case ENOBUFS:
		return UDP_ERR_FULL;
	default:
		return UDP_ERR_OTHER;
	}
}

static struct addr sa_addr(const union sa *sa, bool v6)
{
	struct addr a;

	if (!v6)
		return addr_from_v4((const uint8_t *)&sa->v4.sin_addr, ntohs(sa->v4.sin_port));
	a = addr_from_v6(sa->v6.sin6_addr.s6_addr, ntohs(sa->v6.sin6_port));
	a.scope = sa->v6.sin6_scope_id;
	return a;
}

/* The family is already there. */
static void sa_put(union sa *sa, bool v6, const struct addr *a)
{
	if (!v6) {
		sa->v4.sin_port = htons(a->port);
		memcpy(&sa->v4.sin_addr, a->ip + 12, 4);
		return;
	}
	sa->v6.sin6_port = htons(a->port);
	memcpy(&sa->v6.sin6_addr, a->ip, 16);
	sa->v6.sin6_scope_id = a->scope;
}

static socklen_t sa_init(union sa *sa, bool v6)
{
	sa->any.sa_family = v6 ? AF_INET6 : AF_INET;
	return v6 ? sizeof(sa->v6) : sizeof(sa->v4);
}

/* --- opening ------------------------------------------------------------------------------------------ */

static int set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) < 0 ? -errno : 0;
}

/* Best effort: a smaller buffer is no reason not to start. FORCE passes the sysctl limit but needs CAP_NET_ADMIN. */
static void set_buf(int fd, int force, int name, uint32_t bytes)
{
	int value = bytes > INT_MAX / 2 ? INT_MAX / 2 : (int)bytes;

	if (value && set_int(fd, SOL_SOCKET, force, value) < 0)
		(void)set_int(fd, SOL_SOCKET, name, value);
}

static bool ip_is_any(const struct addr *a)
{
	static const uint8_t any[16];

	return memcmp(a->ip, any, sizeof(any)) == 0;
}

static int set_options(struct udp *u, const struct udp_conf *c)
{
	int seg = 0;
	socklen_t n = sizeof(seg);
	int r;

	if (u->v6) {
		r = set_int(u->fd, IPPROTO_IPV6, IPV6_V6ONLY, !ip_is_any(&c->bind));
		if (r == 0)
			r = set_int(u->fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
		if (r == 0)
			r = set_int(u->fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
	} else {
		r = set_int(u->fd, IPPROTO_IP, IP_PKTINFO, 1);
	}
	if (r == 0)
		r = set_int(u->fd, IPPROTO_IP, IP_RECVTOS, 1);
	if (r == 0 && c->reuseport)
		r = set_int(u->fd, SOL_SOCKET, SO_REUSEPORT, 1);
	if (r < 0)
		return r;
	set_buf(u->fd, SO_RCVBUFFORCE, SO_RCVBUF, c->rcvbuf);
	set_buf(u->fd, SO_SNDBUFFORCE, SO_SNDBUF, c->sndbuf);
	if (!c->no_gro)
		(void)set_int(u->fd, IPPROTO_UDP, UDP_GRO, 1);
	u->gso = !c->no_gso && getsockopt(u->fd, IPPROTO_UDP, UDP_SEGMENT, &seg, &n) == 0;
	return 0;
}

static int bind_to(struct udp *u, const struct addr *a)
{
	union sa sa = { .v6 = { 0 } };
	socklen_t n = sa_init(&sa, u->v6);

	sa_put(&sa, u->v6, a);
	if (bind(u->fd, &sa.any, n) < 0 || getsockname(u->fd, &sa.any, &n) < 0)
		return -errno;
	u->local = sa_addr(&sa, u->v6);
	return 0;
}

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

static struct udp_tx *tx_new(bool v6)
{
	struct udp_tx *tx = calloc(1, sizeof(*tx));

	if (!tx)
		return NULL;
	for (uint32_t i = 0; i < TX_SLOTS; i++) {
		struct msghdr *h = &tx->hdr[i].msg_hdr;
		struct cmsghdr *seg = (void *)tx->control[i].seg, *src = (void *)tx->control[i].src;

		h->msg_name = &tx->name[i];
		h->msg_namelen = sa_init(&tx->name[i], v6);
		h->msg_iov = &tx->iov[i];
		h->msg_iovlen = 1;
		seg->cmsg_level = IPPROTO_UDP;
		seg->cmsg_type = UDP_SEGMENT;
		seg->cmsg_len = CMSG_LEN(sizeof(uint16_t));
		src->cmsg_level = v6 ? IPPROTO_IPV6 : IPPROTO_IP;
		src->cmsg_type = v6 ? IPV6_PKTINFO : IP_PKTINFO;
		src->cmsg_len = v6 ? CMSG_LEN(sizeof(struct in6_pktinfo)) : CMSG_LEN(sizeof(struct in_pktinfo));
	}
	return tx;
}

int udp_open(struct udp *u, const struct udp_conf *c)
{
	struct addr at = c->bind;
	int r;

	*u = (struct udp){ .v6 = !addr_is_v4(&at) };
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
	if (r == 0) {
		u->rx = rx_new();
		u->tx = tx_new(u->v6);
		r = u->rx && u->tx ? 0 : ERR_NOMEM;
	}
	if (r < 0)
		udp_close(u);
	return r;
}

void udp_close(struct udp *u)
{
	if (u->fd > 0) /* 0 is zeroed memory */
		close(u->fd);
	free(u->rx);
	free(u->tx);
	u->fd = -1;
	u->rx = NULL;
	u->tx = NULL;
}

/* --- receiving ---------------------------------------------------------------------------------------- */

/* An error of recvmmsg that is not EAGAIN belongs to an earlier send (ICMP on a connected socket): step over it. */
static int rx_fill(struct udp *u)
{
	struct udp_rx *rx = u->rx;
	int r = -1;

	for (uint32_t i = 0; i < rx->n; i++) {
		rx->hdr[i].msg_hdr.msg_namelen = sizeof(rx->name[i]);
		rx->hdr[i].msg_hdr.msg_controllen = sizeof(rx->control[i].b);
	}
	rx->n = 0;
	rx->at = 0;
	for (int tries = 0; r < 0 && tries < RX_TRIES; tries++) {
		u->recv_calls++;
		r = recvmmsg(u->fd, rx->hdr, UDP_RX_MSGS, 0, NULL);
		if (r < 0 && errno == EAGAIN)
			return 0;
	}
	if (r < 0)
		return -errno;
	rx->n = (uint32_t)r;
	u->recv_msgs += rx->n;
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

static void train_parse(const struct udp *u, struct mmsghdr *m, struct train *t)
{
	struct msghdr *h = &m->msg_hdr;
	int v;

	*t = (struct train){ .p = h->msg_iov->iov_base, .len = m->msg_len, .seg = m->msg_len };
	t->path.remote = sa_addr(h->msg_name, u->v6);
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
			u->truncated++;
		t->off += len;
	} while (t->off < t->len && n < room);
	return n;
}

int udp_recv(struct udp *u, struct dgram dgrams[UDP_RX_DGRAMS])
{
	struct udp_rx *rx = u->rx;
	uint32_t n = 0;
	int r;

	if (rx->at == rx->n) {
		r = rx_fill(u);
		if (r <= 0)
			return r;
	}
	while (rx->at < rx->n && n < UDP_RX_DGRAMS) {
		if (rx->cur.off == 0)
			train_parse(u, &rx->hdr[rx->at], &rx->cur);
		n += train_split(u, &rx->cur, dgrams + n, UDP_RX_DGRAMS - n);
		if (rx->cur.off == rx->cur.len) {
			rx->cur.off = 0;
			rx->at++;
		}
	}
	u->recv_dgrams += n;
	return (int)n;
}

/* --- sending ------------------------------------------------------------------------------------------ */

/* Returns the length of the source part of the control data: 0 lets the kernel choose. */
static size_t put_source(struct udp_tx *tx, uint32_t i, bool v6, const struct addr *local)
{
	uint8_t *data = CMSG_DATA((struct cmsghdr *)(void *)tx->control[i].src);

	if (!v6) {
		struct in_pktinfo info = { 0 };

		if (!addr_is_v4(local))
			return 0;
		memcpy(&info.ipi_spec_dst, local->ip + 12, 4);
		memcpy(data, &info, sizeof(info));
		return CMSG_SPACE(sizeof(info));
	}
	struct in6_pktinfo info = { .ipi6_ifindex = local->scope };

	if (ip_is_any(local))
		return 0;
	memcpy(&info.ipi6_addr, local->ip, 16);
	memcpy(data, &info, sizeof(info));
	return CMSG_SPACE(sizeof(info));
}

static void put_slot(struct udp *u, uint32_t i, const struct out_msg *m, uint32_t off, uint32_t len, uint16_t segs)
{
	struct udp_tx *tx = u->tx;
	struct msghdr *h = &tx->hdr[i].msg_hdr;

	sa_put(&tx->name[i], u->v6, &m->path.remote);
	tx->iov[i] = (struct iovec){ m->data + off, len };
	tx->seg[i] = m->seg;
	tx->segs[i] = segs;
	h->msg_control = tx->control[i].src;
	h->msg_controllen = put_source(tx, i, u->v6, &m->path.local);
	if (segs > 1) {
		memcpy(CMSG_DATA((struct cmsghdr *)(void *)tx->control[i].seg), &m->seg, sizeof(m->seg));
		h->msg_control = tx->control[i].seg;
		h->msg_controllen += SEG_SPACE;
	}
}

/* One slot per message, or per datagram without GSO. What no kernel would take is counted here. */
static uint32_t fill_slots(struct udp *u, struct tx_cursor *c)
{
	uint32_t n = 0;

	while (n < TX_SLOTS && c->m < c->end) {
		const struct out_msg *m = c->m;
		bool whole = u->gso || m->segs == 1;
		uint32_t left = m->len - c->off, len = whole || left < m->seg ? left : m->seg;
		uint16_t segs = whole ? m->segs : 1;

		if (m->path.remote.port == 0)
			u->failed[UDP_ERR_DEST_REQUIRED] += segs;
		else if (!u->v6 && !addr_is_v4(&m->path.remote))
			u->failed[UDP_ERR_NETWORK_UNREACHABLE] += segs;
		else
			put_slot(u, n++, m, c->off, len, segs);
		c->off += len;
		if (c->off == m->len) {
			c->m++;
			c->off = 0;
		}
	}
	return n;
}

/*
 * Any error but a full buffer may be a pending one of an earlier datagram (ICMP on a connected socket), which
 * the call took off the socket without looking at this one: ask twice before it counts.
 */
static bool worth_again(bool *again, int err)
{
	*again = !*again && err_kind(err) != UDP_ERR_FULL;
	return *again;
}

/* The datagrams of a message whose GSO form was refused, each by itself. */
static void send_split(struct udp *u, uint32_t i)
{
	struct udp_tx *tx = u->tx;
	struct msghdr *h = &tx->hdr[i].msg_hdr;
	uint8_t *p = tx->iov[i].iov_base;
	size_t left = tx->iov[i].iov_len;
	bool again = false;

	h->msg_control = tx->control[i].src;
	h->msg_controllen -= SEG_SPACE;
	while (left) {
		size_t len = left < tx->seg[i] ? left : tx->seg[i];

		tx->iov[i] = (struct iovec){ p, len };
		u->sent_calls++;
		if (sendmmsg(u->fd, &tx->hdr[i], 1, 0) == 1) {
			again = false;
			u->sent_msgs++;
			u->sent_dgrams++;
		} else {
			int err = errno;

			if (worth_again(&again, err))
				continue;
			u->failed[err_kind(err)]++;
		}
		p += len;
		left -= len;
	}
}

/*
 * EIO: the route cannot checksum segments, which no other message will change. EINVAL and EMSGSIZE: a segment
 * exceeds the path MTU, which a peer can shrink by ICMP for itself, so it may cost only that peer its bursts.
 */
static bool gso_refused(struct udp *u, uint32_t i, int err)
{
	if (u->tx->segs[i] <= 1 || (err != EIO && err != EINVAL && err != EMSGSIZE))
		return false;
	u->gso_refused++;
	if (err == EIO)
		u->gso = false;
	return true;
}

static void send_slots(struct udp *u, uint32_t n)
{
	struct udp_tx *tx = u->tx;
	bool again = false;
	uint32_t i = 0;

	while (i < n) {
		int r, err;

		u->sent_calls++;
		r = sendmmsg(u->fd, tx->hdr + i, n - i, 0);
		err = errno;
		if (r > 0) {
			again = false;
			u->sent_msgs += (uint32_t)r;
			for (; r > 0; r--)
				u->sent_dgrams += tx->segs[i++];
		} else if (gso_refused(u, i, err)) {
			again = false;
			send_split(u, i++);
		} else if (!worth_again(&again, err)) {
			u->failed[err_kind(err)] += tx->segs[i++];
		}
	}
}

void udp_send(struct udp *u, struct outbox *ob)
{
	struct tx_cursor c = { .m = ob->msg, .end = ob->msg + ob->n };

	while (c.m < c.end)
		send_slots(u, fill_slots(u, &c));
	outbox_clear(ob);
}
