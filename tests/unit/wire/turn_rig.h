/* SPDX-License-Identifier: AGPL-3.0-only */
/* A message written from what was read of it: attributes in one fixed order, so that a message in that order comes out
 * byte for byte. For tests and the fuzzer. */
#ifndef TESTS_TURN_RIG_H
#define TESTS_TURN_RIG_H

#include "wire/turn.h"

static inline void rig_put_stun(struct wr *w, const struct stun_msg *m, const char *reason)
{
	if (m->username.n)
		stun_put(w, STUN_ATTR_USERNAME, m->username);
	if (m->realm.n)
		stun_put(w, STUN_ATTR_REALM, m->realm);
	if (m->nonce.n)
		stun_put(w, STUN_ATTR_NONCE, m->nonce);
	if (m->error)
		stun_put_error(w, m->error, reason);
}

static inline void rig_put_wishes(struct wr *w, const struct turn_attrs *a)
{
	if (a->has_lifetime)
		turn_put_u32(w, TURN_ATTR_LIFETIME, a->lifetime);
	if (a->transport)
		turn_put_u8(w, TURN_ATTR_REQUESTED_TRANSPORT, a->transport);
	if (a->family)
		turn_put_u8(w, TURN_ATTR_REQUESTED_ADDRESS_FAMILY, a->family);
	if (a->has_even_port)
		turn_put_u8(w, TURN_ATTR_EVEN_PORT, a->reserve_next ? 0x80 : 0);
	if (a->dont_fragment)
		stun_put(w, TURN_ATTR_DONT_FRAGMENT, SPAN_LIT(""));
	if (a->more_family)
		turn_put_u8(w, TURN_ATTR_ADDITIONAL_ADDRESS_FAMILY, a->more_family);
	if (a->reservation.n)
		stun_put(w, TURN_ATTR_RESERVATION_TOKEN, a->reservation);
}

static inline void rig_put_peers(struct wr *w, const struct turn_attrs *a, const uint8_t *tid)
{
	if (a->channel)
		turn_put_channel(w, a->channel);
	if (a->has_connection)
		turn_put_u32(w, TURN_ATTR_CONNECTION_ID, a->connection);
	for (unsigned i = 0; i < a->n_peers; i++)
		stun_put_xor_addr(w, TURN_ATTR_XOR_PEER_ADDRESS, &a->peer[i], tid);
	if (a->has_data)
		stun_put(w, TURN_ATTR_DATA, a->data);
}

static inline void rig_put_discovery(struct wr *w, const struct turn_attrs *a, struct span padding)
{
	if (a->has_change)
		turn_put_u32(w, STUN_ATTR_CHANGE_REQUEST, (a->change_ip ? 4u : 0) | (a->change_port ? 2u : 0));
	if (a->response_port)
		turn_put_u32(w, STUN_ATTR_RESPONSE_PORT, (uint32_t)a->response_port << 16);
	if (a->has_padding)
		stun_put(w, STUN_ATTR_PADDING, padding);
}

/* The key is of its MESSAGE-INTEGRITY. What is not kept (reasons, an error's family, padding) is the caller's. */
static inline struct span rig_rebuild(struct wr *w, const struct stun_msg *m, const struct turn_attrs *a,
				      const char *reason, struct span key)
{
	static const uint8_t zeros[12];

	stun_begin(w, m->cls, m->method, m->tid);
	rig_put_stun(w, m, reason);
	rig_put_wishes(w, a);
	for (unsigned i = 0; i < a->n_relayed; i++)
		stun_put_xor_addr(w, TURN_ATTR_XOR_RELAYED_ADDRESS, &a->relayed[i], m->tid);
	if (!addr_is_unset(&m->mapped))
		stun_put_xor_addr(w, STUN_ATTR_XOR_MAPPED_ADDRESS, &m->mapped, m->tid);
	if (a->address_error)
		turn_put_address_error(w, TURN_FAMILY_V6, a->address_error, reason);
	if (a->has_ticket)
		stun_put(w, TURN_ATTR_MOBILITY_TICKET, a->ticket);
	rig_put_peers(w, a, m->tid);
	rig_put_discovery(w, a, span_of(zeros, sizeof(zeros)));
	if (m->has_integrity)
		stun_put_integrity(w, key);
	if (m->has_fingerprint)
		stun_put_fingerprint(w);
	stun_end(w);
	return wr_span_of(w);
}

#endif
