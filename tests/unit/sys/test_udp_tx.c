/* SPDX-License-Identifier: AGPL-3.0-only */
/* Sending: what is refused, what is in pieces, what may not be fragmented. */
#include "udp_rig.h"

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
		CLEANUP(shut) struct udp server = { .fd = -1 }, client = { .fd = -1 };
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
		EQ(stats(&client)->gso_refused, 1);
		EQ(stats(&client)->sent_dgrams, 10);
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
		CLEANUP(shut) struct udp server = { .fd = -1 }, client = { .fd = -1 };
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
		EQ(stats(&client)->failed[error_rows[i].kind], error_rows[i].failed);
		EQ(stats(&client)->sent_dgrams, 8 - error_rows[i].failed);
		EQ(stats(&client)->gso_refused, error_rows[i].refused);
		EQ(client.gso, error_rows[i].gso);
	}
}

/* After the fallback, a batch is plain sendmmsg: as many datagrams per call as there are slots. */
static void fallback_keeps_batching(void)
{
	static const int refuse[] = { -EIO, 0 };
	CLEANUP(shut) struct udp server = { .fd = -1 }, client = { .fd = -1 };
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
		CLEANUP(shut) struct udp server = { .fd = -1 }, client = { .fd = -1 };
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
		EQ(stats(&client)->failed[rows[i].kind], 3);
		EQ(stats(&client)->sent_dgrams, 1);
		OK(client.gso);
	}
}

/* Pieces arrive as the datagrams they are, with GSO and without, beside messages that are contiguous. */
static void pieces_arrive_as_datagrams(void)
{
	static const int refuse[] = { -EINVAL, 0 }, for_good[] = { -EIO, 0 }, partly[] = { -EINVAL, 1, -ECONNREFUSED, 0 };
	const struct {
		const char *row, *ip;
		bool no_gso;
		const int *script;
		uint64_t msgs;
	} rows[] = {
		{ "v4: ", "127.0.0.1", false, NULL, 4 },
		{ "v4, no GSO: ", "127.0.0.1", true, NULL, 94 },
		{ "v4, refused: ", "127.0.0.1", false, refuse, 67 },
		{ "v4, for good: ", "127.0.0.1", false, for_good, 67 },
		{ "v4, pending: ", "127.0.0.1", false, partly, 67 },
		{ "v6: ", "::1", false, NULL, 4 },
		{ "v6, no GSO: ", "::1", true, NULL, 94 },
		{ "v6, refused: ", "::1", false, refuse, 67 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(shut) struct udp server = { .fd = -1 }, client = { .fd = -1 };
		struct path path = { 0 };

		t_row = rows[i].row;
		if (rows[i].ip[0] == ':' && !have_v6())
			continue;
		OK(open_at(&server, rows[i].ip, false, false) && open_at(&client, rows[i].ip, rows[i].no_gso, false));
		path.remote = server.local;
		box_init(&client);
		for (unsigned k = 0; k < 64; k++)
			put_pieces(&path, k, k & 1 ? 4 : 0, 500);
		for (unsigned k = 64; k < 72; k++)
			put_pieces(&path, k, 36, k < 71 ? 300 : 40);
		for (unsigned k = 72; k < 82; k++)
			put(&path, k, 700);
		for (unsigned k = 82; k < 94; k++)
			put_pieces(&path, k, k == 93 ? 30 : 4, k == 93 ? 30 : 700);
		EQ(box.ob.n, 4);
		script = rows[i].script;
		udp_send(&client, &box.ob);
		script = NULL;
		EQ(take(&server, 94), 94);
		for (unsigned k = 0; k < 94; k++)
			OK(intact(&got[k], k, k < 64 ? 500 : k < 71 ? 300 : k == 71 ? 40 : k < 93 ? 700 : 30));
		EQ(stats(&client)->sent_dgrams, 94);
		EQ(stats(&client)->sent_msgs, rows[i].msgs);
	}
}

/* Segments may begin and end inside of pieces; a message of more pieces than one call may have is counted as lost. */
static void pieces_need_not_be_segments(void)
{
	static const int refuse[] = { -EINVAL, 0 };
	static uint8_t bytes[25 * 100];
	static struct span one[1025];
	struct span part[20];
	const uint16_t seg = 100;

	for (unsigned k = 0; k < 25; k++) {
		put_be16(bytes + k * seg, (uint16_t)k);
		for (unsigned i = 2; i < seg; i++)
			bytes[k * seg + i] = (uint8_t)(k * 7 + i);
	}
	for (uint32_t i = 0, at = 0; i < 20; i++) {
		uint32_t n = i == 19 ? 2480 - at : i % 4 == 3 ? 0 : i < 10 ? 250 : 53;

		part[i] = span_of(bytes + at, n);
		at += n;
	}
	for (uint32_t i = 0; i < 1025; i++)
		one[i] = span_of(bytes + i, 1);
	for (int way = 0; way < 3; way++) {
		CLEANUP(shut) struct udp server = { .fd = -1 }, client = { .fd = -1 };
		struct out_msg m[3] = {
			{ .part = part, .parts = 20, .seg = seg, .segs = 25, .len = 2480 },
			{ .part = one, .parts = 1025, .seg = seg, .segs = 11, .len = 1025 },
			{ .part = one, .parts = 100, .seg = seg, .segs = 1, .len = 100 },
		};

		OK(open_at(&server, "127.0.0.1", false, false) && open_at(&client, "127.0.0.1", way == 1, false));
		for (int i = 0; i < 3; i++)
			m[i].path.remote = server.local;
		script = way == 2 ? refuse : NULL;
		udp_send_msgs(&client, m, 3);
		script = NULL;
		EQ(take(&server, 26), 26);
		for (unsigned k = 0; k < 25; k++)
			OK(intact(&got[k], k, k < 24 ? seg : 80));
		OK(intact(&got[25], 0, seg));
		EQ(stats(&client)->sent_dgrams, 26);
		EQ(stats(&client)->failed[UDP_ERR_OTHER], 11);
	}
}

/* What may not be fragmented is sent so, what may follows without; only a change costs a call. */
static void df_follows_the_messages(void)
{
	CLEANUP(shut) struct udp server = { .fd = -1 }, client = { .fd = -1 };
	bool v6 = have_v6();
	struct path path = { 0 };
	int before;

	OK(open_at(&server, "127.0.0.1", false, false) && open_at(&client, v6 ? "::" : "0.0.0.0", false, false));
	before = option_of(&client, IPPROTO_IP, IP_MTU_DISCOVER);
	path.remote = server.local;
	box_init(&client);
	for (unsigned k = 0; k < 12; k++) {
		box.ob.df = k >= 4;
		put(&path, k, 100);
		put(&path, k, 100);
	}
	EQ(box.ob.n, 2);
	calls = 0;
	udp_send(&client, &box.ob);
	EQ(calls, 2);
	OK(client.df);
	EQ(option_of(&client, IPPROTO_IP, IP_MTU_DISCOVER), IP_PMTUDISC_DO);
	if (v6)
		EQ(option_of(&client, IPPROTO_IPV6, IPV6_MTU_DISCOVER), IPV6_PMTUDISC_DO);
	box.ob.df = false;
	put(&path, 0, 100);
	udp_send(&client, &box.ob);
	OK(!client.df);
	EQ(option_of(&client, IPPROTO_IP, IP_MTU_DISCOVER), before);
	if (v6)
		EQ(option_of(&client, IPPROTO_IPV6, IPV6_MTU_DISCOVER), IPV6_PMTUDISC_WANT);
	EQ(take(&server, 25), 25);
}

/* RFC 8656 12: a datagram that would need fragments and may not have them is dropped, alone. */
static void df_beyond_the_mtu_is_dropped(void)
{
	CLEANUP(shut) struct udp server = { .fd = -1 }, client = { .fd = -1 };
	struct path path = { 0 };
	int mtu = 1280;

	if (!have_v6())
		return;
	OK(open_at(&server, "::1", false, false) && open_at(&client, "::1", false, false));
	EQ(setsockopt(client.fd, IPPROTO_IPV6, IPV6_MTU, &mtu, sizeof(mtu)), 0);
	path.remote = server.local;
	box_init(&client);
	put(&path, 0, 1400);
	box.ob.df = true;
	put(&path, 1, 1400);
	put(&path, 2, 1400);
	put(&path, 3, 1200);
	put_pieces(&path, 4, 4, 1400);
	put_pieces(&path, 5, 4, 500);
	udp_send(&client, &box.ob);
	EQ(take(&server, 3), 3);
	OK(intact(&got[0], 0, 1400) && intact(&got[1], 3, 1200) && intact(&got[2], 5, 500));
	EQ(stats(&client)->failed[UDP_ERR_OTHER], 3);
	OK(client.gso);
}

T_MAIN(T(refused_gso_goes_out_one_by_one), T(every_error_costs_only_its_own_datagrams),
       T(fallback_keeps_batching), T(failed_sends_are_counted_by_kind), T(pieces_arrive_as_datagrams),
       T(pieces_need_not_be_segments), T(df_follows_the_messages), T(df_beyond_the_mtu_is_dropped))
