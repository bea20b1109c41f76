/* SPDX-License-Identifier: AGPL-3.0-only */
#include "wire/stun.h"

#define ATTR_HDR_LEN 4
#define SHA1_LEN 20
#define SHA256_LEN 32
#define SHA256_CUT_MIN 16 /* RFC 8489 14.6 */
#define TEXT_MAX 763      /* RFC 8489 14.8 to 14.10: 127 characters of UTF-8 */
#define FINGERPRINT_XOR 0x5354554eu

enum { FAMILY_V4 = 1, FAMILY_V6 = 2 };

/* RFC 8489 5: the class bits sit between the method bits.  M11..M7 C1 M6..M4 C0 M3..M0 */
static uint16_t type_join(enum stun_class cls, uint16_t method)
{
	unsigned m = method, c = (unsigned)cls;

	return (uint16_t)((m & 0x000f) | (m & 0x0070) << 1 | (m & 0x0f80) << 2 | (c & 1) << 4 | (c & 2) << 7);
}

static enum stun_class type_class(uint16_t type)
{
	return (enum stun_class)((type >> 4 & 1) | (type >> 7 & 2));
}

static uint16_t type_method(uint16_t type)
{
	return (uint16_t)((type & 0x000f) | (type >> 1 & 0x0070) | (type >> 2 & 0x0f80));
}

/* The polynomial of ISO-HDLC, one nibble at a time. */
static uint32_t crc_more(uint32_t crc, const uint8_t *p, size_t n)
{
	static const uint32_t nibble[16] = {
		0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
		0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
	};

	for (size_t i = 0; i < n; i++) {
		crc ^= p[i];
		crc = nibble[crc & 15] ^ crc >> 4;
		crc = nibble[crc & 15] ^ crc >> 4;
	}
	return crc;
}

uint32_t crc32_ieee(struct span s)
{
	return ~crc_more(UINT32_MAX, s.p, s.n);
}

/* RFC 8489 14.7, with the length field as if the fingerprint at `at` were the last attribute. */
static uint32_t fingerprint_of(const uint8_t *msg, size_t at)
{
	uint8_t hdr[4];
	uint32_t crc;

	memcpy(hdr, msg, sizeof(hdr));
	put_be16(hdr + 2, (uint16_t)(at + ATTR_HDR_LEN + 4 - STUN_HDR_LEN));
	crc = crc_more(UINT32_MAX, hdr, sizeof(hdr));
	return ~crc_more(crc, msg + sizeof(hdr), at - sizeof(hdr)) ^ FINGERPRINT_XOR;
}

/* RFC 8489 14.2: what an address is XORed with; the port with the first two bytes. */
static void xor_mask(uint8_t mask[16], const uint8_t *tid)
{
	put_be32(mask, STUN_MAGIC);
	memcpy(mask + 4, tid, STUN_TID_LEN);
}

static int read_addr(struct span v, const uint8_t mask[16], struct addr *ret)
{
	uint8_t ip[16];
	uint16_t port;

	if (v.n != 8 && v.n != 20)
		return ERR_MALFORMED;
	if (v.p[1] != (v.n == 8 ? FAMILY_V4 : FAMILY_V6))
		return ERR_MALFORMED;
	port = be16_at(v.p + 2) ^ be16_at(mask);
	for (size_t i = 0; i < v.n - 4; i++)
		ip[i] = v.p[4 + i] ^ mask[i];
	*ret = v.n == 8 ? addr_from_v4(ip, port) : addr_from_v6(ip, port);
	return 0;
}

int stun_read_xor_addr(const struct stun_msg *m, struct span value, struct addr *ret)
{
	uint8_t mask[16];

	xor_mask(mask, m->tid);
	return read_addr(value, mask, ret);
}

int stun_read_addr(struct span value, struct addr *ret)
{
	static const uint8_t no_mask[16];

	return read_addr(value, no_mask, ret);
}

/* One function per attribute: the value has the size the table demands. */
typedef int attr_fn(struct stun_msg *m, struct span v);

static int on_username(struct stun_msg *m, struct span v)
{
	if (m->username.n == 0)
		m->username = v;
	return 0;
}

static int on_priority(struct stun_msg *m, struct span v)
{
	if (m->priority == 0)
		m->priority = be32_at(v.p);
	return 0;
}

static int on_use_candidate(struct stun_msg *m, struct span v)
{
	(void)v;
	m->use_candidate = true;
	return 0;
}

static int on_controlled(struct stun_msg *m, struct span v)
{
	if (!m->controlled && !m->controlling)
		m->tie_breaker = be64_at(v.p);
	m->controlled = true;
	return 0;
}

static int on_controlling(struct stun_msg *m, struct span v)
{
	if (!m->controlled && !m->controlling)
		m->tie_breaker = be64_at(v.p);
	m->controlling = true;
	return 0;
}

static int on_error_code(struct stun_msg *m, struct span v)
{
	unsigned hundreds = v.p[2] & 7, number = v.p[3];

	if (hundreds < 3 || hundreds > 6 || number > 99)
		return ERR_MALFORMED;
	if (m->error == 0)
		m->error = (uint16_t)(hundreds * 100 + number);
	return 0;
}

/* RFC 8489 14.1 and 14.2: a server of today sends only the XORed form, one of yesterday only the plain one. */
static int on_mapped(struct stun_msg *m, struct span v)
{
	struct addr a;
	int r;

	r = stun_read_addr(v, &a);
	if (r == 0 && addr_is_unset(&m->mapped))
		m->mapped = a;
	return r;
}

static int on_xor_mapped(struct stun_msg *m, struct span v)
{
	struct addr a;
	int r;

	r = stun_read_xor_addr(m, v, &a);
	if (r == 0 && addr_is_unset(&m->mapped))
		m->mapped = a;
	return r;
}

static int on_integrity(struct stun_msg *m, struct span v)
{
	m->has_integrity = true;
	m->integrity_at = (uint16_t)(v.p - m->raw.p - ATTR_HDR_LEN);
	return 0;
}

static int on_integrity256(struct stun_msg *m, struct span v)
{
	if (v.n % 4 != 0)
		return ERR_MALFORMED;
	m->has_integrity256 = true;
	m->integrity256_at = (uint16_t)(v.p - m->raw.p - ATTR_HDR_LEN);
	m->integrity256_n = (uint8_t)v.n;
	return 0;
}

static int on_realm(struct stun_msg *m, struct span v)
{
	if (m->realm.n == 0)
		m->realm = v;
	return 0;
}

static int on_nonce(struct stun_msg *m, struct span v)
{
	if (m->nonce.n == 0)
		m->nonce = v;
	return 0;
}

static int on_userhash(struct stun_msg *m, struct span v)
{
	if (m->userhash.n == 0)
		m->userhash = v;
	return 0;
}

static int on_algorithms(struct stun_msg *m, struct span v)
{
	if (m->algorithms.n == 0)
		m->algorithms = v;
	return 0;
}

/* RFC 8489 14.12: algorithm, length of its parameters, the parameters, whose padding may count as value. MD5 and SHA-256
 * have none (18.5.1), and no algorithm is 0. */
static int on_algorithm(struct stun_msg *m, struct span v)
{
	uint16_t alg = be16_at(v.p);
	size_t n = be16_at(v.p + 2), rest = v.n - 4;

	if (rest < n || rest > n + (4 - n % 4) % 4)
		return ERR_MALFORMED;
	if (alg == STUN_ALG_NONE || (n != 0 && alg <= STUN_ALG_SHA256))
		return ERR_MALFORMED;
	if (m->algorithm == 0)
		m->algorithm = alg;
	return 0;
}

static int on_fingerprint(struct stun_msg *m, struct span v)
{
	m->has_fingerprint = true;
	m->fingerprint_ok = fingerprint_of(m->raw.p, (size_t)(v.p - m->raw.p) - ATTR_HDR_LEN) == be32_at(v.p);
	return 0;
}

static int on_nothing(struct stun_msg *m, struct span v)
{
	(void)m;
	(void)v;
	return 0;
}

/* Both halves of the type space begin with a block of 64 in which all known attributes are. */
#define BLOCK 0x40
#define SLOT(type) (((type) >> 15) * BLOCK + ((type) & (BLOCK - 1)))

#define ANY 0, UINT16_MAX
/* Of the upper half, which need not be understood, only what stun_msg has. */
static const struct attr {
	uint16_t min, max;
	attr_fn *fn;
} attrs[2 * BLOCK] = {
	[SLOT(STUN_ATTR_USERNAME)] = { 0, STUN_USERNAME_MAX, on_username },
	[SLOT(STUN_ATTR_PRIORITY)] = { 4, 4, on_priority },
	[SLOT(STUN_ATTR_USE_CANDIDATE)] = { 0, 0, on_use_candidate },
	[SLOT(STUN_ATTR_ICE_CONTROLLED)] = { 8, 8, on_controlled },
	[SLOT(STUN_ATTR_ICE_CONTROLLING)] = { 8, 8, on_controlling },
	[SLOT(STUN_ATTR_MESSAGE_INTEGRITY)] = { SHA1_LEN, SHA1_LEN, on_integrity },
	[SLOT(STUN_ATTR_MESSAGE_INTEGRITY_SHA256)] = { SHA256_CUT_MIN, SHA256_LEN, on_integrity256 },
	[SLOT(STUN_ATTR_FINGERPRINT)] = { 4, 4, on_fingerprint },
	[SLOT(STUN_ATTR_XOR_MAPPED_ADDRESS)] = { 8, 20, on_xor_mapped },
	[SLOT(STUN_ATTR_MAPPED_ADDRESS)] = { 8, 20, on_mapped },
	[SLOT(STUN_ATTR_ERROR_CODE)] = { 4, 4 + TEXT_MAX, on_error_code },
	[SLOT(STUN_ATTR_REALM)] = { 0, TEXT_MAX, on_realm },
	[SLOT(STUN_ATTR_NONCE)] = { 0, TEXT_MAX, on_nonce },
	[SLOT(STUN_ATTR_USERHASH)] = { STUN_USERHASH_LEN, STUN_USERHASH_LEN, on_userhash },
	[SLOT(STUN_ATTR_PASSWORD_ALGORITHM)] = { 4, UINT16_MAX, on_algorithm },
	[SLOT(STUN_ATTR_PASSWORD_ALGORITHMS)] = { ANY, on_algorithms },
	[SLOT(STUN_ATTR_UNKNOWN_ATTRIBUTES)] = { ANY, on_nothing },
	/* wire/turn.c's. */
	[SLOT(STUN_ATTR_CHANGE_REQUEST)] = { ANY, on_nothing },
	[SLOT(TURN_ATTR_CHANNEL_NUMBER)] = { ANY, on_nothing },
	[SLOT(TURN_ATTR_LIFETIME)] = { ANY, on_nothing },
	[SLOT(TURN_ATTR_XOR_PEER_ADDRESS)] = { ANY, on_nothing },
	[SLOT(TURN_ATTR_DATA)] = { ANY, on_nothing },
	[SLOT(TURN_ATTR_XOR_RELAYED_ADDRESS)] = { ANY, on_nothing },
	[SLOT(TURN_ATTR_REQUESTED_ADDRESS_FAMILY)] = { ANY, on_nothing },
	[SLOT(TURN_ATTR_EVEN_PORT)] = { ANY, on_nothing },
	[SLOT(TURN_ATTR_REQUESTED_TRANSPORT)] = { ANY, on_nothing },
	[SLOT(TURN_ATTR_DONT_FRAGMENT)] = { ANY, on_nothing },
	[SLOT(TURN_ATTR_RESERVATION_TOKEN)] = { ANY, on_nothing },
	[SLOT(STUN_ATTR_PADDING)] = { ANY, on_nothing },
	[SLOT(STUN_ATTR_RESPONSE_PORT)] = { ANY, on_nothing },
	[SLOT(TURN_ATTR_CONNECTION_ID)] = { ANY, on_nothing },
};

static const struct attr *attr_find(uint16_t type)
{
	const struct attr *a = (type & 0x7fff) < BLOCK ? &attrs[SLOT(type)] : NULL;

	return a && a->fn ? a : NULL;
}

/* RFC 8489 14.5 and 14.6: what stands behind an integrity attribute is nobody's word. */
static bool attr_counts(const struct stun_msg *m, uint16_t type)
{
	if (type == STUN_ATTR_FINGERPRINT)
		return true;
	if (type == STUN_ATTR_MESSAGE_INTEGRITY_SHA256)
		return !m->has_integrity256;
	return !m->has_integrity && !m->has_integrity256;
}

static int take_attr(struct stun_msg *m, uint16_t type, struct span v)
{
	const struct attr *a = attr_find(type);

	if (!attr_counts(m, type))
		return 0;
	if (a)
		return v.n < a->min || v.n > a->max ? ERR_MALFORMED : a->fn(m, v);
	if (type < 0x8000 && m->n_unknown < STUN_UNKNOWN_MAX)
		m->unknown[m->n_unknown++] = type;
	return 0;
}

static int parse_attrs(struct stun_msg *m, struct rd *r)
{
	while (rd_left(r) > 0) {
		uint16_t type = rd_be16(r);
		uint16_t len = rd_be16(r);
		struct span v = rd_span(r, len);
		int err;

		rd_skip(r, (4 - len % 4u) % 4);
		if (r->bad || m->has_fingerprint)
			return ERR_MALFORMED;
		err = take_attr(m, type, v);
		if (err < 0)
			return err;
	}
	return 0;
}

int stun_parse(struct span dgram, struct stun_msg *ret)
{
	struct rd r = rd_from(dgram);
	struct stun_msg m = { .raw = dgram };
	uint16_t type = rd_be16(&r);
	uint16_t len = rd_be16(&r);
	uint32_t magic = rd_be32(&r);
	int err;

	m.tid = rd_take(&r, STUN_TID_LEN);
	if (r.bad)
		return ERR_SHORT;
	if ((type & 0xc000) != 0 || magic != STUN_MAGIC || (len & 3) != 0)
		return ERR_MALFORMED;
	if (len != rd_left(&r))
		return len > rd_left(&r) ? ERR_SHORT : ERR_MALFORMED;
	m.cls = type_class(type);
	m.method = type_method(type);
	err = parse_attrs(&m, &r);
	if (err < 0)
		return err;
	*ret = m;
	return 0;
}

/* Where the attributes that count end. */
static size_t attrs_end(const struct stun_msg *m)
{
	if (m->has_integrity)
		return m->integrity_at;
	return m->has_integrity256 ? m->integrity256_at : m->raw.n;
}

bool stun_next_attr(const struct stun_msg *m, size_t *at, uint16_t *ret_type, struct span *ret_value)
{
	size_t end = attrs_end(m);
	struct rd r = rd_from(span_of(m->raw.p, end));
	uint16_t type, len;
	struct span v;

	rd_skip(&r, *at);
	type = rd_be16(&r);
	len = rd_be16(&r);
	v = rd_span(&r, len);
	rd_skip(&r, (4 - len % 4u) % 4);
	if (r.bad)
		return false;
	*at = end - rd_left(&r);
	*ret_type = type;
	*ret_value = v;
	return true;
}

void stun_begin(struct wr *w, enum stun_class cls, uint16_t method, const uint8_t tid[STUN_TID_LEN])
{
	wr_be16(w, type_join(cls, method));
	wr_be16(w, 0);
	wr_be32(w, STUN_MAGIC);
	wr_bytes(w, tid, STUN_TID_LEN);
}

void stun_put(struct wr *w, uint16_t attr, struct span value)
{
	if (value.n > UINT16_MAX) {
		w->bad = true;
		return;
	}
	wr_be16(w, attr);
	wr_be16(w, (uint16_t)value.n);
	wr_span(w, value);
	wr_zero(w, (4 - value.n % 4) % 4);
}

static void put_addr(struct wr *w, uint16_t attr, const struct addr *a, const uint8_t mask[16])
{
	bool v4 = addr_is_v4(a);
	const uint8_t *ip = v4 ? a->ip + 12 : a->ip;
	size_t n = v4 ? 4 : 16;
	uint8_t v[20] = { 0, v4 ? FAMILY_V4 : FAMILY_V6 };

	put_be16(v + 2, a->port ^ be16_at(mask));
	for (size_t i = 0; i < n; i++)
		v[4 + i] = ip[i] ^ mask[i];
	stun_put(w, attr, span_of(v, 4 + n));
}

void stun_put_xor_addr(struct wr *w, uint16_t attr, const struct addr *a, const uint8_t tid[STUN_TID_LEN])
{
	uint8_t mask[16];

	xor_mask(mask, tid);
	put_addr(w, attr, a, mask);
}

void stun_put_addr(struct wr *w, uint16_t attr, const struct addr *a)
{
	static const uint8_t no_mask[16];

	put_addr(w, attr, a, no_mask);
}

void stun_put_error(struct wr *w, uint16_t code, const char *reason)
{
	size_t n = strlen(reason);

	wr_be16(w, STUN_ATTR_ERROR_CODE);
	wr_be16(w, (uint16_t)(4 + n));
	wr_be16(w, 0);
	wr_u8(w, (uint8_t)(code / 100));
	wr_u8(w, (uint8_t)(code % 100));
	wr_bytes(w, reason, n);
	wr_zero(w, (4 - n % 4) % 4);
}

void stun_put_fingerprint(struct wr *w)
{
	uint8_t v[4] = { 0 };
	size_t at = wr_len(w);

	stun_put(w, STUN_ATTR_FINGERPRINT, span_of(v, sizeof(v)));
	stun_end(w);
	if (!w->bad)
		put_be32(w->start + at + ATTR_HDR_LEN, fingerprint_of(w->start, at));
}

void stun_end(struct wr *w)
{
	if (w->bad || wr_len(w) < STUN_HDR_LEN || wr_len(w) - STUN_HDR_LEN > UINT16_MAX)
		w->bad = true;
	else
		put_be16(w->start + 2, (uint16_t)(wr_len(w) - STUN_HDR_LEN));
}
