/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * What is checked is a whole nonce made again from the time the given one claims: one comparison covers the cookie, the
 * features, the time and the address.
 *
 *  | "obMatJos2" | features (24 bits) | time, s (32 bits) | HMAC-SHA256 (first 112 bits) |
 *       as is            base64                            base64
 */
#include "turnd/nonce.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/base64.h"
#include "base/secret.h"

#define COOKIE "obMatJos2" /* RFC 8489 9.2 */
#define HEAD_LEN (sizeof(COOKIE) - 1 + 4)
#define TIME_LEN 4
#define MAC_LEN 14
#define INPUT_LEN (TIME_LEN + 1 + 16 + 2 + 4 + 2)

static bool mac_of(const uint8_t *key, const struct client *c, uint32_t at, uint8_t ret[MAC_LEN])
{
	uint8_t input[INPUT_LEN], full[EVP_MAX_MD_SIZE];
	struct wr w = wr_from(input, sizeof(input));
	unsigned n = 0;

	wr_be32(&w, at);
	wr_u8(&w, (uint8_t)c->via);
	wr_bytes(&w, c->path.remote.ip, sizeof(c->path.remote.ip));
	wr_be16(&w, c->path.remote.port);
	wr_be32(&w, c->path.remote.scope);
	wr_be16(&w, c->path.local.port);
	if (!HMAC(EVP_sha256(), key, NONCE_KEY_LEN, input, sizeof(input), full, &n) || n < MAC_LEN)
		return false;
	memcpy(ret, full, MAC_LEN);
	wipe(full, sizeof(full));
	return true;
}

/* Without a digest the nonce is one that no check takes. */
static bool make_at(const uint8_t *key, const struct client *c, uint32_t at, char ret[NONCE_LEN])
{
	uint8_t features[3], tail[TIME_LEN + MAC_LEN] = { 0 };
	struct wr w = wr_from(ret, NONCE_LEN);
	bool ok = mac_of(key, c, at, tail + TIME_LEN);

	put_be24(features, NONCE_FEATURE_ALGORITHMS);
	put_be32(tail, at);
	wr_str(&w, COOKIE);
	base64_write(&w, span_of(features, sizeof(features)));
	base64_write(&w, span_of(tail, sizeof(tail)));
	return ok;
}

void nonce_make(const uint8_t key[NONCE_KEY_LEN], const struct client *c, mono_t now, char ret[NONCE_LEN])
{
	(void)make_at(key, c, (uint32_t)(now.us / US_PER_SEC), ret);
}

enum nonce_state nonce_check(const uint8_t key[NONCE_KEY_LEN], const struct client *c, struct span nonce, mono_t now,
			     uint64_t max_age)
{
	uint8_t tail[TIME_LEN + MAC_LEN] = { 0 };
	struct wr w = wr_from(tail, sizeof(tail));
	char want[NONCE_LEN];
	uint32_t at;

	if (nonce.n != NONCE_LEN)
		return NONCE_FOREIGN;
	/* What is no base64 reads as second 0 and differs below. */
	(void)base64_read(span_of(nonce.p + HEAD_LEN, NONCE_LEN - HEAD_LEN), &w);
	at = be32_at(tail);
	if (!make_at(key, c, at, want) || !ct_eq(want, nonce.p, NONCE_LEN))
		return NONCE_FOREIGN;
	/* One from the future is another worker's, whose turn began later. */
	return mono_since(now, (mono_t){ at * US_PER_SEC }) > max_age ? NONCE_OLD : NONCE_GOOD;
}
