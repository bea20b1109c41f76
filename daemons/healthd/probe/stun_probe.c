/* SPDX-License-Identifier: AGPL-3.0-only */
#include "healthd/probe/stun_probe.h"

static void end(struct stun_probe *p, enum probe_why why, uint16_t code)
{
	p->end = (struct probe_end){ .why = why, .code = code };
	stun_tx_stop(&p->tx);
}

void stun_probe_init(struct stun_probe *p, const struct addr *server, bool reliable, mono_t deadline, struct rng *rng,
		     mono_t now)
{
	struct wr w;

	*p = (struct stun_probe){ .server = *server, .deadline = deadline };
	w = stun_tx_begin(&p->tx, STUN_REQUEST, STUN_BINDING, rng);
	stun_put_fingerprint(&w);
	(void)stun_tx_start(&p->tx, &w, reliable, now); /* 28 bytes fit */
}

void stun_probe_input(struct stun_probe *p, const struct addr *from, struct span msg, mono_t now)
{
	struct stun_msg m;

	if (p->end.why != PROBE_GOING)
		return;
	if (!addr_eq(from, &p->server) || stun_parse(msg, &m) < 0 || !stun_tx_is_answer(&p->tx, &m)) {
		p->strange = true;
		return;
	}
	p->us = mono_since(now, p->tx.first);
	if (m.cls == STUN_ERROR)
		end(p, PROBE_CODE, m.error);
	else
		end(p, addr_is_unset(&m.mapped) ? PROBE_GARBAGE : PROBE_OK, 0);
}

struct span stun_probe_tick(struct stun_probe *p, mono_t now)
{
	if (p->end.why == PROBE_GOING && mono_reached(now, p->deadline))
		end(p, p->strange ? PROBE_GARBAGE : PROBE_TIMEOUT, 0);
	return stun_tx_due(&p->tx, now);
}

mono_t stun_probe_next(const struct stun_probe *p)
{
	return p->end.why == PROBE_GOING ? mono_min(stun_tx_next(&p->tx), p->deadline) : MONO_NEVER;
}
