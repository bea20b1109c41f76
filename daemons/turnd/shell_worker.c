/* SPDX-License-Identifier: AGPL-3.0-only */
/* A worker: a thread with a loop and a core, and the mailbox through which others reach it. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "sys/log.h"
#include "sys/rng_kernel.h"
#include "sys/wakeup.h"
#include "turnd/shell_conn.h"
#include "turnd/shell_peer.h"
#include "turnd/shell_udp.h"

#define WALL_EVERY DUR_SEC(1) /* how stale the core's wall clock may get: credentials expire by it */

/* --- the core's side ----------------------------------------------------------------------------------- */

mono_t worker_now(struct worker *w)
{
	mono_t now = loop_now(w->loop);

	if (mono_since(now, w->wall_at) >= WALL_EVERY) {
		turn_set_wall(&w->turn, now, loop_wall(w->loop));
		w->wall_at = now;
	}
	return now;
}

void worker_flush(struct worker *w)
{
	struct outbox *ob = &w->out;

	for (uint32_t i = 0, end; i < ob->n; i = end) {
		const struct addr *local = &ob->msg[i].path.local;
		struct udp *u = udp_by_local(w, local);

		for (end = i + 1; end < ob->n && addr_eq(&ob->msg[end].path.local, local);)
			end++;
		if (u)
			udp_send_msgs(u, ob->msg + i, end - i);
	}
	outbox_clear(ob);
}

static void flush_full(struct outbox *ob)
{
	worker_flush(ob->owner);
}

enum drop worker_input(struct worker *w, const struct client *c, struct span msg)
{
	enum drop d = turn_input(&w->turn, c, msg, worker_now(w));
	struct conn *conn = d == DROP_OTHER_WORKER ? conn_get(w, c->conn) : NULL;

	if (conn && w->turn.other < w->d->n_workers) {
		w->stats.handed_over++;
		conn_move(conn, &w->d->worker[w->turn.other], msg);
	}
	return d;
}

static void on_timer(void *arg)
{
	struct worker *w = arg;
	mono_t now = worker_now(w);

	turn_tick(&w->turn, now);
	conns_tick(w, now);
	steer_tick(w, now);
}

static void on_turn_end(void *arg)
{
	struct worker *w = arg;
	const struct udp_stats *seen = udp_mem_stats(w->mem);

	conns_flush(w);
	if (w->out.n)
		worker_flush(w);
	w->turns++;
	timer_set(w->timer, mono_min(mono_min(turn_next(&w->turn), conns_next(w)), steer_next(w)));
	if (pace_due(&w->pace, loop_now(w->loop)))
		pace_window(&w->pace, seen->recv_msgs, seen->recv_dgrams, loop_cpu_ns(), loop_now(w->loop));
	loop_nap(w->behind ? 0 : w->pace.nap);
	w->behind = false;
}

/* --- what the core asks for ----------------------------------------------------------------------------- */

static int op_quota_take(void *owner, struct span user)
{
	struct worker *w = owner;
	int r;

	pthread_mutex_lock(&w->d->quota_lock);
	r = quota_take(&w->d->quota, user, span_str(w->turn.conf.realm));
	pthread_mutex_unlock(&w->d->quota_lock);
	return r;
}

static void op_quota_give(void *owner, struct span user)
{
	struct worker *w = owner;

	pthread_mutex_lock(&w->d->quota_lock);
	quota_give(&w->d->quota, user);
	pthread_mutex_unlock(&w->d->quota_lock);
}

static int op_user_by_hash(void *owner, const uint8_t hash[STUN_USERHASH_LEN], uint8_t ret_user[256])
{
	struct worker *w = owner;
	struct span name;
	int r;

	pthread_mutex_lock(&w->d->quota_lock);
	r = quota_user_by_hash(&w->d->quota, hash, &name);
	if (r == 0 && name.n <= 255) {
		memcpy(ret_user, name.p, name.n);
		r = (int)name.n;
	}
	pthread_mutex_unlock(&w->d->quota_lock);
	return r;
}

static uint32_t op_draw(void *owner)
{
	struct worker *w = owner;
	mono_t now = loop_now(w->loop);
	uint32_t n;

	pthread_mutex_lock(&w->d->quota_lock);
	n = quota_draw(&w->d->quota, now);
	pthread_mutex_unlock(&w->d->quota_lock);
	return n;
}

const struct turn_ops worker_ops = {
	.relay_open = relay_sock_open,
	.relay_close = relay_sock_close,
	.relay_is_open = relay_sock_is_open,
	.send = conn_send,
	.quota_take = op_quota_take,
	.quota_give = op_quota_give,
	.user_by_hash = op_user_by_hash,
	.draw = op_draw,
	.peer_connect = peer_connect,
	.peer_join = peer_join,
	.peer_close = peer_close,
};

/* --- the mailbox ---------------------------------------------------------------------------------------- */

static bool post(struct worker *w, struct mail *m, uint32_t max)
{
	bool ring = false, room;

	m->next = NULL;
	pthread_mutex_lock(&w->mail_lock);
	room = w->mails < max;
	if (room) {
		ring = w->mails++ == 0;
		*w->mail_tail = m;
		w->mail_tail = &m->next;
	} else {
		w->stats.mail_dropped++;
	}
	pthread_mutex_unlock(&w->mail_lock);
	if (ring)
		wakeup_ring(w->mail_fd);
	return room;
}

bool worker_post(struct worker *w, struct mail *m)
{
	return post(w, m, MAIL_MAX);
}

static void on_mail(int fd, unsigned events, void *arg)
{
	struct worker *w = arg;
	struct mail *m, *next;

	(void)events;
	wakeup_clear(fd);
	pthread_mutex_lock(&w->mail_lock);
	m = w->mail_head;
	w->mail_head = NULL;
	w->mail_tail = &w->mail_head;
	w->mails = 0;
	pthread_mutex_unlock(&w->mail_lock);
	for (; m; m = next) {
		next = m->next;
		m->fn(w, m);
	}
}

void worker_settle(struct worker *w)
{
	if (w->ready)
		on_mail(w->mail_fd, LOOP_READ, w);
}

struct call {
	struct mail mail; /* the first member */
	void (*fn)(struct worker *w, void *arg);
	void *arg;
	sem_t done;
};

static void on_call(struct worker *w, struct mail *m)
{
	struct call *c = CONTAINER_OF(m, struct call, mail);

	c->fn(w, c->arg);
	sem_post(&c->done);
}

static void wait_for(sem_t *s)
{
	while (sem_wait(s) < 0)
		; /* a signal came */
}

/* Ours may not be lost, hence no bound. */
static void call(struct worker *w, void (*fn)(struct worker *w, void *arg), void *arg)
{
	struct call c = { .mail = { .fn = on_call }, .fn = fn, .arg = arg };

	sem_init(&c.done, 0, 0);
	(void)post(w, &c.mail, UINT32_MAX);
	wait_for(&c.done);
	sem_destroy(&c.done);
}

void worker_each(struct turnd *d, void (*fn)(struct worker *w, void *arg), void *arg)
{
	for (uint32_t i = 0; i < d->n_workers; i++) {
		if (d->worker[i].running)
			call(&d->worker[i], fn, arg);
		else
			fn(&d->worker[i], arg);
	}
}

/* --- standing still ------------------------------------------------------------------------------------- */

struct hold {
	struct mail mail; /* the first member */
	sem_t here, go;
};

static void on_hold(struct worker *w, struct mail *m)
{
	struct hold *h = CONTAINER_OF(m, struct hold, mail);

	(void)w;
	sem_post(&h->here);
	wait_for(&h->go);
	sem_post(&h->here); /* h may go now */
}

void workers_hold(struct turnd *d)
{
	for (uint32_t i = 0; i < d->n_workers; i++) {
		struct worker *w = &d->worker[i];
		struct hold *h = w->hold;

		if (!w->running)
			continue;
		*h = (struct hold){ .mail = { .fn = on_hold } };
		sem_init(&h->here, 0, 0);
		sem_init(&h->go, 0, 0);
		(void)post(w, &h->mail, UINT32_MAX);
		wait_for(&h->here);
	}
}

void workers_release(struct turnd *d)
{
	for (uint32_t i = 0; i < d->n_workers; i++) {
		struct hold *h = d->worker[i].hold;

		if (!d->worker[i].running)
			continue;
		sem_post(&h->go);
		wait_for(&h->here);
		sem_destroy(&h->here);
		sem_destroy(&h->go);
	}
}

/* --- the watchdog --------------------------------------------------------------------------------------- */

static void on_alive(struct worker *w, struct mail *m)
{
	(void)m;
	atomic_store(&w->asked, false);
}

/* Asked at half the watchdog's interval: who has not answered since the last time stops the pings. */
bool workers_alive(void *turnd)
{
	struct turnd *d = turnd;
	bool all = true;

	for (uint32_t i = 0; i < d->n_workers; i++) {
		struct worker *w = &d->worker[i];

		if (!w->running)
			continue;
		if (atomic_exchange(&w->asked, true)) {
			log_at(LOG_ERR, NULL, "worker %u does not answer; the watchdog will end this process", w->index);
			all = false;
			continue;
		}
		w->alive.fn = on_alive;
		(void)post(w, &w->alive, UINT32_MAX);
	}
	return all;
}

/* --- made and ended ------------------------------------------------------------------------------------- */

static int open_core(struct worker *w)
{
	struct turn_conf c = w->d->conf.turn;
	mono_t now = loop_now(w->loop);

	c.worker = (uint8_t)w->index;
	c.n_workers = (uint8_t)w->d->n_workers;
	outbox_init(&w->out, w->out_msgs, OUT_MSGS, w->out_mem, OUT_BYTES, flush_full, w);
	outbox_parts(&w->out, w->out_parts, OUT_PARTS);
	w->wall_at = now;
	pace_init(&w->pace, w->d->conf.coalesce, now);
	return turn_init(&w->turn, &c, &w->rng, &w->out, &worker_ops, w, now, loop_wall(w->loop));
}

static int open_loop(struct worker *w)
{
	w->loop = loop_new();
	w->mem = udp_mem_new();
	w->out_mem = malloc(OUT_BYTES);
	w->hold = malloc(sizeof(struct hold));
	w->mail_fd = wakeup_open();
	if (w->mail_fd < 0)
		return w->mail_fd;
	if (!w->loop || !w->mem || !w->out_mem || !w->hold)
		return ERR_NOMEM;
	w->timer = loop_timer(w->loop, on_timer, w);
	w->mail_watch = loop_watch(w->loop, w->mail_fd, LOOP_READ, on_mail, w);
	return w->timer && w->mail_watch ? loop_turn_end(w->loop, on_turn_end, w) : ERR_NOMEM;
}

int worker_open(struct worker *w, struct turnd *d, unsigned index)
{
	int r;

	w->d = d;
	w->index = index;
	w->mail_fd = -1;
	w->mail_tail = &w->mail_head;
	w->rng = rng_kernel();
	pthread_mutex_init(&w->mail_lock, NULL);
	r = open_loop(w);
	if (r == 0)
		r = open_core(w);
	if (r < 0)
		return log_err(r, "worker %u", index);
	w->ready = true;
	w->tls = d->tls ? tls_ctx_ref(d->tls) : NULL;
	r = steer_open(w);
	if (r == 0)
		r = udp_listen(w);
	return r < 0 ? r : conns_open(w);
}

void worker_close(struct worker *w)
{
	if (!w->d)
		return;
	if (w->ready) {
		conns_close(w);
		turn_done(&w->turn);
		udp_unlisten(w);
		steer_close(w);
	}
	tls_ctx_unref(w->tls);
	loop_unwatch(w->mail_watch);
	if (w->mail_fd >= 0)
		close(w->mail_fd);
	udp_mem_free(w->mem);
	loop_free(w->loop);
	free(w->out_mem);
	free(w->hold);
	pthread_mutex_destroy(&w->mail_lock);
}

static void *thread(void *arg)
{
	struct worker *w = arg;
	int r = loop_run(w->loop);

	if (r < 0)
		log_err(r, "event loop of worker %u", w->index);
	return NULL;
}

/* Signals are the main thread's: the mask is inherited. */
int worker_start(struct worker *w)
{
	sigset_t all, old;
	char name[16];
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&w->thread, NULL, thread, w);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (r)
		return log_err(-r, "thread of worker %u", w->index);
	snprintf(name, sizeof(name), "turnd-%u", w->index);
	pthread_setname_np(w->thread, name);
	w->running = true;
	return 0;
}

static void stop_loop(struct worker *w, void *arg)
{
	(void)arg;
	loop_stop(w->loop);
}

void worker_stop(struct worker *w)
{
	if (!w->running)
		return;
	call(w, stop_loop, NULL);
	pthread_join(w->thread, NULL);
	w->running = false;
}
