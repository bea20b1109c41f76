/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * Datagrams on their way out: memory of the caller that a core fills and a shell flushes. Consecutive
 * datagrams of one path whose sizes allow it share one message, which is what UDP_SEGMENT (GSO) wants:
 * all segments of equal size, the last one may be shorter.
 *
 *   p = outbox_reserve(ob, max); ... write up to max bytes ...; outbox_commit(ob, path, n);
 *
 * or, for a relay that must not copy, a head of a few bytes in front of a payload that stays where it is:
 *
 *   outbox_put(ob, path, head, payload);
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
	uint8_t *data;           /* all of it in one piece, or NULL: in pieces, … */
	const struct span *part; /* … whose boundaries need not be those of segments */
	uint16_t parts;
	uint16_t seg;  /* bytes of each segment but perhaps the last */
	uint16_t segs; /* datagrams in this message */
	bool df;       /* may not be fragmented on its way (RFC 8656 12) */
	uint32_t len;
};

struct outbox {
	struct out_msg *msg;
	uint32_t n, max;
	uint8_t *mem;
	size_t used, size;
	struct span *part; /* pieces of outbox_put */
	uint32_t n_parts, max_parts;
	bool open; /* the last message may take another segment */
	bool df;   /* what is committed or put from now on may not be fragmented */
	void (*full)(struct outbox *ob);
	void *owner;     /* for `full` */
	uint64_t dgrams; /* committed or put since init */
};

/* Borrows both arrays. size >= OUTBOX_DGRAM_MAX, max >= 1. */
void outbox_init(struct outbox *ob, struct out_msg *msg, uint32_t max, uint8_t *mem, size_t size,
		 void (*full)(struct outbox *), void *owner);

/* Memory for the pieces of outbox_put: two per datagram, max >= 2. Borrowed. */
void outbox_parts(struct outbox *ob, struct span *part, uint32_t max);

/* Never fails; max <= OUTBOX_DGRAM_MAX. The pointer is valid until the commit. path is copied at commit. */
uint8_t *outbox_reserve(struct outbox *ob, size_t max);
/* n = 0 takes the reservation back. */
void outbox_commit(struct outbox *ob, const struct path *path, size_t n);

/* One datagram: a copy of head (<= 64 bytes, may be empty), then payload, which is borrowed until `full` or
 * outbox_clear. head.n + payload.n <= OUTBOX_DGRAM_MAX; nothing when both are empty. Needs outbox_parts; not between
 * a reservation and its commit. */
void outbox_put(struct outbox *ob, const struct path *path, struct span head, struct span payload);

/* The i-th datagram of a message, flat, into OUTBOX_DGRAM_MAX bytes: for tests and simulations. Its size. */
size_t out_msg_dgram(const struct out_msg *m, uint32_t i, uint8_t *ret);

/* Forgets everything; what `full` does after sending. */
void outbox_clear(struct outbox *ob);

#endif
