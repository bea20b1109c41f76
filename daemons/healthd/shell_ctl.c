/* SPDX-License-Identifier: AGPL-3.0-only */
/* The control socket: io.oxpulse.Edge as every daemon has it, and io.oxpulse.Health. Documented in docs/control.md. */
#include "healthd/healthd.h"
#include "healthd/verdict/members.h"

static const char health_interface[] =
	"# Probes of the node, their verdict, and what was done about it.\n"
	"interface io.oxpulse.Health\n"
	"\n"
	"# Probes everything now and reports to central. A call while a run is under way joins it.\n"
	"method Report() -> (run: int)\n"
	"\n"
	"# Of the run under way or the last one. rtt_us: until it failed where it did. status 0: no answer.\n"
	"type Result (name: string, known: bool, ok: bool, rtt_us: int, mode: string, reason: string, cause: string,\n"
	"  fix: string)\n"
	"type Sent (name: string, target: string, status: int, verdict: string, why: string)\n"
	"type Restart (at: string, daemon: string, outcome: string)\n"
	"method Verdicts() -> (run: int, done: bool, probed_at: string, channels: []Result, not_reported: string,\n"
	"  no_token: bool, reports: []Sent, repair: []Restart)\n"
	"\n"
	"# Everything on the status page.\n"
	"method Overview() -> (overview: object)\n";

static const char *state_of(void *arg)
{
	const struct healthd *d = arg;

	return d->stopping ? "stopping" : "serving";
}

/* What it serves are runs. */
static uint64_t sessions_of(void *arg)
{
	const struct healthd *d = arg;

	return d->run.active;
}

static uint64_t drain_limit_of(void *arg)
{
	(void)arg;
	return 0;
}

static int reload(void *arg, struct wr *frozen)
{
	return healthd_reload(arg, frozen);
}

/* Nobody's call depends on it: it ends at once. */
static void drain(void *arg, uint64_t limit)
{
	struct healthd *d = arg;

	(void)limit;
	d->stopping = true;
	loop_stop(d->loop);
}

static void on_report(struct varlink_call *c, void *arg)
{
	struct healthd *d = ((const struct edge_control *)arg)->daemon;

	member_number(varlink_reply(c), "run", run_begin(d, false));
	varlink_reply_end(c);
}

static void on_verdicts(struct varlink_call *c, void *arg)
{
	const struct healthd *d = ((const struct edge_control *)arg)->daemon;

	overview_write_verdicts(&d->ov, varlink_reply(c));
	varlink_reply_end(c);
}

static void on_overview(struct varlink_call *c, void *arg)
{
	struct healthd *d = ((const struct edge_control *)arg)->daemon;
	struct json_out *o = varlink_reply(c);

	jo_key(o, "overview");
	jo_obj(o);
	overview_write(&d->ov, loop_now(d->loop), loop_wall(d->loop), o);
	jo_obj_end(o);
	varlink_reply_end(c);
}

static const struct varlink_method methods[] = {
	EDGE_CONTROL_METHODS,
	{ "io.oxpulse.Health.Report", ROLE_REFRESH | ROLE_ADMIN, 1024, on_report },
	{ "io.oxpulse.Health.Verdicts", ROLE_REFRESH | ROLE_ADMIN, 1024, on_verdicts },
	{ "io.oxpulse.Health.Overview", ROLE_REFRESH | ROLE_ADMIN, 1024, on_overview },
	{ 0 },
};

int ctl_open(struct healthd *d)
{
	const struct edge_control_conf c = { .socket = d->conf.control_socket, .inherited = "healthd-control",
					     .health_user = NULL, .refresh_user = d->conf.refresh_user };

	d->edge = (struct edge_control){ .name = "healthd", .state = state_of, .sessions = sessions_of, .reload = reload,
					 .drain = drain, .drain_limit = drain_limit_of, .metrics = metrics_write,
					 .methods = methods, .interface = health_interface };
	return edge_control_open(d->loop, &d->edge, d, &c, &d->control);
}
