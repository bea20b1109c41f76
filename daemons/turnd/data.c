/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * The way of relayed data, both directions. Nothing here allocates, divides, reads a clock or copies a payload, but for Data
 * indications whose payload needs padding on UDP: a datagram has no place for bytes behind the borrowed ones.
 */
#include "turnd/req.h"

#define HEAD_MAX 64 /* of a Data indication: 20, XOR-PEER-ADDRESS 24, DATA 4 */

void indication_tid(struct turn *t, uint8_t ret[STUN_TID_LEN])
{
	put_be32(ret, 0);
	put_be64(ret + 4, t->tid_next++);
}

/* --- client to peer ---------------------------------------------------------------------------------------------- */

/* RFC 8016 3.2.2: whoever sends by the new address has it. */
static void arrived(struct turn *t, struct alloc *a, const struct client *c)
{
	if (a->former.client.via != VIA_MAX_ && client_same(c, &a->now.client))
		alloc_settle(t, a);
}

/* RFC 8656 12.6: a binding in force is enough; neither it nor its permission is refreshed by data. */
enum drop channel_data(struct turn *t, const struct client *c, struct span msg, mono_t now)
{
	const struct channel *ch;
	struct alloc *a;
	uint16_t number;
	struct span data;

	if (turn_channel_parse(msg, &number, &data) < 0)
		return DROP_UNKNOWN_KIND;
	a = alloc_by_client(t, c);
	if (!a || mono_reached(now, a->expires))
		return DROP_CLIENT_UNKNOWN;
	ch = channel_by_number(&a->perms, number, now);
	if (!ch)
		return DROP_CHANNEL_UNKNOWN;
	arrived(t, a, c);
	return relay_to_peer(t, a, &ch->peer, data, false, now);
}

/* RFC 8656 11.2. */
enum drop ind_send(struct turn *t, struct req *q)
{
	const struct addr *peer = &q->attrs.peer[0];
	struct alloc *a = q->alloc;
	uint16_t code;

	if (!a)
		return DROP_CLIENT_UNKNOWN;
	if (q->attrs.n_peers != 1 || !q->attrs.has_data)
		return DROP_SEND_MALFORMED;
	if (a->tcp)
		return DROP_PEER_FAMILY; /* RFC 6062 5: such an allocation relays streams */
	code = relay_judge(t, a, peer, true);
	if (code)
		return code == TURN_ERR_PEER_FAMILY ? DROP_PEER_FAMILY : DROP_PEER_FORBIDDEN;
	if (!perm_has(&a->perms, peer, q->now))
		return DROP_PERMISSION;
	arrived(t, a, q->client);
	return relay_to_peer(t, a, peer, q->attrs.data, q->attrs.dont_fragment, q->now);
}

/* --- peer to client ---------------------------------------------------------------------------------------------- */

enum drop send_to_client(struct turn *t, const struct alloc *a, struct span head, struct span payload)
{
	const struct client *c = alloc_client(a);

	if (c->via != VIA_UDP)
		return t->ops->send(t->owner, c->conn, head, payload) ? DROP_NONE : DROP_BLOCKED;
	if (head.n + payload.n > OUTBOX_DGRAM_MAX)
		return DROP_TOO_LARGE;
	outbox_put(t->out, &c->path, head, payload);
	return DROP_NONE;
}

/* All of it in one piece, zeros behind the payload. */
static enum drop send_padded(struct turn *t, const struct client *c, struct span head, struct span payload)
{
	size_t n = head.n + payload.n, all = n + turn_pad(payload.n);
	uint8_t *p;

	if (all > OUTBOX_DGRAM_MAX)
		return DROP_TOO_LARGE;
	p = outbox_reserve(t->out, all);
	memcpy(p, head.p, head.n);
	memcpy(p + head.n, payload.p, payload.n);
	memset(p + n, 0, all - n);
	outbox_commit(t->out, &c->path, all);
	return DROP_NONE;
}

/* RFC 8656 11.3. On streams the padding that the length counts is the shell's (turn_ops.send). */
static enum drop send_indication(struct turn *t, const struct alloc *a, const struct addr *from, struct span data)
{
	const struct client *c = alloc_client(a);
	uint8_t mem[HEAD_MAX], tid[STUN_TID_LEN];
	struct wr w = wr_from(mem, sizeof(mem));
	size_t n;

	indication_tid(t, tid);
	stun_begin(&w, STUN_INDICATION, TURN_DATA, tid);
	stun_put_xor_addr(&w, TURN_ATTR_XOR_PEER_ADDRESS, from, tid);
	wr_be16(&w, TURN_ATTR_DATA);
	wr_be16(&w, (uint16_t)data.n);
	n = wr_len(&w) - STUN_HDR_LEN + data.n + turn_pad(data.n);
	if (n > UINT16_MAX)
		return DROP_TOO_LARGE;
	put_be16(mem + 2, (uint16_t)n);
	if (c->via == VIA_UDP && turn_pad(data.n))
		return send_padded(t, c, wr_span_of(&w), data);
	return send_to_client(t, a, wr_span_of(&w), data);
}

static enum drop send_channel(struct turn *t, const struct alloc *a, uint16_t number, struct span data)
{
	uint8_t head[TURN_CHANNEL_HDR_LEN];

	if (data.n > UINT16_MAX)
		return DROP_TOO_LARGE;
	turn_channel_put(head, number, (uint16_t)data.n);
	return send_to_client(t, a, span_of(head, sizeof(head)), data);
}

/* RFC 8656 11.3: the permission is asked for whether the peer has a channel or not. */
static enum drop relay_in(struct turn *t, struct alloc *a, const struct addr *peer, struct span data, mono_t now)
{
	const struct channel *ch;
	struct addr from = *peer;
	enum drop d;

	if (!a || mono_reached(now, a->expires))
		return DROP_RELAY_GONE;
	if (!relay_map_in(t, &from))
		return DROP_PEER_FORBIDDEN;
	if (!perm_has(&a->perms, &from, now))
		return DROP_RELAY_PERMISSION;
	d = alloc_spend(t, a, data.n, now);
	if (d != DROP_NONE)
		return d;
	ch = channel_by_peer(&a->perms, &from, now);
	d = ch ? send_channel(t, a, ch->number, data) : send_indication(t, a, &from, data);
	if (d != DROP_NONE)
		return d;
	a->packets[1]++;
	a->bytes[1] += data.n;
	t->stats.packets[1]++;
	t->stats.bytes[1] += data.n;
	return DROP_NONE;
}

enum drop turn_relay_input(struct turn *t, struct handle alloc, const struct addr *from, struct span data, mono_t now)
{
	enum drop d = relay_in(t, alloc_get(t, alloc), from, data, now);

	t->stats.drops[d] += d != DROP_NONE;
	return d;
}
