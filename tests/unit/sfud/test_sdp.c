/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sfud/signal/sdp.h"

#include "t.h"

#ifndef SDP_DIR
#define SDP_DIR "tests/unit/sfud/sdp"
#endif

#define UFRAG "a=ice-ufrag:Sm/D\r\n"
#define PWD "a=ice-pwd:21qa5wjFbcmO3KSx6tvGYp7B\r\n"
#define HEX15 "00:01:02:03:04:05:06:07:08:09:0a:0B:0c:0D:0e"
#define HEX HEX15 ":0F:10:11:12:13:14:15:16:17:18:19:1a:1b:1c:1d:1e:1f"
#define PRINT "a=fingerprint:sha-256 " HEX "\r\n"
#define HEAD "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
#define OPEN HEAD UFRAG PWD PRINT
#define AUDIO "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n"
#define OPUS "a=rtpmap:111 opus/48000/2\r\n"
#define VIDEO "m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\n"
#define X16 "0123456789abcdef"
#define X64 X16 X16 X16 X16
#define X256 X64 X64 X64 X64
#define X2048 X256 X256 X256 X256 X256 X256 X256 X256

static struct sdp in, out;
static char file_text[64 * 1024];
static uint8_t out_text[SDP_TEXT_MAX];

static struct span file_named(const char *name)
{
	char path[512];
	FILE *f;
	size_t n = 0;

	snprintf(path, sizeof(path), SDP_DIR "/%s.sdp", name);
	f = fopen(path, "rb");
	if (f) {
		n = fread(file_text, 1, sizeof(file_text), f);
		fclose(f);
	}
	return span_of(file_text, n);
}

static int parse(const char *text, const char **why)
{
	return sdp_parse(span_str(text), &in, why);
}

static const struct sdp_codec *codec_by_pt(const struct sdp_media *m, uint8_t pt)
{
	static const struct sdp_codec none = { .codec = CODEC_MAX_ };

	for (uint32_t i = 0; i < m->n_codecs; i++)
		if (m->codec[i].pt == pt)
			return &m->codec[i];
	return &none;
}

/* RFC 8829: what Chromium 156 and Firefox ESR 153 really send is understood, line by line. */
static void offers_and_answers_of_browsers_are_read(void)
{
	const struct {
		const char *row;
		enum sdp_setup setup;
		const char *lines; /* kind, r(ejected) or b(undled), direction, rids, ssrcs, ssrcs with rtx */
	} rows[] = {
		{ "chromium_av", SDP_SETUP_ACTPASS, "Ab>010 Vb>011 Vb>011 " },
		{ "chromium_simulcast", SDP_SETUP_ACTPASS, "Ab>010 Vb>300 " },
		{ "chromium_data", SDP_SETUP_ACTPASS, "Ab>010 Vb>011 Vb>011 Pb=000 " },
		{ "chromium_answer_add", SDP_SETUP_ACTIVE, "Ab>010 Vb>011 Vb>011 Pr=000 Ab<000 Vb<000 " },
		{ "chromium_answer_idle", SDP_SETUP_ACTIVE, "Ab>010 Vb>011 Vb>011 Pr=000 Ab-000 Vb-000 " },
		{ "firefox_av", SDP_SETUP_ACTPASS, "Ab>010 Vb>011 Vb>011 " },
		{ "firefox_simulcast", SDP_SETUP_ACTPASS, "Ab>010 Vb>333 " },
		{ "firefox_data", SDP_SETUP_ACTPASS, "Ab>010 Vb>011 Vb>011 Pb=000 " },
		{ "firefox_answer_add", SDP_SETUP_ACTIVE, "Ab>010 Vb>011 Vb>011 Pr-000 Ab<010 Vb<010 " },
		{ "firefox_answer_idle", SDP_SETUP_ACTIVE, "Ab>010 Vb>011 Vb>011 Pr-000 Ab-010 Vb-010 " },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *why;
		char got[128];
		size_t n = 0;

		t_row = rows[i].row;
		EQ(sdp_parse(file_named(rows[i].row), &in, &why), 0);
		OK(why == NULL);
		EQ(in.setup, rows[i].setup);
		OK(in.ufrag.n >= 4 && in.pwd.n >= 22 && in.has_fingerprint && !in.ice_lite);
		for (uint32_t k = 0; k < in.n_media; k++) {
			const struct sdp_media *m = &in.media[k];
			uint32_t rtx = 0;

			for (uint32_t s = 0; s < m->n_ssrcs; s++)
				rtx += m->ssrc[s].rtx != 0;
			n += (size_t)snprintf(got + n, sizeof(got) - n, "%c%c%c%u%u%u ", "AVPO"[m->kind],
					      m->rejected  ? 'r'
					      : m->bundled ? 'b'
							   : '?',
					      "-><="[m->dir], m->n_rids, m->n_ssrcs, rtx);
			OK(m->kind == SDP_APPLICATION || m->rtcp_mux);
		}
		EQ_STR(got, rows[i].lines);
	}
}

/* One offer in detail: Chromium's camera. */
static void every_field_of_a_line_is_kept(void)
{
	const struct sdp_media *m = &in.media[1];

	EQ(sdp_parse(file_named("chromium_simulcast"), &in, NULL), 0);
	EQ_SPAN(m->mid, span_str("1"));
	EQ_SPAN(m->proto, span_str("UDP/TLS/RTP/SAVPF"));
	EQ(m->n_codecs, 23);
	EQ(m->n_exts, 13);
	EQ(m->ext[0].id, 14);
	EQ_SPAN(m->ext[0].uri, span_str("urn:ietf:params:rtp-hdrext:toffset"));
	EQ_SPAN(m->rid[0], span_str("q"));
	EQ_SPAN(m->rid[2], span_str("f"));
	OK(m->rtcp_rsize && m->msid.n == 73);
	EQ(m->codec[0].pt, 96);
	EQ(m->codec[0].codec, CODEC_VP8);
	EQ(m->codec[0].clock, 90000);
	EQ(m->codec[0].channels, 1);
	EQ(m->codec[0].fb, SDP_FB_NACK | SDP_FB_PLI | SDP_FB_FIR | SDP_FB_TWCC | SDP_FB_REMB);
	EQ(codec_by_pt(m, 97)->codec, CODEC_RTX);
	EQ(codec_by_pt(m, 97)->apt, 96);
	EQ_SPAN(codec_by_pt(m, 108)->fmtp,
		span_str("level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"));
	EQ(codec_by_pt(m, 118)->codec, CODEC_NONE); /* red */
	m = &in.media[0];
	EQ(m->n_codecs, 8);
	EQ(m->codec[0].channels, 2);
	EQ(m->codec[0].fb, SDP_FB_TWCC);
}

static const struct {
	const char *text;
	int want;
	const char *why;
} refused[] = {
	{ "", ERR_MALFORMED, "no media line" },
	{ "\r\n" OPEN AUDIO, ERR_MALFORMED, "no v=0" },
	{ "v=1\r\n" AUDIO, ERR_MALFORMED, "no v=0" },
	{ OPEN, ERR_MALFORMED, "no media line" },
	{ OPEN AUDIO "a", ERR_MALFORMED, "not a line of SDP" },
	{ OPEN AUDIO "A=mid:1\r\n", ERR_MALFORMED, "not a line of SDP" },
	{ OPEN AUDIO "a:mid\r\n", ERR_MALFORMED, "not a line of SDP" },
	{ OPEN AUDIO " a=mid:1\r\n", ERR_MALFORMED, "not a line of SDP" },
	{ OPEN AUDIO "a=x\ra=y\r\n", ERR_MALFORMED, "control character" },
	{ OPEN AUDIO "a=" X2048 "\r\n", ERR_LIMIT, "line too long" },
	{ HEAD PWD PRINT AUDIO, ERR_MISSING, "no ice-ufrag" },
	{ HEAD UFRAG PRINT AUDIO, ERR_MISSING, "no ice-pwd" },
	{ HEAD UFRAG PWD AUDIO, ERR_MISSING, "no fingerprint" },
	{ HEAD UFRAG PWD "a=fingerprint:sha-1 00:11\r\n" AUDIO, ERR_MISSING, "no fingerprint" },
	{ HEAD AUDIO, ERR_MISSING, "no ice-ufrag" },
	{ OPEN "a=ice-ufrag:abcd\r\n" AUDIO, ERR_MALFORMED, "ice-ufrag repeated" },
	{ OPEN PWD AUDIO, ERR_MALFORMED, "ice-pwd repeated" },
	{ HEAD "a=ice-ufrag:abc\r\n", ERR_MALFORMED, "bad ice-ufrag" },
	{ HEAD "a=ice-ufrag:ab-d\r\n", ERR_MALFORMED, "bad ice-ufrag" },
	{ HEAD "a=ice-ufrag:" X256 "x\r\n", ERR_MALFORMED, "bad ice-ufrag" },
	{ HEAD "a=ice-ufrag\r\n", ERR_MALFORMED, "bad ice-ufrag" },
	{ HEAD "a=ice-pwd:" X16 "01234\r\n", ERR_MALFORMED, "bad ice-pwd" },
	{ HEAD "a=ice-pwd:" X16 "0123 5\r\n", ERR_MALFORMED, "bad ice-pwd" },
	{ HEAD "a=ice-pwd:" X256 "x\r\n", ERR_MALFORMED, "bad ice-pwd" },
	{ HEAD "a=fingerprint:sha-256\r\n", ERR_MALFORMED, "bad fingerprint" },
	{ HEAD "a=fingerprint:sha-256 " HEX15 "\r\n", ERR_MALFORMED, "bad fingerprint" },
	{ HEAD "a=fingerprint:sha-256 " HEX ":20\r\n", ERR_MALFORMED, "bad fingerprint" },
	{ HEAD "a=fingerprint:SHA-256 " HEX15 "-0F:10:11:12:13:14:15:16:17:18:19:1a:1b:1c:1d:1e:1f\r\n",
	  ERR_MALFORMED, "bad fingerprint" },
	{ HEAD "a=fingerprint:sha-256 " HEX15 ":0G:10:11:12:13:14:15:16:17:18:19:1a:1b:1c:1d:1e:1f\r\n",
	  ERR_MALFORMED, "bad fingerprint" },
	{ OPEN "a=fingerprint:sha-256 " HEX15 ":FF:10:11:12:13:14:15:16:17:18:19:1a:1b:1c:1d:1e:1f\r\n",
	  ERR_MALFORMED, "two fingerprints" },
	{ OPEN "a=setup:holdconn\r\n", ERR_MALFORMED, "bad setup" },
	{ OPEN "a=setup:active\r\na=setup:passive\r\n", ERR_MALFORMED, "two setups" },
	{ OPEN "m=audio\r\n", ERR_MALFORMED, "bad port" },
	{ OPEN "m=audio 65536 RTP/SAVPF 111\r\n", ERR_MALFORMED, "bad port" },
	{ OPEN "m=audio -9 RTP/SAVPF 111\r\n", ERR_MALFORMED, "bad port" },
	{ OPEN "m=audio 9/x RTP/SAVPF 111\r\n", ERR_MALFORMED, "bad port" },
	{ OPEN "m=audio 9 RTP/SAVPF\r\n", ERR_MALFORMED, "bad media line" },
	{ OPEN "m=audio 9 RTP\"SAVPF 111\r\n", ERR_MALFORMED, "bad media line" },
	{ OPEN "m=application 9 x a\\b\r\n", ERR_MALFORMED, "bad media line" },
	{ OPEN "m=audio 9 RTP/SAVPF 111 x\r\n", ERR_MALFORMED, "bad payload type" },
	{ OPEN "m=audio 9 RTP/SAVPF 128\r\n", ERR_MALFORMED, "bad payload type" },
	{ OPEN "m=audio 9 RTP/SAVPF 96 97 96\r\n", ERR_MALFORMED, "payload type repeated" },
	{ OPEN AUDIO AUDIO, ERR_MALFORMED, "mid repeated" },
	{ OPEN AUDIO "a=mid:1\r\n", ERR_MALFORMED, "mid repeated" },
	{ OPEN VIDEO "a=mid:\r\n", ERR_MALFORMED, "bad mid" },
	{ OPEN VIDEO "a=mid:" X16 "x\r\n", ERR_MALFORMED, "bad mid" },
	{ OPEN VIDEO "a=mid:a b\r\n", ERR_MALFORMED, "bad mid" },
	{ OPEN VIDEO "a=mid:\xc3\xa9\r\n", ERR_MALFORMED, "bad mid" },
	{ OPEN VIDEO "a=msid:a \"b\"\r\n", ERR_MALFORMED, "bad msid" },
	{ OPEN VIDEO "a=sendonly\r\na=recvonly\r\n", ERR_MALFORMED, "two directions" },
	{ OPEN VIDEO "a=extmap:0 urn:x\r\n", ERR_MALFORMED, "bad extmap" },
	{ OPEN VIDEO "a=extmap:4352 urn:x\r\n", ERR_MALFORMED, "bad extmap" },
	{ OPEN VIDEO "a=extmap:1\r\n", ERR_MALFORMED, "bad extmap" },
	{ OPEN VIDEO "a=extmap:1/both urn:x\r\n", ERR_MALFORMED, "bad extmap" },
	{ OPEN VIDEO "a=extmap:1 urn:\"x\r\n", ERR_MALFORMED, "bad extmap" },
	{ OPEN VIDEO "a=extmap:1 urn:x\r\na=extmap:1 urn:y\r\n", ERR_MALFORMED, "extmap id repeated" },
	{ OPEN VIDEO "a=rtpmap:x VP8/90000\r\n", ERR_MALFORMED, "bad rtpmap" },
	{ OPEN VIDEO "a=rtpmap:96 /90000\r\n", ERR_MALFORMED, "bad rtpmap" },
	{ OPEN VIDEO "a=rtpmap:96 VP8\r\n", ERR_MALFORMED, "bad rtpmap" },
	{ OPEN VIDEO "a=rtpmap:96 VP8/0\r\n", ERR_MALFORMED, "bad rtpmap" },
	{ OPEN VIDEO "a=rtpmap:96 VP8/1000001\r\n", ERR_MALFORMED, "bad rtpmap" },
	{ OPEN VIDEO "a=rtpmap:96 VP8/99999999999\r\n", ERR_MALFORMED, "bad rtpmap" },
	{ OPEN VIDEO "a=rtpmap:96 opus/48000/0\r\n", ERR_MALFORMED, "bad rtpmap" },
	{ OPEN VIDEO "a=rtpmap:96 opus/48000/256\r\n", ERR_MALFORMED, "bad rtpmap" },
	{ OPEN AUDIO OPUS OPUS, ERR_MALFORMED, "rtpmap repeated" },
	{ OPEN VIDEO "a=fmtp:128 x\r\n", ERR_MALFORMED, "bad fmtp" },
	{ OPEN VIDEO "a=fmtp:96 a=\"b\"\r\n", ERR_MALFORMED, "bad fmtp" },
	{ OPEN VIDEO "a=fmtp:96 a\r\na=fmtp:96 b\r\n", ERR_MALFORMED, "fmtp repeated" },
	{ OPEN VIDEO "a=rtcp-fb:1x nack\r\n", ERR_MALFORMED, "bad rtcp-fb" },
	{ OPEN VIDEO "a=ssrc:4294967296 cname:x\r\n", ERR_MALFORMED, "bad ssrc" },
	{ OPEN VIDEO "a=ssrc: cname:x\r\n", ERR_MALFORMED, "bad ssrc" },
	{ OPEN VIDEO "a=ssrc-group:FID 1\r\n", ERR_MALFORMED, "bad ssrc-group" },
	{ OPEN VIDEO "a=ssrc-group:FID 1 2 3\r\n", ERR_MALFORMED, "bad ssrc-group" },
	{ OPEN VIDEO "a=ssrc-group:FID 1 0\r\n", ERR_MALFORMED, "bad ssrc-group" },
	{ OPEN VIDEO "a=ssrc-group:FID 7 7\r\n", ERR_MALFORMED, "bad ssrc-group" },
	{ OPEN VIDEO "a=ssrc-group:FID 1 2\r\na=ssrc-group:FID 3 2\r\n", ERR_MALFORMED, "ssrc-groups overlap" },
	{ OPEN VIDEO "a=ssrc-group:FID 1 2\r\na=ssrc-group:FID 1 3\r\n", ERR_MALFORMED, "ssrc-groups overlap" },
	{ OPEN VIDEO "a=ssrc-group:FID 1 2\r\na=ssrc-group:FID 3 1\r\n", ERR_MALFORMED, "ssrc-groups overlap" },
	{ OPEN VIDEO "a=rid:a.b send\r\n", ERR_MALFORMED, "bad rid" },
	{ OPEN VIDEO "a=rid:" X16 "x send\r\n", ERR_MALFORMED, "bad rid" },
	{ OPEN VIDEO "a=rid:q send\r\na=rid:q send\r\n", ERR_MALFORMED, "rid repeated" },
	{ OPEN VIDEO "a=simulcast:q;h\r\n", ERR_MALFORMED, "bad simulcast" },
	{ OPEN VIDEO "a=simulcast:send\r\n", ERR_MALFORMED, "bad simulcast" },
	{ OPEN VIDEO "a=simulcast:send q send h\r\n", ERR_MALFORMED, "simulcast repeated" },
};

/* A text that two readers could take for two things is refused, with the reason in words and nothing left over. */
static void bad_texts_are_refused_with_a_reason(void)
{
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		const char *why = "nothing";

		t_row = refused[i].text + (strncmp(refused[i].text, OPEN, sizeof(OPEN) - 1) == 0 ? sizeof(OPEN) - 1 : 0);
		EQ(parse(refused[i].text, &why), refused[i].want);
		EQ_STR(why ? why : "NULL", refused[i].why);
		EQ(in.n_media, 0);
		EQ(parse(refused[i].text, NULL), refused[i].want);
	}
}

/* SDP_TEXT_MAX and SDP_MEDIA_MAX are the last that is read; one more is too many. */
static void bounds_are_exact(void)
{
	static char text[SDP_TEXT_MAX + 1];
	struct wr w = wr_from(text, sizeof(text));
	const char *why;

	wr_str(&w, OPEN);
	for (int i = 0; i < SDP_MEDIA_MAX; i++)
		wr_str(&w, VIDEO);
	EQ(sdp_parse(wr_span_of(&w), &in, &why), 0);
	EQ(in.n_media, SDP_MEDIA_MAX);
	size_t n = wr_len(&w);
	wr_str(&w, VIDEO);
	EQ(sdp_parse(wr_span_of(&w), &in, &why), ERR_LIMIT);
	EQ_STR(why, "too many media lines");
	memset(text + n, '\n', sizeof(text) - n);
	EQ(sdp_parse(span_of(text, SDP_TEXT_MAX), &in, &why), 0);
	EQ(sdp_parse(span_of(text, SDP_TEXT_MAX + 1), &in, &why), ERR_LIMIT);
	EQ_STR(why, "text too long");
	EQ(sdp_parse(span_of(NULL, 0), &in, &why), ERR_MALFORMED);
}

/* What is unknown, more than we keep, or of no use here is skipped; the rest of the text counts. */
static void harmless_oddities_are_skipped(void)
{
	const struct {
		const char *row, *lines;
		uint32_t codecs, exts, ssrcs, rids;
	} rows[] = {
		{ "nothing: ", "", 0, 0, 0, 0 },
		{ "unknown lines and attributes: ", "b=AS:9\r\nk=x\r\na=future:\xc3\xa9\"\r\na=\r\na=sendrecv\r\n", 0, 0, 0, 0 },
		{ "blank lines, line ends of two kinds: ", "\n\r\na=extmap:1 u\n", 0, 1, 0, 0 },
		{ "static type without rtpmap: ", "a=fmtp:96 x=1\r\na=rtcp-fb:96 nack\r\n", 0, 0, 0, 0 },
		{ "types of another line: ",
		  "a=rtpmap:99 VP8/90000\r\na=fmtp:99 a\r\na=fmtp:99 b\r\na=rtcp-fb:99 nack\r\n", 0, 0, 0, 0 },
		{ "unknown feedback: ", "a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 rrtr\r\na=rtcp-fb:*\r\n", 1, 0, 0, 0 },
		{ "ids nobody may send: ", "a=extmap:15 u\r\na=extmap:256 u\r\na=extmap:4351 u\r\n", 0, 0, 0, 0 },
		{ "two-byte id: ", "a=extmap:255 u\r\n", 0, 1, 0, 0 },
		{ "extension attributes: ", "a=extmap:3/sendrecv u some attributes\r\n", 0, 1, 0, 0 },
		{ "only received: ", "a=extmap:2/recvonly u\r\na=extmap:3/inactive v\r\na=extmap:4/sendonly w\r\n", 0, 1, 0, 0 },
		{ "encrypted: ", "a=extmap:2 urn:ietf:params:rtp-hdrext:encrypt urn:x\r\n", 0, 0, 0, 0 },
		{ "ssrc lines repeat: ", "a=ssrc:5 cname:a\r\na=ssrc:5 msid:a b\r\na=ssrc:0 cname:a\r\n", 0, 0, 1, 0 },
		{ "group in front: ", "a=ssrc-group:FID 5 6\r\na=ssrc:5 cname:a\r\na=ssrc:6 cname:a\r\n", 0, 0, 1, 0 },
		{ "group behind: ", "a=ssrc:6 cname:a\r\na=ssrc:5 cname:a\r\na=ssrc-group:FID 5 6\r\n", 0, 0, 1, 0 },
		{ "other groups: ", "a=ssrc-group:SIM 5 6 7\r\n", 0, 0, 0, 0 },
		{ "rids of the receiver: ", "a=rid:q recv\r\na=simulcast:recv q\r\n", 0, 0, 0, 0 },
		{ "rid nobody declared: ", "a=rid:q send\r\na=simulcast:send q;x\r\n", 0, 0, 0, 1 },
		{ "more rids than layers: ", "a=rid:a send\r\na=rid:b send\r\na=rid:c send\r\na=rid:d send\r\n", 0, 0, 0, 3 },
		{ "rid listed twice: ", "a=rid:q send\r\na=simulcast:send q;q;\r\n", 0, 0, 0, 1 },
		{ "nine streams: ",
		  "a=ssrc:1 x\r\na=ssrc:2 x\r\na=ssrc:3 x\r\na=ssrc:4 x\r\na=ssrc:5 x\r\na=ssrc:6 x\r\na=ssrc:7 x\r\n"
		  "a=ssrc:8 x\r\na=ssrc-group:FID 9 10\r\n", 0, 0, 8, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[1024];

		t_row = rows[i].row;
		snprintf(text, sizeof(text), "%s%s", OPEN VIDEO, rows[i].lines);
		EQ(parse(text, NULL), 0);
		EQ(in.n_media, 1);
		EQ(in.media[0].n_codecs, rows[i].codecs);
		EQ(in.media[0].n_exts, rows[i].exts);
		EQ(in.media[0].n_ssrcs, rows[i].ssrcs);
		EQ(in.media[0].n_rids, rows[i].rids);
		EQ(in.media[0].dir, SDP_SENDRECV);
	}
}

/* RFC 8853 5.1: the order of the list, of alternatives the first, paused or not, either direction first. */
static void simulcast_list_gives_the_order(void)
{
	static const char rids[] = "a=rid:f send\r\na=rid:q send pt=96\r\na=rid:h send\r\n";
	const struct {
		const char *list, *want;
	} rows[] = {
		{ "", "fqh" },
		{ "a=simulcast:send q;h;f\r\n", "qhf" },
		{ "a=simulcast:send ~q;h,f;~f,q\r\n", "qhf" },
		{ "a=simulcast:recv x;y send q;f\r\n", "qf" },
		{ "a=simulcast:send f recv x\r\n", "f" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[1024], got[SDP_RIDS_MAX + 1] = "";

		t_row = rows[i].list;
		for (int behind = 0; behind < 2; behind++) {
			snprintf(text, sizeof(text), "%s%s%s%s", OPEN VIDEO, behind ? "" : rids, rows[i].list,
				 behind ? rids : "");
			EQ(parse(text, NULL), 0);
			for (uint32_t k = 0; k < in.media[0].n_rids; k++)
				got[k] = (char)in.media[0].rid[k].p[0];
			EQ_STR(got, rows[i].want);
		}
	}
}

/* RFC 3264 6: attributes of a format may stand in any order, and "*" is every format. */
static void codec_attributes_come_in_any_order(void)
{
	const struct sdp_media *m = &in.media[0];

	EQ(parse(OPEN VIDEO "a=rtcp-fb:* nack\r\na=rtcp-fb:96 nack pli\r\na=rtcp-fb:97 CCM FIR\r\na=fmtp:97 apt=96\r\n"
		 "a=fmtp:96 max-fr=60\r\na=rtpmap:97 rtx/90000\r\na=rtpmap:96 vp8/90000\r\n", NULL), 0);
	EQ(m->n_codecs, 2);
	EQ(m->codec[0].codec, CODEC_VP8);
	EQ(m->codec[0].fb, SDP_FB_NACK | SDP_FB_PLI);
	EQ_SPAN(m->codec[0].fmtp, span_str("max-fr=60"));
	EQ(m->codec[1].codec, CODEC_RTX);
	EQ(m->codec[1].apt, 96);
	EQ(m->codec[1].fb, SDP_FB_NACK | SDP_FB_FIR);
}

/* A name at a clock that is not its own, and a repetition of nothing, are not what they are called. */
static void codecs_that_cannot_be_are_not_forwarded(void)
{
	const char *const rows[] = {
		"a=rtpmap:96 VP8/48000\r\n", "a=rtpmap:96 opus/90000/2\r\n", "a=rtpmap:96 rtx/90000\r\n",
		"a=rtpmap:96 rtx/90000\r\na=fmtp:96 apt=128\r\n", "a=rtpmap:96 none/90000\r\n",
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[512];

		t_row = rows[i];
		snprintf(text, sizeof(text), "%s%s", OPEN VIDEO, rows[i]);
		EQ(parse(text, NULL), 0);
		EQ(in.media[0].n_codecs, 1);
		EQ(in.media[0].codec[0].codec, CODEC_NONE);
	}
}

/* RFC 9143 7.1.3: the transport is that of the first line in the group; RFC 8839 5.4: or of the session. */
static void first_bundled_line_names_the_transport(void)
{
	const struct {
		const char *row, *text, *ufrag;
		const char *flags; /* of each line: r(ejected), b(undled), - */
	} rows[] = {
		{ "session: ", OPEN "a=group:BUNDLE 0\r\n" AUDIO, "Sm/D", "b" },
		{ "line over session: ", OPEN "a=group:BUNDLE 0\r\n" AUDIO "a=ice-ufrag:line\r\n" PWD, "line", "b" },
		{ "no group: ", HEAD PRINT AUDIO UFRAG PWD VIDEO "a=ice-ufrag:late\r\n" PWD, "Sm/D", "--" },
		{ "second line only: ", HEAD PRINT "a=group:BUNDLE 1\r\n" AUDIO "a=ice-ufrag:loner\r\n" PWD
		  VIDEO "a=mid:1\r\n" UFRAG PWD, "Sm/D", "-b" },
		{ "rejected first: ", HEAD PRINT "a=group:LS 1 2\r\na=group:BUNDLE 0 1\r\nm=audio 0 RTP/SAVPF 0\r\na=mid:0\r\n"
		  "a=ice-ufrag:gone\r\n" PWD VIDEO "a=mid:1\r\n" UFRAG PWD, "Sm/D", "rb" },
		{ "bundle-only: ", HEAD PRINT "a=group:BUNDLE 0 1\r\n" AUDIO UFRAG PWD
		  "m=video 0 RTP/SAVPF 96\r\na=bundle-only\r\na=mid:1\r\n", "Sm/D", "bb" },
		{ "no mid: ", OPEN "a=group:BUNDLE\r\n" VIDEO, "Sm/D", "-" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char got[8] = "";

		t_row = rows[i].row;
		EQ(parse(rows[i].text, NULL), 0);
		EQ_SPAN(in.ufrag, span_str(rows[i].ufrag));
		for (uint32_t k = 0; k < in.n_media; k++)
			got[k] = in.media[k].rejected ? 'r' : in.media[k].bundled ? 'b' : '-';
		EQ_STR(got, rows[i].flags);
	}
}

/* RFC 8866 6.7: a direction of the session holds where a line has none. */
static void session_direction_is_the_default(void)
{
	EQ(parse(OPEN "a=recvonly\r\na=ice-lite\r\na=setup:active\r\n" AUDIO VIDEO "a=inactive\r\n", NULL), 0);
	EQ(in.media[0].dir, SDP_RECVONLY);
	EQ(in.media[1].dir, SDP_INACTIVE);
	OK(in.ice_lite);
	EQ(in.setup, SDP_SETUP_ACTIVE);
	EQ(in.fingerprint[0], 0x00);
	EQ(in.fingerprint[13], 0x0d);
	EQ(in.fingerprint[31], 0x1f);
}

static void house(struct sdp *s)
{
	static const struct sdp_media opus = {
		.kind = SDP_AUDIO, .mid = { (const uint8_t *)"0", 1 }, .dir = SDP_SENDONLY, .bundled = true, .rtcp_mux = true,
		.codec = { { .pt = 111, .codec = CODEC_OPUS, .clock = 48000, .channels = 2, .fb = SDP_FB_TWCC } },
		.n_codecs = 1, .ssrc = { { 7, 0 } }, .n_ssrcs = 1,
	};

	memset(s, 0, sizeof(*s));
	s->ufrag = SPAN_LIT("house");
	s->pwd = SPAN_LIT("0123456789abcdefghijkl");
	s->has_fingerprint = s->ice_lite = true;
	s->fingerprint[31] = 0xab;
	s->setup = SDP_SETUP_PASSIVE;
	s->session_id = 77;
	s->version = 3;
	s->media[0] = opus;
	s->media[0].msid = SPAN_LIT("peer-8 peer-8-audio");
	s->media[0].cname = SPAN_LIT("peer-8");
	s->media[1] = (struct sdp_media){ .kind = SDP_APPLICATION, .mid = SPAN_LIT("d"), .rejected = true, .bundled = true,
					  .proto = SPAN_LIT("UDP/DTLS/SCTP"), .fmt = SPAN_LIT("webrtc-datachannel") };
	s->n_media = 2;
	s->candidate[0] = addr_v4(192, 0, 2, 1, 7878);
	(void)addr_parse(SPAN_LIT("[fe80::1%2]:7878"), &s->candidate[1]);
	s->n_candidates = 2;
}

/* RFC 8829 5.3.1: the text, to the byte. Candidates stand once, priorities fall (RFC 8445 5.1.2.1), a refused line has
 * port 0 and its own format, and is in no group. */
static void the_text_is_written_to_the_byte(void)
{
	static const char want[] =
		"v=0\r\no=- 77 3 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=ice-lite\r\na=group:BUNDLE 0\r\n"
		"a=extmap-allow-mixed\r\na=msid-semantic: WMS *\r\n"
		"m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\n"
		"a=ice-ufrag:house\r\na=ice-pwd:0123456789abcdefghijkl\r\na=fingerprint:sha-256 "
		"00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:AB\r\n"
		"a=setup:passive\r\na=mid:0\r\na=msid:peer-8 peer-8-audio\r\na=sendonly\r\na=rtcp-mux\r\n"
		"a=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 transport-cc\r\na=ssrc:7 cname:peer-8\r\n"
		"a=candidate:1 1 udp 2130706431 192.0.2.1 7878 typ host\r\n"
		"a=candidate:2 1 udp 2130706175 fe80::1 7878 typ host\r\na=end-of-candidates\r\n"
		"m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:d\r\na=inactive\r\n";
	struct wr w = wr_from(out_text, sizeof(out_text));

	house(&out);
	sdp_write(&w, &out);
	EQ_SPAN(wr_span_of(&w), span_str(want));
	for (size_t n = 0; n < sizeof(want) - 1; n++) {
		w = wr_from(out_text, n);
		sdp_write(&w, &out);
		OK(w.bad);
	}
}

/* A line without a codec cannot be written as one that has any: it is refused, whatever its kind. */
static void lines_without_codecs_are_refused(void)
{
	struct wr w = wr_from(out_text, sizeof(out_text));
	static const char *const fmts[] = { "0", "0", "webrtc-datachannel", "0" };

	house(&out);
	for (uint32_t i = 0; i < 4; i++)
		out.media[i] = (struct sdp_media){ .kind = (enum sdp_kind)i, .bundled = true, .dir = SDP_SENDONLY };
	out.n_media = 4;
	sdp_write(&w, &out);
	OK(!w.bad);
	EQ(sdp_parse(wr_span_of(&w), &in, NULL), ERR_MISSING); /* nothing is left that could carry a transport */
	OK(memmem(out_text, wr_len(&w), "BUNDLE", 6) == NULL);
	out.media[4] = out.media[0];
	out.media[4].mid = SPAN_LIT("4");
	out.media[4].codec[0] = (struct sdp_codec){ .pt = 1, .codec = CODEC_OPUS, .clock = 48000, .channels = 2 };
	out.media[4].n_codecs = 1;
	out.n_media = 5;
	w = wr_from(out_text, sizeof(out_text));
	sdp_write(&w, &out);
	EQ(sdp_parse(wr_span_of(&w), &in, NULL), 0);
	for (uint32_t i = 0; i < 4; i++) {
		EQ(in.media[i].kind, i);
		OK(in.media[i].rejected && !in.media[i].bundled);
		EQ_SPAN(in.media[i].fmt, span_str(fmts[i]));
	}
}

static void same_media(const struct sdp_media *a, const struct sdp_media *b)
{
	EQ(a->kind, b->kind);
	EQ(a->dir, b->dir);
	OK(a->rejected == b->rejected && a->rtcp_mux == b->rtcp_mux && a->rtcp_rsize == b->rtcp_rsize);
	EQ_SPAN(a->proto, b->proto);
	EQ_SPAN(a->mid, b->mid);
	EQ_SPAN(a->msid, b->msid);
	EQ(a->n_codecs, b->n_codecs);
	for (uint32_t i = 0; i < a->n_codecs && i < b->n_codecs; i++) {
		EQ(a->codec[i].pt, b->codec[i].pt);
		EQ(a->codec[i].codec, b->codec[i].codec);
		EQ(a->codec[i].clock, b->codec[i].clock);
		EQ(a->codec[i].channels, b->codec[i].channels);
		EQ(a->codec[i].apt, b->codec[i].apt);
		EQ(a->codec[i].fb, b->codec[i].fb);
		EQ_SPAN(a->codec[i].fmtp, b->codec[i].fmtp);
	}
	EQ(a->n_exts, b->n_exts);
	for (uint32_t i = 0; i < a->n_exts && i < b->n_exts; i++) {
		EQ(a->ext[i].id, b->ext[i].id);
		EQ_SPAN(a->ext[i].uri, b->ext[i].uri);
	}
	EQ(a->n_ssrcs, b->n_ssrcs);
	for (uint32_t i = 0; i < a->n_ssrcs && i < b->n_ssrcs; i++) {
		EQ(a->ssrc[i].ssrc, b->ssrc[i].ssrc);
		EQ(a->ssrc[i].rtx, b->ssrc[i].rtx);
	}
}

/* What was read and written again reads the same; only rids change sides, from send to recv. */
static void written_reads_back_the_same(void)
{
	const char *const rows[] = { "chromium_av", "chromium_simulcast", "firefox_av", "firefox_simulcast" };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct wr w = wr_from(out_text, sizeof(out_text));

		t_row = rows[i];
		EQ(sdp_parse(file_named(rows[i]), &out, NULL), 0);
		sdp_write(&w, &out);
		EQ(sdp_parse(wr_span_of(&w), &in, NULL), 0);
		EQ(in.n_media, out.n_media);
		EQ_SPAN(in.ufrag, out.ufrag);
		EQ_SPAN(in.pwd, out.pwd);
		EQ(in.setup, out.setup);
		EQ(memcmp(in.fingerprint, out.fingerprint, sizeof(in.fingerprint)), 0);
		for (uint32_t k = 0; k < in.n_media; k++) {
			same_media(&in.media[k], &out.media[k]);
			OK(in.media[k].bundled);
			EQ(in.media[k].n_rids, 0);
			EQ(memmem(out_text, wr_len(&w), "a=simulcast:recv q;h;f\r\n", 24) != NULL, out.media[1].n_rids == 3);
		}
	}
}

T_MAIN(T(offers_and_answers_of_browsers_are_read), T(every_field_of_a_line_is_kept), T(bad_texts_are_refused_with_a_reason),
       T(bounds_are_exact), T(harmless_oddities_are_skipped), T(simulcast_list_gives_the_order),
       T(codec_attributes_come_in_any_order), T(codecs_that_cannot_be_are_not_forwarded),
       T(first_bundled_line_names_the_transport), T(session_direction_is_the_default), T(the_text_is_written_to_the_byte),
       T(lines_without_codecs_are_refused), T(written_reads_back_the_same))
