/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sfud/room/caps.h"

#define URI_MID "urn:ietf:params:rtp-hdrext:sdes:mid"
#define URI_RID "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
#define URI_REPAIRED_RID "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"
#define URI_TWCC "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
#define URI_DD "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"
#define URI_ABS_SEND_TIME "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
#define URI_TOFFSET "urn:ietf:params:rtp-hdrext:toffset"

/* Extensions with a meaning of their own here. Those that describe one hop, not the media, end at this node; the
 * send-time ones are refused even in answers, because forwarding would make them lie. */
static const struct {
	const char *uri;
	size_t id_at; /* field of struct caps */
	bool hop, refuse;
} known[] = {
	{ URI_MID, offsetof(struct caps, mid_id), true, false },
	{ URI_RID, offsetof(struct caps, rid_id), true, false },
	{ URI_REPAIRED_RID, offsetof(struct caps, repaired_rid_id), true, false },
	{ URI_TWCC, offsetof(struct caps, twcc_id), true, false },
	{ URI_DD, offsetof(struct caps, dd_id), false, false },
	{ URI_ABS_SEND_TIME, 0, true, true },
	{ URI_TOFFSET, 0, true, true },
};

static struct span ext_uri(const struct caps_ext *e)
{
	return span_of(e->uri, e->n_uri);
}

static bool is_hop(struct span uri)
{
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (span_is(uri, known[i].uri))
			return known[i].hop;
	return false;
}

static void add_ext(struct caps *c, const struct sdp_ext *e)
{
	struct caps_ext *slot = &c->ext[c->n_exts];

	/* Ids above 14 need the two-byte form; nobody chooses them while one-byte ids are free. */
	if (c->n_exts == CAPS_EXTS || e->uri.n > CAPS_URI || e->id == 0 || e->id > 14)
		return;
	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (!span_is(e->uri, known[i].uri))
			continue;
		if (known[i].refuse)
			return;
		*((uint8_t *)c + known[i].id_at) = e->id;
	}
	slot->id = e->id;
	slot->n_uri = (uint8_t)e->uri.n;
	memcpy(slot->uri, e->uri.p, e->uri.n);
	c->n_exts++;
}

static void add_codec(struct caps *c, const struct sdp_media *m, const struct sdp_codec *from)
{
	struct caps_codec *slot = &c->codec[c->n_codecs];
	const uint8_t wanted = m->kind == SDP_VIDEO ? SDP_FB_NACK | SDP_FB_PLI | SDP_FB_FIR | SDP_FB_TWCC | SDP_FB_REMB
						    : SDP_FB_TWCC;

	if (c->n_codecs == CAPS_CODECS || from->codec == CODEC_NONE || from->codec == CODEC_RTX ||
	    from->fmtp.n > CAPS_FMTP || (from->codec == CODEC_OPUS) != (m->kind == SDP_AUDIO))
		return;
	*slot = (struct caps_codec){ .pt = from->pt, .rtx_pt = CAPS_NO_PT, .fb = from->fb & wanted,
				     .codec = from->codec, .clock = from->clock, .channels = from->channels,
				     .n_fmtp = (uint8_t)from->fmtp.n };
	if (from->fmtp.n)
		memcpy(slot->fmtp, from->fmtp.p, from->fmtp.n);
	for (uint32_t i = 0; i < m->n_codecs; i++)
		if (m->codec[i].codec == CODEC_RTX && m->codec[i].apt == from->pt)
			slot->rtx_pt = m->codec[i].pt;
	c->n_codecs++;
}

void caps_from_media(struct caps *c, const struct sdp_media *m)
{
	*c = (struct caps){ 0 };
	for (uint32_t i = 0; i < m->n_codecs; i++)
		add_codec(c, m, &m->codec[i]);
	for (uint32_t i = 0; i < m->n_exts; i++)
		add_ext(c, &m->ext[i]);
}

const struct caps_codec *caps_by_pt(const struct caps *c, uint8_t pt)
{
	for (uint8_t i = 0; i < c->n_codecs; i++)
		if (c->codec[i].pt == pt)
			return &c->codec[i];
	return NULL;
}

const struct caps_codec *caps_by_rtx_pt(const struct caps *c, uint8_t pt)
{
	for (uint8_t i = 0; i < c->n_codecs; i++)
		if (c->codec[i].rtx_pt == pt)
			return &c->codec[i];
	return NULL;
}

static struct sdp_codec as_sdp(const struct caps_codec *c)
{
	return (struct sdp_codec){ .pt = c->pt, .codec = c->codec, .clock = c->clock, .channels = c->channels,
				   .fb = c->fb, .fmtp = span_of(c->fmtp, c->n_fmtp) };
}

static const struct caps_codec *same_codec(const struct caps *in, const struct caps_codec *c)
{
	struct sdp_codec a = as_sdp(c);

	for (uint8_t i = 0; i < in->n_codecs; i++) {
		struct sdp_codec b = as_sdp(&in->codec[i]);

		if (sdp_codec_same(&a, &b))
			return &in->codec[i];
	}
	return NULL;
}

void caps_map_pts(const struct caps *from, const struct caps *to, uint8_t ret[128])
{
	memset(ret, CAPS_NO_PT, 128);
	for (uint8_t i = 0; i < from->n_codecs; i++) {
		const struct caps_codec *c = same_codec(to, &from->codec[i]);

		if (c)
			ret[from->codec[i].pt & 127] = c->pt;
	}
}

static const struct caps_ext *same_ext(const struct caps *in, const struct caps_ext *e)
{
	for (uint8_t i = 0; i < in->n_exts; i++)
		if (span_eq(ext_uri(&in->ext[i]), ext_uri(e)))
			return &in->ext[i];
	return NULL;
}

void caps_map_exts(const struct caps *from, const struct caps *to, uint8_t ret[16])
{
	memset(ret, 0, 16);
	for (uint8_t i = 0; i < from->n_exts; i++) {
		const struct caps_ext *e = same_ext(to, &from->ext[i]);

		if (e && !is_hop(ext_uri(e)))
			ret[from->ext[i].id & 15] = e->id;
	}
}

static void put_codec(struct sdp_media *m, const struct caps_codec *c)
{
	for (uint32_t i = 0; i < m->n_codecs; i++)
		if (m->codec[i].pt == c->pt)
			return;
	if (m->n_codecs + 2 > SDP_CODECS_MAX)
		return;
	m->codec[m->n_codecs++] = as_sdp(c);
	if (c->rtx_pt != CAPS_NO_PT)
		m->codec[m->n_codecs++] = (struct sdp_codec){ .pt = c->rtx_pt, .codec = CODEC_RTX, .clock = c->clock,
							      .channels = 1, .apt = c->pt };
}

static void put_ext(struct sdp_media *m, const struct caps_ext *e)
{
	if (m->n_exts < SDP_EXTS_MAX)
		m->ext[m->n_exts++] = (struct sdp_ext){ e->id, ext_uri(e) };
}

void caps_put_answer(const struct caps *c, struct sdp_media *m)
{
	for (uint8_t i = 0; i < c->n_codecs; i++)
		put_codec(m, &c->codec[i]);
	for (uint8_t i = 0; i < c->n_exts; i++)
		put_ext(m, &c->ext[i]);
}

void caps_put_offer(const struct caps *from, const struct caps *to, struct sdp_media *m)
{
	for (uint8_t i = 0; i < from->n_codecs; i++) {
		const struct caps_codec *c = same_codec(to, &from->codec[i]);

		if (!c)
			continue;
		put_codec(m, c);
		/* Nothing here measures the way to a subscriber yet, so transport-wide feedback would be wasted. */
		for (uint32_t k = 0; k < m->n_codecs; k++)
			m->codec[k].fb &= (uint8_t)~SDP_FB_TWCC;
	}
	for (uint8_t i = 0; i < to->n_exts; i++) {
		const struct caps_ext *e = &to->ext[i];

		if (e->id == to->mid_id || (!is_hop(ext_uri(e)) && same_ext(from, e)))
			put_ext(m, e);
	}
}
