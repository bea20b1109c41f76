/* SPDX-License-Identifier: AGPL-3.0-only */
/* Keys of this node's own identity, in the texts of their files (the forms of `xray x25519` and `wg genkey`). Randomness is an
 * argument. Pure. spec: control plane 4. */
#ifndef REFRESHD_KEYGEN_H
#define REFRESHD_KEYGEN_H

#include "base/err.h"
#include "base/rng.h"
#include "base/span.h"

#define KEYGEN_TEXT 48 /* a key's text with its NUL, without a line end: 43 base64url letters, or 44 of base64 */

enum keygen_form { KEYGEN_REALITY, KEYGEN_AWG };

/* An X25519 pair. ERR_NOMEM: libcrypto refused. The private text is to be wiped. */
int keygen_pair(struct rng *rng, enum keygen_form form, char ret_private[KEYGEN_TEXT], char ret_public[KEYGEN_TEXT]);
/* The public text that belongs to a private one. ERR_MALFORMED: that is no key of 32 bytes. */
int keygen_public(enum keygen_form form, struct span private_text, char ret_public[KEYGEN_TEXT]);
/* "xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx" (RFC 9562 5.4) */
void keygen_uuid(struct rng *rng, char ret[37]);
bool keygen_is_uuid(struct span text);

#endif
