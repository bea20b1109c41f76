/* SPDX-License-Identifier: AGPL-3.0-only */
#include "t.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "base/slab.h"
#include "rig.h"

static char trace[64];

static void note(const char *what)
{
	strncat(trace, what, sizeof(trace) - strlen(trace) - 1);
}

static void start(struct rig *r)
{
	trace[0] = '\0';
	rig_open(r);
}

struct ctx {
	struct rig rig;
	struct timer *a, *b, *c;
	struct watch *w;
	mono_t seen[2];
	unsigned turns, fired, events;
};

static bool fired_twice(void *arg)
{
	return ((struct ctx *)arg)->fired >= 2;
}

/* Longer than any clock's resolution, measured on the clock itself. */
static void let_time_pass(void)
{
	struct timespec a, b;

	clock_gettime(CLOCK_BOOTTIME, &a);
	do
		clock_gettime(CLOCK_BOOTTIME, &b);
	while (b.tv_sec == a.tv_sec && b.tv_nsec - a.tv_nsec < 100000);
}

/* Ends turns one by one. */
static void on_pulse(void *arg)
{
	struct ctx *x = arg;

	timer_set(x->a, loop_now(x->rig.l));
}

static void see_now(void *arg)
{
	struct ctx *x = arg;

	x->seen[x->fired++ & 1] = loop_now(x->rig.l);
	let_time_pass();
}

/* Everything that runs between two sleeps sees one `now`; without a turn each call reads the clock. */
static void one_turn_has_one_now(void)
{
	struct ctx x = { 0 };
	mono_t before;

	start(&x.rig);
	before = loop_now(x.rig.l);
	let_time_pass();
	OK(loop_now(x.rig.l).us > before.us);
	OK(loop_wall(x.rig.l).us > UINT64_C(1600000000) * US_PER_SEC);
	x.a = loop_timer(x.rig.l, see_now, &x);
	x.b = loop_timer(x.rig.l, see_now, &x);
	timer_set(x.a, before);
	timer_set(x.b, before);
	let_time_pass();
	OK(rig_run(&x.rig, fired_twice, &x));
	EQ(x.seen[0].us, x.seen[1].us);
	timer_free(x.a);
	timer_free(x.b);
	rig_close(&x.rig);
}

static void say_a(void *arg)
{
	((struct ctx *)arg)->fired++;
	note("a");
}

static void say_b(void *arg)
{
	((struct ctx *)arg)->fired++;
	note("b");
}

static void say_c(void *arg)
{
	((struct ctx *)arg)->fired++;
	note("c");
}

/* Timers fire in the order of their deadlines, each once; MONO_NEVER disarms; setting again moves. */
static void timers_fire_once_in_deadline_order(void)
{
	struct ctx x = { 0 };
	mono_t t;

	start(&x.rig);
	t = loop_now(x.rig.l);
	x.a = loop_timer(x.rig.l, say_a, &x);
	x.b = loop_timer(x.rig.l, say_b, &x);
	x.c = loop_timer(x.rig.l, say_c, &x);
	timer_set(x.a, mono_add(t, DUR_MS(4)));
	timer_set(x.b, mono_add(t, DUR_MS(1)));
	timer_set(x.b, mono_add(t, DUR_MS(6)));
	timer_set(x.c, mono_add(t, DUR_MS(2)));
	timer_set(x.c, MONO_NEVER);
	OK(rig_run(&x.rig, fired_twice, &x));
	EQ_STR(trace, "ab");
	timer_free(x.a);
	timer_free(x.b);
	timer_free(x.c);
	timer_free(NULL);
	rig_close(&x.rig);
}

static void again_in_the_past(void *arg)
{
	struct ctx *x = arg;

	x->fired++;
	timer_set(x->a, (mono_t){ 0 });
}

static void count_turn(void *arg)
{
	struct ctx *x = arg;

	x->turns++;
	if (x->turns == 20)
		loop_stop(x->rig.l);
}

/* A passed time fires in the next turn, not in this one: a timer that re-arms itself cannot starve the loop. */
static void passed_time_fires_in_next_turn(void)
{
	struct ctx x = { 0 };

	start(&x.rig);
	EQ(loop_turn_end(x.rig.l, count_turn, &x), 0);
	x.a = loop_timer(x.rig.l, again_in_the_past, &x);
	timer_set(x.a, (mono_t){ 0 });
	EQ(loop_run(x.rig.l), 0);
	OK(x.fired > 0 && x.fired < x.turns);
	timer_free(x.a);
	rig_close(&x.rig);
}

static void free_all(void *arg)
{
	struct ctx *x = arg;

	x->fired += 2;
	timer_free(x->a);
	timer_free(x->b);
	x->a = x->b = NULL;
}

/* A callback may free its own timer and one that is due in the same turn; the latter does not fire. */
static void timers_may_be_freed_by_callbacks(void)
{
	struct ctx x = { 0 };

	start(&x.rig);
	x.a = loop_timer(x.rig.l, free_all, &x);
	x.b = loop_timer(x.rig.l, say_b, &x);
	timer_set(x.a, (mono_t){ 0 });
	timer_set(x.b, (mono_t){ 0 });
	let_time_pass();
	OK(rig_run(&x.rig, fired_twice, &x));
	OK(x.fired <= 3); /* two deadlines of one microsecond have no order */
	OK(!x.a && !x.b);
	rig_close(&x.rig);
}

static void hook_1(void *arg)
{
	(void)arg;
	note("1");
}

static void hook_2(void *arg)
{
	(void)arg;
	note("2");
}

static void say_and_stop(void *arg)
{
	note("t");
	loop_stop(((struct ctx *)arg)->rig.l);
}

/* Hooks run after the callbacks of a turn in the order they were added, and once for what preceded the first sleep. */
static void hooks_end_each_turn_in_order(void)
{
	struct ctx x = { 0 };

	start(&x.rig);
	EQ(loop_turn_end(x.rig.l, hook_1, NULL), 0);
	EQ(loop_turn_end(x.rig.l, hook_2, NULL), 0);
	x.a = loop_timer(x.rig.l, say_and_stop, &x);
	timer_set(x.a, (mono_t){ 0 });
	EQ(loop_run(x.rig.l), 0);
	EQ_STR(trace, "12t12");
	trace[0] = '\0';
	loop_stop(x.rig.l); /* before the run: no sleep at all, and the next run is a fresh one */
	EQ(loop_run(x.rig.l), 0);
	EQ_STR(trace, "12");
	timer_set(x.a, (mono_t){ 0 });
	EQ(loop_run(x.rig.l), 0);
	EQ_STR(trace, "1212t12");
	timer_free(x.a);
	rig_close(&x.rig);
}

static void on_readable(int fd, unsigned events, void *arg)
{
	struct ctx *x = arg;
	char c;

	x->events |= events;
	if (read(fd, &c, 1) == 1)
		note((char[]){ c, 0 });
	if (++x->fired == 2) {
		loop_unwatch(x->w);
		x->w = NULL;
	}
}

/* Watches are level-triggered: unread bytes wake the loop again. A watch may be ended by its own callback. */
static void watch_is_level_triggered(void)
{
	struct ctx x = { 0 };
	int fd[2];

	start(&x.rig);
	EQ(pipe(fd), 0);
	EQ(write(fd[1], "xyz", 3), 3);
	x.w = loop_watch(x.rig.l, fd[0], LOOP_READ, on_readable, &x);
	OK(x.w);
	OK(rig_run(&x.rig, fired_twice, &x));
	EQ_STR(trace, "xy");
	EQ(x.events, LOOP_READ);
	OK(!x.w);
	EQ(fcntl(fd[0], F_GETFD) >= 0, 1); /* unwatch does not close */
	close(fd[0]);
	close(fd[1]);
	loop_unwatch(NULL);
	rig_close(&x.rig);
}

static void on_writable(int fd, unsigned events, void *arg)
{
	struct ctx *x = arg;

	(void)fd;
	x->events |= events;
	x->fired = 2;
}

/* LOOP_WRITE reports room; a descriptor that cannot be watched is refused, not ignored. */
static void write_events_and_bad_descriptors(void)
{
	struct ctx x = { 0 };
	int fd[2];

	start(&x.rig);
	EQ(pipe(fd), 0);
	x.w = loop_watch(x.rig.l, fd[1], LOOP_WRITE, on_writable, &x);
	OK(rig_run(&x.rig, fired_twice, &x));
	EQ(x.events, LOOP_WRITE);
	loop_unwatch(x.w);
	/* Readers gone: an error of write(2), because loop_new ignores SIGPIPE. */
	close(fd[0]);
	EQ(write(fd[1], "x", 1), -1);
	EQ(errno, EPIPE);
	close(fd[1]);
	OK(loop_watch(x.rig.l, 9999, LOOP_READ, on_writable, &x) == NULL);
	rig_close(&x.rig);
}

static void on_edge(int fd, unsigned events, void *arg)
{
	struct ctx *x = arg;

	(void)fd;
	x->events |= events;
	x->fired++;
}

static bool some_turns(void *arg)
{
	return ++((struct ctx *)arg)->turns > 2;
}

/* What edges told within a few turns. */
static unsigned edges(struct ctx *x)
{
	struct timer *t = loop_timer(x->rig.l, on_pulse, x);

	x->events = x->fired = x->turns = 0;
	x->a = t;
	on_pulse(x);
	OK(rig_run(&x->rig, some_turns, x));
	timer_free(t);
	return x->events;
}

/* LOOP_EDGE tells each change once, the end with LOOP_END; whoever did not ask for that sees it as something to read. */
static void edges_are_told_once(void)
{
	struct ctx x = { 0 };
	char byte;
	int fd[2];

	start(&x.rig);
	EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	x.w = loop_watch(x.rig.l, fd[0], LOOP_READ | LOOP_END | LOOP_EDGE, on_edge, &x);
	EQ(edges(&x), 0);
	EQ(write(fd[1], "a", 1), 1);
	EQ(edges(&x), LOOP_READ);
	EQ(edges(&x), 0); /* not read, and not told again */
	EQ(read(fd[0], &byte, 1), 1);
	EQ(write(fd[1], "b", 1), 1);
	EQ(edges(&x), LOOP_READ);
	EQ(x.fired, 1);
	shutdown(fd[1], SHUT_WR);
	EQ(edges(&x), LOOP_READ | LOOP_END);
	loop_unwatch(x.w);
	x.w = loop_watch(x.rig.l, fd[0], LOOP_READ | LOOP_EDGE, on_edge, &x);
	EQ(edges(&x), LOOP_READ);
	loop_unwatch(x.w);
	close(fd[0]);
	close(fd[1]);
	rig_close(&x.rig);
}

/* A second watch of a descriptor, for what is of interest later, leaves the first as it was. */
static void a_descriptor_may_have_two_watches(void)
{
	static char block[65536];
	struct ctx x = { 0 };
	struct watch *room;
	int fd[2];

	start(&x.rig);
	EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	x.w = loop_watch(x.rig.l, fd[0], LOOP_READ | LOOP_EDGE, on_edge, &x);
	EQ(edges(&x), 0);
	room = loop_watch(x.rig.l, fd[0], LOOP_WRITE | LOOP_EDGE, on_edge, &x);
	EQ(edges(&x), LOOP_WRITE); /* there is room now */
	while (write(fd[0], block, sizeof(block)) > 0)
		;
	EQ(edges(&x), 0);
	while (read(fd[1], block, sizeof(block)) > 0)
		;
	EQ(edges(&x), LOOP_WRITE);
	loop_unwatch(room);
	EQ(write(fd[1], "a", 1), 1);
	OK(edges(&x) & LOOP_READ);
	loop_unwatch(x.w);
	close(fd[0]);
	close(fd[1]);
	rig_close(&x.rig);
}

static void on_signal(int signo, void *arg)
{
	struct ctx *x = arg;

	EQ(signo, SIGUSR1);
	x->fired = 2;
}

/* A signal arrives inside a turn as an ordinary callback. */
static void signal_is_a_callback(void)
{
	struct ctx x = { 0 };

	start(&x.rig);
	EQ(loop_signal(x.rig.l, SIGUSR1, on_signal, &x), 0);
	EQ(raise(SIGUSR1), 0);
	EQ(x.fired, 0);
	OK(rig_run(&x.rig, fired_twice, &x));
	rig_close(&x.rig);
}

/* One of several threads, with a loop and timers of its own. */
struct worker {
	struct loop *l;
	struct timer *timer, *other;
	pthread_t thread;
	unsigned fired, turns, signals;
	bool wants_signal, failed;
};

#define WORKERS 2
#define FIRINGS 200

static void work(void *arg)
{
	struct worker *w = arg;

	if (!pthread_equal(pthread_self(), w->thread))
		w->failed = true;
	timer_set(w->other, mono_add(loop_now(w->l), DUR_SEC(60)));
	if (++w->fired >= FIRINGS && (w->signals || !w->wants_signal))
		loop_stop(w->l);
	else
		timer_set(w->timer, mono_add(loop_now(w->l), 50));
}

static void late(void *arg)
{
	struct worker *w = arg;

	w->failed = true;
	loop_stop(w->l);
}

static void count_worker_turn(void *arg)
{
	((struct worker *)arg)->turns++;
}

static void count_signal(int signo, void *arg)
{
	struct worker *w = arg;

	w->failed = w->failed || signo != SIGUSR2 || !pthread_equal(pthread_self(), w->thread);
	w->signals++;
}

static void *work_in_thread(void *arg)
{
	struct worker *w = arg;

	w->thread = pthread_self();
	w->l = loop_new();
	w->timer = loop_timer(w->l, work, w);
	w->other = loop_timer(w->l, late, w);
	w->failed = loop_turn_end(w->l, count_worker_turn, w) < 0 ||
		    (w->wants_signal && (loop_signal(w->l, SIGUSR2, count_signal, w) < 0 || raise(SIGUSR2) != 0));
	timer_set(w->timer, (mono_t){ 0 });
	if (loop_run(w->l) < 0)
		w->failed = true;
	loop_free(w->l);
	return NULL;
}

/* Loops of several threads run side by side; a signal comes to the one that asked for it. */
static void each_thread_has_its_loop(void)
{
	struct worker w[WORKERS] = { { .wants_signal = true } };
	pthread_t thread[WORKERS];

	for (int i = 0; i < WORKERS; i++)
		EQ(pthread_create(&thread[i], NULL, work_in_thread, &w[i]), 0);
	for (int i = 0; i < WORKERS; i++)
		EQ(pthread_join(thread[i], NULL), 0);
	for (int i = 0; i < WORKERS; i++) {
		OK(!w[i].failed);
		OK(w[i].fired >= FIRINGS && w[i].turns >= FIRINGS);
		EQ(w[i].signals, w[i].wants_signal);
	}
}

/* Without memory every constructor fails cleanly, and a timer once made never needs memory again. */
static void out_of_memory_is_reported(void)
{
	struct loop *l;
	struct timer *t;

	mem_fail_at(0);
	OK(loop_new() == NULL);
	mem_fail_at(SIZE_MAX);
	l = loop_new();
	mem_fail_at(0);
	OK(loop_timer(l, say_a, NULL) == NULL);
	mem_fail_at(1);
	OK(loop_timer(l, say_a, NULL) == NULL);
	mem_fail_at(0);
	OK(loop_watch(l, 0, LOOP_READ, on_readable, NULL) == NULL);
	mem_fail_at(0);
	EQ(loop_signal(l, SIGUSR1, on_signal, NULL), ERR_NOMEM);
	mem_fail_at(0);
	EQ(loop_turn_end(l, say_a, NULL), ERR_NOMEM);
	mem_fail_at(SIZE_MAX);
	t = loop_timer(l, say_a, NULL);
	mem_fail_at(0);
	timer_set(t, mono_add(loop_now(l), DUR_SEC(60)));
	timer_set(t, MONO_NEVER);
	timer_set(t, (mono_t){ 0 });
	mem_fail_at(SIZE_MAX);
	loop_freep(&l); /* takes the timer with it */
	OK(l == NULL);
	loop_freep(&l);
}

T_MAIN(T(one_turn_has_one_now), T(timers_fire_once_in_deadline_order), T(passed_time_fires_in_next_turn),
       T(timers_may_be_freed_by_callbacks), T(hooks_end_each_turn_in_order), T(watch_is_level_triggered),
       T(write_events_and_bad_descriptors), T(edges_are_told_once),
       T(a_descriptor_may_have_two_watches), T(signal_is_a_callback), T(each_thread_has_its_loop),
       T(out_of_memory_is_reported))
