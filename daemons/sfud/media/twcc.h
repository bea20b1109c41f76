/* SPDX-License-Identifier: AGPL-3.0-only */
/* Transport-wide congestion control, receiving side: arrival times of one publisher's packets, reported every
 * TWCC_INTERVAL (draft-holmer-rmcat-transport-wide-cc-extensions-01 3.1). */
#ifndef SFUD_TWCC_H
#define SFUD_TWCC_H

#include "base/mono.h"
#include "base/span.h"

#define TWCC_INTERVAL DUR_MS(50)
#define TWCC_WINDOW 2048 /* packets remembered between two reports; older ones are not reported */

struct twcc {
	bool started;
	uint64_t base, top;            /* first to report, newest (extended) */
	uint8_t count;                 /* feedback packet count */
	mono_t next;                   /* MONO_NEVER while nothing is to report */
	uint32_t at_us[TWCC_WINDOW];   /* arrival, low 32 bits of microseconds; 0 = not received */
};

void twcc_init(struct twcc *t);
/* A late packet, reported as missing already, is reported again together with all behind it. */
void twcc_seen(struct twcc *t, uint16_t seq, mono_t now);
/* Appends RTCP feedback packets for all that arrived since the last call, as many as needed, until w has no room
 * for another. False when nothing was appended. What found no room stays due. */
bool twcc_report(struct twcc *t, struct wr *w, uint32_t sender, uint32_t media, mono_t now);
mono_t twcc_next(const struct twcc *t);

/* The inverse, for tests and load generators, of one feedback packet behind its RTCP header: calls fn for each packet
 * reported. delta_us: since the received packet before it, for the first one since the reference time; 0 when not
 * received. ERR_SHORT, ERR_MALFORMED (then fn is never called). */
int twcc_read(struct span body, void (*fn)(void *arg, uint16_t seq, bool received, int64_t delta_us), void *arg);

#endif
