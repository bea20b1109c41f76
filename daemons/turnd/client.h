/* SPDX-License-Identifier: AGPL-3.0-only */
/* Who speaks to us: a 5-tuple (RFC 8656 2.1). A plain value. */
#ifndef TURND_CLIENT_H
#define TURND_CLIENT_H

#include "base/addr.h"
#include "base/slab.h"

enum via { VIA_UDP, VIA_TCP, VIA_TLS, VIA_DTLS, VIA_MAX_ };

struct client {
	/* remote: the client, behind a PROXY header too. local: the address it reached, with the listening port: that
	 * names the socket a reply leaves by. */
	struct path path;
	struct handle conn; /* the shell's; none for VIA_UDP, and the whole identity for all others */
	enum via via;
};

const char *via_str(enum via v); /* the metric label */

#endif
