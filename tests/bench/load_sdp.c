/* SPDX-License-Identifier: AGPL-3.0-only */
/* Offers in the shape of Chrome's, cut to one codec for each kind, and answers that echo the daemon's lines. */
#include "base/json.h"
#include "bench/load.h"

static void put_transport(struct wr *w, const struct load_peer *p, const char *setup)
{
	static const char digit[] = "0123456789ABCDEF";
	const uint8_t *f = dtls_ctx_fingerprint(p->load->dtls_ctx);

	wr_str(w, "c=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\na=ice-ufrag:" LOAD_UFRAG "\r\na=ice-pwd:" LOAD_PWD
		  "\r\na=ice-options:trickle\r\na=fingerprint:sha-256");
	for (size_t i = 0; i < DTLS_FINGERPRINT_LEN; i++) {
		wr_str(w, i ? ":" : " ");
		wr_u8(w, (uint8_t)digit[f[i] >> 4]);
		wr_u8(w, (uint8_t)digit[f[i] & 15]);
	}
	wr_str(w, "\r\na=setup:");
	wr_str(w, setup);
	wr_str(w, "\r\n");
}

static void put_session(struct wr *w)
{
	wr_str(w, "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n");
}

static void put_audio(struct wr *w, const struct load_peer *p)
{
	wr_str(w, "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n");
	put_transport(w, p, "actpass");
	wr_str(w, "a=mid:0\r\n"
		  "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n"
		  "a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time\r\n"
		  "a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n"
		  "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n");
	wr_str(w, p->publisher ? "a=sendonly\r\na=msid:- microphone\r\n" : "a=recvonly\r\n");
	wr_str(w, "a=rtcp-mux\r\na=rtcp-rsize\r\na=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 transport-cc\r\n"
		  "a=fmtp:111 minptime=10;useinbandfec=1\r\n");
	if (p->publisher)
		wr_str(w, "a=ssrc:286331153 cname:load\r\n");
}

static void put_video(struct wr *w, const struct load_peer *p)
{
	wr_str(w, "m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\n");
	put_transport(w, p, "actpass");
	wr_str(w, "a=mid:1\r\n"
		  "a=extmap:14 urn:ietf:params:rtp-hdrext:toffset\r\n"
		  "a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time\r\n"
		  "a=extmap:13 urn:3gpp:video-orientation\r\n"
		  "a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n"
		  "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n");
	wr_str(w, p->publisher ? "a=sendonly\r\na=msid:- camera\r\n" : "a=recvonly\r\n");
	wr_str(w, "a=rtcp-mux\r\na=rtcp-rsize\r\na=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 goog-remb\r\n"
		  "a=rtcp-fb:96 transport-cc\r\na=rtcp-fb:96 ccm fir\r\na=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\n"
		  "a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n");
	if (p->publisher)
		wr_str(w, "a=ssrc-group:FID 572662306 858993459\r\na=ssrc:572662306 cname:load\r\n"
			  "a=ssrc:858993459 cname:load\r\n");
}

void load_sdp_offer(struct wr *w, const struct load_peer *p)
{
	struct load *l = p->load;
	struct wr sdp = wr_from(l->sdp_text, sizeof(l->sdp_text));
	struct json_out o = json_out(w);

	put_session(&sdp);
	wr_str(&sdp, "a=group:BUNDLE 0 1\r\na=extmap-allow-mixed\r\na=msid-semantic: WMS -\r\n");
	put_audio(&sdp, p);
	put_video(&sdp, p);
	jo_obj(&o);
	jo_key(&o, "kind");
	jo_str(&o, span_str("offer"));
	jo_key(&o, "sdp");
	jo_str(&o, wr_span_of(&sdp));
	jo_obj_end(&o);
}

static bool begins(struct span line, const char *with)
{
	size_t n = strlen(with);

	return line.n >= n && memcmp(line.p, with, n) == 0;
}

static struct span next_line(struct span *text)
{
	const uint8_t *end = memchr(text->p, '\n', text->n);
	struct span line = span_of(text->p, end ? (size_t)(end + 1 - text->p) : text->n);

	*text = span_of(text->p + line.n, text->n - line.n);
	return line;
}

void load_sdp_answer(struct wr *w, const struct load_peer *p, struct span offer)
{
	static const char *const echoed[] = { "a=group:", "a=mid:", "a=extmap", "a=rtpmap:", "a=fmtp:", "a=rtcp-fb:",
					      "a=rtcp-mux", "a=rtcp-rsize" };

	put_session(w);
	while (offer.n) {
		struct span line = next_line(&offer);

		for (size_t i = 0; i < ARRAY_LEN(echoed); i++)
			if (begins(line, echoed[i]))
				wr_span(w, line);
		if (begins(line, "m=")) {
			wr_span(w, line);
			put_transport(w, p, "active");
		} else if (begins(line, "a=sendonly") || begins(line, "a=sendrecv")) {
			wr_str(w, "a=recvonly\r\n");
		} else if (begins(line, "a=recvonly") || begins(line, "a=inactive")) {
			wr_str(w, "a=inactive\r\n");
		}
	}
}
