/* SPDX-License-Identifier: AGPL-3.0-only */
/* The control socket: io.oxpulse.Edge as every daemon has it, and io.oxpulse.Tunnel. Documented in docs/control.md. */
#include "tunneld/tunneld.h"

static const char tunnel_interface[] =
	"# The channels to central.\n"
	"interface io.oxpulse.Tunnel\n"
	"\n"
	"type State (up, down, unknown)\n"
	"\n"
	"# Of one order, or of the channel's own socket. in: from central, out: to central; bytes.\n"
	"type Use (streams: int, in: int, out: int)\n"
	"\n"
	"# suspect: its last probe failed, or a stream could not connect. retired: no longer in the configuration, but in use.\n"
	"# passes, fails: probes in a row. since, error_age: seconds ago. rtt_us: 0 before the first. error: empty, or what\n"
	"# went wrong last. streams: open now; streams_total: connected since the start.\n"
	"type Channel (name: string, type: string, address: string, state: State, suspect: bool, retired: bool, since: int,\n"
	"  passes: int, fails: int, rtt_us: int, rtt_us_smooth: int, error: string, error_age: int, streams: int,\n"
	"  streams_total: int, failovers: int, resets: int, web: Use, ws: Use, channel: Use)\n"
	"\n"
	"# web, ws: names in the order in which a new stream tries them now; channels that are down are left out.\n"
	"method ListChannels() -> (channels: []Channel, web: []string, ws: []string)\n";

/* --- io.oxpulse.Edge ------------------------------------------------------------------------------------- */

static const char *state_of(void *arg)
{
	const struct tunneld *d = arg;

	if (d->stopping)
		return "stopping";
	return mono_is_never(d->drain_by) ? "serving" : "draining";
}

static uint64_t sessions_of(void *arg)
{
	return ((const struct tunneld *)arg)->flows.live;
}

static uint64_t drain_limit_of(void *arg)
{
	return ((const struct tunneld *)arg)->conf.drain_limit;
}

static int reload(void *arg, struct wr *frozen)
{
	return tunneld_reload(arg, frozen);
}

static void drain(void *arg, uint64_t limit)
{
	tunneld_drain(arg, limit);
}

static void write_metrics(void *arg, struct wr *w)
{
	metrics_write(arg, w);
}

/* --- io.oxpulse.Tunnel ----------------------------------------------------------------------------------- */

static void member_bool(struct json_out *o, const char *key, bool value)
{
	jo_key(o, key);
	jo_bool(o, value);
}

static void write_use(struct json_out *o, const struct pool_channel *p, unsigned use)
{
	jo_key(o, order_str(use));
	jo_obj(o);
	edge_member_u64(o, "streams", p->open[use]);
	edge_member_u64(o, "in", p->n.bytes[use][1]);
	edge_member_u64(o, "out", p->n.bytes[use][0]);
	jo_obj_end(o);
}

static void write_channel(struct json_out *o, const struct chan *c, mono_t now)
{
	const struct pool_channel *p = &c->d->pool.ch[c->slot];

	jo_obj(o);
	edge_member_str(o, "name", c->conf.name);
	edge_member_str(o, "type", c->conf.type->name);
	edge_member_str(o, "address", c->conf.address);
	edge_member_str(o, "state", pool_state_str(p->state));
	member_bool(o, "suspect", p->suspect);
	member_bool(o, "retired", p->retired);
	edge_member_u64(o, "since", mono_since(now, p->since) / US_PER_SEC);
	edge_member_u64(o, "passes", p->passes);
	edge_member_u64(o, "fails", p->fails);
	edge_member_u64(o, "rtt_us", p->rtt);
	edge_member_u64(o, "rtt_us_smooth", p->rtt_smooth);
	edge_member_str(o, "error", p->error == WHY_NONE ? "" : why_text(p->error));
	edge_member_u64(o, "error_age", p->error == WHY_NONE ? 0 : mono_since(now, p->error_at) / US_PER_SEC);
	edge_member_u64(o, "streams", pool_open(&c->d->pool, c->slot));
	edge_member_u64(o, "streams_total", p->n.streams);
	edge_member_u64(o, "failovers", p->n.failovers);
	edge_member_u64(o, "resets", p->n.resets);
	for (unsigned use = 0; use <= ORDER_MAX_; use++)
		write_use(o, p, use);
	jo_obj_end(o);
}

static void write_order(struct json_out *o, const struct tunneld *d, enum order order)
{
	struct pool_list l;

	pool_choose(&d->pool, order, &l);
	jo_key(o, order_str(order));
	jo_arr(o);
	for (uint32_t i = 0; i < l.n; i++)
		jo_str(o, span_str(d->chan[l.slot[i]].conf.name));
	jo_arr_end(o);
}

static void on_list_channels(struct varlink_call *c, void *arg)
{
	const struct tunneld *d = ((const struct edge_control *)arg)->daemon;
	struct json_out *o = varlink_reply(c);

	jo_key(o, "channels");
	jo_arr(o);
	for (uint32_t i = 0; i < POOL_SLOTS; i++) {
		if (d->chan[i].impl)
			write_channel(o, &d->chan[i], loop_now(d->loop));
	}
	jo_arr_end(o);
	for (enum order i = 0; i < ORDER_MAX_; i++)
		write_order(o, d, i);
	varlink_reply_end(c);
}

static const struct varlink_method methods[] = {
	EDGE_CONTROL_METHODS,
	{ "io.oxpulse.Tunnel.ListChannels", ROLE_HEALTH | ROLE_ADMIN, 1024, on_list_channels },
	{ 0 },
};

int ctl_open(struct tunneld *d)
{
	const struct edge_control_conf c = { .socket = d->conf.control_socket, .inherited = "tunneld-control",
					     .health_user = d->conf.health_user, .refresh_user = d->conf.refresh_user };

	d->edge = (struct edge_control){ .name = "tunneld", .state = state_of, .sessions = sessions_of, .reload = reload,
					 .drain = drain, .drain_limit = drain_limit_of, .metrics = write_metrics,
					 .methods = methods, .interface = tunnel_interface };
	return edge_control_open(d->loop, &d->edge, d, &c, &d->control);
}
