/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * RTP packets (RFC 3550 5.1) and their header extensions (RFC 8285), read without copying.
 *
 *   0                   1                   2                   3
 *  |V=2|P|X|  CC   |M|     PT      |       sequence number         |
 *  |                           timestamp                           |
 *  |                             SSRC                              |
 *  |                    CSRCs, extension, payload                  |
 */
#ifndef SFUD_RTP_H
#define SFUD_RTP_H

#include "base/err.h"
#include "base/span.h"

#define RTP_HDR_LEN 12
#define RTP_EXTS_MAX 16 /* elements read per packet; further ones are not forwarded */

struct rtp_ext {
	uint8_t id;  /* 1..255 */
	uint8_t len; /* bytes of data */
	uint16_t at; /* offset of the data in the packet */
};

struct rtp {
	const uint8_t *p; /* the packet; borrowed */
	uint16_t n;
	uint8_t pt;
	bool marker;
	uint16_t seq;
	uint32_t ts, ssrc;
	uint8_t n_csrc;
	uint16_t payload_at; /* offset; also the header length for SRTP */
	uint16_t payload_n;  /* without padding */
	uint8_t pad;         /* bytes of padding, 0 = none */
	struct rtp_ext ext[RTP_EXTS_MAX];
	uint8_t n_ext;
};

/* Checks all lengths. Extension profiles other than RFC 8285's are skipped. ERR_SHORT, ERR_MALFORMED. */
int rtp_parse(struct span pkt, struct rtp *ret);

/* Data of the element with this id (id 0: none), or an empty span. */
struct span rtp_ext_get(const struct rtp *r, uint8_t id);

/* How a packet's header changes on the way to one subscriber. */
struct rtp_out {
	uint8_t pt;
	uint16_t seq;
	uint32_t ts, ssrc;
	const uint8_t *ext_map; /* 16 entries by incoming id (1..14): outgoing id or 0 = leave out; ids above 14 are left out */
	uint8_t mid_id;         /* 0: no mid */
	struct span mid;
};

/* The new header: fixed part, CSRCs, mapped extensions in RFC 8285 one-byte form (two-byte form when a value needs it),
 * mid. Data of mapped elements is copied untouched; one that is mapped to mid_id is left out. An empty mid is not
 * written. Padding does not travel: P is 0, payload_n bytes follow. Returns the length, 0 when it does not fit or mid
 * has more than 255 bytes. */
size_t rtp_write_header(uint8_t *out, size_t cap, const struct rtp *in, const struct rtp_out *o);

#endif
