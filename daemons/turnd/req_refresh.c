/* SPDX-License-Identifier: AGPL-3.0-only */
/* Refresh: RFC 8656 8.2, and RFC 8016 3.2 for clients whose address became another one. */
#include "turnd/req.h"

/* A ticket names the allocation; that its bearer is the client is proven by the key of that allocation afterwards. A 5-tuple
 * that has an allocation of its own keeps it: only a retransmission brings a ticket there. */
void req_find_ticket(struct turn *t, struct req *q)
{
	struct ticket ticket;

	if (q->msg.method != TURN_REFRESH || q->attrs.ticket.n == 0 || q->alloc)
		return;
	if (ticket_open(t->conf.ticket_key, q->attrs.ticket, &ticket) < 0)
		return;
	q->elsewhere = ticket.worker != t->conf.worker && ticket.worker < t->conf.n_workers;
	t->other = ticket.worker;
	if (!q->elsewhere)
		q->alloc = alloc_get(t, ticket.alloc);
	q->ticket_serial = ticket.serial;
}

/* The one before the newest is good until the client has shown that it got the newest (RFC 8016 3.2.2). */
static bool ticket_good(const struct alloc *a, uint16_t serial)
{
	bool settled = a->former.client.via == VIA_MAX_;

	return a->mobile && (serial == a->ticket_serial || (!settled && (uint16_t)(serial + 1) == a->ticket_serial));
}

/* 0, or the error code. RFC 8016 3.2.2: a ticket that names nothing is 437. */
static uint16_t move(struct turn *t, struct req *q)
{
	struct alloc *a = q->alloc;

	if (!t->conf.mobility)
		return TURN_ERR_MOBILITY_FORBIDDEN;
	/* RFC 6062 5.1 holds for the new 5-tuple, too. */
	if (a->tcp && q->client->via != VIA_TCP && q->client->via != VIA_TLS)
		return TURN_ERR_BAD_REQUEST;
	if (!ticket_good(a, q->ticket_serial))
		return TURN_ERR_MISMATCH;
	alloc_move(t, a, q->client, q->now);
	a->ticket_serial++;
	return 0;
}

/* RFC 8656 8.2: the family that is meant. 443 when the allocation has no such address. */
static uint16_t check_family(const struct req *q)
{
	const uint8_t f = q->attrs.family;

	if (f == 0)
		return 0;
	if (f != TURN_FAMILY_V4 && f != TURN_FAMILY_V6)
		return TURN_ERR_PEER_FAMILY;
	return q->alloc->port[f == TURN_FAMILY_V6 ? REL_V6 : REL_V4] ? 0 : TURN_ERR_PEER_FAMILY;
}

/* One family of two may go alone. */
static void shorten(struct turn *t, struct req *q)
{
	struct alloc *a = q->alloc;
	bool dual = a->port[REL_V4] && a->port[REL_V6];

	if (dual && q->attrs.family)
		relay_close_one(t, a, q->attrs.family == TURN_FAMILY_V6 ? REL_V6 : REL_V4);
	else
		alloc_end(t, a);
}

enum drop req_refresh(struct turn *t, struct req *q)
{
	bool deletes = q->attrs.has_lifetime && q->attrs.lifetime == 0;
	bool moves = !client_same(q->client, &q->alloc->now.client) && !client_same(q->client, &q->alloc->former.client);
	uint32_t life = deletes ? 0 : req_life(t, q);
	struct alloc *a = q->alloc;
	struct reply r;
	uint16_t code;

	code = check_family(q);
	if (!code && moves)
		code = move(t, q);
	if (code)
		return req_error(t, q, code);
	reply_ok(&r, q);
	turn_put_u32(&r.w, TURN_ATTR_LIFETIME, life);
	if (deletes) {
		shorten(t, q);
		return reply_send(t, q, &r);
	}
	a->expires = mono_add(q->now, DUR_SEC(life));
	(void)alloc_file(t, a); /* is queued already */
	if (a->mobile && q->attrs.has_ticket)
		put_ticket(t, a, &r.w);
	return reply_send(t, q, &r);
}
