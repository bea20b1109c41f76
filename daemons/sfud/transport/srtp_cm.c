/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * AES-128 in counter mode and HMAC-SHA1 (RFC 3711 4.1.1, 4.2.1). SHA_CTX is deprecated, but it is a plain value:
 * copying the two states that have taken the key is a memcpy, where EVP allocates twice per packet and EVP_MAC is
 * slower still.
 */
#include "base/secret.h"
#include "sfud/transport/srtp_impl.h"

#define BLOCK 64 /* of SHA-1 */

static void keyed(SHA_CTX *ret, const uint8_t auth[SRTP_HMAC_KEY_LEN], uint8_t pad)
{
	uint8_t block[BLOCK];

	memset(block, pad, sizeof(block));
	for (size_t i = 0; i < SRTP_HMAC_KEY_LEN; i++)
		block[i] ^= auth[i];
	SHA1_Init(ret);
	SHA1_Update(ret, block, sizeof(block));
	wipe(block, sizeof(block));
}

bool srtp_cm_init(struct srtp_half *h, const uint8_t key[SRTP_KEY_LEN], const uint8_t auth[SRTP_HMAC_KEY_LEN])
{
	keyed(&h->inner, auth, 0x36);
	keyed(&h->outer, auth, 0x5c);
	h->aes = EVP_CIPHER_CTX_new();
	return h->aes && EVP_EncryptInit_ex2(h->aes, EVP_aes_128_ctr(), key, NULL, NULL) == 1;
}

bool srtp_cm_crypt(struct srtp_half *h, uint32_t ssrc, uint64_t index, uint8_t *text, size_t n)
{
	uint8_t iv[16];
	int len;

	/* RFC 3711 4.1.1: IV = (salt * 2^16) XOR (SSRC * 2^64) XOR (index * 2^16) */
	memcpy(iv, h->salt, sizeof(iv));
	put_be32(iv + 4, be32_at(iv + 4) ^ ssrc);
	put_be64(iv + 8, be64_at(iv + 8) ^ index << 16);
	return n == 0 || (EVP_EncryptInit_ex2(h->aes, NULL, NULL, iv, NULL) == 1 &&
			  EVP_EncryptUpdate(h->aes, text, &len, text, (int)n) == 1);
}

void srtp_cm_mac(const struct srtp_half *h, struct span msg, struct span more, uint8_t ret[SRTP_SHA1_LEN])
{
	SHA_CTX c = h->inner;

	SHA1_Update(&c, msg.p, msg.n);
	SHA1_Update(&c, more.p, more.n);
	SHA1_Final(ret, &c);
	c = h->outer;
	SHA1_Update(&c, ret, SRTP_SHA1_LEN);
	SHA1_Final(ret, &c);
}
