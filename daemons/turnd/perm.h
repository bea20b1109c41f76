/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * Permissions and channels of one allocation (RFC 8656 9, 12): who may send to it, and short names for peers. Small tables,
 * searched in order: a call has a handful of peers. Times are looked at when they are used; nothing ticks.
 */
#ifndef TURND_PERM_H
#define TURND_PERM_H

#include "base/addr.h"
#include "base/mono.h"

#define PERM_LIFE DUR_SEC(300)
#define CHANNEL_LIFE DUR_SEC(600)

struct perm {
	struct addr ip; /* port 0 */
	mono_t until;
};

struct channel {
	struct addr peer;
	mono_t until;
	uint16_t number;
};

struct perms {
	struct perm *perm; /* both grow, to the bounds given below */
	struct channel *channel;
	uint32_t n_perms, cap_perms, n_channels, cap_channels;
};

/* Accepts zeroed memory. */
void perms_done(struct perms *p);
/* Ends all permissions and channels whose peer is no longer wanted; a permission's peer has port 0. */
void perms_keep(struct perms *p, bool (*wanted)(const void *arg, const struct addr *peer), const void *arg);

/* Installs or refreshes all n or none (RFC 8656 10.2). Expired entries make room first. ERR_LIMIT at `max`, ERR_NOMEM. */
int perm_add(struct perms *p, const struct addr *peer, size_t n, uint32_t max, mono_t now);
bool perm_has(const struct perms *p, const struct addr *peer, mono_t now);

/* Binds or refreshes, permission included. ERR_UNEXPECTED: the number belongs to another peer, or the peer has another
 * number (RFC 8656 12.1; an expired binding blocks nobody). ERR_LIMIT, ERR_NOMEM. */
int channel_bind(struct perms *p, uint16_t number, const struct addr *peer, uint32_t max_perms, uint32_t max_channels,
		 mono_t now);
/* NULL when there is none in force. Valid until the next change. */
const struct channel *channel_by_number(const struct perms *p, uint16_t number, mono_t now);
const struct channel *channel_by_peer(const struct perms *p, const struct addr *peer, mono_t now);

#endif
