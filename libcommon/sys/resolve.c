/* SPDX-License-Identifier: AGPL-3.0-only */
/* getaddrinfo(3) waits, so a thread does; it belongs to nobody. The question is freed by whoever lets go of it last, the thread or
 * the loop. What the thread wrote is read after it rang, or never. */
#include "sys/resolve.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/err.h"
#include "sys/sock.h"
#include "sys/wakeup.h"

#define STACK_BYTES (256 * 1024)

struct resolve {
	atomic_uint held; /* by the loop, by the thread */
	int bell;
	char host[RESOLVE_NAME_MAX];
	uint16_t port;
	/* the thread's */
	int r;
	uint32_t n;
	struct addr a[RESOLVE_MAX];
	/* the loop's */
	struct watch *watch;
	resolve_fn *fn;
	void *arg;
};

static atomic_uint under_way;

static void let_go(struct resolve *q)
{
	if (atomic_fetch_sub(&q->held, 1) != 1)
		return;
	close(q->bell);
	free(q);
}

static int meaning_of(int eai, int err)
{
	switch (eai) {
	case EAI_NONAME:
	case EAI_NODATA:
	case EAI_ADDRFAMILY:
		return ERR_MISSING;
	case EAI_MEMORY:
		return ERR_NOMEM;
	case EAI_SYSTEM:
		return err ? -err : -EIO;
	default: /* EAI_AGAIN, EAI_FAIL: a name server that does not answer, or not well */
		return -EAGAIN;
	}
}

static void ask(struct resolve *q)
{
	const struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM };
	struct addrinfo *all = NULL;
	int eai = getaddrinfo(q->host, NULL, &hints, &all);

	if (eai != 0) {
		q->r = meaning_of(eai, errno);
		return;
	}
	for (const struct addrinfo *i = all; i && q->n < RESOLVE_MAX; i = i->ai_next) {
		struct sockaddr_storage ss = { 0 };

		if (i->ai_addrlen > sizeof(ss) || (i->ai_family != AF_INET && i->ai_family != AF_INET6))
			continue;
		memcpy(&ss, i->ai_addr, i->ai_addrlen);
		q->a[q->n] = sock_to_addr(&ss);
		q->a[q->n++].port = q->port;
	}
	freeaddrinfo(all);
	q->r = q->n ? 0 : ERR_MISSING;
}

static void *thread(void *arg)
{
	struct resolve *q = arg;

	ask(q);
	wakeup_ring(q->bell);
	let_go(q);
	atomic_fetch_sub(&under_way, 1);
	return NULL;
}

static void on_bell(int fd, unsigned events, void *arg)
{
	struct resolve *q = arg;

	(void)events;
	wakeup_clear(fd);
	loop_unwatch(q->watch);
	q->fn(q->r, q->a, q->n, q->arg);
	let_go(q);
}

/* Signals are the main thread's. */
static int spawn(struct resolve *q)
{
	pthread_attr_t attr;
	sigset_t all, old;
	pthread_t t;
	int err;

	sigfillset(&all);
	err = pthread_attr_init(&attr);
	if (err)
		return -err;
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	err = pthread_create(&t, &attr, thread, q);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	return -err;
}

int resolve_start(struct loop *l, const char *host, uint16_t port, resolve_fn *fn, void *arg, struct resolve **ret)
{
	struct resolve *q;
	int r;

	if (!host[0] || strlen(host) >= RESOLVE_NAME_MAX)
		return ERR_MALFORMED;
	if (atomic_load(&under_way) >= RESOLVE_AT_ONCE)
		return ERR_LIMIT;
	q = calloc(1, sizeof(*q));
	if (!q)
		return ERR_NOMEM;
	strcpy(q->host, host);
	q->port = port;
	q->fn = fn;
	q->arg = arg;
	q->bell = wakeup_open();
	r = q->bell < 0 ? q->bell : 0;
	if (r == 0) {
		q->watch = loop_watch(l, q->bell, LOOP_READ, on_bell, q);
		r = q->watch ? 0 : ERR_NOMEM;
	}
	atomic_store(&q->held, 2);
	atomic_fetch_add(&under_way, 1);
	if (r == 0)
		r = spawn(q);
	if (r == 0) {
		*ret = q;
		return 0;
	}
	atomic_fetch_sub(&under_way, 1);
	loop_unwatch(q->watch);
	if (q->bell >= 0)
		close(q->bell);
	free(q);
	return r;
}

void resolve_cancel(struct resolve *q)
{
	if (!q)
		return;
	loop_unwatch(q->watch);
	let_go(q);
}
