/* SPDX-License-Identifier: AGPL-3.0-only */
/* Why a datagram, packet or feedback message went no further. Counted by reason, never logged one by one. */
#ifndef SFUD_DROP_H
#define SFUD_DROP_H

enum drop {
	DROP_NONE,
	DROP_UNKNOWN_KIND,    /* RFC 7983: no protocol of ours */
	DROP_UNKNOWN_PATH,    /* DTLS, RTP or RTCP from a 5-tuple that passed no ICE check */
	DROP_STUN_MALFORMED,
	DROP_STUN_UNEXPECTED, /* not a Binding request, or no such ufrag */
	DROP_STUN_INTEGRITY,
	DROP_DTLS_MALFORMED,
	DROP_DTLS_STATE,      /* after the end of the association, or its fingerprint differs */
	DROP_SRTP_EARLY,      /* media before the handshake */
	DROP_SRTP_AUTH,
	DROP_SRTP_REPLAY,
	DROP_SRTP_STREAMS,    /* more SSRCs than one peer may send */
	DROP_RTP_MALFORMED,
	DROP_RTP_UNKNOWN,     /* SSRC, mid or payload type that was not negotiated */
	DROP_RTP_DUPLICATE,
	DROP_RTP_PADDING,     /* probing: consumed here, never forwarded */
	DROP_RTP_LARGE,       /* would not fit a datagram after rewriting */
	DROP_RTCP_MALFORMED,
	DROP_RTCP_UNKNOWN,    /* feedback for an SSRC we do not send */
	DROP_FWD_CODEC,       /* the subscriber did not negotiate this codec */
	DROP_FWD_LAYER,       /* another simulcast layer, or before its keyframe */
	DROP_RTX_GONE,        /* asked for, but no longer cached */
	DROP_RTX_LIMIT,       /* beyond the resend budget of this subscriber */
	DROP_MAX_
};

/* The metric label: "stun_integrity". */
const char *drop_str(enum drop d);

#endif
