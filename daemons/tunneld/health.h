/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * The health question of a channel: GET over HTTP/1.1, and what an answer is worth. Bytes in, verdict out; whose stream carries
 * them is the shell's business. Only an answer that arrived whole, with a status of 200 to 299, is a pass.
 */
#ifndef TUNNELD_HEALTH_H
#define TUNNELD_HEALTH_H

#include "base/err.h"
#include "base/span.h"

#define HEALTH_HEAD_MAX 8192   /* bytes of an answer's head … */
#define HEALTH_BODY_MAX 65536  /* … and of its body */
#define HEALTH_REQUEST_MAX 1024

/* Why a probe, or a stream's attempt to connect, came to nothing. */
enum why {
	WHY_NONE,        /* it did not: a pass */
	WHY_REFUSED,     /* nobody listens there */
	WHY_UNREACHABLE, /* no route, or a router says so */
	WHY_TIMEOUT,     /* not connected, or no whole answer, in time */
	WHY_RESET,       /* the other end broke it off */
	WHY_SLOW,        /* a stream connected through another channel meanwhile */
	WHY_LOCAL,       /* we could not even try: no memory, descriptors, ports; the channel may be well */
	WHY_CUT,         /* the answer ended before it was whole */
	WHY_GARBAGE,     /* not HTTP/1.1 */
	WHY_TOO_LONG,    /* beyond HEALTH_HEAD_MAX or HEALTH_BODY_MAX */
	WHY_STATUS,      /* a status other than 2xx */
	WHY_MAX_,
};

const char *why_str(enum why w);  /* "refused": a label value */
const char *why_text(enum why w); /* what an operator reads: cause and fix */

/* The request, whole. ERR_MALFORMED: host or path would not be one field, one target. ERR_LIMIT: it does not fit. */
int health_request(struct wr *w, struct span host, struct span path);

/* Where a chunked body is. */
enum chunk {
	CHUNK_SIZE, CHUNK_EXTENSION, CHUNK_SIZE_END,
	CHUNK_DATA, CHUNK_DATA_END, CHUNK_DATA_LF,
	CHUNK_TRAILER, CHUNK_FIELD, CHUNK_FIELD_LF, CHUNK_LAST,
	CHUNK_WHOLE, CHUNK_BAD,
};

struct health {
	uint8_t head[HEALTH_HEAD_MAX];
	size_t n;         /* bytes of head */
	bool has_head, has_length, chunked;
	uint64_t length;  /* of the body, when the answer tells */
	uint64_t body;    /* bytes of it so far */
	enum chunk chunk;
	uint32_t chunk_left;
	bool digits;      /* of the size */
};

void health_begin(struct health *h);
/* More of the answer. 1: the verdict is in *ret; 0: go on. */
int health_input(struct health *h, struct span in, enum why *ret);
/* The other end has no more to say. */
enum why health_end(const struct health *h);

#endif
