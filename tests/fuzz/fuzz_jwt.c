/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * Nothing verifies but what was signed: neither a text of any kind nor an edited token. The first byte chooses:
 * 0 the rest is a token; 1..3 the rest is edits of a signed token, (position, letter) each; 4 the rest is a payload,
 * signed, and its claims must make sense; 5 the rest is a public key in any of its forms.
 */
#include "base/base64.h"
#include "fuzz.h"
#include "wire/jwt.h"

#define SECRET SPAN_LIT("0123456789abcdef0123456789abcdef")
#define NOW 1500

/* RFC 8037 A.2 and A.4; RFC 7515 3.1 with our secret; a room token. */
static const uint8_t ed_public[32] = {
	0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07, 0x3a,
	0x0e, 0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a,
};

static const struct jwt_keys keys = {
	.hs256 = { (const uint8_t *)"0123456789abcdef0123456789abcdef", 32 },
	.ed25519 = ed_public,
	.hs256_fallback = true,
};

static struct span signed_token(unsigned which, struct wr *w)
{
	if (which == 0)
		wr_str(w, "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"
			  ".hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg");
	else if (which == 1)
		jwt_sign_hs256(w, SPAN_LIT("{\"sub\":7,\"room\":\"r1\",\"iat\":1000,\"exp\":2000}"), SECRET);
	else
		jwt_sign_hs256(w, SPAN_LIT(""), SECRET);
	return wr_span_of(w);
}

/* True only for a token that is one of the three, byte for byte. */
static void must_be_signed(struct span token)
{
	uint8_t scratch[JWT_MAX], buf[512];
	bool known = false;
	struct jwt jwt;

	for (unsigned i = 0; i < 3; i++) {
		struct wr w = wr_from(buf, sizeof(buf));

		known |= span_eq(signed_token(i, &w), token);
	}
	MUST((jwt_open(token, &keys, scratch, &jwt) == JWT_OK) == known);
}

static void edit(unsigned which, struct rd *r)
{
	uint8_t buf[512];
	struct wr w = wr_from(buf, sizeof(buf));
	struct span token = signed_token(which, &w);

	while (rd_left(r) >= 2) {
		uint8_t at = rd_u8(r);
		uint8_t letter = rd_u8(r);

		if (at == 255 && letter < token.n)
			token.n = letter;
		else if (at < token.n)
			buf[at] = letter;
	}
	must_be_signed(token);
}

static void claims(struct span payload)
{
	uint8_t buf[JWT_MAX];
	struct wr w = wr_from(buf, sizeof(buf));
	struct room_claims c;
	enum jwt_verdict v;

	jwt_sign_hs256(&w, payload, SECRET);
	if (w.bad)
		return;
	v = jwt_room(wr_span_of(&w), &keys, (wall_t){ NOW * US_PER_SEC }, &c);
	MUST(v != JWT_BAD_SIGNATURE);
	if (v != JWT_OK)
		return;
	MUST(c.exp > NOW && c.alg == JWT_HS256);
	MUST(memchr(c.room, 0, sizeof(c.room)));
	MUST(payload.n > strlen("{\"sub\":0,\"room\":\"\",\"iat\":0,\"exp\":0}"));
	/* At the second it names, it is over. */
	if (c.exp <= UINT64_MAX / US_PER_SEC)
		MUST(jwt_room(wr_span_of(&w), &keys, (wall_t){ c.exp * US_PER_SEC }, &c) == JWT_EXPIRED);
}

/* A key that was read, written as bare base64, is the same key. */
static void public_key(struct span text)
{
	uint8_t key[32], again[32], buf[64];
	struct wr w = wr_from(buf, sizeof(buf));

	if (jwt_ed25519_pem(text, key) < 0)
		return;
	base64_write(&w, span_of(key, sizeof(key)));
	MUST(jwt_ed25519_pem(wr_span_of(&w), again) == 0);
	MUST(memcmp(key, again, sizeof(key)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct rd r = rd_from(span_of(data, n));
	uint8_t mode = rd_u8(&r);
	struct span rest = span_of(r.p, rd_left(&r));

	if (mode == 0)
		must_be_signed(rest);
	else if (mode <= 3)
		edit(mode - 1u, &r);
	else if (mode == 4)
		claims(rest);
	else
		public_key(rest);
	return 0;
}
