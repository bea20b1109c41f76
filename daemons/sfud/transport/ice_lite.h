/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * The lite side of ICE (RFC 8445 2.5, 7.3): answers Binding requests, learns validated paths, follows the
 * controlling side's nomination, and knows when consent (RFC 7675) has run out. Owns one peer's credentials
 * and its few paths. Never sends a check.
 */
#ifndef SFUD_ICE_LITE_H
#define SFUD_ICE_LITE_H

#include "base/outbox.h"
#include "base/mono.h"
#include "base/rng.h"
#include "sfud/drop.h"
#include "wire/stun.h"

#define ICE_UFRAG_LEN 8
#define ICE_PWD_LEN 24
#define ICE_REMOTE_MAX 256       /* RFC 8839 5.4 */
#define ICE_PATHS_MAX 8          /* validated paths per peer; the least recently checked one makes room */
#define ICE_CONSENT DUR_SEC(30)  /* RFC 7675 5.1 */

struct ice_path {
	struct path path;
	mono_t checked; /* last valid check */
	bool used;
};

struct ice_lite {
	char ufrag[ICE_UFRAG_LEN + 1], pwd[ICE_PWD_LEN + 1];           /* ours */
	char remote_ufrag[ICE_REMOTE_MAX + 1], remote_pwd[ICE_REMOTE_MAX + 1]; /* from SDP; empty: any */
	struct ice_path paths[ICE_PATHS_MAX];
	int selected; /* index of the nominated (else the first validated) path; -1 before */
	bool restarted; /* the next valid check selects its path, nominated or not */
	mono_t heard; /* last valid check on any path */
};

/* Random credentials of the ice-char alphabet. */
void ice_init(struct ice_lite *ice, struct rng *rng);

/* New credentials for an ICE restart; paths stay usable until a check with the new ones succeeds (RFC 8445 9). The
 * remote ones are forgotten, because the peer's answer to a restart may arrive behind its first checks. */
void ice_restart(struct ice_lite *ice, struct rng *rng);

/* ERR_LIMIT when a value is too long for RFC 8839. A changed remote ufrag is an ICE restart of the peer. */
int ice_set_remote(struct ice_lite *ice, struct span ufrag, struct span pwd);

enum ice_event { ICE_NOTHING, ICE_PATH_NEW, ICE_PATH_SELECTED, ICE_PATH_LOST_AND_NEW };

/*
 * One Binding request that was found by its local ufrag. A good one is answered into out, on its own path. *ret_event
 * says whether a path became valid (PATH_NEW: register it) and/or the selected one changed; *ret_lost is the path
 * that had to make room, when PATH_LOST_AND_NEW. Role conflicts get 487, unknown comprehension-required attributes
 * 420 (both only when the integrity holds); a missing or wrong integrity is dropped without an answer, so a scan
 * learns nothing.
 */
enum drop ice_input(struct ice_lite *ice, const struct stun_msg *m, const struct path *path, mono_t now,
		    struct outbox *out, enum ice_event *ret_event, struct path *ret_lost);

/* NULL before the first valid check. */
const struct path *ice_selected(const struct ice_lite *ice);
/* When consent runs out unless another check arrives; MONO_NEVER before the first. */
mono_t ice_deadline(const struct ice_lite *ice);

/* The local ufrag of USERNAME "local:remote"; an empty span when the form is wrong. */
struct span ice_local_ufrag(struct span username);

#endif
