/* SPDX-License-Identifier: AGPL-3.0-only */
#include "healthd/shell_check.h"

#include <stdio.h>

struct check_job *check_begin(struct check_run *r, unsigned number, const char *part)
{
	struct check *c = checks_add(r->checks, number, part);
	struct check_job *j = c ? &r->job[c - r->checks->c] : NULL;

	if (!j)
		return NULL;
	*j = (struct check_job){ .run = r, .check = c, .began = loop_now(r->loop) };
	r->open++;
	return j;
}

static void one_less(struct check_run *r)
{
	if (--r->open == 0)
		loop_stop(r->loop);
}

void check_done(struct check_job *j, enum check_state s, const char *cause, const char *fix)
{
	struct check_run *r = j->run;

	check_end(j->check, s, cause, fix);
	if (j->check->us == 0)
		j->check->us = mono_since(loop_now(r->loop), j->began);
	*j = (struct check_job){ .run = r };
	one_less(r);
}

void check_on_probe(const struct probe_result *p, void *arg)
{
	struct check_job *j = arg;

	j->check->us = p->us;
	check_done(j, p->ok ? CHECK_OK : CHECK_FAIL, p->cause[0] ? p->cause : p->reason, p->fix);
}

void check_started(struct check_job *j, int r)
{
	char cause[128];

	if (r >= 0)
		return;
	snprintf(cause, sizeof(cause), "the check could not begin: %s", err_str(r));
	check_done(j, CHECK_FAIL, cause, "free memory and descriptors, then try again");
}

void check_say(struct check_run *r, unsigned number, enum check_state s, const char *cause, const char *fix)
{
	struct check *c = checks_add(r->checks, number, NULL);

	if (c)
		check_end(c, s, cause, fix);
}

/* One channel that carries requests is enough for people: the others' failures are warnings then. */
static void soften(struct checks *t)
{
	bool any = false;

	for (uint32_t i = 0; i < t->n; i++)
		any |= t->c[i].number == 7 && t->c[i].state == CHECK_OK;
	for (uint32_t i = 0; any && i < t->n; i++) {
		if (t->c[i].number == 7 && t->c[i].state == CHECK_FAIL)
			t->c[i].state = CHECK_WARN;
	}
}

static void cancel(struct check_run *r)
{
	for (uint32_t i = 0; i < CHECKS_MAX; i++) {
		probe_cancel(r->job[i].probe);
		varlink_ask_cancel(r->job[i].ask);
		http_call_cancel(r->job[i].call);
	}
}

static void on_limit(void *arg)
{
	struct check_run *r = arg;

	loop_stop(r->loop);
}

static void start_all(struct check_run *r)
{
	static void (*const start[])(struct check_run *) = {
		check_daemons, check_site,  check_relay,        check_tunnels, check_sfu,    check_canaries,
		check_drift,   check_secret_modes, check_central, check_disk,    check_timers,
	};

	r->open = 1; /* ours, so that nothing stops before all has begun */
	for (size_t i = 0; i < ARRAY_LEN(start); i++)
		start[i](r);
	one_less(r);
}

static void finish(struct checks *t)
{
	for (uint32_t i = 0; i < t->n; i++) {
		if (t->c[i].state == CHECK_OPEN)
			check_end(&t->c[i], CHECK_FAIL, "no result in time",
				  "see whether the host is overloaded, then try again");
	}
	soften(t);
	for (uint32_t i = 1; i < t->n; i++) { /* by number; those of one number as they were added */
		struct check c = t->c[i];
		uint32_t k = i;

		for (; k > 0 && t->c[k - 1].number > c.number; k--)
			t->c[k] = t->c[k - 1];
		t->c[k] = c;
	}
}

int check_all(const struct healthd_conf *c, bool local, struct checks *ret)
{
	struct check_run r = { .conf = c, .local = local, .checks = ret };
	struct timer *limit = NULL;
	int e = ERR_NOMEM;

	ret->n = 0;
	ret->local = local;
	snprintf(ret->domain, sizeof(ret->domain), "%s", c->domain);
	r.loop = loop_new();
	r.http = r.loop ? http_client_new(r.loop) : NULL;
	if (r.http)
		limit = loop_timer(r.loop, on_limit, &r);
	if (limit) {
		r.env = (struct probe_env){ r.loop, r.http, c->timeout };
		timer_set(limit, mono_add(loop_now(r.loop), CHECK_LIMIT));
		start_all(&r);
		e = r.open ? loop_run(r.loop) : 0;
		cancel(&r);
		finish(ret);
	}
	timer_free(limit);
	http_client_free(r.http);
	if (r.loop)
		loop_free(r.loop);
	return e;
}
