/* SPDX-License-Identifier: AGPL-3.0-only */
/* Allocate: RFC 8656 7.2 in its order, RFC 6062 5.1 for TCP, RFC 8016 3.1 for mobility. */
#include "turnd/req.h"

uint32_t req_life(const struct turn *t, const struct req *q)
{
	const struct turn_conf *c = &t->conf;
	uint64_t life = c->default_life, wall = wall_of(t, q->now).us;
	uint64_t left = q->good_until.us > wall ? q->good_until.us - wall : 0;

	/* RFC 8656 7.2: asking for less than the default yields the default. */
	if (q->attrs.has_lifetime && DUR_SEC(q->attrs.lifetime) > life)
		life = DUR_SEC(q->attrs.lifetime);
	if (life > c->max_life)
		life = c->max_life;
	if (q->probe && life > c->probe_life)
		life = c->probe_life;
	if (life > left)
		life = left;
	return (uint32_t)(life / US_PER_SEC);
}

void put_ticket(struct turn *t, const struct alloc *a, struct wr *w)
{
	const struct ticket ticket = { a->self, a->ticket_serial, t->conf.worker };
	uint8_t sealed[TICKET_LEN];

	if (ticket_seal(t->conf.ticket_key, &ticket, t->rng, sealed) == 0)
		stun_put(w, TURN_ATTR_MOBILITY_TICKET, span_of(sealed, sizeof(sealed)));
	else
		w->bad = true;
}

static uint16_t check_tcp(const struct turn *t, const struct req *q)
{
	const struct turn_attrs *a = &q->attrs;
	bool stream = q->client->via == VIA_TCP || q->client->via == VIA_TLS;

	if (!t->conf.tcp_relay)
		return TURN_ERR_TRANSPORT;
	if (!stream || a->has_even_port || a->dont_fragment || a->reservation.n)
		return TURN_ERR_BAD_REQUEST;
	return 0;
}

static uint16_t check_transport(const struct turn *t, const struct req *q)
{
	switch (q->attrs.transport) {
	case 0:
		return TURN_ERR_BAD_REQUEST;
	case TURN_UDP:
		return t->conf.udp_relay ? 0 : TURN_ERR_TRANSPORT;
	case TURN_TCP:
		return check_tcp(t, q);
	default:
		return TURN_ERR_TRANSPORT;
	}
}

/* Which combinations make no sense, then what is not served. */
static uint16_t check_families(const struct turn *t, const struct req *q)
{
	const struct turn_attrs *a = &q->attrs;
	bool v6 = a->family == TURN_FAMILY_V6;

	if (a->reservation.n && (a->has_even_port || a->family || a->more_family))
		return TURN_ERR_BAD_REQUEST;
	if (a->more_family && (a->family || a->more_family != TURN_FAMILY_V6 || a->reserve_next))
		return TURN_ERR_BAD_REQUEST;
	if (a->family && a->family != TURN_FAMILY_V4 && !v6)
		return TURN_ERR_FAMILY;
	if (a->reservation.n || a->more_family)
		return 0;
	return addr_is_unset(&t->conf.relay[v6 ? REL_V6 : REL_V4].at) ? TURN_ERR_FAMILY : 0;
}

static uint16_t check(const struct turn *t, const struct req *q)
{
	uint16_t code;

	code = check_transport(t, q);
	if (code)
		return code;
	code = check_families(t, q);
	if (code)
		return code;
	if (q->attrs.has_ticket && q->attrs.ticket.n)
		return TURN_ERR_BAD_REQUEST;
	if (q->attrs.has_ticket && !t->conf.mobility)
		return TURN_ERR_MOBILITY_FORBIDDEN;
	return t->draining ? TURN_ERR_CAPACITY : 0;
}

static void fill(struct alloc *a, const struct req *q)
{
	a->tcp = q->attrs.transport == TURN_TCP;
	a->probe = q->probe;
	a->mobile = q->attrs.has_ticket;
	a->good_until = q->good_until;
	a->alg = q->alg;
	a->key_n = q->key_n;
	memcpy(a->key, q->key, sizeof(a->key));
	memcpy(a->tid, q->msg.tid, sizeof(a->tid));
}

/* On failure nothing is left. */
static uint16_t make(struct turn *t, const struct req *q, struct alloc **ret, uint16_t ret_error[REL_MAX_])
{
	int code = t->ops->quota_take(t->owner, q->user);
	struct alloc *a;

	if (code)
		return (uint16_t)code;
	a = alloc_new(t, q->client, q->user, q->now);
	if (!a) {
		t->ops->quota_give(t->owner, q->user);
		return TURN_ERR_CAPACITY;
	}
	fill(a, q);
	a->expires = mono_add(q->now, DUR_SEC(req_life(t, q)));
	code = relay_open_for(t, q, a, ret_error);
	if (!code && alloc_file(t, a) < 0)
		code = TURN_ERR_CAPACITY;
	if (code) {
		alloc_free(t, a);
		return (uint16_t)code;
	}
	*ret = a;
	return 0;
}

static enum drop answer(struct turn *t, struct req *q, const struct alloc *a, const uint16_t error[REL_MAX_])
{
	uint64_t token = q->attrs.reserve_next ? relay_token(t, a) : 0;
	uint8_t b[TURN_TOKEN_LEN];
	struct reply r;

	reply_ok(&r, q);
	for (int f = 0; f < REL_MAX_; f++) {
		struct addr at = relay_address(t, a, f);

		if (a->port[f])
			stun_put_xor_addr(&r.w, TURN_ATTR_XOR_RELAYED_ADDRESS, &at, q->msg.tid);
		else if (error[f])
			turn_put_address_error(&r.w, f == REL_V6 ? TURN_FAMILY_V6 : TURN_FAMILY_V4, error[f], "");
	}
	turn_put_u32(&r.w, TURN_ATTR_LIFETIME, (uint32_t)(mono_since(a->expires, q->now) / US_PER_SEC));
	put_be64(b, token);
	if (token)
		stun_put(&r.w, TURN_ATTR_RESERVATION_TOKEN, span_of(b, sizeof(b)));
	stun_put_xor_addr(&r.w, STUN_ATTR_XOR_MAPPED_ADDRESS, &q->client->path.remote, q->msg.tid);
	if (a->mobile)
		put_ticket(t, a, &r.w);
	return reply_send(t, q, &r);
}

/* RFC 8656 7.2: the same transaction again is a retransmission and gets the same answer. */
static enum drop again(struct turn *t, struct req *q)
{
	const struct alloc *a = q->alloc;
	const bool same = memcmp(a->tid, q->msg.tid, sizeof(a->tid)) == 0 &&
			  span_eq(q->user, span_of(a->user, a->user_n));
	const uint16_t error[REL_MAX_] = {
		TURN_ERR_CAPACITY,
		addr_is_unset(&t->conf.relay[REL_V6].at) ? TURN_ERR_FAMILY : TURN_ERR_CAPACITY,
	};
	static const uint16_t none[REL_MAX_];

	if (!same)
		return req_error(t, q, TURN_ERR_MISMATCH);
	return answer(t, q, a, q->attrs.more_family ? error : none);
}

enum drop req_allocate(struct turn *t, struct req *q)
{
	struct span token = q->attrs.reservation;
	uint16_t error[REL_MAX_];
	struct alloc *a = NULL;
	uint16_t code;

	if (q->alloc)
		return again(t, q);
	code = check(t, q);
	if (code)
		return req_error(t, q, code);
	if (token.n && token.p[0] != t->conf.worker && token.p[0] < t->conf.n_workers) {
		if (q->client->via == VIA_DTLS) /* its session stays here */
			return req_error(t, q, TURN_ERR_CAPACITY);
		t->other = token.p[0];
		return DROP_OTHER_WORKER;
	}
	code = make(t, q, &a, error);
	if (code)
		return req_error(t, q, code);
	t->stats.allocated[q->client->via]++;
	return answer(t, q, a, error);
}
