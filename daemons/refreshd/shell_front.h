/* SPDX-License-Identifier: AGPL-3.0-only */
/* What the front's file is made of: template, values, and which nginx will read it. */
#ifndef REFRESHD_SHELL_FRONT_H
#define REFRESHD_SHELL_FRONT_H

#include "refreshd/refreshd.h"

struct front_files {
	struct blob template, values, node_values;
	char nginx_version[32];
};

/* Of a node: <share>/front. *diag when not. */
int front_load(const struct refreshd *d, struct front_files *ret, struct node_diag *diag);
void front_done(struct front_files *f);

#endif
