/* SPDX-License-Identifier: AGPL-3.0-only */
/* healthd's own series. The page that it serves has those of the whole node (shell_pages.c). */
#include "healthd/healthd.h"
#include "healthd/verdict/verdict.h"
#include "sys/prom.h"

static const struct prom_label none;

static bool is_on(const struct ov_probe *p)
{
	return p->name[0] && p->known;
}

static void write_probes(struct prom *p, const struct overview *v)
{
	static const char *const up = "health_probe_up", *const rtt = "health_probe_rtt_seconds",
				 *const total = "health_probes_total";
	const struct ov_probe *one = v->probe;

	prom_head(p, up, "gauge", "1: the last end-to-end probe succeeded.");
	for (int i = 0; i < PROBED_MAX_; i++) {
		if (is_on(&one[i]))
			prom_sample(p, up, (struct prom_label){ "probe", one[i].name }, none, one[i].ok);
	}
	prom_head(p, rtt, "gauge", "How long the last probe took, or until it failed.");
	for (int i = 0; i < PROBED_MAX_; i++) {
		if (is_on(&one[i]))
			prom_sample_us(p, rtt, (struct prom_label){ "probe", one[i].name }, none, one[i].us);
	}
	prom_head(p, total, "counter", "Probes, by what became of them.");
	for (int i = 0; i < PROBED_MAX_; i++) {
		const struct prom_label l = { "probe", one[i].name };

		if (!one[i].name[0])
			continue;
		prom_sample(p, total, l, (struct prom_label){ "result", "ok" }, one[i].good);
		prom_sample(p, total, l, (struct prom_label){ "result", "failed" }, one[i].bad);
	}
}

static void write_certificates(struct prom *p, const struct overview *v)
{
	static const char *const name = "health_certificate_expiry_timestamp_seconds";

	prom_head(p, name, "gauge", "When the certificate that a probe was shown ends.");
	for (int i = 0; i < PROBED_MAX_; i++) {
		if (v->probe[i].name[0] && v->probe[i].certificate_until.us)
			prom_sample(p, name, (struct prom_label){ "probe", v->probe[i].name }, none,
				    v->probe[i].certificate_until.us / US_PER_SEC);
	}
}

static void gauge_of_daemons(struct prom *p, const char *name, const char *help, bool (*value)(const struct healthd *, int),
			     const struct healthd *d)
{
	prom_head(p, name, "gauge", help);
	for (int i = 0; i < DAEMON_MAX_; i++)
		prom_sample(p, name, (struct prom_label){ "daemon", ov_daemon_names[i] }, none, value(d, i));
}

static bool is_alive(const struct healthd *d, int i)
{
	return d->ov.daemon[i].life == LIFE_ALIVE;
}

static bool serves(const struct healthd *d, int i)
{
	return verdict_serves(&d->ov, (enum ov_daemon_name)i) == REPAIR_SERVES;
}

static bool has_given_up(const struct healthd *d, int i)
{
	return d->ov.daemon[i].repair.given_up;
}

static bool has_page(const struct healthd *d, int i)
{
	return d->ov.daemon[i].page_ok;
}

static void write_daemons(struct prom *p, const struct healthd *d)
{
	gauge_of_daemons(p, "health_daemon_up", "1: it answers its control socket, the front its port.", is_alive, d);
	gauge_of_daemons(p, "health_daemon_serves", "1: it serves end to end.", serves, d);
	gauge_of_daemons(p, "health_repair_given_up", "1: does not serve, and the budget of restarts is used up.",
			 has_given_up, d);
	gauge_of_daemons(p, "health_page_merged", "1: its metrics are on this page.", has_page, d);
	prom_family(p, "health_repairs_total", "Restarts asked for.", "daemon", ov_daemon_names, d->stats.repairs,
		    DAEMON_MAX_);
}

static void write_reports(struct prom *p, const struct healthd *d)
{
	static const char *const name = "health_reports_total", *const kinds[] = { "channel", "peer" };

	prom_head(p, name, "counter", "Reports to central; later: not taken, but may be next time.");
	for (int k = 0; k < 2; k++) {
		for (int v = 0; v < REPORT_VERDICT_MAX_; v++)
			prom_sample(p, name, (struct prom_label){"kind", kinds[k]},
				    (struct prom_label){"result", report_verdict_str((enum report_verdict)v)},
				    d->stats.reports[k][v]);
	}
	prom_gauge(p, "health_report_last_success_timestamp_seconds", "When central took a report last; 0: never.",
		   d->stats.reported_at.us / US_PER_SEC);
}

static void write_runs(struct prom *p, const struct healthd *d)
{
	static const char *const results[] = { "ok", "failed", "not_judged" };
	const uint64_t peers[] = { d->stats.peers_ok, d->stats.peers_failed, d->stats.peers_refused };
	struct verdict t;

	verdict_node(&d->ov, loop_wall(d->loop), &t);
	prom_gauge(p, "health_node_serves", "1: people are served.", t.state == VERDICT_OK || t.state == VERDICT_WARN);
	prom_gauge(p, "health_node_problems", "Lines of the verdict.", t.n);
	prom_counter(p, "health_runs_total", "Runs of all probes.", d->stats.runs);
	prom_counter(p, "health_runs_by_itself_total", "Of these, because nobody had asked.", d->stats.runs_by_itself);
	prom_counter(p, "health_runs_joined_total", "Requests for a run that found one under way.", d->stats.runs_joined);
	prom_family(p, "health_peer_probes_total", "Probes of other nodes.", "result", results, peers, ARRAY_LEN(peers));
	prom_gauge(p, "health_roster_refused", "Entries of the roster that cannot be dialled.", d->stats.roster_refused);
	prom_counter(p, "health_pages_refused_total", "Metrics pages left out because they do not parse.",
		     d->stats.pages_refused);
	prom_counter(p, "health_series_dropped_total", "Series left out because another page had them.",
		     d->stats.series_dropped);
	prom_counter(p, "health_control_refused_total", "Control clients closed for bad input.",
		     d->control ? varlink_refused(d->control) : 0);
}

void metrics_write(void *arg, struct wr *w)
{
	struct healthd *d = arg;
	struct prom p = { .w = w };

	write_runs(&p, d);
	write_probes(&p, &d->ov);
	write_certificates(&p, &d->ov);
	write_daemons(&p, d);
	write_reports(&p, d);
}
