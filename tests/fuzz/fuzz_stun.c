/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * What was read from a message, written again and read again, is the same. One byte less is no message, and what stands
 * behind MESSAGE-INTEGRITY adds nothing. An integrity we put in verifies, and does not under another password.
 */
#include "fuzz.h"
#include "wire/stun.h"

#define PASSWORD SPAN_LIT("VOkJxbRl1RmTxUk/WvJxBt")

static struct span rebuild(const struct stun_msg *m, struct wr *w)
{
	uint8_t number[8];

	stun_begin(w, m->cls, m->method, m->tid);
	if (m->username.n)
		stun_put(w, STUN_ATTR_USERNAME, m->username);
	put_be32(number, m->priority);
	if (m->priority)
		stun_put(w, STUN_ATTR_PRIORITY, span_of(number, 4));
	put_be64(number, m->tie_breaker);
	if (m->controlled)
		stun_put(w, STUN_ATTR_ICE_CONTROLLED, span_of(number, 8));
	if (m->controlling)
		stun_put(w, STUN_ATTR_ICE_CONTROLLING, span_of(number, 8));
	if (m->use_candidate)
		stun_put(w, STUN_ATTR_USE_CANDIDATE, SPAN_LIT(""));
	if (m->error)
		stun_put_error(w, m->error, "because");
	if (!addr_is_unset(&m->mapped))
		stun_put_xor_addr(w, STUN_ATTR_XOR_MAPPED_ADDRESS, &m->mapped, m->tid);
	for (unsigned i = 0; i < m->n_unknown; i++)
		stun_put(w, m->unknown[i], SPAN_LIT("?"));
	if (m->has_integrity)
		stun_put_integrity(w, PASSWORD);
	if (m->has_fingerprint)
		stun_put_fingerprint(w);
	stun_end(w);
	return wr_span_of(w);
}

static void must_agree(const struct stun_msg *a, const struct stun_msg *b)
{
	MUST(a->cls == b->cls && a->method == b->method);
	MUST(memcmp(a->tid, b->tid, STUN_TID_LEN) == 0);
	MUST(span_eq(a->username, b->username));
	MUST(a->priority == b->priority && a->tie_breaker == b->tie_breaker);
	MUST(a->controlling == b->controlling && a->controlled == b->controlled);
	MUST(a->use_candidate == b->use_candidate && a->error == b->error);
	MUST(addr_eq(&a->mapped, &b->mapped));
	MUST(a->n_unknown == b->n_unknown);
	MUST(memcmp(a->unknown, b->unknown, sizeof(a->unknown)) == 0);
	MUST(a->has_integrity == b->has_integrity && a->has_fingerprint == b->has_fingerprint);
}

/* RFC 8489 14.5: without what stands behind MESSAGE-INTEGRITY, the message says the same. */
static void must_end_at_integrity(const struct stun_msg *m)
{
	static uint8_t cut[UINT16_MAX + 64];
	size_t n = m->integrity_at + 24u;
	struct stun_msg again;

	memcpy(cut, m->raw.p, n);
	put_be16(cut + 2, (uint16_t)(n - STUN_HDR_LEN));
	MUST(stun_parse(span_of(cut, n), &again) == 0);
	again.has_fingerprint = m->has_fingerprint;
	must_agree(m, &again);
	MUST(stun_check_integrity(m, PASSWORD) == stun_check_integrity(&again, PASSWORD));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint8_t buf[2048];
	struct wr w = wr_from(buf, sizeof(buf));
	struct stun_msg m, again;
	struct span built;

	if (stun_parse(span_of(data, n), &m) < 0)
		return 0;
	MUST((size_t)be16_at(data + 2) + STUN_HDR_LEN == n);
	MUST(stun_parse(span_of(data, n - 1), &again) == ERR_SHORT);
	if (m.has_integrity)
		must_end_at_integrity(&m);

	built = rebuild(&m, &w);
	MUST(!w.bad);
	MUST(stun_parse(built, &again) == 0);
	must_agree(&m, &again);
	MUST(again.has_fingerprint == again.fingerprint_ok);
	MUST(stun_check_integrity(&again, PASSWORD) == (m.has_integrity ? 0 : ERR_MISSING));
	MUST(stun_check_integrity(&again, SPAN_LIT("wrong")) == (m.has_integrity ? ERR_AUTH : ERR_MISSING));
	return 0;
}
