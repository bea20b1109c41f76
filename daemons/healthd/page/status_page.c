/* SPDX-License-Identifier: AGPL-3.0-only */
#include "healthd/page/status_page.h"

#include "healthd/page/status_style.h"
#include "healthd/page/status_words.h"
#include "healthd/page/svg.h"
#include "healthd/page/utf8.h"
#include "healthd/verdict/report.h"
#include "healthd/verdict/verdict.h"

#define LIT(w, s) wr_bytes(w, s, sizeof(s) - 1)

/* --- small parts ---------------------------------------------------------------------------------------- */

void html_text(struct wr *w, const char *s)
{
	static const struct {
		char c;
		const char *as;
	} special[] = { { '&', "&amp;" }, { '<', "&lt;" }, { '>', "&gt;" }, { '"', "&quot;" }, { '\'', "&#39;" } };
	size_t left = strlen(s);

	for (size_t n; left; s += n, left -= n) {
		const char *as = NULL;

		n = utf8_first(span_of(s, left));
		for (size_t i = 0; i < ARRAY_LEN(special); i++)
			as = *s == special[i].c ? special[i].as : as;
		if (n == 0 || (uint8_t)*s < ' ' || *s == 0x7f)
			as = "?";
		if (as)
			wr_str(w, as);
		else
			wr_bytes(w, s, n);
		n += n == 0;
	}
}

static void tag(struct wr *w, const char *class, const char *text)
{
	LIT(w, "<span class=\"tag ");
	wr_str(w, class);
	LIT(w, "\">");
	html_text(w, text);
	LIT(w, "</span>");
}

static void cell(struct wr *w, const char *class, const char *text)
{
	LIT(w, "<td class=\"");
	wr_str(w, class);
	LIT(w, "\">");
	html_text(w, text);
	LIT(w, "</td>");
}

static void begin(struct wr *w, const char *title, const char *class)
{
	LIT(w, "<section class=\"");
	wr_str(w, class);
	LIT(w, "\"><h2>");
	html_text(w, title);
	LIT(w, "</h2>");
}

static void none(struct wr *w, const char *text)
{
	LIT(w, "<p class=\"soft\">");
	html_text(w, text);
	LIT(w, "</p>");
}

/* --- head ----------------------------------------------------------------------------------------------- */

static const char *class_of(enum verdict_state s)
{
	return s == VERDICT_OK ? "ok" : s == VERDICT_WARN ? "warn" : s == VERDICT_FAILED ? "bad" : "idle";
}

static void write_header(struct wr *w, const struct overview *v, const struct verdict *t, mono_t now, wall_t wall)
{
	static const char *const words[] = {
		[VERDICT_UNKNOWN] = "first probes under way", [VERDICT_OK] = "all is well",
		[VERDICT_WARN] = "serving, needs a look",      [VERDICT_FAILED] = "not serving",
	};
	char at[REPORT_TIME_MAX], text[WORDS_MAX];

	LIT(w, "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\">"
	       "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><meta http-equiv=\"refresh\" "
	       "content=\"30\">"
	       "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
	       "<meta name=\"robots\" content=\"noindex\"><title>");
	html_text(w, v->domain[0] ? v->domain : "Partner edge");
	LIT(w, " — ");
	html_text(w, verdict_str(t->state));
	LIT(w, "</title><style>");
	wr_str(w, status_style);
	LIT(w, "</style></head><body><header><h1>");
	html_text(w, v->domain[0] ? v->domain : "Partner edge");
	LIT(w, "</h1><span class=\"tag big ");
	wr_str(w, class_of(t->state));
	LIT(w, "\">");
	html_text(w, words[t->state]);
	LIT(w, "</span><div class=\"sub\">node ");
	html_text(w, v->id[0] ? v->id : "not registered");
	LIT(w, " · version ");
	html_text(w, v->version);
	LIT(w, " · up ");
	html_text(w, words_duration(mono_since(now, v->started) / US_PER_SEC, text));
	LIT(w, " · ");
	html_text(w, report_time(wall, at));
	LIT(w, "</div></header><main>");
}

static void write_problems(struct wr *w, const struct verdict *t)
{
	if (t->n == 0)
		return;
	begin(w, "What needs a look", "wide");
	LIT(w, "<ul class=\"say\">");
	for (uint32_t i = 0; i < t->n; i++) {
		LIT(w, "<li>");
		tag(w, class_of(t->line[i].state), verdict_str(t->line[i].state));
		LIT(w, "<span>");
		html_text(w, t->line[i].text);
		LIT(w, "</span></li>");
	}
	LIT(w, "</ul></section>");
}

/* --- probes --------------------------------------------------------------------------------------------- */

static void write_probe(struct wr *w, const struct ov_probe *p, const char *what, mono_t now)
{
	struct history_sum s;
	char text[WORDS_MAX];

	history_sum(&p->rtt, now, &s);
	LIT(w, "<tr><td class=\"name\">");
	html_text(w, p->name);
	LIT(w, "<span class=\"why\">");
	html_text(w, what);
	LIT(w, "</span></td><td>");
	tag(w, !p->known ? "idle" : p->ok ? "ok" : "bad", !p->known ? "not yet" : p->ok ? "works" : p->reason);
	LIT(w, "</td>");
	cell(w, "n", p->known ? words_us(p->us, text) : "–");
	cell(w, "n hide", s.n ? words_us(s.median, text) : "–");
	cell(w, "n hide", words_percent(s.n, s.n + s.failed, text));
	LIT(w, "<td class=\"chart\">");
	svg_spark(w, &p->rtt, now, "round trips of the last 24 hours");
	LIT(w, "</td></tr>");
}

static const char *what_of(int i, const struct ov_probe *p)
{
	static const char *const words[PROBED_CHANNEL] = {
		[PROBED_FRONT] = "GET /api/health over HTTPS",
		[PROBED_TURNS] = "STUN over TLS on port 443",
		[PROBED_TURN] = "allocation and one datum relayed",
		[PROBED_SFU] = "session and ICE answer",
	};

	if (ov_is_degraded(p))
		return "a STUN answer only: there is no secret to allocate with";
	return i < PROBED_CHANNEL ? words[i] : "GET /api/health through the tunnel";
}

static void write_probes(struct wr *w, const struct overview *v, mono_t now)
{
	bool any = false;

	begin(w, "Channels and services, end to end", "wide");
	LIT(w, "<table class=\"probes\"><thead><tr><th>Probe</th><th>State</th><th class=\"n\">Now</th><th "
	       "class=\"n\">Median</th>"
	       "<th class=\"n\">24 h</th><th>Round trips of 24 hours</th></tr></thead><tbody>");
	for (int k = 0; k < PROBED_MAX_; k++) {
		int i = (k + PROBED_CHANNEL) % PROBED_MAX_;

		if (v->probe[i].name[0])
			write_probe(w, &v->probe[i], what_of(i, &v->probe[i]), now);
		any |= v->probe[i].name[0] != '\0';
	}
	LIT(w, "</tbody></table>");
	if (!any)
		none(w, "Nothing is probed yet: this node is not registered.");
	LIT(w, "</section>");
}

/* --- daemons and load ----------------------------------------------------------------------------------- */

static void write_daemon(struct wr *w, const struct overview *v, enum ov_daemon_name i)
{
	static const char *const gone[] = {
		[LIFE_UNKNOWN] = "unknown", [LIFE_GONE] = "not running", [LIFE_SILENT] = "silent"};
	static const char *const bad[] = { [LIFE_UNKNOWN] = "idle", [LIFE_GONE] = "bad", [LIFE_SILENT] = "bad" };
	const struct ov_daemon *d = &v->daemon[i];
	bool fails = verdict_serves(v, i) == REPAIR_FAILS_TO_SERVE;
	char text[WORDS_MAX];

	LIT(w, "<tr>");
	cell(w, "name", ov_daemon_names[i]);
	LIT(w, "<td>");
	if (d->life != LIFE_ALIVE)
		tag(w, bad[d->life], gone[d->life]);
	else if (fails)
		tag(w, "bad", "does not serve");
	else
		tag(w, d->state[0] && strcmp(d->state, "serving") != 0 ? "warn" : "ok", d->state[0] ? d->state : "serving");
	LIT(w, "</td>");
	cell(w, "n", d->life == LIFE_ALIVE && i != DAEMON_FRONT ? words_count(d->sessions, text) : "–");
	cell(w, "n", d->life == LIFE_ALIVE && i != DAEMON_FRONT ? words_duration(d->uptime, text) : "–");
	cell(w, "n soft", d->version[0] ? d->version : "–");
	LIT(w, "</tr>");
}

static void write_daemons(struct wr *w, const struct overview *v)
{
	begin(w, "Daemons", "");
	LIT(w, "<table><thead><tr><th>Name</th><th>State</th><th class=\"n\">Sessions</th><th class=\"n\">Up</th>"
	       "<th class=\"n\">Version</th></tr></thead><tbody>");
	for (int i = 0; i < DAEMON_MAX_; i++)
		write_daemon(w, v, (enum ov_daemon_name)i);
	LIT(w, "</tbody></table></section>");
}

static void figure(struct wr *w, const char *value, const char *what)
{
	LIT(w, "<div><span class=\"big-n\">");
	html_text(w, value);
	LIT(w, "</span><span class=\"soft\">");
	html_text(w, what);
	LIT(w, "</span></div>");
}

static void write_load(struct wr *w, const struct overview *v, mono_t now)
{
	char text[WORDS_MAX];

	begin(w, "Calls", "");
	LIT(w, "<div class=\"pair\">");
	figure(w, v->calls_known ? words_count(v->rooms, text) : "–", "group calls");
	figure(w, v->calls_known ? words_count(v->participants, text) : "–", "participants");
	LIT(w, "</div>");
	svg_spark(w, &v->participants_24h, now, "participants of the last 24 hours");
	LIT(w, "<span class=\"why\">participants, last 24 hours</span></section>");
	begin(w, "Relayed traffic", "");
	LIT(w, "<div class=\"pair\">");
	figure(w, v->relay_rate_known ? words_rate(v->relay_rate, text) : "–", "now");
	figure(w, v->relay_known ? words_count(v->allocations, text) : "–", "allocations");
	figure(w, v->relay_known ? words_bytes(v->relayed_bytes, text) : "–", "since turnd began");
	LIT(w, "</div>");
	svg_spark(w, &v->relay_24h, now, "relayed bytes per second of the last 24 hours");
	LIT(w, "<span class=\"why\">bytes per second, last 24 hours</span></section>");
}

/* --- certificates, timers, changes, repairs ------------------------------------------------------------- */

static void write_certificates(struct wr *w, const struct overview *v, wall_t wall)
{
	bool any = false;

	begin(w, "Certificates", "");
	LIT(w, "<table><tbody>");
	for (int i = 0; i < PROBED_MAX_; i++) {
		const struct ov_probe *p = &v->probe[i];
		uint64_t left = p->certificate_until.us > wall.us ? (p->certificate_until.us - wall.us) / DUR_SEC(86400) : 0;
		char text[WORDS_MAX], at[REPORT_TIME_MAX];

		if (!p->name[0] || p->certificate_until.us == 0)
			continue;
		any = true;
		LIT(w, "<tr>");
		cell(w, "name", i == PROBED_FRONT ? "site" : i == PROBED_TURNS ? "relay" : p->name);
		LIT(w, "<td>");
		tag(w, left >= VERDICT_CERTIFICATE_DAYS ? "ok" : left ? "warn" : "bad", words_days(left, text));
		LIT(w, "</td>");
		report_time(p->certificate_until, at);
		at[10] = '\0'; /* the day will do */
		cell(w, "n soft", at);
		LIT(w, "</tr>");
	}
	LIT(w, "</tbody></table>");
	if (!any)
		none(w, "No probe has been shown a certificate yet.");
	LIT(w, "</section>");
}

static void write_ago(struct wr *w, wall_t at, wall_t wall)
{
	char text[WORDS_MAX];

	LIT(w, "<td class=\"n soft\">");
	if (at.us && at.us <= wall.us) {
		html_text(w, words_duration((wall.us - at.us) / US_PER_SEC, text));
		LIT(w, " ago");
	} else {
		html_text(w, "–");
	}
	LIT(w, "</td>");
}

/* All of them begin alike. */
static const char *timer_name(const char *name)
{
	static const char *const prefix[] = { "oxpulse-partner-edge-", "oxpulse-" };

	for (size_t i = 0; i < ARRAY_LEN(prefix); i++) {
		if (strncmp(name, prefix[i], strlen(prefix[i])) == 0)
			return name + strlen(prefix[i]);
	}
	return name;
}

static void write_timers(struct wr *w, const struct overview *v, wall_t wall)
{
	begin(w, "Timers", "");
	LIT(w, "<table><tbody><tr>");
	cell(w, "name", "probes and reports");
	write_ago(w, v->run.at, wall);
	LIT(w, "</tr>");
	for (uint32_t i = 0; i < v->n_timers; i++) {
		LIT(w, "<tr>");
		cell(w, "name", timer_name(v->timer[i].name));
		write_ago(w, v->timer[i].last, wall);
		LIT(w, "</tr>");
	}
	LIT(w, "</tbody></table>");
	if (v->timer_missing)
		none(w, "Nobody asks for reports: healthd runs by itself. Is oxpulse-channels-health-report.timer enabled?");
	LIT(w, "</section>");
}

static void write_changes(struct wr *w, const struct overview *v)
{
	char text[WORDS_MAX];

	begin(w, "Last changes", "");
	LIT(w, "<table><tbody>");
	for (uint32_t i = 0; i < v->n_changes; i++) {
		const struct ov_change *c = &v->change[i];

		LIT(w, "<tr>");
		cell(w, "name", words_count(c->number, text));
		LIT(w, "<td>");
		html_text(w, c->reason);
		LIT(w, " ");
		if (c->current)
			tag(w, "ok", "in force");
		LIT(w, "</td>");
		cell(w, "n soft", c->made_at);
		LIT(w, "</tr>");
	}
	LIT(w, "</tbody></table>");
	if (v->n_changes == 0)
		none(w, "No configuration of refreshd's yet.");
	LIT(w, "</section>");
}

static void write_repairs(struct wr *w, const struct overview *v, wall_t wall)
{
	uint64_t n = v->n_repaired < OV_REPAIRS_MAX ? v->n_repaired : OV_REPAIRS_MAX;

	begin(w, "Repairs", "");
	if (!v->repair_conf.enabled)
		none(w, "Switched off by [Repair] Enabled.");
	else if (n == 0)
		none(w, "None was needed since healthd began.");
	LIT(w, "<table><tbody>");
	for (uint64_t i = 0; i < n; i++) {
		const struct ov_repair *r = &v->repaired[(v->n_repaired - 1 - i) % OV_REPAIRS_MAX];

		LIT(w, "<tr>");
		cell(w, "name", ov_daemon_names[r->daemon]);
		cell(w, "", r->outcome);
		write_ago(w, r->at, wall);
		LIT(w, "</tr>");
	}
	LIT(w, "</tbody></table></section>");
}

static void write_reports(struct wr *w, const struct overview *v)
{
	static const char *const classes[] = { [REPORT_TAKEN] = "ok", [REPORT_LATER] = "warn", [REPORT_REFUSED] = "bad" };

	begin(w, "Reports to central", "");
	if (v->run.not_reported[0])
		none(w, v->run.not_reported);
	LIT(w, "<table><tbody>");
	for (uint32_t i = 0; i < v->run.n_reports; i++) {
		const struct ov_report *r = &v->run.report[i];
		enum report_verdict t = report_judge(r->status);
		char text[WORDS_MAX];

		LIT(w, "<tr>");
		cell(w, "name", r->name);
		cell(w, "soft", r->target[0] ? r->target : r->why);
		LIT(w, "<td class=\"n\">");
		tag(w, classes[t], r->status ? words_count((uint64_t)r->status, text) : "no answer");
		LIT(w, "</td></tr>");
	}
	LIT(w, "</tbody></table></section>");
}

void status_page_write(const struct overview *v, mono_t now, wall_t wall, struct wr *w)
{
	struct verdict t;

	verdict_node(v, wall, &t);
	write_header(w, v, &t, now, wall);
	write_problems(w, &t);
	write_probes(w, v, now);
	LIT(w, "<div class=\"grid\">");
	write_load(w, v, now);
	write_daemons(w, v);
	write_certificates(w, v, wall);
	write_reports(w, v);
	write_changes(w, v);
	write_timers(w, v, wall);
	write_repairs(w, v, wall);
	LIT(w, "</div></main><footer>Renews itself every 30 seconds. The same as JSON: <code>oxpulse-partner-edge status "
	       "--json</code>; "
	       "as metrics: <a href=\"/metrics\">/metrics</a>; for monitors: <a "
	       "href=\"/healthz\">/healthz</a>.</footer></body></html>\n");
}
