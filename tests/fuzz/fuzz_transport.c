/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * A script of what can happen to one peer's transport. Afterwards, always: states only advance; keys exist in MEDIA
 * and only there; the selected path is one the caller was told of; a path that is lost was known; after the end
 * nothing is sent and no deadline is left.
 */
#include "fuzz.h"
#include "sfud/transport/transport.h"
#include "unit/sfud/ice_rig.h"

struct world {
	struct transport t;
	struct dtls_ctx ctx;
	struct rng rng;
	struct rig_box box;
	struct srtp_tx peer;
	uint16_t seq;
	mono_t now;
	struct path known[ICE_PATHS_MAX];
	size_t n_known;
	char ufrag[ICE_UFRAG_LEN + 1], pwd[ICE_PWD_LEN + 1]; /* the credentials of some time ago */
};

static int known(const struct world *w, const struct path *path)
{
	for (size_t i = 0; i < w->n_known; i++) {
		if (path_eq(&w->known[i], path))
			return (int)i;
	}
	return -1;
}

static void learn(struct world *w, const struct transport_in *in, const struct path *path)
{
	if (in->ice == ICE_PATH_LOST_AND_NEW) {
		int i = known(w, &in->lost);

		MUST(i >= 0);
		w->known[i] = w->known[--w->n_known];
	}
	if (in->ice == ICE_PATH_NEW || in->ice == ICE_PATH_LOST_AND_NEW) {
		MUST(w->n_known < ICE_PATHS_MAX && known(w, path) < 0);
		w->known[w->n_known++] = *path;
	}
}

static void check(struct world *w, uint8_t how)
{
	struct path path = rig_path(how % 12);
	bool old = (how & 0xe0) == 0xe0;
	struct transport_in in;
	struct rig_request q;
	enum drop drop;

	rig_request(&q, old ? w->ufrag : w->t.ice.ufrag, "peer", old ? w->pwd : w->t.ice.pwd, how >> 4 & 7);
	drop = transport_stun(&w->t, &q.m, &path, w->now, &w->box.out, &in);
	if (drop == DROP_NONE)
		learn(w, &in, &path);
	else
		MUST(in.ice == ICE_NOTHING);
}

static void datagram(struct world *w, uint8_t host, uint8_t *p, size_t n)
{
	struct path path = rig_path(host % 12);
	enum transport_state before = w->t.state;
	struct transport_in in;
	enum drop drop;

	if (known(w, &path) < 0)
		return; /* the caller has no such path */
	drop = transport_input(&w->t, &path, p, n, w->now, &w->box.out, &in);
	MUST(in.ice == ICE_NOTHING);
	MUST(in.kind == TRANSPORT_NOTHING || (before == TRANSPORT_MEDIA && drop == DROP_NONE && in.p == p && in.n < n));
	MUST(!in.opened || (before == TRANSPORT_DTLS && w->t.state == TRANSPORT_MEDIA));
}

static void rtp_in(struct world *w, uint8_t host)
{
	uint8_t b[64] = { 0x80, 96 };

	put_be16(b + 2, ++w->seq);
	datagram(w, host, b, srtp_seal(&w->peer, b, 12, 40, w->seq));
}

static void rtp_out(struct world *w)
{
	uint8_t *p = outbox_reserve(&w->box.out, 40 + SRTP_OVERHEAD);

	memset(p, 0, 40);
	p[0] = 0x80;
	transport_send_rtp(&w->t, &w->box.out, p, 12, 40, ++w->seq);
}

static void raw(struct world *w, struct rd *r)
{
	uint8_t b[64], host = rd_u8(r);
	struct span s = rd_span(r, rd_u8(r) % sizeof(b));

	if (s.n)
		memcpy(b, s.p, s.n);
	datagram(w, host, b, s.n);
}

static void step(struct world *w, struct rd *r)
{
	static const uint8_t fingerprint[2][DTLS_FINGERPRINT_LEN] = { { 1 }, { 2 } };
	uint8_t op = rd_u8(r), arg = rd_u8(r), b[14];

	switch (op % 12) {
	case 0:
	case 1:
		check(w, arg);
		break;
	case 2:
		datagram(w, arg, b, rig_record(b, "hhoocf"[arg / 12 % 6]));
		break;
	case 3:
		rtp_in(w, arg);
		break;
	case 4:
		rtp_out(w);
		break;
	case 5:
		raw(w, r);
		break;
	case 6:
		w->now = mono_add(w->now, DUR_MS(100) * arg);
		break;
	case 7:
		transport_tick(&w->t, w->now, &w->box.out);
		MUST(transport_next(&w->t).us > w->now.us);
		break;
	case 8:
		memcpy(w->ufrag, w->t.ice.ufrag, sizeof(w->ufrag));
		memcpy(w->pwd, w->t.ice.pwd, sizeof(w->pwd));
		ice_restart(&w->t.ice, &w->rng);
		break;
	case 9:
		(void)transport_set_remote(&w->t, arg & 2 ? SPAN_LIT("other") : SPAN_LIT("peer"), SPAN_LIT("p"),
					   fingerprint[arg & 1]);
		break;
	case 10:
		w->ctx.no_memory = arg & 1;
		w->ctx.no_keys = arg & 2;
		break;
	default:
		if (arg > 200)
			transport_close(&w->t, w->now, &w->box.out);
	}
}

static void invariants(struct world *w, enum transport_state before)
{
	const struct transport *t = &w->t;
	bool media = t->state == TRANSPORT_MEDIA;
	size_t n = rig_sent(&w->box);

	MUST(t->state >= before);
	MUST((t->rx.keys != NULL) == media && (t->tx.keys != NULL) == media);
	MUST((t->state == TRANSPORT_ENDED) == (t->end != TRANSPORT_END_NONE));
	MUST(w->ctx.open == (t->dtls != NULL));
	MUST(t->state != TRANSPORT_ENDED || (w->ctx.open == 0 && mono_is_never(transport_next(t))));
	MUST((t->state == TRANSPORT_ICE) <= (ice_selected(&t->ice) == NULL));
	MUST(!ice_selected(&t->ice) || known(w, ice_selected(&t->ice)) >= 0);
	MUST(before != TRANSPORT_ENDED || n == 0);
	MUST(n < RIG_SENT_MAX);
}

static void world_init(struct world *w)
{
	struct dtls_keys k;

	memset(w, 0, sizeof(*w));
	rng_seed(&w->rng, 1);
	rig_box_init(&w->box);
	transport_init(&w->t, &rig_dtls_ops, &w->ctx, &w->rng, w->now);
	MUST(rig_dtls_keys(&(struct dtls){ .ctx = &w->ctx, .state = DTLS_OPEN }, &k) == 0);
	MUST(srtp_tx_init(&w->peer, k.suite, span_of(k.rx, srtp_master_len(k.suite))) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct world w;
	struct rd r = rd_from(span_of(data, n));

	world_init(&w);
	while (rd_left(&r) >= 2) {
		enum transport_state before = w.t.state;

		step(&w, &r);
		invariants(&w, before);
	}
	transport_done(&w.t);
	MUST(w.ctx.open == 0);
	srtp_tx_done(&w.peer);
	return 0;
}
