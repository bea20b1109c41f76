/* SPDX-License-Identifier: AGPL-3.0-only */
/* Checks that talk: each asks as a client of its kind would. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "healthd/page/prom_merge.h"
#include "healthd/shell_check.h"
#include "healthd/verdict/report.h"
#include "healthd/verdict/verdict.h"
#include "sys/prom.h"

#define URL_MAX 640
#define CLOCK_OFF DUR_SEC(60)
#define TURNS_PORT 5349
#define PUBLIC_PORT 443

/* --- the site ------------------------------------------------------------------------------------------- */

struct site {
	char url[URL_MAX], pin[URL_MAX];
	struct http_ask ask;
};

/* A request to the domain: as everybody's, or pinned to the front of this host. */
static void to_site(const struct check_run *r, struct site *s, const char *path)
{
	const struct healthd_conf *c = r->conf;
	unsigned port = r->local ? c->front.port : PUBLIC_PORT;
	char at[ADDR_TEXT_MAX];

	snprintf(s->url, sizeof(s->url), "https://%s:%u%s", c->domain, port, path);
	snprintf(s->pin, sizeof(s->pin), "%s:%u:%s", c->domain, port, addr_fmt_ip(&c->front, at));
	s->ask = (struct http_ask){ .method = "GET", .url = s->url, .pin = r->local ? s->pin : NULL,
				    .ca_file = c->front_ca_file[0] ? c->front_ca_file : NULL, .timeout_us = c->timeout };
}

static void ask_site(struct check_run *r, unsigned number, const char *path, const char *want)
{
	struct check_job *j = check_begin(r, number, NULL);
	struct probe_http q = { .want = want, .what = path };
	struct site s;

	if (!j)
		return;
	to_site(r, &s, path);
	q.ask = s.ask;
	check_started(j, probe_http(&r->env, &q, check_on_probe, j, &j->probe));
}

static void on_handshake(const struct http_answer *a, void *arg)
{
	struct check_job *j = arg;
	wall_t now = loop_wall(j->run->loop);
	uint64_t left = a->certificate_until.us > now.us ? a->certificate_until.us - now.us : 0;
	char cause[128];

	j->check->us = a->connect_us;
	if (a->r < 0) {
		check_done(j, CHECK_FAIL, a->why,
			   "see oxpulse-front (journalctl -u oxpulse-front), the certificate (certbot certificates) and "
			   "whether the domain's DNS record leads here");
	} else if (a->certificate_until.us && left < VERDICT_CERTIFICATE_DAYS * DUR_SEC(86400)) {
		snprintf(cause, sizeof(cause), "the certificate ends in %llu days",
			 (unsigned long long)(left / DUR_SEC(86400)));
		check_done(j, CHECK_WARN, cause, "see why it was not renewed: journalctl -u certbot; then certbot renew");
	} else {
		check_done(j, CHECK_OK, NULL, NULL);
	}
}

static void on_page(const struct http_answer *a, void *arg)
{
	struct check_job *j = arg;
	char cause[HTTP_WHY_MAX + 64];

	j->check->us = a->total_us;
	if (a->r < 0)
		snprintf(cause, sizeof(cause), "%s", a->why);
	else if (a->status != 200)
		snprintf(cause, sizeof(cause), "GET / was answered with status %d instead of 200", a->status);
	else if (strncmp(a->type, "text/html", 9) != 0)
		snprintf(cause, sizeof(cause), "GET / gave %s instead of text/html",
			 a->type[0] ? a->type : "no Content-Type");
	else {
		check_done(j, CHECK_OK, NULL, NULL);
		return;
	}
	check_done(j, CHECK_FAIL, cause,
		   "see whether a channel carries requests (check 7), then journalctl -u oxpulse-front");
}

static void ask_plain(struct check_run *r, unsigned number, bool handshake, http_answer_fn *fn)
{
	struct check_job *j = check_begin(r, number, NULL);
	struct site s;

	if (!j)
		return;
	to_site(r, &s, "/");
	s.ask.handshake_only = handshake;
	s.ask.reply_max = 4 * 1024 * 1024;
	check_started(j, http_client_ask(r->http, &s.ask, fn, j, &j->call));
}

void check_site(struct check_run *r)
{
	if (!r->conf->domain[0]) {
		static const unsigned numbers[] = { 2, 3, 4, 10 };

		for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
			check_say(r, numbers[i], CHECK_FAIL, "Node.Domain is not set: this node is not registered",
				  "refreshd register, or see healthd.conf");
		return;
	}
	ask_site(r, 2, "/api/health", "ok");
	if (r->conf->partner_id[0])
		ask_site(r, 3, "/api/branding", r->conf->partner_id);
	else
		check_say(r, 3, CHECK_SKIP, "Node.PartnerId is not set", NULL);
	ask_plain(r, 4, true, on_handshake);
	ask_plain(r, 10, false, on_page);
}

/* --- the relay ------------------------------------------------------------------------------------------ */

static void ask_stun(struct check_run *r, unsigned number, struct addr at, enum probe_transport t)
{
	const struct probe_stun q = { .at = at, .transport = t, .name = r->conf->turns_name,
				      .ca_file = r->conf->front_ca_file };
	struct check_job *j = check_begin(r, number, NULL);

	if (j)
		check_started(j, probe_stun(&r->env, &q, check_on_probe, j, &j->probe));
}

static void ask_turns_name(struct check_run *r)
{
	const struct probe_peer q = { .host = r->conf->turns_name, .port = PUBLIC_PORT, .transport = PROBE_TLS,
				      .ca_file = r->conf->front_ca_file, .allow_internal = true };
	struct check_job *j;

	if (r->local) {
		ask_stun(r, 9, r->conf->front, PROBE_TLS);
		return;
	}
	j = check_begin(r, 9, NULL);
	if (j)
		check_started(j, probe_peer(&r->env, &q, check_on_probe, j, &j->probe));
}

static void ask_relay(struct check_run *r)
{
	const struct probe_turn q = { .at = r->conf->turn_address, .secret = &r->conf->turn_secret };
	struct check_job *j;

	if (r->conf->turn_secret.n == 0) {
		check_say(r, 8, CHECK_FAIL, "the relay's secret cannot be read",
			  "run this as root; if it still fails the node is not registered");
		return;
	}
	j = check_begin(r, 8, NULL);
	if (j)
		check_started(j, probe_turn(&r->env, &q, check_on_probe, j, &j->probe));
}

void check_relay(struct check_run *r)
{
	static const char *const unset = "Probe.TurnAddress is not set: the node's public address is not known",
				 *const set = "PUBLIC_IP in install.env, then refreshd refresh";
	struct addr tls = r->conf->turn_address;

	tls.port = TURNS_PORT;
	if (addr_is_unset(&r->conf->turn_address)) {
		check_say(r, 5, CHECK_FAIL, unset, set);
		check_say(r, 6, CHECK_FAIL, unset, set);
		check_say(r, 8, CHECK_FAIL, unset, set);
	} else {
		ask_stun(r, 5, r->conf->turn_address, PROBE_UDP);
		if (r->conf->turns_name[0])
			ask_stun(r, 6, tls, PROBE_TLS);
		else
			check_say(r, 6, CHECK_SKIP, "Node.TurnsName is not set", NULL);
		ask_relay(r);
	}
	if (r->conf->turns_name[0])
		ask_turns_name(r);
	else
		check_say(r, 9, CHECK_SKIP, "Node.TurnsName is not set", NULL);
}

/* --- channels ------------------------------------------------------------------------------------------- */

static void ask_tunnel(struct check_run *r, const char *name)
{
	struct check_job *j;
	char part[80], url[URL_MAX], path[URL_MAX];
	struct probe_http q = { .what = part };

	snprintf(part, sizeof(part), "channel %s", name);
	snprintf(url, sizeof(url), "http://%s/api/health", r->conf->channel_host);
	snprintf(path, sizeof(path), "%s/%s", r->conf->channel_directory, name);
	q.ask = (struct http_ask){ .url = url, .unix_socket = path };
	j = check_begin(r, 7, name);
	if (j)
		check_started(j, probe_http(&r->env, &q, check_on_probe, j, &j->probe));
}

void check_tunnels(struct check_run *r)
{
	const char *c = r->conf->channels;
	unsigned n_names = 0;
	char name[OV_NAME_MAX], known[REPORT_NAME_MAX];

	for (size_t n, kept; *c; c += strspn(c, " ,")) {
		n = strcspn(c, " ,");
		kept = n < sizeof(name) ? n : sizeof(name) - 1;
		memcpy(name, c, kept);
		name[kept] = '\0';
		c += n;
		if (n == 0 || strchr(name, '/') || report_channel(name, known) < 0) /* as healthd: ch4 is the relay */
			continue;
		ask_tunnel(r, name);
		n_names++;
	}
	if (n_names == 0)
		check_say(r, 7, CHECK_FAIL, "no channel to central is configured (Probe.Channels)",
			  "refreshd refresh fetches them");
}

/* --- daemons and group calls ---------------------------------------------------------------------------- */

static const char *refusal(const struct varlink_answer *a, char *buf, size_t cap)
{
	if (a->r == ERR_UNEXPECTED)
		snprintf(buf, cap, "it refuses to say (%s)", a->error);
	else if (a->r == -ENOENT || a->r == -ECONNREFUSED)
		snprintf(buf, cap, "it is not running: nobody listens on its control socket");
	else
		snprintf(buf, cap, "no answer on its control socket: %s", err_str(a->r));
	return buf;
}

static const char *fix_of_daemon(const struct check_job *j, char *buf, size_t cap, int r)
{
	const char *name = strrchr(j->check->name, '_');

	if (r == ERR_UNEXPECTED || r == -EACCES)
		snprintf(buf, cap, "run this as root");
	else
		snprintf(buf, cap, "systemctl status oxpulse-%s, journalctl -u oxpulse-%s", name ? name + 1 : "",
			 name ? name + 1 : "");
	return buf;
}

static void on_status(const struct varlink_answer *a, void *arg)
{
	struct check_job *j = arg;
	char cause[160], fix[160], state[32] = "";

	if (a->r < 0) {
		check_done(j, CHECK_FAIL, refusal(a, cause, sizeof(cause)), fix_of_daemon(j, fix, sizeof(fix), a->r));
		return;
	}
	(void)json_get_str(a->doc, a->params, "state", state, sizeof(state), NULL);
	snprintf(cause, sizeof(cause), "its state is %s", state);
	check_done(j, strcmp(state, "serving") == 0 ? CHECK_OK : CHECK_FAIL, cause,
		   "a drain cannot be taken back: systemctl restart it when its sessions are over");
}

static void ask_control(struct check_run *r, struct check_job *j, const char *daemon, const char *method,
			varlink_answer_fn *fn)
{
	char path[URL_MAX];

	snprintf(path, sizeof(path), "%s/%s", r->conf->control_directory, daemon);
	check_started(j, varlink_ask(r->loop, path, method, span_of("", 0), r->conf->timeout, fn, j, &j->ask));
}

/* The front has no control socket: any answer of its HTTPS will do here, its content is check 2's. */
static void on_front(const struct http_answer *a, void *arg)
{
	struct check_job *j = arg;

	j->check->us = a->connect_us;
	check_done(j, a->r < 0 ? CHECK_FAIL : CHECK_OK, a->why,
		   "systemctl status oxpulse-front, journalctl -u oxpulse-front");
}

void check_daemons(struct check_run *r)
{
	static const char *const daemons[] = { "sfud", "turnd", "tunneld", "healthd" };
	struct check_job *j = check_begin(r, 1, "front");
	const struct healthd_conf *c = r->conf;
	char url[URL_MAX], pin[URL_MAX], at[ADDR_TEXT_MAX];

	snprintf(url, sizeof(url), "https://%s:%u/", c->domain[0] ? c->domain : "localhost", c->front.port);
	snprintf(pin, sizeof(pin), "%s:%u:%s", c->domain[0] ? c->domain : "localhost", c->front.port,
		 addr_fmt_ip(&c->front, at));
	if (j) {
		const struct http_ask q = { .method = "GET", .url = url, .pin = pin, .handshake_only = true,
					    .timeout_us = c->timeout,
					    .ca_file = c->front_ca_file[0] ? c->front_ca_file : NULL };

		check_started(j, http_client_ask(r->http, &q, on_front, j, &j->call));
	}
	for (size_t i = 0; i < ARRAY_LEN(daemons); i++) {
		j = check_begin(r, 1, daemons[i]);
		if (j)
			ask_control(r, j, daemons[i], "io.oxpulse.Edge.Status", on_status);
	}
}

static void judge_metrics(struct check_job *j, struct span page)
{
	struct prom_merge *m = prom_merge_new();
	uint32_t line = 0;
	uint64_t rooms;
	char cause[128];
	int r = m ? prom_merge_add(m, page, &line) : ERR_NOMEM;

	prom_merge_free(m);
	if (r < 0)
		snprintf(cause, sizeof(cause), "line %u of its page is not what Prometheus reads", line);
	else if (!prom_sum(page, "sfu_active_rooms", &rooms))
		snprintf(cause, sizeof(cause), "its page has no sfu_active_rooms");
	else {
		check_done(j, CHECK_OK, NULL, NULL);
		return;
	}
	check_done(j, CHECK_FAIL, cause, "this is a fault of sfud: please report it with its version");
}

static void on_metrics(const struct varlink_answer *a, void *arg)
{
	struct check_job *j = arg;
	char cause[160], *text = malloc(PROM_PAGE_MAX);
	size_t n;

	if (a->r == ERR_UNEXPECTED && strcmp(a->error, "org.varlink.service.PermissionDenied") == 0)
		check_done(j, CHECK_SKIP, "this user may not ask sfud for its metrics", "run this as root");
	else if (a->r < 0)
		check_done(j, CHECK_FAIL, refusal(a, cause, sizeof(cause)), "see check 1 of sfud");
	else if (!text || json_get_str(a->doc, a->params, "text", text, PROM_PAGE_MAX, &n) < 0)
		check_done(j, CHECK_FAIL, "sfud's metrics cannot be read",
			   "this is a fault of sfud: please report it with its version");
	else
		judge_metrics(j, span_of(text, n));
	free(text);
}

void check_sfu(struct check_run *r)
{
	const struct probe_sfu q = {
		.signal = r->conf->sfu_signal, .secret = &r->conf->sfu_secret, .media = r->conf->sfu_media};
	struct check_job *j;

	if (r->conf->sfu_secret.n == 0) {
		check_say(r, 11, CHECK_FAIL, "the key of room tokens cannot be read",
			  "run this as root; if it still fails the node is not registered");
	} else {
		j = check_begin(r, 11, NULL);
		if (j)
			check_started(j, probe_sfu(&r->env, &q, check_on_probe, j, &j->probe));
	}
	j = check_begin(r, 12, NULL);
	if (j)
		ask_control(r, j, "sfud", "io.oxpulse.Edge.Metrics", on_metrics);
}

void check_canaries(struct check_run *r)
{
	static const char *const paths[] = { "/canary/tunnel", "/canary/upstream" };
	char at[ADDR_TEXT_MAX], url[URL_MAX];

	for (unsigned i = 0; i < ARRAY_LEN(paths); i++) {
		struct check_job *j = check_begin(r, 13 + i, NULL);
		struct probe_http q = { .what = paths[i] };

		if (!j)
			continue;
		snprintf(url, sizeof(url), "http://%s%s", addr_fmt(&r->conf->canary, at), paths[i]);
		q.ask = (struct http_ask){ .url = url };
		check_started(j, probe_http(&r->env, &q, check_on_probe, j, &j->probe));
	}
}

/* --- central -------------------------------------------------------------------------------------------- */

static void judge_clock(struct check_run *r, const struct http_answer *a)
{
	wall_t now = loop_wall(r->loop);
	uint64_t off = now.us > a->date.us ? now.us - a->date.us : a->date.us - now.us;
	char cause[128];

	snprintf(cause, sizeof(cause), "this host's clock is %llu s %s central's", (unsigned long long)(off / US_PER_SEC),
		 now.us > a->date.us ? "ahead of" : "behind");
	if (a->r < 0 || a->date.us == 0)
		check_say(r, 20, CHECK_SKIP,
			  a->r < 0 ? "central did not answer (check 19)" : "central's answer has no Date", NULL);
	else
		check_say(r, 20, off <= CLOCK_OFF ? CHECK_OK : CHECK_FAIL, cause,
			  "timedatectl set-ntp true; tokens and relay passwords end by the clock");
}

static void on_token(const struct http_answer *a, void *arg)
{
	struct check_job *j = arg;
	struct check_run *r = j->run;
	char cause[HTTP_WHY_MAX];

	j->check->us = a->total_us;
	snprintf(cause, sizeof(cause), "central answered with status %d", a->status);
	judge_clock(r, a);
	if (a->r < 0)
		check_done(j, CHECK_FAIL, a->why,
			   "see whether this host reaches central: its DNS, its firewall, Central.Url and CaFile");
	else if (a->status == 200 || a->status == 503)
		check_done(j, CHECK_OK, NULL, NULL);
	else if (a->status == 401 || a->status == 403)
		check_done(j, CHECK_FAIL, cause,
			   "the service token is not accepted: ask central's admin for partner-cli rotate-service-token");
	else
		check_done(j, CHECK_WARN, cause, "central may be of another version, or busy; try again later");
}

void check_central(struct check_run *r)
{
	struct check_job *j;
	char url[URL_MAX];
	const struct http_ask q = { .method = "GET", .url = url, .bearer = &r->conf->token, .timeout_us = DUR_SEC(15),
				    .ca_file = r->conf->ca_file[0] ? r->conf->ca_file : NULL };

	if (r->local || !r->conf->url[0]) {
		const char *why = r->local ? "not asked: --local" : "Central.Url is not set";

		check_say(r, 19, CHECK_SKIP, why, NULL);
		check_say(r, 20, CHECK_SKIP, why, NULL);
		return;
	}
	if (r->conf->token.n == 0) {
		check_say(r, 19, CHECK_FAIL, "the service token cannot be read",
			  "run this as root; if there is none, ask central's admin for partner-cli rotate-service-token");
		check_say(r, 20, CHECK_SKIP, "central is not asked without a token", NULL);
		return;
	}
	snprintf(url, sizeof(url), "%s/api/partner/hy2-credentials", r->conf->url);
	j = check_begin(r, 19, NULL);
	if (j)
		check_started(j, http_client_ask(r->http, &q, on_token, j, &j->call));
}
