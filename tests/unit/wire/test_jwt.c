/* SPDX-License-Identifier: AGPL-3.0-only */
#include "wire/jwt.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/base64.h"

#include "t.h"

#define SECRET SPAN_LIT("0123456789abcdef0123456789abcdef")
#define AT(seconds) ((wall_t){ (uint64_t)(seconds) * US_PER_SEC })

/* RFC 8037 A.1 and A.2. */
static const uint8_t ed_public[32] = {
	0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07, 0x3a,
	0x0e, 0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a,
};
static const uint8_t ed_private[32] = {
	0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4,
	0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60,
};

static const char room_ok[] = "{\"sub\":7,\"room\":\"r1\",\"iat\":1000,\"exp\":2000}";

static struct jwt_keys hs_keys(void)
{
	return (struct jwt_keys){ .hs256 = SECRET };
}

/* header.payload signed with HS256, whatever the header says. */
static struct span hs_token(struct wr *w, const char *header, const char *payload)
{
	uint8_t mac[32];

	base64url_write(w, span_str(header));
	wr_u8(w, '.');
	base64url_write(w, span_str(payload));
	HMAC(EVP_sha256(), SECRET.p, (int)SECRET.n, w->start, wr_len(w), mac, NULL);
	wr_u8(w, '.');
	base64url_write(w, span_of(mac, sizeof(mac)));
	return wr_span_of(w);
}

static struct span ed_token(struct wr *w, const char *header, const char *payload)
{
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, ed_private, sizeof(ed_private));
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t sig[64];
	size_t n = sizeof(sig);

	base64url_write(w, span_str(header));
	wr_u8(w, '.');
	base64url_write(w, span_str(payload));
	OK(EVP_DigestSignInit(ctx, NULL, NULL, NULL, key) == 1);
	OK(EVP_DigestSign(ctx, sig, &n, w->start, wr_len(w)) == 1);
	wr_u8(w, '.');
	base64url_write(w, span_of(sig, n));
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
	return wr_span_of(w);
}

/* RFC 7515 A.1. */
static void rfc7515_hs256_vector_verifies(void)
{
	const char *token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9"
			    ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
			    ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
	const char *key = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
	uint8_t raw[64], scratch[JWT_MAX];
	struct wr w = wr_from(raw, sizeof(raw));
	struct jwt_keys keys = { 0 };
	struct jwt jwt;

	EQ(base64url_read(span_str(key), &w), 0);
	keys.hs256 = wr_span_of(&w);
	EQ(jwt_open(span_str(token), &keys, scratch, &jwt), JWT_OK);
	EQ(jwt.alg, JWT_HS256);
	EQ_SPAN(jwt.payload, SPAN_LIT("{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}"));
	raw[0] ^= 1;
	EQ(jwt_open(span_str(token), &keys, scratch, &jwt), JWT_BAD_SIGNATURE);
}

/* RFC 8037 A.4 and A.5. */
static void rfc8037_ed25519_vector_verifies(void)
{
	const char *token = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"
			    ".hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
	struct jwt_keys keys = { .ed25519 = ed_public };
	uint8_t scratch[JWT_MAX], other[32];
	struct jwt jwt;

	EQ(jwt_open(span_str(token), &keys, scratch, &jwt), JWT_OK);
	EQ(jwt.alg, JWT_EDDSA);
	EQ_SPAN(jwt.payload, SPAN_LIT("Example of Ed25519 signing"));
	memcpy(other, ed_public, sizeof(other));
	other[5] ^= 4;
	keys.ed25519 = other;
	EQ(jwt_open(span_str(token), &keys, scratch, &jwt), JWT_BAD_SIGNATURE);
}

/* The issuer's own writer produces what the reader takes. */
static void signed_room_token_is_read(void)
{
	struct jwt_keys keys = hs_keys();
	uint8_t buf[JWT_MAX];
	struct wr w = wr_from(buf, sizeof(buf));
	struct room_claims c;

	jwt_sign_hs256(&w, SPAN_LIT(room_ok), SECRET);
	OK(!w.bad);
	EQ(jwt_room(wr_span_of(&w), &keys, AT(1500), &c), JWT_OK);
	EQ(c.sub, 7);
	EQ_STR(c.room, "r1");
	EQ(c.iat, 1000);
	EQ(c.exp, 2000);
	EQ(c.alg, JWT_HS256);
	w = wr_from(buf, 100);
	jwt_sign_hs256(&w, SPAN_LIT(room_ok), SECRET);
	OK(w.bad);
	w = wr_from(buf, sizeof(buf));
	jwt_sign_hs256(&w, SPAN_LIT(room_ok), SPAN_LIT(""));
	OK(w.bad);
}

/* Which key serves which algorithm: Ed25519 first, HS256 alone or as the configured fallback. */
static void keys_decide_which_algorithm_counts(void)
{
	const struct {
		const char *row;
		bool eddsa; /* the token */
		bool have_hs, have_ed, fallback;
		enum jwt_verdict want;
	} rows[] = {
		{ "EdDSA, no key at all: ", true, false, false, false, JWT_BAD_SIGNATURE },
		{ "EdDSA, secret only: ", true, true, false, true, JWT_BAD_SIGNATURE },
		{ "EdDSA, key: ", true, false, true, false, JWT_OK },
		{ "EdDSA, both: ", true, true, true, false, JWT_OK },
		{ "EdDSA, both and fallback: ", true, true, true, true, JWT_OK },
		{ "HS256, no key at all: ", false, false, false, true, JWT_BAD_SIGNATURE },
		{ "HS256, secret only: ", false, true, false, false, JWT_OK },
		{ "HS256, Ed25519 only: ", false, false, true, true, JWT_BAD_SIGNATURE },
		{ "HS256, both, no fallback: ", false, true, true, false, JWT_BAD_SIGNATURE },
		{ "HS256, both and fallback: ", false, true, true, true, JWT_OK },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct jwt_keys keys = { .hs256_fallback = rows[i].fallback };
		uint8_t buf[JWT_MAX];
		struct wr w = wr_from(buf, sizeof(buf));
		struct room_claims c;
		struct span token;

		t_row = rows[i].row;
		if (rows[i].have_hs)
			keys.hs256 = SECRET;
		if (rows[i].have_ed)
			keys.ed25519 = ed_public;
		token = rows[i].eddsa ? ed_token(&w, "{\"alg\":\"EdDSA\"}", room_ok) : hs_token(&w, "{\"alg\":\"HS256\"}", room_ok);
		EQ(jwt_room(token, &keys, AT(1500), &c), rows[i].want);
		if (rows[i].want == JWT_OK)
			EQ(c.alg, rows[i].eddsa ? JWT_EDDSA : JWT_HS256);
	}
}

/* A public key is never an HMAC secret, and the other way round (RFC 8725 2.1). */
static void algorithms_are_not_confused(void)
{
	struct jwt_keys keys = { .hs256 = SECRET, .ed25519 = ed_public, .hs256_fallback = true };
	uint8_t buf[JWT_MAX], mac[32], scratch[JWT_MAX];
	struct wr w = wr_from(buf, sizeof(buf));
	struct room_claims c;
	struct jwt jwt;

	base64url_write(&w, SPAN_LIT("{\"alg\":\"HS256\"}"));
	wr_u8(&w, '.');
	base64url_write(&w, SPAN_LIT(room_ok));
	HMAC(EVP_sha256(), ed_public, sizeof(ed_public), buf, wr_len(&w), mac, NULL);
	wr_u8(&w, '.');
	base64url_write(&w, span_of(mac, sizeof(mac)));
	EQ(jwt_room(wr_span_of(&w), &keys, AT(1500), &c), JWT_BAD_SIGNATURE);

	w = wr_from(buf, sizeof(buf));
	EQ(jwt_open(hs_token(&w, "{\"alg\":\"EdDSA\"}", room_ok), &keys, scratch, &jwt), JWT_BAD_SIGNATURE);
	w = wr_from(buf, sizeof(buf));
	EQ(jwt_open(ed_token(&w, "{\"alg\":\"HS256\"}", room_ok), &keys, scratch, &jwt), JWT_BAD_SIGNATURE);
}

/* RFC 7515 4.1: the header, correctly signed each time. */
static void headers_are_judged(void)
{
	const struct {
		const char *row, *header;
		enum jwt_verdict want;
	} rows[] = {
		{ "plain: ", "{\"alg\":\"HS256\"}", JWT_OK },
		{ "typ and kid: ", "{\"typ\":\"JWT\",\"alg\":\"HS256\",\"kid\":\"1\"}", JWT_OK },
		{ "unknown member: ", "{\"alg\":\"HS256\",\"x\":{\"alg\":\"none\"}}", JWT_OK },
		{ "none: ", "{\"alg\":\"none\"}", JWT_BAD_SIGNATURE },
		{ "None: ", "{\"alg\":\"None\"}", JWT_BAD_SIGNATURE },
		{ "empty name: ", "{\"alg\":\"\"}", JWT_BAD_SIGNATURE },
		{ "case: ", "{\"alg\":\"hs256\"}", JWT_BAD_SIGNATURE },
		{ "HS512: ", "{\"alg\":\"HS512\"}", JWT_BAD_SIGNATURE },
		{ "RS256: ", "{\"alg\":\"RS256\"}", JWT_BAD_SIGNATURE },
		{ "long name: ", "{\"alg\":\"HS256HS256HS256HS256\"}", JWT_BAD_SIGNATURE },
		{ "name with a tail: ", "{\"alg\":\"HS256 \"}", JWT_BAD_SIGNATURE },
		{ "crit: ", "{\"alg\":\"HS256\",\"crit\":[\"exp\"]}", JWT_MALFORMED },
		{ "empty crit: ", "{\"alg\":\"HS256\",\"crit\":[]}", JWT_MALFORMED },
		{ "b64 with crit: ", "{\"alg\":\"HS256\",\"b64\":false,\"crit\":[\"b64\"]}", JWT_MALFORMED },
		{ "crit in an escape: ", "{\"alg\":\"HS256\",\"cr\\u0069t\":[\"exp\"]}", JWT_MALFORMED },
		{ "no alg: ", "{\"typ\":\"JWT\"}", JWT_MALFORMED },
		{ "alg twice: ", "{\"alg\":\"none\",\"alg\":\"HS256\"}", JWT_MALFORMED },
		{ "alg a number: ", "{\"alg\":256}", JWT_MALFORMED },
		{ "alg null: ", "{\"alg\":null}", JWT_MALFORMED },
		{ "alg a list: ", "{\"alg\":[\"HS256\"]}", JWT_MALFORMED },
		{ "an array: ", "[\"HS256\"]", JWT_MALFORMED },
		{ "a string: ", "\"HS256\"", JWT_MALFORMED },
		{ "not JSON: ", "alg=HS256", JWT_MALFORMED },
		{ "cut: ", "{\"alg\":\"HS256\"", JWT_MALFORMED },
		{ "more behind: ", "{\"alg\":\"HS256\"}{}", JWT_MALFORMED },
		{ "empty: ", "", JWT_MALFORMED },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct jwt_keys keys = hs_keys();
		uint8_t buf[JWT_MAX];
		struct wr w = wr_from(buf, sizeof(buf));
		struct room_claims c = { .sub = 99 };

		t_row = rows[i].row;
		EQ(jwt_room(hs_token(&w, rows[i].header, room_ok), &keys, AT(1500), &c), rows[i].want);
		EQ(c.sub, rows[i].want == JWT_OK ? 7 : 99);
	}
}

/* RFC 7519 4: four claims, each required, each of one type. */
static void claims_are_judged(void)
{
	const struct {
		const char *row, *payload;
		enum jwt_verdict want;
	} rows[] = {
		{ "largest sub: ", "{\"sub\":18446744073709551615,\"room\":\"r\",\"iat\":1,\"exp\":2000}", JWT_OK },
		{ "sub 0: ", "{\"sub\":0,\"room\":\"r\",\"iat\":1,\"exp\":2000}", JWT_OK },
		{ "endless exp: ", "{\"sub\":1,\"room\":\"r\",\"iat\":1,\"exp\":18446744073709551615}", JWT_OK },
		{ "iat in the future: ", "{\"sub\":1,\"room\":\"r\",\"iat\":9000,\"exp\":2000}", JWT_OK },
		{ "more claims: ", "{\"sub\":1,\"room\":\"r\",\"iat\":1,\"exp\":2000,\"aud\":[\"x\",{}]}", JWT_OK },
		{ "empty room: ", "{\"sub\":1,\"room\":\"\",\"iat\":1,\"exp\":2000}", JWT_OK },
		{ "sub missing: ", "{\"room\":\"r\",\"iat\":1,\"exp\":2000}", JWT_MALFORMED },
		{ "room missing: ", "{\"sub\":1,\"iat\":1,\"exp\":2000}", JWT_MALFORMED },
		{ "iat missing: ", "{\"sub\":1,\"room\":\"r\",\"exp\":2000}", JWT_MALFORMED },
		{ "exp missing: ", "{\"sub\":1,\"room\":\"r\",\"iat\":1}", JWT_MALFORMED },
		{ "sub a string: ", "{\"sub\":\"1\",\"room\":\"r\",\"iat\":1,\"exp\":2000}", JWT_MALFORMED },
		{ "sub a float: ", "{\"sub\":1.5,\"room\":\"r\",\"iat\":1,\"exp\":2000}", JWT_MALFORMED },
		{ "sub a whole float: ", "{\"sub\":1.0,\"room\":\"r\",\"iat\":1,\"exp\":2000}", JWT_MALFORMED },
		{ "sub with exponent: ", "{\"sub\":1e3,\"room\":\"r\",\"iat\":1,\"exp\":2000}", JWT_MALFORMED },
		{ "sub negative: ", "{\"sub\":-1,\"room\":\"r\",\"iat\":1,\"exp\":2000}", JWT_MALFORMED },
		{ "sub 2^64: ", "{\"sub\":18446744073709551616,\"room\":\"r\",\"iat\":1,\"exp\":2000}", JWT_MALFORMED },
		{ "exp huge: ", "{\"sub\":1,\"room\":\"r\",\"iat\":1,\"exp\":99999999999999999999}", JWT_MALFORMED },
		{ "exp a string: ", "{\"sub\":1,\"room\":\"r\",\"iat\":1,\"exp\":\"2000\"}", JWT_MALFORMED },
		{ "exp null: ", "{\"sub\":1,\"room\":\"r\",\"iat\":1,\"exp\":null}", JWT_MALFORMED },
		{ "room a number: ", "{\"sub\":1,\"room\":5,\"iat\":1,\"exp\":2000}", JWT_MALFORMED },
		{ "room with NUL: ", "{\"sub\":1,\"room\":\"r\\u0000x\",\"iat\":1,\"exp\":2000}", JWT_MALFORMED },
		{ "sub twice: ", "{\"sub\":1,\"sub\":2,\"room\":\"r\",\"iat\":1,\"exp\":2000}", JWT_MALFORMED },
		{ "exp twice: ", "{\"sub\":1,\"room\":\"r\",\"iat\":1,\"exp\":1,\"exp\":2000}", JWT_MALFORMED },
		{ "claims one level down: ", "{\"c\":{\"sub\":1,\"room\":\"r\",\"iat\":1,\"exp\":2000}}", JWT_MALFORMED },
		{ "an array: ", "[1,\"r\",1,2000]", JWT_MALFORMED },
		{ "empty: ", "", JWT_MALFORMED },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct jwt_keys keys = hs_keys();
		uint8_t buf[JWT_MAX];
		struct wr w = wr_from(buf, sizeof(buf));
		struct room_claims c;

		t_row = rows[i].row;
		EQ(jwt_room(hs_token(&w, "{\"alg\":\"HS256\"}", rows[i].payload), &keys, AT(1500), &c), rows[i].want);
	}
}

/* Room names up to JWT_ROOM_MAX - 1 bytes fit, longer ones are refused. */
static void room_names_are_bounded(void)
{
	for (size_t n = JWT_ROOM_MAX - 2; n <= JWT_ROOM_MAX; n++) {
		struct jwt_keys keys = hs_keys();
		uint8_t buf[JWT_MAX];
		struct wr w = wr_from(buf, sizeof(buf));
		char name[JWT_ROOM_MAX + 1] = { 0 }, payload[512];
		struct room_claims c;

		memset(name, 'r', n);
		snprintf(payload, sizeof(payload), "{\"sub\":1,\"room\":\"%s\",\"iat\":1,\"exp\":2000}", name);
		EQ(jwt_room(hs_token(&w, "{\"alg\":\"HS256\"}", payload), &keys, AT(1500), &c),
		   n < JWT_ROOM_MAX ? JWT_OK : JWT_MALFORMED);
		if (n < JWT_ROOM_MAX)
			EQ_STR(c.room, name);
	}
}

/* RFC 7519 4.1.4: "on or after the expiration time", without leeway. A bad signature hides the expiry. */
static void expiry_is_exact(void)
{
	struct jwt_keys keys = hs_keys(), wrong = { .hs256 = SPAN_LIT("another") };
	uint8_t buf[JWT_MAX];
	struct wr w = wr_from(buf, sizeof(buf));
	struct room_claims c;
	struct span token = hs_token(&w, "{\"alg\":\"HS256\"}", room_ok);

	EQ(jwt_room(token, &keys, AT(0), &c), JWT_OK);
	EQ(jwt_room(token, &keys, (wall_t){ 2000 * US_PER_SEC - 1 }, &c), JWT_OK);
	EQ(jwt_room(token, &keys, AT(2000), &c), JWT_EXPIRED);
	EQ(jwt_room(token, &keys, AT(2001), &c), JWT_EXPIRED);
	EQ(jwt_room(token, &keys, (wall_t){ UINT64_MAX }, &c), JWT_EXPIRED);
	EQ(jwt_room(token, &wrong, AT(2001), &c), JWT_BAD_SIGNATURE);
}

/* RFC 7515 3.1: exactly three parts of unpadded base64url. */
static void forms_are_judged(void)
{
	/* {"alg":"HS256"} . {} */
	const struct {
		const char *row, *token;
		enum jwt_verdict want;
	} rows[] = {
		{ "empty: ", "", JWT_MALFORMED },
		{ "one dot: ", ".", JWT_MALFORMED },
		{ "two dots: ", "..", JWT_MALFORMED },
		{ "header only: ", "eyJhbGciOiJIUzI1NiJ9", JWT_MALFORMED },
		{ "two parts: ", "eyJhbGciOiJIUzI1NiJ9.e30", JWT_MALFORMED },
		{ "no signature: ", "eyJhbGciOiJIUzI1NiJ9.e30.", JWT_BAD_SIGNATURE },
		{ "short signature: ", "eyJhbGciOiJIUzI1NiJ9.e30.AAAA", JWT_BAD_SIGNATURE },
		{ "none, unsigned: ", "eyJhbGciOiJub25lIn0.e30.", JWT_BAD_SIGNATURE },
		{ "four parts: ", "eyJhbGciOiJIUzI1NiJ9.e30.AAAA.AAAA", JWT_MALFORMED },
		{ "trailing dot: ", "eyJhbGciOiJIUzI1NiJ9.e30.AAAA.", JWT_MALFORMED },
		{ "leading dot: ", ".eyJhbGciOiJIUzI1NiJ9.e30", JWT_MALFORMED },
		{ "padding in the payload: ", "eyJhbGciOiJIUzI1NiJ9.e30=.AAAA", JWT_MALFORMED },
		{ "padding in the signature: ", "eyJhbGciOiJIUzI1NiJ9.e30.AA==", JWT_MALFORMED },
		{ "standard alphabet: ", "eyJhbGciOiJIUzI1NiJ9.e30.++//", JWT_MALFORMED },
		{ "trailing bits: ", "eyJhbGciOiJIUzI1NiJ9.e31.AAAA", JWT_MALFORMED },
		{ "white space: ", "eyJhbGciOiJIUzI1NiJ9.e30.AAAA ", JWT_MALFORMED },
		{ "JSON serialization: ", "{\"protected\":\"e30\"}", JWT_MALFORMED },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct jwt_keys keys = hs_keys();
		uint8_t scratch[JWT_MAX];
		struct jwt jwt;

		t_row = rows[i].row;
		EQ(jwt_open(span_str(rows[i].token), &keys, scratch, &jwt), rows[i].want);
	}
}

/* No proper prefix, no extension and no changed letter of a good token is a good token. */
static void changed_tokens_never_verify(void)
{
	struct jwt_keys keys = { .hs256 = SECRET, .ed25519 = ed_public, .hs256_fallback = true };

	for (int eddsa = 0; eddsa < 2; eddsa++) {
		uint8_t buf[JWT_MAX];
		struct wr w = wr_from(buf, sizeof(buf));
		struct span token;
		struct room_claims c;

		token = eddsa ? ed_token(&w, "{\"alg\":\"EdDSA\"}", room_ok) : hs_token(&w, "{\"alg\":\"HS256\"}", room_ok);
		EQ(jwt_room(token, &keys, AT(1500), &c), JWT_OK);
		for (size_t n = 0; n < token.n; n++)
			OK(jwt_room(span_of(token.p, n), &keys, AT(1500), &c) != JWT_OK);
		buf[token.n] = 'A';
		OK(jwt_room(span_of(token.p, token.n + 1), &keys, AT(1500), &c) != JWT_OK);
		for (size_t i = 0; i < token.n; i++) {
			uint8_t was = buf[i];

			buf[i] = was == 'A' ? 'B' : 'A';
			OK(jwt_room(token, &keys, AT(1500), &c) != JWT_OK);
			buf[i] = was;
		}
	}
}

/* A token of JWT_MAX bytes is read, one byte more is malformed. */
static void length_is_bounded(void)
{
	static uint8_t buf[JWT_MAX + 1];
	struct jwt_keys keys = hs_keys();
	uint8_t scratch[JWT_MAX];
	struct jwt jwt;

	memset(buf, 'A', sizeof(buf));
	memcpy(buf, "eyJhbGciOiJIUzI1NiJ9.", 21);
	buf[JWT_MAX - 44] = '.';
	EQ(jwt_open(span_of(buf, JWT_MAX), &keys, scratch, &jwt), JWT_BAD_SIGNATURE);
	EQ(jwt_open(span_of(buf, JWT_MAX + 1), &keys, scratch, &jwt), JWT_MALFORMED);
}

/* The key comes from PEM, from an environment file that spells its line ends, or as bare base64. */
static void public_keys_are_read_in_every_form(void)
{
	const struct {
		const char *row, *text;
		int want;
	} rows[] = {
		{ "PEM: ",
		  "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n"
		  "-----END PUBLIC KEY-----\n", 0 },
		{ "PEM, CRLF, no last line end: ",
		  "-----BEGIN PUBLIC KEY-----\r\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\r\n"
		  "-----END PUBLIC KEY-----", 0 },
		{ "PEM, escaped: ",
		  "-----BEGIN PUBLIC KEY-----\\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\\n"
		  "-----END PUBLIC KEY-----\\n", 0 },
		{ "PEM, wrapped: ",
		  "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7T\nyWQHOg7hcvPapiMlrwIaaPcHURo=\n"
		  "-----END PUBLIC KEY-----\n", 0 },
		{ "DER in base64: ", "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=", 0 },
		{ "32 bytes in base64: ", "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n", 0 },
		{ "armour without an end: ",
		  "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n", ERR_MALFORMED },
		{ "armour around a bare key: ",
		  "-----BEGIN PUBLIC KEY-----\n11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n",
		  ERR_MALFORMED },
		{ "end without armour: ",
		  "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n", ERR_MALFORMED },
		{ "X25519: ", "MCowBQYDK2VuAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=", ERR_MALFORMED },
		{ "private key: ", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", ERR_MALFORMED },
		{ "no padding: ", "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo", ERR_MALFORMED },
		{ "31 bytes: ", "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHUQ==", ERR_MALFORMED },
		{ "two keys: ",
		  "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=", ERR_MALFORMED },
		{ "empty: ", "", ERR_MALFORMED },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t key[32] = { 0 };

		t_row = rows[i].row;
		EQ(jwt_ed25519_pem(span_str(rows[i].text), key), rows[i].want);
		if (rows[i].want == 0)
			EQ_SPAN(span_of(key, 32), span_of(ed_public, 32));
		else
			EQ(key[0], 0);
	}
}

T_MAIN(T(rfc7515_hs256_vector_verifies), T(rfc8037_ed25519_vector_verifies), T(signed_room_token_is_read),
       T(keys_decide_which_algorithm_counts), T(algorithms_are_not_confused), T(headers_are_judged), T(claims_are_judged),
       T(room_names_are_bounded), T(expiry_is_exact), T(forms_are_judged), T(changed_tokens_never_verify),
       T(length_is_bounded), T(public_keys_are_read_in_every_form))
