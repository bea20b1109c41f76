/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * Sending. A slot is one header of a sendmmsg: a message, or a datagram of one when the route cannot do GSO. Slots are
 * shared by sockets of both families, so a slot's name and source are written whole each time.
 */
#include <errno.h>
#include <stdlib.h>

#include "sys/udp_impl.h"

#define TX_SLOTS 64  /* headers per sendmmsg */
#define TX_IOVS 1024 /* pieces in all of them; UIO_MAXIOV, the kernel's limit for one */

#define SEG_SPACE CMSG_SPACE(sizeof(uint16_t))

/* The segment size stands first: without it the control data starts at `src`, whose length has no say in that. */
struct tx_control {
	_Alignas(struct cmsghdr) uint8_t seg[SEG_SPACE];
	uint8_t src[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

struct udp_tx {
	struct mmsghdr hdr[TX_SLOTS];
	struct iovec iov[TX_IOVS];
	union sa name[TX_SLOTS];
	struct tx_control control[TX_SLOTS];
	uint16_t seg[TX_SLOTS], segs[TX_SLOTS];
};

/* The next datagram to get a header. */
struct tx_cursor {
	const struct out_msg *m, *end;
	uint32_t left;           /* bytes of m that have none yet; 0: m is not begun */
	struct span rest;        /* of the present piece … */
	const struct span *part; /* … and the next one */
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

/* --- headers ------------------------------------------------------------------------------------------ */

struct udp_tx *udp_tx_new(void)
{
	struct udp_tx *tx = calloc(1, sizeof(*tx));

	if (!tx)
		return NULL;
	for (uint32_t i = 0; i < TX_SLOTS; i++) {
		struct cmsghdr *seg = (void *)tx->control[i].seg;

		tx->hdr[i].msg_hdr.msg_name = &tx->name[i];
		seg->cmsg_level = IPPROTO_UDP;
		seg->cmsg_type = UDP_SEGMENT;
		seg->cmsg_len = CMSG_LEN(sizeof(uint16_t));
	}
	return tx;
}

/* Returns the length of the source part of the control data: 0 lets the kernel choose. */
static size_t put_source(struct udp_tx *tx, uint32_t i, bool v6, const struct addr *local)
{
	struct cmsghdr *c = (void *)tx->control[i].src;

	if (!v6) {
		struct in_pktinfo info = { 0 };

		if (!addr_is_v4(local))
			return 0;
		*c = (struct cmsghdr){ CMSG_LEN(sizeof(info)), IPPROTO_IP, IP_PKTINFO };
		memcpy(&info.ipi_spec_dst, local->ip + 12, 4);
		memcpy(CMSG_DATA(c), &info, sizeof(info));
		return CMSG_SPACE(sizeof(info));
	}
	struct in6_pktinfo info = { .ipi6_ifindex = local->scope };

	if (ip_is_any(local))
		return 0;
	*c = (struct cmsghdr){ CMSG_LEN(sizeof(info)), IPPROTO_IPV6, IPV6_PKTINFO };
	memcpy(&info.ipi6_addr, local->ip, 16);
	memcpy(CMSG_DATA(c), &info, sizeof(info));
	return CMSG_SPACE(sizeof(info));
}

static void begin(struct tx_cursor *c)
{
	const struct out_msg *m = c->m;

	c->left = m->len;
	c->rest = span_of(m->data, m->data ? m->len : 0);
	c->part = m->part;
}

/* The next `len` bytes of the message as vectors; returns how many. */
static uint32_t take(struct tx_cursor *c, uint32_t len, struct iovec *iov)
{
	uint32_t n = 0;

	c->left -= len;
	while (len) {
		union { /* struct iovec is for readers, too, hence not const */
			const uint8_t *c;
			void *v;
		} p;
		size_t k;

		while (c->rest.n == 0)
			c->rest = *c->part++;
		p.c = c->rest.p;
		k = c->rest.n < len ? c->rest.n : len;
		iov[n++] = (struct iovec){ p.v, k };
		c->rest = span_of(c->rest.p + k, c->rest.n - k);
		len -= (uint32_t)k;
	}
	return n;
}

static void put_slot(struct udp *u, uint32_t i, const struct out_msg *m, uint16_t segs)
{
	struct udp_tx *tx = u->mem->tx;
	struct msghdr *h = &tx->hdr[i].msg_hdr;

	h->msg_namelen = sa_put(&tx->name[i], u->v6, &m->path.remote);
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

/* What no kernel would take: UDP_ERR_MAX_ when it may. */
static enum udp_err undeliverable(const struct udp *u, const struct out_msg *m)
{
	if (m->path.remote.port == 0)
		return UDP_ERR_DEST_REQUIRED;
	if (!u->v6 && !addr_is_v4(&m->path.remote))
		return UDP_ERR_NETWORK_UNREACHABLE;
	return m->parts > TX_IOVS ? UDP_ERR_OTHER : UDP_ERR_MAX_;
}

/* One slot per message, or per datagram without GSO, up to one whose `df` differs. What cannot be sent is counted. */
static uint32_t fill_slots(struct udp *u, struct tx_cursor *c, bool df)
{
	struct udp_tx *tx = u->mem->tx;
	uint32_t n = 0, used = 0;

	while (n < TX_SLOTS && c->m < c->end) {
		const struct out_msg *m = c->m;
		enum udp_err e = undeliverable(u, m);
		bool whole = u->gso || m->segs == 1;
		struct msghdr *h = &tx->hdr[n].msg_hdr;
		uint32_t len;

		if (e != UDP_ERR_MAX_) {
			u->mem->stats.failed[e] += m->segs;
			c->m++;
			continue;
		}
		if (m->df != df || used + (m->data ? 1u : m->parts) > TX_IOVS)
			break;
		if (c->left == 0)
			begin(c);
		len = whole || c->left < m->seg ? c->left : m->seg;
		h->msg_iov = &tx->iov[used];
		h->msg_iovlen = take(c, len, h->msg_iov);
		used += (uint32_t)h->msg_iovlen;
		put_slot(u, n++, m, whole ? m->segs : 1);
		if (c->left == 0)
			c->m++;
	}
	return n;
}

/* --- system calls ------------------------------------------------------------------------------------- */

/*
 * Any error but a full buffer may be a pending one of an earlier datagram (ICMP on a connected socket), which
 * the call took off the socket without looking at this one: ask twice before it counts.
 */
static bool worth_again(bool *again, int err)
{
	*again = !*again && err_kind(err) != UDP_ERR_FULL;
	return *again;
}

/* Cuts `len` bytes off the vectors of h for one call; returns what then is left of the last one. */
static struct iovec cut(struct msghdr *h, size_t len)
{
	struct iovec *last = h->msg_iov, rest;

	for (; last->iov_len < len; last++)
		len -= last->iov_len;
	rest = (struct iovec){ (uint8_t *)last->iov_base + len, last->iov_len - len };
	last->iov_len = len;
	h->msg_iovlen = (size_t)(last - h->msg_iov) + 1;
	return rest;
}

/* The datagrams of a message whose GSO form was refused, each by itself. */
static void send_split(struct udp *u, uint32_t i)
{
	struct udp_tx *tx = u->mem->tx;
	struct udp_stats *s = &u->mem->stats;
	struct msghdr *h = &tx->hdr[i].msg_hdr;
	size_t left = 0;

	for (size_t k = 0; k < h->msg_iovlen; k++)
		left += h->msg_iov[k].iov_len;
	h->msg_control = tx->control[i].src;
	h->msg_controllen -= SEG_SPACE;
	while (left) {
		size_t len = left < tx->seg[i] ? left : tx->seg[i];
		struct iovec rest = cut(h, len);
		bool again = false;
		int err = 0;

		do {
			s->sent_calls++;
			err = sendmmsg(u->fd, &tx->hdr[i], 1, 0) == 1 ? 0 : errno;
		} while (err && worth_again(&again, err));
		if (err) {
			s->failed[err_kind(err)]++;
		} else {
			s->sent_msgs++;
			s->sent_dgrams++;
		}
		h->msg_iov += h->msg_iovlen - 1;
		*h->msg_iov = rest; /* perhaps empty: cut() steps over it */
		left -= len;
	}
}

/*
 * EIO: the route cannot checksum segments, which no other message will change. EINVAL and EMSGSIZE: a segment
 * exceeds the path MTU, which a peer can shrink by ICMP for itself, so it may cost only that peer its bursts.
 */
static bool gso_refused(struct udp *u, uint32_t i, int err)
{
	if (u->mem->tx->segs[i] <= 1 || (err != EIO && err != EINVAL && err != EMSGSIZE))
		return false;
	u->mem->stats.gso_refused++;
	if (err == EIO)
		u->gso = false;
	return true;
}

static void send_slots(struct udp *u, uint32_t n)
{
	struct udp_tx *tx = u->mem->tx;
	struct udp_stats *s = &u->mem->stats;
	bool again = false;
	uint32_t i = 0;

	while (i < n) {
		int r, err;

		s->sent_calls++;
		r = sendmmsg(u->fd, tx->hdr + i, n - i, 0);
		err = errno;
		if (r > 0) {
			again = false;
			s->sent_msgs += (uint32_t)r;
			for (; r > 0; r--)
				s->sent_dgrams += tx->segs[i++];
		} else if (gso_refused(u, i, err)) {
			again = false;
			send_split(u, i++);
		} else if (!worth_again(&again, err)) {
			s->failed[err_kind(err)] += tx->segs[i++];
		}
	}
}

/*
 * Linux has no flag for one datagram, so the socket's setting follows what is sent. A dual-stack socket has one for each
 * family. Should the kernel refuse, a datagram that may be fragmented is better than none.
 */
static void set_df(struct udp *u, bool df)
{
	(void)set_int(u->fd, IPPROTO_IP, IP_MTU_DISCOVER, df ? IP_PMTUDISC_DO : u->mem->family[u->v6].pmtu);
	if (u->v6)
		(void)set_int(u->fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, df ? IPV6_PMTUDISC_DO : IPV6_PMTUDISC_WANT);
	u->df = df;
}

void udp_send_msgs(struct udp *u, const struct out_msg *msg, uint32_t n)
{
	struct tx_cursor c = { .m = msg, .end = msg + n };

	while (c.m < c.end) {
		if (c.m->df != u->df)
			set_df(u, c.m->df);
		send_slots(u, fill_slots(u, &c, u->df));
	}
}

void udp_send(struct udp *u, struct outbox *ob)
{
	udp_send_msgs(u, ob->msg, ob->n);
	outbox_clear(ob);
}
