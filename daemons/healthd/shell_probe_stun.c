/* SPDX-License-Identifier: AGPL-3.0-only */
/* STUN Binding: at an address of ours, of a TURN server we have no secret for, or of a peer whose name is resolved and
 * vetted first. */
#include <stdio.h>

#include "base/slab.h"
#include "healthd/probe/stun_probe.h"
#include "healthd/probe/vet.h"
#include "healthd/shell_probe_stun.h"
#include "sys/resolve.h"
#include "wire/turn.h"

#define IN_MAX 4096
#define NAME_MAX_ 256
#define FILE_MAX_ 512

struct stun_run {
	struct probe p;
	struct resolve *resolve;
	struct leg *leg;
	struct stun_probe core;
	struct addr at;
	enum probe_transport transport;
	bool asking, allow_internal;
	const char *who, *service; /* static */
	const char *mode;
	char name[NAME_MAX_], ca_file[FILE_MAX_];
};

/* --- outcome ------------------------------------------------------------------------------------------------------ */

static void explain(struct stun_run *run)
{
	const struct probe_end *e = &run->core.end;
	const char *fix = run->service ? "look at the journal of turnd, and at the firewall's rule for this port"
				       : "nothing to do on this node: tell the operator of the peer";
	const char *via = probe_transport_str(run->transport);
	char at[ADDR_TEXT_MAX], reason[24];

	addr_fmt(&run->at, at);
	snprintf(reason, sizeof(reason), "auth-%u", e->code); /* central's words for a refusal */
	if (e->why == PROBE_CODE)
		probe_fail(&run->p, reason, fix, "%s at %s refused a STUN Binding with %u", run->who, at, e->code);
	else if (e->why == PROBE_GARBAGE)
		probe_fail(&run->p, "garbage", fix, "what answers at %s over %s is no STUN server", at, via);
	else
		probe_fail(&run->p, "timeout", fix, "no answer to a STUN Binding from %s at %s over %s", run->who, at, via);
}

static void turn(struct stun_run *run, mono_t now)
{
	struct span out = stun_probe_tick(&run->core, now);

	if (out.n)
		leg_send(run->leg, out);
	run->p.result.certificate_until = leg_certificate_until(run->leg);
	if (run->core.end.why == PROBE_OK)
		probe_ok(&run->p, run->mode, run->core.us);
	else if (run->core.end.why != PROBE_GOING)
		explain(run);
	else
		probe_wake(&run->p, stun_probe_next(&run->core));
}

/* --- the leg ------------------------------------------------------------------------------------------------------ */

static void on_open(void *arg)
{
	struct stun_run *run = arg;
	mono_t now = loop_now(run->p.env.loop);

	run->asking = true;
	stun_probe_init(&run->core, &run->at, run->transport != PROBE_UDP, run->p.deadline, &run->p.rng, now);
	turn(run, now);
}

/* A stream that is no STUN is garbage at once: there is nothing to wait for. */
static size_t on_data(void *arg, struct span in)
{
	struct stun_run *run = arg;
	mono_t now = loop_now(run->p.env.loop);
	size_t n = in.n;

	if (run->p.settled || !run->asking)
		return in.n;
	if (run->transport != PROBE_UDP) {
		int r = turn_frame(in, &n);

		if (r == ERR_SHORT)
			return 0;
		if (r < 0) {
			run->core.end.why = PROBE_GARBAGE;
			explain(run);
			return in.n;
		}
	}
	stun_probe_input(&run->core, &run->at, span_of(in.p, n), now);
	turn(run, now);
	return n;
}

static void on_closed(void *arg, const struct leg_end *e)
{
	struct stun_run *run = arg;

	run->p.result.certificate_until = leg_certificate_until(run->leg);
	probe_fail_leg(&run->p, run->who, run->service, &run->at, e);
}

static const struct leg_ops leg_ops = { on_open, on_data, on_closed };

static int dial(struct stun_run *run)
{
	const struct leg_conf c = { run->at, run->transport, run->name, run->ca_file, IN_MAX };

	return leg_new(run->p.env.loop, &c, &leg_ops, run, &run->leg);
}

/* --- life --------------------------------------------------------------------------------------------------------- */

static void tick(struct probe *p, mono_t now)
{
	struct stun_run *run = CONTAINER_OF(p, struct stun_run, p);
	char at[ADDR_TEXT_MAX];

	if (run->asking)
		turn(run, now);
	else if (run->resolve)
		probe_fail(p, "timeout", "look at the name servers of this host (/etc/resolv.conf)",
			   "%s was not resolved in time", run->name);
	else
		probe_fail(p, "timeout", "see whether the port is open in the firewalls on the way",
			   "no %s connection to %s at %s in time", probe_transport_str(run->transport), run->who,
			   addr_fmt(&run->at, at));
}

static void abandon(struct probe *p, mono_t now)
{
	(void)p; /* a Binding holds nothing */
	(void)now;
}

static void close_stun(struct probe *p)
{
	struct stun_run *run = CONTAINER_OF(p, struct stun_run, p);

	resolve_cancel(run->resolve);
	leg_free(run->leg);
}

static const struct probe_kind kind = { tick, abandon, close_stun };

static struct stun_run *run_new(const struct probe_env *e, enum probe_transport t, const char *name, const char *ca_file,
				probe_fn *fn, void *arg)
{
	struct stun_run *run = probe_new(e, &kind, sizeof(*run), fn, arg);

	if (!run)
		return NULL;
	run->transport = t;
	snprintf(run->name, sizeof(run->name), "%s", name ? name : "");
	snprintf(run->ca_file, sizeof(run->ca_file), "%s", ca_file ? ca_file : "");
	return run;
}

static int begin(struct stun_run *run, struct probe **ret)
{
	int r = dial(run);

	if (r < 0)
		probe_fail_local(&run->p, run->ca_file, r);
	if (ret)
		*ret = &run->p;
	return 0;
}

int probe_stun_mode(const struct probe_env *e, const struct probe_stun *q, const char *mode, probe_fn *fn, void *arg,
		    struct probe **ret)
{
	struct stun_run *run = run_new(e, q->transport, q->name, q->ca_file, fn, arg);

	if (!run)
		return ERR_NOMEM;
	run->at = q->at;
	run->who = "turnd";
	run->service = "oxpulse-turnd";
	run->mode = mode;
	return begin(run, ret);
}

int probe_stun(const struct probe_env *e, const struct probe_stun *q, probe_fn *fn, void *arg, struct probe **ret)
{
	return probe_stun_mode(e, q, "stun", fn, arg, ret);
}

/* --- peers -------------------------------------------------------------------------------------------------------- */

static void on_resolved(int r, const struct addr *a, uint32_t n, void *arg)
{
	struct stun_run *run = arg;
	const char *ask = "nothing to do on this node: tell whoever runs the peer, or the roster at central, about the name";
	char text[ADDR_TEXT_MAX];

	run->resolve = NULL;
	if (r < 0 && r != ERR_MISSING) {
		probe_fail(&run->p, "no-address", "look at the name servers of this host (/etc/resolv.conf)",
			   "%s cannot be resolved: %s", run->name, err_str(r));
		return;
	}
	switch (vet_pick(a, r < 0 ? 0 : n, run->allow_internal, &run->at)) {
	case VET_NONE:
		probe_fail(&run->p, "no-address", ask, "%s has no address", run->name);
		return;
	case VET_INTERNAL:
		probe_fail(&run->p, "internal-address", ask, "%s leads to %s, which is %s: nothing was sent", run->name,
			   addr_fmt_ip(&run->at, text), addr_class_str(addr_classify(&run->at)));
		return;
	case VET_OK:
		break;
	}
	r = dial(run);
	if (r < 0)
		probe_fail_local(&run->p, run->ca_file, r);
}

int probe_peer(const struct probe_env *e, const struct probe_peer *q, probe_fn *fn, void *arg, struct probe **ret)
{
	struct stun_run *run = run_new(e, q->transport, q->host, q->ca_file, fn, arg);
	int r;

	if (!run)
		return ERR_NOMEM;
	run->who = "the peer";
	run->mode = "peer";
	run->allow_internal = q->allow_internal;
	r = resolve_start(e->loop, run->name, q->port, on_resolved, run, &run->resolve);
	if (r == ERR_MALFORMED)
		probe_fail(&run->p, "no-address", "central's roster must name the peer", "\"%s\" is no host name", run->name);
	else if (r < 0)
		probe_fail_local(&run->p, run->ca_file, r);
	if (ret)
		*ret = &run->p;
	return 0;
}
