/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * Answers. Those to strangers are as short as the protocol allows: no reason phrase, no SOFTWARE, and FINGERPRINT only for
 * whoever sent one. A 401 with a realm of 16 characters has 104 bytes, 112 with FINGERPRINT.
 */
#include "turnd/req.h"

static void begin(struct reply *r, const struct req *q, enum stun_class cls)
{
	r->w = wr_from(r->mem, sizeof(r->mem));
	r->code = 0;
	stun_begin(&r->w, cls, q->msg.method, q->msg.tid);
}

void reply_ok(struct reply *r, const struct req *q)
{
	begin(r, q, STUN_SUCCESS);
}

static void put_challenge(struct wr *w, const struct turn *t, const struct req *q)
{
	char nonce[NONCE_LEN];

	nonce_make(t->conf.nonce_key, q->client, q->now, nonce);
	stun_put(w, STUN_ATTR_REALM, span_str(t->conf.realm));
	stun_put(w, STUN_ATTR_NONCE, span_of(nonce, sizeof(nonce)));
	stun_put(w, STUN_ATTR_PASSWORD_ALGORITHMS, auth_algorithms());
}

static void put_unknown(struct wr *w, const struct stun_msg *m)
{
	uint8_t list[2 * STUN_UNKNOWN_MAX];

	for (size_t i = 0; i < m->n_unknown; i++)
		put_be16(list + 2 * i, m->unknown[i]);
	stun_put(w, STUN_ATTR_UNKNOWN_ATTRIBUTES, span_of(list, 2u * m->n_unknown));
}

static void finish(const struct turn *t, const struct req *q, struct wr *w)
{
	struct span key = span_of(q->key, q->key_n);

	if (key.n && t->conf.software)
		stun_put(w, STUN_ATTR_SOFTWARE, SPAN_LIT(TURN_SOFTWARE));
	if (key.n && q->sha256)
		stun_put_integrity256(w, key);
	else if (key.n)
		stun_put_integrity(w, key);
	if (q->msg.has_fingerprint)
		stun_put_fingerprint(w);
	stun_end(w);
}

/* Only over UDP can the source be somebody else's address; who holds an allocation has proved it. */
static bool may_answer(struct turn *t, const struct req *q, size_t n)
{
	if (q->client->via != VIA_UDP || q->key_n || (q->msg.method == STUN_BINDING && q->alloc))
		return true;
	return challenge_take(&t->challenge, &q->client->path.remote, q->msg.raw.n, n, q->now);
}

static enum drop dispatch(struct turn *t, const struct req *q, struct span msg)
{
	uint8_t *p;

	if (q->client->via != VIA_UDP)
		return t->ops->send(t->owner, q->client->conn, msg, (struct span){ 0 }) ? DROP_NONE : DROP_BLOCKED;
	p = outbox_reserve(t->out, msg.n);
	memcpy(p, msg.p, msg.n);
	outbox_commit(t->out, &q->path, msg.n);
	return DROP_NONE;
}

enum drop reply_send(struct turn *t, struct req *q, struct reply *r)
{
	enum drop d;

	finish(t, q, &r->w);
	if (r->w.bad)
		return DROP_TOO_LARGE;
	if (!may_answer(t, q, wr_len(&r->w)))
		return DROP_CHALLENGE_LIMIT;
	d = dispatch(t, q, wr_span_of(&r->w));
	if (d != DROP_NONE)
		return d;
	t->stats.answered[q->msg.method][r->code != 0]++;
	if (r->code)
		t->stats.errors[r->code - 300]++;
	return DROP_NONE;
}

enum drop req_error(struct turn *t, struct req *q, uint16_t code)
{
	struct reply r;

	begin(&r, q, STUN_ERROR);
	r.code = code;
	stun_put_error(&r.w, code, "");
	if (code == TURN_ERR_UNAUTHORIZED || code == TURN_ERR_STALE_NONCE)
		put_challenge(&r.w, t, q);
	if (code == TURN_ERR_UNKNOWN_ATTRIBUTE)
		put_unknown(&r.w, &q->msg);
	return reply_send(t, q, &r);
}

enum drop req_unknown(struct turn *t, struct req *q, uint16_t attr)
{
	q->msg.unknown[0] = attr;
	q->msg.n_unknown = 1;
	return req_error(t, q, TURN_ERR_UNKNOWN_ATTRIBUTE);
}
