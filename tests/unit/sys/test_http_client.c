/* SPDX-License-Identifier: AGPL-3.0-only */
/* Against https_server.py, which is a process of its own. */
#include "t.h"

#include <sys/wait.h>

#include "base/slab.h"
#include "rig.h"
#include "sys/http_client.h"

enum { PLAIN, TLS, TLS11, PORTS };

struct client {
	struct rig rig;
	struct http_client *c;
	struct http_call *call;
	pid_t server;
	int to_server;
	int port[PORTS];
	char ca[64], other_ca[64], web[64], url[256];
	unsigned answers;
	struct http_answer a;
	char body[4096];
	bool free_client, ask_again;
};

static void server_start(struct client *t)
{
	int in[2], out[2];
	FILE *f;

	if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
		abort();
	t->server = fork();
	if (t->server == 0) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		execl("/usr/bin/python3", "python3", HTTPS_SERVER, t->rig.dir, NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	t->to_server = in[1];
	f = fdopen(out[0], "r");
	EQ(f ? fscanf(f, "%d %d %d", &t->port[PLAIN], &t->port[TLS], &t->port[TLS11]) : 0, 3);
	if (f)
		fclose(f);
}

static void start(struct client *t)
{
	memset(t, 0, sizeof(*t));
	rig_open(&t->rig);
	snprintf(t->ca, sizeof(t->ca), "%s/ca.pem", t->rig.dir);
	snprintf(t->other_ca, sizeof(t->other_ca), "%s/other.pem", t->rig.dir);
	snprintf(t->web, sizeof(t->web), "%s/web", t->rig.dir);
	server_start(t);
	t->c = http_client_new(t->rig.l);
	OK(t->c != NULL);
}

static void finish(struct client *t)
{
	http_client_free(t->c);
	close(t->to_server);
	waitpid(t->server, NULL, 0);
	rig_close(&t->rig);
}

static void on_answer(const struct http_answer *a, void *arg);

static struct http_ask ask_of(struct client *t, int port, const char *path)
{
	snprintf(t->url, sizeof(t->url), "http%s://127.0.0.1:%d%s", port == PLAIN ? "" : "s", t->port[port], path);
	return (struct http_ask){ .method = "GET", .url = t->url, .ca_file = t->ca };
}

static void on_answer(const struct http_answer *a, void *arg)
{
	struct client *t = arg;

	t->answers++;
	t->a = *a;
	snprintf(t->body, sizeof(t->body), "%.*s", (int)a->body.n, (const char *)a->body.p);
	OK(a->r == 0 || a->why[0] != '\0');
	OK(a->r != 0 || a->why[0] == '\0');
	if (t->free_client) {
		http_client_free(t->c);
		t->c = NULL;
	}
	if (t->ask_again) {
		struct http_ask q = ask_of(t, PLAIN, "/missing");

		t->ask_again = false;
		t->answers = 0;
		EQ(http_client_ask(t->c, &q, on_answer, t, NULL), 0);
	}
}

static bool answered(void *arg)
{
	return ((struct client *)arg)->answers != 0;
}

static void run(struct client *t, const struct http_ask *q)
{
	t->answers = 0;
	EQ(http_client_ask(t->c, q, on_answer, t, &t->call), 0);
	EQ(t->answers, 0);
	OK(rig_run(&t->rig, answered, t));
	EQ(t->answers, 1);
}

static void must_say(const struct client *t, const char *words)
{
	if (!strstr(t->a.why, words)) {
		t_fail(__FILE__, __LINE__, words);
		printf("# it says: %s\n", t->a.why);
	}
}

/* Statuses are answers; whatever is no complete answer has a reason. */
static void answers_of_a_server(void)
{
	const struct {
		const char *row, *path;
		int r, status;
		const char *body;
		bool follow;
	} rows[] = {
		{ "ok: ", "/ok", 0, 200, "hello", false },
		{ "not found: ", "/missing", 0, 404, "no such thing", false },
		{ "busy: ", "/busy", 0, 503, "", false },
		{ "no content: ", "/empty", 0, 204, "", false },
		{ "chunks: ", "/chunks", 0, 200, "abcde", false },
		{ "exactly full: ", "/bytes65536", 0, 200, NULL, false },
		{ "one too many: ", "/bytes65537", ERR_LIMIT, 0, "too large a reply from 127.0.0.1:", false },
		{ "without end: ", "/endless", ERR_LIMIT, 0, "too large", false },
		{ "announces too much: ", "/lying", ERR_SHORT, 0, "cut off", false },
		{ "broken chunks: ", "/bad-chunks", ERR_SHORT, 0, NULL, false },
		{ "cut off: ", "/cut", ERR_SHORT, 0, "the reply was cut off by", false },
		{ "closed: ", "/close", ERR_SHORT, 0, "empty reply", false },
		{ "not HTTP: ", "/ssh", ERR_MALFORMED, 0, "no HTTP that makes sense", false },
		{ "headers without end: ", "/heads", 1, 0, NULL, false },
		{ "redirect: ", "/hop0", 0, 302, "", false },
		{ "followed: ", "/hop0", 0, 200, "hello", true },
		{ "three of them: ", "/hop2", 0, 200, "hello", true },
		{ "four of them: ", "/hop3", ERR_LIMIT, 0, "too many redirects", true },
		{ "loop: ", "/loop", ERR_LIMIT, 0, "too many redirects", true },
		{ "to ftp: ", "/to-ftp", ERR_MALFORMED, 0, "a redirect to neither", true },
		{ "to a file: ", "/to-file", ERR_MALFORMED, 0, "a redirect to neither", true },
		{ "to a user: ", "/to-user", ERR_MALFORMED, 0, "user name", true },
		{ "to nobody: ", "/to-nobody", -ECONNREFUSED, 0, "could not connect to 127.0.0.1:9: connection refused", true },
	};
	static struct client t;

	start(&t);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		for (int port = PLAIN; port <= TLS; port++) {
			struct http_ask q = ask_of(&t, port, rows[i].path);
			char pin[64];

			t_row = rows[i].row;
			if (port == TLS) {
				snprintf(t.url, sizeof(t.url), "https://edge.test:%d%s", t.port[TLS], rows[i].path);
				snprintf(pin, sizeof(pin), "edge.test:%d:127.0.0.1", t.port[TLS]);
				q.pin = pin;
				if (strncmp(rows[i].path, "/to-", 4) == 0)
					continue; /* another test's */
			}
			q.follow = rows[i].follow;
			run(&t, &q);
			if (rows[i].r == 1) /* libcurl's versions differ in the reason */
				OK(t.a.r < 0);
			else
				EQ(t.a.r, rows[i].r);
			EQ(t.a.status, rows[i].status);
			if (rows[i].r == 0 && rows[i].body)
				EQ_STR(t.body, rows[i].body);
			else if (rows[i].r < 0 && rows[i].body && port == PLAIN)
				must_say(&t, rows[i].body);
			OK(t.a.r == 0 || t.a.body.n == 0);
			OK(!t.a.timed_out);
			EQ(t.a.certificate_until.us != 0, port == TLS);
		}
	}
	finish(&t);
}

/* What else an answer tells. */
static void facts_of_an_answer(void)
{
	static struct client t;
	struct http_ask q;
	wall_t now;
	char pin[64];

	start(&t);
	q = ask_of(&t, PLAIN, "/ok");
	run(&t, &q);
	EQ_STR(t.a.type, "text/plain");
	EQ(t.a.date.us, UINT64_C(784111777) * US_PER_SEC);
	EQ(t.a.retry_after, 0);
	OK(t.a.connect_us > 0 && t.a.total_us >= t.a.connect_us);
	q = ask_of(&t, PLAIN, "/busy");
	run(&t, &q);
	EQ(t.a.retry_after, 120);
	EQ(t.a.date.us, 0); /* what is no date */
	q = ask_of(&t, PLAIN, "/busy-forever");
	run(&t, &q);
	OK(t.a.retry_after >= 21600); /* newer versions of libcurl bound it themselves */
	EQ(t.a.date.us, 0);
	snprintf(t.url, sizeof(t.url), "https://edge.test:%d/ok", t.port[TLS]);
	snprintf(pin, sizeof(pin), "edge.test:%d:127.0.0.1", t.port[TLS]);
	q.pin = pin;
	for (int only = 0; only < 2; only++) {
		q.handshake_only = only;
		run(&t, &q);
		EQ(t.a.r, 0);
		EQ(t.a.status, only ? 0 : 200);
		now = loop_wall(t.rig.l);
		OK(t.a.certificate_until.us > now.us + DUR_SEC(29 * 86400));
		OK(t.a.certificate_until.us < now.us + DUR_SEC(31 * 86400));
		OK(t.a.connect_us > 0);
	}
	/* A Unix socket in the place of the address. */
	q = (struct http_ask){ .method = "GET", .url = "http://health.test/echo?x=1", .unix_socket = t.web };
	run(&t, &q);
	EQ(t.a.status, 200);
	OK(strstr(t.body, "GET /echo?x=1 HTTP/1.1\r\n") == t.body);
	OK(strstr(t.body, "\r\nHost: health.test\r\n"));
	q.unix_socket = "/nowhere/at/all";
	run(&t, &q);
	EQ(t.a.r, -ENOENT);
	EQ_STR(t.a.why, "could not connect to /nowhere/at/all: no such file or directory");
	finish(&t);
}

/* The server is who it says it is, or there is no answer; http is never where https was asked for. */
static void trust(void)
{
	static struct client t;
	const struct {
		const char *row, *name;
		int port;
		bool other_ca, handshake;
		const char *path, *why;
		int r;
	} rows[] = {
		{ "good: ", "edge.test", TLS, false, true, "/ok", "", 0 },
		{ "wrong CA: ", "edge.test", TLS, true, false, "/ok", "the certificate was not accepted of edge.test:", ERR_AUTH },
		{ "wrong CA, handshake: ", "edge.test", TLS, true, true, "/ok", "unable to get local issuer", ERR_AUTH },
		{ "wrong name: ", "edge2.test", TLS, false, false, "/ok", "does not match|no alternative", ERR_AUTH },
		{ "wrong name, handshake: ", "edge2.test", TLS, false, true, "/ok", "", ERR_AUTH },
		{ "expired: ", "expired.test", TLS, false, false, "/ok", "expired", ERR_AUTH },
		{ "TLS 1.1: ", "edge.test", TLS11, false, false, "/ok", "the TLS handshake failed with edge.test:", ERR_AUTH },
		{ "no TLS: ", "edge.test", PLAIN, false, false, "/ok", "the TLS handshake failed with edge.test:", ERR_AUTH },
		{ "to http: ", "edge.test", TLS, false, false, "/to-plain", "a redirect to neither https", ERR_MALFORMED },
	};

	start(&t);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct http_ask q = { .method = "GET", .url = t.url, .pin = t.body, .follow = true };
		char pin[64];

		t_row = rows[i].row;
		snprintf(t.url, sizeof(t.url), "https://%s:%d%s", rows[i].name, t.port[rows[i].port], rows[i].path);
		snprintf(pin, sizeof(pin), "%s:%d:127.0.0.1", rows[i].name, t.port[rows[i].port]);
		q.pin = pin;
		q.ca_file = rows[i].other_ca ? t.other_ca : t.ca;
		q.handshake_only = rows[i].handshake;
		run(&t, &q);
		EQ(t.a.r, rows[i].r);
		EQ(t.a.status, 0);
		if (!strchr(rows[i].why, '|'))
			must_say(&t, rows[i].why);
		else
			OK(strstr(t.a.why, "name"));
	}
	t_row = "no CA file: ";
	{
		struct http_ask q = ask_of(&t, TLS, "/ok");

		q.ca_file = "/nowhere/ca.pem";
		run(&t, &q);
		EQ(t.a.r, ERR_MISSING);
		must_say(&t, "the CA file cannot be used");
		/* A pin of one call is none of the next. */
		snprintf(t.url, sizeof(t.url), "https://edge.test:%d/ok", t.port[TLS]);
		q.ca_file = t.ca;
		run(&t, &q);
		EQ(t.a.r, -EHOSTUNREACH);
		must_say(&t, "could not resolve the name of edge.test:");
	}
	finish(&t);
}

/* Nothing may hang for longer than it was given. */
static void timeouts(void)
{
	static const char *const paths[] = { "/slow", "/half" };
	static struct client t;
	struct addr at = addr_v4(127, 0, 0, 1, 0);
	struct http_ask q;
	int fd;

	start(&t);
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		t_row = paths[i];
		q = ask_of(&t, PLAIN, paths[i]);
		q.timeout_us = DUR_MS(100);
		run(&t, &q);
		EQ(t.a.r, -ETIMEDOUT);
		OK(t.a.timed_out);
		must_say(&t, "no answer in time from 127.0.0.1:");
		OK(t.a.connect_us > 0);
	}
	/* Somebody listens and says nothing: no handshake. */
	fd = sock_listen_tcp(&at);
	t.port[TLS11] = sock_local(fd).port;
	q = ask_of(&t, TLS11, "/ok");
	q.connect_us = DUR_MS(100);
	run(&t, &q);
	EQ(t.a.r, -ETIMEDOUT);
	OK(t.a.timed_out);
	EQ(t.a.connect_us, 0);
	close(fd);
	run(&t, &q);
	EQ(t.a.r, -ECONNREFUSED);
	OK(!t.a.timed_out);
	finish(&t);
}

/* Headers and body go out as asked; the token goes to the host it is for, into no error text, and stays nowhere. */
static void requests_and_secrets(void)
{
	static struct client t;
	static struct secret token;
	struct http_ask q;
	char line[64], needle[9];

	start(&t);
	rig_needle(needle);
	EQ(secret_set(&token, span_str(needle)), 0);
	snprintf(line, sizeof(line), "\r\nAuthorization: Bearer %s\r\n", needle);
	q = ask_of(&t, PLAIN, "/echo");
	q.method = "POST";
	q.header[0] = "X-Node-Id: acme-1";
	q.header[2] = "X-Other: 2";
	q.bearer = &token;
	q.body = SPAN_LIT("{\"a\":\0001}");
	setenv("http_proxy", "http://127.0.0.1:9", 1);
	run(&t, &q);
	unsetenv("http_proxy");
	EQ(t.a.status, 200);
	EQ(strncmp(t.body, "POST /echo HTTP/1.1\r\n", 21), 0);
	OK(strstr(t.body, "\r\nX-Node-Id: acme-1\r\n") && strstr(t.body, "\r\nX-Other: 2\r\n"));
	OK(strstr(t.body, "\r\nContent-Type: application/json\r\n") && strstr(t.body, "\r\nContent-Length: 8\r\n"));
	OK(strstr(t.body, line) && !strstr(t.body, "Expect"));
	EQ(t.a.body.n, strlen(t.body) + 3);
	q.type = "text/x";
	q.body = SPAN_LIT("");
	run(&t, &q);
	OK(strstr(t.body, "\r\nContent-Type: text/x\r\n") && strstr(t.body, "\r\nContent-Length: 0\r\n"));
	q = ask_of(&t, PLAIN, "/to-elsewhere");
	q.bearer = &token;
	q.follow = true;
	run(&t, &q);
	EQ(t.a.status, 200);
	OK(strstr(t.body, "Host: localhost:") && !strstr(t.body, "Authorization"));
	q = ask_of(&t, PLAIN, "/to-nobody?key=hidden");
	q.bearer = &token;
	q.follow = true;
	run(&t, &q);
	EQ(t.a.r, -ECONNREFUSED);
	OK(!memmem(t.a.why, strlen(t.a.why), token.b, token.n) && !strstr(t.a.why, "hidden") && !strstr(t.a.why, "secret-path"));
	memset(line, 0, sizeof(line));
	OK(!rig_heap_has(token.b, token.n));
	secret_done(&token);
	finish(&t);
}

/* A request that is none is refused at once. */
static void bad_requests(void)
{
	static const struct secret empty, newline = { .b = "a\nb", .n = 3 }, nul = { .b = "a\0b", .n = 3 };
	const struct {
		const char *row;
		struct http_ask q;
	} rows[] = {
		{ "method: ", { .method = "PUT", .url = "http://h/" } },
		{ "body of GET: ", { .method = "GET", .url = "http://h/", .body = SPAN_LIT("x") } },
		{ "scheme: ", { .method = "GET", .url = "ftp://h/" } },
		{ "file: ", { .method = "GET", .url = "file:///etc/passwd" } },
		{ "no scheme: ", { .method = "GET", .url = "h/x" } },
		{ "no host: ", { .method = "GET", .url = "http://" } },
		{ "empty: ", { .method = "GET", .url = "" } },
		{ "user: ", { .method = "GET", .url = "http://joe:x@h/" } },
		{ "line end in URL: ", { .method = "GET", .url = "http://h/\r\nX: y" } },
		{ "header without colon: ", { .method = "GET", .url = "http://h/", .header = { "X" } } },
		{ "header without name: ", { .method = "GET", .url = "http://h/", .header = { ": x" } } },
		{ "header without value: ", { .method = "GET", .url = "http://h/", .header = { NULL, "X: " } } },
		{ "two headers in one: ", { .method = "GET", .url = "http://h/", .header = { "X: a\r\nY: b" } } },
		{ "type of two lines: ", { .method = "POST", .url = "http://h/", .type = "a\nb" } },
		{ "empty bearer: ", { .method = "GET", .url = "http://h/", .bearer = &empty } },
		{ "bearer of two lines: ", { .method = "GET", .url = "http://h/", .bearer = &newline } },
		{ "bearer with NUL: ", { .method = "GET", .url = "http://h/", .bearer = &nul } },
		{ "pin without address: ", { .method = "GET", .url = "http://h/", .pin = "h:80:" } },
		{ "pin without port: ", { .method = "GET", .url = "http://h/", .pin = "h:127.0.0.1" } },
		{ "pin without name: ", { .method = "GET", .url = "http://h/", .pin = ":80:127.0.0.1" } },
		{ "handshake of http: ", { .method = "GET", .url = "http://h/", .handshake_only = true } },
	};
	static struct client t;

	rig_open(&t.rig);
	t.c = http_client_new(t.rig.l);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		t_row = rows[i].row;
		EQ(http_client_ask(t.c, &rows[i].q, on_answer, &t, &t.call), ERR_MALFORMED);
		EQ(http_ask_wait(&rows[i].q, on_answer, &t), ERR_MALFORMED);
		EQ(t.a.r, ERR_MALFORMED);
		EQ_STR(t.a.why, "could not ask: malformed");
	}
	OK(!t.call);
	http_client_free(t.c);
	http_client_free(NULL);
	rig_close(&t.rig);
}

/* Calls end in any order: cancelled, with the client, from inside an answer. */
static void cancel_and_free(void)
{
	static struct client t;
	struct http_call *other = NULL;
	struct http_ask q;

	start(&t);
	http_call_cancel(NULL);
	q = ask_of(&t, PLAIN, "/slow");
	EQ(http_client_ask(t.c, &q, on_answer, &t, &other), 0);
	http_call_cancel(other); /* before a turn */
	EQ(http_client_ask(t.c, &q, on_answer, &t, &other), 0);
	q = ask_of(&t, PLAIN, "/ok");
	run(&t, &q); /* the other one is under way now */
	EQ(t.a.status, 200);
	http_call_cancel(other);
	t.ask_again = true;
	EQ(http_client_ask(t.c, &q, on_answer, &t, NULL), 0);
	t.answers = 0;
	OK(rig_run(&t.rig, answered, &t));
	EQ(t.a.status, 404);
	q = ask_of(&t, PLAIN, "/slow");
	EQ(http_client_ask(t.c, &q, on_answer, &t, NULL), 0);
	q = ask_of(&t, PLAIN, "/ok");
	t.free_client = true;
	run(&t, &q);
	EQ(t.answers, 1);
	OK(!t.c);
	t.free_client = false;
	/* And without a loop of one's own. */
	EQ(http_ask_wait(&q, on_answer, &t), 0);
	EQ(t.a.status, 200);
	q = ask_of(&t, TLS, "/ok");
	q.ca_file = t.other_ca;
	EQ(http_ask_wait(&q, on_answer, &t), ERR_AUTH);
	finish(&t);
}

/* Each allocation of ours may fail: at once, or as the answer. */
static void without_memory(void)
{
	static struct client t;
	size_t at = 0;

	start(&t);
	for (;; at++) {
		struct http_ask q = ask_of(&t, PLAIN, "/ok");
		int r;

		t.answers = 0;
		q.unix_socket = t.web;
		q.timeout_us = DUR_MS(200);
		mem_fail_at(at);
		r = http_client_ask(t.c, &q, on_answer, &t, NULL);
		if (r == 0)
			OK(rig_run(&t.rig, answered, &t));
		if (r == 0 && t.a.r == 0)
			break;
		OK(r == ERR_NOMEM || t.a.r < 0);
	}
	mem_fail_at(SIZE_MAX);
	OK(at >= 3);
	for (size_t i = 0; i < 3; i++) {
		mem_fail_at(i);
		http_client_free(http_client_new(t.rig.l));
	}
	mem_fail_at(SIZE_MAX);
	finish(&t);
}

T_MAIN(T(answers_of_a_server), T(facts_of_an_answer), T(trust), T(timeouts), T(requests_and_secrets), T(bad_requests),
       T(cancel_and_free), T(without_memory))
