/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * Keyframe requests of all subscribers of one published stream, folded into at most one PLI per KEYFRAME_GAP; the
 * first goes at once. A wish that comes too early is kept and asked at the end of the gap unless a keyframe arrived
 * meanwhile. A request fulfils the wish: whoever still waits repeats it with every packet of no use to him, so that a
 * lost PLI is repeated and a silent source left alone.
 */
#ifndef SFUD_KEYFRAME_H
#define SFUD_KEYFRAME_H

#include "base/mono.h"

#define KEYFRAME_GAP DUR_MS(500)

struct keyframe {
	bool asked, wanted;
	mono_t last; /* last request sent */
};

/* Someone needs a keyframe. True: send the PLI now. */
bool keyframe_want(struct keyframe *k, mono_t now);
/* A keyframe's first packet arrived: nobody waits any longer. */
void keyframe_seen(struct keyframe *k);
/* True: the gap is over and someone still waits; send the PLI now. */
bool keyframe_due(struct keyframe *k, mono_t now);
mono_t keyframe_next(const struct keyframe *k);

#endif
