/* SPDX-License-Identifier: AGPL-3.0-only */
#include "turnd/drop.h"

static const char *const names[DROP_MAX_] = {
	[DROP_NONE] = "none",
	[DROP_UNKNOWN_KIND] = "unknown_kind",
	[DROP_STUN_MALFORMED] = "stun_malformed",
	[DROP_STUN_UNEXPECTED] = "stun_unexpected",
	[DROP_STUN_FINGERPRINT] = "stun_fingerprint",
	[DROP_CHALLENGE_LIMIT] = "challenge_limit",
	[DROP_CLIENT_UNKNOWN] = "client_unknown",
	[DROP_CHANNEL_UNKNOWN] = "channel_unknown",
	[DROP_SEND_MALFORMED] = "send_malformed",
	[DROP_PEER_FORBIDDEN] = "peer_forbidden",
	[DROP_PEER_FAMILY] = "peer_family",
	[DROP_PERMISSION] = "permission",
	[DROP_RELAY_PERMISSION] = "relay_permission",
	[DROP_RELAY_GONE] = "relay_gone",
	[DROP_BANDWIDTH] = "bandwidth",
	[DROP_TOTAL_BANDWIDTH] = "total_bandwidth",
	[DROP_TOO_LARGE] = "too_large",
	[DROP_BLOCKED] = "blocked",
	[DROP_OTHER_WORKER] = "other_worker",
};

const char *drop_str(enum drop d)
{
	return (unsigned)d < DROP_MAX_ ? names[d] : "unknown";
}
