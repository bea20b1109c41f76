/* SPDX-License-Identifier: AGPL-3.0-only */
/* The day's server name: sha256("<node_id>:<YYYY-MM-DD>") mod pool size, in UTC. The only place that knows. Pure. */
#ifndef REFRESHD_SNI_H
#define REFRESHD_SNI_H

#include "base/mono.h"

/* "2026-11-23" */
void sni_date(wall_t now, char ret[11]);
/* Index into a pool of n > 0; 0 for an empty node_id. The digest counts as one big-endian number. */
uint32_t sni_pick(const char *node_id, const char date[11], uint32_t n);

#endif
