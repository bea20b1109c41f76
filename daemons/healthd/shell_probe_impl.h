/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * What the probes' files share; nobody else includes it. A probe settles once, from wherever it learns its end; its
 * sockets are closed and its fn is called from the timer, so that nothing is freed under a callback.
 */
#ifndef HEALTHD_SHELL_PROBE_IMPL_H
#define HEALTHD_SHELL_PROBE_IMPL_H

#include "base/err.h"
#include "healthd/probe/probe_end.h"
#include "healthd/shell_leg.h"
#include "healthd/shell_probe.h"
#include "sys/rng_kernel.h"

struct probe_kind {
	void (*tick)(struct probe *p, mono_t now);    /* the time asked for by probe_wake has come */
	void (*abandon)(struct probe *p, mono_t now); /* cancelled: undo what the other side holds, wait for nothing */
	void (*close)(struct probe *p);               /* sockets, calls, secrets */
};

struct probe {
	const struct probe_kind *kind;
	struct probe_env env;
	probe_fn *fn;
	void *arg;
	struct timer *timer;
	struct rng rng;
	mono_t began, deadline; /* deadline: of everything */
	bool settled;
	struct probe_result result;
};

/* A zeroed struct of `size` bytes that begins with a struct probe, or NULL. Its deadline is filed. */
void *probe_new(const struct probe_env *e, const struct probe_kind *kind, size_t size, probe_fn *fn, void *arg);
/* Frees it; fn is not called. */
void probe_drop(struct probe *p);
void probe_wake(struct probe *p, mono_t at); /* at the deadline at the latest */
uint64_t probe_age(const struct probe *p);

void probe_ok(struct probe *p, const char *mode, uint64_t us);
/* The first outcome counts; so does ok. */
void probe_fail(struct probe *p, const char *reason, const char *fix, const char *cause, ...) __attribute__((format(printf, 4, 5)));
/* A leg's end, in words: `who` is "turnd", `service` what an operator restarts, or NULL for somebody else's. */
void probe_fail_leg(struct probe *p, const char *who, const char *service, const struct addr *at, const struct leg_end *e);
/* A socket could not even be made: the CA file (ERR_MISSING), or this host. */
void probe_fail_local(struct probe *p, const char *ca_file, int r);

/* How long the last part (release, close) may take, and when all before it must be over. */
uint64_t probe_tail(const struct probe *p);
mono_t probe_main_deadline(const struct probe *p);
const char *probe_transport_str(enum probe_transport t);

#endif
