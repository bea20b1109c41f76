/* SPDX-License-Identifier: AGPL-3.0-only */
/* The descriptions of a client, in the words of Chrome. */
#include <stdio.h>

#include "sim/peer.h"

static void put(struct wr *w, const char *text)
{
	wr_str(w, text);
	wr_str(w, "\r\n");
}

static void put2(struct wr *w, const char *head, const char *text)
{
	wr_str(w, head);
	put(w, text);
}

static void put_num(struct wr *w, const char *head, uint64_t v, const char *tail)
{
	wr_str(w, head);
	wr_dec(w, v);
	put(w, tail);
}

static void put_session(const struct peer *p, struct wr *w)
{
	put(w, "v=0");
	put_num(w, "o=- ", 4611731400430051336u + p->conf.sub, " 2 IN IP4 127.0.0.1");
	put(w, "s=-");
	put(w, "t=0 0");
	wr_str(w, "a=group:BUNDLE");
	for (uint32_t i = 0; i < p->n_lines; i++) {
		wr_str(w, " ");
		wr_str(w, p->lines[i].mid);
	}
	put(w, "");
	put(w, "a=extmap-allow-mixed");
	put(w, "a=msid-semantic: WMS");
}

static void put_carrier(const struct peer *p, struct wr *w, bool answer)
{
	put(w, "c=IN IP4 0.0.0.0");
	put(w, "a=rtcp:9 IN IP4 0.0.0.0");
	put2(w, "a=ice-ufrag:", p->ufrag);
	put2(w, "a=ice-pwd:", p->pwd);
	put(w, "a=ice-options:trickle");
	wr_str(w, "a=fingerprint:sha-256");
	for (size_t i = 0; i < DTLS_FINGERPRINT_LEN; i++) {
		wr_str(w, i ? ":" : " ");
		wr_hex(w, span_of(&p->fingerprint[i], 1));
	}
	put(w, "");
	put(w, answer ? "a=setup:active" : "a=setup:actpass");
}

static void put_audio(const struct peer *p, struct wr *w)
{
	const char *pt = p->conf.other_ids ? "109" : "111";

	put(w, p->conf.other_ids ? "a=extmap:5 urn:ietf:params:rtp-hdrext:ssrc-audio-level"
				 : "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level");
	put(w, "a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time");
	put(w, "a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01");
	put(w, "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid");
	put(w, "a=rtcp-mux");
	put2(w, "a=rtpmap:", p->conf.other_ids ? "109 opus/48000/2" : "111 opus/48000/2");
	wr_str(w, "a=rtcp-fb:");
	wr_str(w, pt);
	put(w, " transport-cc");
	wr_str(w, "a=fmtp:");
	wr_str(w, pt);
	put(w, " minptime=10;useinbandfec=1");
	put(w, "a=rtpmap:63 red/48000/2");
	put(w, "a=fmtp:63 111/111");
}

static void put_video(const struct peer *p, struct wr *w)
{
	static const char *const fb[] = { "goog-remb", "transport-cc", "ccm fir", "nack", "nack pli" };
	const char *pt = p->conf.other_ids ? "120" : "96", *rtx = p->conf.other_ids ? "124" : "97";

	put(w, "a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time");
	put(w, "a=extmap:13 urn:3gpp:video-orientation");
	put(w, "a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01");
	put(w, "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid");
	put(w, "a=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id");
	put(w, "a=extmap:11 urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id");
	put(w, "a=rtcp-mux");
	put(w, "a=rtcp-rsize");
	wr_str(w, "a=rtpmap:");
	wr_str(w, pt);
	put(w, " VP8/90000");
	for (size_t i = 0; i < ARRAY_LEN(fb); i++) {
		wr_str(w, "a=rtcp-fb:");
		wr_str(w, pt);
		wr_str(w, " ");
		put(w, fb[i]);
	}
	wr_str(w, "a=rtpmap:");
	wr_str(w, rtx);
	put(w, " rtx/90000");
	wr_str(w, "a=fmtp:");
	wr_str(w, rtx);
	put2(w, " apt=", pt);
	put(w, "a=rtpmap:98 VP9/90000");
	put(w, "a=fmtp:98 profile-id=0");
}

static void put_ssrc(struct wr *w, uint32_t ssrc)
{
	put_num(w, "a=ssrc:", ssrc, " cname:MWlo4fOws52xL15F");
}

static void put_sending(const struct peer *p, struct wr *w, const struct peer_line *l)
{
	const struct track_out *t = &p->audio;

	if (l->kind == SDP_VIDEO && p->conf.simulcast) {
		put(w, "a=rid:q send");
		put(w, "a=rid:h send");
		put(w, "a=rid:f send");
		put(w, "a=simulcast:send q;h;f");
		return;
	}
	if (l->kind == SDP_VIDEO)
		t = &p->video[strcmp(l->mid, "2") == 0];
	if (t->rtx_ssrc) {
		wr_str(w, "a=ssrc-group:FID ");
		wr_dec(w, t->ssrc);
		put_num(w, " ", t->rtx_ssrc, "");
		put_ssrc(w, t->rtx_ssrc);
	}
	put_ssrc(w, t->ssrc);
}

static void put_line(const struct peer *p, struct wr *w, const struct peer_line *l, bool answer)
{
	static const char *const dirs[] = { "a=inactive", "a=sendonly", "a=recvonly", "a=sendrecv" };
	bool video = l->kind == SDP_VIDEO;

	if (l->kind == SDP_APPLICATION) {
		put(w, "m=application 9 UDP/DTLS/SCTP webrtc-datachannel");
		put_carrier(p, w, answer);
		put2(w, "a=mid:", l->mid);
		put(w, "a=sctp-port:5000");
		return;
	}
	wr_str(w, video ? "m=video 9 UDP/TLS/RTP/SAVPF " : "m=audio 9 UDP/TLS/RTP/SAVPF ");
	put(w, video ? (p->conf.other_ids ? "120 124 98" : "96 97 98") : p->conf.other_ids ? "109 63" : "111 63");
	put_carrier(p, w, answer);
	put2(w, "a=mid:", l->mid);
	put(w, dirs[l->dir]);
	if (l->ours)
		put(w, "a=msid:- 39e17daf-f540-492d-85a3-434dcf434b68");
	if (video)
		put_video(p, w);
	else
		put_audio(p, w);
	if (l->ours && l->dir == SDP_SENDONLY)
		put_sending(p, w, l);
}

void peer_write_sdp(struct peer *p, struct wr *w, bool answer)
{
	put_session(p, w);
	for (uint32_t i = 0; i < p->n_lines; i++)
		put_line(p, w, &p->lines[i], answer);
}

static void copy(char *to, size_t cap, struct span from)
{
	size_t n = from.n < cap - 1 ? from.n : cap - 1;

	if (n)
		memcpy(to, from.p, n);
	to[n] = '\0';
}

/* The stream that is announced on a line: a new one unless it is the same SSRC as before. */
static void bind_in(struct peer *p, const struct sdp_media *d)
{
	struct track_in *t = NULL;
	unsigned long long from = 0;

	for (uint32_t i = 0; i < p->n_in; i++)
		if (span_is(d->mid, p->in[i].mid))
			t = &p->in[i];
	if (d->dir != SDP_SENDONLY || d->n_ssrcs == 0) {
		if (t)
			t->live = false;
		return;
	}
	if (t && t->live && t->ssrc == d->ssrc[0].ssrc)
		return;
	if (!t)
		t = &p->in[p->n_in++];
	track_in_bind(t, p->w->now);
	t->video = d->kind == SDP_VIDEO;
	copy(t->mid, sizeof(t->mid), d->mid);
	copy(t->msid, sizeof(t->msid), d->msid);
	t->ssrc = d->ssrc[0].ssrc;
	t->rtx_ssrc = d->ssrc[0].rtx;
	if (sscanf(t->msid, "peer-%llu", &from) == 1)
		t->from = from;
}

void peer_read_sdp(struct peer *p, const struct sdp *s, bool offer)
{
	copy(p->sfu_ufrag, sizeof(p->sfu_ufrag), s->ufrag);
	copy(p->sfu_pwd, sizeof(p->sfu_pwd), s->pwd);
	for (uint32_t i = 0; i < s->n_media && i < PEER_LINES; i++) {
		const struct sdp_media *d = &s->media[i];
		struct peer_line *l = &p->lines[i];

		if (i >= p->n_lines) {
			*l = (struct peer_line){ .kind = d->kind };
			copy(l->mid, sizeof(l->mid), d->mid);
			p->n_lines++;
		}
		if (l->ours || d->rejected)
			continue;
		if (offer)
			l->dir = d->dir == SDP_SENDONLY ? SDP_RECVONLY : SDP_INACTIVE;
		bind_in(p, d);
	}
}
