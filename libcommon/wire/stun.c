/* SPDX-License-Identifier: AGPL-3.0-only */
#include "wire/stun.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/secret.h"

#define ATTR_HDR_LEN 4
#define HMAC_LEN 20
#define FINGERPRINT_XOR 0x5354554eu
#define FLAT_MAX 1280 /* a larger message is hashed piece by piece */

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

/* Two pieces without a copy; slower for short ones, because the context costs more than the copy. */
static bool hmac_pieces(struct span key, struct span a, struct span b, uint8_t ret[HMAC_LEN])
{
	char digest[] = "SHA1";
	const OSSL_PARAM params[] = {
		{ "digest", OSSL_PARAM_UTF8_STRING, digest, sizeof(digest) - 1, OSSL_PARAM_UNMODIFIED },
		{ NULL, 0, NULL, 0, 0 },
	};
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *ctx = mac ? EVP_MAC_CTX_new(mac) : NULL;
	size_t n = 0;
	bool ok;

	ok = ctx && EVP_MAC_init(ctx, key.p, key.n, params) == 1 && EVP_MAC_update(ctx, a.p, a.n) == 1 &&
	     EVP_MAC_update(ctx, b.p, b.n) == 1 && EVP_MAC_final(ctx, ret, &n, HMAC_LEN) == 1 && n == HMAC_LEN;
	EVP_MAC_CTX_free(ctx);
	EVP_MAC_free(mac);
	return ok;
}

/* RFC 8489 14.5: over the message in front of the attribute, its length field counting the attribute. */
static bool integrity_of(const uint8_t *msg, size_t at, struct span password, uint8_t ret[HMAC_LEN])
{
	uint8_t flat[FLAT_MAX];
	struct span key = password.n ? password : SPAN_LIT("");
	unsigned n = 0;

	if (key.n > INT32_MAX)
		return false;
	memcpy(flat, msg, STUN_HDR_LEN);
	put_be16(flat + 2, (uint16_t)(at + ATTR_HDR_LEN + HMAC_LEN - STUN_HDR_LEN));
	if (at > sizeof(flat))
		return hmac_pieces(key, span_of(flat, STUN_HDR_LEN), span_of(msg + STUN_HDR_LEN, at - STUN_HDR_LEN),
				   ret);
	memcpy(flat + STUN_HDR_LEN, msg + STUN_HDR_LEN, at - STUN_HDR_LEN);
	return HMAC(EVP_sha1(), key.p, (int)key.n, flat, at, ret, &n) && n == HMAC_LEN;
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

static int read_addr(struct span v, bool xored, const uint8_t *tid, struct addr *ret)
{
	uint8_t ip[16], mask[16];
	uint16_t port;

	if (v.n != 8 && v.n != 20)
		return ERR_MALFORMED;
	if (v.p[1] != (v.n == 8 ? FAMILY_V4 : FAMILY_V6))
		return ERR_MALFORMED;
	put_be32(mask, STUN_MAGIC);
	memcpy(mask + 4, tid, STUN_TID_LEN);
	memcpy(ip, v.p + 4, v.n - 4);
	port = be16_at(v.p + 2);
	if (xored) {
		port ^= (uint16_t)(STUN_MAGIC >> 16);
		for (size_t i = 0; i < v.n - 4; i++)
			ip[i] ^= mask[i];
	}
	*ret = v.n == 8 ? addr_from_v4(ip, port) : addr_from_v6(ip, port);
	return 0;
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

	r = read_addr(v, false, m->tid, &a);
	if (r == 0 && addr_is_unset(&m->mapped))
		m->mapped = a;
	return r;
}

static int on_xor_mapped(struct stun_msg *m, struct span v)
{
	struct addr a;
	int r;

	r = read_addr(v, true, m->tid, &a);
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

static const struct attr {
	uint16_t type;
	uint16_t min, max;
	attr_fn *fn;
} attrs[] = {
	{ STUN_ATTR_USERNAME, 0, STUN_USERNAME_MAX, on_username },
	{ STUN_ATTR_PRIORITY, 4, 4, on_priority },
	{ STUN_ATTR_USE_CANDIDATE, 0, 0, on_use_candidate },
	{ STUN_ATTR_ICE_CONTROLLED, 8, 8, on_controlled },
	{ STUN_ATTR_ICE_CONTROLLING, 8, 8, on_controlling },
	{ STUN_ATTR_MESSAGE_INTEGRITY, HMAC_LEN, HMAC_LEN, on_integrity },
	{ STUN_ATTR_FINGERPRINT, 4, 4, on_fingerprint },
	{ STUN_ATTR_XOR_MAPPED_ADDRESS, 8, 20, on_xor_mapped },
	{ STUN_ATTR_MAPPED_ADDRESS, 8, 20, on_mapped },
	{ STUN_ATTR_ERROR_CODE, 4, 4 + 763, on_error_code },
	{ STUN_ATTR_UNKNOWN_ATTRIBUTES, 0, UINT16_MAX, on_nothing },
	{ STUN_ATTR_SOFTWARE, 0, UINT16_MAX, on_nothing },
};

static int take_attr(struct stun_msg *m, uint16_t type, struct span v)
{
	if (m->has_integrity && type != STUN_ATTR_FINGERPRINT)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(attrs); i++) {
		if (attrs[i].type != type)
			continue;
		if (v.n < attrs[i].min || v.n > attrs[i].max)
			return ERR_MALFORMED;
		return attrs[i].fn(m, v);
	}
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

int stun_check_integrity(const struct stun_msg *m, struct span password)
{
	uint8_t want[HMAC_LEN];

	if (!m->has_integrity)
		return ERR_MISSING;
	if (!integrity_of(m->raw.p, m->integrity_at, password, want))
		return ERR_AUTH;
	return ct_eq(want, m->raw.p + m->integrity_at + ATTR_HDR_LEN, HMAC_LEN) ? 0 : ERR_AUTH;
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

void stun_put_xor_addr(struct wr *w, uint16_t attr, const struct addr *a, const uint8_t tid[STUN_TID_LEN])
{
	bool v4 = addr_is_v4(a);
	const uint8_t *ip = v4 ? a->ip + 12 : a->ip;
	size_t n = v4 ? 4 : 16;
	uint8_t v[20] = { 0, v4 ? FAMILY_V4 : FAMILY_V6 };

	put_be16(v + 2, (uint16_t)(a->port ^ STUN_MAGIC >> 16));
	put_be32(v + 4, STUN_MAGIC);
	if (!v4)
		memcpy(v + 8, tid, STUN_TID_LEN);
	for (size_t i = 0; i < n; i++)
		v[4 + i] ^= ip[i];
	stun_put(w, attr, span_of(v, 4 + n));
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

void stun_put_integrity(struct wr *w, struct span password)
{
	uint8_t mac[HMAC_LEN] = { 0 };
	size_t at = wr_len(w);

	stun_put(w, STUN_ATTR_MESSAGE_INTEGRITY, span_of(mac, sizeof(mac)));
	stun_end(w);
	if (w->bad)
		return;
	if (integrity_of(w->start, at, password, mac))
		memcpy(w->start + at + ATTR_HDR_LEN, mac, sizeof(mac));
	else
		w->bad = true;
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
