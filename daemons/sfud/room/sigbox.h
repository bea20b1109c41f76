/* SPDX-License-Identifier: AGPL-3.0-only */
/* Signalling on its way out: text frames and closes per member, in caller memory, emptied by `full` (see
 * base/outbox.h). */
#ifndef SFUD_SIGBOX_H
#define SFUD_SIGBOX_H

#include "base/slab.h"
#include "base/span.h"

enum sig_close { /* WebSocket close codes of this protocol */
	SIG_CLOSE_NONE = 0, /* a text frame */
	SIG_CLOSE_ENDED = 1000,
	SIG_CLOSE_SHUTDOWN = 1001,
	SIG_CLOSE_ROOM_MISMATCH = 4001,
	SIG_CLOSE_BAD_OFFER = 4002,
	SIG_CLOSE_INTERNAL = 4003,
	SIG_CLOSE_REPLACED = 4031,
};

struct sig_out {
	struct handle member;
	enum sig_close close;
	const char *reason; /* static; of a close */
	size_t at, n;       /* text in mem */
};

struct sigbox {
	struct sig_out *out;
	uint32_t n, max;
	uint8_t *mem;
	size_t used, size;
	void (*full)(struct sigbox *sb); /* must deliver everything and call sigbox_clear */
	void *owner;
};

void sigbox_init(struct sigbox *sb, struct sig_out *out, uint32_t max, uint8_t *mem, size_t size,
		 void (*full)(struct sigbox *), void *owner);
/* Room for one message of at most `max` bytes (<= size): write into it, then commit. */
struct wr sigbox_reserve(struct sigbox *sb, size_t max);
/* False (and nothing queued) when w went bad. */
bool sigbox_commit(struct sigbox *sb, struct handle member, const struct wr *w);
void sigbox_close(struct sigbox *sb, struct handle member, enum sig_close code, const char *reason);
void sigbox_clear(struct sigbox *sb);

#endif
