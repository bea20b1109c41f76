/* SPDX-License-Identifier: AGPL-3.0-only */
#include "healthd/probe/turn_probe.h"

#define STALE_MAX 3
#define WEIGHT 127 /* bytes of SOFTWARE at most (RFC 8489 14.14) */

/* --- sending ------------------------------------------------------------------------------------------------------ */

static void put_out(struct turn_probe *p, uint32_t leg, struct span msg)
{
	struct turn_probe_out *o;

	if (msg.n == 0 || msg.n > STUN_TX_BYTES || p->box.n == TURN_PROBE_BOX)
		return; /* a full box: as if the network had lost it */
	o = &p->box.out[p->box.n++];
	o->leg = (uint8_t)leg;
	o->n = msg.n;
	memcpy(o->b, msg.p, msg.n);
}

static void flush(struct turn_probe *p, mono_t now)
{
	for (uint32_t i = 0; i < TURN_PROBE_LEGS; i++)
		put_out(p, i, stun_tx_due(&p->leg[i].tx, now));
}

/* turnd sends an unproven address no more than came from there, once a stranger who spoofs it has used up its small burst. What
 * asks for a challenge is therefore longer than a challenge. */
static void put_weight(struct wr *w)
{
	uint8_t text[WEIGHT];

	memset(text, ' ', sizeof(text));
	memcpy(text, TURN_PROBE_USER, sizeof(TURN_PROBE_USER) - 1);
	stun_put(w, STUN_ATTR_SOFTWARE, span_of(text, sizeof(text)));
}

static void put_body(struct turn_probe *p, uint32_t leg, uint16_t method, struct wr *w)
{
	const uint8_t *tid = stun_tx_tid(&p->leg[leg].tx);

	switch (method) {
	case TURN_ALLOCATE:
		turn_put_u8(w, TURN_ATTR_REQUESTED_TRANSPORT, TURN_UDP);
		if (!addr_is_v4(&p->server))
			turn_put_u8(w, TURN_ATTR_REQUESTED_ADDRESS_FAMILY, TURN_FAMILY_V6);
		if (!p->leg[leg].key_n)
			put_weight(w);
		return;
	case TURN_CREATE_PERMISSION:
		stun_put_xor_addr(w, TURN_ATTR_XOR_PEER_ADDRESS, &p->leg[!leg].relayed, tid);
		return;
	default:
		turn_put_u32(w, TURN_ATTR_LIFETIME, 0);
	}
}

static void request(struct turn_probe *p, uint32_t leg, uint16_t method, mono_t now)
{
	struct turn_probe_leg *l = &p->leg[leg];
	struct wr w = stun_tx_begin(&l->tx, STUN_REQUEST, method, p->rng);

	l->method = method;
	put_body(p, leg, method, &w);
	if (l->key_n) {
		stun_put(&w, STUN_ATTR_USERNAME, span_str(p->user));
		stun_put(&w, STUN_ATTR_REALM, span_of(l->realm, l->realm_n));
		stun_put(&w, STUN_ATTR_NONCE, span_of(l->nonce, l->nonce_n));
		stun_put_integrity(&w, span_of(l->key, l->key_n));
		l->asked |= method == TURN_ALLOCATE;
	}
	(void)stun_tx_start(&l->tx, &w, p->reliable, now); /* with the longest realm and nonce it fits */
}

static void put_datum(const struct turn_probe *p, bool reverse, uint8_t ret[TURN_PROBE_DATUM])
{
	for (size_t i = 0; i < TURN_PROBE_DATUM; i++)
		ret[i] = p->datum[reverse ? TURN_PROBE_DATUM - 1 - i : i];
}

/* A Send indication to the other leg's relayed address. It is due at once, and again like a request: the relayed part of its way
 * is UDP, whatever the leg is. */
static void say(struct turn_probe *p, uint32_t leg, mono_t now)
{
	struct turn_probe_leg *l = &p->leg[leg];
	struct wr w = stun_tx_begin(&l->tx, STUN_INDICATION, TURN_SEND, p->rng);
	uint8_t datum[TURN_PROBE_DATUM];

	put_datum(p, leg != 0, datum);
	l->method = TURN_SEND;
	stun_put_xor_addr(&w, TURN_ATTR_XOR_PEER_ADDRESS, &p->leg[!leg].relayed, stun_tx_tid(&l->tx));
	stun_put(&w, TURN_ATTR_DATA, span_of(datum, sizeof(datum)));
	(void)stun_tx_start(&l->tx, &w, false, now); /* 68 bytes fit */
}

/* --- states ------------------------------------------------------------------------------------------------------- */

static void settle_release(struct turn_probe *p)
{
	for (uint32_t i = 0; i < TURN_PROBE_LEGS; i++) {
		if (!p->leg[i].released)
			return;
		stun_tx_stop(&p->leg[i].tx);
	}
	p->step = TURN_PROBE_DONE;
}

static void enter_release(struct turn_probe *p, mono_t now)
{
	p->step = TURN_PROBE_RELEASE;
	p->deadline = mono_add(now, p->release_us);
	for (uint32_t i = 0; i < TURN_PROBE_LEGS; i++) {
		struct turn_probe_leg *l = &p->leg[i];

		stun_tx_stop(&l->tx);
		l->released |= !l->asked;
		l->stale = 0;
		if (!l->released)
			request(p, i, TURN_REFRESH, now);
	}
	settle_release(p);
}

static void fail(struct turn_probe *p, enum probe_why why, uint16_t code, mono_t now)
{
	if (p->step >= TURN_PROBE_RELEASE)
		return;
	p->end = (struct probe_end){ .why = why, .code = code, .step = (uint8_t)p->step };
	enter_release(p, now);
}

static void enter_permit(struct turn_probe *p, mono_t now)
{
	p->step = TURN_PROBE_PERMIT;
	for (uint32_t i = 0; i < TURN_PROBE_LEGS; i++)
		request(p, i, TURN_CREATE_PERMISSION, now);
}

static void enter_datum(struct turn_probe *p, mono_t now)
{
	p->step = TURN_PROBE_DATUM_SENT;
	say(p, 0, now);
}

static void on_allocated(struct turn_probe *p, struct turn_probe_leg *l, const struct stun_msg *m, mono_t now)
{
	struct turn_attrs a;

	if (p->step == TURN_PROBE_RELEASE)
		return;
	if (turn_attrs_parse(m, &a) < 0 || a.n_relayed == 0 || a.relayed[0].port == 0) {
		fail(p, PROBE_GARBAGE, 0, now);
		return;
	}
	l->relayed = a.relayed[0];
	if (!addr_is_unset(&p->leg[0].relayed) && !addr_is_unset(&p->leg[1].relayed))
		enter_permit(p, now);
}

static void on_success(struct turn_probe *p, struct turn_probe_leg *l, const struct stun_msg *m, mono_t now)
{
	stun_tx_stop(&l->tx);
	switch (l->method) {
	case TURN_ALLOCATE:
		on_allocated(p, l, m, now);
		return;
	case TURN_CREATE_PERMISSION:
		l->permitted = true;
		if (p->leg[0].permitted && p->leg[1].permitted)
			enter_datum(p, now);
		return;
	default:
		l->released = true;
		settle_release(p);
	}
}

/* RFC 8489 9.2.5: what a 401 or 438 says, into the leg. False: nothing to go on with. */
static bool take_challenge(const struct turn_probe *p, struct turn_probe_leg *l, const struct stun_msg *m)
{
	if (m->nonce.n == 0 || m->nonce.n > sizeof(l->nonce) || m->realm.n == 0 || m->realm.n > sizeof(l->realm) ||
	    (p->has_realm && !span_is(m->realm, p->realm)))
		return false;
	memcpy(l->nonce, m->nonce.p, m->nonce.n);
	memcpy(l->realm, m->realm.p, m->realm.n);
	l->nonce_n = m->nonce.n;
	l->realm_n = m->realm.n;
	l->key_n = stun_longterm_key(STUN_ALG_MD5, span_str(p->user), m->realm, span_of(p->password, TURN_PASSWORD_LEN), l->key);
	return l->key_n > 0;
}

static void on_refused(struct turn_probe *p, uint32_t leg, const struct stun_msg *m, mono_t now)
{
	struct turn_probe_leg *l = &p->leg[leg];
	bool first = m->error == TURN_ERR_UNAUTHORIZED && l->key_n == 0;
	bool stale = m->error == TURN_ERR_STALE_NONCE && l->key_n > 0 && l->stale++ < STALE_MAX;

	stun_tx_stop(&l->tx);
	if ((first || stale) && take_challenge(p, l, m)) {
		request(p, leg, l->method, now);
	} else if (p->step == TURN_PROBE_RELEASE) {
		l->released = true; /* 437: it is gone; anything else: asking again would not help */
		settle_release(p);
	} else {
		bool auth = m->error == TURN_ERR_UNAUTHORIZED && !first;

		l->asked &= l->method != TURN_ALLOCATE;
		fail(p, auth ? PROBE_AUTH : first || stale ? PROBE_GARBAGE : PROBE_CODE, m->error, now);
	}
}

/* --- input -------------------------------------------------------------------------------------------------------- */

/* Of errors, those that come before a key is agreed on have none (RFC 8489 9.2.4); a wrong one never counts. */
static bool is_vouched_for(const struct turn_probe_leg *l, const struct stun_msg *m)
{
	struct span key = span_of(l->key, l->key_n);

	if (m->cls == STUN_ERROR && !m->has_integrity)
		return true;
	return l->key_n > 0 && stun_check_integrity(m, key) == 0;
}

static bool is_datum(const struct turn_probe *p, const struct stun_msg *m, bool reverse)
{
	uint8_t want[TURN_PROBE_DATUM];
	struct turn_attrs a;

	put_datum(p, reverse, want);
	return m->method == TURN_DATA && turn_attrs_parse(m, &a) == 0 && a.has_data &&
	       span_eq(a.data, span_of(want, sizeof(want)));
}

/* The second leg answers each copy it gets, so that losses on the way back are made up for, too. */
static void on_indication(struct turn_probe *p, uint32_t leg, const struct stun_msg *m, mono_t now)
{
	if (p->step != TURN_PROBE_DATUM_SENT)
		return;
	if (!is_datum(p, m, leg == 0)) {
		p->strange = true;
	} else if (leg == 1) {
		say(p, leg, now);
		put_out(p, leg, stun_tx_due(&p->leg[leg].tx, now));
		stun_tx_stop(&p->leg[leg].tx);
	} else {
		p->us = mono_since(now, p->leg[0].tx.first);
		p->end.why = PROBE_OK;
		enter_release(p, now);
	}
}

/* An allocation for the asking: no server of ours. It is given back. */
static bool is_open_door(const struct turn_probe *p, struct turn_probe_leg *l, const struct stun_msg *m)
{
	if (p->step != TURN_PROBE_ALLOCATE || l->key_n || m->cls != STUN_SUCCESS || !stun_tx_is_answer(&l->tx, m))
		return false;
	l->asked = true;
	return true;
}

static void on_answer(struct turn_probe *p, uint32_t leg, const struct stun_msg *m, mono_t now)
{
	p->known = true;
	if (m->cls == STUN_SUCCESS)
		on_success(p, &p->leg[leg], m, now);
	else
		on_refused(p, leg, m, now);
}

static void on_message(struct turn_probe *p, uint32_t leg, const struct stun_msg *m, mono_t now)
{
	struct turn_probe_leg *l = &p->leg[leg];

	if (m->cls == STUN_INDICATION)
		on_indication(p, leg, m, now);
	else if (is_open_door(p, l, m))
		fail(p, PROBE_GARBAGE, 0, now);
	else if (!stun_tx_is_answer(&l->tx, m))
		p->strange |= !p->known; /* of a server that answered, a late copy */
	else if (!is_vouched_for(l, m))
		p->strange = true;
	else
		on_answer(p, leg, m, now);
}

void turn_probe_input(struct turn_probe *p, uint32_t leg, const struct addr *from, struct span msg, mono_t now)
{
	struct stun_msg m;

	if (p->step == TURN_PROBE_DONE)
		return;
	if (!addr_eq(from, &p->server) || stun_parse(msg, &m) < 0) {
		p->strange = true;
		return;
	}
	on_message(p, leg, &m, now);
	flush(p, now);
}

void turn_probe_lost(struct turn_probe *p, uint32_t leg, mono_t now)
{
	struct turn_probe_leg *l = &p->leg[leg];

	stun_tx_stop(&l->tx);
	l->asked = false;
	l->released = true;
	if (p->step == TURN_PROBE_RELEASE)
		settle_release(p);
	else
		fail(p, PROBE_CLOSED, 0, now);
	flush(p, now);
}

void turn_probe_abandon(struct turn_probe *p, mono_t now)
{
	fail(p, PROBE_TIMEOUT, 0, now);
	flush(p, now);
	p->step = TURN_PROBE_DONE;
}

void turn_probe_tick(struct turn_probe *p, mono_t now)
{
	if (p->step == TURN_PROBE_DONE)
		return;
	if (mono_reached(now, p->deadline) && p->step == TURN_PROBE_RELEASE)
		p->step = TURN_PROBE_DONE;
	else if (mono_reached(now, p->deadline))
		fail(p, p->strange ? PROBE_GARBAGE : PROBE_TIMEOUT, 0, now);
	flush(p, now);
}

mono_t turn_probe_next(const struct turn_probe *p)
{
	if (p->step == TURN_PROBE_DONE)
		return MONO_NEVER;
	return mono_min(p->deadline, mono_min(stun_tx_next(&p->leg[0].tx), stun_tx_next(&p->leg[1].tx)));
}

/* --- life --------------------------------------------------------------------------------------------------------- */

int turn_probe_init(struct turn_probe *p, const struct turn_probe_conf *c, struct rng *rng, mono_t now)
{
	struct wr user;
	int r;

	memset(p, 0, sizeof(*p));
	user = wr_from(p->user, sizeof(p->user) - 1);
	p->server = c->server;
	p->reliable = c->reliable;
	p->deadline = c->deadline;
	p->release_us = c->release_us;
	p->rng = rng;
	p->has_realm = c->realm != NULL;
	if (p->has_realm && strlen(c->realm) > TURN_PROBE_TEXT_MAX)
		return ERR_LIMIT;
	if (p->has_realm)
		memcpy(p->realm, c->realm, strlen(c->realm) + 1);
	wr_dec(&user, (c->wall.us + TURN_PROBE_LIFE) / US_PER_SEC);
	wr_str(&user, ":" TURN_PROBE_USER);
	r = turn_cred_password(c->secret, span_str(p->user), p->password);
	if (r < 0)
		return r;
	rng_bytes(rng, p->datum, sizeof(p->datum));
	for (uint32_t i = 0; i < TURN_PROBE_LEGS; i++)
		request(p, i, TURN_ALLOCATE, now);
	flush(p, now);
	return 0;
}

void turn_probe_done(struct turn_probe *p)
{
	wipe(p, sizeof(*p));
}
