/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * Which packets of one received stream are missing, and when to ask for them.
 *
 *   timer    armed by                fires after               does
 *   ask      a gap                   NACK_REORDER              first NACK
 *   again    asked, still missing    rtt, at least NACK_MIN    next NACK, NACK_TRIES times in all
 *   give up  a gap                   NACK_GIVE_UP, or tries    forgets the number; *ret_lost counts it
 */
#ifndef SFUD_NACK_H
#define SFUD_NACK_H

#include "base/mono.h"

#define NACK_MAX 256              /* numbers missing at once; a larger gap forgets the oldest */
#define NACK_REORDER DUR_MS(5)
#define NACK_MIN DUR_MS(20)
#define NACK_TRIES 10
#define NACK_GIVE_UP DUR_SEC(1)

struct nack_item {
	uint64_t seq; /* extended */
	mono_t since, due;
	uint8_t tries;
};

struct nack {
	bool started;
	uint64_t top;
	uint32_t n;
	struct nack_item item[NACK_MAX]; /* ascending by seq */
};

/* A packet arrived (also by RTX): closes its gap, or opens gaps up to it. Returns the numbers given up for lack of
 * room. */
uint32_t nack_seen(struct nack *k, uint64_t seq, mono_t now);
/* The numbers to ask for now, ascending, `max` at most; count. *ret_lost grows by those given up. */
uint32_t nack_due(struct nack *k, mono_t now, uint64_t rtt_us, uint16_t *ret, uint32_t max, uint32_t *ret_lost);
mono_t nack_next(const struct nack *k);
void nack_reset(struct nack *k);

#endif
