/* SPDX-License-Identifier: AGPL-3.0-only */
#include "t.h"

#include <pthread.h>

#include "rig.h"
#include "sys/wakeup.h"

struct bell {
	struct rig rig;
	int fd;
	unsigned heard;
};

static void on_bell(int fd, unsigned events, void *arg)
{
	struct bell *b = arg;

	(void)events;
	wakeup_clear(fd);
	b->heard++;
}

static void *ring(void *arg)
{
	struct bell *b = arg;

	for (int i = 0; i < 1000; i++)
		wakeup_ring(b->fd);
	return NULL;
}

static bool heard(void *arg)
{
	return ((struct bell *)arg)->heard > 0;
}

/* Another thread's rings make the loop turn; however many there were, one clear silences them. */
static void another_thread_is_heard(void)
{
	struct bell b = { 0 };
	struct watch *w;
	pthread_t t;

	rig_open(&b.rig);
	b.fd = wakeup_open();
	OK(b.fd >= 0);
	w = loop_watch(b.rig.l, b.fd, LOOP_READ, on_bell, &b);
	wakeup_clear(b.fd); /* nothing to clear: does not block */
	if (pthread_create(&t, NULL, ring, &b) != 0)
		abort();
	OK(rig_run(&b.rig, heard, &b));
	pthread_join(t, NULL);
	wakeup_clear(b.fd);
	loop_unwatch(w);
	EQ(read(b.fd, &(uint64_t){ 0 }, 8), -1);
	EQ(errno, EAGAIN);
	close(b.fd);
	rig_close(&b.rig);
}

T_MAIN(T(another_thread_is_heard))
