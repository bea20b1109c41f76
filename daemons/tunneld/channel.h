/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * What a type of channel is to the rest: one file with one table of these calls. Pool and shell know nothing else of it.
 *
 * A stream is bytes both ways, each way ended on its own, and need not be a descriptor:
 *   - `read` and `write` do what they can at once. -EAGAIN, or less than asked, is a promise: `ready` tells when there is more
 *     to read (the end and failure included), or room to write. So backpressure goes through: what nobody reads stays in the
 *     type (a QUIC or HTTP/2 stream gives its window back as it is read), and a type takes no more than it has room for.
 *   - A type whose stream is a plain descriptor says so in `fd`: then it is read, written and spliced directly, and
 *     `ready` goes on telling. It may set `fd` as late as before `opened`.
 *   - A failure of what carries many streams is each stream's: `ready`, and -errno from the next call. The channel's owner
 *     hears of it once through `broken`, so that the pool asks for a probe now and not in ten seconds.
 */
#ifndef TUNNELD_CHANNEL_H
#define TUNNELD_CHANNEL_H

#include <stddef.h>

#include "base/err.h"
#include "base/span.h"

#define CHANNEL_NAME_MAX 32
#define CHANNEL_TEXT_MAX 256

enum {
	CHAN_READ = 1,  /* there may be something to read */
	CHAN_WRITE = 2, /* there may be room */
	CHAN_END = 4,   /* with CHAN_READ: the end or a failure is near; do not rely on another `ready` before it */
};

struct loop;
struct channel_type;

struct channel_conf {
	char name[CHANNEL_NAME_MAX];
	char address[CHANNEL_TEXT_MAX];
	const struct channel_type *type;
};

/* Who has a stream. Both may close it. */
struct channel_user {
	/* Once, never inside `open`. 0 and what is ready already; or -errno, then the stream is to be closed. */
	void (*opened)(void *arg, int err, unsigned events);
	void (*ready)(void *arg, unsigned events);
};

/* The first member of each type's own struct. */
struct channel_stream {
	const struct channel_type *type;
	const struct channel_user *user;
	void *arg;
	int fd; /* -1: none */
};

struct channel_owner {
	void (*broken)(void *arg, int err);
	void *arg;
};

struct channel_type {
	const char *name; /* Type= */
	/* Whether the configuration can be used; why not, in words, as wire/conf's types do it. */
	int (*check)(const struct channel_conf *c, struct wr *why);
	/* Connects nothing yet, or begins to; `c` is copied. -errno, ERR_NOMEM. */
	int (*start)(struct loop *l, const struct channel_conf *c, const struct channel_owner *o, void **ret);
	/* After its last stream was closed. NULL allowed. */
	void (*stop)(void *channel);
	/* Begins a stream. -errno, ERR_NOMEM. */
	int (*open)(void *channel, const struct channel_user *u, void *arg, struct channel_stream **ret);
	/* Bytes, 0 at the end, -errno. */
	ptrdiff_t (*read)(struct channel_stream *s, void *buf, size_t n);
	ptrdiff_t (*write)(struct channel_stream *s, const void *buf, size_t n);
	void (*end)(struct channel_stream *s); /* no more to write */
	/* Frees it, whatever its state; `abort`: the other end is to learn that it did not end well. */
	void (*close)(struct channel_stream *s, bool abort);
};

/* By name; NULL: there is none. names: those there are, for a message. */
const struct channel_type *channel_type(const char *name);
const char *channel_type_names(void);

extern const struct channel_type channel_tcp;

#endif
