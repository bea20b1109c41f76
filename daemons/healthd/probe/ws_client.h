/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * The client's side of a WebSocket (RFC 6455 4.1, 5), as far as a probe needs it: the opening handshake as text, frames both ways.
 * Pure, without allocation. No extensions. The struct owns the message that is being put together.
 */
#ifndef HEALTHD_WS_CLIENT_H
#define HEALTHD_WS_CLIENT_H

#include "base/err.h"
#include "base/rng.h"
#include "base/span.h"

#define WS_CLIENT_MESSAGE_MAX 32768 /* bytes of a text message, and of a frame */
#define WS_CLIENT_HEAD_MAX 4096     /* bytes of the response to the upgrade */
#define WS_CLIENT_KEY_LEN 24

enum ws_opcode { WS_OP_CONTINUE = 0, WS_OP_TEXT = 1, WS_OP_BINARY = 2, WS_OP_CLOSE = 8, WS_OP_PING = 9, WS_OP_PONG = 10 };

/* A fresh Sec-WebSocket-Key. */
void ws_client_key(struct rng *rng, char ret[WS_CLIENT_KEY_LEN + 1]);
/* GET of path. protocols: the value of Sec-WebSocket-Protocol. */
void ws_client_request(struct wr *w, struct span host, struct span path, const char *key, struct span protocols);

struct ws_response {
	uint16_t status; /* 100 to 599 */
	bool accepted;   /* 101, to WebSocket, with the proof for our key */
	size_t len;      /* bytes of the head */
};

/* ERR_SHORT: the empty line has not come. ERR_MALFORMED: no HTTP response. ERR_LIMIT: too long. */
int ws_client_response(struct span in, const char *key, struct ws_response *ret);

struct ws_client {
	bool in_message, text; /* fragments of a message have come */
	size_t n;
	uint8_t message[WS_CLIENT_MESSAGE_MAX];
};

struct ws_frame {
	enum ws_opcode op; /* TEXT: a whole message; CONTINUE: nothing to act on */
	struct span body;  /* of TEXT, PING, PONG, CLOSE; borrowed until the next call */
	uint16_t close;    /* code of CLOSE, 1005 without one */
	size_t len;        /* bytes used of the input */
};

/* The next frame. ERR_SHORT; ERR_MALFORMED: what RFC 6455 does not let a server send; ERR_LIMIT: too large. */
int ws_client_next(struct ws_client *c, struct span in, struct ws_frame *ret);

/* A whole masked frame. */
void ws_client_put(struct wr *w, enum ws_opcode op, struct span body, struct rng *rng);
void ws_client_put_close(struct wr *w, uint16_t code, struct rng *rng);

#endif
