/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * Datagrams on their way out: memory of the caller that a core fills and a shell flushes. Consecutive
 * datagrams of one path whose sizes allow it share one message, which is what UDP_SEGMENT (GSO) wants:
 * all segments of equal size, the last one may be shorter.
 *
 *   p = outbox_reserve(ob, max); ... write up to max bytes ...; outbox_commit(ob, path, n);
 *
 * When memory or messages run out, `full` is called and must empty the box (the shell sends; a test
 * collects). It is the only call out of a core, so that a fan-out of any width needs bounded memory.
 */
#ifndef BASE_OUTBOX_H
#define BASE_OUTBOX_H

#include "base/addr.h"

#define OUTBOX_DGRAM_MAX 2048 /* the largest datagram one may reserve */
#define OUTBOX_SEGS_MAX 64    /* UDP_MAX_SEGMENTS of the kernel */
#define OUTBOX_MSG_BYTES 65000

struct out_msg {
	struct path path;
	uint8_t *data;
	uint32_t len;
	uint16_t seg;  /* bytes of each segment but perhaps the last */
	uint16_t segs; /* datagrams in this message */
};

struct outbox {
	struct out_msg *msg;
	uint32_t n, max;
	uint8_t *mem;
	size_t used, size;
	bool open; /* the last message may take another segment */
	void (*full)(struct outbox *ob);
	void *owner;     /* for `full` */
	uint64_t dgrams; /* committed since init */
};

/* Borrows both arrays. size >= OUTBOX_DGRAM_MAX, max >= 1. */
void outbox_init(struct outbox *ob, struct out_msg *msg, uint32_t max, uint8_t *mem, size_t size,
		 void (*full)(struct outbox *), void *owner);

/* Never fails; max <= OUTBOX_DGRAM_MAX. The pointer is valid until the commit. path is copied at commit. */
uint8_t *outbox_reserve(struct outbox *ob, size_t max);
/* n = 0 takes the reservation back. */
void outbox_commit(struct outbox *ob, const struct path *path, size_t n);

/* Forgets everything; what `full` does after sending. */
void outbox_clear(struct outbox *ob);

#endif
