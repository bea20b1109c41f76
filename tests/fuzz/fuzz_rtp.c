/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * An accepted packet lies within its datagram; its header, written anew with every id mapped to itself, reads back to
 * the same fields, the same elements and the same payload, with any mid, and needs exactly the room it says.
 */
#include "fuzz.h"
#include "sfud/media/rtp.h"

#define ID_MAX 14 /* ids above are not forwarded */
#define HEADER_MAX (RTP_HDR_LEN + 15 * 4 + 4 + (RTP_EXTS_MAX + 1) * 257 + 3)

static const uint8_t identity[16] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14 };

static void within(const struct rtp *r, size_t n)
{
	MUST(r->n == n);
	MUST(r->payload_at >= RTP_HDR_LEN + 4u * r->n_csrc);
	MUST((size_t)r->payload_at + r->payload_n + r->pad == n);
	MUST(r->n_ext <= RTP_EXTS_MAX);
	for (size_t i = 0; i < r->n_ext; i++) {
		MUST(r->ext[i].id != 0);
		MUST(r->ext[i].at > RTP_HDR_LEN && (size_t)r->ext[i].at + r->ext[i].len <= r->payload_at);
		MUST(rtp_ext_get(r, r->ext[i].id).p != NULL);
	}
}

static struct span data_of(const struct rtp *r, size_t i)
{
	return span_of(r->p + r->ext[i].at, r->ext[i].len);
}

static void same_elements(const struct rtp *a, const struct rtp *b, const struct rtp_out *o)
{
	size_t k = 0;

	for (size_t i = 0; i < a->n_ext; i++) {
		if (a->ext[i].id > ID_MAX || a->ext[i].id == o->mid_id)
			continue;
		if (k == RTP_EXTS_MAX)
			return;
		MUST(k < b->n_ext && b->ext[k].id == a->ext[i].id);
		MUST(span_eq(data_of(a, i), data_of(b, k)));
		k++;
	}
	if (o->mid_id && o->mid.n && k < RTP_EXTS_MAX) {
		MUST(k < b->n_ext && b->ext[k].id == o->mid_id);
		MUST(span_eq(data_of(b, k), o->mid));
		k++;
	}
	MUST(b->n_ext == k);
}

static void write_and_compare(const struct rtp *a, const struct rtp_out *o)
{
	static uint8_t out[HEADER_MAX + UINT16_MAX];
	struct rtp b;
	size_t n = rtp_write_header(out, HEADER_MAX, a, o);

	MUST(n != 0 && n <= HEADER_MAX);
	MUST(rtp_write_header(out, n - 1, a, o) == 0);
	MUST(rtp_write_header(out, n, a, o) == n);
	if (n + a->payload_n > UINT16_MAX)
		return;
	memcpy(out + n, a->p + a->payload_at, a->payload_n);
	MUST(rtp_parse(span_of(out, n + a->payload_n), &b) == 0);
	within(&b, n + a->payload_n);
	MUST(b.pt == a->pt && b.seq == a->seq && b.ts == a->ts && b.ssrc == a->ssrc);
	MUST(b.marker == a->marker && b.n_csrc == a->n_csrc && b.pad == 0);
	MUST(memcmp(out + RTP_HDR_LEN, a->p + RTP_HDR_LEN, 4u * a->n_csrc) == 0);
	MUST(b.payload_at == n && b.payload_n == a->payload_n);
	same_elements(a, &b, o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct rtp a;
	struct rtp_out o;

	if (rtp_parse(span_of(data, n), &a) != 0)
		return 0;
	within(&a, n);
	o = (struct rtp_out){ .pt = a.pt, .seq = a.seq, .ts = a.ts, .ssrc = a.ssrc, .ext_map = identity };
	write_and_compare(&a, &o);
	/* Arbitrary bytes of the packet serve as mid, under an arbitrary id. */
	o.mid_id = data[3];
	o.mid = span_of(data + data[2] % 8, n - 8 < 32 ? n - 8 : data[2] % 33);
	write_and_compare(&a, &o);
	return 0;
}
