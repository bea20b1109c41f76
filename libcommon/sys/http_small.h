/* SPDX-License-Identifier: AGPL-3.0-only */
/* Small HTTP endpoints on evhttp: GET, HEAD and POST of documents for metrics, status pages and internal APIs. Not a web server. */
#ifndef SYS_HTTP_SMALL_H
#define SYS_HTTP_SMALL_H

#include "base/addr.h"
#include "sys/loop.h"

#define HTTP_SMALL_REPLY_MAX (2 * 1024 * 1024)

struct http_small;

struct http_request {
	const char *method; /* "GET" or "POST"; HEAD is a GET whose reply leaves without its body */
	struct span query;  /* what stands behind "?", as sent; empty without one */
	struct span body;
};

struct http_reply {
	int status;
	const char *type;           /* Content-Type */
	const char *const *headers; /* more of them, "Name: value"; static, ended by NULL. NULL: none */
	struct wr body;             /* the handler writes here */
};

struct http_route {
	const char *path;
	size_t reply_max; /* bytes of room for the body, at most HTTP_SMALL_REPLY_MAX; allocated per request */
	void (*fn)(const struct http_request *q, struct http_reply *ret, void *arg);
};

/* routes: static, ended by a NULL path. A reply that did not fit becomes 500. -errno, ERR_NOMEM, ERR_LIMIT: of
 * a route. */
int http_small_open(struct loop *l, const struct addr *at, const struct http_route *routes, void *arg,
		    struct http_small **ret);
struct addr http_small_addr(const struct http_small *h);
void http_small_close(struct http_small *h);

#endif
