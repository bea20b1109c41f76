/* SPDX-License-Identifier: AGPL-3.0-only */
/* The long-term mechanism of RFC 8489 9.2.4, for names that carry their own expiry (wire/turn_cred.h). */
#include "turnd/req.h"
#include "wire/turn_cred.h"

static const uint8_t our_algorithms[8] = { 0, STUN_ALG_MD5, 0, 0, 0, STUN_ALG_SHA256, 0, 0 };

struct span auth_algorithms(void)
{
	return span_of(our_algorithms, sizeof(our_algorithms));
}

/* What a client that follows the RFC always sends, and that it was not talked into a weaker algorithm. */
static bool is_complete(const struct stun_msg *m)
{
	if ((m->username.n == 0 && m->userhash.n == 0) || m->realm.n == 0 || m->nonce.n == 0)
		return false;
	if (m->algorithms.n == 0 && m->algorithm == STUN_ALG_NONE)
		return true;
	return span_eq(m->algorithms, auth_algorithms()) && (m->algorithm == STUN_ALG_MD5 || m->algorithm == STUN_ALG_SHA256);
}

static bool find_user(struct turn *t, struct req *q)
{
	int n;

	q->user = q->msg.username;
	if (q->user.n == 0) {
		n = t->ops->user_by_hash(t->owner, q->msg.userhash.p, q->name);
		q->user = span_of(q->name, n > 0 ? (size_t)n : 0);
	}
	return q->user.n > 0 && q->user.n <= UINT8_MAX;
}

/* A lifetime is granted in whole seconds: a name that ends within the next one is over. Deleting is always allowed. */
static bool is_expired(struct turn *t, const struct req *q)
{
	bool deletes = q->msg.method == TURN_REFRESH && q->attrs.has_lifetime && q->attrs.lifetime == 0;

	return !deletes && q->good_until.us < wall_of(t, q->now).us + US_PER_SEC;
}

static bool is_probe(struct span id)
{
	return span_is(id, TURN_PROBE_ID);
}

static bool fits(const struct req *q, size_t key_n)
{
	struct span key = span_of(q->key, key_n);

	if (key_n == 0)
		return false;
	return (q->msg.has_integrity256 ? stun_check_integrity256(&q->msg, key) : stun_check_integrity(&q->msg, key)) == 0;
}

static size_t key_of(const struct turn *t, struct req *q, const struct secret *s)
{
	char password[TURN_PASSWORD_LEN + 1];
	size_t n = 0;

	if (turn_cred_password(secret_span(s), q->user, password) == 0)
		n = stun_longterm_key((enum stun_algorithm)q->alg, q->user, span_str(t->conf.realm),
				      span_of(password, TURN_PASSWORD_LEN), q->key);
	wipe(password, sizeof(password));
	return n;
}

static bool owns(const struct req *q)
{
	return q->alloc && span_eq(q->user, span_of(q->alloc->user, q->alloc->user_n));
}

/* Finds the key that fits; a client that has an allocation keeps the one it came with. */
static bool find_key(const struct turn *t, struct req *q)
{
	if (owns(q) && q->alloc->alg == q->alg) {
		memcpy(q->key, q->alloc->key, sizeof(q->key));
		q->key_n = fits(q, q->alloc->key_n) ? q->alloc->key_n : 0;
		return q->key_n;
	}
	for (uint32_t i = 0; i < t->conf.n_secrets && !q->key_n; i++) {
		size_t n = key_of(t, q, &t->conf.secret[i]);

		q->key_n = fits(q, n) ? (uint8_t)n : 0;
	}
	return q->key_n;
}

uint16_t req_auth(struct turn *t, struct req *q)
{
	struct span id;

	if (!q->msg.has_integrity && !q->msg.has_integrity256)
		return TURN_ERR_UNAUTHORIZED;
	if (!is_complete(&q->msg))
		return TURN_ERR_BAD_REQUEST;
	if (nonce_check(t->conf.nonce_key, q->client, q->msg.nonce, q->now, t->conf.nonce_life) != NONCE_GOOD)
		return TURN_ERR_STALE_NONCE;
	q->sha256 = q->msg.has_integrity256;
	q->alg = q->msg.algorithm ? (uint8_t)q->msg.algorithm : STUN_ALG_MD5;
	if (!find_user(t, q) || turn_cred_expiry(q->user, &q->good_until, &id) < 0) {
		t->stats.auth_failed++;
		return TURN_ERR_UNAUTHORIZED;
	}
	if (is_expired(t, q)) {
		t->stats.auth_expired++;
		return TURN_ERR_UNAUTHORIZED;
	}
	q->probe = is_probe(id);
	if (!find_key(t, q)) {
		t->stats.auth_failed++;
		return TURN_ERR_UNAUTHORIZED;
	}
	/* To whom the 5-tuple of an Allocate belongs is no matter: it is taken. */
	if (q->alloc && !owns(q) && q->msg.method != TURN_ALLOCATE)
		return TURN_ERR_WRONG_CREDENTIALS;
	return 0;
}
