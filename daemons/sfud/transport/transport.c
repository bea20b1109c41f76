/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sfud/transport/transport.h"

#include "base/secret.h"
#include "wire/demux.h"
#include "wire/dtls_records.h"

enum event { EV_PATH, EV_OPEN, EV_DTLS_FAILED, EV_DTLS_CLOSED, EV_SETUP, EV_CONSENT, EV_CLOSE, EV_MAX_ };

static void end(struct transport *t, enum transport_end why)
{
	if (t->dtls)
		t->ops->free(t->dtls);
	t->dtls = NULL;
	srtp_rx_done(&t->rx);
	srtp_tx_done(&t->tx);
	t->state = TRANSPORT_ENDED;
	t->end = why;
}

static void end_setup(struct transport *t)
{
	end(t, TRANSPORT_END_SETUP);
}

static void end_consent(struct transport *t)
{
	end(t, TRANSPORT_END_CONSENT);
}

static void end_dtls(struct transport *t)
{
	end(t, TRANSPORT_END_DTLS);
}

static void end_closed(struct transport *t)
{
	end(t, TRANSPORT_END_CLOSED);
}

/* Needs a path and the peer's fingerprint; whichever comes last opens the association. */
static int want_dtls(struct transport *t)
{
	if (t->dtls || !t->has_fingerprint)
		return 0;
	t->dtls = t->ops->open(t->dtls_ctx, t->fingerprint);
	return t->dtls ? 0 : ERR_NOMEM;
}

/* Without memory the next check or set_remote tries again, until setup_by. */
static void path_found(struct transport *t)
{
	t->state = TRANSPORT_DTLS;
	(void)want_dtls(t);
}

static void keys_ready(struct transport *t)
{
	struct dtls_keys k = { 0 };
	size_t n;

	if (t->ops->keys(t->dtls, &k) < 0) {
		end_dtls(t);
		return;
	}
	n = srtp_master_len(k.suite);
	if (srtp_rx_init(&t->rx, k.suite, span_of(k.rx, n)) < 0 || srtp_tx_init(&t->tx, k.suite, span_of(k.tx, n)) < 0) {
		end_dtls(t);
	} else {
		t->suite = k.suite;
		t->setup_by = MONO_NEVER;
		t->state = TRANSPORT_MEDIA;
	}
	wipe(&k, sizeof(k));
}

typedef void act_fn(struct transport *t);

/* An empty cell is counted in odd_event. */
static act_fn *const step[TRANSPORT_STATE_MAX_][EV_MAX_] = {
	[TRANSPORT_ICE] = { [EV_PATH] = path_found, [EV_SETUP] = end_setup, [EV_CLOSE] = end_closed },
	[TRANSPORT_DTLS] = { [EV_OPEN] = keys_ready, [EV_DTLS_FAILED] = end_dtls, [EV_DTLS_CLOSED] = end_closed,
			     [EV_SETUP] = end_setup, [EV_CONSENT] = end_consent, [EV_CLOSE] = end_closed },
	[TRANSPORT_MEDIA] = { [EV_DTLS_FAILED] = end_dtls, [EV_DTLS_CLOSED] = end_closed, [EV_CONSENT] = end_consent,
			      [EV_CLOSE] = end_closed },
};

static void on(struct transport *t, enum event ev)
{
	act_fn *act = step[t->state][ev];

	if (act)
		act(t);
	else
		t->odd_event[t->state]++;
}

void transport_init(struct transport *t, const struct dtls_ops *ops, struct dtls_ctx *ctx, struct rng *rng, mono_t now)
{
	*t = (struct transport){ .ops = ops, .dtls_ctx = ctx, .setup_by = mono_add(now, TRANSPORT_SETUP) };
	ice_init(&t->ice, rng);
}

void transport_done(struct transport *t)
{
	if (t->dtls)
		t->ops->free(t->dtls);
	srtp_rx_done(&t->rx);
	srtp_tx_done(&t->tx);
	wipe(t, sizeof(*t));
}

int transport_set_remote(struct transport *t, struct span ufrag, struct span pwd,
			 const uint8_t fingerprint[DTLS_FINGERPRINT_LEN])
{
	int r;

	if (t->state == TRANSPORT_ENDED)
		return ERR_UNEXPECTED;
	if (t->dtls && memcmp(t->fingerprint, fingerprint, DTLS_FINGERPRINT_LEN) != 0)
		return ERR_UNEXPECTED;
	r = ice_set_remote(&t->ice, ufrag, pwd);
	if (r < 0)
		return r;
	memcpy(t->fingerprint, fingerprint, DTLS_FINGERPRINT_LEN);
	t->has_fingerprint = true;
	return t->state == TRANSPORT_DTLS ? want_dtls(t) : 0;
}

enum drop transport_stun(struct transport *t, const struct stun_msg *m, const struct path *path, mono_t now,
			 struct outbox *out, struct transport_in *ret)
{
	enum drop drop;

	*ret = (struct transport_in){ 0 };
	if (t->state == TRANSPORT_ENDED) {
		t->odd_event[t->state]++;
		return DROP_STUN_UNEXPECTED;
	}
	drop = ice_input(&t->ice, m, path, now, out, &ret->ice, &ret->lost);
	if (drop != DROP_NONE)
		return drop;
	if (t->state == TRANSPORT_ICE && ice_selected(&t->ice))
		on(t, EV_PATH);
	else if (t->state == TRANSPORT_DTLS)
		(void)want_dtls(t);
	return DROP_NONE;
}

/* What the library said, as an event; nothing while it goes on as before. */
static void on_dtls(struct transport *t, enum dtls_state s)
{
	switch (s) {
	case DTLS_HANDSHAKE:
		return;
	case DTLS_OPEN:
		if (t->state == TRANSPORT_DTLS)
			on(t, EV_OPEN);
		return;
	case DTLS_CLOSED:
		on(t, EV_DTLS_CLOSED);
		return;
	case DTLS_FAILED:
		on(t, EV_DTLS_FAILED);
		return;
	}
}

static enum drop dtls_in(struct transport *t, const struct path *path, struct span dgram, mono_t now, struct outbox *out,
			 struct transport_in *ret)
{
	enum transport_state before = t->state;

	if (dtls_records(dgram) == 0)
		return DROP_DTLS_MALFORMED;
	if (!t->dtls)
		return DROP_DTLS_STATE;
	on_dtls(t, t->ops->input(t->dtls, dgram, path, now, out));
	ret->opened = before != TRANSPORT_MEDIA && t->state == TRANSPORT_MEDIA;
	return t->end == TRANSPORT_END_DTLS ? DROP_DTLS_STATE : DROP_NONE;
}

static enum drop media_in(struct transport *t, enum transport_kind kind, uint8_t *p, size_t n, struct transport_in *ret)
{
	enum drop drop;

	if (t->state != TRANSPORT_MEDIA)
		return DROP_SRTP_EARLY;
	drop = kind == TRANSPORT_RTP ? srtp_open(&t->rx, p, &n) : srtcp_open(&t->rx, p, &n);
	if (drop != DROP_NONE)
		return drop;
	ret->kind = kind;
	ret->p = p;
	ret->n = n;
	return DROP_NONE;
}

enum drop transport_input(struct transport *t, const struct path *path, uint8_t *p, size_t n, mono_t now,
			  struct outbox *out, struct transport_in *ret)
{
	*ret = (struct transport_in){ 0 };
	if (t->state == TRANSPORT_ICE)
		return DROP_UNKNOWN_PATH;
	switch (demux(span_of(p, n))) {
	case DEMUX_RTP:
		return media_in(t, TRANSPORT_RTP, p, n, ret);
	case DEMUX_RTCP:
		return media_in(t, TRANSPORT_RTCP, p, n, ret);
	case DEMUX_DTLS:
		return dtls_in(t, path, span_of(p, n), now, out, ret);
	case DEMUX_STUN:
		return DROP_STUN_UNEXPECTED;
	case DEMUX_ZRTP:
	case DEMUX_TURN:
	case DEMUX_OTHER:
	case DEMUX_MAX_:
		break;
	}
	return DROP_UNKNOWN_KIND;
}

/*
 *  timer     armed by            fires after          does
 *  setup     transport_init      TRANSPORT_SETUP      ENDED, unless in MEDIA by then
 *  consent   a valid check       ICE_CONSENT          ENDED
 *  flight    dtls input, tick    the library's wait   sends the last flight again
 */
void transport_tick(struct transport *t, mono_t now, struct outbox *out)
{
	const struct path *path = ice_selected(&t->ice);

	if (t->state == TRANSPORT_ENDED)
		return;
	if (mono_reached(now, ice_deadline(&t->ice)))
		on(t, EV_CONSENT);
	else if (mono_reached(now, t->setup_by))
		on(t, EV_SETUP);
	else if (t->dtls && path)
		on_dtls(t, t->ops->tick(t->dtls, path, now, out));
}

mono_t transport_next(const struct transport *t)
{
	mono_t at = mono_min(t->setup_by, ice_deadline(&t->ice));

	if (t->state == TRANSPORT_ENDED)
		return MONO_NEVER;
	return t->dtls ? mono_min(at, t->ops->next(t->dtls)) : at;
}

void transport_close(struct transport *t, mono_t now, struct outbox *out)
{
	const struct path *path = ice_selected(&t->ice);

	if (t->state == TRANSPORT_ENDED)
		return;
	if (t->dtls && path)
		t->ops->close(t->dtls, path, now, out);
	on(t, EV_CLOSE);
}

static void send_selected(struct transport *t, struct outbox *out, size_t n)
{
	const struct path *path = ice_selected(&t->ice);

	if (path)
		outbox_commit(out, path, n);
}

void transport_send_rtp(struct transport *t, struct outbox *out, uint8_t *p, size_t hdr, size_t n, uint64_t index)
{
	if (t->state == TRANSPORT_MEDIA)
		send_selected(t, out, srtp_seal(&t->tx, p, hdr, n, index));
}

void transport_send_rtcp(struct transport *t, struct outbox *out, uint8_t *p, size_t n)
{
	if (t->state == TRANSPORT_MEDIA)
		send_selected(t, out, srtcp_seal(&t->tx, p, n));
}
