/* SPDX-License-Identifier: AGPL-3.0-only */
#include "refreshd/central/keygen.h"

#include <openssl/evp.h>

#include "base/base64.h"
#include "base/secret.h"

#define KEY_SIZE 32

static void write_key(enum keygen_form form, const uint8_t key[KEY_SIZE], char ret[KEYGEN_TEXT])
{
	struct wr w = wr_from(ret, KEYGEN_TEXT - 1);

	if (form == KEYGEN_AWG)
		base64_write(&w, span_of(key, KEY_SIZE));
	else
		base64url_write(&w, span_of(key, KEY_SIZE));
	ret[wr_len(&w)] = '\0';
}

static int derive(const uint8_t private_key[KEY_SIZE], uint8_t ret[KEY_SIZE])
{
	EVP_PKEY *k = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, private_key, KEY_SIZE);
	size_t n = KEY_SIZE;
	bool good = k && EVP_PKEY_get_raw_public_key(k, ret, &n) == 1 && n == KEY_SIZE;

	EVP_PKEY_free(k);
	return good ? 0 : ERR_NOMEM;
}

int keygen_pair(struct rng *rng, enum keygen_form form, char ret_private[KEYGEN_TEXT], char ret_public[KEYGEN_TEXT])
{
	uint8_t key[KEY_SIZE], pub[KEY_SIZE];
	int r;

	rng_bytes(rng, key, sizeof(key));
	key[0] &= 0xf8; /* RFC 7748 5: as everybody who uses the key would */
	key[31] = (uint8_t)((key[31] & 0x7f) | 0x40);
	r = derive(key, pub);
	if (r == 0) {
		write_key(form, key, ret_private);
		write_key(form, pub, ret_public);
	}
	wipe(key, sizeof(key));
	return r;
}

int keygen_public(enum keygen_form form, struct span private_text, char ret_public[KEYGEN_TEXT])
{
	uint8_t key[KEY_SIZE + 1], pub[KEY_SIZE];
	struct wr w = wr_from(key, sizeof(key));
	int r = form == KEYGEN_AWG ? base64_read(private_text, &w) : base64url_read(private_text, &w);

	if (r < 0 || wr_len(&w) != KEY_SIZE)
		r = ERR_MALFORMED;
	else
		r = derive(key, pub);
	if (r == 0)
		write_key(form, pub, ret_public);
	wipe(key, sizeof(key));
	return r;
}

void keygen_uuid(struct rng *rng, char ret[37])
{
	uint8_t b[16];
	struct wr w = wr_from(ret, 36);

	rng_bytes(rng, b, sizeof(b));
	b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
	b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
	for (size_t i = 0; i < sizeof(b); i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			wr_u8(&w, '-');
		wr_hex(&w, span_of(&b[i], 1));
	}
	ret[36] = '\0';
}

bool keygen_is_uuid(struct span text)
{
	for (size_t i = 0; i < text.n; i++) {
		uint8_t c = text.p[i];
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;
		bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');

		if (dash ? c != '-' : !hex)
			return false;
	}
	return text.n == 36;
}
