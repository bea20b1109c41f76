/* SPDX-License-Identifier: AGPL-3.0-only */
#include "t.h"

#include <signal.h>

#include "rig.h"
#include "sys/edge_control.h"
#include "sys/log.h"

struct daemon {
	struct rig rig;
	struct edge_control edge;
	struct varlink *v;
	struct cli cli;
	uint64_t drained; /* the limit asked for */
	unsigned reloads;
	int reload_r;
	const char *frozen;
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

	d->reloads++;
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

T_MAIN(T(methods_of_every_daemon), T(reloading), T(without_control))
