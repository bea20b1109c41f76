/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sfud/room/room.h"

#define FEEDBACK_MAX 1200 /* bytes of one compound packet before SRTCP */
#define NACKS_MAX 128     /* numbers taken from or put into one NACK */
#define RTT_DEFAULT DUR_MS(100)

/* --- in ---------------------------------------------------------------------------------------------------------- */

static struct stream *stream_by_ssrc(const struct sfu *s, const struct member *m, uint32_t ssrc)
{
	for (uint8_t i = 0; i < m->n_ssrcs; i++)
		if (m->ssrcs[i].ssrc == ssrc && !m->ssrcs[i].rtx)
			return stream_get(s, m->ssrcs[i].stream);
	return NULL;
}

static struct sub *sub_by_ssrc(const struct sfu *s, const struct member *m, uint32_t ssrc)
{
	for (uint8_t i = 0; i < m->n_subs; i++) {
		struct sub *sub = sub_get(s, m->subs[i]);

		if (sub && sub->ssrc == ssrc)
			return sub;
	}
	return NULL;
}

/* Appends to a compound packet that begins with a receiver report, as RFC 3550 6.1 wants it. */
static struct wr compound_begin(struct sfu *s, const struct member *m)
{
	struct wr w = wr_from(outbox_reserve(s->out, FEEDBACK_MAX + SRTP_OVERHEAD), FEEDBACK_MAX);

	rtcp_put_rr(&w, m->rtcp_ssrc, NULL, 0);
	return w;
}

static void compound_send(struct sfu *s, struct member *m, const struct wr *w)
{
	if (w->bad || m->tp.state != TRANSPORT_MEDIA)
		outbox_commit(s->out, NULL, 0);
	else
		transport_send_rtcp(&m->tp, s->out, w->start, wr_len(w));
}

static void send_pli(struct sfu *s, struct member *m, const struct stream *st)
{
	struct wr w = compound_begin(s, m);

	rtcp_put_pli(&w, m->rtcp_ssrc, st->rx.ssrc);
	compound_send(s, m, &w);
	s->stats.plis_out++;
}

void feedback_want_keyframe(struct sfu *s, struct stream *st, mono_t now)
{
	const struct track *t = track_get(s, st->track);
	struct member *m = t ? member_get(s, t->owner) : NULL;

	if (!m || m->tp.state != TRANSPORT_MEDIA)
		return;
	if (keyframe_want(&st->keyframe, now))
		send_pli(s, m, st);
	else
		member_file_by(s, m, keyframe_next(&st->keyframe));
}

static void send_sr(struct sfu *s, struct sub *sub, const struct rtcp_sr *in, mono_t now)
{
	struct member *m = member_get(s, sub->owner);
	struct rtcp_sr sr = { .ssrc = sub->ssrc, .ntp_sec = in->ntp_sec, .ntp_frac = in->ntp_frac,
			      .rtp_ts = in->rtp_ts + sub->rw.ts_off, .packets = (uint32_t)sub->packets,
			      .octets = (uint32_t)sub->octets };
	char cname[32];
	struct wr name = wr_from(cname, sizeof(cname) - 1), w;
	const struct track *t = track_get(s, sub->track);
	const struct member *from = t ? member_get(s, t->owner) : NULL;

	if (!m || !from || m->tp.state != TRANSPORT_MEDIA)
		return;
	sig_stream_id(&name, from->sub);
	cname[wr_len(&name)] = '\0';
	w = wr_from(outbox_reserve(s->out, FEEDBACK_MAX + SRTP_OVERHEAD), FEEDBACK_MAX);
	rtcp_put_sr(&w, &sr, NULL, 0);
	rtcp_put_cname(&w, sub->ssrc, cname);
	compound_send(s, m, &w);
	sub->sr[1] = sub->sr[0];
	sub->sr[0].mid = in->ntp_sec << 16 | in->ntp_frac >> 16;
	sub->sr[0].at = now;
}

static void on_sr(struct sfu *s, struct member *m, const struct rtcp *p, mono_t now)
{
	struct rtcp_sr sr;
	struct stream *st;
	const struct track *t;

	if (rtcp_read_sr(p, &sr) < 0)
		return;
	st = stream_by_ssrc(s, m, sr.ssrc);
	t = st ? track_get(s, st->track) : NULL;
	if (!t)
		return;
	rx_sr(&st->rx, &sr, now);
	for (uint32_t i = 0; i < t->n_subs; i++) {
		struct sub *sub = sub_get(s, t->subs[i]);

		if (sub && sub->state == SUB_OPEN && sub->rw.started && sub->rw.layer == st->layer)
			send_sr(s, sub, &sr, now);
	}
}

/* RFC 3550 6.4.1: the round trip is now - LSR - DLSR; our SRs carry the publisher's clock, so LSR is looked up,
 * not subtracted. */
static void on_report(struct member *m, struct sub *sub, const struct rtcp_report *r, mono_t now)
{
	uint64_t held = (uint64_t)r->dlsr * US_PER_SEC / 65536;

	for (size_t i = 0; r->lsr && i < ARRAY_LEN(sub->sr); i++) {
		uint64_t since = mono_since(now, sub->sr[i].at);

		if (r->lsr != sub->sr[i].mid || since < held)
			continue;
		m->rtt_us = m->rtt_us ? (m->rtt_us * 7 + (since - held)) / 8 : since - held;
		return;
	}
}

static void on_reports(struct sfu *s, struct member *m, const struct rtcp *p, mono_t now)
{
	for (unsigned i = 0; i < p->count; i++) {
		struct rtcp_report r;
		struct sub *sub;

		if (rtcp_read_report(p, i, &r) < 0)
			return;
		sub = sub_by_ssrc(s, m, r.ssrc);
		if (sub)
			on_report(m, sub, &r, now);
	}
}

static enum drop on_nack(struct sfu *s, struct member *m, const struct rtcp *p, uint32_t media, mono_t now)
{
	uint16_t seqs[NACKS_MAX];
	struct sub *sub = sub_by_ssrc(s, m, media);
	int n;

	if (!sub)
		return DROP_RTCP_UNKNOWN;
	n = rtcp_read_nack(p, seqs, NACKS_MAX);
	if (n < 0)
		return DROP_RTCP_MALFORMED;
	s->stats.nacks_in++;
	forward_resend(s, sub, seqs, (unsigned)n, now);
	return DROP_NONE;
}

static enum drop want_from(struct sfu *s, struct member *m, uint32_t media, mono_t now)
{
	struct sub *sub = sub_by_ssrc(s, m, media);
	const struct track *t = sub ? track_get(s, sub->track) : NULL;
	struct stream *st;

	if (!t)
		return DROP_RTCP_UNKNOWN;
	st = stream_get(s, t->stream[sub->rw.started ? sub->rw.layer : 0]);
	if (st && t->video)
		feedback_want_keyframe(s, st, now);
	return DROP_NONE;
}

static enum drop on_fir(struct sfu *s, struct member *m, const struct rtcp *p, mono_t now)
{
	uint32_t media[8];
	int n = rtcp_read_fir(p, media, ARRAY_LEN(media));
	enum drop d = n < 0 ? DROP_RTCP_MALFORMED : DROP_NONE;

	s->stats.firs_in++;
	for (int i = 0; i < n; i++)
		if (want_from(s, m, media[i], now) != DROP_NONE)
			d = DROP_RTCP_UNKNOWN;
	return d;
}

static enum drop on_feedback(struct sfu *s, struct member *m, const struct rtcp *p, mono_t now)
{
	uint32_t sender, media;

	if (rtcp_read_fb(p, &sender, &media) < 0)
		return DROP_RTCP_MALFORMED;
	if (p->type == RTCP_RTPFB)
		return p->count == RTPFB_NACK ? on_nack(s, m, p, media, now) : DROP_NONE;
	if (p->count == PSFB_PLI) {
		s->stats.plis_in++;
		return want_from(s, m, media, now);
	}
	if (p->count == PSFB_FIR)
		return on_fir(s, m, p, now);
	if (p->count == PSFB_AFB)
		(void)rtcp_read_remb(p, &m->remb_bps);
	return DROP_NONE;
}

enum drop media_rtcp(struct sfu *s, struct member *m, struct span pkt, mono_t now)
{
	enum drop worst = DROP_NONE;
	struct rtcp p;
	size_t at = 0;
	int r;

	while ((r = rtcp_next(pkt, &at, &p)) > 0) {
		enum drop d = DROP_NONE;

		if (p.type == RTCP_SR)
			on_sr(s, m, &p, now);
		if (p.type == RTCP_SR || p.type == RTCP_RR) /* who sends, too, reports in its SRs (RFC 3550 6.4) */
			on_reports(s, m, &p, now);
		else if (p.type == RTCP_RTPFB || p.type == RTCP_PSFB)
			d = on_feedback(s, m, &p, now);
		if (d != DROP_NONE)
			worst = d;
	}
	return r < 0 ? DROP_RTCP_MALFORMED : worst;
}

/* --- out --------------------------------------------------------------------------------------------------------- */

static struct stream *own_stream(const struct sfu *s, const struct member *m, uint8_t i)
{
	return m->ssrcs[i].rtx ? NULL : stream_get(s, m->ssrcs[i].stream);
}

static void tick_nack(struct sfu *s, struct member *m, struct stream *st, mono_t now)
{
	uint16_t seqs[NACKS_MAX];
	uint32_t lost = 0;
	uint32_t n = nack_due(&st->nack, now, m->rtt_us ? m->rtt_us : RTT_DEFAULT, seqs, NACKS_MAX, &lost);
	struct wr w;

	st->lost += lost;
	s->stats.lost += lost;
	if (n == 0)
		return;
	w = compound_begin(s, m);
	rtcp_put_nack(&w, m->rtcp_ssrc, st->rx.ssrc, seqs, n);
	compound_send(s, m, &w);
	s->stats.nacks_out++;
}

static void tick_twcc(struct sfu *s, struct member *m, mono_t now)
{
	uint32_t media = m->n_ssrcs ? m->ssrcs[0].ssrc : 0;

	for (int i = 0; i < 8 && m->twcc && mono_reached(now, twcc_next(m->twcc)); i++) {
		struct wr w = compound_begin(s, m);

		if (!twcc_report(m->twcc, &w, m->rtcp_ssrc, media, now)) {
			outbox_commit(s->out, NULL, 0);
			return;
		}
		compound_send(s, m, &w);
	}
}

static void tick_reports(struct sfu *s, struct member *m, mono_t now)
{
	struct rtcp_report reports[31];
	unsigned n = 0;
	struct wr w;

	if (!mono_reached(now, m->report_at))
		return;
	m->report_at = mono_add(now, REPORT_INTERVAL);
	for (uint8_t i = 0; i < m->n_ssrcs && n < ARRAY_LEN(reports); i++) {
		struct stream *st = own_stream(s, m, i);

		if (st && rx_report(&st->rx, now, &reports[n]))
			n++;
	}
	if (n == 0)
		return;
	w = wr_from(outbox_reserve(s->out, FEEDBACK_MAX + SRTP_OVERHEAD), FEEDBACK_MAX);
	rtcp_put_rr(&w, m->rtcp_ssrc, reports, n);
	rtcp_put_cname(&w, m->rtcp_ssrc, "edge");
	compound_send(s, m, &w);
}

/* Who may send and has not begun: ask for the keyframe it begins with. */
static void tick_waiting(struct sfu *s, struct member *m, mono_t now)
{
	for (uint8_t i = 0; i < m->n_subs; i++) {
		struct sub *sub = sub_get(s, m->subs[i]);
		const struct track *t = sub && sub->state == SUB_OPEN && sub->video ? track_get(s, sub->track) : NULL;
		struct stream *st;

		if (!t || sub->rw.started || sub->asked)
			continue;
		sub->target = layer_target(t->seen, m->remb_bps, -1, now);
		st = sub->target >= 0 ? stream_get(s, t->stream[sub->target]) : NULL;
		if (!st)
			continue;
		sub->asked = true;
		sub->waiting_since = now;
		feedback_want_keyframe(s, st, now);
	}
}

void feedback_tick(struct sfu *s, struct member *m, mono_t now)
{
	if (m->tp.state != TRANSPORT_MEDIA)
		return;
	for (uint8_t i = 0; i < m->n_ssrcs; i++) {
		struct stream *st = own_stream(s, m, i);

		if (!st)
			continue;
		tick_nack(s, m, st, now);
		if (keyframe_due(&st->keyframe, now))
			send_pli(s, m, st);
	}
	tick_twcc(s, m, now);
	tick_reports(s, m, now);
	tick_waiting(s, m, now);
}

mono_t feedback_next(const struct sfu *s, const struct member *m)
{
	mono_t at = m->report_at;

	if (m->tp.state != TRANSPORT_MEDIA)
		return MONO_NEVER;
	if (m->twcc)
		at = mono_min(at, twcc_next(m->twcc));
	for (uint8_t i = 0; i < m->n_ssrcs; i++) {
		const struct stream *st = own_stream(s, m, i);

		if (st)
			at = mono_min(at, mono_min(nack_next(&st->nack), keyframe_next(&st->keyframe)));
	}
	return at;
}
