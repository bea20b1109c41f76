/* SPDX-License-Identifier: AGPL-3.0-only */
/* One connection of a probe: UDP, TCP, or TLS over TCP with full verification. Plain bytes in and out. Not to be freed
 * inside its own callbacks. */
#ifndef HEALTHD_SHELL_LEG_H
#define HEALTHD_SHELL_LEG_H

#include "base/addr.h"
#include "healthd/shell_probe.h"

#define LEG_WHY_MAX 160

struct leg;

struct leg_end {
	int r;                 /* 0: the other side's end of file; -errno; ERR_LIMIT; ERR_AUTH: TLS failed, why says it */
	char why[LEG_WHY_MAX]; /* "certificate has expired" */
};

struct leg_ops {
	void (*open)(void *arg);                      /* TLS: verified */
	size_t (*data)(void *arg, struct span in);    /* UDP: one datagram; streams: how many bytes were used */
	void (*closed)(void *arg, const struct leg_end *e); /* the last call */
};

struct leg_conf {
	struct addr at;
	enum probe_transport transport;
	const char *name, *ca_file; /* TLS */
	size_t in_max;              /* unused bytes of a stream */
};

/* ERR_MISSING: the CA file cannot be used; ERR_NOMEM; -errno of this host. */
int leg_new(struct loop *l, const struct leg_conf *c, const struct leg_ops *ops, void *arg, struct leg **ret);
void leg_free(struct leg *g); /* sends what the socket takes at once; NULL allowed */
void leg_send(struct leg *g, struct span out);
wall_t leg_certificate_until(const struct leg *g); /* 0: none */

#endif
