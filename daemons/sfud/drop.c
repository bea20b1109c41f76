/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sfud/drop.h"

#include "base/err.h"

static const char *const names[DROP_MAX_] = {
	[DROP_NONE] = "none",
	[DROP_UNKNOWN_KIND] = "unknown_kind",
	[DROP_UNKNOWN_PATH] = "unknown_path",
	[DROP_STUN_MALFORMED] = "stun_malformed",
	[DROP_STUN_UNEXPECTED] = "stun_unexpected",
	[DROP_STUN_INTEGRITY] = "stun_integrity",
	[DROP_DTLS_MALFORMED] = "dtls_malformed",
	[DROP_DTLS_STATE] = "dtls_state",
	[DROP_SRTP_EARLY] = "srtp_early",
	[DROP_SRTP_AUTH] = "srtp_auth",
	[DROP_SRTP_REPLAY] = "srtp_replay",
	[DROP_SRTP_STREAMS] = "srtp_streams",
	[DROP_RTP_MALFORMED] = "rtp_malformed",
	[DROP_RTP_UNKNOWN] = "rtp_unknown",
	[DROP_RTP_DUPLICATE] = "rtp_duplicate",
	[DROP_RTP_PADDING] = "rtp_padding",
	[DROP_RTP_LARGE] = "rtp_large",
	[DROP_RTCP_MALFORMED] = "rtcp_malformed",
	[DROP_RTCP_UNKNOWN] = "rtcp_unknown",
	[DROP_FWD_CODEC] = "fwd_codec",
	[DROP_FWD_LAYER] = "fwd_layer",
	[DROP_RTX_GONE] = "rtx_gone",
	[DROP_RTX_LIMIT] = "rtx_limit",
};

const char *drop_str(enum drop d)
{
	return (unsigned)d < DROP_MAX_ ? names[d] : "unknown";
}
