/* SPDX-License-Identifier: AGPL-3.0-only */
/* Words, numbers and parameters of a description, and when two codecs are the same one. */
#include "sfud/signal/sdp_impl.h"

struct span sdp_cut(struct span *rest, char at)
{
	const uint8_t *p = rest->n ? memchr(rest->p, at, rest->n) : NULL;
	struct span head = span_of(rest->p, p ? (size_t)(p - rest->p) : rest->n);

	*rest = p ? span_of(p + 1, rest->n - head.n - 1) : span_of(NULL, 0);
	return head;
}

struct span sdp_trim(struct span s)
{
	while (s.n && s.p[0] == ' ')
		s = span_of(s.p + 1, s.n - 1);
	while (s.n && s.p[s.n - 1] == ' ')
		s.n--;
	return s;
}

struct span sdp_word(struct span *rest)
{
	*rest = sdp_trim(*rest);
	return sdp_cut(rest, ' ');
}

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 'a' - 'A') : c;
}

bool sdp_same_word(struct span a, const char *b)
{
	size_t i = 0;

	while (i < a.n && b[i] && lower(a.p[i]) == lower((uint8_t)b[i]))
		i++;
	return i == a.n && b[i] == 0;
}

bool sdp_number(struct span s, uint32_t max, uint32_t *ret)
{
	uint64_t v = 0;

	if (s.n == 0 || s.n > 10)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		v = v * 10 + (uint64_t)(s.p[i] - '0');
	}
	if (v > max)
		return false;
	*ret = (uint32_t)v;
	return true;
}

bool sdp_is_plain(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < 0x20 || s.p[i] > 0x7e || s.p[i] == '"' || s.p[i] == '\\')
			return false;
	return true;
}

bool sdp_is_token(struct span s)
{
	return s.n && sdp_is_plain(s) && !memchr(s.p, ' ', s.n);
}

static bool is_alnum(uint8_t c)
{
	return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z');
}

bool sdp_made_of(struct span s, char extra1, char extra2)
{
	for (size_t i = 0; i < s.n; i++)
		if (!is_alnum(s.p[i]) && s.p[i] != (uint8_t)extra1 && s.p[i] != (uint8_t)extra2)
			return false;
	return true;
}

int sdp_hex_digit(uint8_t c)
{
	c = lower(c);
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

struct span sdp_fmtp_get(struct span fmtp, const char *name)
{
	while (fmtp.n) {
		struct span value = sdp_cut(&fmtp, ';'), key = sdp_trim(sdp_cut(&value, '='));

		if (sdp_same_word(key, name))
			return sdp_trim(value);
	}
	return span_of(NULL, 0);
}

/* A number parameter; `absent` when it is not there, UINT32_MAX when it is not a number. */
static uint32_t fmtp_number(const struct sdp_codec *c, const char *name, uint32_t absent)
{
	struct span v = sdp_fmtp_get(c->fmtp, name);
	uint32_t n;

	if (v.n == 0)
		return absent;
	return sdp_number(v, UINT32_MAX - 1, &n) ? n : UINT32_MAX;
}

/* profile_idc and profile-iop. RFC 6184 8.1: Baseline, without constraints, when not given. */
static uint32_t h264_idc_iop(const struct sdp_codec *c)
{
	struct span v = sdp_fmtp_get(c->fmtp, "profile-level-id");
	uint32_t n = 0;

	if (v.n == 0)
		return 0x4200;
	if (v.n != 6)
		return UINT32_MAX;
	for (size_t i = 0; i < 6; i++) {
		int d = sdp_hex_digit(v.p[i]);

		if (d < 0)
			return UINT32_MAX;
		n = n << 4 | (uint32_t)d;
	}
	return n >> 8;
}

/* RFC 6184 table 5: profiles with more than one spelling. What it does not list stands for itself. */
static uint32_t h264_profile(const struct sdp_codec *c)
{
	static const struct {
		uint32_t mask, value, profile;
	} rows[] = {
		{ 0xff4f, 0x4240, 0x42e0 }, { 0xff8f, 0x4d80, 0x42e0 }, { 0xffcf, 0x58c0, 0x42e0 }, /* Constrained Baseline */
		{ 0xff4f, 0x4200, 0x4200 }, { 0xffcf, 0x5880, 0x4200 },				     /* Baseline */
		{ 0xffaf, 0x4d00, 0x4d00 },							     /* Main */
	};
	uint32_t v = h264_idc_iop(c);

	for (size_t i = 0; v != UINT32_MAX && i < ARRAY_LEN(rows); i++)
		if ((v & rows[i].mask) == rows[i].value)
			return rows[i].profile;
	return v;
}

static bool same_number(uint32_t a, uint32_t b)
{
	return a == b && a != UINT32_MAX;
}

bool sdp_codec_same(const struct sdp_codec *a, const struct sdp_codec *b)
{
	if (a->codec != b->codec || a->clock != b->clock || a->channels != b->channels)
		return false;
	switch (a->codec) {
	case CODEC_OPUS:
	case CODEC_VP8:
		return true;
	case CODEC_VP9:
		return same_number(fmtp_number(a, "profile-id", 0), fmtp_number(b, "profile-id", 0));
	case CODEC_AV1:
		return same_number(fmtp_number(a, "profile", 0), fmtp_number(b, "profile", 0));
	case CODEC_H264:
		return same_number(h264_profile(a), h264_profile(b)) &&
		       same_number(fmtp_number(a, "packetization-mode", 0), fmtp_number(b, "packetization-mode", 0));
	case CODEC_NONE:
	case CODEC_RTX:
	case CODEC_MAX_:
		break;
	}
	return false;
}
