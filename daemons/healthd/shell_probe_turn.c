/* SPDX-License-Identifier: AGPL-3.0-only */
#include <stdio.h>

#include "base/slab.h"
#include "healthd/probe/turn_probe.h"
#include "healthd/shell_probe_stun.h"

#define IN_MAX 4096
#define REALM_MAX 256
#define NAME_MAX_ 256
#define FILE_MAX_ 512
#define SERVICE "oxpulse-turnd"
#define LIST_SESSIONS "varlinkctl call /run/oxpulse-partner-edge/turnd io.oxpulse.Turn.ListSessions {}"

struct turn_run;

struct turn_run_leg {
	struct turn_run *run;
	struct leg *leg;
	uint32_t index;
	bool open;
};

struct turn_run {
	struct probe p;
	struct turn_run_leg leg[TURN_PROBE_LEGS];
	struct addr at;
	enum probe_transport transport;
	struct secret secret;
	bool asking, has_realm;
	struct leg_end ended; /* of the leg that ended it */
	struct turn_probe core;
	char realm[REALM_MAX], name[NAME_MAX_], ca_file[FILE_MAX_];
};

/* --- outcome ------------------------------------------------------------------------------------------------------ */

static const struct refusal {
	uint16_t code;
	const char *meaning, *fix;
} refusals[] = {
	{ TURN_ERR_FORBIDDEN, "it does not relay to its own relayed addresses",
	  "RelayAddress and ExternalAddress of turnd.conf must be this host's, and Probe.TurnAddress the public one" },
	{ TURN_ERR_MISMATCH, "an allocation of the same port is still there",
	  "an earlier probe was not released; its allocation ends within Policy.ProbeLifetime of turnd.conf" },
	{ TURN_ERR_FAMILY, "it does not relay for that address family",
	  "give turnd a RelayAddress of the family of Probe.TurnAddress" },
	{ TURN_ERR_PEER_FAMILY, "its two relayed addresses are of different families",
	  "see RelayAddress and ExternalAddress of turnd.conf" },
	{ TURN_ERR_TRANSPORT, "it does not relay UDP", "see which TURN server listens there: ss -lpn" },
	{ TURN_ERR_QUOTA, "allocation quota reached",
	  "probes of earlier runs were not released, or Policy.UserQuota is too small; look at `" LIST_SESSIONS "`" },
	{ TURN_ERR_CAPACITY, "no capacity left, or it is draining",
	  "wait for the drain's end, or raise Policy.TotalQuota of turnd.conf; look at `" LIST_SESSIONS "`" },
	{ TURN_ERR_STALE_NONCE, "no nonce of its own is fresh enough for it", "restart it: systemctl restart " SERVICE },
};

static void explain_code(struct turn_run *run, uint16_t code)
{
	struct refusal r = { code, "see RFC 8656 19", "look at the journal of turnd: journalctl -u " SERVICE };
	char reason[24];

	for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
		if (refusals[i].code == code)
			r = refusals[i];
	}
	snprintf(reason, sizeof(reason), "auth-%u", code);
	probe_fail(&run->p, reason, r.fix, "turnd answered %u (%s)", code, r.meaning);
}

static void explain_timeout(struct turn_run *run, uint8_t step)
{
	const char *via = probe_transport_str(run->transport);
	char at[ADDR_TEXT_MAX];

	addr_fmt(&run->at, at);
	if (step == TURN_PROBE_DATUM_SENT)
		probe_fail(&run->p, "timeout", "check ExternalAddress of turnd.conf, and that the firewall lets its relay ports in",
			   "turnd at %s granted two allocations, but what one sent to the other did not come back", at);
	else
		probe_fail(&run->p, "timeout",
			   "see that turnd runs (systemctl status " SERVICE ") and that the firewall lets its port in",
			   "no answer from turnd at %s over %s to %s", at, via,
			   step == TURN_PROBE_PERMIT ? "CreatePermission" : "Allocate");
}

static void explain(struct turn_run *run)
{
	const struct probe_end *e = &run->core.end;
	char at[ADDR_TEXT_MAX];

	addr_fmt(&run->at, at);
	switch (e->why) {
	case PROBE_AUTH:
		probe_fail(&run->p, "auth",
			   "healthd and turnd must have the same turn-secret: apply the configuration again, or reload both",
			   "turnd at %s does not take our time-limited credential", at);
		return;
	case PROBE_CODE:
		explain_code(run, e->code);
		return;
	case PROBE_GARBAGE:
		probe_fail(&run->p, "garbage", "see which program listens there: ss -lpn",
			   "what answers at %s is no TURN server of ours", at);
		return;
	case PROBE_CLOSED:
		probe_fail_leg(&run->p, "turnd", SERVICE, &run->at, &run->ended);
		return;
	case PROBE_GOING:
	case PROBE_OK:
	case PROBE_TIMEOUT:
	case PROBE_NO_ADDRESS:
		break;
	}
	explain_timeout(run, e->step);
}

static void flush(struct turn_run *run)
{
	struct turn_probe_box *b = &run->core.box;

	for (uint32_t i = 0; i < b->n; i++) {
		struct leg *leg = run->leg[b->out[i].leg].leg;

		if (leg)
			leg_send(leg, span_of(b->out[i].b, b->out[i].n));
	}
	b->n = 0;
}

static void turn(struct turn_run *run)
{
	flush(run);
	run->p.result.certificate_until = leg_certificate_until(run->leg[0].leg);
	if (run->core.step != TURN_PROBE_DONE)
		probe_wake(&run->p, turn_probe_next(&run->core));
	else if (run->core.end.why == PROBE_OK)
		probe_ok(&run->p, "allocate", run->core.us);
	else
		explain(run);
}

/* --- the legs ----------------------------------------------------------------------------------------------------- */

static void begin(struct turn_run *run)
{
	mono_t now = loop_now(run->p.env.loop);
	const struct turn_probe_conf c = {
		.server = run->at,
		.secret = secret_span(&run->secret),
		.realm = run->has_realm ? run->realm : NULL,
		.wall = loop_wall(run->p.env.loop),
		.reliable = run->transport != PROBE_UDP,
		.deadline = probe_main_deadline(&run->p),
		.release_us = probe_tail(&run->p),
	};
	int r = turn_probe_init(&run->core, &c, &run->p.rng, now);

	run->asking = r == 0;
	if (r < 0)
		probe_fail(&run->p, OV_REASON_LOCAL, "see what this host is short of",
			   "no credential could be made: %s", err_str(r));
	else
		turn(run);
}

static void on_open(void *arg)
{
	struct turn_run_leg *l = arg;

	l->open = true;
	if (l->run->leg[0].open && l->run->leg[1].open && !l->run->p.settled)
		begin(l->run);
}

static size_t on_stream(struct turn_run_leg *l, struct span in, mono_t now)
{
	size_t n, used = 0;
	int r;

	while ((r = turn_frame(span_of(in.p + used, in.n - used), &n)) == 0) {
		turn_probe_input(&l->run->core, l->index, &l->run->at, span_of(in.p + used, n), now);
		used += n;
	}
	if (r == ERR_SHORT)
		return used;
	l->run->ended = (struct leg_end){ .r = ERR_LIMIT, .why = "its bytes are neither STUN nor ChannelData" };
	turn_probe_lost(&l->run->core, l->index, now);
	return in.n;
}

static size_t on_data(void *arg, struct span in)
{
	struct turn_run_leg *l = arg;
	mono_t now = loop_now(l->run->p.env.loop);
	size_t used = in.n;

	if (l->run->p.settled || !l->run->asking)
		return in.n;
	if (l->run->transport == PROBE_UDP)
		turn_probe_input(&l->run->core, l->index, &l->run->at, in, now);
	else
		used = on_stream(l, in, now);
	turn(l->run);
	return used;
}

/* What the other leg may hold is released first; the words are kept until then. */
static void on_closed(void *arg, const struct leg_end *e)
{
	struct turn_run_leg *l = arg;
	struct turn_run *run = l->run;

	if (run->p.settled)
		return;
	run->ended = *e;
	if (!run->asking) {
		run->p.result.certificate_until = leg_certificate_until(l->leg);
		probe_fail_leg(&run->p, "turnd", SERVICE, &run->at, e);
		return;
	}
	turn_probe_lost(&run->core, l->index, loop_now(run->p.env.loop));
	turn(run);
}

static const struct leg_ops leg_ops = { on_open, on_data, on_closed };

/* --- life --------------------------------------------------------------------------------------------------------- */

static void tick(struct probe *p, mono_t now)
{
	struct turn_run *run = CONTAINER_OF(p, struct turn_run, p);

	if (!run->asking) {
		explain_timeout(run, TURN_PROBE_ALLOCATE);
		return;
	}
	turn_probe_tick(&run->core, now);
	turn(run);
}

static void abandon(struct probe *p, mono_t now)
{
	struct turn_run *run = CONTAINER_OF(p, struct turn_run, p);

	if (!run->asking)
		return;
	turn_probe_abandon(&run->core, now);
	flush(run);
}

static void close_turn(struct probe *p)
{
	struct turn_run *run = CONTAINER_OF(p, struct turn_run, p);

	for (uint32_t i = 0; i < TURN_PROBE_LEGS; i++)
		leg_free(run->leg[i].leg);
	turn_probe_done(&run->core);
	secret_done(&run->secret);
}

static const struct probe_kind kind = { tick, abandon, close_turn };

static int dial(struct turn_run *run)
{
	const struct leg_conf c = { run->at, run->transport, run->name, run->ca_file, IN_MAX };
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < TURN_PROBE_LEGS; i++) {
		run->leg[i].run = run;
		run->leg[i].index = i;
		r = leg_new(run->p.env.loop, &c, &leg_ops, &run->leg[i], &run->leg[i].leg);
	}
	return r;
}

static int degraded(const struct probe_env *e, const struct probe_turn *q, probe_fn *fn, void *arg, struct probe **ret)
{
	const struct probe_stun s = { q->at, q->transport, q->name, q->ca_file };

	return probe_stun_mode(e, &s, "stun-degraded", fn, arg, ret);
}

int probe_turn(const struct probe_env *e, const struct probe_turn *q, probe_fn *fn, void *arg, struct probe **ret)
{
	struct turn_run *run;
	int r;

	if (!q->secret || q->secret->n == 0)
		return degraded(e, q, fn, arg, ret);
	run = probe_new(e, &kind, sizeof(*run), fn, arg);
	if (!run)
		return ERR_NOMEM;
	run->at = q->at;
	run->transport = q->transport;
	run->secret = *q->secret;
	run->has_realm = q->realm != NULL;
	snprintf(run->realm, sizeof(run->realm), "%s", q->realm ? q->realm : "");
	snprintf(run->name, sizeof(run->name), "%s", q->name ? q->name : "");
	snprintf(run->ca_file, sizeof(run->ca_file), "%s", q->ca_file ? q->ca_file : "");
	r = dial(run);
	if (r < 0)
		probe_fail_local(&run->p, run->ca_file, r);
	if (ret)
		*ret = &run->p;
	return 0;
}
