/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * UDP at many datagrams per system call: recvmmsg with UDP_GRO in, sendmmsg of UDP_SEGMENT (GSO) messages
 * out, the real local address of each datagram in both directions. A socket whose route cannot do GSO (EIO)
 * falls back to plain sendmmsg for good: `gso` turns false, the caller says so once. A single message that is
 * refused (a path MTU below its segments) goes out datagram by datagram and costs no other peer its GSO.
 *
 * The memory for batches belongs to a thread, not to a socket: a relay has thousands of sockets and one udp_mem.
 */
#ifndef SYS_UDP_H
#define SYS_UDP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/outbox.h"

#define UDP_RX_MSGS 16      /* messages per recvmmsg */
#define UDP_RX_BYTES 65536  /* memory per message: one GRO train */
#define UDP_RX_DGRAMS 256   /* datagrams handed out per udp_recv at most */

enum udp_err { /* kinds of failed sends, for counters */
	UDP_ERR_DEST_REQUIRED,
	UDP_ERR_NETWORK_UNREACHABLE,
	UDP_ERR_HOST_UNREACHABLE,
	UDP_ERR_PERM,
	UDP_ERR_FULL, /* the socket buffer is full: dropped, as a router would */
	UDP_ERR_OTHER,
	UDP_ERR_MAX_
};

struct udp_conf {
	struct addr bind; /* an unspecified IPv6 address takes IPv4, too */
	uint32_t rcvbuf, sndbuf; /* bytes; 0 = the kernel's default. Tries SO_*BUFFORCE first */
	bool reuseport;
	bool one_local;      /* bound to one address: path.local of what arrives stays unset, what leaves needs none */
	struct addr connect; /* when set: only this peer, but for what came between bind and connect; in a reuseport group
			      * the socket is preferred for that peer */
	bool no_gso, no_gro; /* for benches and tests of the fallback */
};

struct dgram {
	struct path path;
	uint8_t *p; /* writable: SRTP opens in place. Valid until the next udp_recv */
	uint16_t n;
	uint8_t ecn;
};

struct udp_stats {
	uint64_t sent_dgrams, sent_msgs, sent_calls, recv_dgrams, recv_msgs, recv_calls;
	uint64_t truncated;            /* received datagrams dropped because they exceed OUTBOX_DGRAM_MAX */
	uint64_t failed[UDP_ERR_MAX_]; /* datagrams not sent */
	uint64_t gso_refused;          /* messages that had to be sent datagram by datagram */
};

struct udp_mem; /* receive buffers and send headers; the counters of all its sockets */

struct udp {
	int fd;              /* -1 when closed */
	struct addr local;   /* as bound, with the real port */
	bool v6;             /* the socket is AF_INET6 (dual stack when bound to ::) */
	bool gso;            /* false: packet by packet */
	bool df;             /* the present setting: what is sent may not be fragmented */
	struct udp_mem *mem; /* borrowed */
};

/* NULL without memory. Outlives its sockets; one thread uses it and them. */
struct udp_mem *udp_mem_new(void);
void udp_mem_free(struct udp_mem *m); /* NULL allowed */
const struct udp_stats *udp_mem_stats(const struct udp_mem *m);

/* Logs nothing. -errno; *u is closed on failure. */
int udp_open(struct udp *u, struct udp_mem *m, const struct udp_conf *c);
void udp_close(struct udp *u); /* forgets what udp_recv kept of it; zeroed memory and a closed one are allowed */

/*
 * One recvmmsg. The datagrams of GRO trains come out one by one, in order; path.local has port 0. Count, 0 when
 * nothing waits (or all that came was too large), -errno. A count of UDP_RX_DGRAMS means that more may be kept
 * in the memory, which the descriptor does not show as readable: call again before waiting, and before receiving on
 * another socket of the same memory, which loses the rest.
 */
int udp_recv(struct udp *u, struct dgram dgrams[UDP_RX_DGRAMS]);

/*
 * Sends all of the box and clears it. Failures are counted per datagram; a full socket buffer is not waited
 * for: UDP may lose, and a loop that spins on one socket starves all others. Size sndbuf for a whole box. A `df`
 * datagram that exceeds the path MTU counts as UDP_ERR_OTHER. Changing df costs a system call: group by it.
 */
void udp_send(struct udp *u, struct outbox *ob);
/* The same for some messages of a box whose others leave by other sockets; clears nothing. */
void udp_send_msgs(struct udp *u, const struct out_msg *msg, uint32_t n);

const char *udp_err_str(enum udp_err e); /* the metric label */

#endif
