/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * curl_multi with sockets watched by our loop. Every call has a connection of its own, so that times and certificates in an answer
 * are those of this very call, and nothing of one call (a pin, a CA) can leak into another.
 */
#include "sys/http_client.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <sys/queue.h>

#include "base/err.h"
#include "base/slab.h"
#include "sys/curl_memory.h"

#define CONNECT_US DUR_SEC(5)
#define TIMEOUT_US DUR_SEC(15)
#define REPLY_MAX (64 * 1024)
#define REDIRECTS_MAX 3L
#define BODY_MIN 4096
#define HEADER_MAX 1024 /* bytes of a header of ours */

struct http_client {
	struct loop *loop;
	CURLM *multi;
	struct timer *timer;
	LIST_HEAD(, http_call) calls;
	bool busy, dead; /* an fn is on the stack; the client was freed by it */
};

struct http_call {
	LIST_ENTRY(http_call) link;
	struct http_client *client;
	CURL *easy;
	struct curl_slist *headers, *connect_to;
	uint8_t *body;
	size_t body_n, body_cap, body_max;
	char *unix_socket;
	http_answer_fn *fn;
	void *arg;
	bool https, handshake_only, too_large;
	char detail[CURL_ERROR_SIZE]; /* libcurl's words; they may quote the peer */
};

static void call_free(struct http_call *h)
{
	curl_easy_cleanup(h->easy);
	curl_slist_free_all(h->headers);
	curl_slist_free_all(h->connect_to);
	mem_free(h->body);
	mem_free(h->unix_socket);
	mem_free(h);
}

/* From here on libcurl knows nothing of it. */
static void call_detach(struct http_call *h)
{
	LIST_REMOVE(h, link);
	curl_multi_remove_handle(h->client->multi, h->easy);
}

void http_call_cancel(struct http_call *h)
{
	if (!h)
		return;
	call_detach(h);
	call_free(h);
}

/* host:port of the last URL, nothing more of it; or the socket. */
static void write_target(const struct http_call *h, char *buf, size_t cap)
{
	CURLU *u = curl_url();
	char *url = NULL, *host = NULL, *port = NULL;

	snprintf(buf, cap, "the server");
	if (h->unix_socket)
		snprintf(buf, cap, "%s", h->unix_socket);
	else if (u && curl_easy_getinfo(h->easy, CURLINFO_EFFECTIVE_URL, &url) == CURLE_OK && url &&
		 curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK && curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
		 curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK)
		snprintf(buf, cap, "%s:%s", host, port);
	curl_free(host);
	curl_free(port);
	curl_url_cleanup(u);
}

/* How libcurl's results are told. `detail`: its own words say more than ours, and quote no body and no header. */
static const struct failure {
	CURLcode code;
	int r;
	const char *words; /* in front of the target */
	bool detail;
} failures[] = {
	{ CURLE_OPERATION_TIMEDOUT, -ETIMEDOUT, "no answer in time from", false },
	{ CURLE_COULDNT_RESOLVE_HOST, -EHOSTUNREACH, "could not resolve the name of", false },
	{ CURLE_COULDNT_CONNECT, -ECONNREFUSED, "could not connect to", false },
	{ CURLE_PEER_FAILED_VERIFICATION, ERR_AUTH, "the certificate was not accepted of", true },
	{ CURLE_SSL_CONNECT_ERROR, ERR_AUTH, "the TLS handshake failed with", true },
	{ CURLE_SSL_CACERT_BADFILE, ERR_MISSING, "the CA file cannot be used, needed for", true },
	{ CURLE_FILESIZE_EXCEEDED, ERR_LIMIT, "too large a reply from", false },
	{ CURLE_TOO_MANY_REDIRECTS, ERR_LIMIT, "too many redirects, the last one to", false },
	{ CURLE_UNSUPPORTED_PROTOCOL, ERR_MALFORMED, "a redirect to neither https nor, where allowed, http from", false },
	{ CURLE_URL_MALFORMAT, ERR_MALFORMED, "a URL that is none from", false },
	{ CURLE_LOGIN_DENIED, ERR_MALFORMED, "a redirect with a user name from", false },
	{ CURLE_GOT_NOTHING, ERR_SHORT, "an empty reply from", false },
	{ CURLE_PARTIAL_FILE, ERR_SHORT, "the reply was cut off by", false },
	{ CURLE_RECV_ERROR, ERR_SHORT, "the connection was lost to", false },
	{ CURLE_SEND_ERROR, ERR_SHORT, "the connection was lost to", false },
	{ CURLE_OUT_OF_MEMORY, ERR_NOMEM, "out of memory while asking", false },
};

static struct failure failure_of(const struct http_call *h, CURLcode code)
{
	long status = 0;

	if (h->too_large && code != CURLE_OPERATION_TIMEDOUT)
		code = CURLE_FILESIZE_EXCEEDED;
	/* It is also what libcurl calls a reply that does not begin as HTTP does. */
	(void)curl_easy_getinfo(h->easy, CURLINFO_RESPONSE_CODE, &status);
	if (code == CURLE_UNSUPPORTED_PROTOCOL && status == 0)
		code = CURLE_WEIRD_SERVER_REPLY;
	for (size_t i = 0; i < ARRAY_LEN(failures); i++)
		if (failures[i].code == code)
			return failures[i];
	return (struct failure){ code, ERR_MALFORMED, "no HTTP that makes sense from", false };
}

/* One line of printable ASCII, whatever the peer put into its certificate. */
static void clean(char *s)
{
	for (; *s; s++)
		if (*s < 0x20 || *s > 0x7e)
			*s = '?';
}

static void write_failure(struct http_call *h, CURLcode code, struct http_answer *a)
{
	struct failure f = failure_of(h, code);
	char target[200], reason[CURL_ERROR_SIZE + 2] = "";
	long os = 0;

	a->r = f.r;
	a->timed_out = code == CURLE_OPERATION_TIMEDOUT;
	if (f.detail && h->detail[0])
		snprintf(reason, sizeof(reason), ": %s", h->detail);
	if (code == CURLE_COULDNT_CONNECT && curl_easy_getinfo(h->easy, CURLINFO_OS_ERRNO, &os) == CURLE_OK && os) {
		a->r = -(int)os;
		snprintf(reason, sizeof(reason), ": %s", err_str(a->r));
		if (reason[2] >= 'A' && reason[2] <= 'Z')
			reason[2] = (char)(reason[2] + ('a' - 'A'));
	}
	write_target(h, target, sizeof(target));
	snprintf(a->why, sizeof(a->why), "%s %s%s", f.words, target, reason);
	clean(a->why);
}

static uint64_t time_of(CURL *easy, CURLINFO info)
{
	curl_off_t us = 0;

	return curl_easy_getinfo(easy, info, &us) == CURLE_OK && us > 0 ? (uint64_t)us : 0;
}

/* RFC 9110 5.6.7 and OpenSSL's "Nov  3 12:00:00 2026 GMT". */
static wall_t wall_parse(const char *text)
{
	time_t t = curl_getdate(text, NULL);

	return (wall_t){ t > 0 ? (uint64_t)t * US_PER_SEC : 0 };
}

static wall_t certificate_until(CURL *easy)
{
	static const char key[] = "Expire date:";
	struct curl_certinfo *info = NULL;

	if (curl_easy_getinfo(easy, CURLINFO_CERTINFO, &info) != CURLE_OK || !info || info->num_of_certs < 1)
		return (wall_t){ 0 };
	for (const struct curl_slist *s = info->certinfo[0]; s; s = s->next)
		if (strncmp(s->data, key, sizeof(key) - 1) == 0)
			return wall_parse(s->data + sizeof(key) - 1);
	return (wall_t){ 0 };
}

static void write_answer(struct http_call *h, CURLcode code, struct http_answer *a)
{
	struct curl_header *date = NULL;
	curl_off_t after = 0;
	long status = 0;
	char *type = NULL;

	a->connect_us = time_of(h->easy, h->https ? CURLINFO_APPCONNECT_TIME_T : CURLINFO_CONNECT_TIME_T);
	a->total_us = time_of(h->easy, CURLINFO_TOTAL_TIME_T);
	a->certificate_until = certificate_until(h->easy);
	if (code != CURLE_OK) {
		write_failure(h, code, a);
		return;
	}
	if (h->handshake_only)
		return;
	(void)curl_easy_getinfo(h->easy, CURLINFO_RESPONSE_CODE, &status);
	(void)curl_easy_getinfo(h->easy, CURLINFO_CONTENT_TYPE, &type);
	(void)curl_easy_getinfo(h->easy, CURLINFO_RETRY_AFTER, &after);
	a->status = (int)status;
	snprintf(a->type, sizeof(a->type), "%s", type ? type : "");
	clean(a->type);
	a->retry_after = after <= 0 ? 0 : after > UINT32_MAX ? UINT32_MAX : (uint32_t)after;
	if (curl_easy_header(h->easy, "Date", 0, CURLH_HEADER, -1, &date) == CURLHE_OK)
		a->date = wall_parse(date->value);
	a->body = span_of(h->body, h->body_n);
}

static void finish(struct http_call *h, CURLcode code)
{
	struct http_answer a = { 0 };

	write_answer(h, code, &a);
	call_detach(h);
	h->fn(&a, h->arg);
	call_free(h);
}

static void client_free(struct http_client *c)
{
	struct http_call *h;

	while ((h = LIST_FIRST(&c->calls)))
		http_call_cancel(h);
	if (c->multi)
		curl_multi_cleanup(c->multi);
	timer_free(c->timer);
	mem_free(c);
}

/* Something may have ended. fn may ask, cancel and free the client. */
static void act(struct http_client *c, curl_socket_t fd, int events)
{
	struct http_call *h;
	CURLMsg *m;
	int left;

	c->busy = true;
	curl_multi_socket_action(c->multi, fd, events, &left);
	while (!c->dead && (m = curl_multi_info_read(c->multi, &left))) {
		if (m->msg == CURLMSG_DONE && curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &h) == CURLE_OK)
			finish(h, m->data.result);
	}
	c->busy = false;
	if (c->dead)
		client_free(c);
}

static void on_io(int fd, unsigned events, void *arg)
{
	act(arg, fd, (events & LOOP_READ ? CURL_CSELECT_IN : 0) | (events & LOOP_WRITE ? CURL_CSELECT_OUT : 0));
}

static void on_timer(void *arg)
{
	act(arg, CURL_SOCKET_TIMEOUT, 0);
}

static int on_curl_timer(CURLM *multi, long timeout_ms, void *arg)
{
	struct http_client *c = arg;

	(void)multi;
	timer_set(c->timer, timeout_ms < 0 ? MONO_NEVER : mono_add(loop_now(c->loop), DUR_MS(timeout_ms)));
	return 0;
}

/* `watch` is what curl_multi_assign remembered for this socket. Without memory for a new one the call waits for its timeout: an
 * error of this function would end the whole client for good. */
static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *watch)
{
	struct http_client *c = arg;
	unsigned events = (what & CURL_POLL_IN ? LOOP_READ : 0u) | (what & CURL_POLL_OUT ? LOOP_WRITE : 0u);

	(void)easy;
	loop_unwatch(watch);
	curl_multi_assign(c->multi, fd, what == CURL_POLL_REMOVE ? NULL : loop_watch(c->loop, fd, events, on_io, c));
	return 0;
}

struct http_client *http_client_new(struct loop *l)
{
	struct http_client *c = curl_memory_init() ? mem_alloc(sizeof(*c)) : NULL;

	if (!c)
		return NULL;
	LIST_INIT(&c->calls);
	c->loop = l;
	c->timer = loop_timer(l, on_timer, c);
	c->multi = curl_multi_init();
	if (!c->timer || !c->multi) {
		client_free(c);
		return NULL;
	}
	curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
	curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
	curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
	curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
	return c;
}

void http_client_free(struct http_client *c)
{
	if (!c)
		return;
	c->dead = true;
	if (!c->busy)
		client_free(c);
}

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
	struct http_call *h = arg;
	size_t more = size * n, cap = h->body_cap ? h->body_cap : BODY_MIN;
	uint8_t *body;

	if (more > h->body_max - h->body_n) {
		h->too_large = true;
		return CURL_WRITEFUNC_ERROR;
	}
	while (cap < h->body_n + more)
		cap *= 2;
	if (cap > h->body_cap) {
		body = mem_grow(h->body, h->body_cap, cap);
		if (!body)
			return CURL_WRITEFUNC_ERROR;
		h->body = body;
		h->body_cap = cap;
	}
	memcpy(h->body + h->body_n, p, more);
	h->body_n += more;
	return more;
}

static bool is_printable(const char *s)
{
	for (; *s; s++)
		if (*s < 0x20 || *s > 0x7e)
			return false;
	return true;
}

/* "https://host/": with a host, without a user, of a scheme that is ours. *ret_https. */
static bool url_ok(const char *url, bool *ret_https)
{
	CURLU *u = curl_url();
	char *scheme = NULL;
	bool ok;

	ok = u && is_printable(url) && curl_url_set(u, CURLUPART_URL, url, CURLU_DISALLOW_USER) == CURLUE_OK &&
	     curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK;
	*ret_https = ok && strcmp(scheme, "https") == 0;
	ok = ok && (*ret_https || strcmp(scheme, "http") == 0);
	curl_free(scheme);
	curl_url_cleanup(u);
	return ok;
}

static int add_header(struct http_call *h, const char *text)
{
	struct curl_slist *list;

	if (!is_printable(text))
		return ERR_MALFORMED;
	list = curl_slist_append(h->headers, text);
	if (!list)
		return ERR_NOMEM;
	h->headers = list;
	return 0;
}

static int add_bearer(struct http_call *h, const struct secret *token)
{
	char line[SECRET_MAX + 32];
	int r;

	snprintf(line, sizeof(line), "Authorization: Bearer %.*s", (int)token->n, (const char *)token->b);
	r = token->n == 0 || strlen(line) != token->n + 22 ? ERR_MALFORMED : add_header(h, line);
	wipe(line, sizeof(line));
	return r;
}

static int add_headers(struct http_call *h, const struct http_ask *q, bool post)
{
	const char *type = q->type ? q->type : "application/json";
	char line[HEADER_MAX];
	int r = 0;

	for (size_t i = 0; r == 0 && i < HTTP_ASK_HEADERS; i++) {
		const char *text = q->header[i], *colon = text ? strchr(text, ':') : NULL;

		/* Without a value libcurl would take a header away instead. */
		if (text)
			r = !colon || colon == text || colon[strspn(colon, ": ")] == '\0' ? ERR_MALFORMED : add_header(h, text);
	}
	if (r == 0 && q->bearer)
		r = add_bearer(h, q->bearer);
	if (r == 0 && post) {
		if ((size_t)snprintf(line, sizeof(line), "Content-Type: %s", type) >= sizeof(line))
			return ERR_MALFORMED;
		r = add_header(h, line);
		if (r == 0)
			r = add_header(h, "Expect:"); /* no 100-continue: it costs a round trip or a second */
	}
	return r;
}

/* "name:port:address" as libcurl's CONNECT_TO, which unlike its RESOLVE leaves nothing behind for others. */
static int add_pin(struct http_call *h, const char *pin)
{
	const char *port = strchr(pin, ':'), *at = port ? strchr(port + 1, ':') : NULL;
	char line[HEADER_MAX];
	bool bare_v6;
	int n;

	if (!at || port == pin || at == port + 1 || at[1] == '\0' || !is_printable(pin))
		return ERR_MALFORMED;
	bare_v6 = at[1] != '[' && strchr(at + 1, ':');
	n = snprintf(line, sizeof(line), "%.*s:%s%s%s:", (int)(at - pin), pin, bare_v6 ? "[" : "", at + 1, bare_v6 ? "]" : "");
	if (n < 0 || (size_t)n >= sizeof(line))
		return ERR_MALFORMED;
	h->connect_to = curl_slist_append(NULL, line);
	return h->connect_to ? 0 : ERR_NOMEM;
}

static int set_body(struct http_call *h, const struct http_ask *q, bool post)
{
	CURL *e = h->easy;

	if (!post)
		return 0;
	if (curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)q->body.n) != CURLE_OK ||
	    curl_easy_setopt(e, CURLOPT_COPYPOSTFIELDS, q->body.n ? (const char *)q->body.p : "") != CURLE_OK)
		return ERR_NOMEM;
	return 0;
}

static long ms_of(uint64_t us, uint64_t otherwise)
{
	uint64_t ms = ((us ? us : otherwise) + US_PER_MS - 1) / US_PER_MS;

	return ms > INT32_MAX ? INT32_MAX : (long)ms;
}

/* What does not depend on the request: trust, and everything libcurl would otherwise take from the environment. */
static bool set_policy(struct http_call *h)
{
	static const struct { CURLoption option; long value; } numbers[] = {
		{ CURLOPT_NOSIGNAL, 1 },
		{ CURLOPT_NETRC, CURL_NETRC_IGNORED },
		{ CURLOPT_DISALLOW_USERNAME_IN_URL, 1 },
		{ CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1 },
		{ CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2 },
		{ CURLOPT_SSL_VERIFYPEER, 1 },
		{ CURLOPT_SSL_VERIFYHOST, 2 },
		{ CURLOPT_CERTINFO, 1 },
		/* A resumed session shows no certificate; an old connection has no times. */
		{ CURLOPT_SSL_SESSIONID_CACHE, 0 },
		{ CURLOPT_FRESH_CONNECT, 1 },
		{ CURLOPT_FORBID_REUSE, 1 },
		/* Names are resolved by a thread. One that hangs is left behind: joining it would stop the loop. */
		{ CURLOPT_QUICK_EXIT, 1 },
	};
	CURL *e = h->easy;
	bool ok = true;

	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		ok &= curl_easy_setopt(e, numbers[i].option, numbers[i].value) == CURLE_OK;
	ok &= curl_easy_setopt(e, CURLOPT_PROXY, "") == CURLE_OK;
	ok &= curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK;
	ok &= curl_easy_setopt(e, CURLOPT_REDIR_PROTOCOLS_STR, h->https ? "https" : "http,https") == CURLE_OK;
	ok &= curl_easy_setopt(e, CURLOPT_USERAGENT, "oxpulse-partner-edge/" EDGE_VERSION) == CURLE_OK;
	ok &= curl_easy_setopt(e, CURLOPT_ERRORBUFFER, h->detail) == CURLE_OK;
	ok &= curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK;
	ok &= curl_easy_setopt(e, CURLOPT_WRITEDATA, h) == CURLE_OK;
	ok &= curl_easy_setopt(e, CURLOPT_PRIVATE, h) == CURLE_OK;
	return ok;
}

static bool set_request(struct http_call *h, const struct http_ask *q)
{
	CURL *e = h->easy;
	bool ok = true;

	ok &= curl_easy_setopt(e, CURLOPT_URL, q->url) == CURLE_OK;
	ok &= curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, ms_of(q->connect_us, CONNECT_US)) == CURLE_OK;
	ok &= curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, ms_of(q->timeout_us, TIMEOUT_US)) == CURLE_OK;
	if (q->ca_file) { /* this one and no other */
		ok &= curl_easy_setopt(e, CURLOPT_CAINFO, q->ca_file) == CURLE_OK;
		ok &= curl_easy_setopt(e, CURLOPT_CAPATH, NULL) == CURLE_OK;
	}
	if (q->unix_socket)
		ok &= curl_easy_setopt(e, CURLOPT_UNIX_SOCKET_PATH, q->unix_socket) == CURLE_OK;
	if (q->follow) {
		ok &= curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 1L) == CURLE_OK;
		ok &= curl_easy_setopt(e, CURLOPT_MAXREDIRS, REDIRECTS_MAX) == CURLE_OK;
	}
	if (q->handshake_only)
		ok &= curl_easy_setopt(e, CURLOPT_CONNECT_ONLY, 1L) == CURLE_OK;
	if (h->connect_to)
		ok &= curl_easy_setopt(e, CURLOPT_CONNECT_TO, h->connect_to) == CURLE_OK;
	if (h->headers)
		ok &= curl_easy_setopt(e, CURLOPT_HTTPHEADER, h->headers) == CURLE_OK;
	return ok;
}

static int call_prepare(struct http_call *h, const struct http_ask *q)
{
	bool post = strcmp(q->method, "POST") == 0;
	int r = 0;

	if ((!post && strcmp(q->method, "GET") != 0) || (!post && q->body.n) || !url_ok(q->url, &h->https) ||
	    (q->handshake_only && !h->https))
		return ERR_MALFORMED;
	h->handshake_only = q->handshake_only;
	h->body_max = q->reply_max ? q->reply_max : REPLY_MAX;
	if (q->unix_socket) {
		h->unix_socket = mem_alloc(strlen(q->unix_socket) + 1);
		if (!h->unix_socket)
			return ERR_NOMEM;
		memcpy(h->unix_socket, q->unix_socket, strlen(q->unix_socket) + 1);
	}
	h->easy = curl_easy_init();
	if (!h->easy)
		return ERR_NOMEM;
	r = add_headers(h, q, post);
	if (r == 0 && q->pin)
		r = add_pin(h, q->pin);
	if (r == 0)
		r = set_body(h, q, post);
	if (r == 0 && (!set_policy(h) || !set_request(h, q)))
		r = ERR_NOMEM;
	return r;
}

int http_client_ask(struct http_client *c, const struct http_ask *q, http_answer_fn *fn, void *arg, struct http_call **ret)
{
	struct http_call *h = c->dead ? NULL : mem_alloc(sizeof(*h));
	int r = h ? call_prepare(h, q) : ERR_NOMEM;

	if (r == 0 && curl_multi_add_handle(c->multi, h->easy) != CURLM_OK)
		r = ERR_NOMEM;
	if (r < 0) {
		if (h)
			call_free(h);
		return r;
	}
	h->client = c;
	h->fn = fn;
	h->arg = arg;
	LIST_INSERT_HEAD(&c->calls, h, link);
	if (ret)
		*ret = h;
	return 0;
}

struct wait {
	struct loop *loop;
	http_answer_fn *fn;
	void *arg;
	int r;
};

static void on_waited(const struct http_answer *a, void *arg)
{
	struct wait *w = arg;

	w->r = a->r;
	w->fn(a, w->arg);
	loop_stop(w->loop);
}

static void client_freep(struct http_client **c)
{
	http_client_free(*c);
}

int http_ask_wait(const struct http_ask *q, http_answer_fn *fn, void *arg)
{
	CLEANUP(loop_freep) struct loop *l = loop_new();
	CLEANUP(client_freep) struct http_client *c = l ? http_client_new(l) : NULL;
	struct wait w = { l, fn, arg, 0 };
	struct http_answer failed = { .r = ERR_NOMEM };

	if (c)
		failed.r = http_client_ask(c, q, on_waited, &w, NULL);
	if (failed.r == 0)
		failed.r = loop_run(l);
	if (failed.r == 0)
		return w.r;
	snprintf(failed.why, sizeof(failed.why), "could not ask: %s", err_str(failed.r));
	fn(&failed, arg);
	return failed.r;
}
