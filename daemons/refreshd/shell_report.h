/* SPDX-License-Identifier: AGPL-3.0-only */
/* What is remembered from run to run (<lib>/refresh.json): steps and their outcomes, counters, keys that wait for a restart. */
#ifndef REFRESHD_SHELL_REPORT_H
#define REFRESHD_SHELL_REPORT_H

#include "refreshd/shell_generation.h"

#define REPORT_TEXT_MAX 384

enum step { STEP_KEYS, STEP_HEARTBEAT, STEP_CROSS_PROBE, STEP_NODE_CONFIG, STEP_HY2, STEP_APPLY, STEP_MAX_ };
extern const char *const step_name[STEP_MAX_];

enum outcome { OUTCOME_NONE, OUTCOME_OK, OUTCOME_SKIPPED, OUTCOME_FAILED };
extern const char *const outcome_name[];

/* Why no new cross-probe token came; beside these, by HTTP status. */
enum xprobe { XPROBE_NO_TOKEN, XPROBE_FETCH, XPROBE_EMPTY, XPROBE_MALFORMED, XPROBE_WRITE, XPROBE_MAX_ };
extern const char *const xprobe_name[XPROBE_MAX_];
#define XPROBE_HTTP_MAX 16

struct step_report {
	enum outcome outcome;
	char text[REPORT_TEXT_MAX];
	char at[32];
	uint64_t failures; /* since registration */
};

struct report {
	struct step_report step[STEP_MAX_];
	uint64_t runs, kept, refused, back, xprobe[XPROBE_MAX_];
	uint64_t http_status[XPROBE_HTTP_MAX], http_failures[XPROBE_HTTP_MAX]; /* 0: unused */
	uint64_t last_run, last_good;  /* Unix seconds */
	uint64_t sni_pick, sni_pool;
	uint64_t sfu_applied, reality_applied; /* 0 and 1 */
	char command[32];              /* that ran last */
	char restart[PART_MAX_][256];  /* keys that only a restart applies; "": none */
	uint64_t restart_since[PART_MAX_];
};

void report_load(const struct state *s, struct report *ret); /* one that cannot be read is an empty one */
int report_save(const struct state *s, const struct report *r);
void report_http(struct report *r, int status);
void report_step(struct report *r, enum step s, enum outcome o, const char *text);

/* The Prometheus text of it, for healthd's page (<lib>/refresh.prom). */
int metrics_save(const struct state *s, const struct report *r, const char *partner_id, const char *node_id, uint64_t generation);

#endif
