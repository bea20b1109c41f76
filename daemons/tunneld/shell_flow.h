/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * A stream of the front and its way to central. Until a channel stands, nothing of the client is read; then bytes go both ways,
 * each read only while the other side takes them, and each side's end is told to the other.
 *
 *   state    begins             ends
 *   dialing  accepted           a channel connected: joined; none did in time, or none was usable: closed, counted
 *   joined   connected          both ways ended; a side broke; the channel went down: closed
 */
#ifndef TUNNELD_SHELL_FLOW_H
#define TUNNELD_SHELL_FLOW_H

#include "tunneld/race.h"
#include "tunneld/tunneld.h"

enum { SIDE_CLIENT, SIDE_CHANNEL };
enum { WAY_UP, WAY_DOWN }; /* from the side of the same number to the other one */

struct side {
	struct channel_stream *s; /* NULL: the client */
	int fd;                   /* -1: a stream that is none */
	bool readable, writable;  /* until a call says otherwise */
	bool ending;              /* a short read need not be the last before the end */
	bool unsure;              /* the latest read was short, and taken for the last: flows_look makes sure */
};

struct pipe {
	struct pipe *next;
	int rd, wr;
};

struct way {
	struct block *block; /* at and n: what is read and not yet written */
	struct pipe *pipe;   /* instead, for bulk */
	uint32_t at;
	size_t n;
	bool eof, done;      /* the source has ended; the destination knows */
	uint8_t full;        /* reads in a row that filled the block */
	size_t moved;        /* in this run */
};

struct attempt {
	struct flow *f;
	struct channel_stream *s; /* NULL: not begun, or over */
};

struct flow {
	struct tunneld *d;
	struct handle self;
	unsigned use;
	int client;            /* its descriptor */
	struct watch *watch;   /* of the client, once joined */
	struct watch *room;    /* of writing to it, from the first time that it would not take all */
	struct chan *chan;     /* once joined */
	struct flow *next, **prev; /* of the same channel */
	struct flow *again_next;
	bool in_again;
	struct dq_node due;    /* while dialing */
	struct race race;
	struct attempt attempt[POOL_CHANNELS];
	struct side side[2];
	struct way way[2];
};

/* A connection that was accepted; only: a channel's slot, or -1. Owns fd. */
void flow_accept(struct tunneld *d, int fd, unsigned use, int only);
/* Frees it. `abort`: both ends are to see that it did not end well. */
void flow_close(struct flow *f, bool abort);
/* Deadlines of dialing flows that have passed. */
void flow_tick(struct tunneld *d, mono_t now);
/* All streams of a channel, those that connect included. */
void flows_reset(struct tunneld *d, uint32_t slot, enum why why);
void flows_again(void *tunneld);
/* A reset that comes together with the last bytes looks like bytes (libevent does not tell them apart), and is told once. So
 * sides that were read but not to their end are read again, a moment later. */
void flows_look(void *tunneld);

/* Tells of room to write to the client, too, from now on. Only then: a Unix socket tells each time that the other end reads.
 * ERR_NOMEM. */
int flow_watch_room(struct flow *f);

enum relay { RELAY_ON, RELAY_ENDED, RELAY_BROKEN, RELAY_AGAIN };
/* Moves what can be moved. AGAIN: there is more, but others wait. */
enum relay relay_run(struct flow *f);
void relay_drop(struct flow *f); /* gives back what it holds */

#endif
