/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * The way of a media packet: whose stream is it, is it new, and then once for each subscriber a new header, a copy of
 * the payload into the outbox, and SRTP over it in place. Packets of one receive batch are collected per track first,
 * so that all of a subscriber's packets are written next to each other: one GSO message, one warm cipher context.
 */
#include "base/seqno.h"
#include "sfud/room/room.h"

#define HEADER_SPARE 96                 /* a mid and re-encoded extensions may lengthen the header by this much */
#define PAD_MAX 32                      /* bytes of padding that a packet may get to be as long as its successor */
#define BLIND_START DUR_SEC(1)          /* no keyframe recognised for so long: payloads may be opaque, begin anyway */
#define SEQ_START UINT64_C(65536)       /* extended numbers begin here (base/seqno.h); the SRTP index begins at 0 */

/* --- which stream ------------------------------------------------------------------------------------------------ */

static struct track *track_by_mid(const struct sfu *s, struct member *m, struct span mid)
{
	for (uint8_t i = 0; mid.n && i < m->n_lines; i++)
		if (m->lines[i].role == LINE_IN && span_is(mid, m->lines[i].mid))
			return track_get(s, m->lines[i].track);
	return NULL;
}

/* Without a mid there is no doubt only when one line carries this kind of media. */
static struct track *track_by_kind(const struct sfu *s, struct member *m, bool video)
{
	struct track *found = NULL;

	for (uint8_t i = 0; i < m->n_lines; i++) {
		struct track *t = track_get(s, m->lines[i].track);

		if (!t || t->video != video || t->extra)
			continue;
		if (found)
			return NULL;
		found = t;
	}
	return found;
}

static int layer_by_rid(const struct member *m, const struct track *t, struct span rid)
{
	const struct line *l = &m->lines[t->line];
	struct span rids[SDP_RIDS_MAX];

	for (uint8_t i = 0; i < l->n_rids; i++)
		rids[i] = span_str(l->rid[i]);
	return l->n_rids ? layer_of_rid(rids, l->n_rids, rid) : 0;
}

static void forget_ssrc(struct member *m, const struct stream *st, bool rtx)
{
	for (uint8_t i = 0; i < m->n_ssrcs; i++) {
		if (m->ssrcs[i].rtx != rtx || !handle_eq(m->ssrcs[i].stream, st->self))
			continue;
		srtp_rx_forget(&m->tp.rx, m->ssrcs[i].ssrc);
		m->ssrcs[i] = m->ssrcs[--m->n_ssrcs];
		return;
	}
}

/* The publisher took another SSRC for the same layer: its numbers begin anew. */
static void renumber(struct stream *st, uint32_t ssrc)
{
	st->rx.ssrc = ssrc;
	st->rx.sr = (struct rtcp_sr){ 0 };
	st->rx.lsr = 0;
	st->epoch++;
	nack_reset(&st->nack);
}

/* An SSRC that signalling did not announce names itself by its mid and rid extensions (RFC 8843 9.2, RFC 8852). */
static const struct ssrc_entry *adopt_ssrc(struct sfu *s, struct member *m, const struct rtp *r)
{
	const struct caps_codec *ac = caps_by_pt(&m->audio, r->pt), *vc = caps_by_pt(&m->video, r->pt);
	const struct caps_codec *rtx = caps_by_rtx_pt(&m->video, r->pt);
	const struct caps *c = ac ? &m->audio : &m->video;
	const struct caps_codec *codec = ac ? ac : vc ? vc : rtx;
	bool repair = !ac && !vc;
	struct track *t;
	struct stream *st;
	int layer;

	if (!codec || m->n_ssrcs == SSRC_MAP_MAX)
		return NULL;
	t = track_by_mid(s, m, rtp_ext_get(r, c->mid_id));
	if (!t && rtp_ext_get(r, c->mid_id).n == 0)
		t = track_by_kind(s, m, !ac);
	if (!t || t->video != !ac)
		return NULL;
	layer = layer_by_rid(m, t, rtp_ext_get(r, repair ? c->repaired_rid_id : c->rid_id));
	if (layer < 0)
		return NULL;
	if (repair && !stream_get(s, t->stream[layer]))
		return NULL; /* a repair flow teaches nothing about a primary that was never seen */
	st = track_stream(s, t, (uint8_t)layer, r->ssrc, codec->clock);
	if (!st)
		return NULL;
	forget_ssrc(m, st, repair);
	if (!repair && st->rx.ssrc != r->ssrc)
		renumber(st, r->ssrc);
	m->ssrcs[m->n_ssrcs] = (struct ssrc_entry){ r->ssrc, repair, st->self };
	return &m->ssrcs[m->n_ssrcs++];
}

static const struct ssrc_entry *find_ssrc(struct sfu *s, struct member *m, const struct rtp *r)
{
	for (uint8_t i = 0; i < m->n_ssrcs; i++)
		if (m->ssrcs[i].ssrc == r->ssrc)
			return &m->ssrcs[i];
	return adopt_ssrc(s, m, r);
}

/* --- in ---------------------------------------------------------------------------------------------------------- */

static void meter(struct track *t, struct stream *st, size_t n, mono_t now)
{
	struct layer_seen *seen = &t->seen[st->layer];
	uint64_t span = mono_since(now, st->window_at);

	seen->known = true;
	seen->last = now;
	st->window_bytes += n;
	if (span < STREAM_RATE_WINDOW)
		return;
	st->bps = st->window_at.us ? st->window_bytes * 8 * US_PER_SEC / span : 0;
	seen->bps = st->bps;
	st->window_bytes = 0;
	st->window_at = now;
}

static struct burst *burst_for(struct sfu *s, struct handle track, mono_t now)
{
	struct burst *free_one = NULL;

	for (size_t i = 0; i < BURSTS; i++) {
		struct burst *b = &s->burst[i];

		if (b->n && handle_eq(b->track, track) && b->n < BURST_PACKETS)
			return b;
		if (b->n == 0 && !free_one)
			free_one = b;
	}
	if (!free_one) {
		forward_flush(s, now);
		free_one = &s->burst[0];
	}
	free_one->track = track;
	return free_one;
}

static bool is_keyframe(const struct member *m, const struct track *t, const struct caps_codec *codec, const struct rtp *r)
{
	struct span dd = rtp_ext_get(r, m->video.dd_id);

	if (!t->video)
		return true;
	if (dd.n)
		return codec_dd_keyframe(dd);
	return codec_keyframe(codec->codec, span_of(r->p + r->payload_at, r->payload_n));
}

static enum drop media_stream(struct sfu *s, struct member *m, struct stream *st, const struct caps_codec *codec,
			      const struct rtp *r, mono_t now)
{
	struct track *t = track_get(s, st->track);
	uint64_t seq;
	struct burst *b;
	bool key;

	if (!t)
		return DROP_RTP_UNKNOWN;
	if (rx_seen(&st->rx, r->seq, r->ts, r->n, now, &seq) == RX_RESTART) {
		nack_reset(&st->nack);
		st->epoch++;
	}
	if (!replay_fresh(&st->seen, seq))
		return DROP_RTP_DUPLICATE; /* a retransmission of what had arrived after all */
	replay_mark(&st->seen, seq);
	s->stats.received[t->video]++;
	s->stats.received_bytes[t->video] += r->n;
	meter(t, st, r->n, now);
	key = is_keyframe(m, t, codec, r);
	if (t->video) {
		if (key)
			keyframe_seen(&st->keyframe);
		st->lost += nack_seen(&st->nack, seq, now);
		cache_put(&st->cache, seq, span_of(r->p, r->n), now);
	}
	if (!t->announced)
		track_announce(s, t, now);
	b = burst_for(s, t->self, now);
	b->item[b->n].rtp = *r;
	b->item[b->n].seq = seq;
	b->item[b->n].layer = st->layer;
	b->item[b->n].epoch = st->epoch;
	b->item[b->n].key = key;
	b->n++;
	return DROP_NONE;
}

enum drop media_rtp(struct sfu *s, struct member *m, uint8_t *p, size_t n, mono_t now)
{
	const struct ssrc_entry *e;
	const struct caps_codec *codec;
	struct stream *st;
	struct span twcc;
	struct rtp r;
	enum drop d;

	if (rtp_parse(span_of(p, n), &r) < 0)
		return DROP_RTP_MALFORMED;
	twcc = rtp_ext_get(&r, m->video.twcc_id ? m->video.twcc_id : m->audio.twcc_id);
	if (twcc.n == 2) {
		if (!m->twcc && (m->twcc = mem_alloc(sizeof(*m->twcc))))
			twcc_init(m->twcc);
		if (m->twcc)
			twcc_seen(m->twcc, be16_at(twcc.p), now);
	}
	e = find_ssrc(s, m, &r);
	st = e ? stream_get(s, e->stream) : NULL;
	if (!st)
		return DROP_RTP_UNKNOWN;
	if (e->rtx) {
		codec = caps_by_rtx_pt(&m->video, r.pt);
		if (!codec || rtx_unwrap(p, &n, &r, st->rx.ssrc, codec->pt) < 0 || rtp_parse(span_of(p, n), &r) < 0)
			return DROP_RTP_PADDING;
	} else {
		codec = caps_by_pt(&m->video, r.pt);
		codec = codec ? codec : caps_by_pt(&m->audio, r.pt);
		if (!codec)
			return DROP_RTP_UNKNOWN;
	}
	d = media_stream(s, m, st, codec, &r, now);
	if (mono_is_never(m->report_at))
		m->report_at = mono_add(now, REPORT_INTERVAL);
	member_file_by(s, m, feedback_next(s, m));
	return d;
}

/* --- out --------------------------------------------------------------------------------------------------------- */

/* May this packet start a segment for the subscriber? */
static bool may_start(const struct sub *sub, bool key, uint8_t layer, mono_t now)
{
	if (layer != sub->target)
		return false;
	return key || (sub->asked && mono_since(now, sub->waiting_since) >= BLIND_START);
}

/* Is the subscriber in the middle of this stream, with no jump of its numbers in between? */
static bool in_segment(const struct sub *sub, uint8_t layer, uint8_t epoch)
{
	return sub->rw.started && sub->rw.layer == layer && sub->epoch == epoch;
}

static void retarget(struct sfu *s, const struct track *t, struct sub *sub, const struct member *m, mono_t now)
{
	const struct stream *at = sub->rw.started ? stream_get(s, t->stream[sub->rw.layer]) : NULL;
	int current = at && in_segment(sub, at->layer, at->epoch) ? at->layer : -1;
	int target = layer_target(t->seen, m->remb_bps, current, now);

	if (target < 0 || target == current || !t->video) {
		sub->target = target;
		sub->asked = false;
		return;
	}
	if (target != sub->target || !sub->asked) {
		sub->target = target;
		sub->asked = true;
		sub->waiting_since = now;
	}
}

/* Said with every burst that did not bring it: the request or its keyframe may be lost, and the throttle folds the
 * rest. */
static void ask_again(struct sfu *s, const struct track *t, const struct sub *sub, mono_t now)
{
	struct stream *st = sub->asked ? stream_get(s, t->stream[sub->target]) : NULL;

	if (st)
		feedback_want_keyframe(s, st, now);
}

static size_t write_packet(const struct rtp *r, const struct rtp_out *o, uint8_t *p, size_t cap)
{
	size_t hdr = rtp_write_header(p, cap, r, o);

	if (hdr == 0 || hdr + r->payload_n > cap)
		return 0;
	memcpy(p + hdr, r->p + r->payload_at, r->payload_n);
	return hdr;
}

static struct rtp_out header_for(const struct sub *sub, uint8_t pt, uint64_t seq, uint32_t ts, uint32_t ssrc)
{
	return (struct rtp_out){ .pt = pt, .seq = (uint16_t)seq, .ts = ts, .ssrc = ssrc, .ext_map = sub->ext_map,
				 .mid_id = sub->mid_id, .mid = span_of(sub->mid, sub->mid_n) };
}

/* RFC 3550 5.1: the last byte of padding counts it. */
static size_t put_padding(uint8_t *p, size_t n, uint8_t pad)
{
	if (pad == 0)
		return n;
	p[0] |= 0x20;
	memset(p + n, 0, pad);
	p[n + pad - 1] = pad;
	return n + pad;
}

static enum drop forward_one(struct sfu *s, struct sub *sub, struct member *m, const struct rtp *r, uint8_t pad,
			     uint64_t in_seq, mono_t now)
{
	uint8_t pt = sub->pt_map[r->pt];
	uint64_t out_seq;
	uint32_t out_ts;
	uint8_t *p;
	size_t hdr;

	if (pt == CAPS_NO_PT)
		return DROP_FWD_CODEC;
	if ((size_t)r->n + HEADER_SPARE + PAD_MAX + SRTP_OVERHEAD > OUTBOX_DGRAM_MAX)
		return DROP_RTP_LARGE;
	if (!rewrite_map(&sub->rw, in_seq, r->ts, now, &out_seq, &out_ts))
		return DROP_FWD_LAYER;
	struct rtp_out o = header_for(sub, pt, out_seq, out_ts, sub->ssrc);

	p = outbox_reserve(s->out, (size_t)r->n + HEADER_SPARE + PAD_MAX + SRTP_OVERHEAD);
	hdr = write_packet(r, &o, p, (size_t)r->n + HEADER_SPARE);
	if (hdr == 0) {
		outbox_commit(s->out, NULL, 0);
		return DROP_RTP_LARGE;
	}
	transport_send_rtp(&m->tp, s->out, p, hdr, put_padding(p, hdr + r->payload_n, pad), out_seq - SEQ_START);
	sub->packets++;
	sub->octets += r->payload_n;
	m->delivered++;
	rtx_budget_sent(&sub->budget, r->n);
	s->stats.forwarded[sub->video]++;
	s->stats.forwarded_bytes[sub->video] += hdr + r->payload_n;
	return DROP_NONE;
}

static void forward_burst(struct sfu *s, const struct track *t, const struct burst *b, struct sub *sub, mono_t now)
{
	struct member *m = member_get(s, sub->owner);

	if (!m || sub->state != SUB_OPEN || m->tp.state != TRANSPORT_MEDIA)
		return;
	if (t->n_layers > 1 || !in_segment(sub, b->item[b->n - 1].layer, b->item[b->n - 1].epoch))
		retarget(s, t, sub, m, now);
	for (uint32_t i = 0; i < b->n; i++) {
		const struct rtp *r = &b->item[i].rtp;
		uint8_t layer = b->item[i].layer, epoch = b->item[i].epoch;
		enum drop d = DROP_FWD_LAYER;

		if (!in_segment(sub, layer, epoch) && may_start(sub, b->item[i].key, layer, now)) {
			rewrite_switch(&sub->rw, layer, b->item[i].seq, r->ts, t->video ? 90000 : 48000, now);
			sub->epoch = epoch;
			sub->asked = false;
		}
		if (in_segment(sub, layer, epoch))
			d = forward_one(s, sub, m, r, b->item[i].pad, b->item[i].seq, now);
		if (d == DROP_NONE)
			s->stats.layer_packets[t->n_layers > 1 ? layer : LAYERS_MAX]++;
		else
			s->stats.drops[d]++;
	}
	ask_again(s, t, sub, now);
}

/*
 * Segments of one message are of equal length, only the last may be shorter, and packetisers cut a frame into parts that
 * differ by a byte, the longer ones last: without padding such a frame is two or three messages.
 */
static void level(struct burst *b)
{
	uint32_t want = 0;

	for (uint32_t i = b->n; i-- > 0;) {
		uint32_t len = (uint32_t)b->item[i].rtp.payload_at + b->item[i].rtp.payload_n;

		b->item[i].pad = len < want && want - len <= PAD_MAX ? (uint8_t)(want - len) : 0;
		want = len + b->item[i].pad;
	}
}

void forward_flush(struct sfu *s, mono_t now)
{
	for (size_t i = 0; i < BURSTS; i++) {
		struct burst *b = &s->burst[i];
		struct track *t = b->n ? track_get(s, b->track) : NULL;

		level(b);
		for (uint32_t k = 0; t && k < t->n_subs; k++) {
			struct sub *sub = sub_get(s, t->subs[k]);

			if (sub)
				forward_burst(s, t, b, sub, now);
		}
		b->n = 0;
	}
}

/* --- again ------------------------------------------------------------------------------------------------------- */

static enum drop resend_one(struct sfu *s, struct sub *sub, struct member *m, const struct track *t, uint16_t seq,
			    mono_t now)
{
	const struct stream *st = stream_get(s, t->stream[sub->rw.layer]);
	const struct caps_codec *codec;
	uint64_t in_seq, out_seq;
	struct span pkt;
	struct rtp r;
	uint8_t *p;
	size_t hdr;

	if (!st || !rewrite_unmap(&sub->rw, seq, &in_seq, &out_seq))
		return DROP_RTX_GONE;
	pkt = cache_get(&st->cache, in_seq);
	if (pkt.n == 0 || rtp_parse(pkt, &r) < 0)
		return DROP_RTX_GONE;
	/* Never the same index twice under one key: without RTX there is no resending. */
	codec = caps_by_pt(&m->video, sub->pt_map[r.pt]);
	if (!codec || codec->rtx_pt == CAPS_NO_PT)
		return DROP_RTX_GONE;
	if ((size_t)r.n + HEADER_SPARE + SRTP_OVERHEAD > OUTBOX_DGRAM_MAX)
		return DROP_RTP_LARGE;
	if (!rtx_budget_take(&sub->budget, r.n, now))
		return DROP_RTX_LIMIT;
	struct rtp_out o = header_for(sub, codec->rtx_pt, sub->rtx_index, r.ts + sub->rw.ts_off, sub->rtx_ssrc);

	p = outbox_reserve(s->out, (size_t)r.n + HEADER_SPARE + SRTP_OVERHEAD);
	hdr = rtp_write_header(p, HEADER_SPARE + r.payload_at, &r, &o);
	if (hdr == 0) {
		outbox_commit(s->out, NULL, 0);
		return DROP_RTP_LARGE;
	}
	put_be16(p + hdr, (uint16_t)out_seq);
	memcpy(p + hdr + 2, r.p + r.payload_at, r.payload_n);
	transport_send_rtp(&m->tp, s->out, p, hdr, hdr + 2 + r.payload_n, sub->rtx_index++);
	s->stats.rtx_sent++;
	return DROP_NONE;
}

void forward_resend(struct sfu *s, struct sub *sub, const uint16_t *seqs, unsigned n, mono_t now)
{
	struct member *m = member_get(s, sub->owner);
	const struct track *t = track_get(s, sub->track);

	if (!m || !t || !sub->video || !sub->rw.started || m->tp.state != TRANSPORT_MEDIA)
		return;
	for (unsigned i = 0; i < n; i++) {
		enum drop d = resend_one(s, sub, m, t, seqs[i], now);

		if (d != DROP_NONE)
			s->stats.drops[d]++;
	}
}
