/* SPDX-License-Identifier: AGPL-3.0-only */
/* Start, signals, reload and stop. */
#include <signal.h>
#include <stdio.h>

#include "healthd/healthd.h"
#include "sys/log.h"
#include "sys/notify.h"
#include "sys/rng_kernel.h"

static void copy(char *to, size_t cap, const char *from)
{
	snprintf(to, cap, "%s", from);
}

static void take_conf(struct healthd *d)
{
	struct overview *v = &d->ov;

	copy(v->id, sizeof(v->id), d->conf.id);
	copy(v->partner, sizeof(v->partner), d->conf.partner_id);
	copy(v->domain, sizeof(v->domain), d->conf.domain);
	copy(v->version, sizeof(v->version), EDGE_VERSION);
	v->repair_conf = (struct repair_conf){ d->conf.repair, d->conf.repair_budget, d->conf.repair_window };
	run_setup(d);
}

int healthd_reload(struct healthd *d, struct wr *frozen)
{
	struct healthd_conf fresh = { 0 };
	bool again = d->run.active;
	int r = healthd_conf_load(d->conf_path, &fresh);

	if (r < 0)
		return r;
	healthd_conf_frozen(&d->conf, &fresh, frozen);
	run_cancel(d);
	healthd_conf_done(&d->conf);
	d->conf = fresh;
	wipe(&fresh, sizeof(fresh));
	log_set_level(d->conf.level);
	d->token_said = false;
	take_conf(d);
	facts_read(d);
	if (again)
		run_begin(d, d->ov.run.by_itself);
	log_info("configuration reloaded");
	return 0;
}

/* --- start and stop ------------------------------------------------------------------------------------- */

static void on_stop(int signo, void *arg)
{
	struct healthd *d = arg;

	(void)signo;
	if (d->stopping)
		return;
	d->stopping = true;
	notify_stopping();
	log_info("stopping");
	loop_stop(d->loop);
}

/* The timer of the reports has the same period; half of one is its grace. */
static void on_run_timer(void *arg)
{
	struct healthd *d = arg;
	bool first = d->ov.run.number == 0;

	d->ov.timer_missing = !first;
	if (!first && !d->timer_said)
		log_notice("nobody asked for a report in %llu s; probing and reporting by itself from now on "
			   "(is oxpulse-channels-health-report.timer enabled?)",
			   (unsigned long long)((d->conf.interval + d->conf.interval / 2) / US_PER_SEC));
	d->timer_said |= !first;
	run_begin(d, true);
}

int healthd_open(void *arg)
{
	struct healthd *d = arg;
	int r;

	d->rng = rng_kernel();
	d->loop = loop_new();
	d->http = d->loop ? http_client_new(d->loop) : NULL;
	if (!d->http)
		return log_err(ERR_NOMEM, "event loop");
	d->ov.started = loop_now(d->loop);
	rng_bytes(&d->rng, (uint8_t *)&d->roster_offset, sizeof(d->roster_offset));
	d->run_timer = loop_timer(d->loop, on_run_timer, d);
	d->page_timer = loop_timer(d->loop, pages_poll, d);
	d->listen_timer = loop_timer(d->loop, pages_listen, d);
	if (!d->run_timer || !d->page_timer || !d->listen_timer || loop_signal(d->loop, SIGTERM, on_stop, d) < 0 ||
	    loop_signal(d->loop, SIGINT, on_stop, d) < 0 || loop_signal(d->loop, SIGHUP, edge_control_hangup, &d->edge) < 0)
		return log_err(ERR_NOMEM, "event loop");
	take_conf(d);
	facts_read(d);
	r = ctl_open(d);
	if (r < 0)
		return r;
	pages_listen(d);
	r = notify_watchdog(d->loop);
	if (r < 0)
		return log_err(r, "watchdog");
	/* the siblings start with us: a look at once would find half of them */
	timer_set(d->run_timer, mono_add(loop_now(d->loop), d->conf.interval / 3));
	timer_set(d->page_timer, loop_now(d->loop));
	return 0;
}

int healthd_serve(void *arg)
{
	struct healthd *d = arg;
	int r = loop_run(d->loop);

	return r < 0 ? log_err(r, "event loop") : 0;
}

void healthd_close(void *arg)
{
	struct healthd *d = arg;

	if (d->loop) {
		run_cancel(d);
		pages_cancel(d);
		pages_close(d);
		varlink_close(d->control);
		http_client_free(d->http);
		timer_free(d->run_timer);
		timer_free(d->page_timer);
		timer_free(d->listen_timer);
		loop_free(d->loop);
	}
	healthd_conf_done(&d->conf);
}
