/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sfud/media/rtcp.h"

#define HDR_LEN 4
#define P_BIT 0x20
#define SR_LEN 24     /* SSRC and sender info */
#define RR_LEN 4      /* SSRC */
#define REPORT_LEN 24
#define FB_LEN 8      /* both SSRCs */
#define COUNT_MAX 31
#define SDES_CNAME 1
#define REMB_ID 0x52454d42 /* "REMB" */

int rtcp_next(struct span dgram, size_t *at, struct rtcp *ret)
{
	struct rd r = rd_from(dgram);
	uint8_t first, type, pad = 0;
	uint16_t words;
	struct span body;

	rd_skip(&r, *at);
	if (rd_left(&r) == 0)
		return r.bad ? ERR_MALFORMED : 0;
	first = rd_u8(&r);
	type = rd_u8(&r);
	words = rd_be16(&r);
	body = rd_span(&r, 4u * words);
	if (r.bad || first >> 6 != 2)
		return ERR_MALFORMED;
	if (first & P_BIT) {
		/* RFC 3550 6.4.1 wants whole words of padding at the end of a compound packet only, but browsers
		 * fill up transport-wide feedback by one to three bytes this way, wherever it stands. */
		pad = body.n ? body.p[body.n - 1] : 0;
		if (pad == 0 || pad > body.n)
			return ERR_MALFORMED;
	}
	*at += HDR_LEN + body.n;
	*ret = (struct rtcp){ .type = type, .count = first & 31, .body = span_of(body.p, body.n - pad) };
	return 1;
}

int rtcp_read_sr(const struct rtcp *p, struct rtcp_sr *ret)
{
	struct rd r = rd_from(p->body);
	struct rtcp_sr sr;

	if (p->type != RTCP_SR)
		return ERR_MALFORMED;
	sr.ssrc = rd_be32(&r);
	sr.ntp_sec = rd_be32(&r);
	sr.ntp_frac = rd_be32(&r);
	sr.rtp_ts = rd_be32(&r);
	sr.packets = rd_be32(&r);
	sr.octets = rd_be32(&r);
	if (r.bad)
		return ERR_SHORT;
	*ret = sr;
	return 0;
}

/* 24 bits, two's complement. */
static int32_t s24(uint32_t v)
{
	return (int32_t)(v ^ 0x800000) - 0x800000;
}

int rtcp_read_report(const struct rtcp *p, unsigned i, struct rtcp_report *ret)
{
	struct rd r = rd_from(p->body);
	struct rtcp_report b;

	if (p->type != RTCP_SR && p->type != RTCP_RR)
		return ERR_MALFORMED;
	if (i >= p->count)
		return ERR_SHORT;
	rd_skip(&r, (p->type == RTCP_SR ? SR_LEN : RR_LEN) + (size_t)i * REPORT_LEN);
	b.ssrc = rd_be32(&r);
	b.lost_fraction = rd_u8(&r);
	b.lost_total = s24(rd_be24(&r));
	b.highest_seq = rd_be32(&r);
	b.jitter = rd_be32(&r);
	b.lsr = rd_be32(&r);
	b.dlsr = rd_be32(&r);
	if (r.bad)
		return ERR_SHORT;
	*ret = b;
	return 0;
}

int rtcp_read_fb(const struct rtcp *p, uint32_t *ret_sender, uint32_t *ret_media)
{
	if (p->type != RTCP_RTPFB && p->type != RTCP_PSFB)
		return ERR_MALFORMED;
	if (p->body.n < FB_LEN)
		return ERR_SHORT;
	*ret_sender = be32_at(p->body.p);
	*ret_media = be32_at(p->body.p + 4);
	return 0;
}

/* A cursor behind the SSRCs of a feedback message of this kind; it is bad from the start for any other. */
static struct rd fci(const struct rtcp *p, uint8_t type, uint8_t fmt)
{
	struct rd r = rd_from(p->body);

	rd_skip(&r, FB_LEN);
	if (p->type != type || p->count != fmt)
		r.bad = true;
	return r;
}

int rtcp_read_nack(const struct rtcp *p, uint16_t *ret, unsigned max)
{
	struct rd r = fci(p, RTCP_RTPFB, RTPFB_NACK);
	unsigned n = 0;

	if (r.bad)
		return ERR_MALFORMED;
	while (rd_left(&r) >= 4 && n < max) {
		uint16_t pid = rd_be16(&r);
		uint16_t blp = rd_be16(&r);

		ret[n++] = pid;
		for (uint16_t i = 1; blp && n < max; i++, blp >>= 1)
			if (blp & 1)
				ret[n++] = (uint16_t)(pid + i);
	}
	return (int)n;
}

int rtcp_read_fir(const struct rtcp *p, uint32_t *ret, unsigned max)
{
	struct rd r = fci(p, RTCP_PSFB, PSFB_FIR);
	unsigned n = 0;

	if (r.bad)
		return ERR_MALFORMED;
	while (rd_left(&r) >= 8 && n < max) {
		ret[n++] = rd_be32(&r);
		rd_skip(&r, 4);
	}
	return (int)n;
}

int rtcp_read_remb(const struct rtcp *p, uint64_t *ret_bps)
{
	struct rd r = fci(p, RTCP_PSFB, PSFB_AFB);
	uint32_t id, value;
	uint64_t mantissa;
	unsigned n_ssrc, exp;

	id = rd_be32(&r);
	n_ssrc = rd_u8(&r);
	value = rd_be24(&r);
	rd_skip(&r, 4 * (size_t)n_ssrc);
	if (r.bad || id != REMB_ID)
		return ERR_MALFORMED;
	exp = value >> 18;
	mantissa = value & 0x3ffff;
	if (mantissa << exp >> exp != mantissa)
		return ERR_MALFORMED;
	*ret_bps = mantissa << exp;
	return 0;
}

/* begin(); ...; end(): the length is known at the end only. */
static size_t begin(struct wr *w, uint8_t type, unsigned count)
{
	size_t at = wr_len(w);

	if (count > COUNT_MAX)
		w->bad = true;
	wr_u8(w, (uint8_t)(0x80 | count));
	wr_u8(w, type);
	wr_be16(w, 0);
	return at;
}

static void end(struct wr *w, size_t at)
{
	size_t words = (wr_len(w) - at) / 4 - 1;

	if (w->bad)
		return;
	if (words > UINT16_MAX)
		w->bad = true;
	else
		put_be16(w->start + at + 2, (uint16_t)words);
}

static size_t begin_fb(struct wr *w, uint8_t type, unsigned fmt, uint32_t sender, uint32_t media)
{
	size_t at = begin(w, type, fmt);

	wr_be32(w, sender);
	wr_be32(w, media);
	return at;
}

static void put_reports(struct wr *w, const struct rtcp_report *b, unsigned n)
{
	for (unsigned i = 0; i < n && !w->bad; i++) {
		wr_be32(w, b[i].ssrc);
		wr_u8(w, b[i].lost_fraction);
		wr_be24(w, (uint32_t)b[i].lost_total);
		wr_be32(w, b[i].highest_seq);
		wr_be32(w, b[i].jitter);
		wr_be32(w, b[i].lsr);
		wr_be32(w, b[i].dlsr);
	}
}

void rtcp_put_sr(struct wr *w, const struct rtcp_sr *sr, const struct rtcp_report *reports, unsigned n)
{
	size_t at = begin(w, RTCP_SR, n);

	wr_be32(w, sr->ssrc);
	wr_be32(w, sr->ntp_sec);
	wr_be32(w, sr->ntp_frac);
	wr_be32(w, sr->rtp_ts);
	wr_be32(w, sr->packets);
	wr_be32(w, sr->octets);
	put_reports(w, reports, n);
	end(w, at);
}

void rtcp_put_rr(struct wr *w, uint32_t sender, const struct rtcp_report *reports, unsigned n)
{
	size_t at = begin(w, RTCP_RR, n);

	wr_be32(w, sender);
	put_reports(w, reports, n);
	end(w, at);
}

void rtcp_put_cname(struct wr *w, uint32_t ssrc, const char *cname)
{
	size_t at = begin(w, RTCP_SDES, 1);
	size_t n = strlen(cname);

	if (n > UINT8_MAX)
		w->bad = true;
	wr_be32(w, ssrc);
	wr_u8(w, SDES_CNAME);
	wr_u8(w, (uint8_t)n);
	wr_bytes(w, cname, n);
	/* RFC 3550 6.5: one null byte ends the chunk, more fill it up to a word. */
	wr_zero(w, 4 - (wr_len(w) - at) % 4);
	end(w, at);
}

void rtcp_put_bye(struct wr *w, uint32_t ssrc)
{
	size_t at = begin(w, RTCP_BYE, 1);

	wr_be32(w, ssrc);
	end(w, at);
}

void rtcp_put_nack(struct wr *w, uint32_t sender, uint32_t media, const uint16_t *seqs, unsigned n)
{
	size_t at = begin_fb(w, RTCP_RTPFB, RTPFB_NACK, sender, media);

	for (unsigned i = 0; i < n && !w->bad;) {
		uint16_t pid = seqs[i++];
		uint32_t bits = 0; /* bit d: pid + d is lost */

		for (uint16_t d; i < n && (d = (uint16_t)(seqs[i] - pid)) <= 16; i++)
			bits |= 1u << d;
		wr_be16(w, pid);
		wr_be16(w, (uint16_t)(bits >> 1));
	}
	end(w, at);
}

void rtcp_put_pli(struct wr *w, uint32_t sender, uint32_t media)
{
	end(w, begin_fb(w, RTCP_PSFB, PSFB_PLI, sender, media));
}

void rtcp_put_fir(struct wr *w, uint32_t sender, uint32_t media, uint8_t nr)
{
	/* RFC 5104 4.3.1.2: the media SSRC of the header is unused and 0. */
	size_t at = begin_fb(w, RTCP_PSFB, PSFB_FIR, sender, 0);

	wr_be32(w, media);
	wr_u8(w, nr);
	wr_be24(w, 0);
	end(w, at);
}
