/* SPDX-License-Identifier: AGPL-3.0-only */
/* RFC 7983: the first byte of a datagram tells which protocol it is; RFC 5761 4 splits RTP from RTCP. */
#ifndef WIRE_DEMUX_H
#define WIRE_DEMUX_H

#include "base/span.h"

enum demux {
	DEMUX_STUN,  /* 0..3 */
	DEMUX_ZRTP,  /* 16..19 */
	DEMUX_DTLS,  /* 20..63 */
	DEMUX_TURN,  /* 64..79: ChannelData */
	DEMUX_RTP,   /* 128..191, payload type outside 64..95 */
	DEMUX_RTCP,  /* 128..191, second byte 192..223 */
	DEMUX_OTHER, /* anything else, and datagrams too short for their kind's fixed header */
	DEMUX_MAX_
};

enum demux demux(struct span dgram);

#endif
