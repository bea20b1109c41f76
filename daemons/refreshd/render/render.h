/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * Node document and local facts -> every file of a generation. One function, no second one. The same input gives the same bytes.
 * Pure. See docs/OPERATIONS.md for what the files mean; the keys are those of the daemons' tables.
 */
#ifndef REFRESHD_RENDER_H
#define REFRESHD_RENDER_H

#include "base/mono.h"
#include "refreshd/node/local.h"
#include "refreshd/node/node.h"

#define RENDER_FILES_MAX 32
#define RENDER_BYTES_MAX (512 * 1024)

enum part { PART_FRONT, PART_SFUD, PART_TURND, PART_TUNNELD, PART_HEALTHD, PART_MAX_ };
#define PARTS_ALL ((1U << PART_MAX_) - 1)
extern const char *const part_name[PART_MAX_]; /* "front", "sfud", … */

struct render_file {
	const char *path;       /* below the generation: "sfud.conf", "front/nginx.conf", "secrets/turn-secret" */
	const char *credential; /* its name as a credential, or NULL: not one */
	unsigned parts;         /* 1 << enum part: who must reload when it changes; 0: nobody */
	bool secret;            /* 0600 instead of 0644 */
	struct span text;       /* in the caller's arena */
};

struct render_set {
	struct render_file file[RENDER_FILES_MAX];
	uint32_t n;
};

struct render_in {
	const struct node *node;
	const struct local *local;
	wall_t now;
	struct span turn_secrets_had;            /* secrets/turn-secret of the generation in force; empty: none */
	const char *sfu_pem;                     /* "" = none */
	struct span front_template;              /* nginx.conf.in */
	struct span front_values, node_values;   /* front.values says which values there are, node.values changes some */
	const char *nginx_version;               /* "1.22.1" */
	bool ipv6;
};

/* arena: RENDER_BYTES_MAX; it holds secrets afterwards. ERR_LIMIT, ERR_MISSING or ERR_MALFORMED with *diag (the template's line, a
 * value that could break out of its file, a public address that is nobody's or central's). */
int render_all(const struct render_in *in, struct wr *arena, struct render_set *ret, struct node_diag *diag);

#endif
