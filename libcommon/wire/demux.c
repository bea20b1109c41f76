/* SPDX-License-Identifier: AGPL-3.0-only */
#include "wire/demux.h"

#include "base/err.h"

/* RFC 7983 7, figure 3. min: the fixed header of the kind. */
static const struct {
	uint8_t first, last;
	uint8_t min;
	enum demux kind;
} ranges[] = {
	{ 0, 3, 20, DEMUX_STUN },
	{ 16, 19, 12, DEMUX_ZRTP },
	{ 20, 63, 13, DEMUX_DTLS },
	{ 64, 79, 4, DEMUX_TURN },
	{ 128, 191, 8, DEMUX_RTP },
};

#define RTP_HDR_LEN 12

/* RFC 5761 4: types 192..223 are RTCP; payload types 64..95 are not used, so that those never meet. */
static enum demux rtp_or_rtcp(struct span dgram)
{
	uint8_t type = dgram.p[1];

	if (type >= 192 && type <= 223)
		return DEMUX_RTCP;
	if (dgram.n < RTP_HDR_LEN || (type >= 64 && type <= 95))
		return DEMUX_OTHER;
	return DEMUX_RTP;
}

enum demux demux(struct span dgram)
{
	if (dgram.n == 0)
		return DEMUX_OTHER;
	for (size_t i = 0; i < ARRAY_LEN(ranges); i++) {
		if (dgram.p[0] < ranges[i].first || dgram.p[0] > ranges[i].last)
			continue;
		if (dgram.n < ranges[i].min)
			return DEMUX_OTHER;
		return ranges[i].kind == DEMUX_RTP ? rtp_or_rtcp(dgram) : ranges[i].kind;
	}
	return DEMUX_OTHER;
}
