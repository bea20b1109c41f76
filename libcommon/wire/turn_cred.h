/* SPDX-License-Identifier: AGPL-3.0-only */
/* Time-limited TURN credentials ("A REST API For Access To TURN Services", draft-uberti-behave-turn-rest): the username is
 * "<unix expiry>:<id>", the password base64(HMAC-SHA1(secret, username)). Pure. */
#ifndef WIRE_TURN_CRED_H
#define WIRE_TURN_CRED_H

#include "base/mono.h"
#include "base/span.h"

#define TURN_PASSWORD_LEN 28

/* The expiry in front of the colon; a username without an id ("1700000000") is good, too. *ret_id may be NULL, it is borrowed and
 * may be empty. ERR_MALFORMED: no number there, or one beyond 2^40. */
int turn_cred_expiry(struct span username, wall_t *ret, struct span *ret_id);

/* ret is NUL-terminated; wipe it after use. ERR_NOMEM when the digest is not to be had. */
int turn_cred_password(struct span secret, struct span username, char ret[TURN_PASSWORD_LEN + 1]);

#endif
