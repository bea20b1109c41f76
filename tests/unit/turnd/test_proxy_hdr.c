/* SPDX-License-Identifier: AGPL-3.0-only */
#include "turnd/proxy_hdr.h"

#include "t.h"

#define SIG "\r\n\r\n\0\r\nQUIT\n"
#define ALL6 "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"
#define UNKNOWN_107 "PROXY UNKNOWN " ALL6 " " ALL6 " 65535 65535" /* with the line's end */
#define V6_1 "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
#define V6_2 "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02"
#define V4_MAPPED "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\x02\x01"
#define PATH108 PATH27 PATH27 PATH27 PATH27
#define PATH27 "/run/a-socket-of-the-front\0"

struct good {
	struct span in;
	const char *client, *server; /* NULL: local */
};

#define IN(s) { (const uint8_t *)(s), sizeof(s) - 1 }

static const struct good good[] = {
	/* version 1 */
	{ IN("PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n"), "192.0.2.1:56324", "198.51.100.2:443" },
	{ IN("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"), "255.255.255.255:65535", "255.255.255.255:65535" },
	{ IN("PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n"), "0.0.0.0", "0.0.0.0" },
	{ IN("PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n"), "[2001:db8::1]:1", "[2001:db8::2]:2" },
	{ IN("PROXY TCP6 " ALL6 " " ALL6 " 65535 65535\r\n"),
	  "[" ALL6 "]:65535", "[" ALL6 "]:65535" },
	{ IN("PROXY TCP6 ::ffff:192.0.2.1 2001:db8::2 1 2\r\n"), "192.0.2.1:1", "[2001:db8::2]:2" },
	{ IN("PROXY UNKNOWN\r\n"), NULL, NULL },
	{ IN("PROXY UNKNOWN ffff:: anything  at all 1 2\r\n"), NULL, NULL },
	{ IN(UNKNOWN_107 "\r\n"), NULL, NULL },
	/* version 2 */
	{ IN(SIG "\x21\x11\0\x0c\xc0\0\x02\x01\xc6\x33\x64\x02\xdc\x04\x01\xbb"), "192.0.2.1:56324", "198.51.100.2:443" },
	{ IN(SIG "\x21\x12\0\x0c\xc0\0\x02\x01\xc6\x33\x64\x02\0\0\xff\xff"), "192.0.2.1", "198.51.100.2:65535" },
	{ IN(SIG "\x21\x21\0\x24" V6_1 V6_2 "\0\x01\0\x02"),
	  "[2001:db8::1]:1", "[2001:db8::2]:2" },
	{ IN(SIG "\x21\x22\0\x24" V4_MAPPED V6_2 "\0\x01\0\x02"),
	  "192.0.2.1:1", "[2001:db8::2]:2" },
	/* TLVs: a name (ALPN), a checksum that is wrong and nobody's business, no-op padding */
	{ IN(SIG "\x21\x11\0\x1d\xc0\0\x02\x01\xc6\x33\x64\x02\0\x01\0\x02" "\x01\0\x02h2" "\x03\0\x04\xde\xad\xbe\xef"
	     "\x04\0\x02\0\0"),
	  "192.0.2.1:1", "198.51.100.2:2" },
	/* LOCAL: addresses, and a family nobody knows, are not looked at */
	{ IN(SIG "\x20\0\0\0"), NULL, NULL },
	{ IN(SIG "\x20\x11\0\x0c\xc0\0\x02\x01\xc6\x33\x64\x02\0\x01\0\x02"), NULL, NULL },
	{ IN(SIG "\x20\xff\0\x01x"), NULL, NULL },
	/* no family, and AF_UNIX */
	{ IN(SIG "\x21\0\0\0"), NULL, NULL },
	{ IN(SIG "\x21\0\0\x05\x04\0\x02\0\0"), NULL, NULL },
	{ IN(SIG "\x21\x31\0\xd8" PATH108 PATH108), NULL, NULL },
	{ IN(SIG "\x21\x32\0\xdd" PATH108 PATH108 "\x04\0\x02\0\0"), NULL, NULL },
};

static void must_be(const struct proxy_hdr *h, const struct good *g)
{
	char buf[ADDR_TEXT_MAX];

	EQ(h->n, g->in.n);
	EQ(h->local, g->client == NULL);
	if (g->client) {
		EQ_STR(addr_fmt(&h->client, buf), g->client);
		EQ_STR(addr_fmt(&h->server, buf), g->server);
	} else {
		OK(addr_is_unset(&h->client) && addr_is_unset(&h->server));
	}
}

/* Both versions say who came and where to; what follows the header is not looked at. */
static void reads_both_versions(void)
{
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		uint8_t more[PROXY_HDR_MAX + 4];
		struct proxy_hdr h;
		char row[16];

		snprintf(row, sizeof(row), "good %zu: ", i);
		t_row = row;
		EQ(proxy_hdr_parse(good[i].in, &h), 0);
		must_be(&h, &good[i]);
		memcpy(more, good[i].in.p, good[i].in.n);
		memcpy(more + good[i].in.n, "\r\n\r\n", 4);
		EQ(proxy_hdr_parse(span_of(more, good[i].in.n + 4), &h), 0);
		must_be(&h, &good[i]);
	}
}

/* A stream delivers in pieces: the beginning of a header is never wrong, and nothing is told before it is whole. */
static void a_beginning_is_short(void)
{
	struct proxy_hdr h = { .n = 99 };

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		for (size_t n = 0; n < good[i].in.n; n++)
			EQ(proxy_hdr_parse(span_of(good[i].in.p, n), &h), ERR_SHORT);
	}
	EQ(proxy_hdr_parse((struct span){ 0 }, &h), ERR_SHORT);
	EQ(h.n, 99);
}

/* What is not exactly a header is none: two readers must not come to two addresses. */
static void refuses_everything_else(void)
{
	static const struct span rows[] = {
		IN("G"), IN("GET / HTTP/1.1\r\n\r\n"), IN("\x16\x03\x01"), IN("PROXZ"), IN("proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n"),
		IN("PROXY\tTCP4 1.2.3.4 1.2.3.4 1 2\r\n"), IN("\r\n\r\n\r"), IN("\r\n\r\n\0\r\nQUIX"), IN(" PROXY UNKNOWN\r\n"),
		/* spaces */
		IN("PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n"), IN("PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n"),
		IN("PROXY TCP4 1.2.3.4  1.2.3.4 1 2\r\n"), IN("PROXY TCP4 1.2.3.4 1.2.3.4  1 2\r\n"),
		IN("PROXY TCP4 1.2.3.4 1.2.3.4 1  2\r\n"), IN("PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n"),
		IN("PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n"), IN("PROXY TCP4 1.2.3.4 1.2.3.4\t1 2\r\n"),
		/* fields missing */
		IN("PROXY \r\n"), IN("PROXY TCP4\r\n"), IN("PROXY TCP4 1.2.3.4\r\n"), IN("PROXY TCP4 1.2.3.4 1.2.3.4\r\n"),
		IN("PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n"), IN("PROXY TCP4 1.2.3.4 1.2.3.4 1 \r\n"),
		/* families */
		IN("PROXY TCP 1.2.3.4 1.2.3.4 1 2\r\n"), IN("PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n"),
		IN("PROXY tcp4 1.2.3.4 1.2.3.4 1 2\r\n"), IN("PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n"),
		IN("PROXY TCP4 ::1 ::1 1 2\r\n"), IN("PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n"), IN("PROXY TCP6 ::1 1.2.3.4 1 2\r\n"),
		IN("PROXY TCP4 ::ffff:1.2.3.4 1.2.3.4 1 2\r\n"), IN("PROXY UNKNOWNX\r\n"), IN("PROXY unknown\r\n"),
		/* addresses */
		IN("PROXY TCP4 01.2.3.4 1.2.3.4 1 2\r\n"), IN("PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n"),
		IN("PROXY TCP4 1.2.3.256 1.2.3.4 1 2\r\n"), IN("PROXY TCP4 1.2.3.4:5 1.2.3.4 1 2\r\n"),
		IN("PROXY TCP4 localhost 1.2.3.4 1 2\r\n"), IN("PROXY TCP6 [::1] ::1 1 2\r\n"),
		IN("PROXY TCP6 [::1]:5 ::1 1 2\r\n"), IN("PROXY TCP6 fe80::1%2 ::1 1 2\r\n"), IN("PROXY TCP6 ::g ::1 1 2\r\n"),
		IN("PROXY TCP6 1:2:3:4:5:6:7:8:9 ::1 1 2\r\n"),
		/* ports */
		IN("PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n"), IN("PROXY TCP4 1.2.3.4 1.2.3.4 1 00\r\n"),
		IN("PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n"), IN("PROXY TCP4 1.2.3.4 1.2.3.4 1 99999\r\n"),
		IN("PROXY TCP4 1.2.3.4 1.2.3.4 1 100000\r\n"), IN("PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n"),
		IN("PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n"), IN("PROXY TCP4 1.2.3.4 1.2.3.4 0x1 2\r\n"),
		IN("PROXY TCP4 1.2.3.4 1.2.3.4 1 2a\r\n"),
		/* line ends, control characters, lengths */
		IN("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n"), IN("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\r\n"),
		IN("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\rX"), IN("PROXY UNKNOWN\n\r\n"), IN("PROXY UNKNOWN \rX\r\n"),
		IN("PROXY UNKNOWN \0\r\n"), IN("PROXY UNKNOWN \x7f\r\n"), IN("PROXY UNKNOWN \xc3\xa4\r\n"),
		IN(UNKNOWN_107 "x\r\n"), IN(UNKNOWN_107 "x"),
		/* version 2: version, command, family, transport */
		IN(SIG "\x11"), IN(SIG "\x31"), IN(SIG "\x22"), IN(SIG "\x2f"), IN(SIG "\x01\x11\0\0"), IN(SIG "\x21\x10\0\0"),
		IN(SIG "\x21\x13\0\x0c\xc0\0\x02\x01\xc6\x33\x64\x02\0\x01\0\x02"), IN(SIG "\x21\x01\0\0"),
		IN(SIG "\x21\x41\0\0"), IN(SIG "\x21\xf1\0\0"),
		/* and lengths: too small for the family, too large for us */
		IN(SIG "\x21\x11\0\0"), IN(SIG "\x21\x11\0\x0b\xc0\0\x02\x01\xc6\x33\x64\x02\0\x01\0\x02"),
		IN(SIG "\x21\x21\0\x0c\xc0\0\x02\x01\xc6\x33\x64\x02\0\x01\0\x02"), IN(SIG "\x21\x31\0\0"),
		IN(SIG "\x21\x11\x02\x09"), IN(SIG "\x20\0\xff\xff"),
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct proxy_hdr h = { .n = 99 };
		char row[16];

		snprintf(row, sizeof(row), "bad %zu: ", i);
		t_row = row;
		EQ(proxy_hdr_parse(rows[i], &h), ERR_MALFORMED);
		EQ(h.n, 99);
	}
}

/* The largest header we wait for is PROXY_HDR_MAX bytes: a reader of that size sees the end of any. */
static void the_largest_fits(void)
{
	uint8_t in[PROXY_HDR_MAX] = SIG "\x21\x11\x02\x08\xc0\0\x02\x01\xc6\x33\x64\x02\0\x01\0\x02";
	struct proxy_hdr h;

	EQ(proxy_hdr_parse(span_of(in, sizeof(in) - 1), &h), ERR_SHORT);
	EQ(proxy_hdr_parse(span_of(in, sizeof(in)), &h), 0);
	EQ(h.n, PROXY_HDR_MAX);
}

/* What we write is version 1, at most 107 bytes, and reads back. One IPv6 address makes both TCP6; no scope leaks. */
static void writes_what_it_reads(void)
{
	static const struct {
		const char *client, *server, *want;
	} rows[] = {
		{ "192.0.2.1:56324", "198.51.100.2:443", "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n" },
		{ "[2001:db8::1]:1", "[2001:db8::2]:65535", "PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n" },
		{ "192.0.2.1:1", "[2001:db8::2]:2", "PROXY TCP6 ::ffff:192.0.2.1 2001:db8::2 1 2\r\n" },
		{ "[2001:db8::1]:1", "192.0.2.1:2", "PROXY TCP6 2001:db8::1 ::ffff:192.0.2.1 1 2\r\n" },
		{ "[fe80::1%4]:1", "[fe80::2%4]:2", "PROXY TCP6 fe80::1 fe80::2 1 2\r\n" },
		{ "0.0.0.0", "0.0.0.0", "PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n" },
		{ "[" ALL6 "]:65535", "[" ALL6 "]:65535",
		  "PROXY TCP6 " ALL6 " " ALL6 " 65535 65535\r\n" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct addr client, server;
		struct proxy_hdr h;
		uint8_t buf[107];

		t_row = rows[i].want;
		EQ(addr_parse(span_str(rows[i].client), &client), 0);
		EQ(addr_parse(span_str(rows[i].server), &server), 0);
		for (size_t room = 0; room <= sizeof(buf); room++) {
			struct wr w = wr_from(buf, room);

			proxy_hdr_write(&w, &client, &server);
			EQ(w.bad, room < strlen(rows[i].want));
		}
		EQ_SPAN(span_of(buf, strlen(rows[i].want)), span_str(rows[i].want));
		EQ(proxy_hdr_parse(span_str(rows[i].want), &h), 0);
		client.scope = server.scope = 0;
		OK(!h.local && addr_eq(&h.client, &client) && addr_eq(&h.server, &server));
	}
}

T_MAIN(T(reads_both_versions), T(a_beginning_is_short), T(refuses_everything_else), T(the_largest_fits),
       T(writes_what_it_reads))
