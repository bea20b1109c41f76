/* SPDX-License-Identifier: AGPL-3.0-only */
/* What a client publishes, and what it says about what it receives. */
#include <stdlib.h>

#include "sfud/media/rtcp.h"
#include "sfud/media/rtp.h"
#include "sfud/media/rtx.h"
#include "sfud/media/twcc.h"
#include "sim/peer.h"

#define FRAME_US 33333
#define AUDIO_US 20000
#define FEEDBACK_US 10000
#define RTT_GUESS DUR_MS(180)
#define KEY_PACKETS 8
#define PACKET_BYTES 900
#define PLI_AGAIN DUR_MS(250)
#define NAMED_PACKETS 400 /* of a stream carry its mid and rid */

static void out_init(struct peer *p, struct track_out *t, bool video, uint8_t layer)
{
	struct kept *history = t->history ? t->history : calloc(PEER_HISTORY, sizeof(*history));
	bool paused = t->paused;

	if (!history)
		abort();
	*t = (struct track_out){ .video = video, .layer = layer, .history = history, .paused = paused };
	t->ssrc = rng_u32(&p->w->net.rng) | 1;
	t->rtx_ssrc = video ? rng_u32(&p->w->net.rng) | 1 : 0;
	t->seq = p->conf.first_seq ? p->conf.first_seq : 1000;
	t->rtx_seq = 500;
	t->ts = rng_u32(&p->w->net.rng);
	t->pt = video ? (p->conf.other_ids ? 120 : 96) : p->conf.other_ids ? 109 : 111;
	t->rtx_pt = p->conf.other_ids ? 124 : 97;
	t->mid = video ? "1" : "0";
	t->want_key = true;
}

void peer_media_init(struct peer *p)
{
	static const char *const rids[] = { "q", "h", "f" };

	p->rtcp_ssrc = rng_u32(&p->w->net.rng) | 1;
	out_init(p, &p->audio, false, 0);
	p->n_video = p->conf.simulcast ? 3 : p->conf.screen ? 2 : p->conf.video;
	for (uint8_t i = 0; i < p->n_video; i++) {
		out_init(p, &p->video[i], true, p->conf.simulcast ? i : 0);
		if (p->conf.simulcast)
			p->video[i].rid = rids[i];
	}
	if (p->conf.screen) {
		p->video[1].mid = "2";
		p->video[1].paused = true;
	}
}

static void put_ext(struct wr *w, uint8_t id, struct span s)
{
	wr_u8(w, (uint8_t)((unsigned)id << 4 | ((unsigned)s.n - 1)));
	wr_span(w, s);
}

/* Header with the transport-wide number, and the names a stream needs until everybody knows it. */
static size_t put_header(struct peer *p, const struct track_out *t, bool rtx, bool marker, uint8_t b[128])
{
	struct wr w = wr_from(b, 128);
	uint8_t num[2];
	size_t len_at;

	put_be16(num, p->twcc_seq++);
	wr_u8(&w, 0x90);
	wr_u8(&w, (uint8_t)((marker ? 0x80 : 0) | (rtx ? t->rtx_pt : t->pt)));
	wr_be16(&w, (uint16_t)(rtx ? t->rtx_seq : t->seq));
	wr_be32(&w, t->ts);
	wr_be32(&w, rtx ? t->rtx_ssrc : t->ssrc);
	wr_be16(&w, 0xbede);
	len_at = wr_len16(&w);
	put_ext(&w, 3, span_of(num, 2));
	if (!t->video)
		put_ext(&w, p->conf.other_ids ? 5 : 1, SPAN_LIT("\x90"));
	if (t->packets < NAMED_PACKETS) {
		put_ext(&w, 4, span_str(t->mid));
		if (t->rid)
			put_ext(&w, rtx ? 11 : 10, span_str(t->rid));
	}
	while ((wr_len(&w) & 3) != 0)
		wr_u8(&w, 0);
	put_be16(b + len_at, (uint16_t)((wr_len(&w) - 16) / 4));
	return wr_len(&w);
}

static void seal_and_send(struct peer *p, uint8_t *b, size_t hdr, size_t n, uint64_t index)
{
	n = srtp_seal(&p->tx, b, hdr, n, index);
	if (n)
		world_send(p->w, p, span_of(b, n));
}

static void send_packet(struct peer *p, struct track_out *t, struct span payload, bool marker)
{
	struct kept *k = &t->history[t->seq % PEER_HISTORY];
	uint8_t b[1400];
	size_t hdr = put_header(p, t, false, marker, b);

	memcpy(b + hdr, payload.p, payload.n);
	*k = (struct kept){ .n = (uint16_t)(hdr + payload.n), .hdr = (uint16_t)hdr };
	memcpy(k->b, b, hdr + payload.n);
	t->packets++;
	t->octets += payload.n;
	seal_and_send(p, b, hdr, hdr + payload.n, t->seq);
	t->seq++;
}

static void put_stamp(const struct peer *p, const struct track_out *t, const struct stamp *st, uint8_t *b)
{
	bool first = st->index == 0;

	b[0] = first && !p->conf.opaque ? 0x10 : 0x00;
	b[1] = st->key && !p->conf.opaque ? 0x00 : 0x01;
	b[2] = (uint8_t)p->index;
	b[3] = t->video ? t->layer : 0xff;
	b[4] = st->index;
	b[5] = st->count;
	put_be32(b + 6, st->frame);
	b[10] = st->key;
	b[11] = 0;
}

static void send_frame(struct peer *p, struct track_out *t)
{
	bool key = t->want_key;
	uint8_t payload[PACKET_BYTES] = { 0 };
	struct stamp st = { .count = key ? KEY_PACKETS : (uint8_t)(t->layer + 2), .frame = t->frame, .key = key };

	t->want_key = false;
	t->count[t->frame % PEER_FRAMES] = st.count;
	for (st.index = 0; st.index < st.count; st.index++) {
		put_stamp(p, t, &st, payload);
		send_packet(p, t, span_of(payload, sizeof(payload)), st.index + 1 == st.count);
	}
	t->frame++;
	t->ts += 3000;
}

static void send_audio(struct peer *p)
{
	uint8_t payload[80] = { 0 };
	struct stamp st = { .count = 1, .frame = p->audio.frame++ };

	put_stamp(p, &p->audio, &st, payload);
	send_packet(p, &p->audio, span_of(payload, sizeof(payload)), false);
	p->audio.ts += 960;
}

void peer_publish(struct peer *p)
{
	if (mono_reached(p->w->now, p->audio_at)) {
		if (p->conf.audio && !p->muted)
			send_audio(p);
		p->audio_at = mono_add(p->audio_at, AUDIO_US);
	}
	if (!mono_reached(p->w->now, p->video_at))
		return;
	p->video_at = mono_add(p->video_at, FRAME_US);
	for (uint32_t i = 0; i < p->n_video && !p->muted; i++) {
		struct track_out *t = &p->video[i];

		if (!t->paused) {
			send_frame(p, t);
			continue;
		}
		/* The camera goes on: layers stay in step. */
		t->count[t->frame++ % PEER_FRAMES] = 0;
		t->ts += 3000;
	}
}

static void resend(struct peer *p, struct track_out *t, uint16_t seq)
{
	const struct kept *k = &t->history[seq % PEER_HISTORY];
	uint8_t b[1500];
	size_t hdr;

	if (k->n == 0 || be16_at(k->b + 2) != seq)
		return;
	hdr = put_header(p, t, true, k->b[1] & 0x80, b);
	memcpy(b + 4, k->b + 4, 4);
	put_be16(b + hdr, seq);
	memcpy(b + hdr + 2, k->b + k->hdr, (size_t)(k->n - k->hdr));
	t->resent++;
	seal_and_send(p, b, hdr, hdr + 2 + k->n - k->hdr, t->rtx_seq);
	t->rtx_seq++;
}

static struct track_out *out_by_ssrc(struct peer *p, uint32_t ssrc)
{
	for (uint32_t i = 0; i < p->n_video; i++)
		if (p->video[i].ssrc == ssrc)
			return &p->video[i];
	return NULL;
}

static void on_twcc(void *arg, uint16_t seq, bool received, int64_t delta_us)
{
	struct peer *p = arg;

	(void)seq;
	(void)delta_us;
	p->twcc_received += received;
	p->twcc_lost += !received;
}

static void on_feedback(struct peer *p, const struct rtcp *pkt, mono_t sent)
{
	uint32_t sender, media;
	uint16_t seqs[256];
	struct track_out *t;

	if (rtcp_read_fb(pkt, &sender, &media) < 0)
		return;
	t = out_by_ssrc(p, media);
	if (pkt->type == RTCP_RTPFB && pkt->count == RTPFB_TWCC) {
		p->twcc_reports += twcc_read(pkt->body, on_twcc, p) == 0;
	} else if (pkt->type == RTCP_RTPFB && pkt->count == RTPFB_NACK) {
		int n = rtcp_read_nack(pkt, seqs, ARRAY_LEN(seqs));

		p->nacks_got++;
		for (int i = 0; t && i < n; i++)
			resend(p, t, seqs[i]);
	} else if (pkt->type == RTCP_PSFB && pkt->count == PSFB_PLI && t) {
		if (t->n_asked < ARRAY_LEN(t->asked))
			t->asked[t->n_asked++] = sent;
		t->want_key = true;
	}
}

static struct track_in *in_by_ssrc(struct peer *p, uint32_t ssrc, bool rtx)
{
	for (uint32_t i = 0; i < p->n_in; i++)
		if (p->in[i].live && (rtx ? p->in[i].rtx_ssrc : p->in[i].ssrc) == ssrc)
			return &p->in[i];
	return NULL;
}

void peer_rtcp(struct peer *p, struct span pkt, mono_t sent)
{
	struct rtcp_sr sr;
	struct rtcp one;
	size_t at = 0;

	while (rtcp_next(pkt, &at, &one) > 0) {
		struct track_in *t;

		if (one.type == RTCP_RTPFB || one.type == RTCP_PSFB)
			on_feedback(p, &one, sent);
		if (one.type != RTCP_SR || rtcp_read_sr(&one, &sr) < 0)
			continue;
		t = in_by_ssrc(p, sr.ssrc, false);
		if (t) {
			t->sr_mid = sr.ntp_sec << 16 | sr.ntp_frac >> 16;
			t->sr_at = p->w->now;
		}
	}
}

static void account(struct peer *p, struct track_in *t, struct span payload)
{
	struct stamp st;

	if (payload.n < STAMP_LEN)
		return;
	st = (struct stamp){ .publisher = payload.p[2], .layer = payload.p[3], .index = payload.p[4],
			     .count = payload.p[5], .frame = be32_at(payload.p + 6), .key = payload.p[10] };
	if (st.publisher >= p->w->n_peers || p->w->peers[st.publisher]->conf.sub != t->from ||
	    strcmp(p->w->peers[st.publisher]->conf.room, p->conf.room) != 0) {
		t->foreign++;
		return;
	}
	track_in_stamp(t, &st, p->w->now);
}

void peer_rtp(struct peer *p, uint8_t *b, size_t n)
{
	struct rtp r;
	struct track_in *t;
	bool rtx = false;

	if (rtp_parse(span_of(b, n), &r) < 0) {
		p->stray++;
		return;
	}
	t = in_by_ssrc(p, r.ssrc, false);
	if (!t) {
		t = in_by_ssrc(p, r.ssrc, true);
		rtx = t != NULL;
	}
	if (!t) {
		p->stray++;
		return;
	}
	if (rtx && (rtx_unwrap(b, &n, &r, t->ssrc, p->video[0].pt) < 0 || rtp_parse(span_of(b, n), &r) < 0)) {
		p->stray++;
		return;
	}
	if (track_in_seen(t, r.seq, rtx, p->w->now))
		account(p, t, span_of(r.p + r.payload_at, r.payload_n));
}

static void send_rtcp(struct peer *p, const struct wr *w)
{
	size_t n = srtcp_seal(&p->tx, w->start, wr_len(w));

	if (n && !w->bad)
		world_send(p->w, p, span_of(w->start, n));
}

static void wish(struct peer *p, struct track_in *t, struct wr *w)
{
	mono_t now = p->w->now;
	bool waits = t->live && t->video && t->started && !t->key_complete && !p->conf.opaque;

	if (!waits && !(p->storm && t->live && t->video))
		return;
	if (!p->storm && t->asked_at.us && !mono_reached(now, mono_add(t->asked_at, PLI_AGAIN)))
		return;
	/* The keyframe itself may just be arriving. */
	if (!p->storm && mono_since(now, t->first_at) < PLI_AGAIN)
		return;
	t->asked_at = now;
	t->plis++;
	rtcp_put_pli(w, p->rtcp_ssrc, t->ssrc);
}

static unsigned report_blocks(struct peer *p, struct rtcp_report *ret, unsigned max)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < p->n_in && n < max; i++) {
		const struct track_in *t = &p->in[i];

		if (t->live && t->started)
			ret[n++] = (struct rtcp_report){
				.ssrc = t->ssrc,
				.highest_seq = (uint32_t)(t->top - 65536),
				.lsr = t->sr_mid,
				.dlsr = (uint32_t)(mono_since(p->w->now, t->sr_at) * 65536 / US_PER_SEC),
			};
	}
	return n;
}

/* RFC 3550 6.4: who sends reports in its sender report, anybody else in a receiver report. */
static void report(struct peer *p)
{
	uint8_t b[1500];
	struct wr w = wr_from(b, sizeof(b) - SRTP_OVERHEAD);
	struct rtcp_report r[31];
	unsigned n = report_blocks(p, r, ARRAY_LEN(r));

	for (uint32_t i = 0; i < p->n_video && !p->muted; i++) {
		struct rtcp_sr sr = { .ssrc = p->video[i].ssrc, .ntp_sec = (uint32_t)(p->w->now.us / US_PER_SEC) + 1000,
				      .ntp_frac = (uint32_t)(p->w->now.us % US_PER_SEC * 4294), .rtp_ts = p->video[i].ts,
				      .packets = (uint32_t)p->video[i].packets, .octets = (uint32_t)p->video[i].octets };

		rtcp_put_sr(&w, &sr, r, i == 0 ? n : 0);
	}
	if (wr_len(&w) == 0)
		rtcp_put_rr(&w, p->rtcp_ssrc, r, n);
	send_rtcp(p, &w);
}

static void put_remb(struct wr *w, uint32_t sender, uint64_t bps)
{
	uint32_t exp = 0;

	while (bps >> exp > 0x3ffff)
		exp++;
	wr_be32(w, 0x8fce0000 | 5);
	wr_be32(w, sender);
	wr_be32(w, 0);
	wr_str(w, "REMB");
	wr_be32(w, UINT32_C(1) << 24 | exp << 18 | (uint32_t)(bps >> exp));
	wr_be32(w, 0);
}

void peer_feedback(struct peer *p)
{
	uint8_t b[1500];
	struct wr w = wr_from(b, sizeof(b) - SRTP_OVERHEAD);
	uint16_t seqs[128];

	if (mono_reached(p->w->now, p->report_at)) {
		/* RFC 3550 6.2: between half and one and a half of the interval, so that reports do not march in step. */
		p->report_at = mono_add(p->w->now, DUR_MS(500) + rng_below(&p->w->net.rng, 1000000));
		report(p);
	}
	if (!mono_reached(p->w->now, p->feedback_at))
		return;
	p->feedback_at = mono_add(p->w->now, FEEDBACK_US);
	rtcp_put_rr(&w, p->rtcp_ssrc, NULL, 0);
	for (uint32_t i = 0; i < p->n_in; i++) {
		uint32_t n = track_in_nack(&p->in[i], p->w->now, RTT_GUESS, seqs, ARRAY_LEN(seqs));

		if (n && p->in[i].live)
			rtcp_put_nack(&w, p->rtcp_ssrc, p->in[i].ssrc, seqs, n);
		wish(p, &p->in[i], &w);
	}
	if (p->remb)
		put_remb(&w, p->rtcp_ssrc, p->remb);
	if (wr_len(&w) > 8)
		send_rtcp(p, &w);
}
