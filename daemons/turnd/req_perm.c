/* SPDX-License-Identifier: AGPL-3.0-only */
/* CreatePermission (RFC 8656 10.2) and ChannelBind (12.2). */
#include "turnd/req.h"

enum drop req_create_permission(struct turn *t, struct req *q)
{
	struct alloc *a = q->alloc;
	struct reply r;
	uint16_t code;

	if (q->attrs.n_peers == 0)
		return req_error(t, q, TURN_ERR_BAD_REQUEST);
	for (uint32_t i = 0; i < q->attrs.n_peers; i++) {
		code = relay_judge(t, a, &q->attrs.peer[i], false);
		if (code)
			return req_error(t, q, code);
	}
	if (perm_add(&a->perms, q->attrs.peer, q->attrs.n_peers, t->conf.max_perms, q->now) < 0)
		return req_error(t, q, TURN_ERR_CAPACITY);
	reply_ok(&r, q);
	return reply_send(t, q, &r);
}

enum drop req_channel_bind(struct turn *t, struct req *q)
{
	const struct addr *peer = &q->attrs.peer[0];
	struct alloc *a = q->alloc;
	struct reply r;
	uint16_t code;
	int err;

	/* RFC 6062 5: what an allocation for streams has no channels for. */
	if (!q->attrs.channel || q->attrs.n_peers != 1 || a->tcp)
		return req_error(t, q, TURN_ERR_BAD_REQUEST);
	code = relay_judge(t, a, peer, true);
	if (code)
		return req_error(t, q, code);
	err = channel_bind(&a->perms, q->attrs.channel, peer, t->conf.max_perms, t->conf.max_channels, q->now);
	if (err < 0)
		return req_error(t, q, err == ERR_UNEXPECTED ? TURN_ERR_BAD_REQUEST : TURN_ERR_CAPACITY);
	reply_ok(&r, q);
	return reply_send(t, q, &r);
}
