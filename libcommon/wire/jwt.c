/* SPDX-License-Identifier: AGPL-3.0-only */
#include "wire/jwt.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/base64.h"
#include "base/secret.h"

#define HS256_LEN 32
#define ED25519_LEN 64
#define HEADER_TOKENS 32
#define PAYLOAD_TOKENS 128

struct parts {
	struct span header, payload, signature; /* base64url */
	struct span input;                      /* header and payload with the dot: what is signed */
};

static bool split(struct span token, struct parts *ret)
{
	const uint8_t *end = token.p + token.n;
	const uint8_t *a, *b;

	if (token.n == 0 || token.n > JWT_MAX)
		return false;
	a = memchr(token.p, '.', token.n);
	b = a ? memchr(a + 1, '.', (size_t)(end - a - 1)) : NULL;
	if (!b || memchr(b + 1, '.', (size_t)(end - b - 1)))
		return false;
	ret->header = span_of(token.p, (size_t)(a - token.p));
	ret->payload = span_of(a + 1, (size_t)(b - a - 1));
	ret->signature = span_of(b + 1, (size_t)(end - b - 1));
	ret->input = span_of(token.p, (size_t)(b - token.p));
	return true;
}

/* RFC 7515 4.1.1 and 4.1.11. JWT_NONE stands for every algorithm we do not do, "none" included. */
static bool header_alg(struct span text, enum jwt_alg *ret)
{
	struct json_tok tok[HEADER_TOKENS];
	struct json j;
	char alg[16];
	size_t n;
	int r;

	if (json_parse(text, tok, HEADER_TOKENS, &j) < 0 || json_type_of(&j, 0) != JSON_OBJECT)
		return false;
	if (json_get(&j, 0, "crit") >= 0)
		return false;
	r = json_get_str(&j, 0, "alg", alg, sizeof(alg), &n);
	if (r < 0 && r != ERR_LIMIT)
		return false;
	if (r == 0 && n == 5 && memcmp(alg, "HS256", 5) == 0)
		*ret = JWT_HS256;
	else if (r == 0 && n == 5 && memcmp(alg, "EdDSA", 5) == 0)
		*ret = JWT_EDDSA;
	else
		*ret = JWT_NONE;
	return true;
}

static bool hs256(struct span key, struct span input, uint8_t ret[HS256_LEN])
{
	unsigned n = 0;

	if (key.n == 0 || key.n > INT32_MAX)
		return false;
	return HMAC(EVP_sha256(), key.p, (int)key.n, input.p, input.n, ret, &n) && n == HS256_LEN;
}

static bool hs256_ok(const struct jwt_keys *keys, struct span input, struct span sig)
{
	uint8_t want[HS256_LEN];

	if (keys->ed25519 && !keys->hs256_fallback)
		return false;
	if (sig.n != HS256_LEN || !hs256(keys->hs256, input, want))
		return false;
	return ct_eq(want, sig.p, HS256_LEN);
}

static bool eddsa_ok(const struct jwt_keys *keys, struct span input, struct span sig)
{
	EVP_PKEY *key;
	EVP_MD_CTX *ctx;
	bool ok;

	if (!keys->ed25519 || sig.n != ED25519_LEN)
		return false;
	key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, keys->ed25519, 32);
	ctx = EVP_MD_CTX_new();
	ok = key && ctx && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, key) == 1 &&
	     EVP_DigestVerify(ctx, sig.p, sig.n, input.p, input.n) == 1;
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
	return ok;
}

enum jwt_verdict jwt_open(struct span token, const struct jwt_keys *keys, uint8_t scratch[JWT_MAX], struct jwt *ret)
{
	uint8_t sig[ED25519_LEN + 1]; /* one byte more tells a longer signature */
	struct wr sig_w = wr_from(sig, sizeof(sig));
	struct wr w = wr_from(scratch, JWT_MAX);
	enum jwt_alg alg;
	struct parts p;
	bool ok;
	int r;

	if (!split(token, &p) || base64url_read(p.header, &w) < 0 || !header_alg(wr_span_of(&w), &alg))
		return JWT_MALFORMED;
	w = wr_from(scratch, JWT_MAX);
	if (base64url_read(p.payload, &w) < 0)
		return JWT_MALFORMED;
	r = base64url_read(p.signature, &sig_w);
	if (r < 0)
		return r == ERR_LIMIT ? JWT_BAD_SIGNATURE : JWT_MALFORMED;
	if (alg == JWT_EDDSA)
		ok = eddsa_ok(keys, p.input, wr_span_of(&sig_w));
	else
		ok = alg == JWT_HS256 && hs256_ok(keys, p.input, wr_span_of(&sig_w));
	if (!ok)
		return JWT_BAD_SIGNATURE;
	*ret = (struct jwt){ .alg = alg, .payload = wr_span_of(&w) };
	return JWT_OK;
}

/* Claims in their types; RFC 7519 4 lets an application require them. */
static bool read_claims(struct span payload, struct room_claims *c)
{
	struct json_tok tok[PAYLOAD_TOKENS];
	struct json j;
	size_t n;

	if (json_parse(payload, tok, PAYLOAD_TOKENS, &j) < 0 || json_type_of(&j, 0) != JSON_OBJECT)
		return false;
	return json_get_u64(&j, 0, "sub", &c->sub) == 0 && json_get_u64(&j, 0, "iat", &c->iat) == 0 &&
	       json_get_u64(&j, 0, "exp", &c->exp) == 0 &&
	       json_get_str(&j, 0, "room", c->room, sizeof(c->room), &n) == 0;
}

enum jwt_verdict jwt_room(struct span token, const struct jwt_keys *keys, wall_t now, struct room_claims *ret)
{
	uint8_t scratch[JWT_MAX];
	struct room_claims c = { 0 };
	struct jwt jwt;
	enum jwt_verdict v;

	v = jwt_open(token, keys, scratch, &jwt);
	if (v != JWT_OK)
		return v;
	if (!read_claims(jwt.payload, &c))
		return JWT_MALFORMED;
	/* RFC 7519 4.1.4: "on or after". A leeway would outlive the caches that stop a second use. */
	if (now.us / US_PER_SEC >= c.exp)
		return JWT_EXPIRED;
	c.alg = jwt.alg;
	*ret = c;
	return JWT_OK;
}

/* Drops prefix from the front of s, if it is there. */
static bool take_text(struct span *s, const char *prefix)
{
	size_t n = strlen(prefix);

	if (s->n < n || memcmp(s->p, prefix, n) != 0)
		return false;
	s->p += n;
	s->n -= n;
	return true;
}

static bool take_space(struct span *s)
{
	bool any = false;

	while (take_text(s, "\n") || take_text(s, "\r") || take_text(s, " ") || take_text(s, "\\n") ||
	       take_text(s, "\\r"))
		any = true;
	return any;
}

int jwt_ed25519_pem(struct span pem, uint8_t ret[32])
{
	/* SEQUENCE { SEQUENCE { OID 1.3.101.112 }, BIT STRING of 32 bytes } */
	static const uint8_t spki[12] = { 0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00 };
	uint8_t text[60], der[sizeof(spki) + 32];
	struct wr t = wr_from(text, sizeof(text)), d = wr_from(der, sizeof(der));
	struct span b;
	bool armour;

	take_space(&pem);
	armour = take_text(&pem, "-----BEGIN PUBLIC KEY-----");
	while (pem.n && pem.p[0] != '-') {
		if (take_space(&pem))
			continue;
		wr_u8(&t, pem.p[0]);
		pem.p++;
		pem.n--;
	}
	if (armour && !take_text(&pem, "-----END PUBLIC KEY-----"))
		return ERR_MALFORMED;
	take_space(&pem);
	if (pem.n || t.bad || base64_read(wr_span_of(&t), &d) < 0)
		return ERR_MALFORMED;
	b = wr_span_of(&d);
	if (b.n == sizeof(der) && memcmp(b.p, spki, sizeof(spki)) == 0)
		b = span_of(b.p + sizeof(spki), 32);
	else if (b.n != 32 || armour)
		return ERR_MALFORMED;
	memcpy(ret, b.p, 32);
	return 0;
}

void jwt_sign_hs256(struct wr *w, struct span payload, struct span key)
{
	uint8_t mac[HS256_LEN];
	const uint8_t *from = w->p;

	base64url_write(w, SPAN_LIT("{\"alg\":\"HS256\",\"typ\":\"JWT\"}"));
	wr_u8(w, '.');
	base64url_write(w, payload);
	if (w->bad || !hs256(key, span_of(from, (size_t)(w->p - from)), mac)) {
		w->bad = true;
		return;
	}
	wr_u8(w, '.');
	base64url_write(w, span_of(mac, sizeof(mac)));
}
