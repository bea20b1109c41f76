/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sys/sock.h"

#include <errno.h>
#include <netinet/in.h>
#include <unistd.h>

socklen_t sock_from_addr(const struct addr *a, struct sockaddr_storage *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (addr_is_v4(a)) {
		struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(a->port) };

		memcpy(&sin.sin_addr, a->ip + 12, 4);
		memcpy(ret, &sin, sizeof(sin));
		return sizeof(sin);
	}
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_port = htons(a->port), .sin6_scope_id = a->scope };

	memcpy(&sin6.sin6_addr, a->ip, 16);
	memcpy(ret, &sin6, sizeof(sin6));
	return sizeof(sin6);
}

struct addr sock_to_addr(const struct sockaddr_storage *ss)
{
	struct sockaddr_in6 sin6;
	struct sockaddr_in sin;
	struct addr a = { 0 };

	if (ss->ss_family == AF_INET) {
		memcpy(&sin, ss, sizeof(sin));
		return addr_from_v4((const uint8_t *)&sin.sin_addr, ntohs(sin.sin_port));
	}
	if (ss->ss_family == AF_INET6) {
		memcpy(&sin6, ss, sizeof(sin6));
		a = addr_from_v6(sin6.sin6_addr.s6_addr, ntohs(sin6.sin6_port));
		a.scope = sin6.sin6_scope_id;
	}
	return a;
}

struct addr sock_local(int fd)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t n = sizeof(ss);

	if (getsockname(fd, (struct sockaddr *)&ss, &n) < 0)
		return (struct addr){ 0 };
	return sock_to_addr(&ss);
}

int sock_listen_tcp(const struct addr *at)
{
	struct sockaddr_storage ss;
	socklen_t n = sock_from_addr(at, &ss);
	int fd, r, on = 1, off = 0;

	fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (ss.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (bind(fd, (struct sockaddr *)&ss, n) == 0 && listen(fd, SOMAXCONN) == 0)
		return fd;
	r = -errno;
	close(fd);
	return r;
}
