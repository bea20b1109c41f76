/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * SRTP and SRTCP (RFC 3711, RFC 7714 for GCM, RFC 5764 key layout), one context per direction. Encrypts and
 * decrypts in place. Index and roll-over are the caller's on the sending side (it numbers packets itself) and
 * guessed per RFC 3711 3.3.1 on the receiving side. Primitives come from libcrypto; key material is wiped by
 * srtp_done.
 *
 *  SRTP,  GCM:  header | ciphertext | 16-byte tag           SRTP,  CM:  header | ciphertext | 10-byte tag
 *  SRTCP, GCM:  8-byte header | ciphertext | tag | E+index  SRTCP, CM:  8-byte header | ciphertext | E+index | tag
 */
#ifndef SFUD_SRTP_H
#define SFUD_SRTP_H

#include "base/err.h"
#include "base/replay.h"
#include "base/span.h"
#include "sfud/drop.h"

#define SRTP_OVERHEAD 20    /* more than any suite adds to RTP or RTCP */
#define SRTP_STREAMS_MAX 32 /* SSRCs one peer may send */
#define SRTCP_SENDERS_MAX 96 /* SSRCs it may send RTCP from: those, and one for each m-line it receives */
#define SRTP_MASTER_MAX (2 * (16 + 14))

enum srtp_suite {
	SRTP_NONE,
	SRTP_AEAD_AES_128_GCM,        /* 0x0007; 12-byte salt */
	SRTP_AES128_CM_HMAC_SHA1_80,  /* 0x0001; 14-byte salt */
};

struct srtp_keys; /* session keys and cipher contexts of one direction; on the heap */

struct srtp_stream {
	uint32_t ssrc;
	bool used;
	uint64_t top; /* highest authenticated index */
	struct replay seen;
};

/* Each SSRC that sends RTCP counts its own SRTCP index (RFC 3711 3.4): browsers do, per m-line. */
struct srtcp_sender {
	uint32_t ssrc, top; /* top: highest authenticated index … */
	uint64_t seen;      /* … and the 64 below it, bit 0 = top itself */
};

/* Receiving side: keys and the streams seen. */
struct srtp_rx {
	struct srtp_keys *keys;
	struct srtp_stream *streams;  /* grows, SRTP_STREAMS_MAX at most */
	struct srtcp_sender *senders; /* grows, SRTCP_SENDERS_MAX at most */
	uint32_t n_streams, cap_streams, n_senders, cap_senders;
};

/* Sending side. */
struct srtp_tx {
	struct srtp_keys *keys;
	uint32_t rtcp_index;
};

const char *srtp_suite_str(enum srtp_suite s); /* IANA name */
size_t srtp_master_len(enum srtp_suite s);     /* key + salt: 28 or 30 */

/* master: key then salt, as exported by DTLS for that direction. ERR_NOMEM. */
int srtp_rx_init(struct srtp_rx *rx, enum srtp_suite suite, struct span master);
int srtp_tx_init(struct srtp_tx *tx, enum srtp_suite suite, struct span master);
void srtp_rx_done(struct srtp_rx *rx);
void srtp_tx_done(struct srtp_tx *tx);

/* Authenticates, checks replay, decrypts in place. *n shrinks to the plain packet. A stream is remembered only
 * after its first packet authenticated. DROP_NONE, DROP_{RTP,RTCP}_MALFORMED, DROP_SRTP_{AUTH,REPLAY,STREAMS}.
 * After a drop the bytes of pkt are undefined. */
enum drop srtp_open(struct srtp_rx *rx, uint8_t *pkt, size_t *n);
enum drop srtcp_open(struct srtp_rx *rx, uint8_t *pkt, size_t *n);

/* A stream the peer's SDP took away makes room for another. Its roll-over count is lost with it. */
void srtp_rx_forget(struct srtp_rx *rx, uint32_t ssrc);

/*
 * Encrypts in place; the buffer has SRTP_OVERHEAD bytes of room behind n. hdr: bytes up to the payload (fixed header,
 * CSRCs and extensions). index: 48-bit packet index whose low 16 bits are the sequence number in the packet. Returns
 * the new length, or 0 (libcrypto failed, or SRTCP used up its 2^31 indices): nothing may be sent then. This is the
 * hot path: one call per forwarded packet.
 */
size_t srtp_seal(struct srtp_tx *tx, uint8_t *pkt, size_t hdr, size_t n, uint64_t index);
size_t srtcp_seal(struct srtp_tx *tx, uint8_t *pkt, size_t n);

#endif
