/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * The daemon: one worker per processor, each with a thread, a loop and a core of its own; they share nothing but the quota. The
 * first worker's thread is the main one and also serves signals, control and metrics. Only main.c and shell*.c include this.
 */
#ifndef TURND_TURND_H
#define TURND_TURND_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "sys/edge_control.h"
#include "sys/prom.h"
#include "sys/udp.h"
#include "turnd/pace.h"
#include "turnd/tls_mem.h"
#include "turnd/turnd_conf.h"

#define WORKERS_MAX 64
#define OUT_MSGS 256
#define OUT_PARTS 1024
#define OUT_BYTES (64 * 1024)
#define MAIL_MAX 1024 /* messages handed to a worker and not yet taken; more are dropped, as a network would */

struct conn;   /* shell_conn.h */
struct streams; /* shell_conn.h */
struct relay;  /* shell_udp.c: a relay socket */
struct hold;   /* shell_worker.c */
struct steers; /* shell_steer.c: sockets of clients that the kernel would give to another worker */

/* A socket that clients send to. */
struct listener {
	struct udp udp;
	struct watch *watch;
	struct worker *worker;
	bool dtls;
};

/* Something handed to another worker: freed by it. */
struct mail {
	struct mail *next;
	void (*fn)(struct worker *w, struct mail *m); /* in the worker's thread; frees */
};

struct worker {
	struct turnd *d;
	unsigned index;
	pthread_t thread;
	struct loop *loop;
	struct udp_mem *mem;
	struct dgram dgrams[UDP_RX_DGRAMS];
	struct listener *listener;
	uint32_t n_listeners;
	struct relay **relays[REL_MAX_]; /* by port - min_port */
	struct turn turn;
	mono_t wall_at;           /* when the core was last told the wall clock */
	struct rng rng;
	struct outbox out;
	struct out_msg out_msgs[OUT_MSGS];
	struct span out_parts[OUT_PARTS];
	uint8_t *out_mem;
	struct timer *timer;
	struct slab conns;        /* struct conn */
	struct dq conns_due;
	struct streams *streams;  /* shell_conn.h: listening sockets, buffers, RFC 6062 peers */
	struct hmap dtls;         /* sessions by client */
	struct tls_ctx *tls;      /* of new sessions; NULL: no certificate */
	pthread_mutex_t mail_lock;
	struct mail *mail_head, **mail_tail;
	uint32_t mails;
	int mail_fd;              /* eventfd */
	struct watch *mail_watch;
	bool ready;               /* the core is there */
	bool running;             /* by a thread of its own */
	struct hold *hold;
	struct mail alive;        /* the watchdog's question … */
	atomic_bool asked;        /* … and that it was not answered yet */
	struct steers *steers;
	uint64_t turns;           /* of the loop */
	struct pace pace;
	bool behind;              /* something was left in a socket: no time to nap */
	struct worker_stats {
		uint64_t conns[VIA_MAX_], conns_refused, conns_ended; /* accepted, by kind */
		uint64_t tls_failed, covered, proxy_refused, framing;
		uint64_t mail_dropped, handed_over, steered;
		uint64_t blocked;                                     /* messages a stream had no room for */
	} stats;
};

struct turnd {
	struct turnd_conf conf;
	const char *conf_path;
	struct worker *worker; /* n_workers of them */
	uint32_t n_workers;
	pthread_mutex_t quota_lock;
	struct quota quota;
	atomic_uint *relay_open[REL_MAX_]; /* two bits per port, UDP and TCP: relay ports of all workers */
	uint8_t cookie_key[TLS_COOKIE_KEY_LEN]; /* tls_mem.h; the core's keys are in conf.turn */
	struct tls_ctx *tls;      /* as the workers have it */
	struct http_small *metrics;
	struct prom_page page;
	struct varlink *control;
	struct edge_control edge;
	mono_t drain_by;          /* MONO_NEVER while serving */
	struct timer *watch_timer; /* looks whether a drain is over */
	bool stopping;
};

/* shell.c: the first worker's thread. Every function that returns an error has logged it. */
int turnd_open(struct turnd *d);
int turnd_loop(struct turnd *d);
void turnd_close(struct turnd *d);
int turnd_reload(struct turnd *d, struct wr *frozen);
void turnd_drain(struct turnd *d, uint64_t limit);
uint64_t turnd_sessions(struct turnd *d); /* allocations of all workers */

/* shell_worker.c */
int worker_open(struct worker *w, struct turnd *d, unsigned index);
void worker_close(struct worker *w);
int worker_start(struct worker *w); /* a thread of its own; not for the first */
void worker_stop(struct worker *w);
void worker_settle(struct worker *w); /* takes the mail that is left, after all threads have ended */
/* Hands m over. False: the worker is not keeping up (counted), m is still the caller's. Any thread. */
bool worker_post(struct worker *w, struct mail *m);
/* Runs fn in every worker's thread, one after the other, and waits: for control, never from a worker other than the first. */
void worker_each(struct turnd *d, void (*fn)(struct worker *w, void *arg), void *arg);
void workers_hold(struct turnd *d); /* all others stand still: meanwhile the first may change what they read */
void workers_release(struct turnd *d);
bool workers_alive(void *turnd); /* for the watchdog */
mono_t worker_now(struct worker *w); /* this turn's time, with the core's wall clock brought up to date */
void worker_flush(struct worker *w); /* sends the outbox, each message by its socket */
/* A message of a client that is not VIA_UDP; hands over to the right worker when it is another's. */
enum drop worker_input(struct worker *w, const struct client *c, struct span msg);
extern const struct turn_ops worker_ops;

/* shell_metrics.c, shell_ctl.c */
void metrics_write(struct turnd *d, struct wr *w);
int metrics_open(struct turnd *d);
int ctl_open(struct turnd *d);

#endif
