/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 *  | nonce (96 bits) | slot (32) | generation (32) | serial (16) | worker (8) | 0 (8) | tag (128 bits) |
 *                    '------------------------ sealed -------------------------------'
 */
#include "turnd/ticket.h"

#include <openssl/evp.h>

#include "base/err.h"

#define NONCE_LEN 12
#define BODY_LEN 12
#define TAG_LEN 16
#define BODY(t) ((t) + NONCE_LEN)
#define TAG(t) ((t) + NONCE_LEN + BODY_LEN)

static bool seal(EVP_CIPHER_CTX *ctx, const uint8_t *key, const uint8_t *body, uint8_t *to)
{
	int n;

	return ctx && EVP_EncryptInit_ex2(ctx, EVP_aes_128_gcm(), key, to, NULL) == 1 &&
	       EVP_EncryptUpdate(ctx, BODY(to), &n, body, BODY_LEN) == 1 && EVP_EncryptFinal_ex(ctx, TAG(to), &n) == 1 &&
	       EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG_LEN, TAG(to)) == 1;
}

int ticket_seal(const uint8_t key[TICKET_KEY_LEN], const struct ticket *t, struct rng *rng, uint8_t ret[TICKET_LEN])
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	uint8_t body[BODY_LEN], sealed[TICKET_LEN];
	struct wr w = wr_from(body, sizeof(body));
	bool ok;

	wr_be32(&w, t->alloc.slot);
	wr_be32(&w, t->alloc.gen);
	wr_be16(&w, t->serial);
	wr_u8(&w, t->worker);
	wr_u8(&w, 0);
	rng_bytes(rng, sealed, NONCE_LEN);
	ok = seal(ctx, key, body, sealed);
	EVP_CIPHER_CTX_free(ctx);
	if (!ok)
		return ERR_NOMEM;
	memcpy(ret, sealed, TICKET_LEN);
	return 0;
}

static bool open(EVP_CIPHER_CTX *ctx, const uint8_t *key, const uint8_t *from, uint8_t *body)
{
	uint8_t tag[TAG_LEN];
	int n;

	memcpy(tag, TAG(from), TAG_LEN); /* EVP's argument is not const */
	return ctx && EVP_DecryptInit_ex2(ctx, EVP_aes_128_gcm(), key, from, NULL) == 1 &&
	       EVP_DecryptUpdate(ctx, body, &n, BODY(from), BODY_LEN) == 1 &&
	       EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG_LEN, tag) == 1 &&
	       EVP_DecryptFinal_ex(ctx, body + BODY_LEN, &n) == 1;
}

int ticket_open(const uint8_t key[TICKET_KEY_LEN], struct span sealed, struct ticket *ret)
{
	uint8_t body[BODY_LEN + 1]; /* EVP's last call has nothing to add, but wants an address */
	struct rd r = rd_from(span_of(body, BODY_LEN));
	EVP_CIPHER_CTX *ctx;
	struct ticket t;
	bool ok;

	if (sealed.n != TICKET_LEN)
		return ERR_MALFORMED;
	ctx = EVP_CIPHER_CTX_new();
	ok = open(ctx, key, sealed.p, body);
	EVP_CIPHER_CTX_free(ctx);
	if (!ok)
		return ERR_AUTH;
	t.alloc.slot = rd_be32(&r);
	t.alloc.gen = rd_be32(&r);
	t.serial = rd_be16(&r);
	t.worker = rd_u8(&r);
	*ret = t;
	return 0;
}

uint64_t token_make(uint8_t worker, struct rng *rng)
{
	return (uint64_t)worker << 56 | rng_u64(rng) >> 8;
}

uint32_t connection_id_make(uint8_t worker, struct rng *rng)
{
	return (uint32_t)worker << 24 | rng_u32(rng) >> 8;
}
