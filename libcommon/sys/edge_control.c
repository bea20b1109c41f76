/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sys/edge_control.h"

#include <stdio.h>

#include "base/base64.h"
#include "base/secret.h"
#include "base/slab.h"
#include "sys/credential.h"
#include "sys/log.h"
#include "sys/notify.h"
#include "sys/prom.h"

#define FROZEN_MAX 512 /* bytes of key names */

static const char edge_interface[] =
	"# What every daemon of the edge answers.\n"
	"interface io.oxpulse.Edge\n"
	"\n"
	"type State (serving, draining, stopping)\n"
	"\n"
	"# sessions: whatever the daemon serves. uptime: seconds.\n"
	"method Status() -> (daemon: string, version: string, state: State, sessions: int, uptime: int)\n"
	"\n"
	"# Reads the configuration again. credentials: newer ones by name, in base64, kept until the process ends.\n"
	"# restart: changed keys that only a restart applies.\n"
	"method Reload(credentials: ?[string]string) -> (restart: []string)\n"
	"\n"
	"# No new sessions; the daemon ends when the last one is gone, or after limit seconds.\n"
	"method Drain(limit: ?int) -> (sessions: int)\n"
	"\n"
	"# The Prometheus page.\n"
	"method Metrics() -> (text: string)\n"
	"\n"
	"# emerg, alert, crit, err, warning, notice, info or debug; until the next start or reload.\n"
	"method SetLogLevel(level: string) -> ()\n"
	"\n"
	"error InvalidConfiguration (reason: string)\n"
	"error ReplyTooLarge ()\n";

void edge_member_str(struct json_out *o, const char *key, const char *value)
{
	jo_key(o, key);
	jo_str(o, span_str(value));
}

void edge_member_u64(struct json_out *o, const char *key, uint64_t value)
{
	jo_key(o, key);
	jo_u64(o, value);
}

void edge_on_status(struct varlink_call *c, void *arg)
{
	const struct edge_control *e = arg;
	struct json_out *o = varlink_reply(c);

	edge_member_str(o, "daemon", e->name);
	edge_member_str(o, "version", EDGE_VERSION);
	edge_member_str(o, "state", e->state(e->daemon));
	edge_member_u64(o, "sessions", e->sessions(e->daemon));
	edge_member_u64(o, "uptime", mono_since(loop_now(e->loop), e->started) / US_PER_SEC);
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

static int reload(const struct edge_control *e, struct wr *frozen)
{
	int r;

	notify_reloading();
	r = e->reload(e->daemon, frozen);
	notify_ready();
	return r;
}

void edge_control_hangup(int signo, void *arg)
{
	const struct edge_control *e = arg;
	char text[FROZEN_MAX + 1];
	struct wr frozen = wr_from(text, FROZEN_MAX);

	(void)signo;
	if (reload(e, &frozen) < 0 || wr_len(&frozen) == 0)
		return;
	text[wr_len(&frozen)] = '\0';
	log_warn("changed, but only a restart applies it: %s", text);
}

/* The bytes that a string in base64 stands for, put by its name. */
static int put_credential(const struct json *j, int value, const char *name)
{
	uint8_t text[CREDENTIAL_SIZE_MAX * 4 / 3 + 4], bytes[CREDENTIAL_SIZE_MAX];
	struct wr t = wr_from(text, sizeof(text)), b = wr_from(bytes, sizeof(bytes));
	int r = ERR_MALFORMED;

	if (json_type_of(j, value) == JSON_STRING) {
		json_unescape(j, value, &t);
		r = t.bad ? ERR_LIMIT : base64_read(wr_span_of(&t), &b);
	}
	if (r == 0)
		r = credential_put(name, wr_span_of(&b));
	wipe(text, sizeof(text));
	wipe(bytes, sizeof(bytes));
	return r;
}

/* Parameter "credentials", optional. On failure *ret_bad names the member at fault. */
static int put_credentials(const struct json *j, int params, char ret_bad[CREDENTIAL_NAME_MAX + 16])
{
	int obj = json_get(j, params, "credentials"), r = 0;

	strcpy(ret_bad, "credentials");
	if (obj < 0)
		return 0;
	if (json_type_of(j, obj) != JSON_OBJECT)
		return ERR_MALFORMED;
	for (int key = json_first(j, obj); r == 0 && key >= 0; key = json_next(j, obj, key)) {
		char name[CREDENTIAL_NAME_MAX + 1];
		struct wr w = wr_from(name, sizeof(name));

		json_unescape(j, key, &w);
		wr_u8(&w, 0);
		r = w.bad ? ERR_LIMIT : put_credential(j, key + 1, name);
		if (r < 0 && !w.bad)
			snprintf(ret_bad, CREDENTIAL_NAME_MAX + 16, "credentials.%s", name);
	}
	return r;
}

static void no_reload(struct varlink_call *c, const char *error, const char *name, const char *value)
{
	credential_abort();
	varlink_error(c, error, name, value);
}

void edge_on_reload(struct varlink_call *c, void *arg)
{
	const struct edge_control *e = arg;
	char text[FROZEN_MAX], bad[CREDENTIAL_NAME_MAX + 16], reason[128];
	struct wr frozen = wr_from(text, sizeof(text));
	struct json_out *o;
	int at, r;
	const struct json *params = varlink_params(c, &at);

	credential_begin();
	r = put_credentials(params, at, bad);
	if (r == ERR_NOMEM) {
		no_reload(c, "io.oxpulse.Edge.InvalidConfiguration", "reason", "no memory for the credentials");
		return;
	}
	if (r < 0) {
		no_reload(c, "org.varlink.service.InvalidParameter", "parameter", bad);
		return;
	}
	if (reload(e, &frozen) < 0) {
		snprintf(reason, sizeof(reason), "see the journal of %s for file and line", e->name);
		no_reload(c, "io.oxpulse.Edge.InvalidConfiguration", "reason", reason);
		return;
	}
	credential_commit();
	o = varlink_reply(c);
	jo_key(o, "restart");
	write_words(o, wr_span_of(&frozen));
	varlink_reply_end(c);
}

void edge_on_drain(struct varlink_call *c, void *arg)
{
	const struct edge_control *e = arg;
	uint64_t limit = e->drain_limit(e->daemon) / US_PER_SEC;
	int at;
	const struct json *params = varlink_params(c, &at);
	int r = json_get_u64(params, at, "limit", &limit);

	if ((r < 0 && r != ERR_MISSING) || limit > UINT32_MAX) {
		varlink_error(c, "org.varlink.service.InvalidParameter", "parameter", "limit");
		return;
	}
	e->drain(e->daemon, DUR_SEC(limit));
	edge_member_u64(varlink_reply(c), "sessions", e->sessions(e->daemon));
	varlink_reply_end(c);
}

void edge_on_metrics(struct varlink_call *c, void *arg)
{
	const struct edge_control *e = arg;
	uint8_t *text = mem_alloc(PROM_PAGE_MAX);
	struct wr w = wr_from(text, text ? PROM_PAGE_MAX : 0);
	struct json_out *o;

	e->metrics(e->daemon, &w);
	o = varlink_reply(c);
	jo_key(o, "text");
	jo_str(o, wr_span_of(&w));
	varlink_reply_end(c);
	mem_free(text);
}

void edge_on_log_level(struct varlink_call *c, void *arg)
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

int edge_control_open(struct loop *l, struct edge_control *e, void *daemon, const struct edge_control_conf *conf,
		      struct varlink **ret)
{
	const struct varlink_conf c = { .vendor = "OxPulse", .product = e->name, .version = EDGE_VERSION,
					.url = "https://oxpulse.chat", .methods = e->methods, .interfaces = e->interfaces,
					.health_user = conf->health_user, .refresh_user = conf->refresh_user, .arg = e };
	int fd = notify_inherited(conf->inherited);
	int r;

	e->loop = l;
	e->started = loop_now(l);
	e->daemon = daemon;
	e->interfaces[0] = edge_interface;
	e->interfaces[1] = e->interface;
	*ret = NULL;
	if (fd < 0 && strcmp(conf->socket, "none") == 0)
		return 0;
	r = varlink_open(l, conf->socket, fd, &c, ret);
	if (r < 0)
		return log_err(r, "control socket %s (does its directory exist and belong to this user?)", conf->socket);
	return 0;
}
