/* SPDX-License-Identifier: AGPL-3.0-only */
/* The PROXY protocol header in front of a forwarded connection (haproxy's proxy-protocol.txt), versions 1 and 2. Pure. */
#ifndef TURND_PROXY_HDR_H
#define TURND_PROXY_HDR_H

#include "base/addr.h"
#include "base/err.h"

#define PROXY_HDR_MAX 536 /* v1: 107; v2: 16 + 520 with all TLVs we are ready to skip */

struct proxy_hdr {
	size_t n;                 /* bytes of the header */
	bool local;               /* v2 LOCAL, v1 UNKNOWN, no IP family: the connection speaks for itself */
	struct addr client, server;
};

/* ERR_SHORT: more bytes needed. ERR_MALFORMED: this is no PROXY header, or a wrong one. */
int proxy_hdr_parse(struct span in, struct proxy_hdr *ret);

/* A version 1 header, for whoever forwards on: at most 107 bytes. */
void proxy_hdr_write(struct wr *w, const struct addr *client, const struct addr *server);

#endif
