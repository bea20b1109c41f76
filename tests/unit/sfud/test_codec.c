/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sfud/media/codec.h"

#include "base/rng.h"
#include "t.h"

struct row {
	const char *row;
	uint8_t p[16];
	size_t n;
	bool want;
};

static void check(enum codec c, const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		t_row = rows[i].row;
		EQ(codec_keyframe(c, span_of(rows[i].p, rows[i].n)), rows[i].want);
	}
}

/* RFC 8866 6.6 (rtpmap): encoding names are case-insensitive. */
static void names_are_those_of_sdp(void)
{
	const struct {
		const char *name;
		enum codec want;
	} c[] = {
		{ "VP8", CODEC_VP8 },   { "vp9", CODEC_VP9 }, { "h264", CODEC_H264 }, { "AV1", CODEC_AV1 },
		{ "OPUS", CODEC_OPUS }, { "RTX", CODEC_RTX }, { "VP", CODEC_NONE },   { "VP88", CODEC_NONE },
		{ "", CODEC_NONE },     { "red", CODEC_NONE }, { "none", CODEC_NONE },
	};

	for (size_t i = 0; i < ARRAY_LEN(c); i++) {
		t_row = c[i].name;
		EQ(codec_find(span_str(c[i].name)), c[i].want);
	}
	for (unsigned k = CODEC_OPUS; k < CODEC_MAX_; k++)
		EQ(codec_find(span_str(codec_str((enum codec)k))), k);
	EQ_STR(codec_str(CODEC_MAX_), "none");
}

/* RFC 7741 4.2, 4.3: start of partition 0 (S = 1, PID = 0), and P = 0 in the frame header behind the
 * descriptor, whose length depends on X, I, M, L, T and K. */
static void vp8_keyframes(void)
{
	static const struct row c[] = {
		{ "no extension: ", { 0x10, 0x50, 0x42, 0x00, 0x9d, 0x01, 0x2a }, 7, true },
		{ "inter frame: ", { 0x10, 0x51, 0x42, 0x00 }, 4, false },
		{ "not the start: ", { 0x00, 0x50, 0x42, 0x00 }, 4, false },
		{ "second partition: ", { 0x11, 0x50, 0x42, 0x00 }, 4, false },
		{ "picture id, 7 bits: ", { 0x90, 0x80, 0x13, 0x50, 0x42, 0x00 }, 6, true },
		{ "picture id, 15 bits: ", { 0x90, 0x80, 0x93, 0x51, 0x50, 0x42 }, 6, true },
		{ "picture id, 15 bits, inter: ", { 0x90, 0x80, 0x93, 0x50, 0x51, 0x42 }, 6, false },
		{ "all fields: ", { 0x90, 0xf0, 0x81, 0x11, 0x07, 0x20, 0x10, 0x02 }, 8, true },
		{ "tl0picidx and tid: ", { 0x90, 0x60, 0x07, 0x20, 0x10, 0x02 }, 6, true },
		{ "keyidx only: ", { 0x90, 0x10, 0x1f, 0x10, 0x02 }, 5, true },
		{ "non-reference bit: ", { 0x30, 0x10, 0x02 }, 3, true },
		{ "descriptor only: ", { 0x10 }, 1, false },
		{ "descriptor cut: ", { 0x90, 0xf0, 0x81 }, 3, false },
		{ "nothing: ", { 0 }, 0, false },
	};

	check(CODEC_VP8, c, ARRAY_LEN(c));
}

/* RFC 9628 4.2: not inter-predicted (P = 0), start of a frame (B = 1), lowest spatial layer; flexible mode has
 * no TL0PICIDX. */
static void vp9_keyframes(void)
{
	static const struct row c[] = {
		{ "flexible, 15 bit id, layers: ", { 0xba, 0x81, 0x23, 0x00, 0x18, 0x00, 0x82, 0x49 }, 8, true },
		{ "non-flexible, 15 bit id, layers: ", { 0xaa, 0x81, 0x23, 0x00, 0x05, 0x18, 0x82 }, 7, true },
		{ "no picture id, no layers: ", { 0x08, 0x82, 0x49 }, 3, true },
		{ "7 bit id: ", { 0x88, 0x11, 0x82 }, 3, true },
		{ "inter: ", { 0xfc, 0x81, 0x23, 0x00, 0x02, 0x86 }, 6, false },
		{ "not the start: ", { 0xa0, 0x81, 0x23, 0x00, 0x05, 0x82 }, 6, false },
		{ "spatial layer 1: ", { 0xaa, 0x81, 0x23, 0x02, 0x05, 0x82 }, 6, false },
		{ "spatial layer 1, inter-layer only: ", { 0xba, 0x81, 0x23, 0x03, 0x82 }, 5, false },
		{ "temporal layer bits do not matter: ", { 0xaa, 0x81, 0x23, 0x70, 0x05, 0x82 }, 6, true },
		{ "tl0picidx cut: ", { 0xa8, 0x81, 0x23, 0x00 }, 4, false },
		{ "descriptor only: ", { 0x08 }, 1, false },
		{ "id cut: ", { 0x88, 0x81 }, 2, false },
		{ "nothing: ", { 0 }, 0, false },
	};

	check(CODEC_VP9, c, ARRAY_LEN(c));
}

/* RFC 6184 5.6, 5.7.1, 5.8: an IDR slice or a parameter set, alone, in an aggregate, or as first fragment. */
static void h264_keyframes(void)
{
	static const struct row c[] = {
		{ "idr: ", { 0x65, 0x88, 0x84 }, 3, true },
		{ "sps: ", { 0x67, 0x42, 0xc0 }, 3, true },
		{ "pps: ", { 0x68, 0xce }, 2, false },
		{ "non-idr: ", { 0x41, 0x9a }, 2, false },
		{ "sei: ", { 0x06, 0x05 }, 2, false },
		{ "stap-a, sps and pps: ", { 0x78, 0, 3, 0x67, 0x42, 0xc0, 0, 2, 0x68, 0xce }, 10, true },
		{ "stap-a, sei and idr: ", { 0x78, 0, 2, 0x06, 0x05, 0, 2, 0x65, 0x88 }, 9, true },
		{ "stap-a, two slices: ", { 0x58, 0, 2, 0x41, 0x9a, 0, 2, 0x41, 0x9b }, 9, false },
		{ "stap-a, unit cut: ", { 0x78, 0, 9, 0x67, 0x42 }, 5, false },
		{ "stap-a, empty unit: ", { 0x78, 0, 0, 0, 1, 0x67 }, 6, false },
		{ "stap-a, size cut: ", { 0x78, 0 }, 2, false },
		{ "stap-a, empty: ", { 0x78 }, 1, false },
		{ "fu-a, idr, first: ", { 0x7c, 0x85, 0x88 }, 3, true },
		{ "fu-a, idr, middle: ", { 0x7c, 0x05, 0x88 }, 3, false },
		{ "fu-a, idr, last: ", { 0x7c, 0x45, 0x88 }, 3, false },
		{ "fu-a, slice, first: ", { 0x5c, 0x81, 0x9a }, 3, false },
		{ "fu-a, cut: ", { 0x7c }, 1, false },
		{ "forbidden bit: ", { 0xe5, 0x88 }, 2, false },
		{ "nothing: ", { 0 }, 0, false },
	};

	check(CODEC_H264, c, ARRAY_LEN(c));
}

/* AV1 RTP 4.4: N marks the first packet of a coded video sequence, which cannot continue a unit (Z = 0). */
static void av1_keyframes(void)
{
	static const struct row c[] = {
		{ "sequence header, W = 1: ", { 0x18, 0x0a, 0x0b }, 3, true },
		{ "W = 2, continues in the next: ", { 0x68, 0x02, 0x0a, 0x0b }, 4, true },
		{ "W = 0: ", { 0x08, 0x02, 0x0a, 0x0b }, 4, true },
		{ "delta frame: ", { 0x10, 0x32, 0x00 }, 3, false },
		{ "continuation: ", { 0x90, 0x00 }, 2, false },
		{ "N with Z: ", { 0x98, 0x0a, 0x0b }, 3, false },
		{ "header only: ", { 0x18 }, 1, false },
		{ "nothing: ", { 0 }, 0, false },
	};

	check(CODEC_AV1, c, ARRAY_LEN(c));
}

/* AV1 RTP A.8.2, A.8.3: start of frame, and a template structure in the extended part. */
static void dependency_descriptors(void)
{
	static const struct row c[] = {
		{ "structure, first packet: ", { 0xc0, 0x00, 0x01, 0x80, 0x03, 0x12 }, 6, true },
		{ "structure, not the first: ", { 0x40, 0x00, 0x01, 0x80, 0x03, 0x12 }, 6, false },
		{ "mandatory part only: ", { 0xc2, 0x00, 0x05 }, 3, false },
		{ "extended without structure: ", { 0xc2, 0x00, 0x05, 0x40, 0x01 }, 5, false },
		{ "cut: ", { 0xc2, 0x00 }, 2, false },
		{ "nothing: ", { 0 }, 0, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(c); i++) {
		t_row = c[i].row;
		EQ(codec_dd_keyframe(span_of(c[i].p, c[i].n)), c[i].want);
	}
}

/* Audio can be joined at any packet; a codec we do not know at none. */
static void audio_always_unknown_never(void)
{
	const struct span p = SPAN_LIT("\x10\x10\x10");

	EQ(codec_keyframe(CODEC_OPUS, p), true);
	EQ(codec_keyframe(CODEC_OPUS, span_of(NULL, 0)), true);
	EQ(codec_keyframe(CODEC_NONE, p), false);
	EQ(codec_keyframe(CODEC_RTX, p), false);
	EQ(codec_keyframe(CODEC_MAX_, p), false);
}

/* No payload of any length makes a reader leave it. */
static void garbage_stays_within_its_bounds(void)
{
	struct rng rng;

	rng_seed(&rng, 7);
	for (int i = 0; i < 200000; i++) {
		uint8_t buf[24];
		size_t n = rng_below(&rng, sizeof(buf) + 1);
		uint8_t *tight = buf + sizeof(buf) - n;

		rng_bytes(&rng, buf, sizeof(buf));
		for (unsigned c = 0; c < CODEC_MAX_; c++)
			(void)codec_keyframe((enum codec)c, span_of(tight, n));
		(void)codec_dd_keyframe(span_of(tight, n));
	}
}

T_MAIN(T(names_are_those_of_sdp), T(vp8_keyframes), T(vp9_keyframes), T(h264_keyframes), T(av1_keyframes),
       T(dependency_descriptors), T(audio_always_unknown_never), T(garbage_stays_within_its_bounds))
