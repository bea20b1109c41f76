/* SPDX-License-Identifier: AGPL-3.0-only */
/* Opening and receiving; sockets that share a memory. */
#include "udp_rig.h"

/* The local address of a datagram is the one it was sent to, and an answer along the same path comes from it. */
static void local_address_is_real_in_both_directions(void)
{
	const struct {
		const char *row, *bind, *client, *to;
		bool v6;
	} rows[] = {
		{ "v4 any: ", "0.0.0.0", "127.0.0.1", "127.0.0.2", false },
		{ "v4 fixed: ", "127.0.0.3", "127.0.0.1", "127.0.0.3", false },
		{ "dual stack, v4: ", "::", "127.0.0.1", "127.0.0.2", true },
		{ "dual stack, v6: ", "::", "::1", "::1", true },
		{ "v6 fixed: ", "::1", "::1", "::1", true },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(shut) struct udp server = { .fd = -1 }, client = { .fd = -1 };
		struct addr to = text(rows[i].to);
		struct path path = { 0 };

		t_row = rows[i].row;
		if (rows[i].v6 && !have_v6())
			continue;
		OK(open_at(&server, rows[i].bind, false, false) && open_at(&client, rows[i].client, false, false));
		EQ(server.v6, rows[i].v6);
		path.remote = with_port(rows[i].to, &server);
		exchange(&client, &server, &path);
		for (unsigned k = 0; k < 3; k++) {
			OK(addr_eq(&got[k].path.local, &to));
			OK(addr_eq(&got[k].path.remote, &client.local));
		}
		path = got[0].path;
		exchange(&server, &client, &path);
		for (unsigned k = 0; k < 3; k++) {
			OK(addr_same_ip(&got[k].path.remote, &to));
			EQ(got[k].path.remote.port, server.local.port);
		}
	}
}

/* The two ECN bits come out of the TOS byte of IPv4 and the traffic class of IPv6. */
static void ecn_is_the_low_two_bits(void)
{
	const struct {
		const char *row, *bind, *to;
		int level, name, tos;
	} rows[] = {
		{ "v4: ", "127.0.0.1", "127.0.0.1", IPPROTO_IP, IP_TOS, 0xb9 },
		{ "v4 on dual stack: ", "::", "127.0.0.1", IPPROTO_IP, IP_TOS, 0x02 },
		{ "v6: ", "::", "::1", IPPROTO_IPV6, IPV6_TCLASS, 0xbb },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(shut) struct udp server = { .fd = -1 }, client = { .fd = -1 };
		struct path path = { 0 };

		t_row = rows[i].row;
		if (i > 0 && !have_v6())
			continue;
		OK(open_at(&server, rows[i].bind, false, false) && open_at(&client, rows[i].to, false, false));
		EQ(setsockopt(client.fd, rows[i].level, rows[i].name, &rows[i].tos, sizeof(rows[i].tos)), 0);
		path.remote = with_port(rows[i].to, &server);
		box_init(&client);
		put(&path, 0, 50);
		put(&path, 1, 50);
		udp_send(&client, &box.ob);
		EQ(take(&server, 2), 2);
		EQ(got[0].ecn, rows[i].tos & 3);
		EQ(got[1].ecn, rows[i].tos & 3);
	}
}

/* Every combination of offloads delivers the same datagrams in the same order, short last segments included. */
static void trains_arrive_in_order_and_intact(void)
{
	const struct {
		const char *row, *ip;
		bool no_gso, no_gro;
		uint64_t msgs; /* sent */
	} rows[] = {
		{ "v4: ", "127.0.0.1", false, false, 5 },
		{ "v4, no GSO: ", "127.0.0.1", true, false, 148 },
		{ "v4, no GRO: ", "127.0.0.1", false, true, 5 },
		{ "v4, neither: ", "127.0.0.1", true, true, 148 },
		{ "v6: ", "::1", false, false, 5 },
		{ "v6, neither: ", "::1", true, true, 148 },
	};
	/* Messages: 54 (65000 bytes are full), 16 + the short one, 2048 + a shorter one, 64 (no more allowed), 11. */
	const struct {
		unsigned count;
		size_t n;
	} run[] = { { 70, 1200 }, { 1, 7 }, { 1, 2048 }, { 76, 150 } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(shut) struct udp server = { .fd = -1 }, client = { .fd = -1 };
		struct path path = { 0 };
		unsigned k = 0;

		t_row = rows[i].row;
		if (rows[i].ip[0] == ':' && !have_v6())
			continue;
		OK(open_at(&server, rows[i].ip, rows[i].no_gso, rows[i].no_gro));
		OK(open_at(&client, rows[i].ip, rows[i].no_gso, rows[i].no_gro));
		path.remote = server.local;
		box_init(&client);
		for (size_t j = 0; j < ARRAY_LEN(run); j++)
			for (unsigned c = 0; c < run[j].count; c++)
				put(&path, k++, run[j].n);
		udp_send(&client, &box.ob);
		EQ(box.ob.n, 0);
		EQ(stats(&client)->sent_dgrams, 148);
		EQ(stats(&client)->sent_msgs, rows[i].msgs);
		EQ(take(&server, 148), 148);
		k = 0;
		for (size_t j = 0; j < ARRAY_LEN(run); j++)
			for (unsigned c = 0; c < run[j].count; c++, k++)
				OK(intact(&got[k], k, run[j].n));
		EQ(stats(&server)->recv_dgrams, 148);
		if (!rows[i].no_gro)
			EQ(stats(&server)->recv_msgs, stats(&client)->sent_msgs);
	}
}

/* An ICMP error that waits on a connected socket belongs to an old datagram: neither direction may suffer. */
static void pending_icmp_error_loses_nothing(void)
{
	CLEANUP(shut) struct udp closed = { .fd = -1 }, server = { .fd = -1 }, client = { .fd = -1 };
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct pollfd p = { .events = POLLERR };
	struct path path = { 0 };

	OK(open_at(&closed, "127.0.0.1", false, false) && open_pair(&server, &client));
	to.sin_port = htons(closed.local.port);
	udp_close(&closed);
	EQ(connect(client.fd, (struct sockaddr *)&to, sizeof(to)), 0);
	p.fd = client.fd;

	EQ(send(client.fd, "x", 1, 0), 1);
	EQ(poll(&p, 1, WAIT_MS), 1);
	path.remote = server.local;
	box_init(&client);
	for (unsigned k = 0; k < 5; k++)
		put(&path, k, 100);
	udp_send(&client, &box.ob);
	EQ(take(&server, 5), 5);
	EQ(stats(&client)->sent_dgrams, 5);
	EQ(stats(&client)->failed[UDP_ERR_HOST_UNREACHABLE], 0);

	EQ(send(client.fd, "x", 1, 0), 1);
	EQ(poll(&p, 1, WAIT_MS), 1);
	EQ(udp_recv(&client, got), 0);
}

/*
 * What one udp_recv has no room for comes with the next ones, although the descriptor shows nothing any more:
 * 14 messages come in by one system call and leave by four. The marker is sent last, loopback keeps the order:
 * once it is there, so is everything else.
 */
static void remainder_waits_for_the_next_call(void)
{
	static const int want[] = { 256, 256, 256, 9 };
	CLEANUP(shut) struct udp server = { .fd = -1 }, client = { .fd = -1 }, marker = { .fd = -1 };
	struct path path = { 0 }, last = { 0 };
	struct pollfd p;
	unsigned k = 0;

	OK(open_pair(&server, &client));
	OK(open_at(&marker, "127.0.0.1", false, false));
	OK(client.gso);
	path.remote = server.local;
	last.remote = marker.local;
	box_init(&client);
	for (unsigned i = 0; i < 30; i++) /* so that no border of 256 is one of a message */
		put(&path, i, 40);
	for (unsigned i = 30; i < 777; i++)
		put(&path, i, i < 60 ? 41 : 40);
	EQ(box.ob.n, 14);
	put(&last, 0, 10);
	udp_send(&client, &box.ob);
	EQ(take(&marker, 1), 1);
	p = (struct pollfd){ .fd = server.fd, .events = POLLIN };
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		EQ(udp_recv(&server, got), want[i]);
		for (int j = 0; j < want[i]; j++, k++)
			OK(intact(&got[j], k, k >= 30 && k < 60 ? 41 : 40));
		EQ(stats(&server)->recv_calls, 1);
		EQ(poll(&p, 1, 0), 0);
	}
	EQ(udp_recv(&server, got), 0);
}

static void raw_send(const struct udp *to, const void *p, size_t n, uint16_t seg)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), v = seg;

	sa.sin_port = htons(to->local.port);
	OK(seg == 0 || setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &v, sizeof(v)) == 0);
	EQ(sendto(fd, p, n, 0, (struct sockaddr *)&sa, sizeof(sa)), (ssize_t)n);
	close(fd);
}

/* Datagrams that fit no buffer of ours are dropped and counted, each; their neighbours and empty ones come through. */
static void oversize_is_dropped_and_counted(void)
{
	static uint8_t big[65507];
	static const struct {
		const char *row;
		size_t n;
		uint16_t seg;
		uint64_t truncated;
		size_t want; /* size of the datagram that arrives; 9999: none */
	} rows[] = {
		{ "largest: ", OUTBOX_DGRAM_MAX, 0, 0, OUTBOX_DGRAM_MAX },
		{ "one more: ", OUTBOX_DGRAM_MAX + 1, 0, 1, 9999 },
		{ "largest of UDP: ", sizeof(big), 0, 1, 9999 },
		{ "train with a short end: ", 3 * 3000 + 10, 3000, 3, 10 },
		{ "empty: ", 0, 0, 0, 0 },
	};

	for (int no_gro = 0; no_gro < 2; no_gro++) {
		for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
			CLEANUP(shut) struct udp server = { .fd = -1 };
			size_t want = rows[i].want == 9999 ? 1 : 2;

			t_row = rows[i].row;
			OK(open_at(&server, "127.0.0.1", false, no_gro));
			raw_send(&server, big, rows[i].n, rows[i].seg);
			raw_send(&server, "end", 3, 0);
			EQ(take(&server, want), want);
			if (want == 2)
				EQ(got[0].n, rows[i].want);
			EQ(got[want - 1].n, 3);
			EQ(stats(&server)->truncated, rows[i].truncated);
		}
	}
}

/* Two workers share a port only when both ask for it; a socket that failed to open is closed. */
static void open_reports_errors_and_shares_ports(void)
{
	CLEANUP(shut) struct udp a = { .fd = -1 }, b = { .fd = -1 }, zero = { 0 };
	struct udp_conf c = { .bind = addr_v4(127, 0, 0, 1, 0), .reuseport = true };

	EQ(open_with(&a, &c), 0);
	OK(a.local.port != 0);
	OK(fcntl(a.fd, F_GETFL) & O_NONBLOCK);
	OK(fcntl(a.fd, F_GETFD) & FD_CLOEXEC);
	EQ(udp_recv(&a, got), 0);
	c.bind.port = a.local.port;
	c.reuseport = false;
	EQ(udp_open(&b, a.mem, &c), -EADDRINUSE);
	EQ(b.fd, -1);
	b.mem = NULL;
	c.reuseport = true;
	EQ(open_with(&b, &c), 0);
	EQ(b.local.port, a.local.port);
	OK(zero.mem == NULL);
	c.connect = text("[2001:db8::1]:9");
	c.bind.port = 0;
	EQ(udp_open(&zero, a.mem, &c), -EAFNOSUPPORT);
	EQ(zero.fd, -1);
	zero.mem = NULL;
}

/* Sockets of both families take turns on one memory, one of them with a source address, the other without. */
static void families_share_one_memory(void)
{
	CLEANUP(shut) struct udp v4 = { .fd = -1 }, far4 = { .fd = -1 }, far6 = { .fd = -1 };
	CLEANUP(udp_close) struct udp v6 = { .fd = -1 };
	const struct udp_conf c6 = { .bind = text("::") };
	struct path p4 = { 0 }, p6 = { 0 };

	if (!have_v6())
		return;
	OK(open_at(&v4, "127.0.0.1", false, false) && udp_open(&v6, v4.mem, &c6) == 0);
	OK(open_at(&far4, "0.0.0.0", false, false) && open_at(&far6, "::1", false, false));
	OK(v4.gso && v6.gso);
	p4.remote = with_port("127.0.0.2", &far4);
	p6.remote = far6.local;
	for (unsigned turn = 0; turn < 3; turn++) {
		struct out_msg *m = box.msg;

		box_init(&v4);
		for (unsigned k = 0; k < 3; k++)
			put(&p4, k, 100);
		for (unsigned k = 0; k < 3; k++)
			put_pieces(&p6, k, 4, 200);
		EQ(box.ob.n, 2);
		udp_send_msgs(&v6, m + 1, 1);
		udp_send_msgs(&v4, m, 1);
		udp_send_msgs(&v6, m, 1); /* IPv4 by the dual-stack socket */
		EQ(take(&far6, 3), 3);
		for (unsigned k = 0; k < 3; k++)
			OK(intact(&got[k], k, 200));
		EQ(take(&far4, 6), 6);
		EQ(got[5].path.remote.port, v6.local.port);
		exchange(&far4, &v4, &got[0].path);
		OK(addr_same_ip(&got[0].path.remote, &p4.remote));
		exchange(&far6, &v6, &(struct path){ .remote = with_port("::1", &v6) });
		OK(addr_eq(&got[0].path.remote, &far6.local));
		p6.local = text("::1");
		p6.local.port = 0;
	}
	EQ(stats(&v4)->sent_dgrams, 27);
	EQ(stats(&v4)->recv_dgrams, 18);
}

/* What a closed socket left in the shared memory is not taken for another's; neither is what its owner did not fetch. */
static void leftovers_stay_with_their_socket(void)
{
	for (int closing = 0; closing < 2; closing++) {
		CLEANUP(shut) struct udp a = { .fd = -1 }, client = { .fd = -1 }, marker = { .fd = -1 };
		CLEANUP(udp_close) struct udp b = { .fd = -1 };
		const struct udp_conf c = { .bind = addr_v4(127, 0, 0, 1, 0), .rcvbuf = 4u << 20 };
		struct path path = { 0 }, last = { 0 };

		OK(open_pair(&a, &client) && open_at(&marker, "127.0.0.1", false, false));
		EQ(udp_open(&b, a.mem, &c), 0);
		box_init(&client);
		path.remote = a.local;
		for (unsigned i = 0; i < 5 * 64; i++)
			put(&path, i, 40);
		last.remote = marker.local;
		put(&last, 0, 10);
		udp_send(&client, &box.ob);
		EQ(take(&marker, 1), 1);
		EQ(udp_recv(&a, got), UDP_RX_DGRAMS);
		if (closing)
			udp_close(&a);
		EQ(udp_recv(&b, got), 0);
		path.remote = b.local;
		put(&path, 7, 50);
		udp_send(&client, &box.ob);
		EQ(take(&b, 1), 1);
		OK(intact(&got[0], 7, 50));
		if (!closing)
			EQ(udp_recv(&a, got), 0);
	}
}

/* A socket bound to one address asks for nothing per datagram and says nothing about its source. */
static void one_local_has_no_packet_info(void)
{
	const struct {
		const char *row, *ip;
		int level, name;
	} rows[] = {
		{ "v4: ", "127.0.0.3", IPPROTO_IP, IP_PKTINFO },
		{ "v6: ", "::1", IPPROTO_IPV6, IPV6_RECVPKTINFO },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(shut) struct udp relay = { .fd = -1 }, peer = { .fd = -1 };
		struct udp_conf c = { .bind = text(rows[i].ip), .one_local = true };
		struct path path;

		t_row = rows[i].row;
		if (i == 1 && !have_v6())
			continue;
		EQ(open_with(&relay, &c), 0);
		OK(open_at(&peer, rows[i].ip, false, false));
		EQ(option_of(&relay, rows[i].level, rows[i].name), 0);
		exchange(&peer, &relay, &(struct path){ .remote = relay.local });
		path = got[0].path;
		OK(addr_is_unset(&path.local));
		OK(addr_eq(&path.remote, &peer.local));
		exchange(&relay, &peer, &path);
		OK(addr_eq(&got[0].path.remote, &relay.local));
	}
}

/* In a group that shares a port, the connected socket gets all of its peer's datagrams and none of another's. */
static void connected_socket_is_preferred_in_its_group(void)
{
	for (int v6 = 0; v6 < 2; v6++) {
		CLEANUP(shut) struct udp group = { .fd = -1 }, own = { .fd = -1 };
		const char *ip = v6 ? "::1" : "127.0.0.1";
		struct udp_conf c = { .bind = text(ip), .reuseport = true };

		t_row = ip;
		if (v6 && !have_v6())
			continue;
		EQ(open_with(&group, &c), 0);
		c.bind = group.local;
		for (unsigned i = 0; i < 8; i++) {
			CLEANUP(shut) struct udp peer = { .fd = -1 }, other = { .fd = -1 };
			const struct path path = { .remote = group.local };

			OK(open_at(&peer, ip, false, false) && open_at(&other, ip, false, false));
			c.connect = peer.local;
			EQ(open_with(&own, &c), 0);
			exchange(&peer, &own, &path);
			exchange(&other, &group, &path);
			exchange(&own, &peer, &(struct path){ .remote = peer.local });
			EQ(udp_recv(&own, got), 0);
			EQ(udp_recv(&group, got), 0);
			shut(&own);
			own.mem = NULL;
		}
	}
}

/* The labels are part of the metrics: a kind without one would vanish. */
static void every_kind_has_a_label(void)
{
	for (int i = 0; i < UDP_ERR_MAX_; i++)
		OK(udp_err_str((enum udp_err)i) && strcmp(udp_err_str((enum udp_err)i), "unknown") != 0);
	EQ_STR(udp_err_str(UDP_ERR_FULL), "full");
	EQ_STR(udp_err_str(UDP_ERR_MAX_), "unknown");
}

T_MAIN(T(local_address_is_real_in_both_directions), T(ecn_is_the_low_two_bits),
       T(trains_arrive_in_order_and_intact), T(pending_icmp_error_loses_nothing),
       T(remainder_waits_for_the_next_call), T(oversize_is_dropped_and_counted),
       T(open_reports_errors_and_shares_ports), T(families_share_one_memory),
       T(leftovers_stay_with_their_socket), T(one_local_has_no_packet_info),
       T(connected_socket_is_preferred_in_its_group), T(every_kind_has_a_label))
