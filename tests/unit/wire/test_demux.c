/* SPDX-License-Identifier: AGPL-3.0-only */
#include "wire/demux.h"

#include "t.h"

/* RFC 7983 7 and RFC 5761 4: the first two bytes decide; what is too short for its kind is nobody's. */
static void first_bytes_tell_the_protocol(void)
{
	const struct {
		const char *row;
		uint8_t b0, b1;
		size_t n;
		enum demux want;
	} rows[] = {
		{ "STUN first: ", 0, 1, 20, DEMUX_STUN },
		{ "STUN last: ", 3, 0, 20, DEMUX_STUN },
		{ "STUN short: ", 0, 1, 19, DEMUX_OTHER },
		{ "gap 4: ", 4, 0, 64, DEMUX_OTHER },
		{ "gap 15: ", 15, 0, 64, DEMUX_OTHER },
		{ "ZRTP first: ", 16, 0, 12, DEMUX_ZRTP },
		{ "ZRTP last: ", 19, 0, 12, DEMUX_ZRTP },
		{ "ZRTP short: ", 16, 0, 11, DEMUX_OTHER },
		{ "DTLS first: ", 20, 254, 13, DEMUX_DTLS },
		{ "DTLS last: ", 63, 254, 13, DEMUX_DTLS },
		{ "DTLS short: ", 22, 254, 12, DEMUX_OTHER },
		{ "ChannelData first: ", 64, 0, 4, DEMUX_TURN },
		{ "ChannelData last: ", 79, 0, 4, DEMUX_TURN },
		{ "ChannelData short: ", 64, 0, 3, DEMUX_OTHER },
		{ "gap 80: ", 80, 0, 64, DEMUX_OTHER },
		{ "gap 127: ", 127, 0, 64, DEMUX_OTHER },
		{ "RTP first: ", 128, 0, 12, DEMUX_RTP },
		{ "RTP last: ", 191, 127, 12, DEMUX_RTP },
		{ "RTP with marker: ", 128, 128 + 96, 12, DEMUX_RTP },
		{ "RTP type 63: ", 128, 63, 12, DEMUX_RTP },
		{ "RTP type 64 is kept free: ", 128, 64, 12, DEMUX_OTHER },
		{ "RTP type 95 is kept free: ", 128, 95, 12, DEMUX_OTHER },
		{ "RTP type 63 with marker: ", 128, 191, 12, DEMUX_RTP },
		{ "RTP short: ", 128, 96, 11, DEMUX_OTHER },
		{ "RTCP first: ", 128, 192, 8, DEMUX_RTCP },
		{ "RTCP SR: ", 128, 200, 8, DEMUX_RTCP },
		{ "RTCP last: ", 129, 223, 8, DEMUX_RTCP },
		{ "RTCP short: ", 128, 200, 7, DEMUX_OTHER },
		{ "gap 192: ", 192, 0, 64, DEMUX_OTHER },
		{ "gap 255: ", 255, 0, 64, DEMUX_OTHER },
		{ "empty: ", 0, 0, 0, DEMUX_OTHER },
		{ "one byte of RTP: ", 128, 0, 1, DEMUX_OTHER },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t d[64] = { rows[i].b0, rows[i].b1 };

		t_row = rows[i].row;
		EQ(demux(span_of(d, rows[i].n)), rows[i].want);
	}
}

T_MAIN(T(first_bytes_tell_the_protocol))
