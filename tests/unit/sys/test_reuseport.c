/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sys/reuseport.h"

#include "t.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <unistd.h>

#include "sys/sock.h"

#define SOCKS 3
#define SENDERS 64

static int bound(const struct addr *at, bool share)
{
	struct sockaddr_storage ss;
	socklen_t n = sock_from_addr(at, &ss);
	int fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = share;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0 ||
	    bind(fd, (struct sockaddr *)&ss, n) < 0)
		return -1;
	return fd;
}

static void peer_to(int fd, const struct addr *to)
{
	struct sockaddr_storage ss;
	socklen_t n = sock_from_addr(to, &ss);

	if (connect(fd, (struct sockaddr *)&ss, n) < 0)
		abort();
}

/* Which of the sockets got the datagram, -1: none. */
static int who_got(const int fd[], int n)
{
	uint8_t byte;
	int who = -1;

	for (int i = 0; i < n; i++) {
		if (recv(fd[i], &byte, 1, 0) == 1)
			who = i;
	}
	return who;
}

static int ask(int sender, const int fd[], int n)
{
	if (send(sender, "x", 1, 0) != 1)
		abort();
	return who_got(fd, n);
}

/* Senders are spread over all sockets and stay with theirs, whatever connected sockets come and go; such a one gets its
 * peer's datagrams only. */
static void spread(struct addr lo)
{
	int fd[SOCKS + 1], sender[SENDERS], home[SENDERS], count[SOCKS] = { 0 };
	struct addr at = lo, peer;

	for (int i = 0; i < SOCKS; i++) {
		fd[i] = bound(&at, true);
		at = sock_local(fd[i]);
	}
	EQ(reuseport_spread(fd[1], SOCKS, true), 0);
	for (int i = 0; i < SENDERS; i++) {
		sender[i] = bound(&lo, false);
		peer_to(sender[i], &at);
		home[i] = ask(sender[i], fd, SOCKS);
		if (home[i] >= 0)
			count[home[i]]++;
	}
	for (int i = 0; i < SOCKS; i++)
		OK(count[i] >= SENDERS / SOCKS / 3);
	peer = sock_local(sender[0]);
	fd[SOCKS] = bound(&at, true);
	peer_to(fd[SOCKS], &peer);
	EQ(ask(sender[0], fd, SOCKS + 1), SOCKS);
	for (int i = 1; i < SENDERS; i++)
		EQ(ask(sender[i], fd, SOCKS + 1), home[i]);
	close(fd[SOCKS]);
	for (int i = 0; i < SENDERS; i++)
		EQ(ask(sender[i], fd, SOCKS), home[i]);
	for (int i = 0; i < SENDERS; i++)
		close(sender[i]);
	for (int i = 0; i < SOCKS; i++)
		close(fd[i]);
}

static void senders_stay_with_their_socket(void)
{
	static const uint8_t one[16] = { [15] = 1 };
	struct addr lo6 = addr_from_v6(one, 0);
	int probe = bound(&lo6, false);

	t_row = "IPv4: ";
	spread(addr_v4(127, 0, 0, 1, 0));
	t_row = "IPv6: ";
	if (probe >= 0) {
		close(probe);
		spread(lo6);
	}
}

/* By address alone: every sender of a host has the same socket, and hosts differ. */
static void hosts_stay_together(void)
{
	struct addr at = addr_v4(127, 0, 0, 1, 0);
	int fd[SOCKS], seen[SOCKS] = { 0 };

	for (int i = 0; i < SOCKS; i++) {
		fd[i] = bound(&at, true);
		at = sock_local(fd[i]);
	}
	EQ(reuseport_spread(fd[0], SOCKS, false), 0);
	for (uint8_t host = 1; host < 40; host++) {
		const struct addr from = addr_v4(127, 0, 0, host, 0);
		int first = -1;

		for (int i = 0; i < 4; i++) {
			int sender = bound(&from, false), who;

			peer_to(sender, &at);
			who = ask(sender, fd, SOCKS);
			first = i ? first : who;
			EQ(who, first);
			close(sender);
		}
		if (first >= 0)
			seen[first]++;
	}
	for (int i = 0; i < SOCKS; i++) {
		OK(seen[i] > 0);
		close(fd[i]);
	}
}

static void not_a_socket(void)
{
	OK(reuseport_spread(-1, 2, true) < 0);
	OK(reuseport_spread(STDIN_FILENO, 2, true) < 0);
}

T_MAIN(T(senders_stay_with_their_socket), T(hosts_stay_together), T(not_a_socket))
