/* SPDX-License-Identifier: AGPL-3.0-only */
/* A host name into addresses, the way this host resolves names (nsswitch), without stopping the loop: a thread per question. */
#ifndef SYS_RESOLVE_H
#define SYS_RESOLVE_H

#include "base/addr.h"
#include "sys/loop.h"

#define RESOLVE_MAX 16          /* addresses of an answer; more do not count */
#define RESOLVE_NAME_MAX 256
#define RESOLVE_AT_ONCE 16      /* questions under way; a thread cannot be stopped, so cancelled ones count */

struct resolve;

/* r: 0 and n >= 1 addresses, in the order to try them; ERR_MISSING: there is no such name, or it has no address;
 * -ETIMEDOUT, -EAGAIN: the name servers do not answer; another -errno. */
typedef void resolve_fn(int r, const struct addr *a, uint32_t n, void *arg);

/* Also takes an address as text. fn runs once, from the loop, unless cancelled; *ret is dead then. ERR_MALFORMED: no
 * name; ERR_LIMIT: too many questions; ERR_NOMEM, -errno. */
int resolve_start(struct loop *l, const char *host, uint16_t port, resolve_fn *fn, void *arg, struct resolve **ret);
void resolve_cancel(struct resolve *r); /* NULL allowed */

#endif
