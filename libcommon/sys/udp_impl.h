/* SPDX-License-Identifier: AGPL-3.0-only */
/* What udp.c (opening, receiving) and udp_tx.c (sending) share; nobody else includes it. */
#ifndef SYS_UDP_IMPL_H
#define SYS_UDP_IMPL_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include "sys/udp.h"

union sa {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

struct udp_rx;
struct udp_tx;

/* What the kernel says of a family, asked of its first socket. */
struct udp_family {
	bool known, gso;
	int pmtu; /* IP_MTU_DISCOVER as the administrator wants it (net.ipv4.ip_no_pmtu_disc) */
};

struct udp_mem {
	struct udp_rx *rx;
	struct udp_tx *tx;
	struct udp_stats stats;
	struct udp_family family[2]; /* AF_INET, AF_INET6 */
	bool no_force;               /* SO_*BUFFORCE was refused once: it will be again */
};

/* udp_tx.c. NULL without memory; freed by free(). */
struct udp_tx *udp_tx_new(void);

static inline bool ip_is_any(const struct addr *a)
{
	static const uint8_t any[16];

	return memcmp(a->ip, any, sizeof(any)) == 0;
}

/* The family is the socket's; its length is returned. */
static inline socklen_t sa_put(union sa *sa, bool v6, const struct addr *a)
{
	if (!v6) {
		sa->v4 = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(a->port) };
		memcpy(&sa->v4.sin_addr, a->ip + 12, 4);
		return sizeof(sa->v4);
	}
	sa->v6 = (struct sockaddr_in6){
		.sin6_family = AF_INET6, .sin6_port = htons(a->port), .sin6_scope_id = a->scope
	};
	memcpy(&sa->v6.sin6_addr, a->ip, 16);
	return sizeof(sa->v6);
}

static inline int set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value));
}

#endif
