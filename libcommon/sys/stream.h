/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * Byte streams (TCP, Unix): listeners and non-blocking connections with bounded queues, on libevent's
 * bufferevent. A stream belongs to the loop until on_close has run; after that the pointer is dead.
 */
#ifndef SYS_STREAM_H
#define SYS_STREAM_H

#include <sys/types.h>

#include "base/addr.h"
#include "sys/loop.h"

struct stream;
struct stream_listener;

struct stream_ops {
	/* Bytes waiting: return how many were consumed. Called again only when more arrive. */
	size_t (*on_data)(struct stream *s, struct span in);
	/* The last call: by the peer's end of file (0; what is queued is sent first), all sent after stream_finish (0),
	 * an error (-errno), a passed deadline or linger (-ETIMEDOUT), ERR_LIMIT (queue overrun) or stream_close. */
	void (*on_close)(struct stream *s, int why);
};

struct stream_limits { /* neither may be 0 */
	size_t in_max;  /* unconsumed bytes before reading stops */
	size_t out_max; /* unsent bytes before the stream is closed with ERR_LIMIT */
	bool wipe;      /* nothing that was read stays in memory: peers send secrets. Costs in_max bytes per stream */
};

struct stream_peer {
	struct addr addr; /* TCP */
	uid_t uid;        /* Unix: SO_PEERCRED */
	pid_t pid;
};

/* on_accept returns the arg of the new stream, or NULL to refuse (the connection is closed, without on_close). */
struct stream_listen_conf {
	const struct stream_ops *ops;
	struct stream_limits limits;
	uint32_t max_streams; /* further connections are closed at once and counted, as are those on_accept refuses */
	void *(*on_accept)(struct stream *s, const struct stream_peer *peer, void *arg);
	void *arg;
};

/* Takes ownership of fd (a listening socket), also when it fails. -errno, ERR_NOMEM. */
int stream_listen_fd(struct loop *l, int fd, const struct stream_listen_conf *c, struct stream_listener **ret);
/* TCP; addr.port 0 picks one. */
int stream_listen_tcp(struct loop *l, const struct addr *at, const struct stream_listen_conf *c,
		      struct stream_listener **ret);
/* A Unix socket: a stale file is replaced, a live one is -EADDRINUSE. */
int stream_listen_unix(struct loop *l, const char *path, mode_t mode, const struct stream_listen_conf *c,
		       struct stream_listener **ret);
/* Stops accepting and closes; streams live on. NULL allowed. */
void stream_listener_free(struct stream_listener *sl);
struct addr stream_listener_addr(const struct stream_listener *sl);
uint64_t stream_listener_refused(const struct stream_listener *sl);

void *stream_arg(struct stream *s);
/* Queues all or closes (ERR_LIMIT). The close is deferred to the loop: the stream stays valid in this turn. Ignored
 * once the stream is on its way out. */
void stream_write(struct stream *s, struct span out);
size_t stream_unsent(const struct stream *s);
/* Closes now, unsent bytes lost; on_close(why) runs before it returns. Inside on_accept it is deferred. */
void stream_close(struct stream *s, int why);
/* Closes when all is sent or after linger_us. */
void stream_finish(struct stream *s, uint64_t linger_us);
/* Closes with -ETIMEDOUT unless re-armed; MONO_NEVER switches off. */
void stream_deadline(struct stream *s, mono_t at);

#endif
