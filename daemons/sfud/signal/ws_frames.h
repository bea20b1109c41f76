/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * The server's side of a WebSocket after the upgrade (RFC 6455 5 to 7) on memory: bytes in, text messages and bytes
 * out; no socket, no clock. ws_frames.c is the one file that knows wslay. Pings are answered and closes echoed in
 * here. Binary messages are counted and ignored, text after our own close is ignored.
 */
#ifndef SFUD_WS_FRAMES_H
#define SFUD_WS_FRAMES_H

#include <stdint.h>

#include "base/span.h"

#define WS_CLOSE_NO_CODE 1005  /* a close frame without a code */
#define WS_CLOSE_ABNORMAL 1006 /* no close frame */

struct ws_frames;

enum ws_frames_state {
	WS_FRAMES_OPEN,
	WS_FRAMES_CLOSING, /* our close frame is out, the peer's has not come */
	WS_FRAMES_CLOSED,  /* both ways */
	WS_FRAMES_FAILED,  /* broke the protocol or the limit, or no memory: a close frame with the code is out */
};

/* Spans live during the call. Both may call ws_frames_text, _ping and _close, but not _input and _free. */
struct ws_frames_ops {
	void (*write)(void *arg, struct span out); /* bytes for the peer, in order; takes all */
	void (*text)(void *arg, struct span text); /* a whole message, valid UTF-8 */
};

/* A message of more than max_message bytes fails with 1009. NULL without memory. */
struct ws_frames *ws_frames_new(uint32_t max_message, const struct ws_frames_ops *ops, void *arg);
void ws_frames_free(struct ws_frames *f); /* NULL allowed; sends nothing */

/* Bytes of the peer, cut anywhere. After CLOSED or FAILED they are ignored. */
enum ws_frames_state ws_frames_input(struct ws_frames *f, struct span in);

/* Each does nothing unless OPEN; a frame there is no memory for is lost. */
void ws_frames_text(struct ws_frames *f, struct span text);
void ws_frames_ping(struct ws_frames *f);
void ws_frames_close(struct ws_frames *f, uint16_t code, const char *reason); /* reason: 123 bytes at most */

enum ws_frames_state ws_frames_state(const struct ws_frames *f);
/* Of the first close frame, theirs or by ws_frames_close; or WS_CLOSE_…. */
unsigned ws_frames_close_code(const struct ws_frames *f);
uint64_t ws_frames_binary(const struct ws_frames *f); /* binary messages so far */

#endif
