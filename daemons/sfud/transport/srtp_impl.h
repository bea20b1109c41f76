/* SPDX-License-Identifier: AGPL-3.0-only */
/* Between srtp.c (framing, indices, streams), srtp_kdf.c, srtp_gcm.c and srtp_cm.c. Nobody else includes this. */
#ifndef SFUD_SRTP_IMPL_H
#define SFUD_SRTP_IMPL_H

#define OPENSSL_SUPPRESS_DEPRECATED /* SHA_CTX, see srtp_cm.c */
#include <openssl/evp.h>
#include <openssl/sha.h>

#include "sfud/transport/srtp.h"

#define SRTP_KEY_LEN 16
#define SRTP_SALT_MAX 14
#define SRTP_GCM_IV_LEN 12
#define SRTP_GCM_TAG_LEN 16
#define SRTP_CM_TAG_LEN 10
#define SRTP_HMAC_KEY_LEN 20
#define SRTP_SHA1_LEN 20

/* RFC 3711 4.3.2: label of each derived key; SRTCP's are these plus SRTP_LABEL_RTCP. */
enum srtp_label { SRTP_LABEL_KEY = 0, SRTP_LABEL_AUTH = 1, SRTP_LABEL_SALT = 2, SRTP_LABEL_RTCP = 3 };

/* Session keys of SRTP or of SRTCP in one direction. The key schedule is done once; a packet only sets the IV. */
struct srtp_half {
	EVP_CIPHER_CTX *aes;
	uint8_t salt[SRTP_SALT_MAX + 2]; /* zero behind the suite's salt */
	SHA_CTX inner, outer;            /* CM: HMAC states that have taken the padded key */
};

struct srtp_keys {
	enum srtp_suite suite;
	struct srtp_half rtp, rtcp;
};

/* Derives n bytes for a label from master key and salt (RFC 3711 4.3.3; RFC 7714 11 pads its salt). False when
 * libcrypto has no memory. */
bool srtp_kdf(struct span key, struct span salt, uint8_t label, uint8_t *out, size_t n);

bool srtp_gcm_init(struct srtp_half *h, const uint8_t key[SRTP_KEY_LEN], bool seal);
/* aad and more: one after the other. The tag goes behind text[n]. False when libcrypto fails; nothing may be sent
 * then. */
bool srtp_gcm_seal(struct srtp_half *h, const uint8_t iv[SRTP_GCM_IV_LEN], struct span aad, struct span more, uint8_t *text,
		   size_t n);
/* The tag is read behind text[n]. False: not authentic, text is undefined. */
bool srtp_gcm_open(struct srtp_half *h, const uint8_t iv[SRTP_GCM_IV_LEN], struct span aad, struct span more, uint8_t *text,
		   size_t n);

bool srtp_cm_init(struct srtp_half *h, const uint8_t key[SRTP_KEY_LEN], const uint8_t auth[SRTP_HMAC_KEY_LEN]);
/* Both directions. */
bool srtp_cm_crypt(struct srtp_half *h, uint32_t ssrc, uint64_t index, uint8_t *text, size_t n);
/* HMAC-SHA1 over msg and more; the first SRTP_CM_TAG_LEN bytes are the tag. */
void srtp_cm_mac(const struct srtp_half *h, struct span msg, struct span more, uint8_t ret[SRTP_SHA1_LEN]);

#endif
