/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * What TURN (RFC 8656, 6062, 8016) and behaviour discovery (RFC 5780) add to STUN: their attributes, ChannelData, and where a
 * message ends in a byte stream. Pure.
 *
 *   0                   1                   2                   3
 *   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *  |0 1|     Channel Number        |            Length             |   then the data; on streams padded to 4 bytes
 */
#ifndef WIRE_TURN_H
#define WIRE_TURN_H

#include "wire/stun.h"

#define TURN_CHANNEL_HDR_LEN 4
#define TURN_CHANNEL_MIN 0x4000
#define TURN_CHANNEL_MAX 0x7fff /* RFC 8656 12 ends at 0x4fff; clients of RFC 5766 11 use all of these, so we take them */
#define TURN_PEERS_MAX 16       /* XOR-PEER-ADDRESS attributes of one request */
#define TURN_TOKEN_LEN 8
#define TURN_UDP 17             /* REQUESTED-TRANSPORT */
#define TURN_TCP 6
#define TURN_FRAME_MAX (STUN_HDR_LEN + 65535 + 3)

enum turn_family { TURN_FAMILY_NONE = 0, TURN_FAMILY_V4 = 1, TURN_FAMILY_V6 = 2 };

/* RFC 8656 19 and the RFCs it builds on. */
enum turn_error {
	TURN_ERR_TRY_ALTERNATE = 300,
	TURN_ERR_BAD_REQUEST = 400,
	TURN_ERR_UNAUTHORIZED = 401,
	TURN_ERR_FORBIDDEN = 403,
	TURN_ERR_MOBILITY_FORBIDDEN = 405,
	TURN_ERR_UNKNOWN_ATTRIBUTE = 420,
	TURN_ERR_MISMATCH = 437,
	TURN_ERR_STALE_NONCE = 438,
	TURN_ERR_FAMILY = 440,
	TURN_ERR_WRONG_CREDENTIALS = 441,
	TURN_ERR_TRANSPORT = 442,
	TURN_ERR_PEER_FAMILY = 443,
	TURN_ERR_CONNECTION_EXISTS = 446,
	TURN_ERR_CONNECTION_FAILED = 447,
	TURN_ERR_QUOTA = 486,
	TURN_ERR_SERVER = 500,
	TURN_ERR_CAPACITY = 508,
};

struct turn_attrs {
	bool has_lifetime, has_even_port, reserve_next, dont_fragment, has_data, has_ticket, has_connection;
	bool has_change, change_ip, change_port;
	bool has_padding;
	uint32_t lifetime;       /* seconds */
	uint8_t transport;       /* REQUESTED-TRANSPORT; 0: absent */
	uint8_t family;          /* REQUESTED-ADDRESS-FAMILY as it stands; 0: absent */
	uint8_t more_family;     /* ADDITIONAL-ADDRESS-FAMILY; 0: absent */
	uint16_t channel;        /* CHANNEL-NUMBER; 0: absent */
	uint16_t response_port;  /* RESPONSE-PORT; 0: absent */
	uint32_t connection;     /* CONNECTION-ID */
	struct span data;        /* DATA */
	struct span reservation; /* TURN_TOKEN_LEN bytes, or absent */
	struct span ticket;      /* MOBILITY-TICKET, possibly empty */
	struct addr relayed[2];  /* XOR-RELAYED-ADDRESS, in order; for clients */
	uint8_t n_relayed, n_peers;
	uint16_t address_error;  /* ADDRESS-ERROR-CODE; 0: absent */
	struct addr peer[TURN_PEERS_MAX];
};

/* Of a repeated attribute the first counts, but for peers and relayed addresses. Borrows from the message.
 * ERR_MALFORMED: an attribute has a wrong size, or contents its RFC forbids. ERR_LIMIT: more peers than TURN_PEERS_MAX. */
int turn_attrs_parse(const struct stun_msg *m, struct turn_attrs *ret);

/* Building, for those that are no plain stun_put. */
void turn_put_u32(struct wr *w, uint16_t attr, uint32_t v); /* LIFETIME, CONNECTION-ID */
void turn_put_u8(struct wr *w, uint16_t attr, uint8_t v);   /* REQUESTED-TRANSPORT, families, EVEN-PORT: RFFU zero */
void turn_put_channel(struct wr *w, uint16_t channel);
void turn_put_address_error(struct wr *w, uint8_t family, uint16_t code, const char *reason);

static inline bool turn_is_channel(struct span msg)
{
	return msg.n >= TURN_CHANNEL_HDR_LEN && (msg.p[0] & 0xc0) == 0x40;
}

/* A ChannelData message as a datagram or as turn_frame cut it: padding behind the data is allowed, a length beyond the end is
 * not. ERR_SHORT, ERR_MALFORMED (no channel number of RFC 8656 12). */
int turn_channel_parse(struct span msg, uint16_t *ret_channel, struct span *ret_data);
void turn_channel_put(uint8_t hdr[TURN_CHANNEL_HDR_LEN], uint16_t channel, uint16_t n);
static inline size_t turn_pad(size_t n)
{
	return (4 - n % 4) % 4;
}

/* The first message of a stream: *ret_n bytes with its padding. ERR_SHORT: not all there yet (*ret_n = 0 when not even the
 * length is). ERR_MALFORMED: neither STUN nor ChannelData begins here; the stream is lost. */
int turn_frame(struct span stream, size_t *ret_n);

#endif
