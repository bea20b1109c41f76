/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * A walk goes forward and ends; no reader sees a byte outside its packet (each body is moved to memory of exactly its
 * size); what a reader returned, a builder writes and the reader returns again.
 */
#include "fuzz.h"
#include "sfud/media/rtcp.h"
#include "sfud/media/twcc.h"

#define NUMS 600

static struct rtcp rebuilt(const struct wr *w)
{
	struct rtcp p;
	size_t at = 0;

	MUST(!w->bad);
	MUST(rtcp_next(wr_span_of(w), &at, &p) == 1 && at == wr_len(w));
	return p;
}

static bool same_report(const struct rtcp_report *a, const struct rtcp_report *b)
{
	return a->ssrc == b->ssrc && a->lost_fraction == b->lost_fraction && a->lost_total == b->lost_total &&
	       a->highest_seq == b->highest_seq && a->jitter == b->jitter && a->lsr == b->lsr && a->dlsr == b->dlsr;
}

static void reports(const struct rtcp *p)
{
	struct rtcp_report b[31], again;
	struct rtcp_sr sr, sr_again;
	uint8_t buf[1024];
	struct wr w = wr_from(buf, sizeof(buf));
	unsigned n = 0;
	bool with_sr = rtcp_read_sr(p, &sr) == 0;
	struct rtcp q;

	while (n < 31 && rtcp_read_report(p, n, &b[n]) == 0)
		n++;
	MUST(n <= p->count && n * 24 <= p->body.n);
	if (with_sr)
		rtcp_put_sr(&w, &sr, b, n);
	else
		rtcp_put_rr(&w, 1, b, n);
	q = rebuilt(&w);
	MUST(q.count == n);
	if (with_sr) {
		MUST(rtcp_read_sr(&q, &sr_again) == 0);
		MUST(memcmp(&sr, &sr_again, sizeof(sr)) == 0);
	}
	for (unsigned i = 0; i < n; i++) {
		MUST(rtcp_read_report(&q, i, &again) == 0);
		MUST(same_report(&again, &b[i]));
	}
}

static void nack(const struct rtcp *p)
{
	uint16_t seqs[NUMS], again[NUMS];
	uint8_t buf[NUMS * 4 + 12];
	struct wr w = wr_from(buf, sizeof(buf));
	int n = rtcp_read_nack(p, seqs, NUMS);
	struct rtcp q;

	if (n <= 0)
		return;
	MUST(n <= NUMS && (size_t)n <= p->body.n / 4 * 17);
	for (int i = 1; i < n; i++)
		if ((int16_t)(seqs[i] - seqs[i - 1]) <= 0)
			return; /* not what the builder is for */
	rtcp_put_nack(&w, 1, 2, seqs, (unsigned)n);
	q = rebuilt(&w);
	MUST(rtcp_read_nack(&q, again, NUMS) == n);
	MUST(memcmp(seqs, again, (size_t)n * 2) == 0);
}

static void fir(const struct rtcp *p)
{
	uint32_t ssrc[8], again = 0;
	uint8_t buf[64];
	int n = rtcp_read_fir(p, ssrc, 8);

	MUST(n <= 8);
	for (int i = 0; i < n; i++) {
		struct wr w = wr_from(buf, sizeof(buf));
		struct rtcp q;

		rtcp_put_fir(&w, 1, ssrc[i], 7);
		q = rebuilt(&w);
		MUST(rtcp_read_fir(&q, &again, 1) == 1 && again == ssrc[i]);
	}
}

static void count(void *arg, uint16_t seq, bool received, int64_t delta_us)
{
	(void)seq;
	MUST(received || delta_us == 0);
	++*(unsigned *)arg;
}

static void one(const struct rtcp *p)
{
	uint32_t sender, media;
	uint64_t bps = 0;
	unsigned calls = 0;

	MUST((rtcp_read_fb(p, &sender, &media) == 0) ==
	     ((p->type == RTCP_RTPFB || p->type == RTCP_PSFB) && p->body.n >= 8));
	if (p->type == RTCP_SR || p->type == RTCP_RR)
		reports(p);
	nack(p);
	fir(p);
	if (rtcp_read_remb(p, &bps) == 0)
		MUST(bps == 0 || bps >> __builtin_ctzll(bps) <= 0x3ffff);
	if (p->type == RTCP_RTPFB && p->count == RTPFB_TWCC) {
		int r = twcc_read(p->body, count, &calls);

		MUST(r == 0 ? calls == be16_at(p->body.p + 10) : calls == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct span dgram = span_of(data, n);
	struct rtcp p;
	size_t at = 0, before = 0;
	int r;

	while ((r = rtcp_next(dgram, &at, &p)) == 1) {
		uint8_t *body = malloc(p.body.n + 1);

		MUST(body != NULL);
		MUST(at >= before + 4 && at <= n && (at - before) % 4 == 0);
		MUST(p.body.p == data + before + 4 && p.body.n <= at - before - 4);
		memcpy(body + 1, p.body.p, p.body.n);
		p.body.p = body + 1;
		one(&p);
		free(body);
		before = at;
	}
	MUST(at == before);
	MUST(r == 0 ? at == n : r == ERR_MALFORMED);
	return 0;
}
