/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * The channels to central: which of them are well, and in which order a new stream tries them. A total function of what was
 * observed; time is passed in, streams and sockets are the shell's.
 *
 *   state     begins                         new streams           ends
 *   unknown   the channel is new             after those up        `passes` passes in a row: up; `fails` fails in a row: down
 *   up        `passes` passes                first                 `fails` fails: down; its streams are reset
 *   down      `fails` fails                  never                 `passes` passes: up
 *
 * A channel whose latest probe failed, or that a stream could not connect through, is a suspect: it keeps its state, but comes
 * after the others until a probe passes; in the latter case, until a stream connects. So a new stream need not wait for three
 * probes to avoid what just failed, nor what accepts everything and answers nothing.
 *
 * What could not even be tried (WHY_LOCAL) says nothing of a channel: it is counted, no more. Or else whoever uses up our
 * descriptors would make us end the streams there are.
 *
 *   deadline  armed by                       fires after           does
 *   probe     a channel is new               at once               asks for a probe
 *   probe     a probe ended, up or down      interval              asks for a probe
 *   probe     a probe ended, unknown         interval, 1 s at most asks for a probe
 *   probe     it could not be tried          interval, 1 s at most asks for a probe
 *   probe     the channel's carrier broke    at once               asks for a probe
 *
 * A channel that a new configuration does not have retires: it takes no new streams, is probed while it has any, and is gone
 * when they are, or when it is down.
 */
#ifndef TUNNELD_POOL_H
#define TUNNELD_POOL_H

#include "base/mono.h"
#include "tunneld/health.h"

#define POOL_CHANNELS 6                  /* of a configuration */
#define POOL_SLOTS (2 * POOL_CHANNELS)   /* with those that retire */
#define POOL_EAGER DUR_SEC(1)            /* between probes of a channel that nothing is known of */

enum order { ORDER_WEB, ORDER_WS, ORDER_MAX_ };
enum pool_state { POOL_UNKNOWN, POOL_UP, POOL_DOWN, POOL_STATE_MAX_ };
enum pool_change { POOL_SAME, POOL_WENT_UP, POOL_WENT_DOWN };

struct pool_conf {
	uint64_t interval; /* us between the end of a probe and the next one */
	uint32_t passes, fails;
};

/* Slots of channels. */
struct pool_list {
	uint32_t n;
	uint8_t slot[POOL_CHANNELS];
};

struct pool_counts {
	uint64_t streams, failovers, resets;  /* connected; of these, not by their first choice; ended because it went down */
	uint64_t connect_failed[WHY_MAX_];
	uint64_t probes[WHY_MAX_];            /* by what they came to */
	uint64_t connect_us_max;              /* the longest a stream waited for its connection, failed attempts included */
	uint64_t bytes[ORDER_MAX_ + 1][2];    /* to central, from central; the last row: the channel's own socket */
};

struct pool_channel {
	bool used, retired, suspect, probing;
	enum pool_state state;
	mono_t since;       /* of the state */
	mono_t probe_at;    /* MONO_NEVER while probing */
	uint32_t passes, fails; /* in a row, the latest */
	uint64_t rtt, rtt_smooth; /* us; 0: none yet */
	enum why error;     /* the latest that went wrong */
	mono_t error_at;
	uint64_t open[ORDER_MAX_ + 1]; /* streams */
	struct pool_counts n;
};

struct pool {
	struct pool_conf conf;
	struct pool_channel ch[POOL_SLOTS];
	struct pool_list order[ORDER_MAX_];
};

void pool_init(struct pool *p, const struct pool_conf *c);
/* A new channel in a free slot, its probe due at once; the slot, or ERR_LIMIT. */
int pool_add(struct pool *p, mono_t now);
/* Its slot is free when this says so: at once without streams. */
bool pool_retire(struct pool *p, uint32_t slot);
/* Its slot is free. */
void pool_drop(struct pool *p, uint32_t slot);
void pool_set_order(struct pool *p, enum order o, const struct pool_list *l);

/* Whom a new stream tries, best first: those up, suspects among them last, then those unknown likewise. None down. */
void pool_choose(const struct pool *p, enum order o, struct pool_list *ret);

/* The earliest probe that is due; MONO_NEVER: none. */
mono_t pool_next(const struct pool *p);
/* A channel whose probe is to begin now, or -1. Call until it says so. */
int pool_tick(struct pool *p, mono_t now);
/* It ended; rtt: of a pass, us. WENT_DOWN: its streams are to be reset. A probe that nobody began is ignored. */
enum pool_change pool_probed(struct pool *p, uint32_t slot, enum why why, uint64_t rtt, mono_t now);
/* What carries all streams of the channel broke: a probe is due. */
void pool_broken(struct pool *p, uint32_t slot, enum why why, mono_t now);

/* A stream's attempt to connect ended. */
void pool_connected(struct pool *p, uint32_t slot, bool failover, uint64_t waited_us);
void pool_failed(struct pool *p, uint32_t slot, enum why why, mono_t now);
/* A stream of a channel began or ended; `use` is an order, or ORDER_MAX_ for the channel's own socket. */
void pool_opened(struct pool *p, uint32_t slot, unsigned use);
/* True: that was the last one of a retired channel, whose slot is free now. */
bool pool_closed(struct pool *p, uint32_t slot, unsigned use);
uint64_t pool_open(const struct pool *p, uint32_t slot);

const char *pool_state_str(enum pool_state s);

#endif
