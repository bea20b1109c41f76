/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * What was read from a message, written again and read again, is the same. One byte less is no message, and what stands
 * behind an integrity attribute adds nothing. An integrity we put in verifies, and does not under another key. The walk
 * over the attributes visits each of them once.
 */
#include "fuzz.h"
#include "wire/stun.h"

#define PASSWORD SPAN_LIT("VOkJxbRl1RmTxUk/WvJxBt")
#define GROWTH_MAX 256 /* of a message that is rebuilt: other reasons, values of unknown attributes, uncut digests */

static void put_number(struct wr *w, uint16_t attr, uint64_t v, size_t n)
{
	uint8_t b[8];

	put_be64(b, v);
	stun_put(w, attr, span_of(b + 8 - n, n));
}

static void put_ice(struct wr *w, const struct stun_msg *m)
{
	if (m->priority)
		put_number(w, STUN_ATTR_PRIORITY, m->priority, 4);
	if (m->controlled)
		put_number(w, STUN_ATTR_ICE_CONTROLLED, m->tie_breaker, 8);
	if (m->controlling)
		put_number(w, STUN_ATTR_ICE_CONTROLLING, m->tie_breaker, 8);
	if (m->use_candidate)
		stun_put(w, STUN_ATTR_USE_CANDIDATE, SPAN_LIT(""));
}

static void put_longterm(struct wr *w, const struct stun_msg *m)
{
	const struct {
		uint16_t type;
		struct span value;
	} spans[] = {
		{ STUN_ATTR_USERNAME, m->username },
		{ STUN_ATTR_REALM, m->realm },
		{ STUN_ATTR_NONCE, m->nonce },
		{ STUN_ATTR_USERHASH, m->userhash },
		{ STUN_ATTR_PASSWORD_ALGORITHMS, m->algorithms },
	};

	for (size_t i = 0; i < ARRAY_LEN(spans); i++)
		if (spans[i].value.n)
			stun_put(w, spans[i].type, spans[i].value);
	if (m->algorithm)
		put_number(w, STUN_ATTR_PASSWORD_ALGORITHM, (uint64_t)m->algorithm << 16, 4);
}

static struct span rebuild(const struct stun_msg *m, struct wr *w)
{
	stun_begin(w, m->cls, m->method, m->tid);
	put_longterm(w, m);
	put_ice(w, m);
	if (m->error)
		stun_put_error(w, m->error, "because");
	if (!addr_is_unset(&m->mapped))
		stun_put_xor_addr(w, STUN_ATTR_XOR_MAPPED_ADDRESS, &m->mapped, m->tid);
	for (unsigned i = 0; i < m->n_unknown; i++)
		stun_put(w, m->unknown[i], SPAN_LIT("?"));
	if (m->has_integrity)
		stun_put_integrity(w, PASSWORD);
	if (m->has_integrity256)
		stun_put_integrity256(w, PASSWORD);
	if (m->has_fingerprint)
		stun_put_fingerprint(w);
	stun_end(w);
	return wr_span_of(w);
}

/* But for the digests. */
static void must_agree(const struct stun_msg *a, const struct stun_msg *b)
{
	MUST(a->cls == b->cls && a->method == b->method);
	MUST(memcmp(a->tid, b->tid, STUN_TID_LEN) == 0);
	MUST(span_eq(a->username, b->username));
	MUST(span_eq(a->realm, b->realm) && span_eq(a->nonce, b->nonce));
	MUST(span_eq(a->userhash, b->userhash) && span_eq(a->algorithms, b->algorithms));
	MUST(a->algorithm == b->algorithm);
	MUST(a->priority == b->priority && a->tie_breaker == b->tie_breaker);
	MUST(a->controlling == b->controlling && a->controlled == b->controlled);
	MUST(a->use_candidate == b->use_candidate && a->error == b->error);
	MUST(addr_eq(&a->mapped, &b->mapped));
	MUST(a->n_unknown == b->n_unknown);
	MUST(memcmp(a->unknown, b->unknown, sizeof(a->unknown)) == 0);
}

/* RFC 8489 14.5, 14.6: without what stands behind an integrity attribute, which ends at `n`, the message says the same. */
static void must_end_at(const struct stun_msg *m, size_t n)
{
	static uint8_t cut[STUN_HDR_LEN + UINT16_MAX];
	struct stun_msg again;

	memcpy(cut, m->raw.p, n);
	put_be16(cut + 2, (uint16_t)(n - STUN_HDR_LEN));
	MUST(stun_parse(span_of(cut, n), &again) == 0);
	must_agree(m, &again);
	MUST(again.has_integrity == m->has_integrity && !again.has_fingerprint);
	MUST(stun_check_integrity(m, PASSWORD) == stun_check_integrity(&again, PASSWORD));
	if (again.has_integrity256)
		MUST(stun_check_integrity256(m, PASSWORD) == stun_check_integrity256(&again, PASSWORD));
}

/* Each attribute begins where the one before it ended; the last ends at the first integrity, or with the message. */
static void must_walk(const struct stun_msg *m)
{
	size_t end = m->has_integrity ? m->integrity_at : m->has_integrity256 ? m->integrity256_at : m->raw.n;
	size_t at = STUN_HDR_LEN, from = at;
	unsigned unknown = 0;
	uint16_t type;
	struct span v;

	while (stun_next_attr(m, &at, &type, &v)) {
		struct addr a;

		MUST(v.p == m->raw.p + from + 4 && at == from + 4 + (v.n + 3) / 4 * 4 && at <= end);
		MUST(type == be16_at(m->raw.p + from));
		unknown += unknown < m->n_unknown && type == m->unknown[unknown];
		if (stun_read_addr(v, &a) == 0)
			MUST(stun_read_xor_addr(m, v, &a) == 0);
		from = at;
	}
	MUST(from == end && unknown == m->n_unknown);
}

static void must_rebuild(const struct stun_msg *m)
{
	static uint8_t buf[STUN_HDR_LEN + UINT16_MAX];
	struct wr w = wr_from(buf, sizeof(buf));
	struct stun_msg again;
	struct span built = rebuild(m, &w);

	MUST(!w.bad);
	MUST(stun_parse(built, &again) == 0);
	must_agree(m, &again);
	MUST(again.has_integrity == m->has_integrity && again.has_integrity256 == m->has_integrity256);
	MUST(again.has_fingerprint == m->has_fingerprint && again.has_fingerprint == again.fingerprint_ok);
	MUST(stun_check_integrity(&again, PASSWORD) == (m->has_integrity ? 0 : ERR_MISSING));
	MUST(stun_check_integrity(&again, SPAN_LIT("wrong")) == (m->has_integrity ? ERR_AUTH : ERR_MISSING));
	MUST(stun_check_integrity256(&again, PASSWORD) == (m->has_integrity256 ? 0 : ERR_MISSING));
	MUST(stun_check_integrity256(&again, SPAN_LIT("wrong")) == (m->has_integrity256 ? ERR_AUTH : ERR_MISSING));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct stun_msg m, again;

	if (stun_parse(span_of(data, n), &m) < 0)
		return 0;
	MUST((size_t)be16_at(data + 2) + STUN_HDR_LEN == n);
	MUST(stun_parse(span_of(data, n - 1), &again) == ERR_SHORT);
	must_walk(&m);
	if (m.has_integrity)
		must_end_at(&m, m.integrity_at + 24u);
	if (m.has_integrity256)
		must_end_at(&m, m.integrity256_at + 4u + m.integrity256_n);
	if (n + GROWTH_MAX <= UINT16_MAX)
		must_rebuild(&m);
	return 0;
}
