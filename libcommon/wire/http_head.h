/* SPDX-License-Identifier: AGPL-3.0-only */
/* The head of an HTTP/1.1 request or reply (RFC 9112 2-6), for the signalling upgrade and for probes: first line and header fields.
 * Strict: no obsolete folding, no bare CR or LF, no white space before the colon, origin-form only; and nothing two readers could
 * disagree on: one Host, one Content-Length, not together with Transfer-Encoding. Borrows from the input. */
#ifndef WIRE_HTTP_HEAD_H
#define WIRE_HTTP_HEAD_H

#include "base/err.h"
#include "base/span.h"

#define HTTP_FIELDS_MAX 64
#define HTTP_HEAD_MAX 65536 /* bytes of a head */

struct http_field {
	struct span name, value; /* value without surrounding white space */
};

struct http_head {
	struct span method, target; /* as sent */
	struct span path;           /* target up to '?' */
	uint8_t minor;              /* HTTP/1.x */
	struct http_field field[HTTP_FIELDS_MAX];
	uint32_t n_fields;
	size_t len; /* bytes up to and including the empty line */
};

/* ERR_SHORT: the empty line has not arrived yet. ERR_MALFORMED. ERR_LIMIT: too many fields or bytes. */
int http_head_parse(struct span in, struct http_head *ret);

struct http_reply_head {
	struct http_head head; /* method, target and path empty */
	int status;            /* 100 to 599; after 1xx another head follows, after 101, 204 and 304 no body */
	bool has_length;       /* neither this nor chunked: the body ends with the connection */
	uint64_t length;       /* Content-Length */
	bool chunked;          /* Transfer-Encoding; any other coding is malformed */
};

/* The head of a reply; errors as above. A status without a reason needs no space behind it. */
int http_reply_parse(struct span in, struct http_reply_head *ret);

/* First field of that name (case-insensitive), or an empty span. */
struct span http_head_get(const struct http_head *h, const char *name);

/* Walks the non-empty elements of a comma list over all fields of that name; quoted strings are not its business.
 * Start with *pos = 0; false at the end. */
bool http_head_list(const struct http_head *h, const char *name, uint32_t *pos, struct span *ret);

/* Case-insensitive comparison of ASCII tokens. */
bool http_token_is(struct span s, const char *token);

#endif
