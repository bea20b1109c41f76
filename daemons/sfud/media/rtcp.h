/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * RTCP: compound and reduced-size packets (RFC 3550 6, RFC 5506), feedback (RFC 4585, RFC 5104), REMB
 * (draft-alvestrand-rmcat-remb-03), transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01).
 * Readers walk one packet at a time; builders append one packet to a writer.
 */
#ifndef SFUD_RTCP_H
#define SFUD_RTCP_H

#include "base/err.h"
#include "base/span.h"

enum rtcp_type {
	RTCP_SR = 200,
	RTCP_RR = 201,
	RTCP_SDES = 202,
	RTCP_BYE = 203,
	RTCP_APP = 204,
	RTCP_RTPFB = 205,
	RTCP_PSFB = 206,
	RTCP_XR = 207,
};

enum { RTPFB_NACK = 1, RTPFB_TWCC = 15, PSFB_PLI = 1, PSFB_FIR = 4, PSFB_AFB = 15 };

struct rtcp {
	uint8_t type, count; /* count: report count, or FMT of feedback */
	struct span body;    /* behind the 4-byte header, padding removed */
};

struct rtcp_report { /* RFC 3550 6.4.1 report block */
	uint32_t ssrc;
	uint8_t lost_fraction; /* of 256 */
	int32_t lost_total;
	uint32_t highest_seq, jitter, lsr, dlsr;
};

struct rtcp_sr {
	uint32_t ssrc, ntp_sec, ntp_frac, rtp_ts, packets, octets;
};

/* Walks a datagram: 1 and *ret, 0 at the end, ERR_MALFORMED. Start with *at = 0. */
int rtcp_next(struct span dgram, size_t *at, struct rtcp *ret);

int rtcp_read_sr(const struct rtcp *p, struct rtcp_sr *ret);
/* Report block i of an SR or RR; ERR_SHORT. */
int rtcp_read_report(const struct rtcp *p, unsigned i, struct rtcp_report *ret);
/* Sender and media SSRC of feedback (RFC 4585 6.1). */
int rtcp_read_fb(const struct rtcp *p, uint32_t *ret_sender, uint32_t *ret_media);
/* Lost numbers of a NACK, in order, `max` at most; count. */
int rtcp_read_nack(const struct rtcp *p, uint16_t *ret, unsigned max);
/* Media SSRCs of a FIR, `max` at most; count. */
int rtcp_read_fir(const struct rtcp *p, uint32_t *ret, unsigned max);
/* Bits per second of a REMB; ERR_MALFORMED when this PSFB_AFB is not one. */
int rtcp_read_remb(const struct rtcp *p, uint64_t *ret_bps);

void rtcp_put_sr(struct wr *w, const struct rtcp_sr *sr, const struct rtcp_report *reports, unsigned n);
void rtcp_put_rr(struct wr *w, uint32_t sender, const struct rtcp_report *reports, unsigned n); /* n <= 31 */
void rtcp_put_cname(struct wr *w, uint32_t ssrc, const char *cname);
void rtcp_put_bye(struct wr *w, uint32_t ssrc);
/* seqs: ascending in serial order, n >= 1; packed into PID/BLP pairs. */
void rtcp_put_nack(struct wr *w, uint32_t sender, uint32_t media, const uint16_t *seqs, unsigned n);
void rtcp_put_pli(struct wr *w, uint32_t sender, uint32_t media);
void rtcp_put_fir(struct wr *w, uint32_t sender, uint32_t media, uint8_t nr);

#endif
