/* SPDX-License-Identifier: AGPL-3.0-only */
/* The kind of every datagram, against a second reading of RFC 7983 7 and RFC 5761 4 that knows no ranges. */
#include "fuzz.h"
#include "wire/demux.h"

/* One letter for 16 first bytes each where the whole row is alike, else spelled in `split`. */
static char kind_of_byte(uint8_t b)
{
	static const char rows[] = "?dddt???rrrr????";
	static const char split[] = "ssss????????????zzzzdddddddddddd";

	return b < 32 ? split[b] : rows[b >> 4];
}

static enum demux oracle(const uint8_t *p, size_t n)
{
	switch (n ? kind_of_byte(p[0]) : '?') {
	case 's':
		return n >= 20 ? DEMUX_STUN : DEMUX_OTHER;
	case 'z':
		return n >= 12 ? DEMUX_ZRTP : DEMUX_OTHER;
	case 'd':
		return n >= 13 ? DEMUX_DTLS : DEMUX_OTHER;
	case 't':
		return n >= 4 ? DEMUX_TURN : DEMUX_OTHER;
	case 'r':
		if (n >= 8 && (p[1] & 0xe0) == 0xc0)
			return DEMUX_RTCP;
		return n >= 12 && (p[1] & 0xe0) != 0xc0 && (p[1] & 0xe0) != 0x40 ? DEMUX_RTP : DEMUX_OTHER;
	default:
		return DEMUX_OTHER;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	size_t most = n < 24 ? n : 24;

	MUST(demux(span_of(data, n)) == oracle(data, n));
	/* Every length of it, in memory of exactly that length. */
	for (size_t k = 0; k <= most; k++) {
		uint8_t *exact = malloc(k ? k : 1);

		MUST(exact);
		memcpy(exact, data, k);
		MUST(demux(span_of(exact, k)) == oracle(data, k));
		free(exact);
	}
	return 0;
}
