/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sys/sock.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* At rest a peer is asked after KEEP_IDLE, and given up UNACKED_MS later. */
#define KEEP_IDLE 45
#define KEEP_INTERVAL 15
#define UNACKED_MS 30000

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

static int tcp_socket(int family)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd < 0 ? -errno : fd;
}

static void set_int(int fd, int level, int name, int value)
{
	(void)setsockopt(fd, level, name, &value, sizeof(value));
}

static int close_with(int fd, int err)
{
	close(fd);
	return err;
}

static int listen_at(const struct addr *at, bool shared)
{
	struct sockaddr_storage ss;
	socklen_t n = sock_from_addr(at, &ss);
	int fd = tcp_socket(ss.ss_family), on = 1;

	if (fd < 0)
		return fd;
	set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (ss.ss_family == AF_INET6)
		set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
	if (shared && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0)
		return close_with(fd, -errno);
	if (bind(fd, (struct sockaddr *)&ss, n) < 0 || listen(fd, SOMAXCONN) < 0)
		return close_with(fd, -errno);
	return fd;
}

int sock_listen_tcp(const struct addr *at)
{
	return listen_at(at, false);
}

int sock_listen_shared(const struct addr *at)
{
	return listen_at(at, true);
}

/* A socket and the address for it; -errno. */
static int unix_socket(const char *path, struct sockaddr_un *ret)
{
	int fd;

	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(ret->sun_path))
		return -ENAMETOOLONG;
	memcpy(ret->sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	return fd < 0 ? -errno : fd;
}

int sock_connect_unix(const char *path)
{
	struct sockaddr_un sun;
	int fd = unix_socket(path, &sun);

	if (fd < 0)
		return fd;
	if (connect(fd, (const struct sockaddr *)&sun, sizeof(sun)) < 0)
		return close_with(fd, -errno);
	return fd;
}

/* Removes a socket file that nobody answers on. -EADDRINUSE when somebody does, or when it is no socket. */
static int remove_stale(const char *path)
{
	struct stat st;
	int fd;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EADDRINUSE;
	fd = sock_connect_unix(path);
	if (fd >= 0)
		return close_with(fd, -EADDRINUSE);
	if (fd != -ECONNREFUSED)
		return -EADDRINUSE;
	return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

int sock_listen_unix(const char *path, mode_t mode)
{
	struct sockaddr_un sun;
	int fd = unix_socket(path, &sun), r;

	if (fd < 0)
		return fd;
	r = remove_stale(path);
	if (r < 0)
		return close_with(fd, r);
	/* The mode of the descriptor bounds that of the file from its first moment; chmod undoes the umask. */
	if (fchmod(fd, mode) < 0 || bind(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0 || chmod(path, mode) < 0 ||
	    listen(fd, SOMAXCONN) < 0)
		return close_with(fd, -errno);
	return fd;
}

int sock_accept(int fd, struct addr *ret_peer)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t n = sizeof(ss);
	int got = accept4(fd, (struct sockaddr *)&ss, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (got < 0)
		return -errno;
	if (ss.ss_family != AF_UNIX)
		set_int(got, IPPROTO_TCP, TCP_NODELAY, 1);
	*ret_peer = sock_to_addr(&ss);
	return got;
}

/* To an address that a listening socket has, or may have. */
static int bind_shared(int fd, const struct addr *from)
{
	struct sockaddr_storage ss;
	socklen_t n = sock_from_addr(from, &ss);
	int on = 1;

	set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0 || bind(fd, (struct sockaddr *)&ss, n) < 0)
		return -errno;
	return 0;
}

int sock_connect_tcp(const struct addr *from, const struct addr *to)
{
	struct sockaddr_storage ss;
	socklen_t n = sock_from_addr(to, &ss);
	int fd = tcp_socket(ss.ss_family), r;

	if (fd < 0)
		return fd;
	set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	r = from ? bind_shared(fd, from) : 0;
	if (r < 0)
		return close_with(fd, r);
	if (connect(fd, (struct sockaddr *)&ss, n) < 0 && errno != EINPROGRESS)
		return close_with(fd, -errno);
	return fd;
}

int sock_outcome(int fd)
{
	socklen_t n = sizeof(int);
	int err = 0;

	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &n) < 0 ? -errno : -err;
}

int sock_peek(int fd)
{
	uint8_t byte;
	ssize_t n = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	return n < 0 ? -errno : (int)n;
}

void sock_end(int fd)
{
	(void)shutdown(fd, SHUT_WR); /* gone already: reading tells */
}

void sock_notice_gone(int fd)
{
	set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEP_IDLE);
	set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEP_INTERVAL);
	set_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, UNACKED_MS);
}

bool sock_closed(int fd)
{
	struct pollfd p = { .fd = fd };

	return poll(&p, 1, 0) == 1 && (p.revents & (POLLHUP | POLLERR));
}

void sock_abort(int fd)
{
	const struct linger now = { .l_onoff = 1 };

	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}
