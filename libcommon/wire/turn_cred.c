/* SPDX-License-Identifier: AGPL-3.0-only */
#include "wire/turn_cred.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/base64.h"
#include "base/secret.h"

#define SHA1_LEN 20
#define EXPIRY_MAX (UINT64_C(1) << 40) /* seconds; far beyond any, and its microseconds fit */

int turn_cred_expiry(struct span username, wall_t *ret, struct span *ret_id)
{
	uint64_t sec = 0;
	size_t i;

	for (i = 0; i < username.n && username.p[i] != ':'; i++) {
		uint8_t c = username.p[i];

		if (c < '0' || c > '9')
			return ERR_MALFORMED;
		sec = 10 * sec + (uint64_t)(c - '0');
		if (sec > EXPIRY_MAX)
			return ERR_MALFORMED;
	}
	if (i == 0)
		return ERR_MALFORMED;
	*ret = (wall_t){ sec * US_PER_SEC };
	if (ret_id)
		*ret_id = i < username.n ? span_of(username.p + i + 1, username.n - i - 1) : span_of(username.p + i, 0);
	return 0;
}

int turn_cred_password(struct span secret, struct span username, char ret[TURN_PASSWORD_LEN + 1])
{
	uint8_t mac[SHA1_LEN];
	struct span key = secret.n ? secret : SPAN_LIT("");
	struct wr w = wr_from(ret, TURN_PASSWORD_LEN);
	unsigned n = 0;

	if (key.n > INT32_MAX || !HMAC(EVP_sha1(), key.p, (int)key.n, username.p, username.n, mac, &n) || n != SHA1_LEN)
		return ERR_NOMEM;
	base64_write(&w, span_of(mac, sizeof(mac)));
	ret[TURN_PASSWORD_LEN] = '\0';
	wipe(mac, sizeof(mac));
	return 0;
}
