/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * A stream cut at any point gives the same messages: before its last byte a message is short and its size never changes,
 * from there on it is whole; a lost stream stays lost. Each message is STUN that is not short, or ChannelData of the size
 * it says. What turn_attrs_parse read, written again and read again, is the same.
 */
#include "fuzz.h"
#include "unit/wire/turn_rig.h"

#define KEY SPAN_LIT("key")
#define GROWTH_MAX 1024 /* of a message that is rebuilt */

static void same_addrs(const struct turn_attrs *a, const struct turn_attrs *b)
{
	MUST(a->n_peers == b->n_peers && a->n_relayed == b->n_relayed);
	MUST(memcmp(a->peer, b->peer, sizeof(a->peer)) == 0);
	MUST(memcmp(a->relayed, b->relayed, sizeof(a->relayed)) == 0);
}

static void same_attrs(const struct turn_attrs *a, const struct turn_attrs *b)
{
	MUST(a->has_lifetime == b->has_lifetime && a->lifetime == b->lifetime);
	MUST(a->has_even_port == b->has_even_port && a->reserve_next == b->reserve_next);
	MUST(a->dont_fragment == b->dont_fragment);
	MUST(a->has_data == b->has_data && span_eq(a->data, b->data));
	MUST(a->has_ticket == b->has_ticket && span_eq(a->ticket, b->ticket));
	MUST(a->has_connection == b->has_connection && a->connection == b->connection);
	MUST(a->has_change == b->has_change && a->change_ip == b->change_ip && a->change_port == b->change_port);
	MUST(a->has_padding == b->has_padding && a->response_port == b->response_port);
	MUST(a->transport == b->transport && a->family == b->family && a->more_family == b->more_family);
	MUST(a->channel == b->channel && a->address_error == b->address_error);
	MUST(span_eq(a->reservation, b->reservation));
	same_addrs(a, b);
}

static void attrs_survive(const struct stun_msg *m)
{
	static uint8_t buf[STUN_HDR_LEN + UINT16_MAX];
	struct wr w = wr_from(buf, sizeof(buf));
	struct turn_attrs a, b;
	struct stun_msg again;
	int r;

	r = turn_attrs_parse(m, &a);
	MUST(r == 0 || r == ERR_MALFORMED || r == ERR_LIMIT);
	if (r < 0 || m->raw.n + GROWTH_MAX > UINT16_MAX)
		return;
	MUST(a.n_peers <= TURN_PEERS_MAX && a.n_relayed <= ARRAY_LEN(a.relayed));
	MUST(a.channel == 0 || (a.channel >= TURN_CHANNEL_MIN && a.channel <= TURN_CHANNEL_MAX));
	MUST(a.reservation.n == 0 || a.reservation.n == TURN_TOKEN_LEN);
	MUST(stun_parse(rig_rebuild(&w, m, &a, "because", KEY), &again) == 0);
	MUST(turn_attrs_parse(&again, &b) == 0);
	same_attrs(&a, &b);
	MUST(again.n_unknown == 0 && span_eq(m->username, again.username) && m->error == again.error);
}

static void channel_is_read(struct span msg)
{
	uint8_t hdr[TURN_CHANNEL_HDR_LEN];
	uint16_t channel;
	struct span data;

	MUST(turn_is_channel(msg));
	MUST(turn_channel_parse(msg, &channel, &data) == 0);
	MUST(data.p == msg.p + TURN_CHANNEL_HDR_LEN && msg.n == TURN_CHANNEL_HDR_LEN + data.n + turn_pad(data.n));
	turn_channel_put(hdr, channel, (uint16_t)data.n);
	MUST(memcmp(hdr, msg.p, sizeof(hdr)) == 0);
	/* A datagram needs no padding, but all of the data. */
	MUST(turn_channel_parse(span_of(msg.p, TURN_CHANNEL_HDR_LEN + data.n), &channel, &data) == 0);
	MUST(turn_channel_parse(span_of(msg.p, TURN_CHANNEL_HDR_LEN + data.n - 1), &channel, &data) == ERR_SHORT);
}

static void whole_message(struct span msg)
{
	struct stun_msg m;
	int r;

	if (turn_is_channel(msg)) {
		channel_is_read(msg);
		return;
	}
	r = stun_parse(msg, &m);
	MUST(r == 0 || r == ERR_MALFORMED);
	if (r == 0)
		attrs_survive(&m);
}

/* The first message of s, found with one byte more at a time, as a slow sender has it. 0: none there. */
static size_t first_message(struct span s)
{
	size_t whole, said = 0;
	int r, all = turn_frame(s, &whole);

	MUST(all == 0 || all == ERR_SHORT || all == ERR_MALFORMED);
	for (size_t k = 0; k <= s.n; k++) {
		size_t n = 0;

		r = turn_frame(span_of(s.p, k), &n);
		if (r == ERR_MALFORMED) {
			MUST(all == ERR_MALFORMED);
			return 0;
		}
		MUST((n == 0) == (k < 4) && n <= TURN_FRAME_MAX && n % 4 == 0);
		MUST(said == 0 || n == said);
		said = n;
		MUST(r == (n == 0 || n > k ? ERR_SHORT : 0));
		MUST(r == ERR_SHORT || all == 0);
		if (r == 0 && k >= n + 16)
			break;
	}
	MUST(all != ERR_MALFORMED && whole == said);
	return all == 0 ? whole : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint16_t channel;
	struct span rest = span_of(data, n), in;
	struct stun_msg m;

	while (rest.n) {
		size_t len = first_message(rest);

		if (len == 0)
			break;
		whole_message(span_of(rest.p, len));
		rest = span_of(rest.p + len, rest.n - len);
	}
	/* The input as a datagram. */
	if (stun_parse(span_of(data, n), &m) == 0)
		attrs_survive(&m);
	if (turn_channel_parse(span_of(data, n), &channel, &in) == 0)
		MUST(in.p == data + TURN_CHANNEL_HDR_LEN && in.n + TURN_CHANNEL_HDR_LEN <= n);
	return 0;
}
