/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * STUN messages (RFC 8489) and the attributes of ICE (RFC 8445): parse to a struct, build with a writer; those of TURN are
 * wire/turn.h's. Pure; digests come from libcrypto. No attribute is trusted before its integrity was checked.
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
	STUN_BINDING = 0x001,
	TURN_ALLOCATE = 0x003, /* RFC 8656 */
	TURN_REFRESH = 0x004,
	TURN_SEND = 0x006,
	TURN_DATA = 0x007,
	TURN_CREATE_PERMISSION = 0x008,
	TURN_CHANNEL_BIND = 0x009,
	TURN_CONNECT = 0x00a, /* RFC 6062 */
	TURN_CONNECTION_BIND = 0x00b,
	TURN_CONNECTION_ATTEMPT = 0x00c,
};

enum stun_attr {
	STUN_ATTR_MAPPED_ADDRESS = 0x0001,
	STUN_ATTR_CHANGE_REQUEST = 0x0003, /* RFC 5780 */
	STUN_ATTR_USERNAME = 0x0006,
	STUN_ATTR_MESSAGE_INTEGRITY = 0x0008,
	STUN_ATTR_ERROR_CODE = 0x0009,
	STUN_ATTR_UNKNOWN_ATTRIBUTES = 0x000a,
	TURN_ATTR_CHANNEL_NUMBER = 0x000c,
	TURN_ATTR_LIFETIME = 0x000d,
	TURN_ATTR_XOR_PEER_ADDRESS = 0x0012,
	TURN_ATTR_DATA = 0x0013,
	STUN_ATTR_REALM = 0x0014,
	STUN_ATTR_NONCE = 0x0015,
	TURN_ATTR_XOR_RELAYED_ADDRESS = 0x0016,
	TURN_ATTR_REQUESTED_ADDRESS_FAMILY = 0x0017,
	TURN_ATTR_EVEN_PORT = 0x0018,
	TURN_ATTR_REQUESTED_TRANSPORT = 0x0019,
	TURN_ATTR_DONT_FRAGMENT = 0x001a,
	STUN_ATTR_MESSAGE_INTEGRITY_SHA256 = 0x001c,
	STUN_ATTR_PASSWORD_ALGORITHM = 0x001d,
	STUN_ATTR_USERHASH = 0x001e,
	STUN_ATTR_XOR_MAPPED_ADDRESS = 0x0020,
	TURN_ATTR_RESERVATION_TOKEN = 0x0022,
	STUN_ATTR_PRIORITY = 0x0024,
	STUN_ATTR_USE_CANDIDATE = 0x0025,
	STUN_ATTR_PADDING = 0x0026,       /* RFC 5780 */
	STUN_ATTR_RESPONSE_PORT = 0x0027, /* RFC 5780 */
	TURN_ATTR_CONNECTION_ID = 0x002a, /* RFC 6062 */
	TURN_ATTR_ADDITIONAL_ADDRESS_FAMILY = 0x8000,
	TURN_ATTR_ADDRESS_ERROR_CODE = 0x8001,
	STUN_ATTR_PASSWORD_ALGORITHMS = 0x8002,
	STUN_ATTR_ALTERNATE_DOMAIN = 0x8003,
	TURN_ATTR_ICMP = 0x8004,
	STUN_ATTR_SOFTWARE = 0x8022,
	STUN_ATTR_ALTERNATE_SERVER = 0x8023,
	STUN_ATTR_FINGERPRINT = 0x8028,
	STUN_ATTR_ICE_CONTROLLED = 0x8029,
	STUN_ATTR_ICE_CONTROLLING = 0x802a,
	STUN_ATTR_RESPONSE_ORIGIN = 0x802b, /* RFC 5780 */
	STUN_ATTR_OTHER_ADDRESS = 0x802c,   /* RFC 5780 */
	TURN_ATTR_MOBILITY_TICKET = 0x8030, /* RFC 8016 */
	TURN_ATTR_ADDITIONAL_ADDRESS_FAMILY_DRAFT = 0x8032, /* of drafts before RFC 8656: coturn's clients */
};

enum stun_algorithm { STUN_ALG_NONE = 0, STUN_ALG_MD5 = 1, STUN_ALG_SHA256 = 2 }; /* RFC 8489 18.5 */

#define STUN_USERHASH_LEN 32
#define STUN_KEY_MAX 32

struct stun_msg {
	enum stun_class cls;
	uint16_t method;
	const uint8_t *tid;    /* STUN_TID_LEN bytes */
	struct span raw;       /* the whole message */
	struct span username;  /* n = 0: absent */
	uint32_t priority;     /* 0: absent */
	uint64_t tie_breaker;  /* of either ICE role attribute */
	bool controlling, controlled, use_candidate;
	bool has_integrity, has_integrity256, has_fingerprint, fingerprint_ok;
	uint16_t integrity_at;    /* offset of the MESSAGE-INTEGRITY attribute */
	uint16_t integrity256_at; /* offset of MESSAGE-INTEGRITY-SHA256 */
	uint8_t integrity256_n;   /* bytes of its value: 16, 20, … 32 (RFC 8489 14.6) */
	struct span realm, nonce; /* n = 0: absent; at most 763 bytes each */
	struct span userhash;     /* STUN_USERHASH_LEN bytes, or absent */
	struct span algorithms;   /* PASSWORD-ALGORITHMS as it stands */
	uint16_t algorithm;       /* PASSWORD-ALGORITHM; 0: absent */
	uint16_t error;        /* ERROR-CODE, 0: absent */
	struct addr mapped;    /* XOR-MAPPED-ADDRESS or MAPPED-ADDRESS; unset: absent */
	uint16_t unknown[STUN_UNKNOWN_MAX]; /* comprehension-required attributes nobody here knows (RFC 8489 6.3.1) */
	uint8_t n_unknown;
};

/* Borrows from dgram. Behind MESSAGE-INTEGRITY only MESSAGE-INTEGRITY-SHA256 and FINGERPRINT count, behind the former only
 * FINGERPRINT; others are ignored (RFC 8489 14.5, 14.6). Attributes of TURN and RFC 5780 are known and skipped.
 * Of a repeated attribute the first counts. ERR_SHORT, ERR_MALFORMED (length field, padding, attribute sizes, anything
 * behind FINGERPRINT). */
int stun_parse(struct span dgram, struct stun_msg *ret);

/* RFC 8489 14.5: HMAC-SHA1; 14.6: HMAC-SHA256, possibly truncated. The key of the short-term mechanism is the password.
 * ERR_MISSING without the attribute, ERR_AUTH when it differs. */
int stun_check_integrity(const struct stun_msg *m, struct span key);
int stun_check_integrity256(const struct stun_msg *m, struct span key);

/* The next attribute in front of the first integrity attribute, for readers of attributes this struct does not have:
 * start with *at = STUN_HDR_LEN. False at the end. Borrowed from the message, which stun_parse took. */
bool stun_next_attr(const struct stun_msg *m, size_t *at, uint16_t *ret_type, struct span *ret_value);
/* An address attribute's value. ERR_MALFORMED. */
int stun_read_xor_addr(const struct stun_msg *m, struct span value, struct addr *ret);
int stun_read_addr(struct span value, struct addr *ret);

/* RFC 8489 9.2.2: the key of the long-term mechanism, "username:realm:password" through MD5 or SHA-256, into ret. Its length.
 * 0 when the digest is not to be had. */
size_t stun_longterm_key(enum stun_algorithm alg, struct span username, struct span realm, struct span password,
			 uint8_t ret[STUN_KEY_MAX]);
/* RFC 8489 14.4: SHA-256 of "username:realm". */
void stun_userhash(struct span username, struct span realm, uint8_t ret[STUN_USERHASH_LEN]);

/* Building: begin, attributes, integrity and fingerprint (both optional), end. The message starts where w starts. */
void stun_begin(struct wr *w, enum stun_class cls, uint16_t method, const uint8_t tid[STUN_TID_LEN]);
void stun_put(struct wr *w, uint16_t attr, struct span value);
void stun_put_xor_addr(struct wr *w, uint16_t attr, const struct addr *a, const uint8_t tid[STUN_TID_LEN]);
void stun_put_error(struct wr *w, uint16_t code, const char *reason);
void stun_put_addr(struct wr *w, uint16_t attr, const struct addr *a);
void stun_put_integrity(struct wr *w, struct span key);
void stun_put_integrity256(struct wr *w, struct span key);
void stun_put_fingerprint(struct wr *w);
/* Writes the final length field. Must be called when neither integrity nor fingerprint was put. */
void stun_end(struct wr *w);

uint32_t crc32_ieee(struct span s);

#endif
