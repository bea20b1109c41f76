/* SPDX-License-Identifier: AGPL-3.0-only */
/* The one root object of healthd; only main.c and shell*.c include this. */
#ifndef HEALTHD_HEALTHD_H
#define HEALTHD_HEALTHD_H

#include "base/rng.h"
#include "healthd/healthd_conf.h"
#include "healthd/shell_probe.h"
#include "healthd/verdict/overview.h"
#include "healthd/verdict/report.h"
#include "healthd/verdict/roster.h"
#include "sys/edge_control.h"
#include "sys/http_small.h"
#include "sys/varlink_client.h"

#define HEALTHD_PEER_PROBES (2 * ROSTER_PICK) /* TLS and UDP */
#define HEALTHD_PATH_MAX 512

struct healthd;

struct probe_slot { /* one result that a run waits for */
	struct healthd *d;
	struct probe *probe;
	enum probed which;
};

struct peer_probe {
	struct healthd *d;
	struct probe *probe;
	struct roster_peer peer;
	bool udp, judged; /* judged: there is something to report */
	wall_t at;
	struct probe_result result;
};

struct status_ask {
	struct healthd *d;
	struct varlink_ask *ask;
	enum ov_daemon_name which;
};

struct run { /* the run under way; what it found is in the overview */
	bool active;
	uint32_t pending;
	mono_t began;
	struct probe_slot slot[PROBED_MAX_];
	struct peer_probe peer[HEALTHD_PEER_PROBES];
	uint32_t n_peers;
	struct status_ask status[DAEMON_MAX_];
	/* posting, one after the other: channels, then coturn, then peers */
	uint32_t next_post;
	struct http_call *post;
};

struct sibling_page { /* the metrics of one daemon, as it last gave them */
	struct varlink_ask *ask;
	char *text; /* NULL: none */
	size_t n;
};

struct healthd_stats {
	uint64_t runs, runs_by_itself, runs_joined;
	uint64_t reports[2][REPORT_VERDICT_MAX_]; /* own, of peers */
	uint64_t peers_ok, peers_failed, peers_refused;
	uint64_t repairs[DAEMON_MAX_];
	uint64_t pages_refused, series_dropped;
	uint64_t roster_refused;
	wall_t reported_at;
};

struct healthd {
	const char *conf_path;
	struct healthd_conf conf;
	struct loop *loop;
	struct http_client *http;
	struct overview ov;
	struct healthd_stats stats;
	struct run run;
	struct sibling_page page[DAEMON_MAX_];
	struct timer *run_timer;   /* when nobody asks */
	struct timer *page_timer;
	struct timer *listen_timer; /* addresses that were not there yet */
	struct rng rng;
	uint32_t roster_offset, turn_skipped;
	uint64_t relay_bytes_before;
	mono_t relay_before;       /* 0: no sample yet */
	char nonce[DAEMON_MAX_][40]; /* of the restart we asked for; "": none is open */
	struct http_small *http_at[CONF_LIST_MAX];
	struct varlink *control;
	struct edge_control edge;
	bool stopping, listen_said[CONF_LIST_MAX], timer_said, token_said;
};

/* shell.c */
int healthd_open(void *d);
int healthd_serve(void *d);
void healthd_close(void *d);
int healthd_reload(struct healthd *d, struct wr *frozen);

/* shell_run.c */
void run_setup(struct healthd *d);      /* names of what is probed, from the configuration */
uint64_t run_begin(struct healthd *d, bool by_itself); /* joins the one under way; its number */
void run_cancel(struct healthd *d);
void run_posted(struct healthd *d);     /* posting is over */

/* shell_post.c: reports to central, one after the other. Calls run_posted. */
void post_begin(struct healthd *d);
void post_cancel(struct healthd *d);

/* shell_facts.c: what files say */
void facts_read(struct healthd *d);
int facts_roster(struct healthd *d, struct roster *ret); /* 0, or there is none */
/* <directory>/<name>; false when it does not fit. */
bool facts_path(char ret[HEALTHD_PATH_MAX], const char *directory, const char *name);

/* shell_pages.c: the siblings' metrics, and what is served over HTTP */
void pages_poll(void *d);
void pages_cancel(struct healthd *d);
void pages_load(struct healthd *d);     /* calls and relayed traffic, as the siblings' last pages have them */
void pages_listen(void *d);
void pages_close(struct healthd *d);

/* shell_repair.c */
void repair_look(struct healthd *d);    /* once per run */

/* shell_metrics.c */
void metrics_write(void *d, struct wr *w);

/* shell_ctl.c */
int ctl_open(struct healthd *d);

#endif
