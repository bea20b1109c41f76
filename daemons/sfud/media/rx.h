/* SPDX-License-Identifier: AGPL-3.0-only */
/* What one received RTP stream tells: extended sequence numbers, loss, interarrival jitter, and the report block
 * we send about it (RFC 3550 6.4, A.3, A.8). Knows nothing of forwarding. */
#ifndef SFUD_RX_H
#define SFUD_RX_H

#include "base/mono.h"
#include "sfud/media/rtcp.h"

/* RFC 3550 A.1's max_dropout and max_misorder, the latter by its formula (two seconds' worth) at 500 packets per
 * second: a retransmission fills its gap up to NACK_GIVE_UP later. There is no probation as in A.1, since SRTP
 * vouches for the source. */
#define RX_DROPOUT 3000
#define RX_MISORDER 1024

struct rx {
	uint32_t ssrc, clock;  /* clock: Hz of the RTP timestamp */
	bool started;
	uint64_t first, top;   /* extended sequence numbers */
	uint64_t packets;      /* since `first` */
	uint64_t bytes;        /* ever, across restarts */
	uint64_t prior_expected, prior_packets; /* at the last report */
	uint32_t jitter_q4;    /* jitter * 16, in RTP ticks (A.8) */
	uint32_t last_transit;
	mono_t last;           /* arrival of the newest packet */
	uint32_t lsr;          /* middle 32 bits of the last SR's NTP time */
	mono_t lsr_at;
	struct rtcp_sr sr;     /* the last SR; ssrc 0 before any */
};

enum rx_verdict { RX_NEW, RX_OLD_FILL, RX_RESTART };

void rx_init(struct rx *x, uint32_t ssrc, uint32_t clock);
/* Extends and counts. RX_OLD_FILL: not newer than top (reordered or recovered); does not enter the jitter.
 * RX_RESTART: the sender's numbers jumped; state begins anew at this packet, extended numbers still ascend. */
enum rx_verdict rx_seen(struct rx *x, uint16_t seq, uint32_t ts, size_t bytes, mono_t now, uint64_t *ret_ext);
void rx_sr(struct rx *x, const struct rtcp_sr *sr, mono_t now);
/* False when nothing was received yet. Advances the "since last report" figures. */
bool rx_report(struct rx *x, mono_t now, struct rtcp_report *ret);

#endif
