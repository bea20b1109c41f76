/* SPDX-License-Identifier: AGPL-3.0-only */
#include <stdio.h>

#include "base/slab.h"
#include "healthd/probe/sfu_probe.h"
#include "healthd/shell_probe_impl.h"

#define IN_MAX (WS_CLIENT_MESSAGE_MAX + 64)
#define SERVICE "oxpulse-sfud"
#define JOURNAL "look at the journal of sfud: journalctl -u " SERVICE

struct sfu_run {
	struct probe p;
	struct leg *stream, *media;
	struct addr signal;
	bool asking;
	struct sfu_probe core;
};

/* --- outcome ------------------------------------------------------------------------------------------------------ */

static void explain_status(struct sfu_run *run, const struct probe_end *e)
{
	if (e->step == SFU_PROBE_CHECK)
		probe_fail(&run->p, "status", JOURNAL, "sfud refused an ICE check with %u", e->code);
	else if (e->code == 503)
		probe_fail(&run->p, "status", "wait for its drain to end, or raise Rooms.MaxParticipants of sfud.conf",
			   "sfud answered with status 503: it is full, or draining");
	else
		probe_fail(&run->p, "status", "see which program listens there: ss -ltnp",
			   "the signalling port answered with status %u", e->code);
}

static void explain_timeout(struct sfu_run *run, uint8_t step)
{
	char at[ADDR_TEXT_MAX];

	if (step == SFU_PROBE_CHECK)
		probe_fail(&run->p, "timeout",
			   "let UDP in at this port (firewall), see Media.Advertise of sfud.conf, or set Probe.SfuMedia",
			   "sfud's media address %s does not answer ICE checks", addr_fmt(&run->core.check_at, at));
	else
		probe_fail(&run->p, "timeout", "it hangs or is overloaded: " JOURNAL ", or restart it: systemctl restart " SERVICE,
			   "sfud's signalling at %s did not answer %s in time", addr_fmt(&run->signal, at),
			   step == SFU_PROBE_ANSWER ? "an offer" : "an upgrade");
}

static void explain(struct sfu_run *run)
{
	const struct probe_end *e = &run->core.end;
	char at[ADDR_TEXT_MAX];

	switch (e->why) {
	case PROBE_AUTH:
		probe_fail(&run->p, "auth",
			   "healthd and sfud must have the same sfu-secret, and sfud must accept HS256 (Signal.Hs256Fallback)",
			   "sfud at %s does not take our room token", addr_fmt(&run->signal, at));
		return;
	case PROBE_CODE:
		explain_status(run, e);
		return;
	case PROBE_GARBAGE:
		probe_fail(&run->p, "garbage", "see which program listens there: ss -lpn", "what answers at %s is no sfud of ours",
			   addr_fmt(e->step == SFU_PROBE_CHECK ? &run->core.check_at : &run->signal, at));
		return;
	case PROBE_CLOSED:
		probe_fail(&run->p, "status", JOURNAL,
			   "sfud closed the WebSocket before the probe was over (close code %u)", e->code);
		return;
	case PROBE_NO_ADDRESS:
		probe_fail(&run->p, "no-address", "set Media.Advertise of sfud.conf to an address that browsers can reach",
			   "sfud's answer has no candidate");
		return;
	case PROBE_GOING:
	case PROBE_OK:
	case PROBE_TIMEOUT:
		break;
	}
	explain_timeout(run, e->step);
}

/* --- the two legs ------------------------------------------------------------------------------------------------- */

static void turn(struct sfu_run *run, mono_t now);

static void on_media_open(void *arg)
{
	(void)arg; /* UDP: sent at once */
}

static size_t on_media(void *arg, struct span in)
{
	struct sfu_run *run = arg;
	mono_t now = loop_now(run->p.env.loop);

	if (run->p.settled)
		return in.n;
	sfu_probe_dgram(&run->core, &run->core.check_at, in, now);
	turn(run, now);
	return in.n;
}

/* ICMP says that nobody is there. */
static void on_media_closed(void *arg, const struct leg_end *e)
{
	struct sfu_run *run = arg;
	mono_t now = loop_now(run->p.env.loop);

	if (run->p.settled || run->core.step != SFU_PROBE_CHECK)
		return;
	probe_fail_leg(&run->p, "sfud's media", SERVICE, &run->core.check_at, e);
	sfu_probe_abandon(&run->core, now);
	turn(run, now);
}

static int open_media(struct sfu_run *run)
{
	static const struct leg_ops ops = { on_media_open, on_media, on_media_closed };
	const struct leg_conf c = { .at = run->core.check_at, .transport = PROBE_UDP };

	return leg_new(run->p.env.loop, &c, &ops, run, &run->media);
}

static void turn(struct sfu_run *run, mono_t now)
{
	struct span check = sfu_probe_tick(&run->core, now);
	int r = 0;

	if (check.n && !run->media)
		r = open_media(run);
	if (r < 0) {
		probe_fail_local(&run->p, "", r);
		sfu_probe_abandon(&run->core, now);
	} else if (check.n) {
		leg_send(run->media, check);
	}
	if (run->core.out_n)
		leg_send(run->stream, span_of(run->core.out, run->core.out_n));
	run->core.out_n = 0;
	if (run->core.step != SFU_PROBE_DONE)
		probe_wake(&run->p, sfu_probe_next(&run->core));
	else if (run->core.end.why == PROBE_OK)
		probe_ok(&run->p, "signal-media", run->core.us);
	else
		explain(run);
}

static void on_open(void *arg)
{
	struct sfu_run *run = arg;
	mono_t now = loop_now(run->p.env.loop);

	if (run->p.settled)
		return;
	run->asking = true;
	turn(run, now);
}

static size_t on_data(void *arg, struct span in)
{
	struct sfu_run *run = arg;
	mono_t now = loop_now(run->p.env.loop);
	size_t used;

	if (run->p.settled || !run->asking)
		return in.n;
	used = sfu_probe_stream(&run->core, in, now);
	turn(run, now);
	return used;
}

static void on_closed(void *arg, const struct leg_end *e)
{
	struct sfu_run *run = arg;
	mono_t now = loop_now(run->p.env.loop);

	if (run->p.settled)
		return;
	if (run->core.end.why == PROBE_GOING)
		probe_fail_leg(&run->p, "sfud", SERVICE, &run->signal, e);
	sfu_probe_stream_end(&run->core, now);
	turn(run, now);
}

/* --- life --------------------------------------------------------------------------------------------------------- */

static void tick(struct probe *p, mono_t now)
{
	struct sfu_run *run = CONTAINER_OF(p, struct sfu_run, p);

	if (run->asking)
		turn(run, now);
	else
		explain_timeout(run, SFU_PROBE_UPGRADE);
}

static void abandon(struct probe *p, mono_t now)
{
	struct sfu_run *run = CONTAINER_OF(p, struct sfu_run, p);

	if (!run->asking)
		return;
	sfu_probe_abandon(&run->core, now);
	if (run->core.out_n)
		leg_send(run->stream, span_of(run->core.out, run->core.out_n));
}

static void close_sfu(struct probe *p)
{
	struct sfu_run *run = CONTAINER_OF(p, struct sfu_run, p);

	leg_free(run->stream);
	leg_free(run->media);
	sfu_probe_done(&run->core);
}

static const struct probe_kind kind = { tick, abandon, close_sfu };

static int begin(struct sfu_run *run, const struct probe_sfu *q)
{
	static const struct leg_ops ops = { on_open, on_data, on_closed };
	const struct leg_conf leg = { .at = q->signal, .transport = PROBE_TCP, .in_max = IN_MAX };
	const struct sfu_probe_conf c = {
		.signal = q->signal,
		.secret = secret_span(q->secret),
		.media = q->media,
		.wall = loop_wall(run->p.env.loop),
		.deadline = probe_main_deadline(&run->p),
		.close_us = probe_tail(&run->p),
	};
	int r = sfu_probe_init(&run->core, &c, &run->p.rng);

	return r < 0 ? r : leg_new(run->p.env.loop, &leg, &ops, run, &run->stream);
}

int probe_sfu(const struct probe_env *e, const struct probe_sfu *q, probe_fn *fn, void *arg, struct probe **ret)
{
	struct sfu_run *run = probe_new(e, &kind, sizeof(*run), fn, arg);
	int r;

	if (!run)
		return ERR_NOMEM;
	run->signal = q->signal;
	if (!q->secret || q->secret->n == 0)
		probe_fail(&run->p, "auth", "give healthd the credential that Probe.SfuSecretFile names",
			   "there is no secret to sign a room token with");
	else if ((r = begin(run, q)) < 0)
		probe_fail_local(&run->p, "", r);
	if (ret)
		*ret = &run->p;
	return 0;
}
