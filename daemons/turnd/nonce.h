/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * Nonces without state: the cookie and security features of RFC 8489 9.2, a time, and an HMAC over it and the client's
 * address. Whoever brings one back has received it at that address; until then nothing is stored.
 */
#ifndef TURND_NONCE_H
#define TURND_NONCE_H

#include "base/mono.h"
#include "turnd/client.h"

#define NONCE_LEN 37 /* "obMatJos2", 4 characters of features, 24 of 4 bytes time and 14 bytes HMAC */
#define NONCE_KEY_LEN 32
#define NONCE_FEATURE_ALGORITHMS 0x000001u /* bit 0 of RFC 8489 18.1 */

enum nonce_state { NONCE_GOOD, NONCE_OLD, NONCE_FOREIGN };

void nonce_make(const uint8_t key[NONCE_KEY_LEN], const struct client *c, mono_t now, char ret[NONCE_LEN]);
/* NONCE_OLD: ours, for this client, but older than max_age. Time depends on lengths only. */
enum nonce_state nonce_check(const uint8_t key[NONCE_KEY_LEN], const struct client *c, struct span nonce, mono_t now,
			     uint64_t max_age);

#endif
