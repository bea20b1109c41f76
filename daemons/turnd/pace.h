/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * How long a worker looks away. Waking up may cost more than relaying a packet, so when batches come faster than some per nap,
 * the worker naps after each turn and finds several at once, as a network card does that moderates its interrupts. Below that
 * rate everything is relayed when it comes; at very high rates naps are short, because no socket may overflow meanwhile.
 *
 * Whether naps pay depends on the machine and on who receives, so it is measured: processor time per datagram with and without
 * them. Naps must win clearly, since they cost delay; the other way is tried again now and then.
 */
#ifndef TURND_PACE_H
#define TURND_PACE_H

#include "base/mono.h"

#define PACE_WINDOW DUR_MS(50)
#define PACE_DGRAMS 64 /* no nap collects more, at the window's rate */
#define PACE_TRY 20    /* one window in so many goes the other way */

struct pace {
	uint64_t longest;    /* us of a nap; 0: never */
	uint64_t nap;        /* at present */
	mono_t since;        /* of the present window … */
	uint64_t batches, dgrams, cpu_ns; /* … and what had been counted when it began */
	uint64_t cost[2];    /* picoseconds per datagram without and with naps; 0: not known */
	uint64_t rate;       /* datagrams per second that they were seen at */
	uint32_t windows;    /* since the other way was tried */
};

void pace_init(struct pace *p, uint64_t longest, mono_t now);

static inline bool pace_due(const struct pace *p, mono_t now)
{
	return mono_since(now, p->since) >= PACE_WINDOW;
}

/* A window is over. Batches, the datagrams in them and the thread's processor time: all so far. Sets p->nap. */
void pace_window(struct pace *p, uint64_t batches, uint64_t dgrams, uint64_t cpu_ns, mono_t now);

#endif
