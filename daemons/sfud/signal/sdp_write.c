/* SPDX-License-Identifier: AGPL-3.0-only */
/* The writer. The order of lines is the one of RFC 8829 5.2 and 5.3. */
#include "sfud/signal/sdp.h"

/* A line that can carry media; any other is written as refused. */
static bool is_live(const struct sdp_media *m)
{
	return !m->rejected && m->n_codecs > 0;
}

static bool in_group(const struct sdp_media *m)
{
	return is_live(m) && m->bundled && m->mid.n > 0;
}

static void end_line(struct wr *w)
{
	wr_str(w, "\r\n");
}

static void line(struct wr *w, const char *head, struct span value)
{
	wr_str(w, head);
	wr_span(w, value);
	end_line(w);
}

static void put_session(struct wr *w, const struct sdp *s)
{
	bool any = false;

	wr_str(w, "v=0\r\no=- ");
	wr_dec(w, s->session_id);
	wr_str(w, " ");
	wr_dec(w, s->version);
	wr_str(w, " IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n");
	if (s->ice_lite)
		wr_str(w, "a=ice-lite\r\n");
	for (uint32_t i = 0; i < s->n_media; i++) {
		if (!in_group(&s->media[i]))
			continue;
		wr_str(w, any ? " " : "a=group:BUNDLE ");
		wr_span(w, s->media[i].mid);
		any = true;
	}
	if (any)
		end_line(w);
	wr_str(w, "a=extmap-allow-mixed\r\na=msid-semantic: WMS *\r\n");
}

static void put_media_line(struct wr *w, const struct sdp_media *m)
{
	static const char *const kinds[] = {
		[SDP_AUDIO] = "audio",
		[SDP_VIDEO] = "video",
		[SDP_APPLICATION] = "application",
		[SDP_OTHER] = "text", /* nothing else has ever been registered that a browser could mean */
	};

	wr_str(w, "m=");
	wr_str(w, kinds[m->kind]);
	wr_str(w, is_live(m) ? " 9 " : " 0 ");
	if (m->proto.n)
		wr_span(w, m->proto);
	else
		wr_str(w, m->kind == SDP_APPLICATION ? "UDP/DTLS/SCTP" : "UDP/TLS/RTP/SAVPF");
	for (uint32_t i = 0; is_live(m) && i < m->n_codecs; i++) {
		wr_str(w, " ");
		wr_dec(w, m->codec[i].pt);
	}
	if (!is_live(m)) {
		wr_str(w, " ");
		wr_span(w, m->fmt.n ? m->fmt : m->kind == SDP_APPLICATION ? SPAN_LIT("webrtc-datachannel") : SPAN_LIT("0"));
	}
	wr_str(w, "\r\nc=IN IP4 0.0.0.0\r\n");
}

static void put_transport(struct wr *w, const struct sdp *s)
{
	static const char digit[] = "0123456789ABCDEF";
	static const char *const setups[] = {
		[SDP_SETUP_NONE] = "",
		[SDP_SETUP_ACTPASS] = "a=setup:actpass\r\n",
		[SDP_SETUP_ACTIVE] = "a=setup:active\r\n",
		[SDP_SETUP_PASSIVE] = "a=setup:passive\r\n",
	};

	wr_str(w, "a=rtcp:9 IN IP4 0.0.0.0\r\n");
	line(w, "a=ice-ufrag:", s->ufrag);
	line(w, "a=ice-pwd:", s->pwd);
	if (s->has_fingerprint) {
		wr_str(w, "a=fingerprint:sha-256");
		for (size_t i = 0; i < SDP_FINGERPRINT_LEN; i++) {
			wr_str(w, i ? ":" : " ");
			wr_u8(w, (uint8_t)digit[s->fingerprint[i] >> 4]);
			wr_u8(w, (uint8_t)digit[s->fingerprint[i] & 15]);
		}
		end_line(w);
	}
	wr_str(w, setups[s->setup]);
}

/* "a=<name>:<payload type> " */
static void codec_head(struct wr *w, const char *name, uint8_t pt)
{
	wr_str(w, name);
	wr_dec(w, pt);
	wr_str(w, " ");
}

static void put_codec(struct wr *w, const struct sdp_codec *c)
{
	static const struct {
		uint8_t fb;
		const char *text;
	} fbs[] = {
		{ SDP_FB_REMB, "goog-remb\r\n" }, { SDP_FB_TWCC, "transport-cc\r\n" }, { SDP_FB_FIR, "ccm fir\r\n" },
		{ SDP_FB_NACK, "nack\r\n" },	  { SDP_FB_PLI, "nack pli\r\n" },
	};

	codec_head(w, "a=rtpmap:", c->pt);
	wr_str(w, codec_str(c->codec));
	wr_str(w, "/");
	wr_dec(w, c->clock);
	if (c->channels > 1) {
		wr_str(w, "/");
		wr_dec(w, c->channels);
	}
	end_line(w);
	for (size_t i = 0; i < ARRAY_LEN(fbs); i++) {
		if (!(c->fb & fbs[i].fb))
			continue;
		codec_head(w, "a=rtcp-fb:", c->pt);
		wr_str(w, fbs[i].text);
	}
	if (c->codec == CODEC_RTX) {
		codec_head(w, "a=fmtp:", c->pt);
		wr_str(w, "apt=");
		wr_dec(w, c->apt);
		end_line(w);
	} else if (c->fmtp.n) {
		codec_head(w, "a=fmtp:", c->pt);
		line(w, "", c->fmtp);
	}
}

static void put_rids(struct wr *w, const struct sdp_media *m)
{
	for (uint32_t i = 0; i < m->n_rids; i++) {
		wr_str(w, "a=rid:");
		wr_span(w, m->rid[i]);
		wr_str(w, " recv\r\n");
	}
	if (m->n_rids < 2)
		return;
	wr_str(w, "a=simulcast:recv ");
	for (uint32_t i = 0; i < m->n_rids; i++) {
		wr_str(w, i ? ";" : "");
		wr_span(w, m->rid[i]);
	}
	end_line(w);
}

static void put_ssrc(struct wr *w, uint32_t ssrc, struct span cname)
{
	wr_str(w, "a=ssrc:");
	wr_dec(w, ssrc);
	line(w, " cname:", cname.n ? cname : SPAN_LIT("-"));
}

static void put_ssrcs(struct wr *w, const struct sdp_media *m)
{
	for (uint32_t i = 0; i < m->n_ssrcs; i++) {
		if (!m->ssrc[i].rtx)
			continue;
		wr_str(w, "a=ssrc-group:FID ");
		wr_dec(w, m->ssrc[i].ssrc);
		wr_str(w, " ");
		wr_dec(w, m->ssrc[i].rtx);
		end_line(w);
	}
	for (uint32_t i = 0; i < m->n_ssrcs; i++) {
		put_ssrc(w, m->ssrc[i].ssrc, m->cname);
		if (m->ssrc[i].rtx)
			put_ssrc(w, m->ssrc[i].rtx, m->cname);
	}
}

/* RFC 8445 5.1.2.1: type preference 126 (host), local preference down from the top, component 1. */
static void put_candidates(struct wr *w, const struct sdp *s)
{
	for (uint32_t i = 0; i < s->n_candidates; i++) {
		struct addr a = s->candidate[i];
		char text[ADDR_TEXT_MAX];

		a.scope = 0; /* an interface of ours means nothing to them */
		wr_str(w, "a=candidate:");
		wr_dec(w, i + 1);
		wr_str(w, " 1 udp ");
		wr_dec(w, (UINT32_C(126) << 24) + ((UINT32_C(65535) - i) << 8) + 255);
		wr_str(w, " ");
		wr_str(w, addr_fmt_ip(&a, text));
		wr_str(w, " ");
		wr_dec(w, a.port);
		wr_str(w, " typ host\r\n");
	}
	if (s->n_candidates)
		wr_str(w, "a=end-of-candidates\r\n");
}

static void put_media(struct wr *w, const struct sdp *s, const struct sdp_media *m, bool first)
{
	static const char *const dirs[] = {
		[SDP_INACTIVE] = "a=inactive\r\n",
		[SDP_SENDONLY] = "a=sendonly\r\n",
		[SDP_RECVONLY] = "a=recvonly\r\n",
		[SDP_SENDRECV] = "a=sendrecv\r\n",
	};

	put_media_line(w, m);
	if (is_live(m))
		put_transport(w, s);
	if (m->mid.n)
		line(w, "a=mid:", m->mid);
	if (!is_live(m)) {
		wr_str(w, dirs[SDP_INACTIVE]);
		return;
	}
	if (m->msid.n)
		line(w, "a=msid:", m->msid);
	wr_str(w, dirs[m->dir]);
	if (m->rtcp_mux)
		wr_str(w, "a=rtcp-mux\r\n");
	if (m->rtcp_rsize)
		wr_str(w, "a=rtcp-rsize\r\n");
	for (uint32_t i = 0; i < m->n_exts; i++) {
		codec_head(w, "a=extmap:", m->ext[i].id);
		line(w, "", m->ext[i].uri);
	}
	for (uint32_t i = 0; i < m->n_codecs; i++)
		put_codec(w, &m->codec[i]);
	put_rids(w, m);
	put_ssrcs(w, m);
	if (first)
		put_candidates(w, s);
}

void sdp_write(struct wr *w, const struct sdp *s)
{
	bool first = true;

	put_session(w, s);
	for (uint32_t i = 0; i < s->n_media; i++) {
		bool here = first && in_group(&s->media[i]);

		put_media(w, s, &s->media[i], here);
		first = first && !here;
	}
}
