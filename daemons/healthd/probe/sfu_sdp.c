/* SPDX-License-Identifier: AGPL-3.0-only */
#include "healthd/probe/sfu_sdp.h"

#include "base/json.h"
#include "wire/ascii.h"

#define SDP_MAX 1024
#define CANDIDATE_WORDS 8 /* foundation component transport priority address port "typ" type */

static void put_fingerprint(struct wr *w, const uint8_t bytes[SFU_SDP_FINGERPRINT])
{
	for (size_t i = 0; i < SFU_SDP_FINGERPRINT; i++) {
		wr_str(w, i ? ":" : "a=fingerprint:sha-256 ");
		wr_hex(w, span_of(&bytes[i], 1));
	}
	wr_str(w, "\r\n");
}

static void put_attr(struct wr *w, const char *name, const char *value)
{
	wr_str(w, name);
	wr_str(w, value);
	wr_str(w, "\r\n");
}

void sfu_sdp_offer(struct wr *w, const char *ufrag, const char *pwd, const uint8_t fingerprint[SFU_SDP_FINGERPRINT],
		   uint32_t session)
{
	uint8_t text[SDP_MAX];
	struct wr sdp = wr_from(text, sizeof(text));
	struct json_out o = json_out(w);

	wr_str(&sdp, "v=0\r\no=- ");
	wr_dec(&sdp, session);
	wr_str(&sdp, " 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n"
		     "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\n");
	put_attr(&sdp, "a=ice-ufrag:", ufrag);
	put_attr(&sdp, "a=ice-pwd:", pwd);
	put_fingerprint(&sdp, fingerprint);
	wr_str(&sdp, "a=setup:actpass\r\na=mid:0\r\na=recvonly\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\n");
	w->bad |= sdp.bad;
	jo_obj(&o);
	jo_key(&o, "kind");
	jo_str(&o, SPAN_LIT("offer"));
	jo_key(&o, "sdp");
	jo_str(&o, wr_span_of(&sdp));
	jo_obj_end(&o);
}

/* The next piece up to `end`, which is dropped, as is a line's CR. */
static struct span cut(struct span *s, char end)
{
	const uint8_t *at = s->n ? memchr(s->p, end, s->n) : NULL;
	struct span piece = span_of(s->p, at ? (size_t)(at - s->p) : s->n);
	size_t used = piece.n + (at != NULL);

	*s = span_of(s->n ? s->p + used : s->p, s->n - used);
	if (end == '\n' && piece.n && piece.p[piece.n - 1] == '\r')
		piece.n--;
	return piece;
}

static bool is_ice_text(struct span s, size_t least)
{
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = ascii_lower(s.p[i]);

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '+' && c != '/')
			return false;
	}
	return s.n >= least && s.n <= SFU_SDP_ICE_MAX;
}

static bool read_port(struct span s, uint16_t *ret)
{
	uint32_t v = 0;

	if (s.n == 0 || s.n > 5)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		v = v * 10 + s.p[i] - '0';
	}
	*ret = (uint16_t)v;
	return v > 0 && v <= UINT16_MAX;
}

/* RFC 8839 5.1. One of another transport, or with a name for an address, does not count. */
static void read_candidate(struct span v, struct addr *ret)
{
	struct span word[CANDIDATE_WORDS];
	struct addr a;
	uint16_t port;

	for (size_t i = 0; i < CANDIDATE_WORDS; i++)
		word[i] = cut(&v, ' ');
	if (!ascii_same(word[2], SPAN_LIT("udp")) || !span_is(word[7], "host") || !read_port(word[5], &port) ||
	    addr_parse(word[4], &a) < 0 || a.port != 0)
		return;
	a.port = port;
	*ret = a;
}

static bool takes(struct span line, const char *name, struct span *ret)
{
	const size_t n = strlen(name);

	if (line.n < n || memcmp(line.p, name, n) != 0)
		return false;
	*ret = span_of(line.p + n, line.n - n);
	return true;
}

int sfu_sdp_read(struct span sdp, struct sfu_sdp_answer *ret)
{
	struct sfu_sdp_answer a = { 0 };
	struct span v;

	while (sdp.n) {
		struct span line = cut(&sdp, '\n');

		if (takes(line, "a=ice-ufrag:", &v))
			a.ufrag = a.ufrag.n ? a.ufrag : v;
		else if (takes(line, "a=ice-pwd:", &v))
			a.pwd = a.pwd.n ? a.pwd : v;
		else if (takes(line, "a=candidate:", &v) && addr_is_unset(&a.candidate))
			read_candidate(v, &a.candidate);
	}
	if (!is_ice_text(a.ufrag, 4) || !is_ice_text(a.pwd, 22))
		return ERR_MALFORMED;
	*ret = a;
	return 0;
}
