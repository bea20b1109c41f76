/* SPDX-License-Identifier: AGPL-3.0-only */
/* The control socket: io.oxpulse.Edge as every daemon has it, and io.oxpulse.Turn. Documented in docs/control.md. */
#include <stdio.h>
#include <stdlib.h>

#include "turnd/turnd.h"

#define SESSIONS_SHOWN 1000 /* of one reply: about half of what it may hold */
#define ID_MAX 40

static const char turn_interface[] =
	"# The TURN relay.\n"
	"interface io.oxpulse.Turn\n"
	"\n"
	"# via: udp, tcp, tls or dtls. lifetime: seconds left. sent: to peers, received: from peers.\n"
	"type Session (id: string, client: string, via: string, relayed: []string, user: string, tcp: bool,\n"
	"  mobile: bool, lifetime: int, age: int, packets_sent: int, packets_received: int, bytes_sent: int,\n"
	"  bytes_received: int, permissions: int, channels: int)\n"
	"\n"
	"# At most 1000 of them; total says how many there are.\n"
	"method ListSessions() -> (total: int, sessions: []Session)\n"
	"\n"
	"# Ends an allocation at once. ended: false when there is none of that id.\n"
	"method EndSession(id: string) -> (ended: bool)\n";

/* --- io.oxpulse.Edge ------------------------------------------------------------------------------------ */

static const char *state_of(void *arg)
{
	const struct turnd *d = arg;

	if (d->stopping)
		return "stopping";
	return mono_is_never(d->drain_by) ? "serving" : "draining";
}

static uint64_t sessions_of(void *arg)
{
	return turnd_sessions(arg);
}

static uint64_t drain_limit_of(void *arg)
{
	return ((const struct turnd *)arg)->conf.drain_limit;
}

static int reload(void *arg, struct wr *frozen)
{
	return turnd_reload(arg, frozen);
}

static void drain(void *arg, uint64_t limit)
{
	turnd_drain(arg, limit);
}

static void write_metrics(void *arg, struct wr *w)
{
	metrics_write(arg, w);
}

/* --- io.oxpulse.Turn ------------------------------------------------------------------------------------ */

struct listing {
	struct json_out *out;
	uint32_t shown;
};

static void write_addr(struct json_out *o, const struct addr *a)
{
	char text[ADDR_TEXT_MAX];

	jo_str(o, span_str(addr_fmt(a, text)));
}

/* User names come from the network: what is not plain text is shown as "?". */
static void write_user(struct json_out *o, const struct alloc *a)
{
	char text[256];
	size_t n = a->user_n;

	for (size_t i = 0; i < n; i++)
		text[i] = a->user[i] >= 0x20 && a->user[i] < 0x7f ? a->user[i] : '?';
	jo_key(o, "user");
	jo_str(o, span_of(text, n));
}

static void write_relayed(struct json_out *o, const struct worker *w, const struct alloc *a)
{
	jo_key(o, "relayed");
	jo_arr(o);
	for (int f = 0; f < REL_MAX_; f++) {
		const struct turn_relay *r = &w->turn.conf.relay[f];
		struct addr at = addr_is_unset(&r->external) ? r->at : r->external;

		at.port = a->port[f];
		if (at.port)
			write_addr(o, &at);
	}
	jo_arr_end(o);
}

static void write_session(struct json_out *o, struct worker *w, const struct alloc *a)
{
	mono_t now = loop_now(w->loop);
	char id[ID_MAX];

	snprintf(id, sizeof(id), "%u-%u-%u", w->index, a->self.slot, a->self.gen);
	jo_obj(o);
	edge_member_str(o, "id", id);
	jo_key(o, "client");
	write_addr(o, &a->now.client.path.remote);
	edge_member_str(o, "via", via_str(a->now.client.via));
	write_relayed(o, w, a);
	write_user(o, a);
	jo_key(o, "tcp");
	jo_bool(o, a->tcp);
	jo_key(o, "mobile");
	jo_bool(o, a->mobile);
	edge_member_u64(o, "lifetime", mono_since(a->expires, now) / US_PER_SEC);
	edge_member_u64(o, "age", mono_since(now, a->started) / US_PER_SEC);
	edge_member_u64(o, "packets_sent", a->packets[0]);
	edge_member_u64(o, "packets_received", a->packets[1]);
	edge_member_u64(o, "bytes_sent", a->bytes[0]);
	edge_member_u64(o, "bytes_received", a->bytes[1]);
	edge_member_u64(o, "permissions", a->perms.n_perms);
	edge_member_u64(o, "channels", a->perms.n_channels);
	jo_obj_end(o);
}

static void list_worker(struct worker *w, void *arg)
{
	struct listing *l = arg;
	const struct alloc *a;
	struct handle h;

	for (uint32_t slot = 0; l->shown < SESSIONS_SHOWN && (a = slab_next(&w->turn.allocs, &slot, &h)); l->shown++)
		write_session(l->out, w, a);
}

static void on_list_sessions(struct varlink_call *c, void *arg)
{
	struct turnd *d = ((const struct edge_control *)arg)->daemon;
	uint64_t total = turnd_sessions(d);
	struct listing l = { .out = varlink_reply(c) };

	edge_member_u64(l.out, "total", total);
	jo_key(l.out, "sessions");
	jo_arr(l.out);
	worker_each(d, list_worker, &l);
	jo_arr_end(l.out);
	varlink_reply_end(c);
}

struct ending {
	unsigned worker;
	struct handle alloc;
	bool ended;
};

static void end_in_worker(struct worker *w, void *arg)
{
	struct ending *e = arg;

	if (w->index == e->worker)
		e->ended = turn_end(&w->turn, e->alloc);
}

static void on_end_session(struct varlink_call *c, void *arg)
{
	struct turnd *d = ((const struct edge_control *)arg)->daemon;
	struct ending e = { 0 };
	char id[ID_MAX], rest;
	int at;
	const struct json *params = varlink_params(c, &at);
	struct json_out *o;

	if (json_get_str(params, at, "id", id, sizeof(id), NULL) < 0 ||
	    sscanf(id, "%u-%u-%u%c", &e.worker, &e.alloc.slot, &e.alloc.gen, &rest) != 3) {
		varlink_error(c, "org.varlink.service.InvalidParameter", "parameter", "id");
		return;
	}
	worker_each(d, end_in_worker, &e);
	o = varlink_reply(c);
	jo_key(o, "ended");
	jo_bool(o, e.ended);
	varlink_reply_end(c);
}

static const struct varlink_method methods[] = {
	EDGE_CONTROL_METHODS,
	{ "io.oxpulse.Turn.ListSessions", ROLE_HEALTH | ROLE_ADMIN, 1024, on_list_sessions },
	{ "io.oxpulse.Turn.EndSession", ROLE_ADMIN, 1024, on_end_session },
	{ 0 },
};

int ctl_open(struct turnd *d)
{
	const struct edge_control_conf c = { .socket = d->conf.control_socket, .inherited = "turnd-control",
					     .health_user = d->conf.health_user, .refresh_user = d->conf.refresh_user };

	d->edge = (struct edge_control){ .name = "turnd", .state = state_of, .sessions = sessions_of, .reload = reload,
					 .drain = drain, .drain_limit = drain_limit_of, .metrics = write_metrics,
					 .methods = methods, .interface = turn_interface };
	return edge_control_open(d->worker[0].loop, &d->edge, d, &c, &d->control);
}
