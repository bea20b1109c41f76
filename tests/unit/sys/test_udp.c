/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * Real sockets on 127/8 and ::1 only; every wait is a bounded poll(). Errors that no loopback route gives come
 * from a double of sendmmsg below, which plays a script and otherwise asks the kernel. GSO is required: every
 * kernel this suite supports has it.
 */
#include "t.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sys/udp.h"

#define WAIT_MS 3000
#define MANY 1100

/* What the next calls of sendmmsg do: > 0 send at most so many, < 0 fail with -errno. 0 ends the script. */
static const int *script;
static int calls;

int sendmmsg(int fd, struct mmsghdr *m, unsigned n, int flags)
{
	calls++;
	if (script && *script) {
		int step = *script++;

		if (step < 0) {
			errno = -step;
			return -1;
		}
		n = (unsigned)step < n ? (unsigned)step : n;
	}
	return (int)syscall(SYS_sendmmsg, fd, m, n, flags);
}

/* A box with memory, sending from `u`. */
struct box {
	struct outbox ob;
	struct out_msg msg[64];
	uint8_t mem[64 * OUTBOX_DGRAM_MAX];
};

static struct box box;
static struct dgram got[MANY + UDP_RX_DGRAMS];
static uint8_t copy[MANY][OUTBOX_DGRAM_MAX]; /* got[i].p[] outlives udp_recv only here */

static void box_full(struct outbox *ob)
{
	udp_send(ob->owner, ob);
}

static void box_init(struct udp *from)
{
	outbox_init(&box.ob, box.msg, ARRAY_LEN(box.msg), box.mem, sizeof(box.mem), box_full, from);
}

/* Datagram number k of n bytes: its number, then bytes that differ at each place. n >= 2. */
static void put(const struct path *path, unsigned k, size_t n)
{
	uint8_t *p = outbox_reserve(&box.ob, n);

	put_be16(p, (uint16_t)k);
	for (size_t i = 2; i < n; i++)
		p[i] = (uint8_t)(k * 7 + i);
	outbox_commit(&box.ob, path, n);
}

static bool intact(const struct dgram *d, unsigned k, size_t n)
{
	if (d->n != n || be16_at(d->p) != k)
		return false;
	for (size_t i = 2; i < n; i++)
		if (d->p[i] != (uint8_t)(k * 7 + i))
			return false;
	return true;
}

/* Receives until `want` datagrams are there; copies them, so that they stay valid. */
static size_t take(struct udp *u, size_t want)
{
	struct pollfd p = { .fd = u->fd, .events = POLLIN };
	size_t n = 0;

	while (n < want) {
		int r = udp_recv(u, got + n);

		for (int i = 0; i < r; i++, n++) {
			if (n < MANY) {
				memcpy(copy[n], got[n].p, got[n].n);
				got[n].p = copy[n];
			}
		}
		if (r < 0 || (r == 0 && poll(&p, 1, WAIT_MS) != 1))
			break;
	}
	return n;
}

static struct addr text(const char *s)
{
	struct addr a = { 0 };

	EQ(addr_parse(span_str(s), &a), 0);
	return a;
}

static bool open_at(struct udp *u, const char *at, bool no_gso, bool no_gro)
{
	struct udp_conf c = { .bind = text(at), .rcvbuf = 4u << 20, .no_gso = no_gso, .no_gro = no_gro };

	return udp_open(u, &c) == 0;
}

static bool open_pair(struct udp *a, struct udp *b)
{
	return open_at(a, "127.0.0.1", false, false) && open_at(b, "127.0.0.1", false, false);
}

static bool have_v6(void)
{
	CLEANUP(udp_close) struct udp u = { .fd = -1 };
	struct udp_conf c = { .bind = text("::1") };

	if (udp_open(&u, &c) == 0)
		return true;
	printf("# skipped: no IPv6 on this machine\n");
	return false;
}

static struct addr with_port(const char *ip, const struct udp *u)
{
	struct addr a = text(ip);

	a.port = u->local.port;
	return a;
}

/* Two messages, so that the source address stands with and without UDP_SEGMENT beside it. */
static void exchange(struct udp *from, struct udp *to, const struct path *path)
{
	box_init(from);
	for (unsigned k = 0; k < 3; k++)
		put(path, k, k < 2 ? 100 : 200);
	udp_send(from, &box.ob);
	EQ(take(to, 3), 3);
	for (unsigned k = 0; k < 3; k++)
		OK(intact(&got[k], k, k < 2 ? 100 : 200));
}

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
		CLEANUP(udp_close) struct udp server = { .fd = -1 }, client = { .fd = -1 };
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
		CLEANUP(udp_close) struct udp server = { .fd = -1 }, client = { .fd = -1 };
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
		CLEANUP(udp_close) struct udp server = { .fd = -1 }, client = { .fd = -1 };
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
		EQ(client.sent_dgrams, 148);
		EQ(client.sent_msgs, rows[i].msgs);
		EQ(take(&server, 148), 148);
		k = 0;
		for (size_t j = 0; j < ARRAY_LEN(run); j++)
			for (unsigned c = 0; c < run[j].count; c++, k++)
				OK(intact(&got[k], k, run[j].n));
		EQ(server.recv_dgrams, 148);
		if (!rows[i].no_gro)
			EQ(server.recv_msgs, client.sent_msgs);
	}
}

/* A kernel that refuses the GSO form of a message (here: no checksums, a small MTU) still gets every datagram. */
static void refused_gso_goes_out_one_by_one(void)
{
	const struct {
		const char *row, *ip;
		int level, name, value;
	} rows[] = {
		{ "no checksums: ", "127.0.0.1", SOL_SOCKET, SO_NO_CHECK, 1 },
		{ "MTU: ", "::1", IPPROTO_IPV6, IPV6_MTU, 1280 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(udp_close) struct udp server = { .fd = -1 }, client = { .fd = -1 };
		struct path path = { 0 };

		t_row = rows[i].row;
		if (i == 1 && !have_v6())
			continue;
		OK(open_at(&server, rows[i].ip, false, false) && open_at(&client, rows[i].ip, false, false));
		EQ(setsockopt(client.fd, rows[i].level, rows[i].name, &rows[i].value, sizeof(int)), 0);
		path.remote = server.local;
		box_init(&client);
		for (unsigned k = 0; k < 9; k++)
			put(&path, k, k < 8 ? 1400 : 33);
		put(&path, 9, 1400);
		udp_send(&client, &box.ob);
		EQ(take(&server, 10), 10);
		for (unsigned k = 0; k < 10; k++)
			OK(intact(&got[k], k, k == 8 ? 33 : 1400));
		EQ(client.gso_refused, 1);
		EQ(client.sent_dgrams, 10);
		OK(client.gso);
	}
}

/*
 * Each row sends a message of 3 datagrams, one of 1 and one of 4, all to the same receiver; `keep` has a bit
 * for each datagram that must arrive.
 */
static const struct {
	const char *row;
	int script[8];
	unsigned keep;
	bool gso;
	enum udp_err kind;
	uint64_t failed, refused;
} error_rows[] = {
	{ "fine: ", { 0 }, 0xff, true, UDP_ERR_OTHER, 0, 0 },
	{ "partial: ", { 1, 1, 1 }, 0xff, true, UDP_ERR_OTHER, 0, 0 },
	{ "full: ", { -EAGAIN }, 0xf8, true, UDP_ERR_FULL, 3, 0 },
	{ "no memory: ", { 2, -ENOBUFS }, 0x0f, true, UDP_ERR_FULL, 4, 0 },
	{ "all full: ", { -EAGAIN, -EAGAIN, -EAGAIN }, 0, true, UDP_ERR_FULL, 8, 0 },
	{ "pending error: ", { -ECONNREFUSED }, 0xff, true, UDP_ERR_HOST_UNREACHABLE, 0, 0 },
	{ "pending, later: ", { 1, -EHOSTUNREACH }, 0xff, true, UDP_ERR_HOST_UNREACHABLE, 0, 0 },
	{ "each pending: ", { -ECONNREFUSED, 1, -ECONNREFUSED, 1, -ECONNREFUSED }, 0xff, true,
	  UDP_ERR_HOST_UNREACHABLE, 0, 0 },
	{ "host: ", { -EHOSTUNREACH, -EHOSTUNREACH }, 0xf8, true, UDP_ERR_HOST_UNREACHABLE, 3, 0 },
	{ "network: ", { 1, -ENETUNREACH, -ENETUNREACH }, 0xf7, true, UDP_ERR_NETWORK_UNREACHABLE, 1, 0 },
	{ "firewall: ", { 2, -EPERM, -EPERM }, 0x0f, true, UDP_ERR_PERM, 4, 0 },
	{ "EINVAL of one: ", { 1, -EINVAL, -EINVAL }, 0xf7, true, UDP_ERR_OTHER, 1, 0 },
	{ "GSO, this message: ", { -EINVAL }, 0xff, true, UDP_ERR_OTHER, 0, 1 },
	{ "GSO, new kernels: ", { 2, -EMSGSIZE }, 0xff, true, UDP_ERR_OTHER, 0, 1 },
	{ "GSO, for good: ", { -EIO }, 0xff, false, UDP_ERR_OTHER, 0, 1 },
	{ "GSO after pending: ", { -ECONNREFUSED, -EIO, -ECONNREFUSED }, 0xff, false, UDP_ERR_OTHER, 0, 1 },
	{ "full while split: ", { -EIO, 1, -EAGAIN }, 0xfd, false, UDP_ERR_FULL, 1, 1 },
	{ "not the GSO: ", { -EINVAL, -EINVAL, -EINVAL, 1, -EINVAL, -EINVAL }, 0xfa, true, UDP_ERR_OTHER, 2, 1 },
};

static void every_error_costs_only_its_own_datagrams(void)
{
	for (size_t i = 0; i < ARRAY_LEN(error_rows); i++) {
		CLEANUP(udp_close) struct udp server = { .fd = -1 }, client = { .fd = -1 };
		struct path path = { 0 };
		unsigned keep = 0;
		size_t n;

		t_row = error_rows[i].row;
		OK(open_pair(&server, &client));
		OK(client.gso);
		path.remote = server.local;
		box_init(&client);
		for (unsigned k = 0; k < 8; k++)
			put(&path, k, k < 2 ? 100 : k == 2 ? 50 : k == 3 ? 200 : k < 7 ? 300 : 10);
		EQ(box.ob.n, 3);
		script = error_rows[i].script;
		udp_send(&client, &box.ob);
		EQ(*script, 0);
		script = NULL;
		n = take(&server, 8 - (size_t)error_rows[i].failed);
		for (size_t k = 0; k < n; k++) {
			OK(k == 0 || be16_at(got[k].p) > be16_at(got[k - 1].p));
			keep |= 1u << be16_at(got[k].p);
		}
		EQ(keep, error_rows[i].keep);
		EQ(client.failed[error_rows[i].kind], error_rows[i].failed);
		EQ(client.sent_dgrams, 8 - error_rows[i].failed);
		EQ(client.gso_refused, error_rows[i].refused);
		EQ(client.gso, error_rows[i].gso);
	}
}

/* After the fallback, a batch is plain sendmmsg: as many datagrams per call as there are slots. */
static void fallback_keeps_batching(void)
{
	static const int refuse[] = { -EIO, 0 };
	CLEANUP(udp_close) struct udp server = { .fd = -1 }, client = { .fd = -1 };
	struct path path = { 0 };

	OK(open_pair(&server, &client));
	OK(client.gso);
	path.remote = server.local;
	box_init(&client);
	for (unsigned k = 0; k < 200; k++) {
		if (k == 100) {
			script = refuse;
			udp_send(&client, &box.ob);
			script = NULL;
			OK(!client.gso);
			calls = 0;
		}
		put(&path, k, 600);
	}
	udp_send(&client, &box.ob);
	EQ(calls, 2);
	EQ(take(&server, 200), 200);
	for (unsigned k = 0; k < 200; k++)
		OK(intact(&got[k], k, 600));
}

/* Kinds of failure that the kernel itself gives without a packet leaving this machine. */
static void failed_sends_are_counted_by_kind(void)
{
	const struct {
		const char *row, *bind, *remote, *local;
		enum udp_err kind;
	} rows[] = {
		{ "v6 from v4: ", "127.0.0.1", "[::1]:9", NULL, UDP_ERR_NETWORK_UNREACHABLE },
		{ "v4 from v6 only: ", "::1", "127.0.0.1:9", NULL, UDP_ERR_NETWORK_UNREACHABLE },
		{ "no port: ", "127.0.0.1", "127.0.0.1", NULL, UDP_ERR_DEST_REQUIRED },
		{ "broadcast: ", "127.0.0.1", "127.255.255.255:9", NULL, UDP_ERR_PERM },
		{ "not our address: ", "::1", "[::1]:9", "::2", UDP_ERR_OTHER },
		{ "families differ: ", "::", "[::1]:9", "127.0.0.1", UDP_ERR_OTHER },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(udp_close) struct udp server = { .fd = -1 }, client = { .fd = -1 };
		struct path bad = { .remote = text(rows[i].remote) }, good = { 0 };

		t_row = rows[i].row;
		if (rows[i].bind[0] == ':' && !have_v6())
			continue;
		if (rows[i].local)
			bad.local = text(rows[i].local);
		OK(open_at(&client, rows[i].bind, false, false));
		OK(open_at(&server, client.v6 ? "::1" : "127.0.0.1", false, false));
		good.remote = server.local;
		box_init(&client);
		put(&bad, 0, 100);
		put(&bad, 1, 100);
		put(&good, 2, 100);
		put(&bad, 3, 100);
		udp_send(&client, &box.ob);
		EQ(take(&server, 1), 1);
		EQ(be16_at(got[0].p), 2);
		EQ(client.failed[rows[i].kind], 3);
		EQ(client.sent_dgrams, 1);
		OK(client.gso);
	}
}

/* An ICMP error that waits on a connected socket belongs to an old datagram: neither direction may suffer. */
static void pending_icmp_error_loses_nothing(void)
{
	CLEANUP(udp_close) struct udp closed = { .fd = -1 }, server = { .fd = -1 }, client = { .fd = -1 };
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
	EQ(client.sent_dgrams, 5);
	EQ(client.failed[UDP_ERR_HOST_UNREACHABLE], 0);

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
	CLEANUP(udp_close) struct udp server = { .fd = -1 }, client = { .fd = -1 }, marker = { .fd = -1 };
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
		EQ(server.recv_calls, 1);
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
			CLEANUP(udp_close) struct udp server = { .fd = -1 };
			size_t want = rows[i].want == 9999 ? 1 : 2;

			t_row = rows[i].row;
			OK(open_at(&server, "127.0.0.1", false, no_gro));
			raw_send(&server, big, rows[i].n, rows[i].seg);
			raw_send(&server, "end", 3, 0);
			EQ(take(&server, want), want);
			if (want == 2)
				EQ(got[0].n, rows[i].want);
			EQ(got[want - 1].n, 3);
			EQ(server.truncated, rows[i].truncated);
		}
	}
}

/* Two workers share a port only when both ask for it; a socket that failed to open is closed. */
static void open_reports_errors_and_shares_ports(void)
{
	CLEANUP(udp_close) struct udp a = { .fd = -1 }, b = { .fd = -1 }, zero = { 0 };
	struct udp_conf c = { .bind = addr_v4(127, 0, 0, 1, 0), .reuseport = true };

	EQ(udp_open(&a, &c), 0);
	OK(a.local.port != 0);
	OK(fcntl(a.fd, F_GETFL) & O_NONBLOCK);
	OK(fcntl(a.fd, F_GETFD) & FD_CLOEXEC);
	EQ(udp_recv(&a, got), 0);
	c.bind.port = a.local.port;
	c.reuseport = false;
	EQ(udp_open(&b, &c), -EADDRINUSE);
	EQ(b.fd, -1);
	c.reuseport = true;
	EQ(udp_open(&b, &c), 0);
	EQ(b.local.port, a.local.port);
	OK(zero.rx == NULL);
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
       T(trains_arrive_in_order_and_intact), T(refused_gso_goes_out_one_by_one),
       T(every_error_costs_only_its_own_datagrams), T(fallback_keeps_batching),
       T(failed_sends_are_counted_by_kind), T(pending_icmp_error_loses_nothing),
       T(remainder_waits_for_the_next_call), T(oversize_is_dropped_and_counted),
       T(open_reports_errors_and_shares_ports), T(every_kind_has_a_label))
