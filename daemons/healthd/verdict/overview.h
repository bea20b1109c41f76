/* SPDX-License-Identifier: AGPL-3.0-only */
/* Everything that healthd knows about the node, as plain values: the shell fills it in, verdict.c judges it, the status
 * page, the control socket and the metrics show it. Pure. */
#ifndef HEALTHD_OVERVIEW_H
#define HEALTHD_OVERVIEW_H

#include "base/json.h"
#include "healthd/verdict/history.h"
#include "healthd/verdict/repair.h"

#define OV_CHANNELS_MAX 8
#define OV_NAME_MAX 40
#define OV_TEXT_MAX 256
#define OV_CHANGES_MAX 8
#define OV_TIMERS_MAX 12
#define OV_REPAIRS_MAX 12
#define OV_REASON_LOCAL "local" /* of a probe: this host could not even ask, which says nothing about who was to answer */

/* What is probed end to end: the fixed ones, then the channels. */
enum probed {
	PROBED_FRONT,
	PROBED_TURNS,
	PROBED_TURN,
	PROBED_SFU,
	PROBED_CHANNEL,
	PROBED_MAX_ = PROBED_CHANNEL + OV_CHANNELS_MAX
};

struct ov_probe {
	char name[OV_NAME_MAX];  /* "front", "turns", "turn", "sfu", "ch2"; "": not probed here */
	bool known, ok;          /* known: there was a result */
	bool answered;           /* something answered, if only with a status that is not good */
	uint64_t us;
	char mode[24], reason[24], cause[OV_TEXT_MAX], fix[OV_TEXT_MAX];
	wall_t at;
	wall_t certificate_until; /* 0: none seen */
	uint64_t good, bad;       /* results ever */
	struct history rtt;
};

/* It failed for OV_REASON_LOCAL. */
bool ov_is_own_fault(const struct ov_probe *p);
/* It was asked, but not for all there is to prove: no secret to allocate with (mode "stun-degraded"). */
bool ov_is_degraded(const struct ov_probe *p);

enum ov_daemon_name { DAEMON_FRONT, DAEMON_SFUD, DAEMON_TURND, DAEMON_TUNNELD, DAEMON_MAX_ };
extern const char *const ov_daemon_names[DAEMON_MAX_]; /* "front", "sfud", … */

enum ov_life {
	LIFE_UNKNOWN,
	LIFE_GONE,   /* nobody listens: stopped, or systemd restarts it */
	LIFE_SILENT, /* its socket accepts, but it does not answer */
	LIFE_ALIVE,
};

struct ov_daemon {
	enum ov_life life;
	char state[16], version[32]; /* as it says; "" for the front */
	uint64_t sessions, uptime;   /* seconds */
	bool page_ok;                /* its metrics page was taken in */
	struct repair repair;
	enum repair_act act;         /* of the last run */
};

struct ov_timer {
	char name[OV_NAME_MAX];
	wall_t last; /* 0: never, or not known */
};

struct ov_change { /* a generation of the configuration */
	uint64_t number;
	char reason[64], made_at[32];
	bool current;
};

struct ov_repair {
	wall_t at;
	enum ov_daemon_name daemon;
	char outcome[24]; /* "asked", then "ok", "failed", "not-running" */
};

struct ov_report {
	char name[24];   /* "ch1", "coturn", "coturn-tls" */
	char target[OV_NAME_MAX]; /* of a peer report: its node; "" of one's own */
	int status;      /* 0: no answer */
	char why[OV_TEXT_MAX]; /* then, or "" */
};
#define OV_REPORTS_MAX (OV_CHANNELS_MAX + 1 + 4)

struct ov_run {
	uint64_t number;
	bool done;
	wall_t at;
	bool by_itself;  /* nobody had asked */
	char not_reported[OV_TEXT_MAX]; /* why nothing was reported: no central, no token; "" */
	bool no_token;   /* there should be one */
	struct ov_report report[OV_REPORTS_MAX];
	uint32_t n_reports;
};

struct overview {
	char id[OV_TEXT_MAX], partner[OV_TEXT_MAX], domain[OV_TEXT_MAX], version[32];
	mono_t started;
	struct ov_probe probe[PROBED_MAX_];
	struct ov_daemon daemon[DAEMON_MAX_];
	struct repair_conf repair_conf;
	struct ov_run run;       /* the one under way, or the last */
	bool first_run_done;
	bool timer_missing;      /* runs are ours */
	bool calls_known, relay_known, relay_rate_known;
	uint64_t rooms, participants, allocations;
	uint64_t relayed_bytes;  /* ever */
	uint64_t relay_rate;     /* bytes per second, last minute */
	struct history participants_24h, relay_24h;
	struct ov_timer timer[OV_TIMERS_MAX];
	uint32_t n_timers;
	struct ov_change change[OV_CHANGES_MAX]; /* newest first */
	uint32_t n_changes;
	struct ov_repair repaired[OV_REPAIRS_MAX]; /* newest at (n_repaired - 1) modulo */
	uint64_t n_repaired;
};

/* The whole of it as members of an object that the caller has begun. */
void overview_write(const struct overview *v, mono_t now, wall_t wall, struct json_out *o);
/* The reply of io.oxpulse.Health.Verdicts: run, done, probed_at, channels, reports, repair. */
void overview_write_verdicts(const struct overview *v, struct json_out *o);

#endif
