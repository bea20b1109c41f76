/* SPDX-License-Identifier: AGPL-3.0-only */
/* The server's side of the opening handshake (RFC 6455 4.2) as text: which requests may become a WebSocket, and both
 * answers. Who may open one is not known here. */
#ifndef SFUD_WS_UPGRADE_H
#define SFUD_WS_UPGRADE_H

#include "wire/http_head.h"

/* 101 and the client's key, borrowed from h; or the status to refuse with: 405, 426, 400. */
unsigned ws_upgrade_check(const struct http_head *h, struct span *ret_key);

/* The whole answer to a request that passed. protocol: the subprotocol chosen, or NULL. */
void ws_upgrade_accept(struct wr *w, struct span key, const char *protocol);

/* The whole answer to any other; the connection is closed after it. */
void ws_upgrade_refuse(struct wr *w, unsigned status);

#endif
