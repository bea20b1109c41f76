/* SPDX-License-Identifier: AGPL-3.0-only */
#include "t.h"

#include <signal.h>

#include "base/base64.h"
#include "rig.h"
#include "sys/credential.h"
#include "sys/edge_control.h"
#include "sys/log.h"

struct daemon {
	struct rig rig;
	struct edge_control edge;
	struct varlink *v;
	struct cli cli;
	uint64_t drained; /* the limit asked for */
	unsigned reloads, turns;
	int reload_r;
	const char *frozen;
	char secret[64]; /* what the reload found under "turn-secret" */
};

static const char *state(void *d)
{
	return ((struct daemon *)d)->drained ? "draining" : "serving";
}

static uint64_t sessions(void *d)
{
	(void)d;
	return 5;
}

static int reload(void *arg, struct wr *frozen)
{
	struct daemon *d = arg;

	struct span secret = credential_get("turn-secret");

	d->reloads++;
	snprintf(d->secret, sizeof(d->secret), "%.*s", (int)secret.n, (const char *)secret.p);
	wr_str(frozen, d->frozen);
	return d->reload_r;
}

static void drain(void *d, uint64_t limit)
{
	((struct daemon *)d)->drained = limit;
}

static uint64_t drain_limit(void *d)
{
	(void)d;
	return DUR_SEC(60);
}

static void metrics(void *d, struct wr *w)
{
	(void)d;
	wr_str(w, "x 1\n");
}

static const struct varlink_method methods[] = { EDGE_CONTROL_METHODS, { 0 } };

static void start(struct daemon *d)
{
	char path[108];
	struct edge_control_conf c = { .inherited = "none-such" };

	*d = (struct daemon){ .frozen = "",
			      .edge = { .name = "thed", .state = state, .sessions = sessions, .reload = reload,
					.drain = drain, .drain_limit = drain_limit, .metrics = metrics, .methods = methods,
					.interface = "interface io.oxpulse.The\n\nmethod Do() -> ()\n" } };
	rig_open(&d->rig);
	c.socket = rig_path(&d->rig, "ctl", path);
	EQ(edge_control_open(d->rig.l, &d->edge, d, &c, &d->v), 0);
	cli_unix(&d->cli, path);
	cli_listen(&d->cli, &d->rig);
}

static void finish(struct daemon *d)
{
	cli_close(&d->cli);
	varlink_close(d->v);
	rig_close(&d->rig);
}

static bool answered(void *arg)
{
	const struct cli *c = arg;

	return c->eof || (c->n && c->buf[c->n - 1] == '\0');
}

static bool turned(void *arg)
{
	struct daemon *d = arg;

	return d->turns-- == 0;
}

static const char *ask(struct daemon *d, const char *request)
{
	d->cli.n = 0;
	cli_send(&d->cli, request, strlen(request) + 1);
	OK(rig_run(&d->rig, answered, &d->cli));
	return d->cli.n ? d->cli.buf : "";
}

/* Each method reaches the daemon and its answer the caller. */
static void methods_of_every_daemon(void)
{
	struct daemon d;

	start(&d);
	EQ_STR(ask(&d, "{\"method\":\"io.oxpulse.Edge.Status\"}"),
	       "{\"parameters\":{\"daemon\":\"thed\",\"version\":\"" EDGE_VERSION
	       "\",\"state\":\"serving\",\"sessions\":5,\"uptime\":0}}");
	EQ_STR(ask(&d, "{\"method\":\"io.oxpulse.Edge.Metrics\"}"), "{\"parameters\":{\"text\":\"x 1\\n\"}}");
	EQ_STR(ask(&d, "{\"method\":\"io.oxpulse.Edge.Drain\"}"), "{\"parameters\":{\"sessions\":5}}");
	EQ(d.drained, DUR_SEC(60));
	ask(&d, "{\"method\":\"io.oxpulse.Edge.Drain\",\"parameters\":{\"limit\":7}}");
	EQ(d.drained, DUR_SEC(7));
	OK(strstr(ask(&d, "{\"method\":\"io.oxpulse.Edge.Drain\",\"parameters\":{\"limit\":4294967296}}"),
		  "InvalidParameter"));
	EQ(d.drained, DUR_SEC(7));
	OK(strstr(ask(&d, "{\"method\":\"io.oxpulse.Edge.Status\"}"), "draining"));
	ask(&d, "{\"method\":\"io.oxpulse.Edge.SetLogLevel\",\"parameters\":{\"level\":\"err\"}}");
	EQ(log_level(), LOG_ERR);
	OK(strstr(ask(&d, "{\"method\":\"io.oxpulse.Edge.SetLogLevel\",\"parameters\":{\"level\":\"loud\"}}"),
		  "InvalidParameter"));
	EQ(log_level(), LOG_ERR);
	OK(strstr(ask(&d, "{\"method\":\"org.varlink.service.GetInfo\"}"), "io.oxpulse.The"));
	log_set_level(LOG_INFO);
	finish(&d);
}

/* Reload lists what needs a restart; a bad file is an error that names the journal. SIGHUP does the same. */
static void reloading(void)
{
	struct daemon d;

	start(&d);
	EQ_STR(ask(&d, "{\"method\":\"io.oxpulse.Edge.Reload\"}"), "{\"parameters\":{\"restart\":[]}}");
	d.frozen = "A.B C.D";
	EQ_STR(ask(&d, "{\"method\":\"io.oxpulse.Edge.Reload\"}"), "{\"parameters\":{\"restart\":[\"A.B\",\"C.D\"]}}");
	d.reload_r = ERR_MALFORMED;
	EQ_STR(ask(&d, "{\"method\":\"io.oxpulse.Edge.Reload\"}"),
	       "{\"error\":\"io.oxpulse.Edge.InvalidConfiguration\",\"parameters\":{\"reason\":\"see the journal of thed for "
	       "file and line\"}}");
	edge_control_hangup(SIGHUP, &d.edge);
	EQ(d.reloads, 4);
	finish(&d);
}

#define RELOAD(params) "{\"method\":\"io.oxpulse.Edge.Reload\",\"parameters\":{" params "}}"
#define SECRET(text) RELOAD("\"credentials\":{\"turn-secret\":" text "}")

/* Credentials that come with a reload count in it and after it, unless it fails. */
static void reloading_with_credentials(void)
{
	struct daemon d;

	start(&d);
	EQ_STR(ask(&d, SECRET("\"b25l\"")), "{\"parameters\":{\"restart\":[]}}");
	EQ_STR(d.secret, "one");
	d.reload_r = ERR_MALFORMED;
	OK(strstr(ask(&d, SECRET("\"dHdv\"")), "InvalidConfiguration"));
	EQ_STR(d.secret, "two");
	EQ_SPAN(credential_get("turn-secret"), SPAN_LIT("one"));
	d.reload_r = 0;
	OK(strstr(ask(&d, RELOAD("\"credentials\":{}")), "restart"));
	EQ_STR(d.secret, "one");
	/* Any spelling of the JSON string, and two at once. */
	OK(strstr(ask(&d, RELOAD("\"credentials\":{\"turn-secret\":\"\\u0064Hdv\",\"x\":\"\\/\\/\\/\\/\"}")), "restart"));
	EQ_STR(d.secret, "two");
	EQ_SPAN(credential_get("x"), SPAN_LIT("\xff\xff\xff"));
	edge_control_hangup(SIGHUP, &d.edge);
	EQ_STR(d.secret, "two");
	credential_drop_all();
	finish(&d);
}

/* What is no credential is named; nothing is read again then, and those before stay in force. */
static void bad_credentials_change_nothing(void)
{
	static const struct {
		const char *row, *request, *parameter;
	} rows[] = {
		{ "no object: ", RELOAD("\"credentials\":[\"b25l\"]"), "\"credentials\"" },
		{ "null: ", RELOAD("\"credentials\":null"), "\"credentials\"" },
		{ "number: ", SECRET("1"), "\"credentials.turn-secret\"" },
		{ "object: ", SECRET("{}"), "\"credentials.turn-secret\"" },
		{ "not base64: ", SECRET("\"b25\""), "\"credentials.turn-secret\"" },
		{ "base64url: ", SECRET("\"____\""), "\"credentials.turn-secret\"" },
		{ "line end: ", SECRET("\"b25l\\n\""), "\"credentials.turn-secret\"" },
		{ "empty: ", SECRET("\"\""), "\"credentials.turn-secret\"" },
		{ "name with a slash: ", RELOAD("\"credentials\":{\"/etc/shadow\":\"b25l\"}"), "\"credentials./etc/shadow\"" },
		{ "no name: ", RELOAD("\"credentials\":{\"\":\"b25l\"}"), "\"credentials.\"" },
		{ "name of 65: ",
		  RELOAD("\"credentials\":{\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\":\"b25l\"}"),
		  "\"credentials\"" },
		{ "the second: ", RELOAD("\"credentials\":{\"turn-secret\":\"dHdv\",\"y\":\"!\"}"), "\"credentials.y\"" },
	};
	static char large[20000], text[20100];
	struct daemon d;

	start(&d);
	ask(&d, SECRET("\"b25l\""));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *reply;

		t_row = rows[i].row;
		reply = ask(&d, rows[i].request);
		OK(strstr(reply, "org.varlink.service.InvalidParameter") && strstr(reply, rows[i].parameter));
		OK(!strstr(reply, "b25") && !strstr(reply, "dHdv"));
		EQ_SPAN(credential_get("turn-secret"), SPAN_LIT("one"));
		EQ(credential_get("y").n, 0);
	}
	for (size_t n = 10924; n <= 10928; n += 4) { /* 8193 bytes are one too many, in letters or after them */
		t_row = "too large: ";
		memset(large, 'A', n);
		large[n] = '\0';
		snprintf(text, sizeof(text), SECRET("\"%s\""), large);
		OK(strstr(ask(&d, text), "\"credentials.turn-secret\""));
	}
	EQ(d.reloads, 1);
	snprintf(large + 10924 - 2, 3, "==");
	large[10924] = '\0';
	t_row = "largest: ";
	memcpy(large + 10920, "AAA=", 5);
	snprintf(text, sizeof(text), SECRET("\"%s\""), large);
	OK(strstr(ask(&d, text), "restart"));
	EQ(credential_get("turn-secret").n, CREDENTIAL_SIZE_MAX);
	credential_drop_all();
	finish(&d);
}

/* More than 48 KiB are no request of this method; 17 names are too many. */
static void reload_is_bounded(void)
{
	static char text[EDGE_RELOAD_MAX + 64];
	struct daemon d;
	size_t n;

	start(&d);
	n = (size_t)snprintf(text, sizeof(text), "{\"method\":\"io.oxpulse.Edge.Reload\",\"parameters\":{\"credentials\":{");
	for (int i = 0; i <= CREDENTIALS_MAX; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s\"n%d\":\"b25l\"", i ? "," : "", i);
	snprintf(text + n, sizeof(text) - n, "}}}");
	OK(strstr(ask(&d, text), "\"credentials.n16\""));
	EQ(credential_get("n0").n, 0);
	n = (size_t)snprintf(text, sizeof(text), RELOAD(""));
	memset(text + n, ' ', EDGE_RELOAD_MAX - n);
	text[EDGE_RELOAD_MAX] = '\0';
	OK(strstr(ask(&d, text), "restart"));
	text[EDGE_RELOAD_MAX] = ' ';
	text[EDGE_RELOAD_MAX + 1] = '\0';
	EQ_STR(ask(&d, text), "");
	OK(d.cli.eof);
	EQ(d.reloads, 1);
	finish(&d);
}

/* The request is nowhere in memory once it was answered, nor are the bytes once they are dropped. */
static void credentials_are_wiped(void)
{
	char plain[9], marker[13], request[2048], pad[1201];
	struct wr w = wr_from(marker, sizeof(marker));
	struct daemon d;

	rig_needle(plain);
	plain[8] = '!';
	base64_write(&w, span_of(plain, sizeof(plain)));
	wr_u8(&w, 0);
	memset(pad, 'A', sizeof(pad) - 1);
	pad[sizeof(pad) - 1] = '\0';
	start(&d);
	snprintf(request, sizeof(request), SECRET("\"%s%s%s\""), marker, pad, marker);
	/* In two pieces: the first one waits for the second. */
	cli_send(&d.cli, request, 300);
	d.turns = 2; /* to accept, to read */
	OK(rig_run(&d.rig, turned, &d));
	cli_send(&d.cli, request + 300, strlen(request) + 1 - 300);
	OK(rig_run(&d.rig, answered, &d.cli));
	EQ_STR(d.cli.n ? d.cli.buf : "", "{\"parameters\":{\"restart\":[]}}");
	EQ(credential_get("turn-secret").n, 9 + 900 + 9);
	OK(!rig_heap_has(marker, 12));
#ifndef __SANITIZE_ADDRESS__
	OK(rig_heap_has(plain, sizeof(plain)));
#endif
	credential_drop_all();
	OK(!rig_heap_has(plain, sizeof(plain)));
	/* A client that goes away in the middle leaves nothing either. */
	cli_send(&d.cli, request, 300);
	d.turns = 1;
	OK(rig_run(&d.rig, turned, &d));
	varlink_close(d.v);
	d.v = NULL;
	OK(!rig_heap_has(marker, 12));
	finish(&d);
}

/* "none": no socket, and that is no error. */
static void without_control(void)
{
	struct daemon d = { .edge = { .methods = methods } };
	const struct edge_control_conf c = { .socket = "none", .inherited = "none-such" };

	rig_open(&d.rig);
	EQ(edge_control_open(d.rig.l, &d.edge, &d, &c, &d.v), 0);
	OK(d.v == NULL);
	rig_close(&d.rig);
}

T_MAIN(T(methods_of_every_daemon), T(reloading), T(reloading_with_credentials), T(bad_credentials_change_nothing),
       T(reload_is_bounded), T(credentials_are_wiped), T(without_control))
