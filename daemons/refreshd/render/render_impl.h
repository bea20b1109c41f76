/* SPDX-License-Identifier: AGPL-3.0-only */
/* What the files of the renderer share: facts worked out once, and the writer of one configuration. */
#ifndef REFRESHD_RENDER_IMPL_H
#define REFRESHD_RENDER_IMPL_H

#include "refreshd/node/node_read.h"
#include "refreshd/render/render.h"

#define RENDER_ETC "/etc/oxpulse-partner-edge"
#define RENDER_LIB "/var/lib/oxpulse-partner-edge"
#define RENDER_RUN "/run/oxpulse-partner-edge"
#define RENDER_FRONT_RUN "/run/oxpulse-front"
#define RENDER_CHANNELS_MAX 6 /* sections of tunneld.conf */
#define RENDER_VALUE_MAX 255  /* bytes a daemon takes as a value */
#define RENDER_TURN_PORT 3478

/* A channel that this build carries. */
struct render_channel {
	char name[32];
	struct addr at;
};

struct render {
	const struct render_in *in;
	struct wr *w;
	struct node_diag *diag;
	int err; /* fails once, stays failed */
	/* facts */
	const char *domain, *partner_id;
	char turns_name[NODE_NAME_MAX + 64], edge_id[80];
	struct addr public_ip, private_ip; /* private_ip is set behind a NAT only */
	struct render_channel channel[RENDER_CHANNELS_MAX];
	uint32_t n_channels;
	char left_out[512]; /* "ch1 (vless-reality), ch3 (hysteria2)" */
};

int render_fail(struct render *r, int err, const char *field, const char *what);
/* render_facts, then render_channels: r->in is set, *r otherwise zero. */
void render_facts(struct render *r);
void render_channels(struct render *r);
/* Names of r->channel, the mesh first or (ws) by number: tunneld's orders, healthd's list. */
void render_order(const struct render *r, bool ws, struct wr *w);

/* [Section], and Key=value of a value that cannot break out of its line; `field` is whose fault it is. */
void render_section(struct render *r, const char *name);
void render_key(struct render *r, const char *field, const char *key, const char *value);
void render_key_u64(struct render *r, const char *key, uint64_t value);
void render_key_addr(struct render *r, const char *key, const struct addr *a, uint16_t port); /* port 0: none */

void render_sfud(struct render *r);
void render_turnd(struct render *r);
void render_tunneld(struct render *r);
void render_healthd(struct render *r);
void render_front(struct render *r);

#endif
