/* SPDX-License-Identifier: AGPL-3.0-only */
/* The health check: all its checks at once, on a loop of its own, whether healthd is alive or not. */
#ifndef HEALTHD_SHELL_CHECK_H
#define HEALTHD_SHELL_CHECK_H

#include "healthd/healthd_conf.h"
#include "healthd/page/checks.h"
#include "healthd/shell_probe.h"
#include "sys/varlink_client.h"

#define CHECK_LIMIT DUR_SEC(45) /* for all of them together */

struct check_run;

struct check_job { /* one check under way */
	struct check_run *run;
	struct check *check; /* NULL: ended */
	mono_t began;
	struct probe *probe;
	struct varlink_ask *ask;
	struct http_call *call;
};

struct check_run {
	const struct healthd_conf *conf;
	bool local;
	struct loop *loop;
	struct http_client *http;
	struct probe_env env;
	struct checks *checks;
	struct check_job job[CHECKS_MAX]; /* of the row with the same index */
	uint32_t open;                    /* checks under way */
};

/* Runs all; `ret` holds every row with a result. ERR_NOMEM. */
int check_all(const struct healthd_conf *c, bool local, struct checks *ret);

/* shell_check_net.c: those that talk. Each adds its rows and starts. */
void check_daemons(struct check_run *r);
void check_site(struct check_run *r);
void check_relay(struct check_run *r);
void check_tunnels(struct check_run *r);
void check_sfu(struct check_run *r);
void check_canaries(struct check_run *r);
void check_central(struct check_run *r);

/* shell_check_host.c: those that look at this host. */
void check_drift(struct check_run *r);
void check_secret_modes(struct check_run *r);
void check_disk(struct check_run *r);
void check_timers(struct check_run *r);

/* A row of this number and a job for it; NULL: there is no room for more. */
struct check_job *check_begin(struct check_run *r, unsigned number, const char *part);
/* The result; the job ends. */
void check_done(struct check_job *j, enum check_state s, const char *cause, const char *fix);
/* For probes: arg is the job. */
void check_on_probe(const struct probe_result *p, void *arg);
/* What a start function returned: an error ends the check. */
void check_started(struct check_job *j, int r);
/* A row that needs no job. */
void check_say(struct check_run *r, unsigned number, enum check_state s, const char *cause, const char *fix);

#endif
