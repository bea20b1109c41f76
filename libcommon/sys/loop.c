/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * Timers are a deadline queue on one CLOCK_BOOTTIME timerfd, programmed once per turn: libevent's own timers
 * stop during suspend and round to milliseconds. Every timer sits in the queue for life ("parked" when
 * unarmed), so timer_set never allocates and cannot fail.
 * Loops of several threads share nothing but libevent's signal table, which belongs to the one loop that asks.
 */
#include "sys/loop.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <pthread.h>
#include <signal.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/dq.h"
#include "base/err.h"
#include "base/slab.h"
#include "sys/log.h"

#define PARKED ((mono_t){ UINT64_MAX - 1 })

struct watch {
	struct event ev;
	void (*fn)(int fd, unsigned events, void *arg);
	void *arg;
};

struct timer {
	struct dq_node node;
	struct loop *loop;
	void (*fn)(void *arg);
	void *arg;
};

struct loop_sig {
	struct loop_sig *next;
	struct event *ev;
	void (*fn)(int signo, void *arg);
	void *arg;
};

struct hook {
	struct hook *next;
	void (*fn)(void *arg);
	void *arg;
};

struct loop {
	struct event_base *base;
	struct event *tick;
	struct dq timers;
	struct loop_sig *sigs;
	struct hook *hooks;
	mono_t now, armed;
	wall_t wall;
	int tfd;
	bool running, stop, have_now, have_wall;
};

static uint64_t clock_us(clockid_t id)
{
	struct timespec ts;

	if (clock_gettime(id, &ts) < 0)
		return 0;
	return (uint64_t)ts.tv_sec * US_PER_SEC + (uint64_t)ts.tv_nsec / 1000;
}

uint64_t loop_cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

void loop_nap(uint64_t us)
{
	const struct timespec t = { (time_t)(us / US_PER_SEC), (long)(us % US_PER_SEC * 1000) };

	if (us)
		(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL); /* a signal ends it early: so be it */
}

mono_t loop_clock(void)
{
	return (mono_t){ clock_us(CLOCK_BOOTTIME) };
}

mono_t loop_now(struct loop *l)
{
	/* Outside loop_run there are no turns, so nothing may be remembered. */
	if (!l->running || !l->have_now) {
		l->now.us = clock_us(CLOCK_BOOTTIME);
		l->have_now = true;
	}
	return l->now;
}

wall_t loop_wall(struct loop *l)
{
	if (!l->running || !l->have_wall) {
		l->wall.us = clock_us(CLOCK_REALTIME);
		l->have_wall = true;
	}
	return l->wall;
}

static void fire(struct loop *l)
{
	mono_t now = loop_now(l);
	struct dq_node *n;

	/* Ends: a callback cannot file anything at or before this turn's now. */
	while ((n = dq_first(&l->timers)) && mono_reached(now, n->at)) {
		struct timer *t = CONTAINER_OF(n, struct timer, node);

		dq_set(&l->timers, n, PARKED);
		t->fn(t->arg);
	}
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct loop *l = arg;
	uint64_t times;

	(void)what;
	if (read(fd, &times, sizeof(times)) != sizeof(times))
		return;
	l->armed = MONO_NEVER;
	fire(l);
}

/* False: a timer is for the very next turn, which begins without a sleep then. Having the timerfd end one of no length costs more
 * than most turns: a clock to program, an interrupt, a read. */
static bool arm(struct loop *l)
{
	struct itimerspec its = { 0 };
	mono_t at = dq_next_at(&l->timers);

	if (l->have_now && at.us <= l->now.us + 1)
		return false;
	if (at.us >= PARKED.us)
		at = MONO_NEVER;
	if (at.us == l->armed.us)
		return true;
	if (!mono_is_never(at)) {
		its.it_value.tv_sec = (time_t)(at.us / US_PER_SEC);
		its.it_value.tv_nsec = (long)(at.us % US_PER_SEC * 1000);
	}
	if (timerfd_settime(l->tfd, TFD_TIMER_ABSTIME, &its, NULL) == 0)
		l->armed = at;
	return true;
}

/* libevent's warnings repeat what its return values say; its errors precede an exit. */
static void on_event_log(int severity, const char *text)
{
	if (severity == EVENT_LOG_ERR)
		log_at(LOG_ERR, NULL, "libevent: %s", text);
	else
		log_debug("libevent: %s", text);
}

static struct event_base *base_new(void)
{
	struct event_config *cfg = event_config_new();
	struct event_base *base = NULL;

	if (!cfg)
		return NULL;
	if (event_config_set_flag(cfg, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_IGNORE_ENV) == 0)
		base = event_base_new_with_config(cfg);
	event_config_free(cfg);
	return base;
}

/* What a process has one of, whichever thread makes the first loop. */
static void once_per_process(void)
{
	/* A peer that went away is an error of write(2), not the end of the process. */
	signal(SIGPIPE, SIG_IGN);
	event_set_log_callback(on_event_log);
}

struct loop *loop_new(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct loop *l = mem_alloc(sizeof(*l));

	if (!l)
		return NULL;
	pthread_once(&once, once_per_process);
	dq_init(&l->timers);
	l->armed = MONO_NEVER;
	l->tfd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	l->base = base_new();
	if (l->tfd < 0 || !l->base)
		goto fail;
	l->tick = event_new(l->base, l->tfd, EV_READ | EV_PERSIST, on_tick, l);
	if (!l->tick || event_add(l->tick, NULL) < 0)
		goto fail;
	return l;
fail:
	loop_free(l);
	return NULL;
}

void loop_free(struct loop *l)
{
	struct dq_node *n;

	if (!l)
		return;
	while ((n = dq_first(&l->timers)))
		timer_free(CONTAINER_OF(n, struct timer, node));
	dq_done(&l->timers);
	for (struct loop_sig *s = l->sigs, *next; s; s = next) {
		next = s->next;
		event_free(s->ev);
		mem_free(s);
	}
	for (struct hook *h = l->hooks, *next; h; h = next) {
		next = h->next;
		mem_free(h);
	}
	if (l->tick)
		event_free(l->tick);
	if (l->base)
		event_base_free(l->base);
	if (l->tfd >= 0)
		close(l->tfd);
	mem_free(l);
}

void loop_freep(struct loop **l)
{
	loop_free(*l);
	*l = NULL;
}

struct event_base *loop_base(struct loop *l)
{
	return l->base;
}

static void on_watch(evutil_socket_t fd, short what, void *arg)
{
	struct watch *w = arg;

	w->fn(fd, (what & EV_READ ? LOOP_READ : 0u) | (what & EV_WRITE ? LOOP_WRITE : 0u) |
			  (what & EV_CLOSED ? LOOP_READ | LOOP_END : 0u), w->arg);
}

struct watch *loop_watch(struct loop *l, int fd, unsigned events, void (*fn)(int fd, unsigned events, void *arg),
			 void *arg)
{
	struct watch *w = mem_alloc(sizeof(*w));
	int what = EV_PERSIST | (events & LOOP_READ ? EV_READ : 0) | (events & LOOP_WRITE ? EV_WRITE : 0) |
		   (events & LOOP_END ? EV_CLOSED : 0) | (events & LOOP_EDGE ? EV_ET : 0);

	if (!w)
		return NULL;
	w->fn = fn;
	w->arg = arg;
	if (event_assign(&w->ev, l->base, fd, (short)what, on_watch, w) == 0 && event_add(&w->ev, NULL) == 0)
		return w;
	mem_free(w);
	return NULL;
}

void loop_unwatch(struct watch *w)
{
	if (!w)
		return;
	event_del(&w->ev);
	mem_free(w);
}

struct timer *loop_timer(struct loop *l, void (*fn)(void *arg), void *arg)
{
	struct timer *t = mem_alloc(sizeof(*t));

	if (!t)
		return NULL;
	t->loop = l;
	t->fn = fn;
	t->arg = arg;
	if (dq_set(&l->timers, &t->node, PARKED) < 0) {
		mem_free(t);
		return NULL;
	}
	return t;
}

void timer_set(struct timer *t, mono_t at)
{
	struct loop *l = t->loop;

	if (at.us >= PARKED.us)
		at = PARKED;
	else if (mono_reached(loop_now(l), at))
		at = mono_add(loop_now(l), 1);
	dq_set(&l->timers, &t->node, at);
}

void timer_free(struct timer *t)
{
	if (!t)
		return;
	dq_del(&t->loop->timers, &t->node);
	mem_free(t);
}

static void on_signal(evutil_socket_t signo, short what, void *arg)
{
	struct loop_sig *s = arg;

	(void)what;
	s->fn(signo, s->arg);
}

int loop_signal(struct loop *l, int signo, void (*fn)(int signo, void *arg), void *arg)
{
	struct loop_sig *s = mem_alloc(sizeof(*s));

	if (!s)
		return ERR_NOMEM;
	s->fn = fn;
	s->arg = arg;
	s->ev = evsignal_new(l->base, signo, on_signal, s);
	if (!s->ev || event_add(s->ev, NULL) < 0) {
		if (s->ev)
			event_free(s->ev);
		mem_free(s);
		return ERR_NOMEM;
	}
	s->next = l->sigs;
	l->sigs = s;
	return 0;
}

int loop_turn_end(struct loop *l, void (*fn)(void *arg), void *arg)
{
	struct hook *h = mem_alloc(sizeof(*h));
	struct hook **at = &l->hooks;

	if (!h)
		return ERR_NOMEM;
	h->fn = fn;
	h->arg = arg;
	while (*at)
		at = &(*at)->next;
	*at = h;
	return 0;
}

static void end_turn(struct loop *l)
{
	for (struct hook *h = l->hooks; h; h = h->next)
		h->fn(h->arg);
}

int loop_run(struct loop *l)
{
	bool sleep;
	int r = 0;

	l->running = true;
	l->have_now = l->have_wall = false;
	/* What was prepared before the first sleep counts as a turn: its output is flushed, too. */
	for (;;) {
		end_turn(l);
		if (l->stop)
			break;
		sleep = arm(l);
		l->have_now = l->have_wall = false;
		errno = 0;
		if (event_base_loop(l->base, (sleep ? EVLOOP_ONCE : EVLOOP_NONBLOCK) | EVLOOP_NO_EXIT_ON_EMPTY) < 0) {
			r = errno ? -errno : -EIO;
			break;
		}
		if (!sleep)
			fire(l);
	}
	l->stop = l->running = false;
	return r;
}

void loop_stop(struct loop *l)
{
	l->stop = true;
}
