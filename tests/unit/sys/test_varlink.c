/* SPDX-License-Identifier: AGPL-3.0-only */
#include "t.h"

#include <pwd.h>

#include "base/slab.h"
#include "rig.h"
#include "sys/varlink.h"

struct service {
	struct rig rig;
	struct varlink *v;
	unsigned calls;
	char path[108];
};

static const char test_idl[] = "# A test.\n"
			       "interface io.oxpulse.Test\n"
			       "\n"
			       "method Echo(text: string) -> (text: string)\n";

static void on_echo(struct varlink_call *c, void *arg)
{
	struct service *s = arg;
	const struct json *j;
	struct json_out *o;
	char text[512];
	size_t n;
	int at;

	s->calls++;
	j = varlink_params(c, &at);
	if (json_get_str(j, at, "text", text, sizeof(text), &n) < 0) {
		varlink_error(c, "org.varlink.service.InvalidParameter", "parameter", "text");
		return;
	}
	o = varlink_reply(c);
	jo_key(o, "text");
	jo_str(o, span_of(text, n));
	varlink_reply_end(c);
}

static void on_forgets(struct varlink_call *c, void *arg)
{
	(void)c;
	((struct service *)arg)->calls++;
}

static void on_twice(struct varlink_call *c, void *arg)
{
	struct json_out *o = varlink_reply(c);

	(void)arg;
	jo_key(o, "n");
	jo_u64(o, 1);
	varlink_error(c, "io.oxpulse.Test.Busy", NULL, NULL); /* instead of the reply it began */
	varlink_reply_end(c);
	varlink_error(c, "io.oxpulse.Test.Again", NULL, NULL);
	varlink_reply_end(c);
}

static void on_huge(struct varlink_call *c, void *arg)
{
	static const char block[64 * 1024] = { 0 };
	struct json_out *o = varlink_reply(c);

	(void)arg;
	jo_key(o, "n");
	jo_arr(o);
	for (int i = 0; i < 40; i++)
		jo_str(o, span_of(block, sizeof(block)));
	jo_arr_end(o);
	varlink_reply_end(c);
}

/* 900 KiB: five of them are more than may be queued. */
static void on_big(struct varlink_call *c, void *arg)
{
	struct json_out *o = varlink_reply(c);

	(void)arg;
	jo_key(o, "n");
	jo_arr(o);
	for (int i = 0; i < 100 * 1024; i++)
		jo_u64(o, 12345678);
	jo_arr_end(o);
	varlink_reply_end(c);
}

static void on_shut_down(struct varlink_call *c, void *arg)
{
	struct service *s = arg;

	varlink_close(s->v);
	s->v = NULL;
	varlink_error(c, "io.oxpulse.Test.Gone", NULL, NULL);
}

static const struct varlink_method methods[] = {
	{ "io.oxpulse.Test.Echo", ROLE_ANY, 256, on_echo },
	{ "io.oxpulse.Test.AdminOnly", ROLE_ADMIN, 256, on_echo },
	{ "io.oxpulse.Test.HealthOnly", ROLE_HEALTH, 256, on_echo },
	{ "io.oxpulse.Test.RefreshOnly", ROLE_REFRESH, 256, on_echo },
	{ "io.oxpulse.Test.Large", ROLE_ANY, VARLINK_MSG_MAX, on_echo },
	{ "io.oxpulse.Test.Forgets", ROLE_ANY, 256, on_forgets },
	{ "io.oxpulse.Test.Twice", ROLE_ANY, 256, on_twice },
	{ "io.oxpulse.Test.Huge", ROLE_ANY, 256, on_huge },
	{ "io.oxpulse.Test.Big", ROLE_ANY, 256, on_big },
	{ "io.oxpulse.Test.ShutDown", ROLE_ANY, 256, on_shut_down },
	{ NULL, 0, 0, NULL },
};

static struct varlink_conf conf_of(struct service *s)
{
	static const char *const interfaces[] = { test_idl, NULL };

	return (struct varlink_conf){
		.vendor = "OxPulse",
		.product = "testd",
		.version = "1.0",
		.methods = methods,
		.interfaces = interfaces,
		.arg = s,
	};
}

static void start_as(struct service *s, const char *health, const char *refresh)
{
	struct varlink_conf c = conf_of(s);

	*s = (struct service){ 0 };
	rig_open(&s->rig);
	c.health_user = health;
	c.refresh_user = refresh;
	EQ(varlink_open(s->rig.l, rig_path(&s->rig, "testd", s->path), -1, &c, &s->v), 0);
}

static void start(struct service *s)
{
	start_as(s, NULL, NULL);
}

static void finish(struct service *s)
{
	varlink_close(s->v);
	rig_close(&s->rig);
}

static void dial(struct service *s, struct cli *c)
{
	cli_unix(c, s->path);
	cli_listen(c, &s->rig);
}

struct wait {
	struct cli *c;
	unsigned replies;
};

static bool have_replies(void *arg)
{
	struct wait *w = arg;
	unsigned n = 0;

	for (size_t i = 0; i < w->c->n; i++)
		n += w->c->buf[i] == '\0';
	return w->c->eof || n >= w->replies;
}

/* Sends text with its NUL and waits for one reply or the end; "" when the connection ended without one. */
static const char *call(struct service *s, struct cli *c, const char *text)
{
	struct wait w = { c, 1 };

	c->n = 0;
	cli_send(c, text, strlen(text) + 1);
	OK(rig_run(&s->rig, have_replies, &w));
	return c->n ? c->buf : "";
}

#define ERROR(name) "{\"error\":\"" name "\",\"parameters\":{}}"
#define ERROR_P(name, key, value) "{\"error\":\"" name "\",\"parameters\":{\"" key "\":\"" value "\"}}"
#define SERVICE "org.varlink.service."

/* Replies and standard errors, exactly as varlinkctl expects them; the connection lives on after an error. */
static void calls_and_errors(void)
{
	const struct {
		const char *row, *text, *want;
	} rows[] = {
		{ "call: ", "{\"method\":\"io.oxpulse.Test.Echo\",\"parameters\":{\"text\":\"h\\u00e9\"}}",
		  "{\"parameters\":{\"text\":\"h\xc3\xa9\"}}" },
		{ "more: ", "{\"method\":\"io.oxpulse.Test.Echo\",\"parameters\":{\"text\":\"x\"},\"more\":true}",
		  "{\"parameters\":{\"text\":\"x\"}}" },
		{ "no parameters: ", "{\"method\":\"io.oxpulse.Test.Echo\"}",
		  ERROR_P(SERVICE "InvalidParameter", "parameter", "text") },
		{ "null parameters: ", "{\"method\":\"io.oxpulse.Test.Echo\",\"parameters\":null}",
		  ERROR_P(SERVICE "InvalidParameter", "parameter", "text") },
		{ "no such method: ", "{\"method\":\"io.oxpulse.Test.Nope\"}",
		  ERROR_P(SERVICE "MethodNotFound", "method", "io.oxpulse.Test.Nope") },
		{ "no such service method: ", "{\"method\":\"org.varlink.service.Nope\"}",
		  ERROR_P(SERVICE "MethodNotFound", "method", "org.varlink.service.Nope") },
		{ "no such interface: ", "{\"method\":\"io.oxpulse.Nope.Echo\"}",
		  ERROR_P(SERVICE "InterfaceNotFound", "interface", "io.oxpulse.Nope") },
		{ "role: ", "{\"method\":\"io.oxpulse.Test.HealthOnly\"}", ERROR(SERVICE "PermissionDenied") },
		{ "upgrade: ", "{\"method\":\"io.oxpulse.Test.Echo\",\"upgrade\":true}",
		  ERROR_P(SERVICE "MethodNotImplemented", "method", "io.oxpulse.Test.Echo") },
		{ "handler without an answer: ", "{\"method\":\"io.oxpulse.Test.Forgets\"}",
		  ERROR_P(SERVICE "MethodNotImplemented", "method", "io.oxpulse.Test.Forgets") },
		{ "handler with three answers: ", "{\"method\":\"io.oxpulse.Test.Twice\"}", ERROR("io.oxpulse.Test.Busy") },
		{ "answer too large: ", "{\"method\":\"io.oxpulse.Test.Huge\"}", ERROR("io.oxpulse.Edge.ReplyTooLarge") },
		{ "description of nothing: ", "{\"method\":\"org.varlink.service.GetInterfaceDescription\"}",
		  ERROR_P(SERVICE "InvalidParameter", "parameter", "interface") },
		{ "description of a stranger: ",
		  "{\"method\":\"org.varlink.service.GetInterfaceDescription\",\"parameters\":{\"interface\":\"a.b\"}}",
		  ERROR_P(SERVICE "InterfaceNotFound", "interface", "a.b") },
		{ "info: ", "{\"method\":\"org.varlink.service.GetInfo\",\"parameters\":{}}",
		  "{\"parameters\":{\"vendor\":\"OxPulse\",\"product\":\"testd\",\"version\":\"1.0\",\"url\":\"\","
		  "\"interfaces\":[\"org.varlink.service\",\"io.oxpulse.Test\"]}}" },
		{ "description: ",
		  "{\"method\":\"org.varlink.service.GetInterfaceDescription\","
		  "\"parameters\":{\"interface\":\"io.oxpulse.Test\"}}",
		  "{\"parameters\":{\"description\":\"# A test.\\ninterface io.oxpulse.Test\\n\\n"
		  "method Echo(text: string) -> (text: string)\\n\"}}" },
	};
	struct service s;
	struct cli c;

	start(&s);
	dial(&s, &c);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		t_row = rows[i].row;
		EQ_STR(call(&s, &c, rows[i].text), rows[i].want);
	}
	EQ(varlink_refused(s.v), 0);
	cli_close(&c);
	finish(&s);
}

/* The built-in interface describes itself, with all five standard errors. */
static void service_describes_itself(void)
{
	static const char ask[] = "{\"method\":\"org.varlink.service.GetInterfaceDescription\","
				  "\"parameters\":{\"interface\":\"org.varlink.service\"}}";
	static const char *const parts[] = {
		"interface org.varlink.service\\n", "method GetInfo() -> (", "interfaces: []string",
		"method GetInterfaceDescription(interface: string) -> (description: string)\\n",
		"error InterfaceNotFound (interface: string)\\n", "error MethodNotFound (method: string)\\n",
		"error MethodNotImplemented (method: string)\\n", "error InvalidParameter (parameter: string)\\n",
		"error PermissionDenied ()\\n",
	};
	struct service s;
	const char *got;
	struct cli c;

	start(&s);
	dial(&s, &c);
	got = call(&s, &c, ask);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		t_row = parts[i];
		OK(strstr(got, parts[i]) != NULL);
	}
	cli_close(&c);
	finish(&s);
}

/* Pipelined requests are answered in order, whatever the pieces they arrive in; oneway calls are not answered. */
static void pipelined_and_oneway(void)
{
	static const char text[] = "{\"method\":\"io.oxpulse.Test.Echo\",\"parameters\":{\"text\":\"1\"}}\0"
				   "{\"method\":\"io.oxpulse.Test.Echo\",\"parameters\":{\"text\":\"2\"},\"oneway\":true}\0"
				   "{\"method\":\"io.oxpulse.Test.Nope\",\"oneway\":true}\0"
				   "{\"method\":\"io.oxpulse.Test.Echo\",\"parameters\":{\"text\":\"3\"}}";
	static const char want[] = "{\"parameters\":{\"text\":\"1\"}}\0{\"parameters\":{\"text\":\"3\"}}";
	struct service s;

	for (size_t piece = 1; piece <= sizeof(text); piece += piece < 8 ? 1 : 97) {
		struct cli c;
		struct wait w = { &c, 2 };

		start(&s);
		dial(&s, &c);
		for (size_t at = 0; at < sizeof(text); at += piece) {
			struct wait none = { &c, 0 };

			cli_send(&c, text + at, piece < sizeof(text) - at ? piece : sizeof(text) - at);
			OK(rig_run(&s.rig, have_replies, &none));
		}
		OK(rig_run(&s.rig, have_replies, &w));
		EQ_SPAN(span_of(c.buf, c.n), span_of(want, sizeof(want)));
		EQ(s.calls, 3);
		cli_close(&c);
		finish(&s);
	}
}

struct drip {
	struct cli *c;
	const char *text;
	size_t at, n;
};

static bool drip(void *arg)
{
	struct drip *d = arg;

	if (d->at < d->n)
		cli_send(d->c, d->text + d->at++, 1);
	return d->c->eof || (d->c->n && d->c->buf[d->c->n - 1] == '\0');
}

/* A request that comes byte by byte, each in a turn of its own, is the same request. */
static void byte_by_byte(void)
{
	static const char text[] = "{\"method\":\"io.oxpulse.Test.Echo\",\"parameters\":{\"text\":\"slow\"}}";
	struct service s;
	struct cli c;
	struct drip d = { &c, text, 0, sizeof(text) };

	start(&s);
	dial(&s, &c);
	OK(rig_run(&s.rig, drip, &d));
	EQ_STR(c.buf, "{\"parameters\":{\"text\":\"slow\"}}");
	EQ(s.calls, 1);
	cli_close(&c);
	finish(&s);
}

static char *repeat(const char *head, char c, size_t n, const char *tail, size_t *ret_n)
{
	size_t a = strlen(head), b = strlen(tail);
	char *p = malloc(a + n + b + 1);

	if (!p)
		abort();
	memcpy(p, head, a);
	memset(p + a, c, n);
	memcpy(p + a + n, tail, b + 1);
	*ret_n = a + n + b + 1;
	return p;
}

#define ECHO_HEAD "{\"method\":\"io.oxpulse.Test.Echo\",\"parameters\":{\"text\":\""
#define LARGE_HEAD "{\"method\":\"io.oxpulse.Test.Large\",\"parameters\":{\"x\":\""

/* Malformed or oversized input closes that client and is counted; another client of the same socket notices nothing. */
static void bad_input_closes_only_that_client(void)
{
	const struct {
		const char *row, *head;
		char fill;
		size_t n;
		const char *tail;
	} rows[] = {
		{ "empty message: ", "", 0, 0, "" },
		{ "garbage: ", "\x16\x03\x01 hello", 0, 0, "" },
		{ "http: ", "GET / HTTP/1.1\r\n\r\n", 0, 0, "" },
		{ "no object: ", "[]", 0, 0, "" },
		{ "no method: ", "{}", 0, 0, "" },
		{ "bad method: ", "{\"method\":\"Status\"}", 0, 0, "" },
		{ "bad parameters: ", "{\"method\":\"io.oxpulse.Test.Echo\",\"parameters\":[]}", 0, 0, "" },
		{ "bad UTF-8: ", "{\"method\":\"io.oxpulse.Test.Echo\xff\"}", 0, 0, "" },
		{ "deep: ", "{\"method\":\"io.oxpulse.Test.Large\",\"parameters\":{\"x\":", '[', 30000, "" },
		{ "many tokens: ", "{\"method\":\"io.oxpulse.Test.Large\",\"parameters\":{\"x\":[\"", ' ', 9, "\"" },
		{ "too long for the method: ", ECHO_HEAD, 'x', 300, "\"}}" },
		{ "too long for any: ", LARGE_HEAD, 'x', VARLINK_MSG_MAX, "\"}}" },
		{ "no NUL: ", LARGE_HEAD, 'x', VARLINK_MSG_MAX * 2, "" },
	};
	struct service s;
	struct cli good;

	start(&s);
	dial(&s, &good);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct cli c;
		size_t n;
		char *text = repeat(rows[i].head, rows[i].fill, rows[i].n, rows[i].tail, &n);

		t_row = rows[i].row;
		dial(&s, &c);
		fcntl(c.fd, F_SETFL, O_NONBLOCK);
		OK(send(c.fd, text, n, MSG_NOSIGNAL) > 0);
		OK(rig_run(&s.rig, cli_eof, &c));
		EQ(c.n, 0);
		EQ(varlink_refused(s.v), i + 1);
		cli_close(&c);
		free(text);
		EQ_STR(call(&s, &good, ECHO_HEAD "ok\"}}"), "{\"parameters\":{\"text\":\"ok\"}}");
	}
	EQ(s.calls, ARRAY_LEN(rows));
	cli_close(&good);
	finish(&s);
}

/* The largest request is VARLINK_MSG_MAX bytes without its NUL. */
static void largest_request_is_served(void)
{
	size_t n;
	char *text = repeat(LARGE_HEAD, 'x', VARLINK_MSG_MAX - strlen(LARGE_HEAD) - 3, "\"}}", &n);
	struct service s;
	struct cli c;

	start(&s);
	dial(&s, &c);
	EQ(n, VARLINK_MSG_MAX + 1);
	EQ_STR(call(&s, &c, text), ERROR_P(SERVICE "InvalidParameter", "parameter", "text"));
	free(text);
	cli_close(&c);
	finish(&s);
}

/* The uid of the peer decides: root and the daemon's own user are admin, two named users have a role, others any. */
static void roles_follow_the_peer_uid(void)
{
	const uid_t me = geteuid(), stranger = 54321;
	const struct passwd *pw = getpwuid(me);
	char own[64];
	const struct {
		const char *row;
		bool health, refresh;
		uid_t uid;
		const char *method;
		bool allowed;
	} rows[] = {
		{ "admin, any: ", false, false, me, "Echo", true },
		{ "admin: ", false, false, me, "AdminOnly", true },
		{ "admin is not health: ", false, false, me, "HealthOnly", false },
		{ "health: ", true, false, me, "HealthOnly", true },
		{ "health is not refresh: ", true, false, me, "RefreshOnly", false },
		{ "refresh: ", false, true, me, "RefreshOnly", true },
		{ "stranger, any: ", true, true, stranger, "Echo", true },
		{ "stranger, admin: ", true, true, stranger, "AdminOnly", false },
		{ "stranger, health: ", true, true, stranger, "HealthOnly", false },
		{ "stranger, refresh: ", true, true, stranger, "RefreshOnly", false },
	};

	snprintf(own, sizeof(own), "%s", pw ? pw->pw_name : "root");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct service s;
		char text[128];
		struct cli c;

		t_row = rows[i].row;
		if (rows[i].uid != me && me != 0) {
			printf("# SKIP %sonly root can be another user\n", t_row);
			continue;
		}
		start_as(&s, rows[i].health ? own : "no-such-user", rows[i].refresh ? own : NULL);
		if (rows[i].uid != me)
			EQ(seteuid(rows[i].uid), 0);
		dial(&s, &c); /* SO_PEERCRED is taken at connect(2) */
		if (rows[i].uid != me)
			EQ(seteuid(me), 0);
		snprintf(text, sizeof(text), "{\"method\":\"io.oxpulse.Test.%s\"}", rows[i].method);
		EQ_STR(call(&s, &c, text), rows[i].allowed ? ERROR_P(SERVICE "InvalidParameter", "parameter", "text") :
							     ERROR(SERVICE "PermissionDenied"));
		EQ(s.calls, rows[i].allowed);
		cli_close(&c);
		finish(&s);
	}
}

/* A client that asks without reading is closed when its replies exceed the queue; the service goes on. */
static void client_that_never_reads_is_closed(void)
{
	static const char ask[] = "{\"method\":\"io.oxpulse.Test.Big\"}";
	struct service s;
	struct cli c, good;

	start(&s);
	dial(&s, &c);
	for (int i = 0; i < 8; i++)
		cli_send(&c, ask, sizeof(ask));
	OK(rig_run(&s.rig, cli_eof, &c));
	OK(c.n < 8 * 900 * 1024);
	dial(&s, &good);
	EQ_STR(call(&s, &good, ECHO_HEAD "ok\"}}"), "{\"parameters\":{\"text\":\"ok\"}}");
	cli_close(&c);
	cli_close(&good);
	finish(&s);
}

/* The service may be closed by a handler, with other clients connected and requests waiting. */
static void closing_inside_a_handler(void)
{
	static const char text[] = "{\"method\":\"io.oxpulse.Test.ShutDown\"}\0{\"method\":\"io.oxpulse.Test.Echo\"}";
	struct service s;
	struct cli c, other;

	start(&s);
	dial(&s, &other);
	EQ_STR(call(&s, &other, ECHO_HEAD "ok\"}}"), "{\"parameters\":{\"text\":\"ok\"}}");
	dial(&s, &c);
	cli_send(&c, text, sizeof(text));
	OK(rig_run(&s.rig, cli_eof, &c));
	OK(rig_run(&s.rig, cli_eof, &other));
	OK(!s.v);
	EQ(s.calls, 1);
	cli_close(&c);
	cli_close(&other);
	finish(&s);
}

/* More than VARLINK_CLIENTS_MAX clients are not served; the others are. An inherited socket works like an own one. */
static void clients_are_bounded(void)
{
	struct cli c[VARLINK_CLIENTS_MAX + 1];
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct varlink_conf conf;
	struct service s;
	int fd;

	start(&s);
	varlink_close(s.v);
	conf = conf_of(&s);
	strcpy(sun.sun_path, rig_path(&s.rig, "inherited", s.path));
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	EQ(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	EQ(listen(fd, 100), 0);
	EQ(varlink_open(s.rig.l, NULL, fd, &conf, &s.v), 0);
	for (size_t i = 0; i < ARRAY_LEN(c); i++)
		dial(&s, &c[i]);
	OK(rig_run(&s.rig, cli_eof, &c[VARLINK_CLIENTS_MAX]));
	EQ_STR(call(&s, &c[0], ECHO_HEAD "ok\"}}"), "{\"parameters\":{\"text\":\"ok\"}}");
	for (size_t i = 0; i < ARRAY_LEN(c); i++)
		cli_close(&c[i]);
	finish(&s);
}

/* Opening fails as a whole: no memory, no path, a descriptor that is no socket. */
static void opening_can_fail(void)
{
	struct varlink_conf conf;
	struct varlink *v = NULL;
	struct service s;
	char path[108];

	start(&s);
	conf = conf_of(&s);
	for (size_t nth = 0; nth < 6; nth++) {
		mem_fail_at(nth);
		EQ(varlink_open(s.rig.l, rig_path(&s.rig, "x", path), -1, &conf, &v), ERR_NOMEM);
		mem_fail_at(SIZE_MAX);
	}
	EQ(varlink_open(s.rig.l, rig_path(&s.rig, "no/x", path), -1, &conf, &v), -ENOENT);
	EQ(varlink_open(s.rig.l, s.path, -1, &conf, &v), -EADDRINUSE);
	OK(!v);
	varlink_close(NULL);
	finish(&s);
}

T_MAIN(T(calls_and_errors), T(service_describes_itself), T(pipelined_and_oneway), T(byte_by_byte),
       T(bad_input_closes_only_that_client), T(largest_request_is_served), T(roles_follow_the_peer_uid),
       T(client_that_never_reads_is_closed), T(closing_inside_a_handler), T(clients_are_bounded), T(opening_can_fail))
