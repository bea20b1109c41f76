/* SPDX-License-Identifier: AGPL-3.0-only */
/* Binding: RFC 8489 2, and the behaviour discovery of RFC 5780 when a second address is configured. */
#include "turnd/req.h"

/* Of the four addresses of RFC 5780 6, which one was reached? False: this server, or this address of it, has none. */
static bool discovers(const struct turn *t, const struct req *q, bool *ret_ip, bool *ret_port)
{
	const struct addr *at = &q->client->path.local, *first = &t->conf.first, *other = &t->conf.other;

	if (q->client->via != VIA_UDP || addr_is_unset(first) || addr_is_unset(other))
		return false;
	*ret_ip = addr_same_ip(at, other);
	*ret_port = at->port == other->port;
	return (*ret_ip || addr_same_ip(at, first)) && (*ret_port || at->port == first->port);
}

static struct addr pick(const struct turn *t, bool other_ip, bool other_port)
{
	struct addr a = other_ip ? t->conf.other : t->conf.first;

	a.port = other_port ? t->conf.other.port : t->conf.first.port;
	return a;
}

/* The one of these attributes that was sent, though it means nothing here; 0: none. */
static uint16_t refused(const struct turn_attrs *a, bool discovery)
{
	/* RFC 5780 7.6 lets a stranger ask for an answer of 1500 bytes: nobody gets one from us. */
	if (a->has_padding)
		return STUN_ATTR_PADDING;
	if (a->has_change && !discovery)
		return STUN_ATTR_CHANGE_REQUEST;
	if (a->response_port && !discovery)
		return STUN_ATTR_RESPONSE_PORT;
	return 0;
}

enum drop req_binding(struct turn *t, struct req *q)
{
	bool other_ip = false, other_port = false;
	bool discovery = discovers(t, q, &other_ip, &other_port);
	uint16_t attr = refused(&q->attrs, discovery);
	struct addr origin, other;
	struct reply r;

	if (attr)
		return req_unknown(t, q, attr);
	reply_ok(&r, q);
	stun_put_xor_addr(&r.w, STUN_ATTR_XOR_MAPPED_ADDRESS, &q->client->path.remote, q->msg.tid);
	if (discovery) {
		origin = pick(t, other_ip != q->attrs.change_ip, other_port != q->attrs.change_port);
		other = pick(t, !other_ip, !other_port);
		stun_put_addr(&r.w, STUN_ATTR_RESPONSE_ORIGIN, &origin);
		stun_put_addr(&r.w, STUN_ATTR_OTHER_ADDRESS, &other);
		q->path.local = origin;
		if (q->attrs.response_port)
			q->path.remote.port = q->attrs.response_port;
	}
	return reply_send(t, q, &r);
}
