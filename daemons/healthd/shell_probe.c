/* SPDX-License-Identifier: AGPL-3.0-only */
#include "healthd/shell_probe_impl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/slab.h"

void probe_drop(struct probe *p)
{
	p->kind->close(p);
	timer_free(p->timer);
	mem_free(p);
}

static void deliver(struct probe *p)
{
	struct probe_result result = p->result;
	probe_fn *fn = p->fn;
	void *arg = p->arg;

	probe_drop(p);
	fn(&result, arg);
}

static void on_timer(void *arg)
{
	struct probe *p = arg;

	if (!p->settled)
		p->kind->tick(p, loop_now(p->env.loop));
	if (p->settled)
		deliver(p);
}

void *probe_new(const struct probe_env *e, const struct probe_kind *kind, size_t size, probe_fn *fn, void *arg)
{
	struct probe *p = mem_alloc(size);

	if (!p)
		return NULL;
	p->kind = kind;
	p->env = *e;
	p->fn = fn;
	p->arg = arg;
	p->rng = rng_kernel();
	p->began = loop_now(e->loop);
	p->deadline = mono_add(p->began, e->timeout_us);
	p->timer = loop_timer(e->loop, on_timer, p);
	if (!p->timer) {
		mem_free(p);
		return NULL;
	}
	timer_set(p->timer, p->deadline);
	return p;
}

void probe_cancel(struct probe *p)
{
	if (!p)
		return;
	if (!p->settled)
		p->kind->abandon(p, loop_now(p->env.loop));
	probe_drop(p);
}

void probe_wake(struct probe *p, mono_t at)
{
	if (!p->settled)
		timer_set(p->timer, mono_min(at, p->deadline));
}

uint64_t probe_age(const struct probe *p)
{
	return mono_since(loop_now(p->env.loop), p->began);
}

uint64_t probe_tail(const struct probe *p)
{
	return p->env.timeout_us / 5;
}

mono_t probe_main_deadline(const struct probe *p)
{
	return mono_add(p->began, p->env.timeout_us - probe_tail(p));
}

const char *probe_transport_str(enum probe_transport t)
{
	return t == PROBE_UDP ? "UDP" : t == PROBE_TCP ? "TCP" : "TLS";
}

/* --- outcomes ----------------------------------------------------------------------------------------------------- */

static void settle(struct probe *p)
{
	p->settled = true;
	timer_set(p->timer, loop_now(p->env.loop));
}

void probe_ok(struct probe *p, const char *mode, uint64_t us)
{
	if (p->settled)
		return;
	p->result.ok = true;
	p->result.us = us;
	snprintf(p->result.mode, sizeof(p->result.mode), "%s", mode);
	settle(p);
}

void probe_fail(struct probe *p, const char *reason, const char *fix, const char *cause, ...)
{
	va_list ap;

	if (p->settled)
		return;
	p->result.us = probe_age(p);
	snprintf(p->result.reason, sizeof(p->result.reason), "%s", reason);
	snprintf(p->result.fix, sizeof(p->result.fix), "%s", fix);
	va_start(ap, cause);
	vsnprintf(p->result.cause, sizeof(p->result.cause), cause, ap);
	va_end(ap);
	settle(p);
}

static const char *leg_reason(int r)
{
	switch (r) {
	case -ECONNREFUSED:
		return "refused";
	case -ETIMEDOUT:
		return "timeout";
	case ERR_AUTH:
		return "tls";
	case ERR_LIMIT:
		return "garbage";
	default:
		return "other";
	}
}

void probe_fail_leg(struct probe *p, const char *who, const char *service, const struct addr *at, const struct leg_end *e)
{
	const char *reason = leg_reason(e->r);
	char text[ADDR_TEXT_MAX], fix[PROBE_TEXT_MAX];

	if (e->r == ERR_AUTH)
		snprintf(fix, sizeof(fix),
			 "renew or replace the certificate of %s, and check that its name is the one asked for", who);
	else if (service)
		snprintf(fix, sizeof(fix),
			 "start it: systemctl restart %s; if it runs, its configured address is another one", service);
	else
		snprintf(fix, sizeof(fix), "nothing to do on this node: tell the operator of %s", who);
	addr_fmt(at, text);
	if (e->r == ERR_AUTH)
		probe_fail(p, reason, fix, "the TLS connection to %s at %s was not accepted: %s", who, text, e->why);
	else if (e->r == -ECONNREFUSED)
		probe_fail(p, reason, fix, "nobody listens at %s, where %s is to be", text, who);
	else if (e->r == 0)
		probe_fail(p, reason, fix, "%s at %s closed the connection before the probe was over", who, text);
	else
		probe_fail(p, reason, fix, "no connection to %s at %s: %s", who, text, e->why);
}

void probe_fail_local(struct probe *p, const char *ca_file, int r)
{
	if (r == ERR_MISSING)
		probe_fail(p, "tls", "name a PEM file with the CA's certificate", "the CA file %s cannot be used", ca_file);
	else
		probe_fail(p, OV_REASON_LOCAL, "see what this host is short of: descriptors, memory, threads",
			   "the probe could not begin: %s", err_str(r));
}
