/* SPDX-License-Identifier: AGPL-3.0-only */
/* The first worker's thread: start, signals, reload, drain and stop of all of them. */
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "sys/conf_file.h"
#include "sys/log.h"
#include "sys/notify.h"
#include "sys/rng_kernel.h"
#include "turnd/turnd.h"

#define DRAIN_LOOK DUR_SEC(1)

/* --- certificate ---------------------------------------------------------------------------------------- */

static int load_tls(const struct turnd *d, const struct turnd_conf *c, struct tls_ctx **ret)
{
	char chain[PATH_MAX], key[PATH_MAX], why[TLS_WHY_MAX] = "";
	int r;

	*ret = NULL;
	if (!c->certificate[0])
		return 0;
	r = conf_file_path(c->certificate, chain);
	if (r == 0)
		r = conf_file_path(c->private_key, key);
	if (r < 0)
		return log_err(r, "Server.Certificate %s and PrivateKey %s: names without a slash are credentials of the service",
			       c->certificate, c->private_key);
	r = tls_ctx_new(chain, key, d->cookie_key, why, ret);
	if (r < 0)
		log_err(r, "Server.Certificate: %s", why);
	return r;
}

/* Whoever runs this node should know. */
static void say_allowed(const struct conf_addr_set *s)
{
	char text[1024], one[ADDR_TEXT_MAX];
	struct wr w = wr_from(text, sizeof(text) - 1);

	for (uint32_t i = 0; i < s->n; i++) {
		wr_str(&w, i ? " " : "");
		wr_str(&w, addr_fmt_ip(&s->a[i], one));
	}
	text[wr_len(&w)] = '\0';
	if (s->n)
		log_notice("Policy.AllowPeer: clients may reach %s through this relay", text);
}

/* --- reload --------------------------------------------------------------------------------------------- */

/* All stand still: nobody reads the old secrets or settings while they go. */
static void take_over(struct turnd *d, struct turnd_conf *fresh, struct tls_ctx *tls)
{
	turnd_conf_done(&d->conf);
	d->conf = *fresh;
	d->conf.turn.secret = d->conf.secret;
	for (uint32_t i = 0; i < d->n_workers; i++) {
		struct worker *w = &d->worker[i];

		turn_reconf(&w->turn, &d->conf.turn);
		w->pace.longest = d->conf.coalesce;
		tls_ctx_unref(w->tls);
		w->tls = tls ? tls_ctx_ref(tls) : NULL;
	}
	tls_ctx_unref(d->tls);
	d->tls = tls;
	wipe(fresh->secret, sizeof(fresh->secret));
}

int turnd_reload(struct turnd *d, struct wr *frozen)
{
	struct turnd_conf fresh = { 0 };
	struct tls_ctx *tls;
	int r = turnd_conf_load(d->conf_path, &fresh);

	if (r < 0)
		return r;
	turnd_conf_frozen(&d->conf, &fresh, frozen);
	turnd_conf_keep(&d->conf, &fresh);
	r = load_tls(d, &fresh, &tls);
	if (r < 0) {
		turnd_conf_done(&fresh);
		return r;
	}
	workers_hold(d);
	take_over(d, &fresh, tls);
	workers_release(d);
	pthread_mutex_lock(&d->quota_lock);
	quota_set(&d->quota, d->conf.user_quota, d->conf.total_quota, d->conf.total_bps, loop_now(d->worker[0].loop));
	pthread_mutex_unlock(&d->quota_lock);
	log_set_level(d->conf.level);
	log_info("configuration reloaded");
	say_allowed(&d->conf.allow_peer);
	return 0;
}

/* --- drain and stop ------------------------------------------------------------------------------------- */

static void count_sessions(struct worker *w, void *arg)
{
	uint64_t *n = arg;

	*n += w->turn.allocs.live;
}

uint64_t turnd_sessions(struct turnd *d)
{
	uint64_t n = 0;

	worker_each(d, count_sessions, &n);
	return n;
}

static void on_watch_timer(void *arg)
{
	struct turnd *d = arg;
	mono_t now = loop_now(d->worker[0].loop);
	uint64_t n = turnd_sessions(d);

	if (n && !mono_reached(now, d->drain_by)) {
		timer_set(d->watch_timer, mono_min(mono_add(now, DRAIN_LOOK), d->drain_by));
		return;
	}
	log_notice("drained; %llu sessions left", (unsigned long long)n);
	raise(SIGTERM);
}

static void drain_worker(struct worker *w, void *arg)
{
	(void)arg;
	turn_drain(&w->turn);
}

void turnd_drain(struct turnd *d, uint64_t limit)
{
	mono_t now = loop_now(d->worker[0].loop);
	uint64_t n = turnd_sessions(d);

	if (!mono_is_never(d->drain_by))
		return;
	d->drain_by = mono_add(now, limit);
	worker_each(d, drain_worker, NULL);
	notify_status("draining: %llu sessions", (unsigned long long)n);
	log_notice("draining: no new sessions; ends when the last of %llu is gone", (unsigned long long)n);
	timer_set(d->watch_timer, now);
}

/* Nothing to say goodbye to: clients notice and go elsewhere. */
static void on_stop(int signo, void *arg)
{
	struct turnd *d = arg;

	(void)signo;
	if (d->stopping)
		return;
	d->stopping = true;
	notify_stopping();
	log_info("stopping: %llu sessions", (unsigned long long)turnd_sessions(d));
	loop_stop(d->worker[0].loop);
}

/* --- start ---------------------------------------------------------------------------------------------- */

static uint32_t worker_count(const struct turnd_conf *c)
{
	long n = c->workers ? (long)c->workers : sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : n > WORKERS_MAX ? WORKERS_MAX : (uint32_t)n;
}

static int open_shared(struct turnd *d)
{
	struct rng rng = rng_kernel();
	size_t words = (size_t)(d->conf.max_port - d->conf.min_port) / 16 + 1;

	rng_bytes(&rng, d->cookie_key, sizeof(d->cookie_key));
	rng_bytes(&rng, d->conf.turn.nonce_key, sizeof(d->conf.turn.nonce_key));
	rng_bytes(&rng, d->conf.turn.ticket_key, sizeof(d->conf.turn.ticket_key));
	for (int f = 0; f < REL_MAX_; f++) {
		d->relay_open[f] = calloc(words, sizeof(atomic_uint));
		if (!d->relay_open[f])
			return log_err(ERR_NOMEM, "table of relay ports");
	}
	d->n_workers = worker_count(&d->conf);
	d->worker = calloc(d->n_workers, sizeof(*d->worker));
	if (!d->worker)
		return log_err(ERR_NOMEM, "%u workers", d->n_workers);
	quota_init(&d->quota, d->conf.user_quota, d->conf.total_quota, d->conf.total_bps, &rng, loop_clock());
	pthread_mutex_init(&d->quota_lock, NULL);
	d->drain_by = MONO_NEVER;
	return load_tls(d, &d->conf, &d->tls);
}

static int open_main(struct turnd *d)
{
	struct loop *l = d->worker[0].loop;
	int r;

	d->watch_timer = loop_timer(l, on_watch_timer, d);
	if (!d->watch_timer || loop_signal(l, SIGTERM, on_stop, d) < 0 || loop_signal(l, SIGINT, on_stop, d) < 0 ||
	    loop_signal(l, SIGHUP, edge_control_hangup, &d->edge) < 0)
		return log_err(ERR_NOMEM, "event loop");
	r = metrics_open(d);
	if (r == 0)
		r = ctl_open(d);
	if (r < 0)
		return r;
	notify_watchdog_if(workers_alive, d);
	r = notify_watchdog(l);
	return r < 0 ? log_err(r, "watchdog") : 0;
}

static void say_open(const struct turnd *d)
{
	const struct turn_conf *c = &d->conf.turn;
	char at[ADDR_TEXT_MAX], told[ADDR_TEXT_MAX];

	for (int f = 0; f < REL_MAX_; f++) {
		const struct turn_relay *r = &c->relay[f];

		if (addr_is_unset(&r->at))
			continue;
		log_info("relaying on %s%s%s, ports %u to %u", addr_fmt(&r->at, at),
			 addr_is_unset(&r->external) ? "" : ", told to clients as ",
			 addr_is_unset(&r->external) ? "" : addr_fmt(&r->external, told), c->min_port, c->max_port);
	}
	say_allowed(&d->conf.allow_peer);
	log_info("%u workers, %u secrets, %s", d->n_workers, d->conf.n_secrets, d->tls ? "TLS and DTLS" : "no TLS");
}

int turnd_open(struct turnd *d)
{
	int r = open_shared(d);

	for (uint32_t i = 0; r == 0 && i < d->n_workers; i++)
		r = worker_open(&d->worker[i], d, i);
	if (r == 0)
		r = open_main(d);
	for (uint32_t i = 1; r == 0 && i < d->n_workers; i++)
		r = worker_start(&d->worker[i]);
	if (r == 0)
		say_open(d);
	return r;
}

int turnd_loop(struct turnd *d)
{
	int r = loop_run(d->worker[0].loop);

	return r < 0 ? log_err(r, "event loop") : 0;
}

void turnd_close(struct turnd *d)
{
	uint32_t n = d->worker ? d->n_workers : 0;

	for (uint32_t i = 0; i < n; i++)
		worker_stop(&d->worker[i]);
	for (uint32_t i = 0; i < n; i++)
		worker_settle(&d->worker[i]);
	varlink_close(d->control);
	if (d->metrics)
		http_small_close(d->metrics);
	for (uint32_t i = 0; i < n; i++)
		worker_close(&d->worker[i]);
	tls_ctx_unref(d->tls);
	quota_done(&d->quota);
	free(d->worker);
	for (int f = 0; f < REL_MAX_; f++)
		free(d->relay_open[f]);
	turnd_conf_done(&d->conf);
	wipe(d->cookie_key, sizeof(d->cookie_key));
}
