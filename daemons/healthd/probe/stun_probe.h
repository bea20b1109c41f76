/* SPDX-License-Identifier: AGPL-3.0-only */
/* A STUN Binding (RFC 8489 2): asks until there is an answer with an address in it. Pure; one per probe, embedded. */
#ifndef HEALTHD_STUN_PROBE_H
#define HEALTHD_STUN_PROBE_H

#include "healthd/probe/probe_end.h"
#include "healthd/probe/stun_tx.h"

struct stun_probe {
	struct stun_tx tx;
	struct probe_end end;
	bool strange; /* something came that was no answer */
	struct addr server;
	uint64_t us;  /* round trip, once ok */
	mono_t deadline;
};

/* server: who alone may answer. */
void stun_probe_init(struct stun_probe *p, const struct addr *server, bool reliable, mono_t deadline, struct rng *rng,
		     mono_t now);
/* One datagram, or one message that turn_frame cut out of a stream. */
void stun_probe_input(struct stun_probe *p, const struct addr *from, struct span msg, mono_t now);
/* The bytes to send now; empty: none. Call after init, and when next has come. */
struct span stun_probe_tick(struct stun_probe *p, mono_t now);
mono_t stun_probe_next(const struct stun_probe *p);

#endif
