/* SPDX-License-Identifier: AGPL-3.0-only */
#include "t.h"

#include "base/slab.h"
#include "rig.h"
#include "sys/http_small.h"

struct server {
	struct rig rig;
	struct http_small *h;
	unsigned calls;
	char body[128], method[8];
};

static void on_metrics(const struct http_request *q, struct http_reply *ret, void *arg)
{
	struct server *s = arg;

	s->calls++;
	snprintf(s->method, sizeof(s->method), "%s", q->method);
	snprintf(s->body, sizeof(s->body), "%.*s", (int)q->body.n, (const char *)q->body.p);
	wr_str(&ret->body, "edge_up 1\n");
	ret->type = "text/plain; version=0.0.4";
}

static void on_exact(const struct http_request *q, struct http_reply *ret, void *arg)
{
	(void)arg;
	wr_span(&ret->body, q->body);
	ret->type = "application/json";
	ret->status = 201;
}

static void on_empty(const struct http_request *q, struct http_reply *ret, void *arg)
{
	(void)q;
	(void)arg;
	ret->status = 503;
}

static void on_page(const struct http_request *q, struct http_reply *ret, void *arg)
{
	static const char *const headers[] = {
		"Content-Security-Policy: default-src 'none'; style-src: 'self'", "X-Frame-Options:DENY", "no colon", ": no name",
		"Two: lines\r\nX-Evil: yes", NULL,
	};

	(void)arg;
	wr_str(&ret->body, q->method);
	wr_str(&ret->body, " ?");
	wr_span(&ret->body, q->query);
	ret->type = "text/html";
	ret->headers = headers;
}

static void on_large(const struct http_request *q, struct http_reply *ret, void *arg)
{
	(void)q;
	(void)arg;
	memset(wr_take(&ret->body, HTTP_SMALL_REPLY_MAX), 'x', HTTP_SMALL_REPLY_MAX);
}

static const struct http_route routes[] = {
	{ "/page", 1024, on_page },
	{ "/large", HTTP_SMALL_REPLY_MAX, on_large },
	{ "/metrics", 1024, on_metrics },
	{ "/eight", 8, on_exact },
	{ "/none", 0, on_empty },
	{ NULL, 0, NULL },
};

static void start(struct server *s)
{
	struct addr at = addr_v4(127, 0, 0, 1, 0);

	*s = (struct server){ 0 };
	rig_open(&s->rig);
	EQ(http_small_open(s->rig.l, &at, routes, s, &s->h), 0);
}

static void finish(struct server *s)
{
	http_small_close(s->h);
	http_small_close(NULL);
	rig_close(&s->rig);
}

static void dial(struct server *s, struct cli *c)
{
	struct addr at = http_small_addr(s->h);

	OK(at.port != 0);
	cli_tcp(c, &at);
	cli_listen(c, &s->rig);
}

/* One request of Connection: close; what came back. The caller frees. */
static void ask(struct server *s, struct cli *c, const char *text, size_t n)
{
	dial(s, c);
	cli_send(c, text, n);
	OK(rig_run(&s->rig, cli_eof, c));
}

static int status_of(const struct cli *c)
{
	int status = 0;

	if (c->n == 0 || sscanf(c->buf, "HTTP/1.%*d %d", &status) != 1)
		return -1;
	return status;
}

static const char *body_of(const struct cli *c)
{
	const char *p = c->n ? strstr(c->buf, "\r\n\r\n") : NULL;

	return p ? p + 4 : "";
}

#define END "Host: x\r\nConnection: close\r\n\r\n"
#define POST(n) "Host: x\r\nConnection: close\r\nContent-Length: " #n "\r\n\r\n"

/* A route answers by path, whatever the query; the reply that does not fit is 500; nothing else is served. */
static void routes_and_statuses(void)
{
	const struct {
		const char *row, *text;
		int status;
		const char *body;
	} rows[] = {
		{ "get: ", "GET /metrics HTTP/1.1\r\n" END, 200, "edge_up 1\n" },
		{ "query: ", "GET /metrics?x=/none HTTP/1.1\r\n" END, 200, "edge_up 1\n" },
		{ "post: ", "POST /eight HTTP/1.1\r\n" POST(3) "abc", 201, "abc" },
		{ "just fits: ", "POST /eight HTTP/1.1\r\n" POST(8) "12345678", 201, "12345678" },
		{ "does not fit: ", "POST /eight HTTP/1.1\r\n" POST(9) "123456789", 500, "" },
		{ "no query: ", "GET /page HTTP/1.1\r\n" END, 200, "GET ?" },
		{ "empty query: ", "GET /page? HTTP/1.1\r\n" END, 200, "GET ?" },
		{ "query as sent: ", "GET /page?a=%20b&c+d?e HTTP/1.1\r\n" END, 200, "GET ?a=%20b&c+d?e" },
		{ "fragment: ", "GET /page?a#b HTTP/1.1\r\n" END, 200, "GET ?a" },
		{ "head: ", "HEAD /metrics HTTP/1.1\r\n" END, 200, "" },
		{ "head, unknown: ", "HEAD /other HTTP/1.1\r\n" END, 404, "" },
		{ "empty: ", "GET /none HTTP/1.1\r\n" END, 503, "" },
		{ "unknown: ", "GET /other HTTP/1.1\r\n" END, 404, "" },
		{ "prefix: ", "GET /metrics/ HTTP/1.1\r\n" END, 404, "" },
		{ "root: ", "GET / HTTP/1.1\r\n" END, 404, "" },
		{ "dot dot: ", "GET /x/../metrics HTTP/1.1\r\n" END, 404, "" },
		{ "method: ", "DELETE /metrics HTTP/1.1\r\n" END, 501, NULL },
		{ "nonsense: ", "\x16\x03\x01\x02\r\n\r\n", 400, NULL },
	};
	struct server s;

	start(&s);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct cli c;

		t_row = rows[i].row;
		ask(&s, &c, rows[i].text, strlen(rows[i].text));
		EQ(status_of(&c), rows[i].status);
		if (rows[i].body)
			EQ_STR(body_of(&c), rows[i].body);
		cli_close(&c);
	}
	finish(&s);
}

/* The handler sees method and body; the reply carries its Content-Type. */
static void handler_sees_the_request(void)
{
	static const char get[] = "GET /metrics HTTP/1.1\r\n" END, post[] = "POST /metrics HTTP/1.1\r\n" POST(5) "hello";
	struct server s;
	struct cli c;

	start(&s);
	ask(&s, &c, get, sizeof(get) - 1);
	EQ_STR(s.method, "GET");
	EQ_STR(s.body, "");
	OK(c.n && strstr(c.buf, "Content-Type: text/plain; version=0.0.4\r\n"));
	cli_close(&c);
	ask(&s, &c, post, sizeof(post) - 1);
	EQ_STR(s.method, "POST");
	EQ_STR(s.body, "hello");
	EQ(s.calls, 2);
	cli_close(&c);
	finish(&s);
}

/* A page brings its headers, none of them two lines; HEAD brings the same head and no body, and the connection goes on. */
static void headers_and_head(void)
{
	static const char get[] = "GET /page?x HTTP/1.1\r\n" END;
	static const char two[] = "HEAD /page?x HTTP/1.1\r\nHost: x\r\n\r\nGET /page HTTP/1.1\r\n" END;
	struct server s;
	struct cli c;

	start(&s);
	for (int head = 0; head < 2; head++) {
		t_row = head ? "head: " : "get: ";
		ask(&s, &c, head ? two : get, head ? sizeof(two) - 1 : sizeof(get) - 1);
		OK(c.n && strstr(c.buf, "\r\nContent-Security-Policy: default-src 'none'; style-src: 'self'\r\n"));
		OK(c.n && strstr(c.buf, "\r\nX-Frame-Options: DENY\r\n"));
		OK(c.n && strstr(c.buf, "\r\nContent-Type: text/html\r\n"));
		OK(c.n && strstr(c.buf, "\r\nContent-Length: 6\r\n"));
		OK(c.n && !strstr(c.buf, "X-Evil") && !strstr(c.buf, "no name"));
		OK(strncmp(body_of(&c), head ? "HTTP/1.1 200 OK\r\n" : "GET ?x", head ? 17 : 7) == 0);
		cli_close(&c);
	}
	finish(&s);
}

/* The largest page arrives whole; a route that wants more is a mistake of ours. */
static void large_pages(void)
{
	static const struct http_route more[] = { { "/", HTTP_SMALL_REPLY_MAX + 1, on_large }, { NULL, 0, NULL } };
	static const char get[] = "GET /large HTTP/1.1\r\n" END;
	struct addr at = addr_v4(127, 0, 0, 1, 0);
	struct http_small *other = NULL;
	struct server s;
	struct cli c;

	start(&s);
	ask(&s, &c, get, sizeof(get) - 1);
	EQ(status_of(&c), 200);
	EQ(c.n - (size_t)(body_of(&c) - c.buf), HTTP_SMALL_REPLY_MAX);
	cli_close(&c);
	EQ(http_small_open(s.rig.l, &at, more, &s, &other), ERR_LIMIT);
	OK(!other);
	finish(&s);
}

/* Heads beyond 8 KiB and bodies beyond 64 KiB are refused before a handler runs. */
static void oversized_requests_are_refused(void)
{
	static char text[200000];
	struct server s;
	struct cli c;
	int n;

	start(&s);
	n = snprintf(text, sizeof(text), "GET /metrics HTTP/1.1\r\nX: %09000d\r\n\r\n", 1);
	dial(&s, &c);
	cli_send(&c, text, (size_t)n);
	shutdown(c.fd, SHUT_WR); /* evhttp reads what is left before it closes */
	OK(rig_run(&s.rig, cli_eof, &c));
	OK(status_of(&c) == 400 || status_of(&c) == 413);
	cli_close(&c);
	n = snprintf(text, sizeof(text), "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 70000\r\n\r\n%070000d", 1);
	dial(&s, &c);
	cli_send(&c, text, (size_t)n);
	shutdown(c.fd, SHUT_WR);
	OK(rig_run(&s.rig, cli_eof, &c));
	EQ(status_of(&c), 413);
	cli_close(&c);
	EQ(s.calls, 0);
	finish(&s);
}

struct drip {
	struct cli *c;
	const char *text;
};

static bool drip(void *arg)
{
	struct drip *d = arg;

	if (*d->text)
		cli_send(d->c, d->text++, 1);
	return d->c->eof;
}

/* A request that arrives byte by byte is the same request; two on one connection get two replies. */
static void split_and_pipelined_requests(void)
{
	static const char two[] = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\nGET /none HTTP/1.1\r\n" END;
	struct server s;
	struct cli c;
	struct drip d = { &c, "GET /metrics HTTP/1.0\r\nHost: x\r\n\r\n" };

	start(&s);
	dial(&s, &c);
	OK(rig_run(&s.rig, drip, &d) || *d.text == '\0');
	EQ(status_of(&c), 200);
	EQ_STR(body_of(&c), "edge_up 1\n");
	cli_close(&c);
	ask(&s, &c, two, sizeof(two) - 1);
	EQ(status_of(&c), 200);
	OK(c.n && strstr(c.buf, "edge_up 1\nHTTP/1.1 503"));
	cli_close(&c);
	finish(&s);
}

/* A taken port is an error; so is a lack of memory, for the server and for one reply. */
static void failures_are_reported(void)
{
	static const char get[] = "GET /metrics HTTP/1.1\r\n" END;
	struct http_small *other = NULL;
	struct server s;
	struct addr at;
	struct cli c;

	start(&s);
	at = http_small_addr(s.h);
	EQ(http_small_open(s.rig.l, &at, routes, &s, &other), -EADDRINUSE);
	at.port = 0;
	mem_fail_at(0);
	EQ(http_small_open(s.rig.l, &at, routes, &s, &other), ERR_NOMEM);
	mem_fail_at(SIZE_MAX);
	OK(!other);
	dial(&s, &c);
	cli_send(&c, get, sizeof(get) - 1);
	mem_fail_at(0);
	OK(rig_run(&s.rig, cli_eof, &c));
	mem_fail_at(SIZE_MAX);
	EQ(status_of(&c), 500);
	cli_close(&c);
	finish(&s);
}

T_MAIN(T(routes_and_statuses), T(handler_sees_the_request), T(oversized_requests_are_refused),
       T(split_and_pipelined_requests), T(failures_are_reported), T(headers_and_head), T(large_pages))
