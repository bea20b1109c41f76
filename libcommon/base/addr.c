/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * Addresses as values: text in both directions (RFC 4291 2.2, RFC 5952) and the special-purpose
 * registries of IANA. When a class is in doubt the answer is not "global".
 */
#include "base/addr.h"

#include "base/err.h"

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

struct addr addr_v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d, uint16_t port)
{
	return addr_from_v4((const uint8_t[4]){ a, b, c, d }, port);
}

struct addr addr_from_v4(const uint8_t ip[4], uint16_t port)
{
	struct addr a = { .port = port };

	memcpy(a.ip, mapped, 12);
	memcpy(a.ip + 12, ip, 4);
	return a;
}

struct addr addr_from_v6(const uint8_t ip[16], uint16_t port)
{
	struct addr a = { .port = port };

	memcpy(a.ip, ip, 16);
	return a;
}

bool addr_is_v4(const struct addr *a)
{
	return memcmp(a->ip, mapped, 12) == 0;
}

bool addr_is_any(const struct addr *a)
{
	const struct addr any4 = addr_v4(0, 0, 0, 0, 0);
	static const uint8_t any6[16];

	return memcmp(a->ip, any6, sizeof(any6)) == 0 || memcmp(a->ip, any4.ip, sizeof(any4.ip)) == 0;
}

bool addr_is_unset(const struct addr *a)
{
	static const struct addr unset;

	return addr_eq(a, &unset);
}

bool addr_eq(const struct addr *a, const struct addr *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

bool addr_same_ip(const struct addr *a, const struct addr *b)
{
	return memcmp(a->ip, b->ip, 16) == 0 && a->scope == b->scope;
}

bool path_eq(const struct path *a, const struct path *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

struct prefix {
	uint8_t ip[16], bits;
	enum addr_class class;
};

static const struct prefix special4[] = {
	{ { 0 }, 8, ADDR_UNSPECIFIED },
	{ { 10 }, 8, ADDR_PRIVATE },
	{ { 100, 64 }, 10, ADDR_CGNAT },
	{ { 127 }, 8, ADDR_LOOPBACK },
	{ { 169, 254 }, 16, ADDR_LINK_LOCAL },
	{ { 172, 16 }, 12, ADDR_PRIVATE },
	{ { 192, 0, 0 }, 24, ADDR_RESERVED },  /* RFC 6890: protocol assignments */
	{ { 192, 0, 2 }, 24, ADDR_RESERVED },  /* RFC 5737: documentation */
	{ { 192, 88, 99 }, 24, ADDR_RESERVED }, /* RFC 7526: former 6to4 relays */
	{ { 192, 168 }, 16, ADDR_PRIVATE },
	{ { 198, 18 }, 15, ADDR_RESERVED },      /* RFC 2544: benchmarking */
	{ { 198, 51, 100 }, 24, ADDR_RESERVED }, /* RFC 5737 */
	{ { 203, 0, 113 }, 24, ADDR_RESERVED },  /* RFC 5737 */
	{ { 224 }, 4, ADDR_MULTICAST },
	{ { 240 }, 4, ADDR_RESERVED }, /* and the broadcast address */
};

/* Global here: the IPv4 address inside decides. */
static const struct prefix special6[] = {
	{ { [15] = 1 }, 128, ADDR_LOOPBACK },
	{ { [8] = 0xff, [9] = 0xff }, 96, ADDR_GLOBAL },      /* RFC 2765: translated */
	{ { 0x00, 0x64, 0xff, 0x9b }, 96, ADDR_GLOBAL },      /* RFC 6052: NAT64 */
	{ { 0 }, 96, ADDR_GLOBAL },                           /* compatible; :: reads as 0.0.0.0 */
	{ { 0x20, 0x01 }, 32, ADDR_GLOBAL },                  /* RFC 4380: Teredo */
	{ { 0xfc }, 7, ADDR_PRIVATE },
	{ { 0xfe, 0x80 }, 10, ADDR_LINK_LOCAL },
	{ { 0xff }, 8, ADDR_MULTICAST },
	{ { 0x20, 0x01 }, 23, ADDR_RESERVED },             /* RFC 2928: protocol assignments */
	{ { 0x20, 0x01, 0x0d, 0xb8 }, 32, ADDR_RESERVED }, /* RFC 3849: documentation */
	{ { 0x3f, 0xff }, 20, ADDR_RESERVED },             /* RFC 9637: documentation */
	{ { 0x20 }, 3, ADDR_GLOBAL },
	{ { 0 }, 0, ADDR_RESERVED }, /* RFC 4291 2.4: nothing else is allocated as global unicast */
};

static bool in_prefix(const uint8_t *ip, const uint8_t *prefix, uint32_t bits)
{
	uint32_t bytes = bits / 8, rest = bits % 8;

	if (memcmp(ip, prefix, bytes) != 0)
		return false;
	return rest == 0 || (ip[bytes] ^ prefix[bytes]) >> (8 - rest) == 0;
}

bool addr_in_prefix(const struct addr *a, const struct addr *net, unsigned len)
{
	bool v4 = addr_is_v4(net);

	if (addr_is_v4(a) != v4 || len > (v4 ? 32u : 128u))
		return false;
	return in_prefix(a->ip, net->ip, v4 ? len + 96 : len);
}

static enum addr_class lookup(const struct prefix *table, size_t n, const uint8_t *ip)
{
	for (size_t i = 0; i < n; i++) {
		if (in_prefix(ip, table[i].ip, table[i].bits))
			return table[i].class;
	}
	return ADDR_GLOBAL;
}

static enum addr_class classify4(const uint8_t *ip)
{
	return lookup(special4, ARRAY_LEN(special4), ip);
}

/* Where an IPv4 address stands in those of a prefix. */
static const struct form {
	uint8_t prefix[12], bits, at;
	bool inverted;
} forms[] = {
	{ { [8] = 0xff, [9] = 0xff }, 96, 12, false },              /* RFC 2765: translated */
	{ { 0x00, 0x64, 0xff, 0x9b }, 96, 12, false },              /* RFC 6052: NAT64 */
	{ { 0x00, 0x64, 0xff, 0x9b, 0x00, 0x01 }, 48, 12, false },  /* RFC 8215: local NAT64, its /96 prefixes */
	{ { 0 }, 96, 12, false },                                   /* compatible */
	{ { 0x20, 0x02 }, 16, 2, false },                           /* RFC 3056: 6to4 */
	{ { 0x20, 0x01 }, 32, 12, true },                           /* RFC 4380: Teredo client */
	{ { 0x20, 0x01 }, 32, 4, false },                           /* Teredo server: either may get the packet */
};

/* RFC 5214 6.1: ISATAP, under any prefix. */
static bool is_isatap(const uint8_t *ip)
{
	return (ip[8] & ~2) == 0 && ip[9] == 0 && ip[10] == 0x5e && ip[11] == 0xfe;
}

uint32_t addr_embedded(const struct addr *a, struct addr ret[ADDR_EMBEDDED_MAX])
{
	uint32_t n = 0;

	if (addr_is_v4(a))
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		const struct form *f = &forms[i];

		if (!in_prefix(a->ip, f->prefix, f->bits))
			continue;
		ret[n] = addr_from_v4(a->ip + f->at, a->port);
		for (int k = 12; f->inverted && k < 16; k++)
			ret[n].ip[k] = (uint8_t)~ret[n].ip[k];
		n++;
	}
	if (is_isatap(a->ip))
		ret[n++] = addr_from_v4(a->ip + 12, a->port);
	return n;
}

struct addr addr_unwrap(const struct addr *a)
{
	struct addr v4[ADDR_EMBEDDED_MAX];

	return addr_embedded(a, v4) ? v4[0] : *a;
}

enum addr_class addr_classify(const struct addr *a)
{
	struct addr v4[ADDR_EMBEDDED_MAX];
	enum addr_class c = addr_is_v4(a) ? classify4(a->ip + 12) : lookup(special6, ARRAY_LEN(special6), a->ip);
	uint32_t n = addr_embedded(a, v4);

	for (uint32_t i = 0; c == ADDR_GLOBAL && i < n; i++)
		c = classify4(v4[i].ip + 12);
	return c;
}

bool addr_is_global(const struct addr *a)
{
	return addr_classify(a) == ADDR_GLOBAL;
}

const char *addr_class_str(enum addr_class c)
{
	static const char *const name[ADDR_CLASS_MAX_] = {
		[ADDR_GLOBAL] = "global",         [ADDR_UNSPECIFIED] = "unspecified",
		[ADDR_LOOPBACK] = "loopback",     [ADDR_PRIVATE] = "private",
		[ADDR_CGNAT] = "cgnat",           [ADDR_LINK_LOCAL] = "link-local",
		[ADDR_MULTICAST] = "multicast",   [ADDR_RESERVED] = "reserved",
	};

	return (uint32_t)c < ADDR_CLASS_MAX_ ? name[c] : "unknown";
}

/* Index of the first c, or s.n. */
static size_t find(struct span s, char c)
{
	const uint8_t *p = s.n ? memchr(s.p, c, s.n) : NULL;

	return p ? (size_t)(p - s.p) : s.n;
}

/* What stands before index i, and what stands after it. */
static struct span before(struct span s, size_t i)
{
	return span_of(s.p, i);
}

static struct span after(struct span s, size_t i)
{
	return span_of(s.p + i + 1, s.n - i - 1);
}

/* A leading zero is refused: some readers would take it for octal. */
static bool parse_dec(struct span s, uint32_t max, uint32_t *ret)
{
	uint64_t v = 0;

	if (s.n == 0 || s.n > 10 || (s.n > 1 && s.p[0] == '0'))
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		v = v * 10 + (uint64_t)(s.p[i] - '0');
	}
	*ret = (uint32_t)v;
	return v <= max;
}

static bool parse_v4(struct span s, uint8_t *ip)
{
	for (int i = 0; i < 4; i++) {
		size_t dot = find(s, '.');
		uint32_t v;

		if (!parse_dec(before(s, dot), 255, &v) || (dot == s.n) != (i == 3))
			return false;
		ip[i] = (uint8_t)v;
		if (i < 3)
			s = after(s, dot);
	}
	return true;
}

static bool parse_group(struct span s, uint8_t *out)
{
	uint32_t v = 0;

	if (s.n == 0 || s.n > 4)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i], low = c | 0x20;

		if (c >= '0' && c <= '9')
			v = v << 4 | (uint32_t)(c - '0');
		else if (low >= 'a' && low <= 'f')
			v = v << 4 | (uint32_t)(low - 'a' + 10);
		else
			return false;
	}
	put_be16(out, (uint16_t)v);
	return true;
}

/* One group, or a dotted IPv4 address as the last two. Returns the bytes written to out, 0 when malformed. */
static size_t parse_part(struct span part, bool last, uint8_t *out, size_t room)
{
	if (last && find(part, '.') != part.n)
		return room >= 4 && parse_v4(part, out) ? 4 : 0;
	return room >= 2 && parse_group(part, out) ? 2 : 0;
}

#define NO_GAP SIZE_MAX

static bool parse_v6(struct span s, uint8_t ip[16])
{
	uint8_t out[16] = { 0 };
	size_t n = 0, gap = NO_GAP; /* where "::" stood */
	bool pending = true;    /* text must follow */

	if (s.n >= 2 && s.p[0] == ':' && s.p[1] == ':') {
		gap = 0;
		s = after(s, 1);
		pending = false;
	}
	while (s.n || pending) {
		size_t colon = find(s, ':');
		size_t got = parse_part(before(s, colon), colon == s.n, out + n, 16 - n);

		if (got == 0)
			return false;
		n += got;
		if (colon == s.n)
			break;
		s = after(s, colon);
		pending = true;
		if (s.n && s.p[0] == ':') {
			if (gap != NO_GAP)
				return false;
			gap = n;
			s = after(s, 0);
			pending = false;
		}
	}
	/* RFC 4291 2.2: "::" stands for one group or more. */
	if (gap == NO_GAP ? n != 16 : n > 14)
		return false;
	memset(ip, 0, 16);
	memcpy(ip, out, gap < n ? gap : n);
	if (gap < n)
		memcpy(ip + 16 - (n - gap), out + gap, n - gap);
	return true;
}

static bool is_link_local6(const uint8_t ip[16])
{
	return ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80;
}

static bool parse_scoped_v6(struct span s, struct addr *a)
{
	size_t percent = find(s, '%');

	if (!parse_v6(before(s, percent), a->ip))
		return false;
	if (percent == s.n)
		return true;
	/* Only an index: turning a name into one would ask the kernel. */
	return is_link_local6(a->ip) && parse_dec(after(s, percent), UINT32_MAX, &a->scope) && a->scope != 0;
}

int addr_parse(struct span text, struct addr *ret)
{
	struct addr a = { 0 };
	size_t colon = find(text, ':'), close;
	uint32_t port = 0;
	bool ok;

	if (text.n && text.p[0] == '[') {
		close = find(text, ']');
		if (close == text.n)
			return ERR_MALFORMED;
		ok = parse_scoped_v6(after(before(text, close), 0), &a);
		text = after(text, close);
		if (text.n)
			ok = ok && text.p[0] == ':' && parse_dec(after(text, 0), UINT16_MAX, &port);
	} else if (colon != text.n && find(after(text, colon), ':') != text.n - colon - 1) {
		ok = parse_scoped_v6(text, &a);
	} else {
		memcpy(a.ip, mapped, 12);
		ok = parse_v4(before(text, colon), a.ip + 12);
		if (colon != text.n)
			ok = ok && parse_dec(after(text, colon), UINT16_MAX, &port);
	}
	if (!ok)
		return ERR_MALFORMED;
	a.port = (uint16_t)port;
	*ret = a;
	return 0;
}

static void write_v4(struct wr *w, const uint8_t *ip)
{
	for (int i = 0; i < 4; i++) {
		if (i)
			wr_u8(w, '.');
		wr_dec(w, ip[i]);
	}
}

/* RFC 5952 4.2: "::" replaces the longest run of two or more zero groups, the first of equals. */
static void longest_run(const uint8_t *ip, int *ret_at, int *ret_n)
{
	int at = 8, n = 1;

	for (int i = 0; i < 8; i++) {
		int k = i;

		while (k < 8 && be16_at(ip + 2 * k) == 0)
			k++;
		if (k - i > n) {
			at = i;
			n = k - i;
		}
	}
	*ret_at = at;
	*ret_n = n;
}

static void write_group(struct wr *w, uint16_t v)
{
	static const char digit[] = "0123456789abcdef";

	for (int shift = 12; shift >= 0; shift -= 4) {
		if (v >> shift || shift == 0)
			wr_u8(w, (uint8_t)digit[v >> shift & 15]);
	}
}

static void write_v6(struct wr *w, const struct addr *a)
{
	int at, n;

	longest_run(a->ip, &at, &n);
	for (int i = 0; i < 8; i++) {
		if (i == at) {
			wr_str(w, "::");
			i += n - 1;
			continue;
		}
		if (i && i != at + n)
			wr_u8(w, ':');
		write_group(w, be16_at(a->ip + 2 * i));
	}
	if (a->scope) {
		wr_u8(w, '%');
		wr_dec(w, a->scope);
	}
}

static const char *format(const struct addr *a, uint16_t port, char *buf)
{
	struct wr w = wr_from(buf, ADDR_TEXT_MAX);
	bool v4 = addr_is_v4(a);

	if (port && !v4)
		wr_u8(&w, '[');
	if (v4)
		write_v4(&w, a->ip + 12);
	else
		write_v6(&w, a);
	if (port) {
		wr_str(&w, v4 ? ":" : "]:");
		wr_dec(&w, port);
	}
	wr_u8(&w, 0);
	return buf;
}

const char *addr_fmt(const struct addr *a, char buf[ADDR_TEXT_MAX])
{
	return format(a, a->port, buf);
}

const char *addr_fmt_ip(const struct addr *a, char buf[ADDR_TEXT_MAX])
{
	return format(a, 0, buf);
}
