/* SPDX-License-Identifier: AGPL-3.0-only */
#include "healthd/verdict/verdict.h"

#include "healthd/verdict/report.h"

const char *const ov_daemon_names[DAEMON_MAX_] = {
	[DAEMON_FRONT] = "front", [DAEMON_SFUD] = "sfud", [DAEMON_TURND] = "turnd", [DAEMON_TUNNELD] = "tunneld",
};

static const enum probed probe_of[DAEMON_MAX_] = {
	[DAEMON_FRONT] = PROBED_FRONT, [DAEMON_SFUD] = PROBED_SFU, [DAEMON_TURND] = PROBED_TURN,
};

const char *verdict_str(enum verdict_state s)
{
	static const char *const names[] = {
		[VERDICT_UNKNOWN] = "unknown", [VERDICT_OK] = "ok", [VERDICT_WARN] = "warning", [VERDICT_FAILED] = "failed",
	};

	return names[s];
}

/* --- daemons -------------------------------------------------------------------------------------------- */

struct count {
	uint32_t ok, failed;
};

static struct count channels(const struct overview *v)
{
	struct count c = { 0 };

	for (int i = PROBED_CHANNEL; i < PROBED_MAX_; i++) {
		const struct ov_probe *p = &v->probe[i];

		c.ok += p->name[0] && p->known && p->ok;
		c.failed += p->name[0] && p->known && !p->ok && !ov_is_own_fault(p);
	}
	return c;
}

enum repair_serves verdict_serves(const struct overview *v, enum ov_daemon_name d)
{
	const struct ov_probe *p = &v->probe[probe_of[d]];
	struct count c = channels(v);

	if (d == DAEMON_TUNNELD)
		return c.ok ? REPAIR_SERVES : c.failed ? REPAIR_FAILS_TO_SERVE : REPAIR_UNKNOWN;
	if (!p->name[0] || !p->known || ov_is_own_fault(p))
		return REPAIR_UNKNOWN;
	return p->ok || (d == DAEMON_FRONT && p->answered) ? REPAIR_SERVES : REPAIR_FAILS_TO_SERVE;
}

struct repair_seen verdict_seen(const struct overview *v, enum ov_daemon_name d)
{
	const struct ov_daemon *one = &v->daemon[d];

	return (struct repair_seen){
		.alive = one->life == LIFE_ALIVE || one->life == LIFE_SILENT,
		.leaving = one->state[0] && strcmp(one->state, "serving") != 0,
		.uptime = one->uptime * US_PER_SEC,
		.serves = verdict_serves(v, d),
	};
}

/* --- the node ------------------------------------------------------------------------------------------- */

static void say(struct verdict *t, enum verdict_state s, const char *const *words, size_t n)
{
	struct verdict_line *l;
	struct wr w;

	if (s > t->state)
		t->state = s;
	if (t->n == VERDICT_LINES_MAX)
		return;
	l = &t->line[t->n++];
	w = wr_from(l->text, sizeof(l->text) - 1);
	for (size_t i = 0; i < n; i++)
		wr_str(&w, words[i]);
	l->text[wr_len(&w)] = '\0';
	l->state = s;
}
#define SAY(t, s, ...)                                                                                      \
	do {                                                                                                 \
		const char *const words_[] = { __VA_ARGS__ };                                                \
		say(t, s, words_, ARRAY_LEN(words_));                                                        \
	} while (0)

/* A probe's cause may begin with what it was about. */
static void judge_probe(struct verdict *t, const struct ov_probe *p, const char *what, enum verdict_state bad)
{
	const char *cause = p->cause[0] ? p->cause : p->reason;
	bool named = strncmp(cause, what, strlen(what)) == 0;

	if (p->name[0] && p->known && !p->ok)
		SAY(t, bad, named ? "" : what, named ? "" : ": ", cause, p->fix[0] ? " — " : "", p->fix);
}

static bool is_gone(const struct overview *v, enum ov_daemon_name d)
{
	return v->daemon[d].life == LIFE_GONE;
}

static void judge_channels(struct verdict *t, const struct overview *v)
{
	struct count c = channels(v);
	char what[OV_NAME_MAX + 16] = "channel ";

	if (is_gone(v, DAEMON_TUNNELD))
		return;
	if (c.failed && !c.ok)
		SAY(t, VERDICT_FAILED, "no channel to the central system carries requests; the site answers nobody");
	for (int i = PROBED_CHANNEL; i < PROBED_MAX_; i++) {
		memcpy(what + 8, v->probe[i].name, OV_NAME_MAX);
		judge_probe(t, &v->probe[i], what, VERDICT_WARN);
	}
}

/* What a daemon that does not run cannot do need not be said again. */
static void judge_services(struct verdict *t, const struct overview *v)
{
	bool answers = verdict_serves(v, DAEMON_FRONT) == REPAIR_SERVES;

	if (!is_gone(v, DAEMON_FRONT))
		judge_probe(t, &v->probe[PROBED_FRONT], "the site", answers ? VERDICT_WARN : VERDICT_FAILED);
	judge_channels(t, v);
	if (!is_gone(v, DAEMON_TURND))
		judge_probe(t, &v->probe[PROBED_TURN], "the relay", VERDICT_FAILED);
	if (v->probe[PROBED_TURN].name[0] && ov_is_degraded(&v->probe[PROBED_TURN]))
		SAY(t, VERDICT_WARN, "the relay answers, but nobody knows whether it relays: healthd has no secret to allocate with"
		    " — see Probe.TurnSecretFile of healthd.conf");
	if (!is_gone(v, DAEMON_SFUD))
		judge_probe(t, &v->probe[PROBED_SFU], "group calls", VERDICT_FAILED);
	if (!is_gone(v, DAEMON_TURND) && !is_gone(v, DAEMON_FRONT))
		judge_probe(t, &v->probe[PROBED_TURNS], "the relay on port 443", VERDICT_WARN);
}

static void judge_daemons(struct verdict *t, const struct overview *v)
{
	for (int i = 0; i < DAEMON_MAX_; i++) {
		const struct ov_daemon *d = &v->daemon[i];
		const char *name = ov_daemon_names[i];

		if (d->life == LIFE_GONE)
			SAY(t, VERDICT_FAILED, name, " is not running — systemctl status oxpulse-", name, " says why");
		else if (d->life == LIFE_SILENT)
			SAY(t, VERDICT_FAILED, name,
			    " runs but does not answer its control socket — see journalctl -u oxpulse-", name);
		else if (strcmp(d->state, "draining") == 0)
			SAY(t, VERDICT_WARN, name, " is draining and takes no new sessions");
		if (d->repair.given_up)
			SAY(t, VERDICT_FAILED, name,
			    " was restarted as often as [Repair] Budget allows and still does not serve"
			    " — see journalctl -u oxpulse-",
			    name);
	}
}

static void number(char *buf, size_t cap, uint64_t v)
{
	struct wr w = wr_from(buf, cap - 1);

	wr_dec(&w, v);
	buf[wr_len(&w)] = '\0';
}

static void judge_certificates(struct verdict *t, const struct overview *v, wall_t wall)
{
	for (int i = 0; i < PROBED_MAX_; i++) {
		const struct ov_probe *p = &v->probe[i];
		uint64_t left = p->certificate_until.us > wall.us ? p->certificate_until.us - wall.us : 0;
		char days[24];

		if (!p->name[0] || p->certificate_until.us == 0 || left >= DUR_SEC(86400) * VERDICT_CERTIFICATE_DAYS)
			continue;
		number(days, sizeof(days), left / DUR_SEC(86400));
		SAY(t, VERDICT_WARN, "the certificate of ", p->name, " ends in ", days,
		    " days — see journalctl -u certbot; renew it with certbot renew");
	}
}

static void judge_reports(struct verdict *t, const struct overview *v)
{
	if (v->run.no_token)
		SAY(t, VERDICT_WARN, "nothing is reported to central: ", v->run.not_reported);
	for (uint32_t i = 0; i < v->run.n_reports; i++) {
		const struct ov_report *r = &v->run.report[i];
		char status[24];

		if (report_judge(r->status) != REPORT_REFUSED)
			continue;
		number(status, sizeof(status), (uint64_t)r->status);
		SAY(t, VERDICT_WARN, "central refused the report of ", r->name, " with status ", status,
		    r->target[0] ? " — the cross-probe token or the roster is out of date: refreshd refresh renews both"
				 : " — the service token is not accepted: ask central's admin for partner-cli "
				   "rotate-service-token");
		return;
	}
}

void verdict_node(const struct overview *v, wall_t wall, struct verdict *ret)
{
	ret->n = 0;
	ret->state = VERDICT_UNKNOWN;
	if (!v->first_run_done)
		return;
	ret->state = VERDICT_OK;
	judge_daemons(ret, v);
	judge_services(ret, v);
	judge_certificates(ret, v, wall);
	judge_reports(ret, v);
}
