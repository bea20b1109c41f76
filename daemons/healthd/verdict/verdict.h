/* SPDX-License-Identifier: AGPL-3.0-only */
/* What the probes of the last run mean: for each daemon, whether it serves; for the node, whether people are served. No
 * memory of its own: the same overview gives the same verdict. Pure. */
#ifndef HEALTHD_VERDICT_H
#define HEALTHD_VERDICT_H

#include "healthd/verdict/overview.h"

#define VERDICT_LINES_MAX 24
#define VERDICT_CERTIFICATE_DAYS 14

enum verdict_state {
	VERDICT_UNKNOWN, /* no run has ended yet */
	VERDICT_OK,
	VERDICT_WARN,    /* people are served; somebody should look */
	VERDICT_FAILED,  /* people are not served */
};
const char *verdict_str(enum verdict_state s); /* "unknown", "ok", "warning", "failed" */

struct verdict_line {
	enum verdict_state state; /* VERDICT_WARN or VERDICT_FAILED */
	char text[2 * OV_TEXT_MAX + 64]; /* cause and fix */
};

struct verdict {
	enum verdict_state state; /* the worst of the lines */
	struct verdict_line line[VERDICT_LINES_MAX];
	uint32_t n;
};

/* The node: the front answers; one channel at least carries requests; group calls and the relay work where they are probed. */
void verdict_node(const struct overview *v, wall_t wall, struct verdict *ret);

/* One daemon: what its end-to-end probe says, unknown where that could not even ask. tunneld serves while any channel does;
 * the front serves when it answers at all, since what it passes on is not its own. */
enum repair_serves verdict_serves(const struct overview *v, enum ov_daemon_name d);

/* What repair_step wants to know, but for held and busy. */
struct repair_seen verdict_seen(const struct overview *v, enum ov_daemon_name d);

#endif
