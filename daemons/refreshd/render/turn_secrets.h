/* SPDX-License-Identifier: AGPL-3.0-only */
/* The relay's secrets as turnd reads them, one per line, the newest first. Clients hold passwords that last for a day, and a page
 * asks for new ones only when those run out: the secret before the present one stays good for as long, so that nobody who
 * reconnects after a rotation is refused. When it ends stands in the file itself. Pure. */
#ifndef REFRESHD_TURN_SECRETS_H
#define REFRESHD_TURN_SECRETS_H

#include "base/mono.h"
#include "base/secret.h"

#define TURN_SECRET_GRACE (UINT64_C(86400) * US_PER_SEC) /* the ttl of central's credentials */

/* had: the file in force; empty: none. ERR_MALFORMED: turnd would read another secret than this one. The bound is w's. */
int turn_secrets_write(const struct secret *newest, struct span had, wall_t now, struct wr *w);

#endif
