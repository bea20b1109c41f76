/* SPDX-License-Identifier: AGPL-3.0-only */
/* One run: every probe and every daemon's Status at once, then the verdict, then the reports. One run at a time. */
#include <errno.h>
#include <stdio.h>

#include "healthd/healthd.h"
#include "healthd/verdict/verdict.h"
#include "sys/log.h"

#define STATUS "io.oxpulse.Edge.Status"

/* --- what is probed ------------------------------------------------------------------------------------- */

static void name_probe(struct ov_probe *p, const char *name)
{
	if (strcmp(p->name, name) == 0)
		return;
	memset(p, 0, sizeof(*p)); /* another one's history is not this one's */
	snprintf(p->name, sizeof(p->name), "%s", name);
}

/* Those that nobody here can probe are named once, so that nobody waits for their report. The name is part of a path. */
static bool is_tunnel(const char *id)
{
	char name[REPORT_NAME_MAX];

	for (const char *c = id; *c; c++) {
		bool alnum = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9');

		if (!alnum && *c != '-' && *c != '_') {
			log_warn("channel %s is not probed: a name has letters, digits, - and _ only", id);
			return false;
		}
	}
	if (report_channel(id, name) == 0)
		return true;
	log_notice("channel %s is not probed: only ch1, ch2 and ch3 carry requests here; ch4 is the relay", id);
	return false;
}

static void setup_channels(struct healthd *d)
{
	const char *c = d->conf.channels;
	int at = PROBED_CHANNEL;

	while (*c) {
		char word[OV_NAME_MAX];
		size_t n = strcspn(c, " ,");

		snprintf(word, sizeof(word), "%.*s", (int)(n < sizeof(word) ? n : sizeof(word) - 1), c);
		if (n && at < PROBED_MAX_ && is_tunnel(word))
			name_probe(&d->ov.probe[at++], word);
		c += n;
		c += strspn(c, " ,");
	}
	for (; at < PROBED_MAX_; at++)
		name_probe(&d->ov.probe[at], "");
}

void run_setup(struct healthd *d)
{
	const struct healthd_conf *c = &d->conf;
	struct ov_probe *p = d->ov.probe;

	name_probe(&p[PROBED_FRONT], c->domain[0] && !addr_is_unset(&c->front) ? "front" : "");
	name_probe(&p[PROBED_TURNS], c->turns_name[0] && !addr_is_unset(&c->front) ? "turns" : "");
	name_probe(&p[PROBED_TURN], addr_is_unset(&c->turn_address) ? "" : "turn");
	name_probe(&p[PROBED_SFU], c->sfu_secret.n && !addr_is_unset(&c->sfu_signal) ? "sfu" : "");
	setup_channels(d);
}

/* --- the end of it -------------------------------------------------------------------------------------- */

static void log_change(const struct ov_probe *p, const struct probe_result *r)
{
	if (r->ok && (!p->known || !p->ok))
		log_info("%s works: %s, %llu us", p->name, r->mode, (unsigned long long)r->us);
	else if (!r->ok && (!p->known || p->ok))
		log_warn("%s fails: %s; %s", p->name, r->cause[0] ? r->cause : r->reason, r->fix);
}

static void learn(struct healthd *d, enum probed which, const struct probe_result *r)
{
	struct ov_probe *p = &d->ov.probe[which];
	mono_t now = loop_now(d->loop);

	log_change(p, r);
	p->known = true;
	p->ok = r->ok;
	p->answered = r->ok || strcmp(r->reason, "status") == 0;
	p->us = r->us;
	p->at = loop_wall(d->loop);
	snprintf(p->mode, sizeof(p->mode), "%s", r->mode);
	snprintf(p->reason, sizeof(p->reason), "%s", r->reason);
	snprintf(p->cause, sizeof(p->cause), "%s", r->cause);
	snprintf(p->fix, sizeof(p->fix), "%s", r->fix);
	if (r->certificate_until.us)
		p->certificate_until = r->certificate_until;
	if (r->ok) {
		p->good++;
		history_add(&p->rtt, now, r->us);
	} else {
		p->bad++;
		history_fail(&p->rtt, now);
	}
}

/* nginx has no control socket: its port says whether it is there. */
static void learn_front(struct healthd *d)
{
	const struct ov_probe *p = &d->ov.probe[PROBED_FRONT];
	struct ov_daemon *one = &d->ov.daemon[DAEMON_FRONT];

	one->life = !p->name[0] || !p->known || ov_is_own_fault(p) ? LIFE_UNKNOWN :
		    strcmp(p->reason, "refused") == 0              ? LIFE_GONE :
		    strcmp(p->reason, "timeout") == 0              ? LIFE_SILENT :
								     LIFE_ALIVE;
}

static void settle(struct healthd *d)
{
	const char *mode = d->ov.probe[PROBED_TURN].mode;

	learn_front(d);
	d->turn_skipped = mode[0] == '\0' || strcmp(mode, "stun-degraded") == 0 ? d->turn_skipped + 1 : 0;
	facts_read(d);
	d->ov.first_run_done = true;
	repair_look(d);
	post_begin(d);
}

static void one_less(struct healthd *d)
{
	if (--d->run.pending == 0)
		settle(d);
}

void run_posted(struct healthd *d)
{
	d->run.active = false;
	d->ov.run.done = true;
}

/* --- results -------------------------------------------------------------------------------------------- */

static void on_probe(const struct probe_result *r, void *arg)
{
	struct probe_slot *s = arg;

	s->probe = NULL;
	learn(s->d, s->which, r);
	one_less(s->d);
}

/* Where nothing was sent, or the trouble may be ours, there is no word about the peer. */
static void on_peer(const struct probe_result *r, void *arg)
{
	struct peer_probe *p = arg;
	struct healthd *d = p->d;
	p->probe = NULL;
	p->judged = strcmp(r->reason, "internal-address") != 0 && strcmp(r->reason, "no-address") != 0 &&
		    strcmp(r->reason, OV_REASON_LOCAL) != 0;
	p->at = loop_wall(d->loop);
	p->result = *r;
	if (!p->judged) {
		d->stats.peers_refused++;
		log_notice("peer %s is not judged: %s", p->peer.id, r->cause[0] ? r->cause : r->reason);
	} else if (r->ok) {
		d->stats.peers_ok++;
	} else {
		d->stats.peers_failed++;
	}
	one_less(d);
}

static void on_status(const struct varlink_answer *a, void *arg)
{
	struct status_ask *s = arg;
	struct ov_daemon *one = &s->d->ov.daemon[s->which];

	s->ask = NULL;
	one->state[0] = '\0';
	one->sessions = one->uptime = 0;
	if (a->r == 0) {
		one->life = LIFE_ALIVE;
		(void)json_get_str(a->doc, a->params, "state", one->state, sizeof(one->state), NULL);
		(void)json_get_str(a->doc, a->params, "version", one->version, sizeof(one->version), NULL);
		(void)json_get_u64(a->doc, a->params, "sessions", &one->sessions);
		(void)json_get_u64(a->doc, a->params, "uptime", &one->uptime);
	} else if (a->r == ERR_UNEXPECTED) {
		one->life = LIFE_ALIVE;
		log_warn("%s refuses to tell its status (%s): is Control.HealthUser of its configuration this user?",
			 ov_daemon_names[s->which], a->error);
	} else {
		one->life = a->r == -ENOENT || a->r == -ECONNREFUSED ? LIFE_GONE
			    : a->r == -EACCES                        ? LIFE_UNKNOWN
								     : LIFE_SILENT;
	}
	one_less(s->d);
}

/* --- the start ------------------------------------------------------------------------------------------ */

/* What could not even begin is said, but it is no word about the daemon. */
static void no_start(struct healthd *d, enum probed which, int r)
{
	struct probe_result failed = { .reason = OV_REASON_LOCAL };

	snprintf(failed.cause, sizeof(failed.cause), "the probe could not begin: %s", err_str(r));
	snprintf(failed.fix, sizeof(failed.fix), "see what this host is short of: descriptors, memory, threads");
	learn(d, which, &failed);
}

static int start_http(struct healthd *d, const struct probe_env *e, enum probed which, struct probe_slot *s)
{
	const struct healthd_conf *c = &d->conf;
	char url[HEALTHD_PATH_MAX], path[HEALTHD_PATH_MAX], pin[HEALTHD_PATH_MAX], at[ADDR_TEXT_MAX];
	struct probe_http q = { 0 };

	if (which == PROBED_FRONT) {
		snprintf(url, sizeof(url), "https://%s:%u/api/health", c->domain, c->front.port);
		snprintf(pin, sizeof(pin), "%s:%u:%s", c->domain, c->front.port, addr_fmt_ip(&c->front, at));
		q.ask = (struct http_ask){ .url = url, .pin = pin, .ca_file = c->front_ca_file[0] ? c->front_ca_file : NULL };
		q.what = "the site";
		return probe_http(e, &q, on_probe, s, &s->probe);
	}
	if (!facts_path(path, c->channel_directory, d->ov.probe[which].name))
		return ERR_LIMIT;
	snprintf(url, sizeof(url), "http://%s/api/health", c->channel_host);
	q.ask = (struct http_ask){ .url = url, .unix_socket = path };
	snprintf(pin, sizeof(pin), "channel %s", d->ov.probe[which].name);
	q.what = pin;
	return probe_http(e, &q, on_probe, s, &s->probe);
}

static int start_probe(struct healthd *d, enum probed which)
{
	const struct probe_env e = { d->loop, d->http, d->conf.timeout };
	const struct healthd_conf *c = &d->conf;
	struct probe_slot *s = &d->run.slot[which];

	*s = (struct probe_slot){ .d = d, .which = which };
	if (which == PROBED_TURN) {
		const struct probe_turn q = { .at = c->turn_address, .secret = &c->turn_secret };

		return probe_turn(&e, &q, on_probe, s, &s->probe);
	}
	if (which == PROBED_SFU) {
		const struct probe_sfu q = { .signal = c->sfu_signal, .secret = &c->sfu_secret, .media = c->sfu_media };

		return probe_sfu(&e, &q, on_probe, s, &s->probe);
	}
	if (which == PROBED_TURNS) {
		const struct probe_stun q = { .at = c->front, .transport = PROBE_TLS, .name = c->turns_name,
					      .ca_file = c->front_ca_file };

		return probe_stun(&e, &q, on_probe, s, &s->probe);
	}
	return start_http(d, &e, which, s);
}

static void start_peers(struct healthd *d)
{
	const struct probe_env e = { d->loop, d->http, d->conf.timeout };
	const struct roster_peer *pick[ROSTER_PICK];
	static struct roster roster;
	uint32_t n;

	d->run.n_peers = 0;
	if (!d->conf.peers || d->conf.cross_probe_token.n == 0 || facts_roster(d, &roster) < 0)
		return;
	n = roster_pick(&roster, d->conf.id, &d->roster_offset, pick);
	for (uint32_t i = 0; i < 2 * n; i++) {
		struct peer_probe *p = &d->run.peer[d->run.n_peers];
		bool udp = i & 1;
		const struct probe_peer q = { .host = pick[i / 2]->host, .transport = udp ? PROBE_UDP : PROBE_TLS,
					      .port = udp ? pick[i / 2]->udp_port : pick[i / 2]->turns_port,
					      .allow_internal = d->conf.peers_internal };

		*p = (struct peer_probe){ .d = d, .peer = *pick[i / 2], .udp = udp };
		d->run.pending++;
		if (probe_peer(&e, &q, on_peer, p, &p->probe) < 0)
			d->run.pending--;
		else
			d->run.n_peers++;
	}
}

static void start_statuses(struct healthd *d)
{
	for (int i = 0; i < DAEMON_MAX_; i++) {
		struct status_ask *s = &d->run.status[i];
		char path[HEALTHD_PATH_MAX];

		*s = (struct status_ask){ .d = d, .which = (enum ov_daemon_name)i };
		if (i == DAEMON_FRONT || !facts_path(path, d->conf.control_directory, ov_daemon_names[i]))
			continue;
		d->run.pending++;
		if (varlink_ask(d->loop, path, STATUS, span_of("", 0), d->conf.timeout, on_status, s, &s->ask) < 0) {
			d->ov.daemon[i].life = LIFE_UNKNOWN; /* what it said last is no answer */
			d->run.pending--;
		}
	}
}

uint64_t run_begin(struct healthd *d, bool by_itself)
{
	struct ov_run *run = &d->ov.run;
	uint64_t grace = by_itself && run->number ? 0 : d->conf.interval / 2; /* of the timer that is to ask next */
	int r;

	timer_set(d->run_timer, mono_add(loop_now(d->loop), d->conf.interval + grace));
	d->ov.timer_missing &= by_itself;
	if (d->run.active) {
		d->stats.runs_joined++;
		return run->number;
	}
	*run = (struct ov_run){ .number = run->number + 1, .at = loop_wall(d->loop), .by_itself = by_itself };
	d->stats.runs++;
	d->stats.runs_by_itself += by_itself;
	d->run.active = true;
	d->run.began = loop_now(d->loop);
	pages_load(d); /* now: later our own probes are among those who call */
	d->run.pending = 1; /* ours, so that nothing ends before all has begun */
	for (int i = 0; i < PROBED_MAX_; i++) {
		if (!d->ov.probe[i].name[0])
			continue;
		d->run.pending++;
		r = start_probe(d, (enum probed)i);
		if (r < 0) {
			no_start(d, (enum probed)i, r);
			d->run.pending--;
		}
	}
	start_statuses(d);
	start_peers(d);
	one_less(d);
	return run->number;
}

void run_cancel(struct healthd *d)
{
	struct run *run = &d->run;

	if (!run->active)
		return;
	for (int i = 0; i < PROBED_MAX_; i++) {
		probe_cancel(run->slot[i].probe);
		run->slot[i].probe = NULL;
	}
	for (uint32_t i = 0; i < run->n_peers; i++) {
		probe_cancel(run->peer[i].probe);
		run->peer[i].probe = NULL;
	}
	for (int i = 0; i < DAEMON_MAX_; i++) {
		varlink_ask_cancel(run->status[i].ask);
		run->status[i].ask = NULL;
	}
	post_cancel(d);
	run_posted(d);
}
