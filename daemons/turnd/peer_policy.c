/* SPDX-License-Identifier: AGPL-3.0-only */
#include "turnd/peer_policy.h"

/* A peer as written, and every IPv4 address its bytes carry: a translator or tunnel on the way would deliver there. */
struct forms {
	struct addr a[1 + ADDR_EMBEDDED_MAX];
	uint32_t n;
};

/* Interface indexes aside: a peer's address has none. */
static bool same_ip(const struct addr *a, const struct addr *b)
{
	return memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

static bool listed(const struct addr *list, uint32_t n, const struct addr *a)
{
	for (uint32_t i = 0; i < n; i++) {
		if (same_ip(&list[i], a))
			return true;
	}
	return false;
}

static bool is_ours(const struct peer_policy *p, const struct addr *a)
{
	return listed(p->own, p->n_own, a) || listed(p->relay, p->n_relay, a);
}

/* The kernel takes 127.0.0.2 and 0.0.0.0 for this host, whatever the list says. */
static bool is_this_host(const struct peer_policy *p, const struct addr *a)
{
	enum addr_class c = addr_classify(a);

	return is_ours(p, a) || c == ADDR_LOOPBACK || c == ADDR_UNSPECIFIED;
}

static bool is_listener(const struct peer_policy *p, const struct addr *a)
{
	for (uint32_t i = 0; a->port && i < p->n_listen; i++) {
		const struct addr *l = &p->listen[i];

		if (l->port == a->port && (addr_is_any(l) ? is_this_host(p, a) : same_ip(l, a)))
			return true;
	}
	return false;
}

static bool is_denied(const struct peer_policy *p, const struct addr *a)
{
	for (uint32_t i = 0; i < p->n_deny; i++) {
		if (addr_in_prefix(a, &p->deny[i].net, p->deny[i].len))
			return true;
	}
	return false;
}

static bool any_form(const struct peer_policy *p, const struct forms *f,
		     bool (*is)(const struct peer_policy *p, const struct addr *a))
{
	for (uint32_t i = 0; i < f->n; i++) {
		if (is(p, &f->a[i]))
			return true;
	}
	return false;
}

static bool is_relay(const struct peer_policy *p, const struct addr *a)
{
	return listed(p->relay, p->n_relay, a) && (a->port == 0 || (a->port >= p->min_port && a->port <= p->max_port));
}

enum peer_verdict peer_policy(const struct peer_policy *p, const struct addr *peer)
{
	struct forms f = { .a[0] = *peer };

	f.n = 1 + addr_embedded(peer, f.a + 1);
	if (any_form(p, &f, is_listener) || any_form(p, &f, is_denied))
		return PEER_FORBIDDEN;
	if (is_relay(p, peer))
		return PEER_HAIRPIN;
	if (listed(p->allow, p->n_allow, peer))
		return PEER_OK;
	return any_form(p, &f, is_ours) || !addr_is_global(peer) ? PEER_FORBIDDEN : PEER_OK;
}
