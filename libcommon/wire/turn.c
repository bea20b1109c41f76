/* SPDX-License-Identifier: AGPL-3.0-only */
#include "wire/turn.h"

#define REASON_MAX 763        /* RFC 8489 14.8 */
#define EVEN_PORT_RESERVE 0x80
#define CHANGE_IP 0x04
#define CHANGE_PORT 0x02

/* One function per attribute: the value has the size the table demands. */
typedef int attr_fn(const struct stun_msg *m, struct turn_attrs *a, struct span v);

static int on_peer(const struct stun_msg *m, struct turn_attrs *a, struct span v)
{
	struct addr peer;
	int r;

	r = stun_read_xor_addr(m, v, &peer);
	if (r < 0)
		return r;
	if (a->n_peers == TURN_PEERS_MAX)
		return ERR_LIMIT;
	a->peer[a->n_peers++] = peer;
	return 0;
}

static int on_data(const struct stun_msg *m, struct turn_attrs *a, struct span v)
{
	(void)m;
	a->has_data = true;
	a->data = v;
	return 0;
}

static int on_lifetime(const struct stun_msg *m, struct turn_attrs *a, struct span v)
{
	(void)m;
	a->has_lifetime = true;
	a->lifetime = be32_at(v.p);
	return 0;
}

/* RFC 8656 12: any other number is refused wherever it turns up. */
static bool is_channel(uint16_t number)
{
	return number >= TURN_CHANNEL_MIN && number <= TURN_CHANNEL_MAX;
}

static int on_channel(const struct stun_msg *m, struct turn_attrs *a, struct span v)
{
	(void)m;
	a->channel = be16_at(v.p);
	return is_channel(a->channel) ? 0 : ERR_MALFORMED;
}

static int on_transport(const struct stun_msg *m, struct turn_attrs *a, struct span v)
{
	(void)m;
	a->transport = v.p[0];
	return 0;
}

static int on_family(const struct stun_msg *m, struct turn_attrs *a, struct span v)
{
	(void)m;
	a->family = v.p[0];
	return 0;
}

static int on_more_family(const struct stun_msg *m, struct turn_attrs *a, struct span v)
{
	(void)m;
	a->more_family = v.p[0];
	return 0;
}

static int on_even_port(const struct stun_msg *m, struct turn_attrs *a, struct span v)
{
	(void)m;
	a->has_even_port = true;
	a->reserve_next = (v.p[0] & EVEN_PORT_RESERVE) != 0;
	return 0;
}

static int on_dont_fragment(const struct stun_msg *m, struct turn_attrs *a, struct span v)
{
	(void)m;
	(void)v;
	a->dont_fragment = true;
	return 0;
}

static int on_reservation(const struct stun_msg *m, struct turn_attrs *a, struct span v)
{
	(void)m;
	a->reservation = v;
	return 0;
}

static int on_relayed(const struct stun_msg *m, struct turn_attrs *a, struct span v)
{
	struct addr relayed;
	int r;

	r = stun_read_xor_addr(m, v, &relayed);
	if (r < 0)
		return r;
	if (a->n_relayed < ARRAY_LEN(a->relayed))
		a->relayed[a->n_relayed++] = relayed;
	return 0;
}

static int on_connection(const struct stun_msg *m, struct turn_attrs *a, struct span v)
{
	(void)m;
	a->has_connection = true;
	a->connection = be32_at(v.p);
	return 0;
}

static int on_ticket(const struct stun_msg *m, struct turn_attrs *a, struct span v)
{
	(void)m;
	a->has_ticket = true;
	a->ticket = v;
	return 0;
}

static int on_change(const struct stun_msg *m, struct turn_attrs *a, struct span v)
{
	(void)m;
	a->has_change = true;
	a->change_ip = (v.p[3] & CHANGE_IP) != 0;
	a->change_port = (v.p[3] & CHANGE_PORT) != 0;
	return 0;
}

/* RFC 5780 7.5: the two bytes behind the port are padding, which some senders count as value. */
static int on_response_port(const struct stun_msg *m, struct turn_attrs *a, struct span v)
{
	(void)m;
	if (v.n == 3)
		return ERR_MALFORMED;
	a->response_port = be16_at(v.p);
	return 0;
}

static int on_padding(const struct stun_msg *m, struct turn_attrs *a, struct span v)
{
	(void)m;
	(void)v;
	a->has_padding = true;
	return 0;
}

/* RFC 8656 18.12: as ERROR-CODE, with a family in the first byte. */
static int on_address_error(const struct stun_msg *m, struct turn_attrs *a, struct span v)
{
	unsigned hundreds = v.p[2] & 7;

	(void)m;
	if (hundreds < 3 || hundreds > 6 || v.p[3] > 99)
		return ERR_MALFORMED;
	a->address_error = (uint16_t)(hundreds * 100 + v.p[3]);
	return 0;
}

static const struct attr {
	uint16_t type;
	uint16_t min, max;
	bool many; /* else the first counts */
	attr_fn *fn;
} attrs[] = {
	{ TURN_ATTR_XOR_PEER_ADDRESS, 8, 20, true, on_peer },
	{ TURN_ATTR_DATA, 0, UINT16_MAX, false, on_data },
	{ TURN_ATTR_LIFETIME, 4, 4, false, on_lifetime },
	{ TURN_ATTR_CHANNEL_NUMBER, 4, 4, false, on_channel },
	{ TURN_ATTR_REQUESTED_TRANSPORT, 4, 4, false, on_transport },
	{ TURN_ATTR_REQUESTED_ADDRESS_FAMILY, 4, 4, false, on_family },
	{ TURN_ATTR_ADDITIONAL_ADDRESS_FAMILY, 4, 4, false, on_more_family },
	{ TURN_ATTR_ADDITIONAL_ADDRESS_FAMILY_DRAFT, 4, 4, false, on_more_family },
	{ TURN_ATTR_EVEN_PORT, 1, 1, false, on_even_port },
	{ TURN_ATTR_DONT_FRAGMENT, 0, 0, false, on_dont_fragment },
	{ TURN_ATTR_RESERVATION_TOKEN, TURN_TOKEN_LEN, TURN_TOKEN_LEN, false, on_reservation },
	{ TURN_ATTR_XOR_RELAYED_ADDRESS, 8, 20, true, on_relayed },
	{ TURN_ATTR_CONNECTION_ID, 4, 4, false, on_connection },
	{ TURN_ATTR_MOBILITY_TICKET, 0, UINT16_MAX, false, on_ticket },
	{ TURN_ATTR_ADDRESS_ERROR_CODE, 4, 4 + REASON_MAX, false, on_address_error },
	{ STUN_ATTR_CHANGE_REQUEST, 4, 4, false, on_change },
	{ STUN_ATTR_RESPONSE_PORT, 2, 4, false, on_response_port },
	{ STUN_ATTR_PADDING, 0, UINT16_MAX, false, on_padding },
};

static int take_attr(const struct stun_msg *m, struct turn_attrs *a, uint16_t type, struct span v, uint32_t *seen)
{
	for (size_t i = 0; i < ARRAY_LEN(attrs); i++) {
		if (attrs[i].type != type)
			continue;
		if (v.n < attrs[i].min || v.n > attrs[i].max)
			return ERR_MALFORMED;
		if (!attrs[i].many && (*seen >> i & 1) != 0)
			return 0;
		*seen |= UINT32_C(1) << i;
		return attrs[i].fn(m, a, v);
	}
	return 0;
}

int turn_attrs_parse(const struct stun_msg *m, struct turn_attrs *ret)
{
	struct turn_attrs a = { 0 };
	size_t at = STUN_HDR_LEN;
	uint32_t seen = 0; /* one bit per row of the table */
	uint16_t type;
	struct span v;
	int r;

	while (stun_next_attr(m, &at, &type, &v)) {
		r = take_attr(m, &a, type, v, &seen);
		if (r < 0)
			return r;
	}
	*ret = a;
	return 0;
}

void turn_put_u32(struct wr *w, uint16_t attr, uint32_t v)
{
	uint8_t b[4];

	put_be32(b, v);
	stun_put(w, attr, span_of(b, sizeof(b)));
}

/* RFC 8656 18.7: of EVEN-PORT the three bytes behind are padding, of the others RFFU. */
void turn_put_u8(struct wr *w, uint16_t attr, uint8_t v)
{
	const uint8_t b[4] = { v };

	stun_put(w, attr, span_of(b, attr == TURN_ATTR_EVEN_PORT ? 1 : sizeof(b)));
}

void turn_put_channel(struct wr *w, uint16_t channel)
{
	turn_put_u32(w, TURN_ATTR_CHANNEL_NUMBER, (uint32_t)channel << 16);
}

void turn_put_address_error(struct wr *w, uint8_t family, uint16_t code, const char *reason)
{
	size_t n = strlen(reason);

	wr_be16(w, TURN_ATTR_ADDRESS_ERROR_CODE);
	wr_be16(w, (uint16_t)(4 + n));
	wr_u8(w, family);
	wr_u8(w, 0);
	wr_u8(w, (uint8_t)(code / 100));
	wr_u8(w, (uint8_t)(code % 100));
	wr_bytes(w, reason, n);
	wr_zero(w, turn_pad(n));
}

int turn_channel_parse(struct span msg, uint16_t *ret_channel, struct span *ret_data)
{
	struct rd r = rd_from(msg);
	uint16_t channel = rd_be16(&r);
	uint16_t len = rd_be16(&r);
	struct span data = rd_span(&r, len);

	if (msg.n >= 2 && !is_channel(channel))
		return ERR_MALFORMED;
	if (r.bad)
		return ERR_SHORT;
	*ret_channel = channel;
	*ret_data = data;
	return 0;
}

void turn_channel_put(uint8_t hdr[TURN_CHANNEL_HDR_LEN], uint16_t channel, uint16_t n)
{
	put_be16(hdr, channel);
	put_be16(hdr + 2, n);
}

/* RFC 8489 5: a multiple of four, and the cookie. Both are asked for before the length is believed: one that lies would
 * let a message begin inside of this one's attributes. */
static bool is_stun(struct span stream, size_t len)
{
	return len % 4 == 0 && (stream.n < 8 || be32_at(stream.p + 4) == STUN_MAGIC);
}

int turn_frame(struct span stream, size_t *ret_n)
{
	uint8_t first = stream.n ? stream.p[0] : 0;
	bool channel = (first & 0xc0) == 0x40;
	size_t len, n;

	if ((first & 0xc0) != 0 && !channel)
		return ERR_MALFORMED;
	if (stream.n < TURN_CHANNEL_HDR_LEN) {
		*ret_n = 0;
		return ERR_SHORT;
	}
	len = be16_at(stream.p + 2);
	if (!channel && !is_stun(stream, len))
		return ERR_MALFORMED;
	/* RFC 8656 12.5: on a stream the padding is there, and the length does not count it. */
	n = channel ? TURN_CHANNEL_HDR_LEN + len + turn_pad(len) : STUN_HDR_LEN + len;
	*ret_n = n;
	return n > stream.n ? ERR_SHORT : 0;
}
