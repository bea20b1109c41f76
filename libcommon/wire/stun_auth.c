/* SPDX-License-Identifier: AGPL-3.0-only */
/* The digests of STUN: MESSAGE-INTEGRITY of either kind, the keys of the long-term mechanism, USERHASH. */
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/secret.h"
#include "wire/stun.h"

#define ATTR_HDR_LEN 4
#define MD5_LEN 16
#define SHA1_LEN 20
#define SHA256_LEN 32
#define FLAT_MAX 1280 /* a larger message is hashed piece by piece */

/* Two pieces without a copy; slower for short ones, because the context costs more than the copy. */
static bool hmac_pieces(bool sha256, struct span key, struct span a, struct span b, uint8_t ret[SHA256_LEN])
{
	char sha1_name[] = "SHA1", sha256_name[] = "SHA256";
	const OSSL_PARAM params[] = {
		{ "digest", OSSL_PARAM_UTF8_STRING, sha256 ? sha256_name : sha1_name, sha256 ? 6 : 4, OSSL_PARAM_UNMODIFIED },
		{ NULL, 0, NULL, 0, 0 },
	};
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *ctx = mac ? EVP_MAC_CTX_new(mac) : NULL;
	size_t n = 0;
	bool ok;

	ok = ctx && EVP_MAC_init(ctx, key.p, key.n, params) == 1 && EVP_MAC_update(ctx, a.p, a.n) == 1 &&
	     EVP_MAC_update(ctx, b.p, b.n) == 1 && EVP_MAC_final(ctx, ret, &n, SHA256_LEN) == 1 &&
	     n == (sha256 ? SHA256_LEN : SHA1_LEN);
	EVP_MAC_CTX_free(ctx);
	EVP_MAC_free(mac);
	return ok;
}

/* RFC 8489 14.5 and 14.6: over the message in front of the attribute at `at`, its length field counting the attribute,
 * whose value has value_n bytes. */
static bool integrity_of(bool sha256, const uint8_t *msg, size_t at, size_t value_n, struct span key,
			 uint8_t ret[SHA256_LEN])
{
	uint8_t flat[FLAT_MAX];
	unsigned n = 0;

	if (key.n == 0)
		key = SPAN_LIT("");
	if (key.n > INT32_MAX)
		return false;
	memcpy(flat, msg, STUN_HDR_LEN);
	put_be16(flat + 2, (uint16_t)(at + ATTR_HDR_LEN + value_n - STUN_HDR_LEN));
	if (at > sizeof(flat))
		return hmac_pieces(sha256, key, span_of(flat, STUN_HDR_LEN),
				   span_of(msg + STUN_HDR_LEN, at - STUN_HDR_LEN), ret);
	memcpy(flat + STUN_HDR_LEN, msg + STUN_HDR_LEN, at - STUN_HDR_LEN);
	return HMAC(sha256 ? EVP_sha256() : EVP_sha1(), key.p, (int)key.n, flat, at, ret, &n) &&
	       n == (sha256 ? SHA256_LEN : SHA1_LEN);
}

/* The digest of the texts with colons between them. */
static bool digest_joined(const EVP_MD *md, const struct span *text, size_t n_texts, uint8_t ret[STUN_KEY_MAX])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = ctx && EVP_DigestInit_ex(ctx, md, NULL) == 1;

	for (size_t i = 0; ok && i < n_texts; i++) {
		ok = (i == 0 || EVP_DigestUpdate(ctx, ":", 1) == 1) &&
		     (text[i].n == 0 || EVP_DigestUpdate(ctx, text[i].p, text[i].n) == 1);
	}
	ok = ok && EVP_DigestFinal_ex(ctx, ret, NULL) == 1;
	EVP_MD_CTX_free(ctx);
	return ok;
}

size_t stun_longterm_key(enum stun_algorithm alg, struct span username, struct span realm, struct span password,
			 uint8_t ret[STUN_KEY_MAX])
{
	const struct span text[] = { username, realm, password };

	if (alg == STUN_ALG_MD5)
		return digest_joined(EVP_md5(), text, ARRAY_LEN(text), ret) ? MD5_LEN : 0;
	if (alg == STUN_ALG_SHA256)
		return digest_joined(EVP_sha256(), text, ARRAY_LEN(text), ret) ? SHA256_LEN : 0;
	return 0;
}

void stun_userhash(struct span username, struct span realm, uint8_t ret[STUN_USERHASH_LEN])
{
	const struct span text[] = { username, realm };

	if (!digest_joined(EVP_sha256(), text, ARRAY_LEN(text), ret))
		memset(ret, 0, STUN_USERHASH_LEN);
}

int stun_check_integrity(const struct stun_msg *m, struct span key)
{
	uint8_t want[SHA256_LEN];

	if (!m->has_integrity)
		return ERR_MISSING;
	if (!integrity_of(false, m->raw.p, m->integrity_at, SHA1_LEN, key, want))
		return ERR_AUTH;
	return ct_eq(want, m->raw.p + m->integrity_at + ATTR_HDR_LEN, SHA1_LEN) ? 0 : ERR_AUTH;
}

int stun_check_integrity256(const struct stun_msg *m, struct span key)
{
	uint8_t want[SHA256_LEN];

	if (!m->has_integrity256)
		return ERR_MISSING;
	if (!integrity_of(true, m->raw.p, m->integrity256_at, m->integrity256_n, key, want))
		return ERR_AUTH;
	return ct_eq(want, m->raw.p + m->integrity256_at + ATTR_HDR_LEN, m->integrity256_n) ? 0 : ERR_AUTH;
}

static void put_integrity(struct wr *w, uint16_t attr, bool sha256, size_t mac_n, struct span key)
{
	uint8_t mac[SHA256_LEN] = { 0 };
	size_t at = wr_len(w);

	stun_put(w, attr, span_of(mac, mac_n));
	stun_end(w);
	if (w->bad)
		return;
	if (integrity_of(sha256, w->start, at, mac_n, key, mac))
		memcpy(w->start + at + ATTR_HDR_LEN, mac, mac_n);
	else
		w->bad = true;
}

void stun_put_integrity(struct wr *w, struct span key)
{
	put_integrity(w, STUN_ATTR_MESSAGE_INTEGRITY, false, SHA1_LEN, key);
}

void stun_put_integrity256(struct wr *w, struct span key)
{
	put_integrity(w, STUN_ATTR_MESSAGE_INTEGRITY_SHA256, true, SHA256_LEN, key);
}
