/* SPDX-License-Identifier: AGPL-3.0-only */
#include "base/addr.h"

#include "t.h"

/* RFC 5952 4: one text per address. Reading any of its spellings and printing gives that text. */
static void prints_the_rfc5952_text(void)
{
	static const struct { const char *in, *want; } rows[] = {
		{ "192.0.2.1", "192.0.2.1" },
		{ "192.0.2.1:80", "192.0.2.1:80" },
		{ "192.0.2.1:0", "192.0.2.1" },
		{ "0.0.0.0", "0.0.0.0" },
		{ "255.255.255.255:65535", "255.255.255.255:65535" },
		{ "::", "::" },
		{ "::1", "::1" },
		{ "1::", "1::" },
		{ "[::1]", "::1" },
		{ "[2001:db8::1]:443", "[2001:db8::1]:443" },
		{ "2001:0db8::0001", "2001:db8::1" },
		{ "2001:db8:0:0:0:0:2:1", "2001:db8::2:1" },
		{ "2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1" },
		{ "2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1" },
		{ "2001:0:0:1:0:0:0:1", "2001:0:0:1::1" },
		{ "2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1" },
		{ "2001:DB8::ABCD", "2001:db8::abcd" },
		{ "0:0:1::", "0:0:1::" },
		{ "1:2:3:4:5:6:0:0", "1:2:3:4:5:6::" },
		{ "0:0:3:4:5:6:7:8", "::3:4:5:6:7:8" },
		{ "::ffff:192.0.2.1", "192.0.2.1" },
		{ "[::ffff:c000:201]:5", "192.0.2.1:5" },
		{ "64:ff9b::192.0.2.33", "64:ff9b::c000:221" },
		{ "1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304" },
		{ "fe80::1%3", "fe80::1%3" },
		{ "[fe80::1%4294967295]:9", "[fe80::1%4294967295]:9" },
	};
	char buf[ADDR_TEXT_MAX];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct addr a, again;

		t_row = rows[i].in;
		EQ(addr_parse(span_str(rows[i].in), &a), 0);
		EQ_STR(addr_fmt(&a, buf), rows[i].want);
		EQ(addr_parse(span_str(buf), &again), 0);
		OK(addr_eq(&a, &again));
	}
}

/* RFC 4291 2.2 and our stricter decimal: what two readers could take for two addresses is refused. */
static void refuses_what_is_not_an_address(void)
{
	static const char *const rows[] = {
		"", " ", ".", ":", ":::", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1.2.3.04", "1.2.3.4 ", " 1.2.3.4",
		"1.2.3.4:", "1.2.3.4:65536", "1.2.3.4:080", "1.2.3.4:-1", "1.2.3.4:99999999999", "1..3.4", ".1.2.3", "1.2.3.",
		"0x7f.0.0.1", "2130706433", ":80", "1", "1:2", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8::",
		"1:2:3:4:5:6:7::8", "1::2::3", "1:::2", ":1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:", "12345::", "g::", "::1.2.3",
		"1.2.3.4::", "::1.2.3.4:5", "1:2:3:4:5:6:7:1.2.3.4", "[::1", "::1]", "[::1]80", "[::1]:", "[::1]:65536", "[]",
		"[]:80", "[1.2.3.4]:80", "[[::1]]", "fe80::1%", "fe80::1%0", "fe80::1%eth0", "fe80::1%4294967296", "2001:db8::1%1",
		"fe80::1%01", "[fe80::1]%1", "fe80::%1%2",
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct addr a = addr_v4(9, 9, 9, 9, 9), before = a;

		t_row = rows[i];
		EQ(addr_parse(span_str(rows[i]), &a), ERR_MALFORMED);
		OK(addr_eq(&a, &before));
	}
}

/* A random address of either family reads back from its own text, port and scope included. */
static void text_round_trips(void)
{
	uint64_t x = 88172645463325252u;
	char buf[ADDR_TEXT_MAX];

	for (int i = 0; i < 20000; i++) {
		uint8_t ip[16];
		struct addr a, b;

		for (int k = 0; k < 16; k++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			ip[k] = x & 0x300 ? 0 : (uint8_t)(x >> 16); /* many zero groups */
		}
		a = i & 1 ? addr_from_v6(ip, (uint16_t)x) : addr_from_v4(ip, (uint16_t)x);
		EQ(addr_parse(span_str(addr_fmt(&a, buf)), &b), 0);
		OK(addr_eq(&a, &b));
	}
}

/* IANA special-purpose registries; what carries an IPv4 address inside is judged by that address. */
static void classifies_by_the_registries(void)
{
	static const struct { const char *a; enum addr_class want; } rows[] = {
		{ "8.8.8.8", ADDR_GLOBAL }, { "0.1.2.3", ADDR_UNSPECIFIED }, { "0.0.0.0", ADDR_UNSPECIFIED },
		{ "127.255.0.1", ADDR_LOOPBACK }, { "10.0.0.1", ADDR_PRIVATE }, { "11.0.0.0", ADDR_GLOBAL },
		{ "172.15.255.255", ADDR_GLOBAL }, { "172.16.0.0", ADDR_PRIVATE }, { "172.31.255.255", ADDR_PRIVATE },
		{ "172.32.0.0", ADDR_GLOBAL }, { "192.168.1.1", ADDR_PRIVATE }, { "192.169.0.0", ADDR_GLOBAL },
		{ "100.63.255.255", ADDR_GLOBAL }, { "100.64.0.0", ADDR_CGNAT }, { "100.127.255.255", ADDR_CGNAT },
		{ "100.128.0.0", ADDR_GLOBAL }, { "169.254.169.254", ADDR_LINK_LOCAL }, { "192.0.0.8", ADDR_RESERVED },
		{ "192.0.2.1", ADDR_RESERVED }, { "192.88.99.1", ADDR_RESERVED }, { "198.19.255.255", ADDR_RESERVED },
		{ "198.20.0.0", ADDR_GLOBAL }, { "198.51.100.7", ADDR_RESERVED }, { "203.0.113.7", ADDR_RESERVED },
		{ "224.0.0.1", ADDR_MULTICAST }, { "239.255.255.255", ADDR_MULTICAST }, { "240.0.0.1", ADDR_RESERVED },
		{ "255.255.255.255", ADDR_RESERVED }, { "223.255.255.255", ADDR_GLOBAL },
		{ "::", ADDR_UNSPECIFIED }, { "::1", ADDR_LOOPBACK }, { "2a00:1450::1", ADDR_GLOBAL },
		{ "2606:4700::1111", ADDR_GLOBAL }, { "fc00::1", ADDR_PRIVATE }, { "fdff::1", ADDR_PRIVATE },
		{ "fe80::1", ADDR_LINK_LOCAL }, { "febf::1", ADDR_LINK_LOCAL }, { "fec0::1", ADDR_RESERVED },
		{ "ff02::1", ADDR_MULTICAST }, { "100::1", ADDR_RESERVED }, { "2001:2::1", ADDR_RESERVED },
		{ "2001:db8::1", ADDR_RESERVED }, { "2001:1ff::1", ADDR_RESERVED }, { "2001:200::1", ADDR_GLOBAL },
		{ "3fff::1", ADDR_RESERVED }, { "3fff:1000::1", ADDR_GLOBAL }, { "4000::1", ADDR_RESERVED },
		{ "5f00::1", ADDR_RESERVED }, { "64:ff9b:1::8.8.8.8", ADDR_RESERVED },
		{ "::ffff:10.0.0.1", ADDR_PRIVATE }, { "::ffff:8.8.8.8", ADDR_GLOBAL }, { "::ffff:0:127.0.0.1", ADDR_LOOPBACK },
		{ "::127.0.0.1", ADDR_LOOPBACK }, { "::8.8.8.8", ADDR_GLOBAL }, { "::2", ADDR_UNSPECIFIED },
		{ "64:ff9b::192.168.0.1", ADDR_PRIVATE }, { "64:ff9b::8.8.8.8", ADDR_GLOBAL },
		{ "2002:7f00:1::", ADDR_LOOPBACK }, { "2002:0a00:0001::1", ADDR_PRIVATE }, { "2002:808:808::1", ADDR_GLOBAL },
		/* Teredo: server 65.54.227.120; the last 32 bits are the client's, inverted. */
		{ "2001:0:4136:e378:8000:63bf:3fff:fdd2", ADDR_RESERVED }, /* 192.0.2.45 */
		{ "2001:0:4136:e378:8000:63bf:80ff:fffe", ADDR_LOOPBACK }, /* 127.0.0.1 */
		{ "2001:0:4136:e378:8000:63bf:f7f7:f7f7", ADDR_GLOBAL },   /* 8.8.8.8 */
		{ "2001:0:a00:1:8000:63bf:f7f7:f7f7", ADDR_PRIVATE },      /* server 10.0.0.1 */
		/* ISATAP under a global prefix: global if the address inside is. */
		{ "2a00:1450::5efe:10.0.0.1", ADDR_PRIVATE }, { "2a00:1450::200:5efe:127.0.0.1", ADDR_LOOPBACK },
		{ "2a00:1450::200:5efe:8.8.8.8", ADDR_GLOBAL }, { "fe80::5efe:8.8.8.8", ADDR_LINK_LOCAL },
		{ "2002:808:808::5efe:169.254.1.1", ADDR_LINK_LOCAL }, { "2a00:1450::100:5efe:10.0.0.1", ADDR_GLOBAL },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct addr a;

		t_row = rows[i].a;
		EQ(addr_parse(span_str(rows[i].a), &a), 0);
		EQ_STR(addr_class_str(addr_classify(&a)), addr_class_str(rows[i].want));
		EQ(addr_is_global(&a), rows[i].want == ADDR_GLOBAL);
	}
}

/* An IPv6 address may carry up to three IPv4 addresses; the port comes along. */
static void unwraps_what_it_carries(void)
{
	static const struct {
		const char *a;
		const char *want[ADDR_EMBEDDED_MAX];
	} rows[] = {
		{ "192.0.2.1:7", { NULL } },
		{ "[2a00:1450::1]:7", { NULL } },
		{ "[::192.0.2.1]:7", { "192.0.2.1:7" } },
		{ "[::ffff:0:192.0.2.1]:7", { "192.0.2.1:7" } },
		{ "[64:ff9b::192.0.2.1]:7", { "192.0.2.1:7" } },
		{ "[64:ff9b:1:2::192.0.2.1]:7", { "192.0.2.1:7" } },
		{ "[64:ff9b:2::192.0.2.1]:7", { NULL } },
		{ "[2002:c000:201::9]:7", { "192.0.2.1:7" } },
		{ "[2001::1.2.3.4]:7", { "254.253.252.251:7", "0.0.0.0:7" } },
		{ "[2001:0:4136:e378:8000:63bf:3fff:fdd2]:7", { "192.0.2.45:7", "65.54.227.120:7" } },
		{ "[2001:0:4136:e378:0:5efe:3fff:fdd2]:7", { "192.0.2.45:7", "65.54.227.120:7", "63.255.253.210:7" } },
		{ "[fe80::5efe:192.0.2.1%4]:7", { "192.0.2.1:7" } },
		{ "[2002:c000:201::200:5efe:198.51.100.1]:7", { "192.0.2.1:7", "198.51.100.1:7" } },
		{ "2002:c000:201::", { "192.0.2.1" } },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct addr a, one, v4[ADDR_EMBEDDED_MAX];
		char buf[ADDR_TEXT_MAX];
		uint32_t n = 0;

		t_row = rows[i].a;
		EQ(addr_parse(span_str(rows[i].a), &a), 0);
		while (n < ADDR_EMBEDDED_MAX && rows[i].want[n])
			n++;
		EQ(addr_embedded(&a, v4), n);
		for (uint32_t k = 0; k < n; k++)
			EQ_STR(addr_fmt(&v4[k], buf), rows[i].want[k]);
		one = addr_unwrap(&a);
		OK(addr_eq(&one, n ? &v4[0] : &a));
	}
}

/* An address is a plain value: every field counts for equality, the port does not for the same host. */
static void compares_as_a_value(void)
{
	struct addr a = addr_v4(192, 0, 2, 1, 5), b = a;
	struct path p = { a, b }, q = p;
	struct addr unset = { 0 };
	char buf[ADDR_TEXT_MAX];

	OK(addr_eq(&a, &b));
	OK(path_eq(&p, &q));
	b.port = 6;
	OK(!addr_eq(&a, &b));
	OK(addr_same_ip(&a, &b));
	q.local.port = 6;
	OK(!path_eq(&p, &q));
	b.ip[15] = 2;
	OK(!addr_same_ip(&a, &b));
	OK(addr_is_v4(&a));
	OK(!addr_is_v4(&unset));
	OK(addr_is_unset(&unset));
	unset.port = 1;
	OK(!addr_is_unset(&unset));
	EQ_STR(addr_fmt_ip(&a, buf), "192.0.2.1");
	EQ(sizeof(struct path), 48);
}

/* A prefix counts bits in its own family and holds no address of the other one. */
static void prefixes_hold_their_addresses(void)
{
	static const struct {
		const char *a, *net;
		unsigned len;
		bool want;
	} rows[] = {
		{ "203.0.113.0", "203.0.113.0", 24, true },
		{ "203.0.113.255", "203.0.113.0", 24, true },
		{ "203.0.114.0", "203.0.113.0", 24, false },
		{ "203.0.113.7", "203.0.113.7", 32, true },
		{ "203.0.113.6", "203.0.113.7", 32, false },
		{ "203.0.113.7", "203.0.113.7", 33, false },
		{ "198.51.100.1", "0.0.0.0", 0, true },
		{ "198.51.100.1", "128.0.0.0", 1, true },
		{ "98.51.100.1", "128.0.0.0", 1, false },
		{ "198.51.100.1:99", "198.51.100.0", 25, true },
		{ "198.51.100.128", "198.51.100.0", 25, false },
		{ "2001:db8:1::1", "2001:db8::", 32, true },
		{ "2001:db9::1", "2001:db8::", 32, false },
		{ "2001:db8::1", "2001:db8::1", 128, true },
		{ "2001:db8::2", "2001:db8::1", 128, false },
		{ "2001:db8::1", "2001:db8::1", 129, false },
		{ "fe80::1%3", "fe80::", 10, true },
		{ "2001:db8::1", "::", 0, true },
		{ "192.0.2.1", "::", 0, false },
		{ "::", "0.0.0.0", 0, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct addr a, net;

		t_row = rows[i].a;
		EQ(addr_parse(span_str(rows[i].a), &a), 0);
		EQ(addr_parse(span_str(rows[i].net), &net), 0);
		EQ(addr_in_prefix(&a, &net, rows[i].len), rows[i].want);
	}
}

/* A port does not matter, and a mapped 0.0.0.0 is IPv4's. */
static void any_address_is_told(void)
{
	const struct addr v6 = { .port = 80 }, v4 = addr_v4(0, 0, 0, 0, 80), near[] = {
		addr_v4(0, 0, 0, 1, 0), addr_v4(127, 0, 0, 1, 0), { .ip = { [15] = 1 } }, { .ip = { 0x20 } },
	};

	OK(addr_is_any(&v6) && addr_is_any(&v4));
	for (size_t i = 0; i < ARRAY_LEN(near); i++)
		OK(!addr_is_any(&near[i]));
}

T_MAIN(T(any_address_is_told), T(prints_the_rfc5952_text), T(refuses_what_is_not_an_address), T(text_round_trips),
       T(classifies_by_the_registries), T(unwraps_what_it_carries), T(compares_as_a_value), T(prefixes_hold_their_addresses))
