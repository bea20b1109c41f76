/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * Varlink service (https://varlink.org: JSON objects ended by NUL on a Unix stream socket). One table says which
 * role may call which method and how large its message may be; both are checked before the handler runs.
 * Malformed input closes that client and is counted; nobody else notices. org.varlink.service is built in.
 */
#ifndef SYS_VARLINK_H
#define SYS_VARLINK_H

#include <sys/types.h>

#include "base/json.h"
#include "sys/loop.h"

#define VARLINK_MSG_MAX 65536 /* bytes of a request */
#define VARLINK_CLIENTS_MAX 32

enum {
	ROLE_ANY = 1 << 0,     /* every local user that can open the socket */
	ROLE_HEALTH = 1 << 1,  /* healthd */
	ROLE_REFRESH = 1 << 2, /* refreshd */
	ROLE_ADMIN = 1 << 3,   /* root, and the daemon's own user */
};

struct varlink;
struct varlink_call; /* one request; valid inside its handler */

struct varlink_method {
	const char *name; /* "io.oxpulse.Edge.Status" */
	unsigned roles;
	size_t max; /* bytes of the whole request; a longer one closes the client */
	void (*fn)(struct varlink_call *c, void *arg);
};

struct varlink_conf {
	const char *vendor, *product, *version, *url;
	const struct varlink_method *methods; /* ended by a NULL name */
	const char *const *interfaces;        /* descriptions in varlink IDL, ended by NULL */
	const char *health_user, *refresh_user; /* user names; NULL or unknown: nobody has that role */
	void *arg;
};

/* Listens on the Unix socket `path` (mode 0666: roles decide), or takes the inherited fd when >= 0, also when it fails.
 * -errno, ERR_NOMEM. */
int varlink_open(struct loop *l, const char *path, int fd, const struct varlink_conf *c, struct varlink **ret);
/* Allowed inside a handler. NULL allowed. */
void varlink_close(struct varlink *v);
/* Closed for malformed or oversized input since start. */
uint64_t varlink_refused(const struct varlink *v);

/* The request's parameters: an object, possibly empty. `*ret_at` is its token: call this in a statement of its own, C
 * does not order arguments. Borrowed. */
const struct json *varlink_params(const struct varlink_call *c, int *ret_at);

/* Begin a reply's parameters object, write members with jo_*, end it. Exactly one reply or error per call, inside the
 * handler. A reply beyond 1 MiB becomes the error io.oxpulse.Edge.ReplyTooLarge; `oneway` and `more` are seen to. */
struct json_out *varlink_reply(struct varlink_call *c);
void varlink_reply_end(struct varlink_call *c);
/* error: "io.oxpulse.Edge.Busy"; parameter: NULL or one "name", value pair. */
void varlink_error(struct varlink_call *c, const char *error, const char *name, const char *value);

#endif
