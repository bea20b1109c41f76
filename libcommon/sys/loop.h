/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * The event loop: libevent behind a few calls, and the only reader of clocks. Everything that runs between
 * two sleeps is one turn and sees one `now`. After the callbacks of a turn the turn-end hooks run, in the
 * order they were added: there a shell flushes its outbox and re-files its deadline.
 *
 * Each thread may have a loop of its own. A loop and all that was made on it belong to the thread that runs it: no call
 * crosses over, loop_stop included. Signals go to one loop of the process.
 */
#ifndef SYS_LOOP_H
#define SYS_LOOP_H

#include <stdbool.h>

#include "base/mono.h"

struct loop;
struct watch;
struct timer;
struct event_base;

/* END: the other end says no more, or is broken; told with READ. EDGE: asked for only. */
enum { LOOP_READ = 1, LOOP_WRITE = 2, LOOP_END = 4, LOOP_EDGE = 8 };

/* NULL without memory or descriptors. SIGPIPE is ignored from here on. */
struct loop *loop_new(void);
/* After everything that was made on it; timers, signals and hooks still there go with it. */
void loop_free(struct loop *l);
void loop_freep(struct loop **l);

/* For adapters of libraries that bring their own libevent glue (evhttp, bufferevent). Borrowed. */
struct event_base *loop_base(struct loop *l);

/* CLOCK_BOOTTIME, read once per turn. */
mono_t loop_now(struct loop *l);
/* CLOCK_REALTIME, read once per turn. */
wall_t loop_wall(struct loop *l);

/* CLOCK_BOOTTIME, read afresh: for shells that measure or that handle several batches in one turn. */
mono_t loop_clock(void);

/* Processor time of this thread so far, in nanoseconds. */
uint64_t loop_cpu_ns(void);

/* Sleeps, whatever happens on descriptors meanwhile: for a turn's end, when more is worth waiting for. 0 does nothing. */
void loop_nap(uint64_t us);

/* Level-triggered; with LOOP_EDGE told once each time it becomes so, after the call that found it was not. A descriptor may have
 * several watches, all of one kind. NULL: no memory, or fd cannot be watched. The watch is freed by unwatch, also inside fn;
 * neither closes fd. unwatch(NULL) is allowed. */
struct watch *loop_watch(struct loop *l, int fd, unsigned events, void (*fn)(int fd, unsigned events, void *arg),
			 void *arg);
void loop_unwatch(struct watch *w);

/* A one-shot timer, unarmed at first. timer_set(MONO_NEVER) disarms; a passed time fires in the next turn. */
struct timer *loop_timer(struct loop *l, void (*fn)(void *arg), void *arg);
void timer_set(struct timer *t, mono_t at);
void timer_free(struct timer *t);

/* ERR_NOMEM. Signals are delivered inside a turn, as ordinary callbacks, whichever thread the kernel interrupts. Only
 * one loop of a process may ask. */
int loop_signal(struct loop *l, int signo, void (*fn)(int signo, void *arg), void *arg);
int loop_turn_end(struct loop *l, void (*fn)(void *arg), void *arg);

/* Runs turns until loop_stop; what happened before it counts as a turn, so the hooks run once at
 * first. 0, or -errno when the kernel's poll itself failed. */
int loop_run(struct loop *l);
void loop_stop(struct loop *l);

#endif
