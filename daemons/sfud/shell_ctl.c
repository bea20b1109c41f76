/* SPDX-License-Identifier: AGPL-3.0-only */
/* The control socket: io.oxpulse.Edge as every daemon has it, and io.oxpulse.Sfu. Documented in docs/control.md. */
#include "sfud/sfud.h"
#include "sys/edge_control.h"

static const char sfu_interface[] =
	"# The group call forwarder.\n"
	"interface io.oxpulse.Sfu\n"
	"\n"
	"# rtt: microseconds, 0 = unknown. remb: bits per second the member can take, 0 = unknown.\n"
	"type Member (sub: int, connected: bool, attached: bool, publishes: int, receives: int, sent: int,\n"
	"  rtt: int, remb: int, cipher: string)\n"
	"type Room (name: string, members: []Member)\n"
	"\n"
	"method ListRooms() -> (rooms: []Room)\n";

static const char *state_of(void *arg)
{
	const struct sfud *d = arg;

	if (d->stopping)
		return "stopping";
	return mono_is_never(d->drain_by) ? "serving" : "draining";
}

static uint64_t sessions_of(void *arg)
{
	const struct sfud *d = arg;

	return d->sessions;
}

static uint64_t drain_limit_of(void *arg)
{
	const struct sfud *d = arg;

	return d->conf.drain_limit;
}

static int reload(void *arg, struct wr *frozen)
{
	return sfud_reload(arg, frozen);
}

static void drain(void *arg, uint64_t limit)
{
	sfud_drain(arg, limit);
}

static void write_metrics(void *arg, struct wr *w)
{
	metrics_write(arg, w);
}

static void write_member(const struct sfud *d, const struct member *m, struct json_out *o)
{
	uint64_t publishes = 0;

	for (uint8_t i = 0; i < m->n_lines; i++)
		publishes += slab_get(&d->sfu.tracks, m->lines[i].track) != NULL;
	jo_obj(o);
	edge_member_u64(o, "sub", m->sub);
	jo_key(o, "connected");
	jo_bool(o, m->tp.state == TRANSPORT_MEDIA);
	jo_key(o, "attached");
	jo_bool(o, member_attached(m));
	edge_member_u64(o, "publishes", publishes);
	edge_member_u64(o, "receives", m->n_subs);
	edge_member_u64(o, "sent", m->delivered);
	edge_member_u64(o, "rtt", m->rtt_us);
	edge_member_u64(o, "remb", m->remb_bps);
	edge_member_str(o, "cipher", srtp_suite_str(m->tp.suite));
	jo_obj_end(o);
}

static void on_list_rooms(struct varlink_call *c, void *arg)
{
	const struct edge_control *e = arg;
	const struct sfud *d = e->daemon;
	struct json_out *o = varlink_reply(c);
	struct handle h;
	uint32_t slot = 0;
	const struct room *r;

	jo_key(o, "rooms");
	jo_arr(o);
	while ((r = slab_next(&d->sfu.rooms, &slot, &h))) {
		jo_obj(o);
		edge_member_str(o, "name", r->name);
		jo_key(o, "members");
		jo_arr(o);
		for (uint32_t i = 0; i < r->n_members; i++) {
			const struct member *m = slab_get(&d->sfu.members, r->members[i]);

			if (m)
				write_member(d, m, o);
		}
		jo_arr_end(o);
		jo_obj_end(o);
	}
	jo_arr_end(o);
	varlink_reply_end(c);
}

static const struct varlink_method methods[] = {
	EDGE_CONTROL_METHODS,
	{ "io.oxpulse.Sfu.ListRooms", ROLE_HEALTH | ROLE_ADMIN, 1024, on_list_rooms },
	{ 0 },
};

int ctl_open(struct sfud *d)
{
	const struct edge_control_conf c = { .socket = d->conf.control_socket, .inherited = "sfud-control",
					     .health_user = d->conf.health_user, .refresh_user = d->conf.refresh_user };

	d->edge = (struct edge_control){ .name = "sfud", .state = state_of, .sessions = sessions_of, .reload = reload,
					 .drain = drain, .drain_limit = drain_limit_of, .metrics = write_metrics,
					 .methods = methods, .interface = sfu_interface };
	return edge_control_open(d->loop, &d->edge, d, &c, &d->control);
}
