/* SPDX-License-Identifier: AGPL-3.0-only */
/* No getifaddrs(3): it wants a netlink socket, which no unit of ours allows. */
#include "sys/host_addrs.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/err.h"
#include "sys/sock.h"

#define V6_FILE "/proc/self/net/if_inet6"
#define V4_MAX 4096

struct list {
	struct addr *a;
	uint32_t n, max;
	bool more;
};

static void add(struct list *l, struct addr a)
{
	for (uint32_t i = 0; i < l->n; i++) {
		if (addr_eq(&l->a[i], &a))
			return;
	}
	if (l->n < l->max)
		l->a[l->n++] = a;
	else
		l->more = true;
}

static void add_v4(struct list *l, const struct ifreq *q, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct sockaddr_storage ss = { 0 };
		struct addr a;

		memcpy(&ss, &q[i].ifr_addr, sizeof(q[i].ifr_addr));
		a = sock_to_addr(&ss);
		a.port = 0;
		if (!addr_is_unset(&a))
			add(l, a);
	}
}

static int list_v4(struct list *l)
{
	struct ifreq *q = calloc(V4_MAX, sizeof(*q));
	struct ifconf c = { .ifc_len = (int)(V4_MAX * sizeof(*q)), .ifc_req = q };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int r = 0;

	if (!q)
		r = ERR_NOMEM;
	else if (fd < 0 || ioctl(fd, SIOCGIFCONF, &c) < 0)
		r = -errno;
	else
		add_v4(l, q, (size_t)c.ifc_len / sizeof(*q));
	if (fd >= 0)
		close(fd);
	free(q);
	return r;
}

/* "fe80000000000000020000fffe000001 02 40 20 80 eth0": address, interface index, prefix length, scope, flags, name. */
static void list_v6(struct list *l)
{
	FILE *f = fopen(V6_FILE, "re");
	char line[128];

	while (f && fgets(line, sizeof(line), f)) {
		uint8_t ip[16];
		unsigned byte, index;
		struct addr a;
		int n = 0;

		while (n < 16 && sscanf(line + 2 * n, "%2x", &byte) == 1)
			ip[n++] = (uint8_t)byte;
		if (n < 16 || sscanf(line + 32, " %x", &index) != 1)
			continue;
		a = addr_from_v6(ip, 0);
		if (addr_classify(&a) == ADDR_LINK_LOCAL)
			a.scope = index;
		add(l, a);
	}
	if (f)
		fclose(f);
}

int host_addrs(struct addr *ret, uint32_t max, bool *ret_more)
{
	struct list l = { .a = ret, .max = max };
	int r = list_v4(&l);

	if (r < 0)
		return r;
	list_v6(&l); /* without IPv6 there is no file */
	*ret_more = l.more;
	return (int)l.n;
}

bool host_primary(bool v4, struct addr *ret)
{
	/* Connecting a datagram socket looks up the route and sends nothing. Addresses of documentation (RFC 5737, RFC 3849)
	 * go by the default route, and nowhere else by mistake. */
	static const uint8_t doc6[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 };
	const struct addr there = v4 ? addr_v4(192, 0, 2, 1, 9) : addr_from_v6(doc6, 9);
	struct sockaddr_storage ss;
	socklen_t n = sock_from_addr(&there, &ss);
	int fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct addr a = { 0 };

	if (fd < 0)
		return false;
	if (connect(fd, (struct sockaddr *)&ss, n) == 0)
		a = sock_local(fd);
	close(fd);
	if (addr_is_unset(&a))
		return false;
	a.port = 0;
	*ret = a;
	return true;
}

bool host_has_v6(void)
{
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return false;
	close(fd);
	return true;
}
