/* SPDX-License-Identifier: AGPL-3.0-only */
/* Streams of peers (RFC 6062) and DTLS sessions: what the datagram side and the streams ask of them. */
#ifndef TURND_SHELL_PEER_H
#define TURND_SHELL_PEER_H

#include "turnd/turnd.h"

/* shell_peer.c */
void peers_open(struct worker *w);
void peers_close(struct worker *w);
int peer_listen(struct worker *w, struct handle alloc, int family, uint16_t port);
void peer_unlisten(struct worker *w, int family, uint16_t port);
int peer_connect(void *owner, uint32_t id, int family, uint16_t port, const struct addr *peer);
void peer_join(void *owner, uint32_t id, struct handle conn);
void peer_close(void *owner, uint32_t id);
void peer_left(struct worker *w, uint32_t id); /* a joined stream's conn is closed */

/* shell_dtls.c */
void dtls_dgram(struct worker *w, const struct path *path, struct span dgram);
bool dtls_send(struct worker *w, struct conn *c, struct span head, struct span payload);
void dtls_due(struct conn *c);

#endif
