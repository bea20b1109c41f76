/* SPDX-License-Identifier: AGPL-3.0-only */
#include "turnd/client.h"

const char *via_str(enum via v)
{
	static const char *const names[VIA_MAX_] = {
		[VIA_UDP] = "udp",
		[VIA_TCP] = "tcp",
		[VIA_TLS] = "tls",
		[VIA_DTLS] = "dtls",
	};

	return (unsigned)v < VIA_MAX_ ? names[v] : "unknown";
}
