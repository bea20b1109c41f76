/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * How one new stream finds its channel: a staggered race. The candidates are begun in their order, the next one when an attempt
 * failed or RACE_STAGGER after the last one began; the first that connects wins, the others are closed. At the limit all
 * are given up. The stagger is shorter when there are so many candidates that the last would never be tried.
 *
 *   deadline  armed by            fires after                      does
 *   next      an attempt began    RACE_STAGGER, or a fair share    begins the next candidate
 *   limit     the stream came     the limit                        gives up
 */
#ifndef TUNNELD_RACE_H
#define TUNNELD_RACE_H

#include "tunneld/pool.h"

#define RACE_STAGGER DUR_MS(400)

struct race {
	struct pool_list cand;
	uint32_t begun;         /* candidates begun, in order */
	uint32_t pending;       /* bit of the candidate: neither failed nor connected */
	mono_t began, next_at, limit_at;
	uint64_t stagger;
};

void race_init(struct race *c, const struct pool_list *cand, uint64_t limit_us, mono_t now);
/* The index of the candidate to begin now, or -1. Call until it says so. */
int race_begin(struct race *c, mono_t now);
void race_failed(struct race *c, uint32_t index);
/* Nothing is pending and nothing left to begin, or time is up. */
bool race_over(const struct race *c, mono_t now);
mono_t race_next(const struct race *c);

#endif
