/* SPDX-License-Identifier: AGPL-3.0-only */
/* What a media section says: identity, header extensions, codecs, streams, simulcast. */
#include "sfud/signal/sdp_impl.h"

#define CLOCK_MAX 1000000

static const char *on_mid(struct sdp_reader *r, struct span v)
{
	if (v.n > SDP_MID_MAX || !sdp_is_token(v))
		return "bad mid";
	if (r->m->mid.n)
		return "mid repeated";
	for (uint32_t i = 0; i + 1 < r->s->n_media; i++)
		if (span_eq(r->s->media[i].mid, v))
			return "mid repeated";
	r->m->mid = v;
	return NULL;
}

static const char *on_msid(struct sdp_reader *r, struct span v)
{
	if (!sdp_is_plain(v))
		return "bad msid";
	if (r->m->msid.n == 0)
		r->m->msid = v;
	return NULL;
}

static const char *on_rtcp_mux(struct sdp_reader *r, struct span v)
{
	(void)v;
	r->m->rtcp_mux = true;
	return NULL;
}

static const char *on_rtcp_rsize(struct sdp_reader *r, struct span v)
{
	(void)v;
	r->m->rtcp_rsize = true;
	return NULL;
}

static const char *on_bundle_only(struct sdp_reader *r, struct span v)
{
	(void)v;
	r->bundle_only = true;
	return NULL;
}

/* RFC 8285 5: id[/direction] uri [attributes]. Ids above 255 stand for "too many" and are never sent. */
static const char *on_extmap(struct sdp_reader *r, struct span v)
{
	struct sdp_media *m = r->m;
	struct span dir = sdp_word(&v), uri = sdp_word(&v), id = sdp_cut(&dir, '/');
	uint32_t n;

	if (!sdp_number(id, 4351, &n) || n == 0 || !sdp_is_token(uri))
		return "bad extmap";
	/* What they only receive is of no use to a forwarder, and an encrypted one (RFC 6904) cannot be read. */
	if (span_is(dir, "recvonly") || span_is(dir, "inactive") || span_is(uri, "urn:ietf:params:rtp-hdrext:encrypt"))
		return NULL;
	if (dir.n && !span_is(dir, "sendonly") && !span_is(dir, "sendrecv"))
		return "bad extmap";
	if (n == 15 || n > 255 || m->n_exts == SDP_EXTS_MAX)
		return NULL;
	for (uint32_t i = 0; i < m->n_exts; i++)
		if (m->ext[i].id == n)
			return "extmap id repeated";
	m->ext[m->n_exts++] = (struct sdp_ext){ (uint8_t)n, uri };
	return NULL;
}

/* NULL: not a format of this line, or one too many. */
static struct sdp_codec *by_pt(struct sdp_media *m, uint32_t pt)
{
	for (uint32_t i = 0; i < m->n_codecs; i++)
		if (m->codec[i].pt == pt)
			return &m->codec[i];
	return NULL;
}

static const char *on_rtpmap(struct sdp_reader *r, struct span v)
{
	struct span pt = sdp_word(&v), name;
	struct sdp_codec *c;
	uint32_t n, clock, channels = 1;

	if (!sdp_number(pt, 127, &n))
		return "bad rtpmap";
	v = sdp_trim(v);
	name = sdp_cut(&v, '/');
	if (name.n == 0 || !sdp_number(sdp_cut(&v, '/'), CLOCK_MAX, &clock) || clock == 0)
		return "bad rtpmap";
	if (v.n && (!sdp_number(v, 255, &channels) || channels == 0))
		return "bad rtpmap";
	c = by_pt(r->m, n);
	if (!c)
		return NULL;
	if (c->clock)
		return "rtpmap repeated";
	c->codec = codec_find(name);
	c->clock = clock;
	c->channels = (uint8_t)channels;
	return NULL;
}

static const char *on_fmtp(struct sdp_reader *r, struct span v)
{
	struct span pt = sdp_word(&v);
	struct sdp_codec *c;
	uint32_t n;

	v = sdp_trim(v);
	if (!sdp_number(pt, 127, &n) || !sdp_is_plain(v))
		return "bad fmtp";
	c = by_pt(r->m, n);
	if (!c)
		return NULL;
	if (c->fmtp.n)
		return "fmtp repeated";
	c->fmtp = v;
	return NULL;
}

static const char *on_rtcp_fb(struct sdp_reader *r, struct span v)
{
	static const struct {
		const char *text;
		uint8_t fb;
	} known[] = {
		{ "nack", SDP_FB_NACK },     { "nack pli", SDP_FB_PLI },     { "ccm fir", SDP_FB_FIR },
		{ "goog-remb", SDP_FB_REMB }, { "transport-cc", SDP_FB_TWCC },
	};
	struct span pt = sdp_word(&v);
	bool all = span_is(pt, "*");
	uint32_t n = 0;
	uint8_t fb = 0;

	if (!all && !sdp_number(pt, 127, &n))
		return "bad rtcp-fb";
	for (size_t k = 0; k < ARRAY_LEN(known); k++)
		if (sdp_same_word(sdp_trim(v), known[k].text))
			fb = known[k].fb;
	for (uint32_t i = 0; i < r->m->n_codecs; i++)
		if (all || r->m->codec[i].pt == n)
			r->m->codec[i].fb |= fb;
	return NULL;
}

static bool is_rtx_ssrc(const struct sdp_media *m, uint32_t ssrc)
{
	for (uint32_t i = 0; i < m->n_ssrcs; i++)
		if (m->ssrc[i].rtx == ssrc)
			return true;
	return false;
}

/* NULL when there is no room: the stream is learned from its packets instead. */
static struct sdp_ssrc *primary(struct sdp_media *m, uint32_t ssrc)
{
	for (uint32_t i = 0; i < m->n_ssrcs; i++)
		if (m->ssrc[i].ssrc == ssrc)
			return &m->ssrc[i];
	if (m->n_ssrcs == SDP_SSRCS_MAX)
		return NULL;
	m->ssrc[m->n_ssrcs] = (struct sdp_ssrc){ ssrc, 0 };
	return &m->ssrc[m->n_ssrcs++];
}

static const char *on_ssrc(struct sdp_reader *r, struct span v)
{
	uint32_t ssrc;

	if (!sdp_number(sdp_word(&v), UINT32_MAX, &ssrc))
		return "bad ssrc";
	if (ssrc && !is_rtx_ssrc(r->m, ssrc))
		(void)primary(r->m, ssrc);
	return NULL;
}

static const char *on_ssrc_group(struct sdp_reader *r, struct span v)
{
	struct sdp_media *m = r->m;
	struct sdp_ssrc *p;
	uint32_t ssrc, rtx;

	if (!span_is(sdp_word(&v), "FID"))
		return NULL;
	if (!sdp_number(sdp_word(&v), UINT32_MAX, &ssrc) || !sdp_number(sdp_word(&v), UINT32_MAX, &rtx))
		return "bad ssrc-group";
	if (sdp_trim(v).n || ssrc == 0 || rtx == 0 || ssrc == rtx)
		return "bad ssrc-group";
	if (is_rtx_ssrc(m, ssrc) || is_rtx_ssrc(m, rtx))
		return "ssrc-groups overlap";
	for (uint32_t i = 0; i < m->n_ssrcs; i++) {
		if (m->ssrc[i].ssrc != rtx)
			continue;
		if (m->ssrc[i].rtx)
			return "ssrc-groups overlap";
		m->n_ssrcs--;
		memmove(&m->ssrc[i], &m->ssrc[i + 1], (m->n_ssrcs - i) * sizeof(m->ssrc[0]));
	}
	p = primary(m, ssrc);
	if (p && p->rtx)
		return "ssrc-groups overlap";
	if (p)
		p->rtx = rtx;
	return NULL;
}

/* RFC 8851 10: letters, digits, "-" and "_"; at most what a one-byte header extension holds. */
static bool is_rid(struct span v)
{
	return v.n && v.n <= SDP_MID_MAX && sdp_made_of(v, '-', '_');
}

static const char *on_rid(struct sdp_reader *r, struct span v)
{
	struct span id = sdp_word(&v);

	if (!is_rid(id))
		return "bad rid";
	if (!span_is(sdp_word(&v), "send") || r->n_rids == SDP_RIDS_SEEN)
		return NULL;
	for (uint32_t i = 0; i < r->n_rids; i++)
		if (span_eq(r->rid[i], id))
			return "rid repeated";
	r->rid[r->n_rids++] = id;
	return NULL;
}

/* RFC 8853 5.1: "send a;b recv c" in either order. */
static const char *on_simulcast(struct sdp_reader *r, struct span v)
{
	for (v = sdp_trim(v); v.n; v = sdp_trim(v)) {
		struct span dir = sdp_word(&v), list = sdp_word(&v);

		if ((!span_is(dir, "send") && !span_is(dir, "recv")) || list.n == 0)
			return "bad simulcast";
		if (!span_is(dir, "send"))
			continue;
		if (r->simulcast.n)
			return "simulcast repeated";
		r->simulcast = list;
	}
	return NULL;
}

static const struct attr {
	const char *name;
	const char *(*fn)(struct sdp_reader *r, struct span value);
} attrs[] = {
	{ "bundle-only", on_bundle_only }, { "extmap", on_extmap },	    { "fmtp", on_fmtp },
	{ "mid", on_mid },		   { "msid", on_msid },		    { "rid", on_rid },
	{ "rtcp-fb", on_rtcp_fb },	   { "rtcp-mux", on_rtcp_mux },	    { "rtcp-rsize", on_rtcp_rsize },
	{ "rtpmap", on_rtpmap },	   { "simulcast", on_simulcast },   { "ssrc", on_ssrc },
	{ "ssrc-group", on_ssrc_group },
};

const char *sdp_media_attr(struct sdp_reader *r, struct span name, struct span value)
{
	for (size_t i = 0; i < ARRAY_LEN(attrs); i++)
		if (span_is(name, attrs[i].name))
			return attrs[i].fn(r, value);
	return NULL;
}

const char *sdp_media_codecs(struct sdp_media *m)
{
	struct span left = m->fmt;
	bool seen[128] = { false };
	uint32_t pt;

	for (left = sdp_trim(left); left.n; left = sdp_trim(left)) {
		if (!sdp_number(sdp_word(&left), 127, &pt))
			return "bad payload type";
		if (seen[pt])
			return "payload type repeated";
		seen[pt] = true;
		if (m->n_codecs < SDP_CODECS_MAX)
			m->codec[m->n_codecs++] = (struct sdp_codec){ .pt = (uint8_t)pt, .channels = 1 };
	}
	return NULL;
}

/* Static payload types have no rtpmap and go. A codec at a clock that is not its own is another one. */
static void settle_codecs(struct sdp_media *m)
{
	uint32_t n = 0, apt;

	for (uint32_t i = 0; i < m->n_codecs; i++) {
		struct sdp_codec c = m->codec[i];
		uint32_t own = c.codec == CODEC_RTX ? c.clock : c.codec == CODEC_OPUS ? 48000 : 90000;

		if (c.clock == 0)
			continue;
		if (c.clock != own)
			c.codec = CODEC_NONE;
		if (c.codec == CODEC_RTX && !sdp_number(sdp_fmtp_get(c.fmtp, "apt"), 127, &apt))
			c.codec = CODEC_NONE;
		else if (c.codec == CODEC_RTX)
			c.apt = (uint8_t)apt;
		m->codec[n++] = c;
	}
	m->n_codecs = n;
}

static void add_rid(struct sdp_reader *r, struct span id)
{
	struct sdp_media *m = r->m;

	for (uint32_t i = 0; i < m->n_rids; i++)
		if (span_eq(m->rid[i], id))
			return;
	for (uint32_t i = 0; i < r->n_rids; i++)
		if (span_eq(r->rid[i], id) && m->n_rids < SDP_RIDS_MAX)
			m->rid[m->n_rids++] = r->rid[i];
}

/* One stream per ";", of alternatives the first, "~" (initially paused) or not. Without a list: as the rids stand. */
static void settle_rids(struct sdp_reader *r)
{
	struct span left = r->simulcast;

	while (left.n) {
		struct span each = sdp_cut(&left, ';'), id = sdp_cut(&each, ',');

		if (id.n && id.p[0] == '~')
			id = span_of(id.p + 1, id.n - 1);
		add_rid(r, id);
	}
	for (uint32_t i = 0; r->simulcast.n == 0 && i < r->n_rids; i++)
		add_rid(r, r->rid[i]);
}

void sdp_media_settle(struct sdp_reader *r)
{
	settle_codecs(r->m);
	settle_rids(r);
}
