/* SPDX-License-Identifier: AGPL-3.0-only */
/* The other nodes, as central listed them (peer-roster.json), and whose turn it is to be probed. The file comes from
 * outside: what is not exactly right is not dialled. Pure. spec: control plane 2.4. */
#ifndef HEALTHD_ROSTER_H
#define HEALTHD_ROSTER_H

#include "base/err.h"
#include "base/span.h"

#define ROSTER_TEXT_MAX (64 * 1024)
#define ROSTER_PEERS_MAX 256
#define ROSTER_NAME_MAX 254
#define ROSTER_ID_MAX 128
#define ROSTER_SCAN 4 /* looked at in one run */
#define ROSTER_PICK 2 /* probed in one run */

struct roster_peer {
	char id[ROSTER_ID_MAX], host[ROSTER_NAME_MAX];
	uint16_t turns_port, udp_port; /* 443, 3478 where the file has none */
};

struct roster {
	struct roster_peer peer[ROSTER_PEERS_MAX];
	uint32_t n;
	uint32_t refused; /* entries without a name that can be one, or beyond the bound */
};

/* A JSON array. ERR_MALFORMED: it is none; ERR_NOMEM. */
int roster_parse(struct span text, struct roster *ret);

/* The peers to probe in this run: looks at up to ROSTER_SCAN of them from *offset on, never at `own`, and moves *offset
 * behind the last it looked at. Pointers into r. How many. */
uint32_t roster_pick(const struct roster *r, const char *own, uint32_t *offset, const struct roster_peer *ret[ROSTER_PICK]);

#endif
