/* SPDX-License-Identifier: AGPL-3.0-only */
/* Retransmission payload format (RFC 4588 4): the original sequence number in front of the original payload. */
#ifndef SFUD_RTX_H
#define SFUD_RTX_H

#include "base/mono.h"
#include "sfud/media/rtp.h"

/* Turns a received RTX packet into the packet it repeats, in place: original SSRC, payload type and number; header
 * extensions stay. *n shrinks by 2. ERR_SHORT when there is no original number: padding that probes for bandwidth. */
int rtx_unwrap(uint8_t *pkt, size_t *n, const struct rtp *r, uint32_t ssrc, uint8_t pt);

/* What one subscriber may be resent: RTX_SHARE of the bytes sent to it, with RTX_FLOOR bytes per second at least.
 * Zeroed memory is a fresh budget. */
#define RTX_SHARE 2       /* divisor: half of the media rate */
#define RTX_FLOOR 40000   /* time alone saves up this much */
#define RTX_SAVED 500000  /* media saves up this much */

struct rtx_budget {
	uint64_t bytes; /* still allowed */
	mono_t last;
};

void rtx_budget_sent(struct rtx_budget *b, size_t bytes);
bool rtx_budget_take(struct rtx_budget *b, size_t bytes, mono_t now);

#endif
