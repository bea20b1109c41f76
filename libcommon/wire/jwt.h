/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * JSON Web Tokens (RFC 7519, JWS compact form) of the suite: HS256 and EdDSA (RFC 8037, Ed25519), leeway 0. Keys are
 * typed, so an attacker cannot have a public key used as an HMAC secret. Pure; primitives from libcrypto.
 */
#ifndef WIRE_JWT_H
#define WIRE_JWT_H

#include "base/err.h"
#include "base/json.h"
#include "base/mono.h"

#define JWT_MAX 4096 /* bytes of a token */
#define JWT_ROOM_MAX 256

enum jwt_verdict {
	JWT_OK,
	JWT_MALFORMED,     /* not three parts, bad base64url or JSON, a claim missing or of the wrong type, `crit` */
	JWT_BAD_SIGNATURE, /* includes an algorithm for which there is no key */
	JWT_EXPIRED,
	JWT_VERDICT_MAX_
};

enum jwt_alg { JWT_NONE, JWT_HS256, JWT_EDDSA };

struct jwt_keys {
	struct span hs256;    /* n = 0: no such key */
	const uint8_t *ed25519; /* 32 bytes of public key, or NULL */
	bool hs256_fallback;  /* with an Ed25519 key present: HS256 tokens are accepted, too */
};

struct jwt {
	enum jwt_alg alg;
	struct span payload; /* JSON text in the caller's scratch memory */
};

/* Checks form and signature, nothing else. scratch: JWT_MAX bytes, holds ret->payload. Never JWT_EXPIRED. */
enum jwt_verdict jwt_open(struct span token, const struct jwt_keys *keys, uint8_t scratch[JWT_MAX], struct jwt *ret);

struct room_claims {
	uint64_t sub;
	char room[JWT_ROOM_MAX];
	uint64_t iat, exp; /* seconds since 1970 */
	enum jwt_alg alg;
};

/* A room token: jwt_open, then `sub`, `room`, `iat`, `exp`, all required; refused from the second `exp` on. */
enum jwt_verdict jwt_room(struct span token, const struct jwt_keys *keys, wall_t now, struct room_claims *ret);

/* The 32 bytes of an Ed25519 public key in any form it was seen in: PEM SubjectPublicKeyInfo, its line ends real or
 * spelled "\\n" (environment files), the same base64 without armour, or base64 of the bare key. ERR_MALFORMED. */
int jwt_ed25519_pem(struct span pem, uint8_t ret[32]);

/* An HS256 token for tests and for services that mint: writes header.payload.signature. */
void jwt_sign_hs256(struct wr *w, struct span payload, struct span key);

#endif
