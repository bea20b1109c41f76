/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * Whom we relay to: global unicast addresses and nobody inside. A total function of the address.
 *
 *   our own listening sockets        refused, always
 *   DenyPeer= (central)              refused
 *   AllowPeer=                       taken, any port
 *   our relay addresses, relay port  taken: two clients of this server (hairpin)
 *   any other address of this host   refused
 *   everything that is not global    refused, after every IPv4-in-IPv6 form was unwrapped
 */
#ifndef TURND_PEER_POLICY_H
#define TURND_PEER_POLICY_H

#include "base/addr.h"

#define POLICY_OWN_MAX 64
#define POLICY_LIST_MAX 64

struct peer_policy {
	struct addr listen[POLICY_OWN_MAX]; /* with ports; an unspecified address means every address in `own` */
	uint32_t n_listen;
	struct addr own[POLICY_OWN_MAX];    /* addresses of this host, relay and external ones included; port unused */
	uint32_t n_own;
	struct addr relay[4];               /* relay and external addresses; port unused */
	uint32_t n_relay;
	uint16_t min_port, max_port;        /* relay ports */
	struct addr allow[POLICY_LIST_MAX];
	uint32_t n_allow;
	struct peer_prefix {
		struct addr net;
		uint8_t len; /* in the family of net */
	} deny[POLICY_LIST_MAX];
	uint32_t n_deny;
};

enum peer_verdict {
	PEER_OK,
	PEER_HAIRPIN, /* a relay address of ours; the port is in the range, or was not asked about */
	PEER_FORBIDDEN,
};

/* peer.port = 0: about the address alone (CreatePermission); ports are judged when they are known. */
enum peer_verdict peer_policy(const struct peer_policy *p, const struct addr *peer);

#endif
