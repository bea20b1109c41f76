/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * STUN messages (RFC 8489) and the attributes of ICE (RFC 8445): parse to a struct, build with a writer.
 * Pure; HMAC-SHA1 comes from libcrypto. No attribute is trusted before stun_check_integrity.
 *
 *   0                   1                   2                   3
 *   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *  |0 0|     STUN Message Type     |         Message Length        |
 *  |                         Magic Cookie                          |
 *  |                     Transaction ID (96 bits)                  |
 */
#ifndef WIRE_STUN_H
#define WIRE_STUN_H

#include "base/addr.h"
#include "base/err.h"

#define STUN_HDR_LEN 20
#define STUN_TID_LEN 12
#define STUN_MAGIC 0x2112a442u
#define STUN_USERNAME_MAX 513 /* RFC 5389 15.3; RFC 8489 14.3 sends fewer than 509 bytes */
#define STUN_UNKNOWN_MAX 8

enum stun_class { STUN_REQUEST, STUN_INDICATION, STUN_SUCCESS, STUN_ERROR };

enum stun_method {
	STUN_BINDING = 0x001, /* the TURN methods join with turnd */
};

enum stun_attr {
	STUN_ATTR_MAPPED_ADDRESS = 0x0001,
	STUN_ATTR_USERNAME = 0x0006,
	STUN_ATTR_MESSAGE_INTEGRITY = 0x0008,
	STUN_ATTR_ERROR_CODE = 0x0009,
	STUN_ATTR_UNKNOWN_ATTRIBUTES = 0x000a,
	STUN_ATTR_XOR_MAPPED_ADDRESS = 0x0020,
	STUN_ATTR_PRIORITY = 0x0024,
	STUN_ATTR_USE_CANDIDATE = 0x0025,
	STUN_ATTR_SOFTWARE = 0x8022,
	STUN_ATTR_FINGERPRINT = 0x8028,
	STUN_ATTR_ICE_CONTROLLED = 0x8029,
	STUN_ATTR_ICE_CONTROLLING = 0x802a,
};

struct stun_msg {
	enum stun_class cls;
	uint16_t method;
	const uint8_t *tid;    /* STUN_TID_LEN bytes */
	struct span raw;       /* the whole message */
	struct span username;  /* n = 0: absent */
	uint32_t priority;     /* 0: absent */
	uint64_t tie_breaker;  /* of either ICE role attribute */
	bool controlling, controlled, use_candidate;
	bool has_integrity, has_fingerprint, fingerprint_ok;
	uint16_t integrity_at; /* offset of the MESSAGE-INTEGRITY attribute */
	uint16_t error;        /* ERROR-CODE, 0: absent */
	struct addr mapped;    /* XOR-MAPPED-ADDRESS or MAPPED-ADDRESS; unset: absent */
	uint16_t unknown[STUN_UNKNOWN_MAX]; /* comprehension-required attributes nobody here knows (RFC 8489 6.3.1) */
	uint8_t n_unknown;
};

/* Borrows from dgram. Attributes behind MESSAGE-INTEGRITY other than FINGERPRINT are ignored (RFC 8489 14.5).
 * Of a repeated attribute the first counts. ERR_SHORT, ERR_MALFORMED (length field, padding, attribute sizes, anything
 * behind FINGERPRINT). */
int stun_parse(struct span dgram, struct stun_msg *ret);

/* RFC 8489 9.1: HMAC-SHA1 with the short-term password. ERR_MISSING without the attribute, ERR_AUTH when it differs. */
int stun_check_integrity(const struct stun_msg *m, struct span password);

/* Building: begin, attributes, then integrity (optional) and fingerprint, then end. The message starts where w
 * starts. */
void stun_begin(struct wr *w, enum stun_class cls, uint16_t method, const uint8_t tid[STUN_TID_LEN]);
void stun_put(struct wr *w, uint16_t attr, struct span value);
void stun_put_xor_addr(struct wr *w, uint16_t attr, const struct addr *a, const uint8_t tid[STUN_TID_LEN]);
void stun_put_error(struct wr *w, uint16_t code, const char *reason);
void stun_put_integrity(struct wr *w, struct span password);
void stun_put_fingerprint(struct wr *w);
/* Writes the final length field. Must be called when neither integrity nor fingerprint was put. */
void stun_end(struct wr *w);

uint32_t crc32_ieee(struct span s);

#endif
