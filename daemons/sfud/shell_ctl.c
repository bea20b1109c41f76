/* SPDX-License-Identifier: AGPL-3.0-only */
/* The control socket: io.oxpulse.Edge as every daemon has it, and io.oxpulse.Sfu. Documented in docs/control.md. */
#include <stdlib.h>

#include "sfud/sfud.h"
#include "sys/edge_control.h"
#include "sys/log.h"
#include "sys/notify.h"

#define METRICS_MAX (256 * 1024)

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

static const char *state_of(const struct sfud *d)
{
	if (d->stopping)
		return "stopping";
	return mono_is_never(d->drain_by) ? "serving" : "draining";
}

static void member_str(struct json_out *o, const char *key, const char *value)
{
	jo_key(o, key);
	jo_str(o, span_str(value));
}

static void member_u64(struct json_out *o, const char *key, uint64_t value)
{
	jo_key(o, key);
	jo_u64(o, value);
}

static void on_status(struct varlink_call *c, void *arg)
{
	const struct sfud *d = arg;
	struct json_out *o = varlink_reply(c);

	member_str(o, "daemon", "sfud");
	member_str(o, "version", EDGE_VERSION);
	member_str(o, "state", state_of(d));
	member_u64(o, "sessions", d->sessions);
	member_u64(o, "uptime", mono_since(loop_now(d->loop), d->started) / US_PER_SEC);
	varlink_reply_end(c);
}

static void write_words(struct json_out *o, struct span text)
{
	jo_arr(o);
	for (size_t at = 0, end; at < text.n; at = end + 1) {
		for (end = at; end < text.n && text.p[end] != ' ';)
			end++;
		jo_str(o, span_of(text.p + at, end - at));
	}
	jo_arr_end(o);
}

static void on_reload(struct varlink_call *c, void *arg)
{
	struct sfud *d = arg;
	uint8_t text[512];
	struct wr frozen = wr_from(text, sizeof(text));
	struct json_out *o;
	int r;

	notify_reloading();
	r = sfud_reload(d, &frozen);
	notify_ready();
	if (r < 0) {
		varlink_error(c, "io.oxpulse.Edge.InvalidConfiguration", "reason",
			      "see the journal of sfud for file and line");
		return;
	}
	o = varlink_reply(c);
	jo_key(o, "restart");
	write_words(o, wr_span_of(&frozen));
	varlink_reply_end(c);
}

static void on_drain(struct varlink_call *c, void *arg)
{
	struct sfud *d = arg;
	uint64_t limit = d->conf.drain_limit / US_PER_SEC;
	int at;
	const struct json *params = varlink_params(c, &at);
	int r = json_get_u64(params, at, "limit", &limit);

	if ((r < 0 && r != ERR_MISSING) || limit > UINT32_MAX) {
		varlink_error(c, "org.varlink.service.InvalidParameter", "parameter", "limit");
		return;
	}
	sfud_drain(d, DUR_SEC(limit));
	member_u64(varlink_reply(c), "sessions", d->sessions);
	varlink_reply_end(c);
}

static void on_metrics(struct varlink_call *c, void *arg)
{
	const struct sfud *d = arg;
	uint8_t *text = malloc(METRICS_MAX);
	struct wr w = wr_from(text, text ? METRICS_MAX : 0);
	struct json_out *o;

	metrics_write(d, &w);
	o = varlink_reply(c);
	jo_key(o, "text");
	jo_str(o, wr_span_of(&w));
	varlink_reply_end(c);
	free(text);
}

static void on_log_level(struct varlink_call *c, void *arg)
{
	char text[16];
	int at, level;
	const struct json *params = varlink_params(c, &at);

	(void)arg;
	if (json_get_str(params, at, "level", text, sizeof(text), NULL) < 0 || log_level_parse(text, &level) < 0) {
		varlink_error(c, "org.varlink.service.InvalidParameter", "parameter", "level");
		return;
	}
	log_set_level(level);
	(void)varlink_reply(c);
	varlink_reply_end(c);
}

static void write_member(const struct sfud *d, const struct member *m, struct json_out *o)
{
	uint64_t publishes = 0;

	for (uint8_t i = 0; i < m->n_lines; i++)
		publishes += slab_get(&d->sfu.tracks, m->lines[i].track) != NULL;
	jo_obj(o);
	member_u64(o, "sub", m->sub);
	jo_key(o, "connected");
	jo_bool(o, m->tp.state == TRANSPORT_MEDIA);
	jo_key(o, "attached");
	jo_bool(o, member_attached(m));
	member_u64(o, "publishes", publishes);
	member_u64(o, "receives", m->n_subs);
	member_u64(o, "sent", m->delivered);
	member_u64(o, "rtt", m->rtt_us);
	member_u64(o, "remb", m->remb_bps);
	member_str(o, "cipher", srtp_suite_str(m->tp.suite));
	jo_obj_end(o);
}

static void on_list_rooms(struct varlink_call *c, void *arg)
{
	const struct sfud *d = arg;
	struct json_out *o = varlink_reply(c);
	struct handle h;
	uint32_t slot = 0;
	const struct room *r;

	jo_key(o, "rooms");
	jo_arr(o);
	while ((r = slab_next(&d->sfu.rooms, &slot, &h))) {
		jo_obj(o);
		member_str(o, "name", r->name);
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
	{ "io.oxpulse.Edge.Status", ROLE_HEALTH | ROLE_REFRESH | ROLE_ADMIN, 1024, on_status },
	{ "io.oxpulse.Edge.Reload", ROLE_REFRESH | ROLE_ADMIN, 1024, on_reload },
	{ "io.oxpulse.Edge.Drain", ROLE_REFRESH | ROLE_ADMIN, 1024, on_drain },
	{ "io.oxpulse.Edge.Metrics", ROLE_HEALTH | ROLE_ADMIN, 1024, on_metrics },
	{ "io.oxpulse.Edge.SetLogLevel", ROLE_ADMIN, 1024, on_log_level },
	{ "io.oxpulse.Sfu.ListRooms", ROLE_HEALTH | ROLE_ADMIN, 1024, on_list_rooms },
	{ 0 },
};

int ctl_open(struct sfud *d)
{
	static const char *const interfaces[] = { edge_control_interface, sfu_interface, NULL };
	const struct varlink_conf c = { .vendor = "OxPulse", .product = "sfud", .version = EDGE_VERSION,
					.url = "https://oxpulse.chat", .methods = methods, .interfaces = interfaces,
					.health_user = d->conf.health_user, .refresh_user = d->conf.refresh_user,
					.arg = d };
	int fd = notify_inherited("sfud-control");
	int r;

	if (fd < 0 && strcmp(d->conf.control_socket, "none") == 0)
		return 0;
	r = varlink_open(d->loop, d->conf.control_socket, fd, &c, &d->control);
	if (r < 0)
		return log_err(r, "control socket %s (does its directory exist and belong to this user?)",
			       d->conf.control_socket);
	return 0;
}
