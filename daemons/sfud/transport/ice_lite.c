/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sfud/transport/ice_lite.h"

#include "base/err.h"
#include "base/secret.h"

#define ANSWER_MAX 256
#define UNKNOWN_ATTRIBUTE 420 /* RFC 8489 6.3.1 */
#define ROLE_CONFLICT 487     /* RFC 8445 7.3.1.1 */

/* RFC 8839 5.4: ALPHA / DIGIT / "+" / "/". Sixty-four of them, so a byte's low six bits choose evenly. */
static void ice_chars(struct rng *rng, char *out, size_t n)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	rng_bytes(rng, out, n);
	for (size_t i = 0; i < n; i++)
		out[i] = alphabet[(uint8_t)out[i] & 63];
	out[n] = '\0';
}

static void new_credentials(struct ice_lite *ice, struct rng *rng)
{
	ice_chars(rng, ice->ufrag, ICE_UFRAG_LEN);
	ice_chars(rng, ice->pwd, ICE_PWD_LEN);
}

void ice_init(struct ice_lite *ice, struct rng *rng)
{
	*ice = (struct ice_lite){ .selected = -1 };
	new_credentials(ice, rng);
}

void ice_restart(struct ice_lite *ice, struct rng *rng)
{
	new_credentials(ice, rng);
	wipe(ice->remote_ufrag, sizeof(ice->remote_ufrag));
	wipe(ice->remote_pwd, sizeof(ice->remote_pwd));
	ice->restarted = true;
}

static void remember(char out[ICE_REMOTE_MAX + 1], struct span s)
{
	memset(out, 0, ICE_REMOTE_MAX + 1);
	if (s.n)
		memcpy(out, s.p, s.n);
}

int ice_set_remote(struct ice_lite *ice, struct span ufrag, struct span pwd)
{
	if (ufrag.n > ICE_REMOTE_MAX || pwd.n > ICE_REMOTE_MAX)
		return ERR_LIMIT;
	if (ice->remote_ufrag[0] != '\0' && !span_is(ufrag, ice->remote_ufrag))
		ice->restarted = true;
	remember(ice->remote_ufrag, ufrag);
	remember(ice->remote_pwd, pwd);
	return 0;
}

struct span ice_local_ufrag(struct span username)
{
	const uint8_t *colon = username.n ? memchr(username.p, ':', username.n) : NULL;
	size_t n;

	if (!colon)
		return span_of(NULL, 0);
	n = (size_t)(colon - username.p);
	return n && n + 1 < username.n ? span_of(username.p, n) : span_of(NULL, 0);
}

static bool username_ok(const struct ice_lite *ice, struct span username)
{
	struct span local = ice_local_ufrag(username), remote;

	if (!local.n || !span_is(local, ice->ufrag))
		return false;
	remote = span_of(username.p + local.n + 1, username.n - local.n - 1);
	return ice->remote_ufrag[0] == '\0' || span_is(remote, ice->remote_ufrag);
}

static void answer_end(const struct ice_lite *ice, struct wr *w, const struct path *path, struct outbox *out)
{
	stun_put_integrity(w, span_str(ice->pwd));
	stun_put_fingerprint(w);
	outbox_commit(out, path, wr_span_of(w).n);
}

static void answer_good(const struct ice_lite *ice, const struct stun_msg *m, const struct path *path, struct outbox *out)
{
	struct wr w = wr_from(outbox_reserve(out, ANSWER_MAX), ANSWER_MAX);

	stun_begin(&w, STUN_SUCCESS, STUN_BINDING, m->tid);
	stun_put_xor_addr(&w, STUN_ATTR_XOR_MAPPED_ADDRESS, &path->remote, m->tid);
	answer_end(ice, &w, path, out);
}

static void answer_error(const struct ice_lite *ice, const struct stun_msg *m, uint16_t code, const struct path *path,
			 struct outbox *out)
{
	struct wr w = wr_from(outbox_reserve(out, ANSWER_MAX), ANSWER_MAX);
	uint8_t list[2 * STUN_UNKNOWN_MAX];

	stun_begin(&w, STUN_ERROR, STUN_BINDING, m->tid);
	if (code == UNKNOWN_ATTRIBUTE) {
		stun_put_error(&w, code, "Unknown Attribute");
		for (size_t i = 0; i < m->n_unknown; i++)
			put_be16(list + 2 * i, m->unknown[i]);
		stun_put(&w, STUN_ATTR_UNKNOWN_ATTRIBUTES, span_of(list, 2 * (size_t)m->n_unknown));
	} else {
		stun_put_error(&w, code, "Role Conflict");
	}
	answer_end(ice, &w, path, out);
}

static int path_find(const struct ice_lite *ice, const struct path *path)
{
	for (int i = 0; i < ICE_PATHS_MAX; i++) {
		if (ice->paths[i].used && path_eq(&ice->paths[i].path, path))
			return i;
	}
	return -1;
}

/* A free place, else that of the path whose last check is oldest; never the selected one's. */
static int path_place(const struct ice_lite *ice)
{
	int oldest = -1;

	for (int i = 0; i < ICE_PATHS_MAX; i++) {
		if (!ice->paths[i].used)
			return i;
		if (i != ice->selected && (oldest < 0 || ice->paths[i].checked.us < ice->paths[oldest].checked.us))
			oldest = i;
	}
	return oldest;
}

static int path_learn(struct ice_lite *ice, const struct path *path, mono_t now, enum ice_event *ret_event,
		      struct path *ret_lost)
{
	int i = path_find(ice, path);

	*ret_event = ICE_NOTHING;
	if (i < 0) {
		i = path_place(ice);
		*ret_event = ICE_PATH_NEW;
		if (ice->paths[i].used) {
			*ret_event = ICE_PATH_LOST_AND_NEW;
			*ret_lost = ice->paths[i].path;
		}
	}
	ice->paths[i] = (struct ice_path){ .path = *path, .checked = now, .used = true };
	return i;
}

/* The first path, then whatever the peer nominates; after a restart whatever works; and RFC 7675 5.1: consent is a
 * path's own, so a selected one gone silent gives way to one that is not. */
static bool selects(const struct ice_lite *ice, const struct stun_msg *m, mono_t now)
{
	return ice->selected < 0 || m->use_candidate || ice->restarted ||
	       mono_reached(now, mono_add(ice->paths[ice->selected].checked, ICE_CONSENT));
}

static enum drop check(const struct ice_lite *ice, const struct stun_msg *m)
{
	if (m->cls != STUN_REQUEST || m->method != STUN_BINDING || !username_ok(ice, m->username))
		return DROP_STUN_UNEXPECTED;
	if (stun_check_integrity(m, span_str(ice->pwd)) < 0)
		return DROP_STUN_INTEGRITY;
	return m->has_fingerprint && !m->fingerprint_ok ? DROP_STUN_MALFORMED : DROP_NONE;
}

enum drop ice_input(struct ice_lite *ice, const struct stun_msg *m, const struct path *path, mono_t now,
		    struct outbox *out, enum ice_event *ret_event, struct path *ret_lost)
{
	enum drop drop = check(ice, m);
	int i;

	if (drop != DROP_NONE)
		return drop;
	*ret_event = ICE_NOTHING;
	if (m->n_unknown || m->controlled) {
		answer_error(ice, m, m->n_unknown ? UNKNOWN_ATTRIBUTE : ROLE_CONFLICT, path, out);
		return DROP_NONE;
	}
	/* Selecting looks at the old time of the selected path; learning refreshes it. */
	bool select = selects(ice, m, now);

	i = path_learn(ice, path, now, ret_event, ret_lost);
	if (select && i != ice->selected) {
		ice->selected = i;
		if (*ret_event == ICE_NOTHING)
			*ret_event = ICE_PATH_SELECTED;
	}
	ice->restarted = false;
	ice->heard = now;
	answer_good(ice, m, path, out);
	return DROP_NONE;
}

const struct path *ice_selected(const struct ice_lite *ice)
{
	return ice->selected < 0 ? NULL : &ice->paths[ice->selected].path;
}

mono_t ice_deadline(const struct ice_lite *ice)
{
	return ice->selected < 0 ? MONO_NEVER : mono_add(ice->heard, ICE_CONSENT);
}
