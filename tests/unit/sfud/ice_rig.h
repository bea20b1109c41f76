/* SPDX-License-Identifier: AGPL-3.0-only */
/* For tests of the transport: a box that keeps what was sent, Binding requests, and a DTLS that does what its
 * input says. */
#ifndef TESTS_SFUD_ICE_RIG_H
#define TESTS_SFUD_ICE_RIG_H

#include "base/slab.h"
#include "sfud/transport/dtls.h"
#include "wire/stun.h"

#define RIG_SENT_MAX 64

struct sent {
	struct path path;
	size_t n;
	uint8_t b[OUTBOX_DGRAM_MAX];
};

struct rig_box {
	struct outbox out;
	struct out_msg msg[4];
	uint8_t mem[4 * OUTBOX_DGRAM_MAX];
	struct sent sent[RIG_SENT_MAX];
	size_t n; /* all that was sent, also beyond RIG_SENT_MAX */
};

static inline void rig_collect(struct outbox *ob)
{
	struct rig_box *box = ob->owner;

	for (uint32_t i = 0; i < ob->n; i++) {
		const struct out_msg *m = &ob->msg[i];

		for (size_t at = 0; at < m->len; at += m->seg, box->n++) {
			struct sent *s = &box->sent[box->n % RIG_SENT_MAX];

			s->path = m->path;
			s->n = m->len - at < m->seg ? m->len - at : m->seg;
			memcpy(s->b, m->data + at, s->n);
		}
	}
	outbox_clear(ob);
}

static inline void rig_box_init(struct rig_box *box)
{
	box->n = 0;
	outbox_init(&box->out, box->msg, ARRAY_LEN(box->msg), box->mem, sizeof(box->mem), rig_collect, box);
}

/* What was sent since the last call. */
static inline size_t rig_sent(struct rig_box *box)
{
	size_t n;

	rig_collect(&box->out);
	n = box->n;
	box->n = 0;
	return n;
}

static inline struct path rig_path(uint8_t host)
{
	return (struct path){ .remote = addr_v4(192, 0, 2, host, 5000), .local = addr_v4(198, 51, 100, 1, 0) };
}

enum rig_flags { RIG_NOMINATE = 1, RIG_CONTROLLED = 2, RIG_UNKNOWN = 4, RIG_BAD_CRC = 8, RIG_NO_INTEGRITY = 16 };

struct rig_request {
	uint8_t b[512];
	struct stun_msg m;
};

/* A check as a browser sends it, parsed. */
static inline void rig_request(struct rig_request *r, const char *local, const char *remote, const char *pwd, unsigned flags)
{
	static const uint8_t tid[STUN_TID_LEN] = "transaction";
	static const uint8_t tie[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	uint8_t user[STUN_USERNAME_MAX], prio[4] = { 0x6e, 0, 1, 0xff };
	struct wr u = wr_from(user, sizeof(user)), w = wr_from(r->b, sizeof(r->b));

	wr_str(&u, local);
	wr_u8(&u, ':');
	wr_str(&u, remote);
	stun_begin(&w, STUN_REQUEST, STUN_BINDING, tid);
	stun_put(&w, STUN_ATTR_USERNAME, wr_span_of(&u));
	stun_put(&w, STUN_ATTR_PRIORITY, span_of(prio, sizeof(prio)));
	stun_put(&w, flags & RIG_CONTROLLED ? STUN_ATTR_ICE_CONTROLLED : STUN_ATTR_ICE_CONTROLLING, span_of(tie, sizeof(tie)));
	if (flags & RIG_NOMINATE)
		stun_put(&w, STUN_ATTR_USE_CANDIDATE, span_of(NULL, 0));
	if (flags & RIG_UNKNOWN)
		stun_put(&w, 0x7123, span_of(tie, sizeof(tie)));
	if (!(flags & RIG_NO_INTEGRITY))
		stun_put_integrity(&w, span_str(pwd));
	stun_put_fingerprint(&w);
	if (flags & RIG_BAD_CRC)
		w.p[-1] ^= 1;
	stun_end(&w);
	(void)stun_parse(wr_span_of(&w), &r->m);
}

/* ---- a DTLS whose record payload is the state it shall be in: 'h' 'o' 'c' 'f' ---- */

struct dtls_ctx {
	int open, sent_close;
	bool no_memory, no_keys;
};

struct dtls {
	struct dtls_ctx *ctx;
	enum dtls_state state;
	bool keys_taken;
	mono_t next;
};

static inline struct dtls *rig_dtls_open(struct dtls_ctx *ctx, const uint8_t fingerprint[DTLS_FINGERPRINT_LEN])
{
	struct dtls *d = ctx->no_memory ? NULL : mem_alloc(sizeof(*d));

	(void)fingerprint;
	if (!d)
		return NULL;
	*d = (struct dtls){ .ctx = ctx, .next = MONO_NEVER };
	ctx->open++;
	return d;
}

static inline void rig_dtls_free(struct dtls *d)
{
	d->ctx->open--;
	mem_free(d);
}

static inline void rig_dtls_answer(const struct path *path, struct outbox *out)
{
	outbox_reserve(out, 1)[0] = 22;
	outbox_commit(out, path, 1);
}

static inline enum dtls_state rig_dtls_input(struct dtls *d, struct span dgram, const struct path *path, mono_t now,
					     struct outbox *out)
{
	static const char states[] = "hocf";
	const char *s = dgram.n > 13 ? strchr(states, dgram.p[13]) : NULL;

	if (s && *s && d->state < DTLS_CLOSED && (enum dtls_state)(s - states) > d->state)
		d->state = (enum dtls_state)(s - states);
	d->next = d->state == DTLS_HANDSHAKE ? mono_add(now, DUR_SEC(1)) : MONO_NEVER;
	rig_dtls_answer(path, out);
	return d->state;
}

static inline enum dtls_state rig_dtls_tick(struct dtls *d, const struct path *path, mono_t now, struct outbox *out)
{
	if (mono_reached(now, d->next)) {
		d->next = mono_add(now, DUR_SEC(1));
		rig_dtls_answer(path, out);
	}
	return d->state;
}

static inline mono_t rig_dtls_next(const struct dtls *d)
{
	return d->next;
}

static inline int rig_dtls_keys(struct dtls *d, struct dtls_keys *ret)
{
	if (d->state != DTLS_OPEN || d->keys_taken || d->ctx->no_keys)
		return ERR_UNEXPECTED;
	*ret = (struct dtls_keys){ .suite = SRTP_AEAD_AES_128_GCM, .rx = "peer's key and salt", .tx = "our own key and salt" };
	d->keys_taken = true;
	return 0;
}

static inline void rig_dtls_close(struct dtls *d, const struct path *path, mono_t now, struct outbox *out)
{
	(void)now;
	d->ctx->sent_close++;
	d->state = DTLS_CLOSED;
	rig_dtls_answer(path, out);
}

static const struct dtls_ops rig_dtls_ops = {
	.open = rig_dtls_open,
	.free = rig_dtls_free,
	.input = rig_dtls_input,
	.tick = rig_dtls_tick,
	.next = rig_dtls_next,
	.keys = rig_dtls_keys,
	.close = rig_dtls_close,
};

/* A record with that payload. */
static inline size_t rig_record(uint8_t b[14], char payload)
{
	static const uint8_t hdr[13] = { 22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 };

	memcpy(b, hdr, sizeof(hdr));
	b[13] = (uint8_t)payload;
	return 14;
}

#endif
