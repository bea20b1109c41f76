/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * Whose datagram is it: the table of validated 5-tuples, and the table of local ICE ufrags for checks that come from
 * anywhere else. Both name members by handle. An address that proved nothing is in neither, and costs nothing.
 */
#ifndef SFUD_PATHS_H
#define SFUD_PATHS_H

#include "base/hmap.h"
#include "base/slab.h"
#include "sfud/transport/ice_lite.h"

struct paths {
	struct slab paths, ufrags;
	struct hmap by_path, by_ufrag;
};

/* max: members at most. Allocates nothing yet. */
void paths_init(struct paths *p, uint32_t max, struct rng *rng);
void paths_done(struct paths *p);

/* The member behind a path or ufrag; none when unknown. */
struct handle paths_find(const struct paths *p, const struct path *path);
struct handle paths_find_ufrag(const struct paths *p, struct span ufrag);

/* A path belongs to whoever proved it last: behind a NAT the same address and port may be reused by another peer. Without
 * memory it stays unknown, and the next check tries again. */
void paths_learn(struct paths *p, const struct path *path, struct handle member);
/* Ignored when the path is another member's by now. */
void paths_forget(struct paths *p, const struct path *path, struct handle member);

/* ERR_NOMEM. */
int paths_learn_ufrag(struct paths *p, const char ufrag[ICE_UFRAG_LEN], struct handle member);
void paths_forget_ufrag(struct paths *p, const char ufrag[ICE_UFRAG_LEN]);

#endif
