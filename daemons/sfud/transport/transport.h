/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * One peer's way from bytes to authenticated packets: STUN decides which paths are real, DTLS is heard only
 * on those, SRTP only after the handshake. Owns the ICE state, the DTLS association and both SRTP directions.
 *
 *   state     event            next    does
 *   ICE       first valid path DTLS    waits for the client's hello
 *   DTLS      handshake done   MEDIA   keys into SRTP
 *   any       consent lost, DTLS closed or failed, handshake too slow   ENDED
 */
#ifndef SFUD_TRANSPORT_H
#define SFUD_TRANSPORT_H

#include "sfud/transport/dtls.h"
#include "sfud/transport/ice_lite.h"

#define TRANSPORT_SETUP DUR_SEC(30) /* from init to MEDIA */

enum transport_state { TRANSPORT_ICE, TRANSPORT_DTLS, TRANSPORT_MEDIA, TRANSPORT_ENDED, TRANSPORT_STATE_MAX_ };

enum transport_end { /* why ENDED */
	TRANSPORT_END_NONE,
	TRANSPORT_END_SETUP,   /* TRANSPORT_SETUP passed */
	TRANSPORT_END_CONSENT, /* no valid check for ICE_CONSENT */
	TRANSPORT_END_DTLS,    /* handshake failed */
	TRANSPORT_END_CLOSED,  /* the peer's close_notify, or ours */
};

struct transport {
	enum transport_state state;
	enum transport_end end;
	struct ice_lite ice;
	const struct dtls_ops *ops;
	struct dtls *dtls; /* NULL until the remote fingerprint is known and a path is valid */
	struct dtls_ctx *dtls_ctx;
	bool has_fingerprint;
	uint8_t fingerprint[DTLS_FINGERPRINT_LEN]; /* the peer's */
	enum srtp_suite suite;
	struct srtp_rx rx;
	struct srtp_tx tx;
	mono_t setup_by; /* MONO_NEVER once in MEDIA */
	uint32_t odd_event[TRANSPORT_STATE_MAX_];
};

enum transport_kind { TRANSPORT_NOTHING, TRANSPORT_RTP, TRANSPORT_RTCP };

struct transport_in {
	enum transport_kind kind;
	uint8_t *p; /* plain packet, in the datagram's memory */
	size_t n;
	enum ice_event ice;      /* paths to (un)register in the caller's path table */
	struct path lost;
	bool opened;             /* this datagram completed the handshake */
};

void transport_init(struct transport *t, const struct dtls_ops *ops, struct dtls_ctx *ctx, struct rng *rng, mono_t now);
void transport_done(struct transport *t);

/* From the peer's SDP. ERR_LIMIT, ERR_NOMEM; ERR_UNEXPECTED when ENDED or when the fingerprint changes under an open
 * association. */
int transport_set_remote(struct transport *t, struct span ufrag, struct span pwd,
			 const uint8_t fingerprint[DTLS_FINGERPRINT_LEN]);

/* A STUN request whose local ufrag is ours (the caller looked it up and parsed it). */
enum drop transport_stun(struct transport *t, const struct stun_msg *m, const struct path *path, mono_t now,
			 struct outbox *out, struct transport_in *ret);

/* Any other datagram from a path that is registered for this peer. Decrypts in place. */
enum drop transport_input(struct transport *t, const struct path *path, uint8_t *p, size_t n, mono_t now,
			  struct outbox *out, struct transport_in *ret);

void transport_tick(struct transport *t, mono_t now, struct outbox *out);
/* MONO_NEVER in ENDED. */
mono_t transport_next(const struct transport *t);

/* close_notify when a path is known; ENDED afterwards. */
void transport_close(struct transport *t, mono_t now, struct outbox *out);

/* Seals and sends on the selected path what was written into outbox_reserve()'s memory at p. Only in MEDIA. */
void transport_send_rtp(struct transport *t, struct outbox *out, uint8_t *p, size_t hdr, size_t n, uint64_t index);
void transport_send_rtcp(struct transport *t, struct outbox *out, uint8_t *p, size_t n);

#endif
