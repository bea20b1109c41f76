/* SPDX-License-Identifier: AGPL-3.0-only */
/* Start, deadlines, signals, reload, drain and stop. */
#include <signal.h>
#include <sys/resource.h>

#include "sys/log.h"
#include "sys/notify.h"
#include "tunneld/shell_flow.h"

#define DRAIN_LOOK DUR_SEC(1)
#define FDS_OF_STREAM 4 /* two ends, and a pipe for those in bulk */
#define FDS_OTHER 64

/* --- deadlines ------------------------------------------------------------------------------------------- */

static void on_timer(void *arg)
{
	struct tunneld *d = arg;
	mono_t now = loop_now(d->loop);
	int slot;

	d->armed = MONO_NEVER;
	while ((slot = pool_tick(&d->pool, now)) >= 0)
		probe_begin(&d->chan[slot]);
	flow_tick(d, now);
}

/* Most streams connect long before their deadline: the timer is left where it is and finds nothing to do. */
static void on_turn_end(void *arg)
{
	struct tunneld *d = arg;
	mono_t at = mono_min(pool_next(&d->pool), dq_next_at(&d->dials));

	if (at.us >= d->armed.us)
		return;
	d->armed = at;
	timer_set(d->timer, at);
}

/* --- reload ---------------------------------------------------------------------------------------------- */

int tunneld_reload(struct tunneld *d, struct wr *frozen)
{
	struct tunneld_conf fresh;
	int r = tunneld_conf_load(d->conf_path, &fresh);

	if (r < 0)
		return r;
	tunneld_conf_frozen(&d->conf, &fresh, frozen);
	tunneld_conf_keep(&d->conf, &fresh);
	r = chans_reload(d, &fresh);
	if (r < 0)
		return r;
	d->conf = fresh;
	log_set_level(d->conf.level);
	log_info("configuration reloaded: %u channels", d->conf.n_channels);
	return 0;
}

/* --- drain and stop -------------------------------------------------------------------------------------- */

static void on_watch_timer(void *arg)
{
	struct tunneld *d = arg;
	mono_t now = loop_now(d->loop);

	if (d->flows.live && !mono_reached(now, d->drain_by)) {
		timer_set(d->watch_timer, mono_min(mono_add(now, DRAIN_LOOK), d->drain_by));
		return;
	}
	log_notice("drained; %u streams left", d->flows.live);
	raise(SIGTERM);
}

void tunneld_drain(struct tunneld *d, uint64_t limit)
{
	mono_t now = loop_now(d->loop);

	if (!mono_is_never(d->drain_by))
		return;
	d->drain_by = mono_add(now, limit);
	notify_status("draining: %u streams", d->flows.live);
	log_notice("draining: no new streams; ends when the last of %u is gone", d->flows.live);
	timer_set(d->watch_timer, now);
}

static void on_stop(int signo, void *arg)
{
	struct tunneld *d = arg;

	(void)signo;
	if (d->stopping)
		return;
	d->stopping = true;
	notify_stopping();
	log_info("stopping: %u streams", d->flows.live);
	loop_stop(d->loop);
}

/* --- start ----------------------------------------------------------------------------------------------- */

/* The soft limit is for programs that use select(2). */
static void want_descriptors(const struct tunneld *d)
{
	rlim_t want = (rlim_t)d->conf.max_streams * FDS_OF_STREAM + FDS_OTHER;
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) < 0 || l.rlim_cur >= want)
		return;
	l.rlim_cur = l.rlim_max < want ? l.rlim_max : want;
	if (setrlimit(RLIMIT_NOFILE, &l) < 0 || l.rlim_cur < want)
		log_warn("%llu descriptors may be too few for %u streams: set LimitNOFILE=%llu",
			 (unsigned long long)l.rlim_cur, d->conf.max_streams, (unsigned long long)want);
}

static int open_loop(struct tunneld *d)
{
	d->loop = loop_new();
	if (!d->loop)
		return log_err(ERR_NOMEM, "event loop");
	d->timer = loop_timer(d->loop, on_timer, d);
	d->again_timer = loop_timer(d->loop, flows_again, d);
	d->door_timer = loop_timer(d->loop, doors_retry, d);
	d->watch_timer = loop_timer(d->loop, on_watch_timer, d);
	d->look_timer = loop_timer(d->loop, flows_look, d);
	if (!d->timer || !d->again_timer || !d->door_timer || !d->watch_timer || !d->look_timer || pipes_open(d) < 0 ||
	    loop_turn_end(d->loop, on_turn_end, d) < 0 || loop_signal(d->loop, SIGTERM, on_stop, d) < 0 ||
	    loop_signal(d->loop, SIGINT, on_stop, d) < 0 || loop_signal(d->loop, SIGHUP, edge_control_hangup, &d->edge) < 0)
		return log_err(ERR_NOMEM, "event loop");
	return 0;
}

int tunneld_open(struct tunneld *d)
{
	const struct pool_conf pc = { 0 };
	int r;

	d->armed = d->drain_by = MONO_NEVER;
	pool_init(&d->pool, &pc); /* chans_open sets it */
	slab_init(&d->flows, sizeof(struct flow), d->conf.max_streams);
	dq_init(&d->dials);
	blocks_init(&d->blocks, BLOCKS_LARGE);
	want_descriptors(d);
	r = open_loop(d);
	if (r == 0)
		r = chans_open(d);
	if (r == 0)
		r = doors_open(d);
	if (r == 0)
		r = metrics_open(d);
	if (r == 0)
		r = ctl_open(d);
	if (r < 0)
		return r;
	r = notify_watchdog(d->loop);
	return r < 0 ? log_err(r, "watchdog") : 0;
}

int tunneld_loop(struct tunneld *d)
{
	int r = loop_run(d->loop);

	return r < 0 ? log_err(r, "event loop") : 0;
}

void tunneld_close(struct tunneld *d)
{
	struct handle h;
	struct flow *f;

	d->stopping = true;
	varlink_close(d->control);
	if (d->metrics)
		http_small_close(d->metrics);
	for (int i = 0; i < ORDER_MAX_; i++)
		door_close(&d->door[i]);
	for (uint32_t at = 0; d->loop && (f = slab_next(&d->flows, &at, &h));)
		flow_close(f, true);
	chans_close(d);
	slab_done(&d->flows);
	dq_done(&d->dials);
	pipes_close(d);
	blocks_done(&d->blocks);
	loop_free(d->loop);
}
