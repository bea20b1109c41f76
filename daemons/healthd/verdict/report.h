/* SPDX-License-Identifier: AGPL-3.0-only */
/* What central is told of channels: the bodies of POST /api/partner/channel-health, and what its answers mean. Pure.
 * spec: control plane 1.4. */
#ifndef HEALTHD_REPORT_H
#define HEALTHD_REPORT_H

#include "base/err.h"
#include "base/mono.h"

#define REPORT_BODY_MAX 1024
#define REPORT_NAME_MAX 16
#define REPORT_TIME_MAX 24

/* "ch1-acme" -> "ch1": central knows three channels, and calls by their number what begins with it. ERR_MISSING: one it is
 * not told of (ch0, ch4 which is the TURN server, ch5, ch6, any other). */
int report_channel(const char *id, char ret[REPORT_NAME_MAX]);

/* (a) of one's own channel; Bearer: the service token. */
struct report_self {
	const char *node_id, *channel; /* channel: "ch1", "ch2", "ch3", "coturn" */
	wall_t probed_at;
	uint64_t rtt_us;
	bool ok;
	const char *version;
	/* "coturn" only */
	const char *mode;      /* of the probe, "" when it could not be made; NULL for other channels */
	const char *reason;    /* of the probe's failure */
	uint32_t skipped;      /* probes in a row, until now, that proved less than an allocation */
};
void report_self_write(const struct report_self *q, struct wr *w);

/* (b) of a peer; Bearer: the cross-probe token. */
struct report_peer {
	const char *node_id, *target;
	bool udp; /* coturn-udp, else coturn-tls */
	wall_t probed_at;
	uint64_t rtt_us;
	bool ok;
};
void report_peer_write(const struct report_peer *q, struct wr *w);

/* UTC, "2026-11-23T12:00:00Z". */
const char *report_time(wall_t at, char ret[REPORT_TIME_MAX]);

enum report_verdict {
	REPORT_TAKEN,
	REPORT_LATER,   /* no answer (status 0), 408, 429, 5xx, anything odd: the next run tries again */
	REPORT_REFUSED, /* another 4xx: the token or the roster is wrong, trying again will not help */
	REPORT_VERDICT_MAX_
};
enum report_verdict report_judge(int status);
const char *report_verdict_str(enum report_verdict v);

#endif
