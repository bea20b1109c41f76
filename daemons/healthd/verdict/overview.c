/* SPDX-License-Identifier: AGPL-3.0-only */
#include "healthd/verdict/overview.h"

#include "healthd/verdict/members.h"
#include "healthd/verdict/report.h"
#include "healthd/verdict/verdict.h"

bool ov_is_own_fault(const struct ov_probe *p)
{
	return !p->ok && strcmp(p->reason, OV_REASON_LOCAL) == 0;
}

bool ov_is_degraded(const struct ov_probe *p)
{
	return p->ok && strcmp(p->mode, "stun-degraded") == 0;
}

static void when(struct json_out *o, const char *key, wall_t at)
{
	char buf[REPORT_TIME_MAX];

	member_text(o, key, at.us ? report_time(at, buf) : "");
}

/* --- probes --------------------------------------------------------------------------------------------- */

static void write_result(struct json_out *o, const struct ov_probe *p)
{
	member_text(o, "name", p->name);
	member_truth(o, "known", p->known);
	member_truth(o, "ok", p->known && p->ok);
	member_number(o, "rtt_us", p->us);
	member_text(o, "mode", p->mode);
	member_text(o, "reason", p->reason);
	member_text(o, "cause", p->cause);
	member_text(o, "fix", p->fix);
}

static void write_probe(struct json_out *o, const struct ov_probe *p, mono_t now)
{
	struct history_sum s;

	history_sum(&p->rtt, now, &s);
	jo_obj(o);
	write_result(o, p);
	when(o, "at", p->at);
	member_number(o, "good", p->good);
	member_number(o, "bad", p->bad);
	member_number(o, "rtt_median_us", s.median);
	member_number(o, "rtt_most_us", s.most);
	member_number(o, "failed_24h", s.failed);
	jo_obj_end(o);
}

static void write_probes(struct json_out *o, const struct overview *v, int from, int to, mono_t now)
{
	jo_arr(o);
	for (int i = from; i < to; i++) {
		if (v->probe[i].name[0])
			write_probe(o, &v->probe[i], now);
	}
	jo_arr_end(o);
}

/* --- the rest ------------------------------------------------------------------------------------------- */

static const char *life_str(enum ov_life l)
{
	static const char *const names[] = {
		[LIFE_UNKNOWN] = "unknown", [LIFE_GONE] = "gone", [LIFE_SILENT] = "silent", [LIFE_ALIVE] = "alive",
	};

	return names[l];
}

static void write_daemons(struct json_out *o, const struct overview *v, mono_t now)
{
	static const char *const serves[] = {
		[REPAIR_UNKNOWN] = "unknown", [REPAIR_SERVES] = "yes", [REPAIR_FAILS_TO_SERVE] = "no",
	};

	jo_arr(o);
	for (int i = 0; i < DAEMON_MAX_; i++) {
		const struct ov_daemon *d = &v->daemon[i];

		jo_obj(o);
		member_text(o, "name", ov_daemon_names[i]);
		member_text(o, "life", life_str(d->life));
		member_text(o, "state", d->state);
		member_text(o, "serves", serves[verdict_serves(v, (enum ov_daemon_name)i)]);
		member_text(o, "version", d->version);
		member_number(o, "sessions", d->sessions);
		member_number(o, "uptime", d->uptime);
		member_text(o, "repair", repair_act_str(d->act));
		member_number(o, "restarts", repair_spent(&d->repair, &v->repair_conf, now));
		jo_obj_end(o);
	}
	jo_arr_end(o);
}

static void write_verdict(struct json_out *o, const struct overview *v, wall_t wall)
{
	struct verdict t;

	verdict_node(v, wall, &t);
	member_text(o, "verdict", verdict_str(t.state));
	jo_key(o, "problems");
	jo_arr(o);
	for (uint32_t i = 0; i < t.n; i++) {
		jo_obj(o);
		member_text(o, "state", verdict_str(t.line[i].state));
		member_text(o, "text", t.line[i].text);
		jo_obj_end(o);
	}
	jo_arr_end(o);
}

static void write_repairs(struct json_out *o, const struct overview *v)
{
	uint64_t n = v->n_repaired < OV_REPAIRS_MAX ? v->n_repaired : OV_REPAIRS_MAX;

	jo_arr(o);
	for (uint64_t i = 0; i < n; i++) {
		const struct ov_repair *r = &v->repaired[(v->n_repaired - 1 - i) % OV_REPAIRS_MAX];

		jo_obj(o);
		when(o, "at", r->at);
		member_text(o, "daemon", ov_daemon_names[r->daemon]);
		member_text(o, "outcome", r->outcome);
		jo_obj_end(o);
	}
	jo_arr_end(o);
}

static void write_reports(struct json_out *o, const struct ov_run *run)
{
	jo_arr(o);
	for (uint32_t i = 0; i < run->n_reports; i++) {
		const struct ov_report *r = &run->report[i];

		jo_obj(o);
		member_text(o, "name", r->name);
		member_text(o, "target", r->target);
		member_number(o, "status", (uint64_t)r->status);
		member_text(o, "verdict", report_verdict_str(report_judge(r->status)));
		member_text(o, "why", r->why);
		jo_obj_end(o);
	}
	jo_arr_end(o);
}

static void write_run(struct json_out *o, const struct ov_run *run)
{
	member_number(o, "run", run->number);
	member_truth(o, "done", run->done);
	when(o, "probed_at", run->at);
}

static void write_certificates(struct json_out *o, const struct overview *v, wall_t wall)
{
	jo_arr(o);
	for (int i = 0; i < PROBED_MAX_; i++) {
		const struct ov_probe *p = &v->probe[i];

		if (!p->name[0] || p->certificate_until.us == 0)
			continue;
		jo_obj(o);
		member_text(o, "name", p->name);
		when(o, "until", p->certificate_until);
		member_number(o, "days",
		       p->certificate_until.us > wall.us ? (p->certificate_until.us - wall.us) / DUR_SEC(86400) : 0);
		jo_obj_end(o);
	}
	jo_arr_end(o);
}

static void write_changes(struct json_out *o, const struct overview *v)
{
	jo_arr(o);
	for (uint32_t i = 0; i < v->n_changes; i++) {
		const struct ov_change *c = &v->change[i];

		jo_obj(o);
		member_number(o, "number", c->number);
		member_text(o, "reason", c->reason);
		member_text(o, "made_at", c->made_at);
		member_truth(o, "current", c->current);
		jo_obj_end(o);
	}
	jo_arr_end(o);
}

static void write_timers(struct json_out *o, const struct overview *v)
{
	jo_arr(o);
	for (uint32_t i = 0; i < v->n_timers; i++) {
		jo_obj(o);
		member_text(o, "name", v->timer[i].name);
		when(o, "last", v->timer[i].last);
		jo_obj_end(o);
	}
	jo_arr_end(o);
}

static void write_load(struct json_out *o, const struct overview *v)
{
	jo_key(o, "calls");
	jo_obj(o);
	member_truth(o, "known", v->calls_known);
	member_number(o, "rooms", v->rooms);
	member_number(o, "participants", v->participants);
	jo_obj_end(o);
	jo_key(o, "relay");
	jo_obj(o);
	member_truth(o, "known", v->relay_known);
	member_number(o, "allocations", v->allocations);
	member_number(o, "bytes", v->relayed_bytes);
	member_number(o, "bytes_per_second", v->relay_rate);
	jo_obj_end(o);
}

void overview_write(const struct overview *v, mono_t now, wall_t wall, struct json_out *o)
{
	member_text(o, "node", v->id);
	member_text(o, "partner", v->partner);
	member_text(o, "domain", v->domain);
	member_text(o, "version", v->version);
	when(o, "now", wall);
	member_number(o, "uptime", mono_since(now, v->started) / US_PER_SEC);
	write_verdict(o, v, wall);
	write_run(o, &v->run);
	member_truth(o, "timer_missing", v->timer_missing);
	jo_key(o, "channels");
	write_probes(o, v, PROBED_CHANNEL, PROBED_MAX_, now);
	jo_key(o, "probes");
	write_probes(o, v, 0, PROBED_CHANNEL, now);
	jo_key(o, "daemons");
	write_daemons(o, v, now);
	write_load(o, v);
	jo_key(o, "certificates");
	write_certificates(o, v, wall);
	jo_key(o, "timers");
	write_timers(o, v);
	jo_key(o, "changes");
	write_changes(o, v);
	jo_key(o, "repairs");
	write_repairs(o, v);
	member_text(o, "not_reported", v->run.not_reported);
	member_truth(o, "no_token", v->run.no_token);
	jo_key(o, "reports");
	write_reports(o, &v->run);
}

/* Channels here are all that was probed: whoever verifies a change asks for each. */
void overview_write_verdicts(const struct overview *v, struct json_out *o)
{
	write_run(o, &v->run);
	jo_key(o, "channels");
	jo_arr(o);
	for (int k = 0; k < PROBED_MAX_; k++) {
		int i = (k + PROBED_CHANNEL) % PROBED_MAX_;

		if (!v->probe[i].name[0])
			continue;
		jo_obj(o);
		write_result(o, &v->probe[i]);
		jo_obj_end(o);
	}
	jo_arr_end(o);
	member_text(o, "not_reported", v->run.not_reported);
	member_truth(o, "no_token", v->run.no_token);
	jo_key(o, "reports");
	write_reports(o, &v->run);
	jo_key(o, "repair");
	write_repairs(o, v);
}
