/* SPDX-License-Identifier: AGPL-3.0-only */
#include "turnd/peer_policy.h"

#include "t.h"

#define OWN "8.8.4.4"           /* the public address of this host */
#define OWN6 "2a00:1450:4001::5"
#define RELAY "8.8.4.5"

static struct addr at(const char *text)
{
	struct addr a = { 0 };

	EQ(addr_parse(span_str(text), &a), 0);
	return a;
}

/* A host with two public addresses, one for relaying, and one private; 9.9.9.0/24 and 2620:fe::/48 are denied. */
static struct peer_policy policy(void)
{
	struct peer_policy p = {
		.listen = { at("[::]:3478"), at(RELAY ":443") }, .n_listen = 2,
		.own = { at(OWN), at(OWN6), at(RELAY), at("10.1.2.3"), at("fe80::5%2") }, .n_own = 5,
		.relay = { at(RELAY) }, .n_relay = 1,
		.min_port = 49152, .max_port = 65535,
		.allow = { at("10.1.2.9"), at("fd00::9"), at("9.9.9.9"), at("8.8.4.6") }, .n_allow = 4,
		.deny = { { at("9.9.9.0"), 24 }, { at("2620:fe::"), 48 } }, .n_deny = 2,
	};

	return p;
}

static enum peer_verdict judge(const char *text)
{
	struct peer_policy p = policy();
	struct addr a = at(text);

	return peer_policy(&p, &a);
}

/* RFC 6890, IANA's registries behind it, and every way to write an internal address that some stack would follow. */
static void nobody_inside_is_reached(void)
{
	static const char *const rows[] = {
		/* IPv4 */
		"0.0.0.0", "0.0.0.1", "0.255.255.255", "10.0.0.0", "10.255.255.255", "100.64.0.0", "100.127.255.255",
		"127.0.0.1", "127.0.0.2", "127.255.255.255", "169.254.0.1", "169.254.169.254", "172.16.0.1",
		"172.31.255.255", "192.0.0.1", "192.0.0.170", "192.0.2.1", "192.88.99.1", "192.168.0.1",
		"192.168.255.255", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1",
		"239.255.255.255", "240.0.0.1", "255.255.255.254", "255.255.255.255",
		/* IPv6 */
		"::", "::1", "::2", "::ffff", "100::", "100::1", "64:ff9b:1::1", "2001:2::1", "2001:10::1", "2001:20::1",
		"2001:1ff:ffff::1", "2001:db8::1", "2001:db8:ffff::1", "3fff::1", "3fff:fff:ffff::1", "5f00::1",
		"4000::1", "8000::1", "fc00::1", "fdff:ffff::1", "fe80::1", "fe80::1%2", "febf::1", "fec0::1", "feff::1",
		"ff02::1", "ff0e::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "1::1", "0:1::1",
		/* mapped */
		"::ffff:127.0.0.1", "::ffff:7f00:1", "::ffff:0.0.0.0", "::ffff:10.0.0.1", "::ffff:172.16.0.1",
		"::ffff:192.168.0.1", "::ffff:169.254.169.254", "::ffff:100.64.0.1", "::ffff:224.0.0.1",
		/* compatible, translated */
		"::127.0.0.1", "::10.0.0.1", "::172.16.0.1", "::192.168.0.1", "::169.254.169.254", "::ffff:0:127.0.0.1",
		"::ffff:0:10.0.0.1", "::ffff:0:169.254.169.254",
		/* NAT64: the well-known prefix, the local one whatever it carries */
		"64:ff9b::7f00:1", "64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b::172.16.0.1",
		"64:ff9b::192.168.0.1", "64:ff9b::169.254.169.254", "64:ff9b::0.0.0.0", "64:ff9b::100.64.0.1",
		"64:ff9b:1::127.0.0.1", "64:ff9b:1::169.254.169.254", "64:ff9b:1:fffe::8.8.8.8",
		"64:ff9b:1:7f00:0:100::", "64:ff9b:0:1::8.8.8.8",
		/* 6to4 */
		"2002:7f00:1::", "2002:7f00:1::1", "2002:a00:1::", "2002:ac10:1::", "2002:c0a8:1::", "2002:a9fe:a9fe::",
		"2002:a9fe:a9fe::1", "2002::1", "2002:6440:1::", "2002:e000:1::", "2002:c058:6301::",
		/* Teredo: the client inverted, or the server */
		"2001::80ff:fffe", "2001:0:4136:e378:8000:63bf:80ff:fffe", "2001:0:4136:e378:8000:63bf:f5ff:fffe",
		"2001:0:4136:e378:8000:63bf:53ef:fffe", "2001:0:4136:e378:8000:63bf:3f57:fffe",
		"2001:0:4136:e378:8000:63bf:5601:5601", "2001:0:7f00:1:8000:63bf:f7f7:f7f7", "2001:0:a00:1:0:0:f7f7:f7f7",
		"2001::1", "2001:0:a9fe:a9fe::f7f7:f7f7",
		/* ISATAP, under prefixes of any kind */
		"2a00:1450::5efe:127.0.0.1", "2a00:1450::5efe:10.0.0.1", "2a00:1450::200:5efe:192.168.0.1",
		"2a00:1450::200:5efe:169.254.169.254", "fe80::5efe:8.8.8.8", "2002:808:808::5efe:10.0.0.1",
		"64:ff9b:1::5efe:8.8.8.8",
	};
	struct peer_policy p = policy(), none = { .max_port = UINT16_MAX };

	OK(ARRAY_LEN(rows) > 100);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct addr a = at(rows[i]);

		for (int port = 0; port <= UINT16_MAX; port += 13107) {
			a.port = (uint16_t)port;
			t_row = rows[i];
			EQ(peer_policy(&p, &a), PEER_FORBIDDEN);
			EQ(peer_policy(&none, &a), PEER_FORBIDDEN);
		}
	}
}

/* Everybody else is reached, right beside what is not, with any port. */
static void everybody_outside_is_reached(void)
{
	static const char *const rows[] = {
		"1.1.1.1", "1.0.0.0", "8.8.8.8", "8.8.8.8:1", "8.8.8.8:3478", "8.8.8.8:65535", "9.9.8.255", "9.9.10.0",
		"9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.1",
		"169.253.255.255", "169.255.0.1", "172.15.255.255", "172.32.0.1", "192.0.1.1", "192.0.3.1", "192.88.98.1",
		"192.88.100.1", "192.167.255.255", "192.169.0.1", "198.17.255.255", "198.20.0.1", "198.51.99.1",
		"198.51.101.1", "203.0.112.1", "203.0.114.1", "223.255.255.255", "::ffff:8.8.8.8", "2001:200::1",
		"2001:db7:ffff::1", "2001:db9::1", "2003::1", "2606:4700::1111", "2a00:1450::1", "2a00:1450::5eff:10.0.0.1",
		"3ffe::1", "3fff:1000::1", "2620:fd::1", "2620:fe:1::1", "[2a00:1450::1]:3478", "2a00:1450:4001::6", "8.8.4.3",
		"2002:808:808::1", "64:ff9b::8.8.8.8", "2a00:1450::5efe:8.8.8.8", "2001:0:4136:e378:8000:63bf:f7f7:f7f7",
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		t_row = rows[i];
		EQ(judge(rows[i]), PEER_OK);
	}
}

/* The table of peer_policy.h, row by row, and what happens where two rows meet. */
static void the_table_holds(void)
{
	static const struct {
		const char *peer;
		enum peer_verdict want;
	} rows[] = {
		/* own listening sockets, also by names that the kernel takes for them */
		{ OWN ":3478", PEER_FORBIDDEN }, { "[" OWN6 "]:3478", PEER_FORBIDDEN }, { RELAY ":3478", PEER_FORBIDDEN },
		{ RELAY ":443", PEER_FORBIDDEN }, { "127.0.0.1:3478", PEER_FORBIDDEN }, { "0.0.0.0:3478", PEER_FORBIDDEN },
		/* denied, allowed or not */
		{ "9.9.9.1", PEER_FORBIDDEN }, { "9.9.9.255:80", PEER_FORBIDDEN }, { "9.9.9.9", PEER_FORBIDDEN },
		{ "2620:fe::1", PEER_FORBIDDEN }, { "[2620:fe:0:ffff::1]:53", PEER_FORBIDDEN },
		/* allowed, any port */
		{ "10.1.2.9", PEER_OK }, { "10.1.2.9:3478", PEER_OK }, { "[fd00::9]:1", PEER_OK }, { "8.8.4.6:9", PEER_OK },
		/* but in its own words only, and nobody beside it */
		{ "64:ff9b::10.1.2.9", PEER_FORBIDDEN }, { "::10.1.2.9", PEER_FORBIDDEN }, { "2002:a01:209::", PEER_FORBIDDEN },
		{ "10.1.2.8", PEER_FORBIDDEN }, { "fd00::8", PEER_FORBIDDEN }, { "::ffff:10.1.2.9", PEER_OK },
		/* relay addresses with a relay port, or before one is known */
		{ RELAY ":49152", PEER_HAIRPIN }, { RELAY ":65535", PEER_HAIRPIN }, { RELAY, PEER_HAIRPIN },
		{ "::ffff:" RELAY, PEER_HAIRPIN }, { RELAY ":49151", PEER_FORBIDDEN }, { RELAY ":22", PEER_FORBIDDEN },
		{ "64:ff9b::" RELAY, PEER_FORBIDDEN }, { "[64:ff9b::" RELAY "]:50000", PEER_FORBIDDEN },
		/* any other address of this host */
		{ OWN, PEER_FORBIDDEN }, { OWN ":22", PEER_FORBIDDEN }, { OWN ":50000", PEER_FORBIDDEN },
		{ OWN6, PEER_FORBIDDEN }, { "[" OWN6 "]:50000", PEER_FORBIDDEN }, { "10.1.2.3", PEER_FORBIDDEN },
		{ "fe80::5", PEER_FORBIDDEN },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		t_row = rows[i].peer;
		EQ(judge(rows[i].peer), rows[i].want);
	}
}

/* Our own public address and denied ones are refused inside every form that carries an IPv4 address, with any port. */
static void disguises_do_not_help(void)
{
	static const char *const rows[] = {
		/* 8.8.4.4, ours */
		"::ffff:8.8.4.4", "::8.8.4.4", "::ffff:0:8.8.4.4", "64:ff9b::8.8.4.4", "64:ff9b:1::8.8.4.4",
		"2002:808:404::", "2002:808:404::1", "2002:808:404:1:2:3:4:5", "2001:0:4136:e378:8000:63bf:f7f7:fbfb",
		"2001:0:808:404:8000:63bf:f7f7:f7f7", "2a00:1450::5efe:8.8.4.4", "2a00:1450::200:5efe:8.8.4.4",
		/* 9.9.9.9, denied */
		"::ffff:9.9.9.9", "::9.9.9.9", "::ffff:0:9.9.9.9", "64:ff9b::9.9.9.9", "64:ff9b:1::9.9.9.9",
		"2002:909:909::", "2002:909:901::1", "2001:0:4136:e378:8000:63bf:f6f6:f6f6",
		"2001:0:909:909:8000:63bf:f7f7:f7f7", "2a00:1450::5efe:9.9.9.9", "2a00:1450::200:5efe:9.9.9.1",
		/* 8.8.4.5, the relay's */
		"::8.8.4.5", "2002:808:405::", "2001:0:4136:e378:8000:63bf:f7f7:fbfa", "2a00:1450::5efe:8.8.4.5",
	};
	struct peer_policy p = policy();

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		static const uint16_t ports[] = { 0, 22, 3478, 50000 };
		struct addr a = at(rows[i]);

		for (size_t k = 0; k < ARRAY_LEN(ports); k++) {
			a.port = ports[k];
			t_row = rows[i];
			EQ(peer_policy(&p, &a), PEER_FORBIDDEN);
		}
	}
}

/* Our listening sockets stay out of reach when AllowPeer= names their address, those on the wildcard by any loopback
 * address. */
static void allowing_does_not_open_our_sockets(void)
{
	static const struct {
		const char *peer;
		enum peer_verdict want;
	} rows[] = {
		{ "127.0.0.1", PEER_OK },          { "127.0.0.1:8080", PEER_OK }, { "127.0.0.1:3478", PEER_FORBIDDEN },
		{ "127.0.0.2:3478", PEER_FORBIDDEN }, { "127.0.0.2:8080", PEER_OK }, { "[::1]:3478", PEER_FORBIDDEN },
		{ "[::1]:8080", PEER_OK },         { OWN ":3478", PEER_FORBIDDEN }, { OWN ":8080", PEER_OK },
		{ RELAY ":50000", PEER_HAIRPIN },  { RELAY ":8080", PEER_OK },    { RELAY ":443", PEER_FORBIDDEN },
	};
	struct peer_policy p = policy();

	p.n_allow = 5;
	p.allow[0] = at("127.0.0.1");
	p.allow[1] = at("127.0.0.2");
	p.allow[2] = at("::1");
	p.allow[3] = at(OWN);
	p.allow[4] = at(RELAY);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct addr a = at(rows[i].peer);

		t_row = rows[i].peer;
		EQ(peer_policy(&p, &a), rows[i].want);
		p.listen[0] = at("0.0.0.0:3478");
		EQ(peer_policy(&p, &a), rows[i].want);
		p.listen[0] = at("[::]:3478");
	}
}

/* Full lists are read to their ends. */
static void full_lists_count_to_the_end(void)
{
	struct peer_policy p = { .n_listen = POLICY_OWN_MAX, .n_own = POLICY_OWN_MAX, .n_allow = POLICY_LIST_MAX,
				 .n_deny = POLICY_LIST_MAX, .n_relay = 4, .min_port = 1000, .max_port = 2000 };
	struct addr a;

	for (uint8_t i = 0; i < 64; i++) {
		p.listen[i] = addr_v4(1, 1, 1, i, 3478);
		p.own[i] = addr_v4(1, 1, 2, i, 0);
		p.allow[i] = addr_v4(10, 1, 3, i, 0);
		p.deny[i] = (struct peer_prefix){ addr_v4(1, 1, 4, i, 0), 32 };
		p.relay[i % 4] = addr_v4(1, 1, 5, i % 4, 0);
	}
	a = addr_v4(1, 1, 1, 63, 3478);
	EQ(peer_policy(&p, &a), PEER_FORBIDDEN);
	a = addr_v4(1, 1, 1, 63, 3479);
	EQ(peer_policy(&p, &a), PEER_OK);
	a = addr_v4(1, 1, 2, 63, 1);
	EQ(peer_policy(&p, &a), PEER_FORBIDDEN);
	a = addr_v4(10, 1, 3, 63, 1);
	EQ(peer_policy(&p, &a), PEER_OK);
	a = addr_v4(1, 1, 4, 63, 1);
	EQ(peer_policy(&p, &a), PEER_FORBIDDEN);
	a = addr_v4(1, 1, 5, 3, 2000);
	EQ(peer_policy(&p, &a), PEER_HAIRPIN);
}

T_MAIN(T(nobody_inside_is_reached), T(everybody_outside_is_reached), T(the_table_holds), T(disguises_do_not_help),
       T(allowing_does_not_open_our_sockets), T(full_lists_count_to_the_end))
