/* SPDX-License-Identifier: AGPL-3.0-only */
#include "healthd/probe/stun_tx.h"

struct wr stun_tx_begin(struct stun_tx *t, enum stun_class cls, uint16_t method, struct rng *rng)
{
	struct wr w = wr_from(t->msg, sizeof(t->msg));
	uint8_t tid[STUN_TID_LEN];

	rng_bytes(rng, tid, sizeof(tid));
	stun_begin(&w, cls, method, tid);
	return w;
}

int stun_tx_start(struct stun_tx *t, struct wr *w, bool reliable, mono_t now)
{
	stun_end(w);
	if (w->bad) {
		stun_tx_stop(t);
		return ERR_LIMIT;
	}
	t->n = wr_len(w);
	t->running = true;
	t->reliable = reliable;
	t->sent = 0;
	t->rto = STUN_TX_RTO;
	t->first = t->next = now;
	return 0;
}

void stun_tx_stop(struct stun_tx *t)
{
	t->running = false;
}

struct span stun_tx_due(struct stun_tx *t, mono_t now)
{
	if (!t->running || !mono_reached(now, t->next))
		return (struct span){ 0 };
	t->first = t->sent ? t->first : now;
	t->sent++;
	t->next = t->reliable || t->sent == STUN_TX_SENDS ? MONO_NEVER : mono_add(now, t->rto);
	t->rto *= 2;
	return span_of(t->msg, t->n);
}

mono_t stun_tx_next(const struct stun_tx *t)
{
	return t->running ? t->next : MONO_NEVER;
}

const uint8_t *stun_tx_tid(const struct stun_tx *t)
{
	return t->msg + STUN_HDR_LEN - STUN_TID_LEN;
}

bool stun_tx_is_answer(const struct stun_tx *t, const struct stun_msg *m)
{
	struct stun_msg asked;

	if (!t->running || t->sent == 0 || (m->cls != STUN_SUCCESS && m->cls != STUN_ERROR))
		return false;
	return stun_parse(span_of(t->msg, t->n), &asked) == 0 && asked.method == m->method &&
	       memcmp(asked.tid, m->tid, STUN_TID_LEN) == 0;
}
