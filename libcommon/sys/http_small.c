/* SPDX-License-Identifier: AGPL-3.0-only */
/* evhttp answers 501 to other methods, 413 to larger bodies and 400 to oversized or broken heads by itself. */
#include "sys/http_small.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/http.h>
#include <stdio.h>
#include <unistd.h>

#include "base/err.h"
#include "base/slab.h"
#include "sys/sock.h"

#define HEAD_MAX 8192
#define BODY_MAX 65536
#define IDLE_SEC 10

struct http_small {
	struct evhttp *http;
	const struct http_route *routes;
	void *arg;
	struct addr at;
};

static void free_body(const void *data, size_t n, void *body)
{
	(void)data;
	(void)n;
	mem_free(body);
}

static void fail(struct evhttp_request *req, int status)
{
	evhttp_send_reply(req, status, NULL, NULL);
}

static void add_headers(struct evhttp_request *req, const char *const *lines)
{
	struct evkeyvalq *out = evhttp_request_get_output_headers(req);
	char name[64];

	for (; lines && *lines; lines++) {
		size_t n = strcspn(*lines, ":");

		if (n == 0 || n >= sizeof(name) || (*lines)[n] != ':')
			continue;
		memcpy(name, *lines, n);
		name[n] = '\0';
		evhttp_add_header(out, name, *lines + n + 1 + strspn(*lines + n + 1, " "));
	}
}

/* Only the length of the body leaves: evhttp would send it after the head of a HEAD, too. */
static void announce(struct evhttp_request *req, size_t n)
{
	char text[24];

	snprintf(text, sizeof(text), "%zu", n);
	evhttp_add_header(evhttp_request_get_output_headers(req), "Content-Length", text);
}

static void answer(struct evhttp_request *req, const struct http_reply *reply, uint8_t *body)
{
	struct evbuffer *out = evhttp_request_get_output_buffer(req);
	struct span text = wr_span_of(&reply->body);
	bool head = evhttp_request_get_command(req) == EVHTTP_REQ_HEAD;

	if (text.n > 0 && !head && evbuffer_add_reference(out, text.p, text.n, free_body, body) < 0) {
		mem_free(body);
		fail(req, HTTP_INTERNAL);
		return;
	}
	if (text.n > 0 && reply->type)
		evhttp_add_header(evhttp_request_get_output_headers(req), "Content-Type", reply->type);
	add_headers(req, reply->headers);
	if (head)
		announce(req, text.n);
	if (text.n == 0 || head)
		mem_free(body);
	evhttp_send_reply(req, reply->status, NULL, NULL);
}

static struct span query_of(struct evhttp_request *req)
{
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(req);
	const char *query = uri ? evhttp_uri_get_query(uri) : NULL;

	return span_str(query ? query : "");
}

static const struct http_route *find(const struct http_small *h, struct evhttp_request *req)
{
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(req);
	const char *path = uri ? evhttp_uri_get_path(uri) : NULL;

	for (const struct http_route *r = h->routes; path && r->path; r++)
		if (strcmp(r->path, path) == 0)
			return r;
	return NULL;
}

static void on_request(struct evhttp_request *req, void *arg)
{
	struct evbuffer *in = evhttp_request_get_input_buffer(req);
	bool post = evhttp_request_get_command(req) == EVHTTP_REQ_POST;
	struct http_small *h = arg;
	const struct http_route *route = find(h, req);
	struct http_request q = { .method = post ? "POST" : "GET", .query = query_of(req) };
	struct http_reply reply = { .status = HTTP_OK, .type = "text/plain; charset=utf-8" };
	uint8_t *body;

	if (!route) {
		fail(req, HTTP_NOTFOUND);
		return;
	}
	body = mem_alloc(route->reply_max + 1);
	q.body.n = evbuffer_get_length(in);
	q.body.p = q.body.n ? evbuffer_pullup(in, -1) : (const uint8_t *)"";
	if (!body || !q.body.p) {
		mem_free(body);
		fail(req, HTTP_INTERNAL);
		return;
	}
	reply.body = wr_from(body, route->reply_max);
	route->fn(&q, &reply, h->arg);
	if (reply.body.bad) {
		mem_free(body);
		fail(req, HTTP_INTERNAL);
		return;
	}
	answer(req, &reply, body);
}

int http_small_open(struct loop *l, const struct addr *at, const struct http_route *routes, void *arg,
		    struct http_small **ret)
{
	struct http_small *h;
	int fd;

	for (const struct http_route *r = routes; r->path; r++)
		if (r->reply_max > HTTP_SMALL_REPLY_MAX)
			return ERR_LIMIT;
	fd = sock_listen_tcp(at);
	if (fd < 0)
		return fd;
	h = mem_alloc(sizeof(*h));
	if (h)
		h->http = evhttp_new(loop_base(l));
	if (!h || !h->http)
		goto fail;
	h->routes = routes;
	h->arg = arg;
	h->at = sock_local(fd);
	evhttp_set_allowed_methods(h->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_POST);
	evhttp_set_max_headers_size(h->http, HEAD_MAX);
	evhttp_set_max_body_size(h->http, BODY_MAX);
	evhttp_set_timeout(h->http, IDLE_SEC);
	evhttp_set_gencb(h->http, on_request, h);
	if (!evhttp_accept_socket_with_handle(h->http, fd))
		goto fail;
	*ret = h;
	return 0;
fail:
	close(fd);
	http_small_close(h);
	return ERR_NOMEM;
}

struct addr http_small_addr(const struct http_small *h)
{
	return h->at;
}

void http_small_close(struct http_small *h)
{
	if (!h)
		return;
	if (h->http)
		evhttp_free(h->http);
	mem_free(h);
}
