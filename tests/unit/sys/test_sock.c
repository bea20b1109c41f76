/* SPDX-License-Identifier: AGPL-3.0-only */
#include "t.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/sock.h"

/* An address survives the kernel's form and back; IPv4 uses AF_INET, so that it works without IPv6. */
static void address_round_trip(void)
{
	const struct {
		const char *row, *text;
		int family;
		uint32_t scope;
	} rows[] = {
		{ "v4: ", "192.0.2.1:80", AF_INET, 0 },
		{ "any v4: ", "0.0.0.0:1", AF_INET, 0 },
		{ "v6: ", "[2001:db8::1]:443", AF_INET6, 0 },
		{ "link-local: ", "[fe80::1]:443", AF_INET6, 7 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct sockaddr_storage ss;
		struct addr a, b;

		t_row = rows[i].row;
		EQ(addr_parse(span_str(rows[i].text), &a), 0);
		a.scope = rows[i].scope;
		OK(sock_from_addr(&a, &ss) > 0);
		EQ(ss.ss_family, rows[i].family);
		b = sock_to_addr(&ss);
		OK(addr_eq(&a, &b));
	}
}

/* A family that is no IP has no address. */
static void other_families_have_no_address(void)
{
	struct sockaddr_storage ss = { .ss_family = AF_UNIX };
	struct addr a = sock_to_addr(&ss);

	OK(addr_is_unset(&a));
	a = sock_local(-1);
	OK(addr_is_unset(&a));
}

/* Port 0 picks one and tells it; a taken port is an error; `::` takes IPv4, too. */
static void listening(void)
{
	const struct addr lo = addr_v4(127, 0, 0, 1, 0), all6 = { 0 };
	struct sockaddr_storage ss;
	struct addr at;
	int fd, again, client;
	socklen_t n;

	fd = sock_listen_tcp(&lo);
	OK(fd >= 0);
	at = sock_local(fd);
	OK(at.port != 0 && addr_same_ip(&at, &lo));
	again = sock_listen_tcp(&at);
	EQ(again, -EADDRINUSE);
	close(fd);

	fd = sock_listen_tcp(&all6);
	if (fd == -EAFNOSUPPORT) {
		printf("# SKIP dual stack: no IPv6 here\n");
		return;
	}
	OK(fd >= 0);
	at = addr_v4(127, 0, 0, 1, sock_local(fd).port);
	n = sock_from_addr(&at, &ss);
	client = socket(AF_INET, SOCK_STREAM, 0);
	EQ(connect(client, (struct sockaddr *)&ss, n), 0);
	close(client);
	close(fd);
}

static void wait_for(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	EQ(poll(&p, 1, 2000), 1);
}

/* Several sockets may share an address when all of them say so; connecting from it is allowed, too. */
static void shared_address(void)
{
	const struct addr lo = addr_v4(127, 0, 0, 1, 0);
	struct addr at, peer, other;
	int a = sock_listen_shared(&lo), b, c, far, near;

	OK(a >= 0);
	at = sock_local(a);
	b = sock_listen_shared(&at);
	OK(b >= 0);
	EQ(sock_listen_tcp(&at), -EADDRINUSE);
	far = sock_listen_tcp(&lo);
	other = sock_local(far);
	near = sock_connect_tcp(&at, &other);
	OK(near >= 0);
	wait_for(far, POLLIN);
	c = sock_accept(far, &peer);
	OK(c >= 0 && addr_eq(&peer, &at));
	wait_for(near, POLLOUT);
	EQ(sock_outcome(near), 0);
	EQ(sock_accept(far, &peer), -EAGAIN);
	close(a);
	close(b);
	close(c);
	close(far);
	close(near);
}

/* The outcome of connecting to nobody, and what a stream says about itself. */
static void outcomes(void)
{
	struct addr nobody = addr_v4(127, 0, 0, 1, 0), peer;
	const struct addr lo = nobody;
	int fd = sock_listen_tcp(&lo), near, c;

	nobody = sock_local(fd);
	near = sock_connect_tcp(&lo, &nobody);
	wait_for(fd, POLLIN);
	c = sock_accept(fd, &peer);
	EQ(sock_peek(near), -EAGAIN);
	EQ(write(c, "x", 1), 1);
	wait_for(near, POLLIN);
	EQ(sock_peek(near), 1);
	EQ(sock_peek(near), 1);
	sock_end(near);
	wait_for(c, POLLIN);
	EQ(sock_peek(c), 0);
	close(c);
	close(near);
	close(fd);
	near = sock_connect_tcp(&lo, &nobody);
	if (near >= 0) {
		wait_for(near, POLLOUT);
		EQ(sock_outcome(near), -ECONNREFUSED);
		close(near);
	} else {
		EQ(near, -ECONNREFUSED);
	}
}

static int accepted(int listener)
{
	struct addr peer;

	wait_for(listener, POLLIN);
	return sock_accept(listener, &peer);
}

/* From wherever the kernel likes; and the other end of what is broken off does not take it for the end. */
static void aborting_is_a_reset(void)
{
	static const struct {
		const char *row;
		bool abort;
		int want;
	} rows[] = {
		{ "closed: ", false, 0 },
		{ "aborted: ", true, -ECONNRESET },
	};
	struct addr at = addr_v4(127, 0, 0, 1, 0);
	int listener = sock_listen_tcp(&at);

	at = sock_local(listener);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int near = sock_connect_tcp(NULL, &at), far = accepted(listener);

		t_row = rows[i].row;
		OK(near >= 0 && far >= 0);
		if (rows[i].abort)
			sock_abort(near);
		else
			close(near);
		wait_for(far, POLLIN);
		EQ(sock_peek(far), rows[i].want);
		close(far);
	}
	close(listener);
}

static int option(int fd, int level, int name)
{
	socklen_t n = sizeof(int);
	int v = -1;

	return getsockopt(fd, level, name, &v, &n) < 0 ? -1 : v;
}

static void a_peer_that_is_gone_is_looked_for_when_asked(void)
{
	struct addr at = addr_v4(127, 0, 0, 1, 0);
	int listener = sock_listen_tcp(&at), fd;

	at = sock_local(listener);
	fd = sock_connect_tcp(NULL, &at);
	EQ(option(fd, IPPROTO_TCP, TCP_NODELAY), 1);
	EQ(option(fd, SOL_SOCKET, SO_KEEPALIVE), 0);
	sock_notice_gone(fd);
	EQ(option(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
	EQ(option(fd, IPPROTO_TCP, TCP_KEEPIDLE) * 1000 + option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 75000);
	close(fd);
	close(listener);
}

static void half_closed_is_not_closed(void)
{
	int fd[2];

	EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	OK(!sock_closed(fd[0]));
	sock_end(fd[1]);
	EQ(sock_peek(fd[0]), 0);
	OK(!sock_closed(fd[0]));
	close(fd[1]);
	OK(sock_closed(fd[0]));
	close(fd[0]);
}

/* A socket file has the mode that was asked for; one that nobody answers on is replaced, another is not. */
static void unix_sockets(void)
{
	char dir[] = "/tmp/test_sock.XXXXXX", path[64], longer[200];
	struct addr peer;
	struct stat st;
	int fd, c, again;

	OK(mkdtemp(dir) != NULL);
	snprintf(path, sizeof(path), "%s/s", dir);
	fd = sock_listen_unix(path, 0620);
	OK(fd >= 0);
	EQ(stat(path, &st), 0);
	EQ(st.st_mode & 0777, 0620);
	c = sock_connect_unix(path);
	OK(c >= 0);
	again = sock_accept(fd, &peer);
	OK(again >= 0 && addr_is_unset(&peer));
	close(again);
	close(c);
	EQ(sock_listen_unix(path, 0600), -EADDRINUSE);
	close(fd);
	EQ(sock_connect_unix(path), -ECONNREFUSED);
	fd = sock_listen_unix(path, 0600);
	OK(fd >= 0);
	close(fd);
	unlink(path);
	EQ(sock_connect_unix(path), -ENOENT);
	EQ(sock_listen_unix(dir, 0600), -EADDRINUSE); /* no socket */
	memset(longer, 'x', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	EQ(sock_listen_unix(longer, 0600), -ENAMETOOLONG);
	rmdir(dir);
}

T_MAIN(T(address_round_trip), T(other_families_have_no_address), T(listening), T(shared_address), T(outcomes),
       T(aborting_is_a_reset), T(a_peer_that_is_gone_is_looked_for_when_asked), T(half_closed_is_not_closed), T(unix_sockets))
