/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * One outgoing connection on the loop: TCP, or a UDP socket that hears one peer only. For those who ask now and then:
 * probes, tools. It belongs to its owner until outbound_free, which may be called anywhere, its own callbacks included.
 */
#ifndef SYS_OUTBOUND_H
#define SYS_OUTBOUND_H

#include "base/addr.h"
#include "sys/loop.h"

struct outbound;

struct outbound_ops {
	void (*open)(void *arg); /* TCP: connected; UDP: at once. From the loop */
	/* TCP: bytes waiting; how many were used, called again only when more arrive. UDP: one datagram, used whole. */
	size_t (*data)(void *arg, struct span in);
	/* No more calls after this one, also instead of open. 0: the peer's end of file; -errno (-ECONNREFUSED, for UDP by ICMP);
	 * ERR_LIMIT: more unused bytes than in_max. */
	void (*closed)(void *arg, int why);
};

/* ERR_NOMEM, or -errno for what has nothing to do with the peer. in_max: unused bytes of a stream. */
int outbound_tcp(struct loop *l, const struct addr *to, size_t in_max, const struct outbound_ops *ops, void *arg,
		 struct outbound **ret);
int outbound_udp(struct loop *l, const struct addr *to, const struct outbound_ops *ops, void *arg, struct outbound **ret);
/* Once open. TCP: all of it, queued; UDP: one datagram, lost when the socket does not take it. */
void outbound_send(struct outbound *o, struct span out);
/* Sends what the socket takes at once of what is queued, and closes. NULL allowed. */
void outbound_free(struct outbound *o);

#endif
