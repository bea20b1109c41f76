/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sfud/media/rtp.h"

#define V2 0x80
#define P_BIT 0x20
#define X_BIT 0x10
#define PROFILE_ONE_BYTE 0xbede  /* RFC 8285 4.2 */
#define PROFILE_TWO_BYTE 0x1000  /* RFC 8285 4.3; the low four bits are the application's */
#define TWO_BYTE_MASK 0xfff0
#define EXT_HDR_LEN 4
#define ONE_BYTE_ID_MAX 14
#define ONE_BYTE_LEN_MAX 16

static void add_ext(struct rtp *r, uint8_t id, size_t at, uint8_t len)
{
	if (r->n_ext == RTP_EXTS_MAX)
		return;
	r->ext[r->n_ext++] = (struct rtp_ext){ .id = id, .len = len, .at = (uint16_t)at };
}

static bool read_one_byte(struct rtp *r, size_t at, size_t end)
{
	while (at < end) {
		uint8_t head = r->p[at++];
		uint8_t id = head >> 4;
		uint8_t len = (uint8_t)((head & 15) + 1);

		if (head == 0)
			continue;
		/* RFC 8285 4.2: id 15, and id 0 with a length, end the list; what came before counts. */
		if (id == 0 || id > ONE_BYTE_ID_MAX)
			return true;
		if (len > end - at)
			return false;
		add_ext(r, id, at, len);
		at += len;
	}
	return true;
}

static bool read_two_byte(struct rtp *r, size_t at, size_t end)
{
	while (at < end) {
		uint8_t id = r->p[at++];

		if (id == 0)
			continue;
		if (at == end)
			return false;

		uint8_t len = r->p[at++];

		if (len > end - at)
			return false;
		add_ext(r, id, at, len);
		at += len;
	}
	return true;
}

/* The extension block at `at`, which fits into the packet. */
static bool read_exts(struct rtp *r, size_t at, size_t end)
{
	uint16_t profile = be16_at(r->p + at);

	at += EXT_HDR_LEN;
	if (profile == PROFILE_ONE_BYTE)
		return read_one_byte(r, at, end);
	if ((profile & TWO_BYTE_MASK) == PROFILE_TWO_BYTE)
		return read_two_byte(r, at, end);
	return true;
}

int rtp_parse(struct span pkt, struct rtp *ret)
{
	const uint8_t *p = pkt.p;
	struct rtp r = { .p = p };
	size_t at;

	if (pkt.n < RTP_HDR_LEN)
		return ERR_SHORT;
	if (p[0] >> 6 != 2 || pkt.n > UINT16_MAX)
		return ERR_MALFORMED;
	r.n = (uint16_t)pkt.n;
	r.n_csrc = p[0] & 15;
	r.marker = p[1] >> 7;
	r.pt = p[1] & 0x7f;
	r.seq = be16_at(p + 2);
	r.ts = be32_at(p + 4);
	r.ssrc = be32_at(p + 8);
	at = RTP_HDR_LEN + 4u * r.n_csrc;

	if (p[0] & X_BIT) {
		size_t ext_at = at;

		if (pkt.n < at + EXT_HDR_LEN)
			return ERR_SHORT;
		at += EXT_HDR_LEN + 4u * be16_at(p + at + 2);
		if (pkt.n < at)
			return ERR_SHORT;
		if (!read_exts(&r, ext_at, at))
			return ERR_MALFORMED;
	}
	if (pkt.n < at)
		return ERR_SHORT;
	if (p[0] & P_BIT) {
		/* RFC 3550 5.1: the count includes itself. */
		if (pkt.n == at || p[pkt.n - 1] == 0 || p[pkt.n - 1] > pkt.n - at)
			return ERR_MALFORMED;
		r.pad = p[pkt.n - 1];
	}
	r.payload_at = (uint16_t)at;
	r.payload_n = (uint16_t)(pkt.n - at - r.pad);
	*ret = r;
	return 0;
}

struct span rtp_ext_get(const struct rtp *r, uint8_t id)
{
	for (size_t i = 0; id && i < r->n_ext; i++)
		if (r->ext[i].id == id)
			return span_of(r->p + r->ext[i].at, r->ext[i].len);
	return span_of(NULL, 0);
}

/* What goes out: the mapped elements, then mid. */
struct out_exts {
	struct {
		const uint8_t *p;
		uint8_t id, len;
	} e[RTP_EXTS_MAX + 1];
	size_t n, bytes; /* bytes of data */
	bool two_byte;
};

static void pick(struct out_exts *x, uint8_t id, const uint8_t *p, uint8_t len)
{
	x->e[x->n].id = id;
	x->e[x->n].p = p;
	x->e[x->n].len = len;
	x->n++;
	x->bytes += len;
	x->two_byte |= id > ONE_BYTE_ID_MAX || len == 0 || len > ONE_BYTE_LEN_MAX;
}

static void pick_all(struct out_exts *x, const struct rtp *in, const struct rtp_out *o)
{
	x->n = x->bytes = 0;
	x->two_byte = false;
	for (size_t i = 0; i < in->n_ext; i++) {
		const struct rtp_ext *e = &in->ext[i];
		uint8_t id = e->id <= ONE_BYTE_ID_MAX ? o->ext_map[e->id] : 0;

		/* The mid is ours to say: a second one under the same id would contradict it. */
		if (id && id != o->mid_id)
			pick(x, id, in->p + e->at, e->len);
	}
	if (o->mid_id && o->mid.n)
		pick(x, o->mid_id, o->mid.p, (uint8_t)o->mid.n);
}

/* `len` is a multiple of four with room for all elements; the rest is padding. */
static void write_exts(uint8_t *out, size_t len, const struct out_exts *x)
{
	uint8_t *p = out + EXT_HDR_LEN, *end = p + len;

	put_be16(out, x->two_byte ? PROFILE_TWO_BYTE : PROFILE_ONE_BYTE);
	put_be16(out + 2, (uint16_t)(len / 4));
	for (size_t i = 0; i < x->n; i++) {
		if (x->two_byte) {
			*p++ = x->e[i].id;
			*p++ = x->e[i].len;
		} else {
			*p++ = (uint8_t)(x->e[i].id << 4 | (x->e[i].len - 1));
		}
		if (x->e[i].len)
			memcpy(p, x->e[i].p, x->e[i].len);
		p += x->e[i].len;
	}
	while (p < end)
		*p++ = 0;
}

size_t rtp_write_header(uint8_t *out, size_t cap, const struct rtp *in, const struct rtp_out *o)
{
	size_t fixed = RTP_HDR_LEN + 4u * in->n_csrc;
	size_t ext_len = 0, total = fixed;
	struct out_exts x;

	if (o->mid.n > UINT8_MAX)
		return 0;
	pick_all(&x, in, o);
	if (x.n) {
		ext_len = (x.bytes + x.n * (x.two_byte ? 2 : 1) + 3) & ~(size_t)3;
		total += EXT_HDR_LEN + ext_len;
	}
	if (total > cap)
		return 0;

	out[0] = (uint8_t)(V2 | (x.n ? X_BIT : 0) | in->n_csrc);
	out[1] = (uint8_t)((in->marker ? 0x80 : 0) | (o->pt & 0x7f));
	put_be16(out + 2, o->seq);
	put_be32(out + 4, o->ts);
	put_be32(out + 8, o->ssrc);
	memcpy(out + RTP_HDR_LEN, in->p + RTP_HDR_LEN, fixed - RTP_HDR_LEN);
	if (x.n)
		write_exts(out + fixed, ext_len, &x);
	return total;
}
