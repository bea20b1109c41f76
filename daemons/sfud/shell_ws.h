/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * A WebSocket server (RFC 6455) for the signalling endpoint: connections and their time; what their bytes mean is the
 * business of signal/ws_upgrade.h and signal/ws_frames.h. Knows nothing of rooms. Text messages only: binary ones are
 * counted and ignored. Idle peers are pinged; three silent intervals end them.
 */
#ifndef SFUD_SHELL_WS_H
#define SFUD_SHELL_WS_H

#include "base/addr.h"
#include "sys/loop.h"
#include "wire/http_head.h"

struct ws;
struct ws_server;

struct ws_verdict {
	unsigned status;      /* 101: take it; anything else is the whole answer */
	const char *protocol; /* the subprotocol chosen, static */
	void *arg;            /* of the ws, from open to closed */
};

struct ws_ops {
	void (*upgrade)(const struct http_head *head, void *server_arg, struct ws_verdict *ret);
	void (*open)(struct ws *ws, void *arg);
	void (*text)(struct ws *ws, void *arg, struct span text);
	/* The last call; also for a ws that was taken but never opened. code: of the first close frame, theirs
	 * or by ws_close; 1006 without one. */
	void (*closed)(struct ws *ws, void *arg, unsigned code);
};

struct ws_conf {
	struct addr listen;
	uint32_t max_conns;   /* TCP connections, upgrading ones included */
	uint32_t max_message; /* bytes; a larger one is closed with 1009 */
	uint64_t ping;        /* microseconds */
	const struct ws_ops *ops;
	void *arg;
};

struct ws_counters {
	uint64_t connections_refused, refused, bad_heads, slow_heads, binary, protocol_errors;
};

int ws_server_open(struct loop *l, const struct ws_conf *c, struct ws_server **ret);
struct ws_counters ws_server_counters(const struct ws_server *s);
/* Stops listening and drops what is left. */
void ws_server_close(struct ws_server *s);

void ws_send(struct ws *ws, struct span text);
/* Close frame, then up to 200 ms for the peer's. `closed` follows. */
void ws_close(struct ws *ws, unsigned code, const char *reason);

#endif
