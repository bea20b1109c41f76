/* SPDX-License-Identifier: AGPL-3.0-only */
#include "refreshd/central/sfu_key.h"

#include "base/base64.h"
#include "wire/jwt.h"

static bool is_wrapping(uint8_t c)
{
	return c == '\'' || c == '"' || c == ' ' || (c >= '\t' && c <= '\r');
}

int sfu_key_canonical(struct span text, char ret[SFU_PEM_MAX])
{
	/* SEQUENCE { SEQUENCE { OID 1.3.101.112 }, BIT STRING of 32 bytes } */
	uint8_t der[44] = { 0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00 };
	struct wr w = wr_from(ret, SFU_PEM_MAX);

	while (text.n && is_wrapping(text.p[0]))
		text = span_of(text.p + 1, text.n - 1);
	while (text.n && is_wrapping(text.p[text.n - 1]))
		text.n--;
	if (jwt_ed25519_pem(text, der + 12) < 0)
		return ERR_MALFORMED;
	wr_str(&w, "-----BEGIN PUBLIC KEY-----\n");
	base64_write(&w, span_of(der, sizeof(der)));
	wr_str(&w, "\n-----END PUBLIC KEY-----\n");
	wr_u8(&w, 0);
	return 0;
}
