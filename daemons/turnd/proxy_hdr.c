/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * One header has one reading: what two readers could take for two things is refused. A prefix of a good header is short,
 * never wrong.
 *
 *  v1: "PROXY TCP4 SRC DST SPORT DPORT\r\n" | "PROXY TCP6 …\r\n" | "PROXY UNKNOWN…\r\n"
 *  v2: | signature (96 bits) | version 2 (4) | command (4) | family (4) | transport (4) | length (16) | body: addresses, TLVs
 */
#include "turnd/proxy_hdr.h"

#define V1_MAX 107
#define V1_START SPAN_LIT("PROXY ")
#define V2_SIGNATURE SPAN_LIT("\r\n\r\n\0\r\nQUIT\n")
#define V2_HDR_LEN 16

enum { V2_LOCAL = 0x20, V2_PROXY = 0x21 };

static bool starts(struct span in, struct span with)
{
	return in.n >= with.n && memcmp(in.p, with.p, with.n) == 0;
}

/* The bytes up to the next space, which is consumed; at the end, the rest. */
static struct span word(struct span *line)
{
	const uint8_t *space = line->n ? memchr(line->p, ' ', line->n) : NULL;
	struct span w = *line;

	if (space)
		w.n = (size_t)(space - line->p);
	*line = span_of(line->p + w.n + (space != NULL), line->n - w.n - (space != NULL));
	return w;
}

static bool has(struct span s, char c)
{
	return s.n && memchr(s.p, c, s.n);
}

static bool read_addr(struct span text, bool v6, struct addr *ret)
{
	if (has(text, '[') || has(text, '%') || has(text, ':') != v6)
		return false;
	return addr_parse(text, ret) == 0;
}

static bool read_port(struct span text, uint16_t *ret)
{
	uint32_t v = 0;

	if (text.n == 0 || text.n > 5 || (text.n > 1 && text.p[0] == '0'))
		return false;
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '9')
			return false;
		v = v * 10 + (uint32_t)(text.p[i] - '0');
	}
	*ret = (uint16_t)v;
	return v <= UINT16_MAX;
}

/* The line without its start and its end. */
static int parse_line(struct span line, struct proxy_hdr *h)
{
	struct span family = word(&line), src, dst, sport, dport;
	bool v6 = span_is(family, "TCP6");

	h->local = span_is(family, "UNKNOWN");
	if (h->local)
		return 0; /* whatever follows is to be ignored */
	if (!v6 && !span_is(family, "TCP4"))
		return ERR_MALFORMED;
	src = word(&line);
	dst = word(&line);
	sport = word(&line);
	dport = line;
	if (!read_addr(src, v6, &h->client) || !read_addr(dst, v6, &h->server) || !read_port(sport, &h->client.port) ||
	    !read_port(dport, &h->server.port))
		return ERR_MALFORMED;
	return 0;
}

static int parse_v1(struct span in, struct proxy_hdr *h)
{
	size_t n = 0;

	while (n < in.n && in.p[n] >= ' ' && in.p[n] <= '~')
		n++;
	/* Neither a bare CR nor a bare LF ends the line. */
	if (n > V1_MAX - 2 || (n < in.n && in.p[n] != '\r') || (n + 1 < in.n && in.p[n + 1] != '\n'))
		return ERR_MALFORMED;
	if (n + 2 > in.n)
		return ERR_SHORT;
	h->n = n + 2;
	return parse_line(span_of(in.p + V1_START.n, n - V1_START.n), h);
}

static struct addr read_v2(struct rd *r, bool v6)
{
	const uint8_t *ip = rd_take(r, v6 ? 16 : 4);

	if (!ip)
		return (struct addr){ 0 };
	return v6 ? addr_from_v6(ip, 0) : addr_from_v4(ip, 0);
}

static void read_pair(struct rd *r, bool v6, struct proxy_hdr *h)
{
	h->client = read_v2(r, v6);
	h->server = read_v2(r, v6);
	h->client.port = rd_be16(r);
	h->server.port = rd_be16(r);
}

/* What stands behind the addresses are TLVs: none of them is of use here. */
static int parse_v2_body(uint8_t family, struct span body, struct proxy_hdr *h)
{
	struct rd r = rd_from(body);

	switch (family) {
	case 0x00: /* unspecified */
		h->local = true;
		break;
	case 0x11: /* IPv4, stream and datagram */
	case 0x12:
		read_pair(&r, false, h);
		break;
	case 0x21: /* IPv6 */
	case 0x22:
		read_pair(&r, true, h);
		break;
	case 0x31: /* AF_UNIX: two paths */
	case 0x32:
		rd_skip(&r, 216);
		h->local = true;
		break;
	default:
		return ERR_MALFORMED;
	}
	return r.bad ? ERR_MALFORMED : 0;
}

static int parse_v2(struct span in, struct proxy_hdr *h)
{
	struct rd r = rd_from(in);
	uint8_t command, family;
	struct span body;

	rd_skip(&r, V2_SIGNATURE.n);
	command = rd_u8(&r);
	if (!r.bad && command != V2_LOCAL && command != V2_PROXY)
		return ERR_MALFORMED;
	family = rd_u8(&r);
	h->n = (size_t)V2_HDR_LEN + rd_be16(&r);
	if (r.bad)
		return ERR_SHORT;
	if (h->n > PROXY_HDR_MAX)
		return ERR_MALFORMED;
	body = rd_span(&r, h->n - V2_HDR_LEN);
	if (r.bad)
		return ERR_SHORT;
	h->local = command == V2_LOCAL;
	return h->local ? 0 : parse_v2_body(family, body, h);
}

int proxy_hdr_parse(struct span in, struct proxy_hdr *ret)
{
	struct proxy_hdr h = { 0 };
	int r;

	if (in.n == 0)
		return ERR_SHORT;
	if (starts(in, V1_START))
		r = parse_v1(in, &h);
	else if (starts(in, V2_SIGNATURE))
		r = parse_v2(in, &h);
	else
		return starts(V1_START, in) || starts(V2_SIGNATURE, in) ? ERR_SHORT : ERR_MALFORMED;
	if (r == 0)
		*ret = h;
	return r;
}

static void write_addr(struct wr *w, const struct addr *a, bool v6)
{
	struct addr plain = addr_from_v6(a->ip, 0); /* without port and scope */
	char buf[ADDR_TEXT_MAX];

	wr_str(w, v6 && addr_is_v4(a) ? " ::ffff:" : " ");
	wr_str(w, addr_fmt(&plain, buf));
}

void proxy_hdr_write(struct wr *w, const struct addr *client, const struct addr *server)
{
	bool v6 = !addr_is_v4(client) || !addr_is_v4(server);

	wr_str(w, v6 ? "PROXY TCP6" : "PROXY TCP4");
	write_addr(w, client, v6);
	write_addr(w, server, v6);
	wr_u8(w, ' ');
	wr_dec(w, client->port);
	wr_u8(w, ' ');
	wr_dec(w, server->port);
	wr_str(w, "\r\n");
}
