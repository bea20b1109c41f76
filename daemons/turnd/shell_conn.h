/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * A client's byte stream (TCP, TLS, a forwarded TURNS connection) or DTLS session. Lives in worker.conns and belongs to one
 * worker at a time; conn_move takes it to another, TLS state and unread bytes included.
 *
 *   state   event                            next   does
 *   PROXY   PROXY header read                HELLO  the real client address is known (turns_socket only)
 *   HELLO   handshake done                   FIRST  with ALPN h2, where the server speaks first: PIPE
 *   FIRST   first bytes are a STUN request   TURN   no ChannelData: a fresh connection has no channel, and "GET " looks like one
 *   FIRST   anything else, TLS               PIPE   spliced to the cover site
 *   FIRST   anything else, plain TCP         -      closed
 *   TURN    a whole message                  TURN   worker_input
 *   TURN    ConnectionBind succeeded         PIPE   spliced to the peer (RFC 6062)
 *   any     end of file, error, deadline     -      closed; but a pipe's halves end one by one
 *
 * Nothing here closes a conn under the core: what fails inside a call of the core is broken, and closed when the turn ends.
 */
#ifndef TURND_SHELL_CONN_H
#define TURND_SHELL_CONN_H

#include <sys/queue.h>

#include "turnd/turnd.h"

#define CONNS_MAX 8192            /* of a worker */
#define CONNS_PER_SOURCE 64       /* of a worker, and without an allocation: an IPv4 address, an IPv6 /64 */
#define CONN_OUT_MAX (256 * 1024) /* unsent bytes; a datagram that does not fit is dropped */
#define CONN_IN_FIRST 2048        /* the frame buffer grows from here to TURN_FRAME_MAX */
#define CONN_SETUP_WAIT DUR_SEC(10) /* plain TCP, DTLS: handshake and first message */
#define CONN_TLS_WAIT DUR_SEC(60)   /* TLS: PROXY header and handshake; and then the first byte, as the front's nginx */
#define CONN_IDLE DUR_SEC(60)       /* without an allocation */
#define STREAM_RX (64 * 1024)
#define STREAM_PLAIN (96 * 1024) /* what one read and a kept part of a record decrypt to */
#define STREAM_RECORDS 64        /* of a DTLS datagram */
#define SOURCE_SLOTS 4096

enum conn_state { CONN_PROXY, CONN_HELLO, CONN_FIRST, CONN_TURN, CONN_PIPE };


struct conn {
	struct handle self;
	struct worker *worker;
	struct client client; /* client.conn = self; path as behind the PROXY header */
	enum conn_state state;
	int fd;               /* -1: DTLS */
	struct watch *watch;
	unsigned watching;
	bool stalled, eof;    /* not read: the other side of the pipe is full; there is nothing more to read */
	bool dirty, broken;   /* in streams.dirty; to be closed from there */
	bool finish;          /* our direction ends when all is sent */
	bool counted;         /* against its source, in slot `source` */
	uint16_t source;
	struct tls *tls;      /* NULL: plain TCP */
	uint8_t *in;          /* an unfinished message */
	uint32_t in_n, in_cap;
	uint8_t *out;         /* out_n unsent bytes from out_at on */
	uint32_t out_at, out_n, out_cap;
	struct span rest;     /* while the core has a message: what came behind it */
	mono_t deadline, began, heard; /* heard: the last whole message; 0: none yet */
	struct dq_node timer;
	LIST_ENTRY(conn) dirty_link;
	struct hmap_node by_client; /* DTLS: worker.dtls, when keyed */
	bool keyed;
	struct pipe *pipe;
	uint32_t peer;        /* RFC 6062: the peer's stream it was joined with, or 0 */
};

/* A listening stream socket. */
struct acceptor {
	LIST_ENTRY(acceptor) link;
	struct worker *worker;
	struct watch *watch;
	int fd;
	bool paused; /* out of descriptors */
	void (*admit)(struct acceptor *a, int fd, const struct addr *peer); /* takes fd */
	bool tls;
	struct addr local;
};

/* All of a worker's streams; worker.streams. */
struct streams {
	LIST_HEAD(, acceptor) acceptors;
	LIST_HEAD(, conn) dirty;
	struct acceptor *accepting; /* in its callback; NULL: closed meanwhile */
	struct timer *resume;
	bool starved;               /* out of descriptors, and said so */
	uint32_t next_worker;       /* for connections of turns_socket */
	uint8_t *rx, *plain;        /* wire bytes of one read; what they decrypt to */
	uint32_t plain_n, n_records;
	struct span record[STREAM_RECORDS]; /* DTLS: the messages in `plain` */
	uint16_t *from;             /* SOURCE_SLOTS: conns without an allocation */
	uint64_t from_key[2];
	struct slab peers;          /* shell_peer.c */
	struct hmap peer_ids, peer_ports;
};

/* shell_accept.c. conns_open also makes the tables; it logs what fails. The turn's end must flush: conns_flush. */
int conns_open(struct worker *w);
void conns_close(struct worker *w); /* all of it; before turn_done */
struct acceptor *acceptor_new(struct worker *w, int fd, size_t size); /* of a struct that begins with one; takes fd */
void acceptor_free(struct acceptor *a);
bool source_take(struct conn *c);
void source_give(struct conn *c);

/* shell_conn.c */
void conns_flush(struct worker *w);
void conns_tick(struct worker *w, mono_t now);
mono_t conns_next(const struct worker *w);
/* Takes fd, also when it fails. fd -1: DTLS. Its state and its session are the caller's next step. */
struct conn *conn_new(struct worker *w, int fd, enum via via, const struct path *path);
struct conn *conn_get(const struct worker *w, struct handle h);
void conn_deadline(struct conn *c, mono_t at);
/* False: no room, dropped. Frames (padding) and encrypts. */
bool conn_send(void *owner, struct handle conn, struct span head, struct span payload);
void conn_close(struct worker *w, struct conn *c); /* now; the core hears turn_client_gone */
void conn_break(struct conn *c);                   /* the same when the turn ends */
/* To another worker, together with a message it has to treat first. Not for DTLS: nothing happens. */
void conn_move(struct conn *c, struct worker *to, struct span msg);

/* shell_input.c. Wire bytes have arrived; plaintext has. The conn may be gone or moved afterwards. */
void conn_bytes(struct conn *c, struct span wire);
void conn_plain(struct conn *c, struct span bytes);
void conn_eof(struct conn *c);
/* Starts or moves on: TLS gets its session, plain TCP waits for the first bytes. False: no memory, no certificate. */
bool conn_start(struct conn *c);
struct tls_io conn_io(struct conn *c);
void conn_queue(struct conn *c, struct span wire);
void conn_rewatch(struct conn *c);

/* For pipes. Raw bytes to the client (after TLS); false: broken. When conn_unsent falls to 0, pipe_room is called. */
bool conn_write(struct conn *c, struct span bytes);
uint32_t conn_unsent(const struct conn *c);
void conn_finish(struct conn *c); /* no more to come: close_notify and the end of our direction, after all is sent */
void conn_stall(struct conn *c, bool stalled);

/* shell_pipe.c: bytes both ways between a conn and a file descriptor, with back pressure; ends when both directions have.
 * Takes fd, also when it fails. first: bytes that go to fd before anything else (a PROXY header, what the client has sent). */
int pipe_open(struct conn *c, int fd, struct span first);
void pipe_from_client(struct conn *c, struct span bytes); /* state CONN_PIPE: bytes that arrived */
void pipe_client_eof(struct conn *c);
void pipe_room(struct conn *c);
void pipe_close(struct conn *c);

#endif
