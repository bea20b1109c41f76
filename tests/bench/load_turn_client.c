/* SPDX-License-Identifier: AGPL-3.0-only */
/* The clients' requests: Allocate, 401, Allocate again, ChannelBind; and Refresh to zero. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/load_turn.h"

#define AGAIN_NS UINT64_C(500000000)
#define TRIES_MAX 12
#define CREDENTIAL_LIFE 86400
#define REQUEST_MAX 512
#define WINDOW_MAX 1024

/* A client's address: a /24 of its own, as clients in the world mostly have. */
static struct addr client_addr(uint32_t i)
{
	return addr_v4(127, (uint8_t)(64 + (i >> 8)), (uint8_t)i, 1, 0);
}

void load_turn_clients(struct load_turn *l)
{
	unsigned long long until = (unsigned long long)time(NULL) + CREDENTIAL_LIFE;
	char password[TURN_PASSWORD_LEN + 1];

	l->client = calloc(TURN_CLIENTS_MAX, sizeof(*l->client));
	if (!l->client)
		load_turn_die("no memory");
	for (uint32_t i = 0; i < TURN_CLIENTS_MAX; i++) {
		struct turn_client *c = &l->client[i];

		c->at = client_addr(i);
		snprintf(c->user, sizeof(c->user), "%llu:%u", until, i);
		if (turn_cred_password(span_str(l->secret), span_str(c->user), password) < 0)
			load_turn_die("HMAC");
		c->n_key = (uint8_t)stun_longterm_key(STUN_ALG_MD5, span_str(c->user), span_str(l->realm),
						      span_str(password), c->key);
	}
}

static void put_body(struct load_turn *l, struct wr *w, const uint8_t *tid, const struct turn_client *c)
{
	uint32_t i = (uint32_t)(c - l->client);

	if (c->step == TURN_ASK || c->step == TURN_PROVE) {
		stun_begin(w, STUN_REQUEST, TURN_ALLOCATE, tid);
		turn_put_u8(w, TURN_ATTR_REQUESTED_TRANSPORT, TURN_UDP);
	} else if (c->step == TURN_BIND) {
		stun_begin(w, STUN_REQUEST, TURN_CHANNEL_BIND, tid);
		turn_put_channel(w, load_turn_channel(i));
		stun_put_xor_addr(w, TURN_ATTR_XOR_PEER_ADDRESS, &load_turn_peer(l, i)->udp.local, tid);
	} else {
		stun_begin(w, STUN_REQUEST, TURN_REFRESH, tid);
		turn_put_u32(w, TURN_ATTR_LIFETIME, 0);
	}
}

/* The transaction names client, step and nonce: a request that is sent again keeps it. */
static void request(struct load_turn *l, struct turn_client *c)
{
	struct path path = { .remote = l->server, .local = c->at };
	struct wr w = wr_from(outbox_reserve(&l->front.out, REQUEST_MAX), REQUEST_MAX);
	uint8_t tid[STUN_TID_LEN] = "edge";

	put_be32(tid + 4, (uint32_t)(c - l->client));
	put_be32(tid + 8, (uint32_t)c->step << 8 | c->serial);
	put_body(l, &w, tid, c);
	if (c->step != TURN_ASK) {
		stun_put(&w, STUN_ATTR_USERNAME, span_str(c->user));
		stun_put(&w, STUN_ATTR_REALM, span_str(l->realm));
		stun_put(&w, STUN_ATTR_NONCE, span_of(c->nonce, c->n_nonce));
		stun_put_integrity(&w, span_of(c->key, c->n_key));
	}
	stun_end(&w);
	if (w.bad)
		load_turn_die("a request is too long");
	outbox_commit(&l->front.out, &path, wr_len(&w));
	c->sent_ns = load_turn_now();
	if (++c->tries > TRIES_MAX)
		load_turn_die("the server does not answer");
	l->again += c->tries > 1;
}

static void next_step(struct load_turn *l, struct turn_client *c, enum turn_step step)
{
	c->step = (uint8_t)step;
	c->tries = 0;
	if (step != TURN_DONE)
		request(l, c);
}

static void take_nonce(struct load_turn *l, struct turn_client *c, const struct stun_msg *m)
{
	if (!span_is(m->realm, l->realm) || m->nonce.n == 0 || m->nonce.n > sizeof(c->nonce))
		load_turn_die("a challenge without a nonce, or of another realm");
	memcpy(c->nonce, m->nonce.p, m->nonce.n);
	c->n_nonce = (uint8_t)m->nonce.n;
	c->serial++;
	next_step(l, c, c->step == TURN_ASK ? TURN_PROVE : (enum turn_step)c->step);
}

static void refused(struct load_turn *l, struct turn_client *c, const struct stun_msg *m)
{
	char text[64];

	if (m->error == TURN_ERR_STALE_NONCE || (m->error == TURN_ERR_UNAUTHORIZED && c->step == TURN_ASK)) {
		take_nonce(l, c, m);
		return;
	}
	errno = 0;
	snprintf(text, sizeof(text), "client %u, step %u: error %u", (unsigned)(c - l->client), c->step, m->error);
	load_turn_die(text);
}

static void answered(struct load_turn *l, struct span dgram, enum turn_step goal)
{
	struct turn_attrs attrs;
	struct turn_client *c;
	struct stun_msg m;
	uint32_t i;

	if (stun_parse(dgram, &m) < 0 || memcmp(m.tid, "edge", 4) != 0)
		return; /* data of an earlier run */
	i = be32_at(m.tid + 4);
	c = i < TURN_CLIENTS_MAX ? &l->client[i] : NULL;
	if (!c || be32_at(m.tid + 8) != ((uint32_t)c->step << 8 | c->serial))
		return; /* the answer to a request sent twice */
	if (m.cls == STUN_ERROR) {
		refused(l, c, &m);
		return;
	}
	if (c->step == TURN_PROVE) {
		if (turn_attrs_parse(&m, &attrs) < 0 || attrs.n_relayed != 1)
			load_turn_die("an allocation without an address");
		c->relayed = attrs.relayed[0];
	}
	if (c->step == TURN_RELEASE)
		c->at.ip[15]++; /* coturn refuses another allocation of the same address for a while */
	next_step(l, c, c->step == goal ? TURN_DONE : TURN_BIND);
}

static void receive(struct load_turn *l, enum turn_step goal)
{
	int n = udp_recv(&l->front.udp, l->dgrams);

	if (n < 0)
		load_turn_die("receiving");
	for (int i = 0; i < n; i++)
		answered(l, span_of(l->dgrams[i].p, l->dgrams[i].n), goal);
}

uint64_t load_turn_bring(struct load_turn *l, uint32_t from, uint32_t to, enum turn_step goal, uint32_t window)
{
	uint64_t began = load_turn_now();
	uint32_t open[WINDOW_MAX], n_open = 0, next = from;

	if (to > TURN_CLIENTS_MAX || window > WINDOW_MAX)
		load_turn_die("too many clients");
	while (next < to || n_open > 0) {
		uint64_t now = load_turn_now();

		for (; next < to && n_open < window; next++) {
			open[n_open++] = next;
			next_step(l, &l->client[next], goal == TURN_RELEASE ? TURN_RELEASE : TURN_ASK);
		}
		for (uint32_t i = 0; i < n_open; i++) {
			struct turn_client *c = &l->client[open[i]];

			if (c->step == TURN_DONE)
				open[i--] = open[--n_open];
			else if (now > c->sent_ns && now - c->sent_ns > AGAIN_NS)
				request(l, c);
		}
		udp_send(&l->front.udp, &l->front.out);
		receive(l, goal);
	}
	udp_send(&l->front.udp, &l->front.out);
	return load_turn_now() - began;
}
