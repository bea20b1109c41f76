/* SPDX-License-Identifier: AGPL-3.0-only */
/* Sliding anti-replay window over 64-bit counters (RFC 3711 3.3.2, RFC 6479). Check first, mark after
 * authentication. */
#ifndef BASE_REPLAY_H
#define BASE_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

#define REPLAY_WINDOW 1024 /* numbers remembered behind the newest */

struct replay {
	uint64_t top; /* newest number marked; meaningful when any */
	bool any;
	uint64_t bits[REPLAY_WINDOW / 64]; /* ring of words indexed by number / 64 */
};

/* True when the number is neither seen nor older than the window. Changes nothing. */
bool replay_fresh(const struct replay *r, uint64_t number);

/* Remembers an authenticated number. */
void replay_mark(struct replay *r, uint64_t number);

#endif
