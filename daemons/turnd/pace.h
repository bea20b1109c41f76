/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * How long a worker looks away. Waking up costs more than relaying a packet, so when batches come faster than some per nap, the
 * worker naps after each turn and finds several at once, as a network card does that moderates its interrupts. Below that rate
 * everything is relayed when it comes; at very high rates naps are short, because no socket may overflow meanwhile.
 */
#ifndef TURND_PACE_H
#define TURND_PACE_H

#include "base/mono.h"

#define PACE_WINDOW DUR_MS(20) /* the rate is that of the last whole window */
#define PACE_DGRAMS 64         /* no nap collects more, at that rate */

struct pace {
	uint64_t longest; /* us of a nap; 0: never */
	uint64_t nap;     /* at present */
	mono_t since;     /* of the present window … */
	uint64_t batches, dgrams; /* … and what had arrived when it began */
};

void pace_init(struct pace *p, uint64_t longest, mono_t now);
/* The end of a turn; batches and the datagrams in them: all that have arrived so far. Microseconds to look away before the next
 * turn, or 0. */
uint64_t pace_turn(struct pace *p, uint64_t batches, uint64_t dgrams, mono_t now);

#endif
