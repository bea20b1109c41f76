/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * Nothing opens under keys it was not sealed with, and a refused packet leaves no stream behind. What we seal opens
 * once, to the same bytes, also across roll-overs. First byte: 1 = CM, 2 = RTCP, upper half = CSRCs of the packet we
 * seal.
 */
#include "fuzz.h"
#include "sfud/transport/srtp.h"

#define PACKET_MAX 1500

struct pair {
	struct srtp_tx tx;
	struct srtp_rx rx;
	bool rtcp;
};

static enum drop open_it(struct pair *p, uint8_t *b, size_t *n)
{
	return p->rtcp ? srtcp_open(&p->rx, b, n) : srtp_open(&p->rx, b, n);
}

static void refuses(struct pair *p, struct span in)
{
	uint8_t *b = malloc(in.n ? in.n : 1); /* exactly as long, for the sanitizer */
	size_t n = in.n;

	MUST(b);
	if (n)
		memcpy(b, in.p, n);
	MUST(open_it(p, b, &n) != DROP_NONE);
	MUST(n == in.n && p->rx.n_streams == 0);
	free(b);
}

static void round_trip(struct pair *p, struct span body, size_t csrcs, uint64_t index)
{
	uint8_t plain[PACKET_MAX + 100] = { 0x80 }, b[sizeof(plain) + SRTP_OVERHEAD], again[sizeof(b)];
	size_t hdr = p->rtcp ? 8 : 12 + 4 * csrcs, n = hdr + body.n, sealed, m;

	plain[0] |= (uint8_t)csrcs;
	put_be16(plain + 2, (uint16_t)index);
	if (body.n)
		memcpy(plain + hdr, body.p, body.n);
	memcpy(b, plain, n);
	sealed = p->rtcp ? srtcp_seal(&p->tx, b, n) : srtp_seal(&p->tx, b, hdr, n, index);
	MUST(sealed > n && sealed <= n + SRTP_OVERHEAD);
	memcpy(again, b, sealed);
	m = sealed;
	MUST(open_it(p, b, &m) == DROP_NONE);
	MUST(m == n && memcmp(b, plain, n) == 0);
	m = sealed;
	MUST(open_it(p, again, &m) == DROP_SRTP_REPLAY);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const uint8_t master[SRTP_MASTER_MAX] = "sixteen byte keyfourteen salt.";
	struct rd r = rd_from(span_of(data, n < PACKET_MAX ? n : PACKET_MAX));
	uint8_t mode = rd_u8(&r);
	enum srtp_suite suite = mode & 1 ? SRTP_AES128_CM_HMAC_SHA1_80 : SRTP_AEAD_AES_128_GCM;
	struct span body = rd_span(&r, rd_left(&r)), key = span_of(master, srtp_master_len(suite));
	struct pair p = { .rtcp = mode & 2 };
	uint64_t index = body.n ? body.p[0] * UINT64_C(257) : 0;

	MUST(srtp_tx_init(&p.tx, suite, key) == 0 && srtp_rx_init(&p.rx, suite, key) == 0);
	refuses(&p, body);
	for (size_t i = 0; i < body.n && i < 16; i++) {
		round_trip(&p, body, mode >> 4, index);
		index += 1 + body.p[i] * UINT64_C(128);
	}
	srtp_tx_done(&p.tx);
	srtp_rx_done(&p.rx);
	return 0;
}
