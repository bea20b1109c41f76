/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sfud/media/codec.h"

static const char *const names[CODEC_MAX_] = {
	[CODEC_NONE] = "none", [CODEC_OPUS] = "opus", [CODEC_VP8] = "VP8", [CODEC_VP9] = "VP9",
	[CODEC_H264] = "H264", [CODEC_AV1] = "AV1",   [CODEC_RTX] = "rtx",
};

const char *codec_str(enum codec c)
{
	return names[(unsigned)c < CODEC_MAX_ ? c : CODEC_NONE];
}

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 'a' - 'A') : c;
}

static bool same_name(struct span a, const char *b)
{
	size_t i = 0;

	while (i < a.n && b[i] && lower(a.p[i]) == lower((uint8_t)b[i]))
		i++;
	return i == a.n && b[i] == 0;
}

enum codec codec_find(struct span name)
{
	for (unsigned c = CODEC_NONE + 1; c < CODEC_MAX_; c++)
		if (same_name(name, names[c]))
			return (enum codec)c;
	return CODEC_NONE;
}

/* One or two bytes, told by the first bit (RFC 7741 4.2, RFC 9628 4.2). */
static void skip_picture_id(struct rd *r)
{
	if (rd_u8(r) & 0x80)
		rd_skip(r, 1);
}

/*
 * RFC 7741 4.2:  |X|R|N|S|R| PID |     X: |I|L|T|K| RSV |   I: picture id   L: TL0PICIDX   T or K: TID, Y, KEYIDX
 *         4.3:   |Size0|H| VER |P|    behind the descriptor of a frame's first packet; P = 0: key frame
 */
static bool vp8_keyframe(struct rd r)
{
	uint8_t head = rd_u8(&r);
	uint8_t ext = head & 0x80 ? rd_u8(&r) : 0;

	if (ext & 0x80)
		skip_picture_id(&r);
	if (ext & 0x40)
		rd_skip(&r, 1);
	if (ext & 0x30)
		rd_skip(&r, 1);
	if ((head & 0x17) != 0x10) /* S = 1, PID = 0 */
		return false;

	uint8_t frame = rd_u8(&r);

	return !r.bad && (frame & 1) == 0;
}

/*
 * RFC 9628 4.2:  |I|P|L|F|B|E|V|Z|   I: picture id   L: |TID|U|SID|D|, and TL0PICIDX unless F
 */
static bool vp9_keyframe(struct rd r)
{
	uint8_t head = rd_u8(&r), layer = 0;

	if (head & 0x80)
		skip_picture_id(&r);
	if (head & 0x20) {
		layer = rd_u8(&r);
		if (!(head & 0x10))
			rd_skip(&r, 1);
	}
	if (r.bad || rd_left(&r) == 0)
		return false;
	return (head & 0x48) == 0x08 && (layer >> 1 & 7) == 0; /* P = 0, B = 1, SID = 0 */
}

enum { NAL_IDR = 5, NAL_SPS = 7, NAL_STAP_A = 24, NAL_FU_A = 28 };

static bool nal_starts(uint8_t head)
{
	uint8_t type = head & 0x1f;

	return type == NAL_IDR || type == NAL_SPS;
}

/* RFC 6184 5.7.1: a 16-bit size in front of each unit. */
static bool stap_starts(struct rd r)
{
	while (rd_left(&r)) {
		uint16_t n = rd_be16(&r);
		const uint8_t *nal = rd_take(&r, n);

		if (r.bad || n == 0)
			return false;
		if (nal_starts(nal[0]))
			return true;
	}
	return false;
}

static bool h264_keyframe(struct rd r)
{
	uint8_t head = rd_u8(&r);

	if (r.bad || head & 0x80) /* 1.3: the forbidden bit */
		return false;
	if ((head & 0x1f) == NAL_STAP_A)
		return stap_starts(r);
	if ((head & 0x1f) == NAL_FU_A) {
		uint8_t fu = rd_u8(&r); /* 5.8: |S|E|R| Type | */

		return fu & 0x80 && nal_starts(fu);
	}
	return nal_starts(head);
}

/*
 * AV1 RTP 4.4:  |Z|Y| W |N|-|-|-|   N: first packet of a coded video sequence; Z (continues a unit) is 0 then
 */
static bool av1_keyframe(struct rd r)
{
	uint8_t head = rd_u8(&r);

	return rd_left(&r) && (head & 0x88) == 0x08;
}

bool codec_keyframe(enum codec c, struct span payload)
{
	struct rd r = rd_from(payload);

	switch (c) {
	case CODEC_OPUS:
		return true;
	case CODEC_VP8:
		return vp8_keyframe(r);
	case CODEC_VP9:
		return vp9_keyframe(r);
	case CODEC_H264:
		return h264_keyframe(r);
	case CODEC_AV1:
		return av1_keyframe(r);
	case CODEC_NONE:
	case CODEC_RTX:
	case CODEC_MAX_:
		break;
	}
	return false;
}

/*
 * AV1 RTP A.8.2, A.8.3:  |S|E| template |   frame number   |T|A|D|F|C|...   T: the template structure follows
 */
bool codec_dd_keyframe(struct span dd)
{
	return dd.n > 3 && dd.p[0] & 0x80 && dd.p[3] & 0x80;
}
