/* SPDX-License-Identifier: AGPL-3.0-only */
#include "base/base64.h"

static const char std_letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void encode(struct wr *w, struct span in, const char *letters, bool pad)
{
	size_t whole = in.n / 3, rest = in.n % 3;
	size_t tail = rest == 0 ? 0 : pad ? 4 : rest + 1;
	uint8_t *out = wr_take(w, whole * 4 + tail);

	if (!out)
		return;
	for (size_t i = 0; i < whole; i++) {
		uint32_t v = be24_at(in.p + 3 * i);

		for (unsigned k = 0; k < 4; k++)
			*out++ = (uint8_t)letters[v >> (18 - 6 * k) & 63];
	}
	if (rest) {
		const uint8_t *p = in.p + 3 * whole;
		uint32_t v = (uint32_t)p[0] << 16 | (rest == 2 ? (uint32_t)p[1] << 8 : 0);

		for (unsigned k = 0; k < tail; k++)
			*out++ = (uint8_t)(k <= rest ? letters[v >> (18 - 6 * k) & 63] : '=');
	}
}

/* 0..63, or 64 for a byte outside the alphabet. c62 and c63 are its last two letters. */
static uint32_t letter_value(uint8_t c, uint8_t c62, uint8_t c63)
{
	if (c >= 'A' && c <= 'Z')
		return (uint32_t)(c - 'A');
	if (c >= 'a' && c <= 'z')
		return (uint32_t)(c - 'a') + 26;
	if (c >= '0' && c <= '9')
		return (uint32_t)(c - '0') + 52;
	return c == c62 ? 62 : c == c63 ? 63 : 64;
}

/* Text without padding. The writer is untouched unless all of it is good. */
static int decode(struct span text, const char *letters, struct wr *w)
{
	size_t rest = text.n % 4, n = text.n / 4 * 3 + (rest ? rest - 1 : 0);
	uint32_t acc = 0, bits = 0;
	struct wr out = *w;
	uint8_t *to;

	if (rest == 1)
		return ERR_MALFORMED;
	to = wr_take(&out, n);
	if (!to)
		return ERR_LIMIT;
	for (size_t i = 0; i < text.n; i++) {
		uint32_t v = letter_value(text.p[i], (uint8_t)letters[62], (uint8_t)letters[63]);

		if (v > 63)
			return ERR_MALFORMED;
		acc = acc << 6 | v;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			*to++ = (uint8_t)(acc >> bits);
			acc &= (1u << bits) - 1;
		}
	}
	if (acc != 0)
		return ERR_MALFORMED;
	*w = out;
	return 0;
}

void base64_write(struct wr *w, struct span bytes)
{
	encode(w, bytes, std_letters, true);
}

void base64url_write(struct wr *w, struct span bytes)
{
	encode(w, bytes, url_letters, false);
}

int base64_read(struct span text, struct wr *w)
{
	if (text.n % 4 != 0)
		return ERR_MALFORMED;
	for (int i = 0; i < 2 && text.n && text.p[text.n - 1] == '='; i++)
		text.n--;
	return decode(text, std_letters, w);
}

int base64url_read(struct span text, struct wr *w)
{
	return decode(text, url_letters, w);
}
