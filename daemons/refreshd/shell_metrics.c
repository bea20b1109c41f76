/* SPDX-License-Identifier: AGPL-3.0-only */
/* <lib>/refresh.prom: what is known after a run, written whole. Names that begin with partner_edge_ are those of the existing
 * system. */
#include <stdio.h>

#include "refreshd/shell_disk.h"
#include "refreshd/shell_report.h"
#include "sys/file_atomic.h"
#include "sys/prom.h"

static const struct prom_label none = { NULL, NULL };

static void existing(struct prom *p, const struct report *r, const char *partner, const char *node)
{
	const struct prom_label partner_id = { "partner_id", partner };
	char text[32];

	prom_head(p, "partner_edge_keys_fetch_failure_total", "counter", "Fetches of central's keys that failed.");
	prom_sample(p, "partner_edge_keys_fetch_failure_total", partner_id, none, r->step[STEP_KEYS].failures);
	prom_head(p, "partner_edge_heartbeat_failure_total", "counter", "Heartbeats that central did not take.");
	prom_sample(p, "partner_edge_heartbeat_failure_total", partner_id, none, r->step[STEP_HEARTBEAT].failures);
	prom_head(p, "partner_edge_cross_probe_token_refresh_failure_total", "counter",
		  "Cross-probe tokens that did not come, by reason.");
	for (int x = 0; x < XPROBE_MAX_; x++)
		prom_sample(p, "partner_edge_cross_probe_token_refresh_failure_total", partner_id,
			    (struct prom_label){ "reason", xprobe_name[x] }, r->xprobe[x]);
	for (int i = 0; i < XPROBE_HTTP_MAX && r->http_status[i]; i++) {
		snprintf(text, sizeof(text), "http_%llu", (unsigned long long)r->http_status[i]);
		prom_sample(p, "partner_edge_cross_probe_token_refresh_failure_total", partner_id,
			    (struct prom_label){ "reason", text }, r->http_failures[i]);
	}
	prom_head(p, "partner_edge_sfu_pubkey_applied", "gauge", "1: sfud has the signing key that central gave out last.");
	prom_sample(p, "partner_edge_sfu_pubkey_applied", partner_id, none, r->sfu_applied);
	prom_head(p, "partner_edge_reality_pubkey_applied", "gauge",
		  "1: the Reality key in force is the one that central gave out last.");
	prom_sample(p, "partner_edge_reality_pubkey_applied", partner_id, none, r->reality_applied);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)r->sni_pool);
	prom_head(p, "partner_edge_sni_pick_index", "gauge", "Index of the day's server name in its pool.");
	prom_sample(p, "partner_edge_sni_pick_index", (struct prom_label){ "node_id", node },
		    (struct prom_label){ "pool_size", text }, r->sni_pick);
}

static void ours(struct prom *p, const struct report *r, uint64_t generation)
{
	uint64_t failures[STEP_MAX_], waiting[PART_MAX_], ends[] = { r->kept, r->refused, r->back };
	static const char *const end[] = { "kept", "refused", "back" };

	for (int s = 0; s < STEP_MAX_; s++)
		failures[s] = r->step[s].failures;
	for (int i = 0; i < PART_MAX_; i++)
		waiting[i] = r->restart[i][0] != '\0';
	prom_counter(p, "refresh_runs_total", "Runs of refresh.", r->runs);
	prom_family(p, "refresh_step_failures_total", "Steps that failed.", "step", step_name, failures, STEP_MAX_);
	prom_family(p, "refresh_applies_total", "New generations: kept, refused by a check, flipped back.", "result", end, ends,
		    ARRAY_LEN(ends));
	prom_gauge(p, "refresh_generation", "The generation in force; 0: none.", generation);
	prom_gauge(p, "refresh_last_run_timestamp_seconds", "When refresh ran last.", r->last_run);
	prom_gauge(p, "refresh_last_success_timestamp_seconds", "When it ran last without a failed step.", r->last_good);
	prom_head(p, "refresh_restart_pending", "gauge", "1: changed keys of this part wait for a restart.");
	for (int i = 0; i < PART_MAX_; i++)
		prom_sample(p, "refresh_restart_pending", (struct prom_label){ "part", part_name[i] }, none, waiting[i]);
}

int metrics_save(const struct state *s, const struct report *r, const char *partner_id, const char *node_id, uint64_t generation)
{
	CLEANUP(blob_done) struct blob b = { 0 };
	char path[DISK_PATH_MAX];
	struct prom p = { 0 };
	struct wr w;
	int e = blob_room(&b, PROM_PAGE_MAX);

	if (e == 0)
		e = disk_path(path, "%s/refresh.prom", s->lib);
	if (e < 0)
		return e;
	w = blob_wr(&b);
	p.w = &w;
	existing(&p, r, partner_id, node_id);
	ours(&p, r, generation);
	return w.bad ? ERR_LIMIT : file_write_atomic(path, wr_span_of(&w), 0644);
}
