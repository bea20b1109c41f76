/* SPDX-License-Identifier: AGPL-3.0-only */
#include "t.h"

#include <errno.h>
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

T_MAIN(T(address_round_trip), T(other_families_have_no_address), T(listening))
