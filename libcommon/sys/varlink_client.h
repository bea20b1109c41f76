/* SPDX-License-Identifier: AGPL-3.0-only */
/* One call of a Varlink service (https://varlink.org) on a Unix stream socket: connect, ask, hear one reply, close. For healthd,
 * refreshd and the tools, which ask rarely; whoever answers garbage or nothing costs a bounded time and is told so. */
#ifndef SYS_VARLINK_CLIENT_H
#define SYS_VARLINK_CLIENT_H

#include "base/json.h"
#include "sys/loop.h"

#define VARLINK_REPLY_MAX (1024 * 1024 + 4096) /* bytes of a reply; a longer one is ERR_LIMIT */

struct varlink_ask;

struct varlink_answer {
	/* 0; ERR_UNEXPECTED: the service answered with `error`; otherwise there was no answer: -errno of connecting (-ENOENT,
	 * -ECONNREFUSED: nobody listens), -ETIMEDOUT, ERR_SHORT (closed before the reply), ERR_MALFORMED, ERR_LIMIT. */
	int r;
	const char *error;      /* "io.oxpulse.Edge.InvalidConfiguration"; "" without one */
	const struct json *doc; /* the reply; NULL without one. All of this is borrowed for the call of fn. */
	int params;             /* token of its parameters object, possibly empty; -1 when doc is NULL */
};

typedef void varlink_answer_fn(const struct varlink_answer *a, void *arg);

/* Asks `method` with `params` (the text of a JSON object; empty: {}). fn runs exactly once, from the loop, unless cancelled.
 * *ret may be NULL; it is dead once fn was called. -errno and ERR_NOMEM only for what no answer can tell. The request's bytes
 * are wiped after they were sent, since parameters may hold credentials. */
int varlink_ask(struct loop *l, const char *socket, const char *method, struct span params, uint64_t timeout_us,
		varlink_answer_fn *fn, void *arg, struct varlink_ask **ret);
void varlink_ask_cancel(struct varlink_ask *a); /* NULL allowed */

/* The same for callers without a loop: fn has run when this returns. Yields the answer's r. */
int varlink_ask_wait(const char *socket, const char *method, struct span params, uint64_t timeout_us, varlink_answer_fn *fn,
		     void *arg);

#endif
