/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * Short HTTP requests to central, to the front and to channels: libcurl on our loop. Bounded in time and size, TLS 1.2 or later
 * with full verification, no proxy from the environment, no cookies, HTTP/1.1. Secrets stay in memory: they are in no argument,
 * and in no error text. Names are resolved by a thread of libcurl's.
 */
#ifndef SYS_HTTP_CLIENT_H
#define SYS_HTTP_CLIENT_H

#include "base/secret.h"
#include "sys/loop.h"

#define HTTP_ASK_HEADERS 4
#define HTTP_WHY_MAX 256

struct http_client;
struct http_call;

/* Everything is borrowed until the answer, or until http_client_ask has returned where it says "copied". */
struct http_ask {
	const char *method;                   /* "GET" or "POST" */
	const char *url;                      /* http or https; copied */
	const char *header[HTTP_ASK_HEADERS]; /* "X-Node-Id: acme-1"; NULL: none; copied */
	const struct secret *bearer;          /* Authorization: Bearer; NULL: none; copied, and wiped after the call */
	const char *type;                     /* Content-Type of the body; NULL: application/json */
	struct span body;                     /* of POST; copied */
	const char *ca_file;                  /* PEM; NULL: the system's; copied */
	const char *unix_socket;              /* connects there instead of to the URL's host; NULL: no; copied */
	const char *pin;                      /* "name:port:address": the name is not resolved; NULL: no; copied */
	uint64_t connect_us, timeout_us;      /* 0: 5 s, 15 s */
	size_t reply_max;                     /* bytes of the body; beyond it the call fails. 0: 64 KiB */
	bool follow;                          /* redirects, at most 3, https only if the URL was */
	bool handshake_only;                  /* https: end after the verified handshake, status 0 and r 0 */
};

struct http_answer {
	int r;                    /* 0: there was an answer, whatever its status; otherwise why says in words what failed */
	int status;
	char why[HTTP_WHY_MAX];   /* "could not connect to 127.0.0.1:9: connection refused"; never a body, a header or a secret */
	struct span body;         /* borrowed for the call of fn */
	char type[64];            /* Content-Type, "" without one */
	uint64_t connect_us;      /* until the connection, TLS included, was there */
	uint64_t total_us;
	uint32_t retry_after;     /* seconds of Retry-After; 0: none */
	wall_t date;              /* the server's Date; 0: none */
	wall_t certificate_until; /* notAfter of the server's leaf certificate; 0: none */
	bool timed_out;
};

typedef void http_answer_fn(const struct http_answer *a, void *arg);

struct http_client *http_client_new(struct loop *l); /* NULL: no memory */
void http_client_free(struct http_client *c);        /* calls under way end without their fn. NULL allowed */
/* fn runs exactly once, from the loop, unless cancelled. *ret may be NULL. ERR_NOMEM, ERR_MALFORMED (the request itself). */
int http_client_ask(struct http_client *c, const struct http_ask *q, http_answer_fn *fn, void *arg, struct http_call **ret);
void http_call_cancel(struct http_call *call); /* NULL allowed; dead once fn was called */

/* The same for callers without a loop: fn has run when this returns. Yields the answer's r. */
int http_ask_wait(const struct http_ask *q, http_answer_fn *fn, void *arg);

#endif
