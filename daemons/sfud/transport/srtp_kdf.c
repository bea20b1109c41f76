/* SPDX-License-Identifier: AGPL-3.0-only */
/* Key derivation of RFC 3711 4.3 with key_derivation_rate 0: AES-CM over zeros, counter = (label * 2^48 XOR salt)
 * * 2^16. */
#include "base/secret.h"
#include "sfud/transport/srtp_impl.h"

bool srtp_kdf(struct span key, struct span salt, uint8_t label, uint8_t *out, size_t n)
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	uint8_t iv[16] = { 0 };
	bool ok;
	int len;

	memcpy(iv, salt.p, salt.n < SRTP_SALT_MAX ? salt.n : SRTP_SALT_MAX);
	iv[7] ^= label;
	memset(out, 0, n);
	ok = c && EVP_EncryptInit_ex2(c, EVP_aes_128_ctr(), key.p, iv, NULL) == 1 &&
	     EVP_EncryptUpdate(c, out, &len, out, (int)n) == 1;
	EVP_CIPHER_CTX_free(c);
	wipe(iv, sizeof(iv));
	return ok;
}
