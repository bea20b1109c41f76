/* SPDX-License-Identifier: AGPL-3.0-only */
/* The daemon: one loop, one pool. Only main.c and shell*.c include this. */
#ifndef TUNNELD_TUNNELD_H
#define TUNNELD_TUNNELD_H

#include "base/dq.h"
#include "sys/edge_control.h"
#include "sys/prom.h"
#include "tunneld/blocks.h"
#include "tunneld/tunneld_conf.h"

#define BLOCKS_LARGE 512 /* 32 MiB of bytes on their way, and BLOCK_SMALL for each way of a stream beyond */
#define DOOR_MODE 0660
#define DOOR_PATH_MAX (CONF_TEXT_MAX + CHANNEL_NAME_MAX + 1)

struct flow;   /* shell_flow.h */
struct pipes;  /* shell_relay.c */
struct probe;  /* shell_health.c */

/* Why an accepted connection was closed without a channel. */
enum refusal { REFUSED_DOWN, REFUSED_CONNECT, REFUSED_LIMIT, REFUSED_DRAINING, REFUSED_MEMORY, REFUSED_MAX_ };

/* A socket that streams come in by. */
struct door {
	struct tunneld *d;
	struct watch *watch; /* NULL: takes a break, because it could not accept */
	unsigned use;        /* an order, or ORDER_MAX_: one channel's … */
	uint32_t slot;       /* … this one */
	int fd;              /* -1: none */
	bool own;            /* bound by us: the file goes with it */
	char path[DOOR_PATH_MAX];
};

/* What the pool's slot of the same number really is. */
struct chan {
	struct tunneld *d;
	uint32_t slot;
	struct channel_conf conf;
	void *impl;         /* of conf.type; NULL: the slot is free */
	struct door door;
	struct probe *probe;
	struct flow *flows; /* connected through it */
};

struct tunneld {
	struct tunneld_conf conf;
	const char *conf_path;
	struct loop *loop;
	struct pool pool;
	struct chan chan[POOL_SLOTS];
	struct door door[ORDER_MAX_];
	struct slab flows;
	struct dq dials;         /* flows that connect */
	struct flow *again;      /* flows that had their share of this turn */
	struct blocks blocks;
	struct pipes *pipes;
	struct timer *timer;     /* the earliest of pool and dials … */
	mono_t armed;            /* … or earlier: it is moved forwards only */
	struct timer *again_timer, *door_timer, *watch_timer, *look_timer;
	bool looking;            /* look_timer is armed */
	struct http_small *metrics;
	struct prom_page page;
	struct varlink *control;
	struct edge_control edge;
	mono_t drain_by;         /* MONO_NEVER while serving */
	bool stopping;
	struct tunneld_stats {
		uint64_t accepted[ORDER_MAX_ + 1], refused[REFUSED_MAX_];
		uint64_t ended, aborted; /* streams that had a channel: by both ends, otherwise */
		uint64_t spliced;        /* bytes that took a pipe */
	} n;
};

/* shell.c. Every function that returns an error has logged it. */
int tunneld_open(struct tunneld *d);
int tunneld_loop(struct tunneld *d);
void tunneld_close(struct tunneld *d);
int tunneld_reload(struct tunneld *d, struct wr *frozen);
void tunneld_drain(struct tunneld *d, uint64_t limit);

/* shell_chans.c: the channels as the configuration has them */
int chans_open(struct tunneld *d);
/* On what is running. On failure nothing has changed. */
int chans_reload(struct tunneld *d, const struct tunneld_conf *fresh);
void chans_close(struct tunneld *d);
/* The slot is free: ends what is left of the channel. */
void chan_free(struct chan *c);
/* A stream ended or was not to be: a retired channel may be free now. */
void chan_left(struct chan *c, unsigned use);

/* shell_accept.c */
int door_open(struct door *o, int fd);  /* serves a listening socket, which it owns, also when it fails. ERR_NOMEM */
void door_close(struct door *o);        /* NULL path: it was never open */
int doors_open(struct tunneld *d);
void doors_retry(void *tunneld);
void doors_sweep(const char *dir);      /* socket files that nobody answers on */

/* shell_health.c */
enum why why_of(int err); /* of -errno and enum err */
void probe_begin(struct chan *c);
void probe_free(struct chan *c);

/* shell_relay.c */
int pipes_open(struct tunneld *d);
void pipes_close(struct tunneld *d);

/* shell_metrics.c, shell_ctl.c */
void metrics_write(struct tunneld *d, struct wr *w);
int metrics_open(struct tunneld *d);
int ctl_open(struct tunneld *d);

#endif
