/* SPDX-License-Identifier: AGPL-3.0-only */
/* What this host knows about itself and central does not: install.env (KEY=VALUE lines, single quotes allowed, names of the
 * existing system). Unknown keys survive a rewrite. Missing keys are derived or defaulted; one that cannot be is one message.
 * Pure. */
#ifndef REFRESHD_LOCAL_H
#define REFRESHD_LOCAL_H

#include "refreshd/node/node.h"

#define LOCAL_CENTRAL_DEFAULT "https://api.oxpulse.chat"
#define LOCAL_ENV_MAX 65536

struct local {
	char partner_id[65], domain[NODE_NAME_MAX]; /* PARTNER_ID, PARTNER_DOMAIN */
	char node_id[80], turns_subdomain[64];      /* NODE_ID, TURNS_SUBDOMAIN: as registered */
	char central_url[300]; /* BACKEND_API, without a slash at its end: the one setting of central's address */
	char central_ca[256];                       /* BACKEND_CA: PEM file, "" = the system's */
	char public_ip[64], private_ip[64];         /* PUBLIC_IP, PRIVATE_IP; "" = not set */
	char region[32];                            /* REGION */
	char installed_at[32];                      /* INSTALLED_AT, RFC 3339 */
	uint16_t sfu_udp_port, sfu_metrics_port;    /* SFU_UDP_PORT 7878, SFU_METRICS_PORT 9317 */
	uint16_t backend_port;                      /* BACKEND_PORT 8907: central's HTTP port on the mesh */
	char backend_host[NODE_NAME_MAX];           /* BACKEND_HOST: the Host header central's site is asked with; oxpulse.chat */
	uint16_t schema_version;                    /* SCHEMA_VERSION 1 */
};

void local_defaults(struct local *l);
/* ERR_MALFORMED or ERR_MISSING with *diag; ERR_LIMIT. */
int local_parse(struct span text, struct local *ret, struct node_diag *diag);
/* `old` with what `l` says; lines of unknown keys stay. ERR_MALFORMED: a value that no reader would read back; ERR_LIMIT. */
int local_write(const struct local *l, struct span old, struct wr *w);

#endif
