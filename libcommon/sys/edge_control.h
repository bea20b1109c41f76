/* SPDX-License-Identifier: AGPL-3.0-only */
/* io.oxpulse.Edge, the control interface that every daemon has: its methods once, on top of a few functions of the daemon.
 * SIGHUP is its Reload without a caller. */
#ifndef SYS_EDGE_CONTROL_H
#define SYS_EDGE_CONTROL_H

#include "sys/varlink.h"

#define EDGE_RELOAD_MAX (48 * 1024) /* bytes of the request: it may bring credentials */

struct edge_control {
	const char *name;                            /* "sfud" */
	const char *(*state)(void *daemon);          /* serving, draining, stopping */
	uint64_t (*sessions)(void *daemon);
	/* New configuration from the same files; changed keys that need a restart, space separated, into frozen. Logs what is
	 * wrong; then nothing changed. */
	int (*reload)(void *daemon, struct wr *frozen);
	void (*drain)(void *daemon, uint64_t limit_us);
	uint64_t (*drain_limit)(void *daemon);       /* us: of a drain that names none */
	void (*metrics)(void *daemon, struct wr *w); /* the Prometheus page, at most PROM_PAGE_MAX bytes */
	/* the daemon's own methods and their interface */
	const struct varlink_method *methods; /* EDGE_CONTROL_METHODS among them; arg is this control */
	const char *interface;
	/* set by edge_control_open */
	struct loop *loop;
	mono_t started;
	void *daemon;
	const char *interfaces[3];
};

struct edge_control_conf {
	const char *socket, *health_user, *refresh_user; /* socket "none": no control, unless a descriptor is inherited */
	const char *inherited;                           /* FileDescriptorName=, "sfud-control" */
};

/* c is borrowed. *ret: NULL without control. Logs why not. */
int edge_control_open(struct loop *l, struct edge_control *c, void *daemon, const struct edge_control_conf *conf,
		      struct varlink **ret);

/* For loop_signal: arg is the control, opened. */
void edge_control_hangup(int signo, void *arg);

/* Members of a reply. */
void edge_member_str(struct json_out *o, const char *key, const char *value);
void edge_member_u64(struct json_out *o, const char *key, uint64_t value);

/* Rows for the table of methods; arg is the control. */
void edge_on_status(struct varlink_call *c, void *arg);
void edge_on_reload(struct varlink_call *c, void *arg);
void edge_on_drain(struct varlink_call *c, void *arg);
void edge_on_metrics(struct varlink_call *c, void *arg);
void edge_on_log_level(struct varlink_call *c, void *arg);

#define EDGE_CONTROL_METHODS                                                                                  \
	{ "io.oxpulse.Edge.Status", ROLE_HEALTH | ROLE_REFRESH | ROLE_ADMIN, 1024, edge_on_status },          \
	{ "io.oxpulse.Edge.Reload", ROLE_REFRESH | ROLE_ADMIN, EDGE_RELOAD_MAX, edge_on_reload },             \
	{ "io.oxpulse.Edge.Drain", ROLE_REFRESH | ROLE_ADMIN, 1024, edge_on_drain },                          \
	{ "io.oxpulse.Edge.Metrics", ROLE_HEALTH | ROLE_ADMIN, 1024, edge_on_metrics },                       \
	{ "io.oxpulse.Edge.SetLogLevel", ROLE_ADMIN, 1024, edge_on_log_level }

#endif
