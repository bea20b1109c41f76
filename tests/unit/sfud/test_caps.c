/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sfud/room/caps.h"

#include "t.h"

#ifndef SDP_DIR
#define SDP_DIR "tests/unit/sfud/sdp"
#endif

static struct sdp offer;
static struct sdp_media line;
static char text[64 * 1024];

/* The m-line `at` of a browser's offer; its caps copy what they keep. */
static struct caps caps_of(const char *name, uint32_t at)
{
	char path[512];
	struct caps c = { 0 };
	FILE *f;
	size_t n = 0;

	snprintf(path, sizeof(path), SDP_DIR "/%s.sdp", name);
	f = fopen(path, "rb");
	if (f) {
		n = fread(text, 1, sizeof(text), f);
		fclose(f);
	}
	EQ(sdp_parse(span_of(text, n), &offer, NULL), 0);
	if (offer.n_media > at)
		caps_from_media(&c, &offer.media[at]);
	memset(text, 'x', sizeof(text));
	return c;
}

static struct sdp_codec vcodec(uint8_t pt, enum codec codec, const char *fmtp)
{
	return (struct sdp_codec){ .pt = pt, .codec = codec, .clock = 90000, .channels = 1, .fmtp = span_str(fmtp) };
}

/* RFC 8866 6.15: one parameter, by its name in any case; the first counts. */
static void fmtp_parameters_are_found_by_name(void)
{
	const struct {
		const char *fmtp, *name, *want;
	} rows[] = {
		{ "minptime=10;useinbandfec=1", "useinbandfec", "1" },
		{ "minptime=10; useinbandfec=1", "useinbandfec", "1" },
		{ " Profile-Level-ID = 42e01f ;x=y", "profile-level-id", "42e01f" },
		{ "a=1;a=2", "a", "1" },
		{ "a=b=c", "a", "b=c" },
		{ "apt=96", "apt", "96" },
		{ "xapt=96", "apt", "" },
		{ "aptx=96", "apt", "" },
		{ "ap=96", "apt", "" },
		{ "apt", "apt", "" },
		{ "apt=", "apt", "" },
		{ "0-15", "apt", "" },
		{ ";;;", "apt", "" },
		{ "", "apt", "" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		t_row = rows[i].fmtp;
		EQ_SPAN(sdp_fmtp_get(span_str(rows[i].fmtp), rows[i].name), span_str(rows[i].want));
	}
	EQ(sdp_fmtp_get(span_of(NULL, 0), "apt").n, 0);
}

/* RFC 6184 8.1, RFC 9628 6, AV1 RTP 7.2: two codecs are one when a decoder of the first reads the second. */
static void same_codec_means_same_bitstream(void)
{
	const struct {
		enum codec codec;
		const char *a, *b;
		bool want;
	} rows[] = {
		{ CODEC_VP8, "", "max-fs=12288;max-fr=60", true },
		{ CODEC_VP9, "", "profile-id=0", true },
		{ CODEC_VP9, "", "profile-id=2", false },
		{ CODEC_VP9, "profile-id=2", "profile-id=02", true },
		{ CODEC_VP9, "profile-id=x", "profile-id=x", false },
		{ CODEC_AV1, "", "level-idx=5;profile=0;tier=0", true },
		{ CODEC_AV1, "profile=1", "level-idx=5;profile=0;tier=0", false },
		{ CODEC_H264, "", "profile-level-id=42000a", true },
		{ CODEC_H264, "profile-level-id=42e01f", "profile-level-id=42e034", true },
		{ CODEC_H264, "profile-level-id=42E01F", "profile-level-id=42e01f", true },
		{ CODEC_H264, "profile-level-id=42e01f", "profile-level-id=42c01f", true },
		{ CODEC_H264, "profile-level-id=42e01f", "profile-level-id=4d801f", true },
		{ CODEC_H264, "profile-level-id=42e01f", "profile-level-id=58c01f", true },
		{ CODEC_H264, "profile-level-id=42001f", "profile-level-id=58801f", true },
		{ CODEC_H264, "profile-level-id=4d001f", "profile-level-id=4d401f", true },
		{ CODEC_H264, "profile-level-id=42e01f", "profile-level-id=42001f", false },
		{ CODEC_H264, "profile-level-id=42e01f", "profile-level-id=4d001f", false },
		{ CODEC_H264, "profile-level-id=64001f", "profile-level-id=640c1f", false },
		{ CODEC_H264, "profile-level-id=64001f", "profile-level-id=640028", true },
		{ CODEC_H264, "profile-level-id=42e01", "profile-level-id=42e01", false },
		{ CODEC_H264, "profile-level-id=42g01f", "profile-level-id=42g01f", false },
		{ CODEC_H264, "packetization-mode=0", "", true },
		{ CODEC_H264, "packetization-mode=1", "", false },
		{ CODEC_RTX, "apt=96", "apt=96", false },
		{ CODEC_NONE, "", "", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct sdp_codec a = vcodec(96, rows[i].codec, rows[i].a), b = vcodec(45, rows[i].codec, rows[i].b);

		t_row = rows[i].b;
		EQ(sdp_codec_same(&a, &b), rows[i].want);
		EQ(sdp_codec_same(&b, &a), rows[i].want);
	}
	struct sdp_codec a = vcodec(96, CODEC_VP8, ""), b = vcodec(96, CODEC_VP9, "");

	OK(!sdp_codec_same(&a, &b));
	b = a;
	b.clock = 48000;
	OK(!sdp_codec_same(&a, &b));
	b = a;
	b.channels = 2;
	OK(!sdp_codec_same(&a, &b));
}

/* What is forwarded is kept in the browser's order, with its numbers; what describes one hop only is not promised. */
static void offer_becomes_caps(void)
{
	struct caps c = caps_of("chromium_simulcast", 1);

	EQ(c.n_codecs, 10);
	EQ(c.codec[0].codec, CODEC_VP8);
	EQ(c.codec[0].pt, 96);
	EQ(c.codec[0].rtx_pt, 97);
	EQ(c.codec[9].pt, 100);
	EQ(c.codec[9].rtx_pt, 101);
	EQ_SPAN(span_of(c.codec[9].fmtp, c.codec[9].n_fmtp), span_str("profile-id=2"));
	EQ(c.mid_id, 4);
	EQ(c.rid_id, 10);
	EQ(c.repaired_rid_id, 11);
	EQ(c.twcc_id, 3);
	EQ(c.dd_id, 12);
	EQ(c.n_exts, 11); /* 13 but abs-send-time and toffset */
	OK(caps_by_pt(&c, 96) == &c.codec[0] && caps_by_rtx_pt(&c, 97) == &c.codec[0]);
	OK(!caps_by_pt(&c, 97) && !caps_by_rtx_pt(&c, 96) && !caps_by_pt(&c, 118));

	c = caps_of("firefox_av", 0);
	EQ(c.n_codecs, 1);
	EQ(c.codec[0].pt, 109);
	EQ(c.codec[0].rtx_pt, CAPS_NO_PT);
	EQ(c.codec[0].fb, SDP_FB_TWCC);
	EQ(c.mid_id, 3);
}

/* What does not fit or fit in is left out; the rest stays. */
static void what_cannot_be_kept_is_left_out(void)
{
	static char long_fmtp[CAPS_FMTP + 2], long_uri[CAPS_URI + 2];
	struct caps c;

	memset(long_fmtp, 'a', CAPS_FMTP + 1);
	memset(long_uri, 'u', CAPS_URI + 1);
	line = (struct sdp_media){ .kind = SDP_VIDEO, .n_codecs = 5, .n_exts = 4 };
	line.codec[0] = vcodec(96, CODEC_VP8, long_fmtp);
	line.codec[1] = vcodec(97, CODEC_NONE, "");
	line.codec[2] = vcodec(98, CODEC_OPUS, "");
	line.codec[3] = vcodec(99, CODEC_VP8, long_fmtp + 1);
	line.codec[4] = vcodec(100, CODEC_RTX, "");
	line.codec[4].apt = 98;
	line.ext[0] = (struct sdp_ext){ 1, span_str(long_uri) };
	line.ext[1] = (struct sdp_ext){ 14, span_str(long_uri + 1) };
	line.ext[2] = (struct sdp_ext){ 16, span_str("u") };
	line.ext[3] = (struct sdp_ext){ 0, span_str("u") };
	caps_from_media(&c, &line);
	EQ(c.n_codecs, 1);
	EQ(c.codec[0].pt, 99);
	EQ(c.codec[0].n_fmtp, CAPS_FMTP);
	EQ(c.codec[0].rtx_pt, CAPS_NO_PT);
	EQ(c.n_exts, 1);
	EQ(c.ext[0].id, 14);

	line = (struct sdp_media){ .kind = SDP_VIDEO, .n_codecs = CAPS_CODECS + 2, .n_exts = CAPS_EXTS + 2 };
	for (uint8_t i = 0; i < CAPS_CODECS + 2; i++)
		line.codec[i] = vcodec((uint8_t)(96 + i), CODEC_VP8, "");
	for (uint8_t i = 0; i < CAPS_EXTS + 2; i++)
		line.ext[i] = (struct sdp_ext){ 1, span_str("u") };
	caps_from_media(&c, &line);
	EQ(c.n_codecs, CAPS_CODECS);
	EQ(c.n_exts, CAPS_EXTS);
}

/* RFC 3264 8.3.2: each side has its own numbers; the SFU translates, and drops what the other cannot read. */
static void numbers_are_translated_between_browsers(void)
{
	struct caps chromium = caps_of("chromium_simulcast", 1), firefox = caps_of("firefox_simulcast", 1);
	const struct {
		uint8_t pt, want;
	} pts[] = { { 96, 120 }, { 98, 121 }, { 45, 99 }, { 100, CAPS_NO_PT }, { 108, CAPS_NO_PT },
		    { 97, CAPS_NO_PT }, { 0, CAPS_NO_PT } };
	const struct {
		uint8_t id, want;
	} exts[] = { { 12, 8 }, { 4, 0 }, { 10, 0 }, { 11, 0 }, { 3, 0 }, { 2, 0 }, { 13, 0 }, { 0, 0 }, { 15, 0 } };
	uint8_t pt[128], ext[16];

	caps_map_pts(&chromium, &firefox, pt);
	for (size_t i = 0; i < ARRAY_LEN(pts); i++)
		EQ(pt[pts[i].pt], pts[i].want);
	caps_map_exts(&chromium, &firefox, ext);
	for (size_t i = 0; i < ARRAY_LEN(exts); i++)
		EQ(ext[exts[i].id], exts[i].want);
	caps_map_exts(&firefox, &chromium, ext);
	EQ(ext[8], 12);
	caps_map_pts(&chromium, &chromium, pt);
	for (uint8_t i = 0; i < chromium.n_codecs; i++)
		EQ(pt[chromium.codec[i].pt], chromium.codec[i].pt);
	chromium = caps_of("chromium_av", 0);
	firefox = caps_of("firefox_av", 0);
	caps_map_pts(&chromium, &firefox, pt);
	EQ(pt[111], 109);
	caps_map_exts(&chromium, &firefox, ext);
	EQ(ext[1], 1); /* audio level */
}

/* An answer accepts all that was kept; an offer has what both have, in the sender's order, with the receiver's
 * numbers. */
static void lines_are_filled_for_answers_and_offers(void)
{
	struct caps chromium = caps_of("chromium_simulcast", 1), firefox = caps_of("firefox_simulcast", 1);
	static const uint8_t answer[] = { 120, 124, 121, 125, 99, 100 }, to_firefox[] = { 120, 124, 99, 100, 121, 125 };

	line = (struct sdp_media){ 0 };
	caps_put_answer(&firefox, &line);
	EQ(line.n_codecs, sizeof(answer));
	for (uint32_t i = 0; i < line.n_codecs && i < sizeof(answer); i++)
		EQ(line.codec[i].pt, answer[i]);
	EQ(line.codec[1].codec, CODEC_RTX);
	EQ(line.codec[1].apt, 120);
	OK(line.codec[0].fb & SDP_FB_TWCC);
	EQ(line.n_exts, firefox.n_exts);

	line = (struct sdp_media){ 0 };
	caps_put_offer(&chromium, &firefox, &line);
	EQ(line.n_codecs, sizeof(to_firefox));
	for (uint32_t i = 0; i < line.n_codecs && i < sizeof(to_firefox); i++)
		EQ(line.codec[i].pt, to_firefox[i]);
	OK(!(line.codec[0].fb & SDP_FB_TWCC) && line.codec[0].fb & SDP_FB_PLI);
	EQ(line.n_exts, 2);
	EQ(line.ext[0].id, firefox.mid_id);
	EQ(line.ext[1].id, firefox.dd_id);

	line = (struct sdp_media){ 0 };
	firefox = (struct caps){ 0 };
	caps_put_offer(&chromium, &firefox, &line);
	EQ(line.n_codecs, 0);
	EQ(line.n_exts, 0);
}

T_MAIN(T(fmtp_parameters_are_found_by_name), T(same_codec_means_same_bitstream), T(offer_becomes_caps),
       T(what_cannot_be_kept_is_left_out), T(numbers_are_translated_between_browsers),
       T(lines_are_filled_for_answers_and_offers))
