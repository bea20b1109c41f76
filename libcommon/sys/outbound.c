/* SPDX-License-Identifier: AGPL-3.0-only */
/* Every outcome is told from the loop: what is known at once, and what a send reports, waits for the timer. `busy` counts callbacks
 * of the owner on the stack; one freed under them goes when the last one returns. */
#include "sys/outbound.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <unistd.h>

#include "base/err.h"
#include "base/slab.h"
#include "sys/sock.h"

#define RECV_BATCH 32
#define DGRAM_MAX 16384 /* larger ones are cut, and then are nothing anybody asked for */

struct outbound {
	struct loop *loop;
	struct watch *watch;      /* connecting, or UDP */
	struct bufferevent *bev;  /* a connected stream */
	struct timer *later;
	const struct outbound_ops *ops;
	void *arg;
	size_t in_max;
	int fd, why;              /* fd: -1 once bev has it; why: of the close the timer is to tell */
	unsigned busy;
	bool udp, dead, closed, freed;
};

static void release(struct outbound *o)
{
	loop_unwatch(o->watch);
	timer_free(o->later);
	if (o->bev)
		bufferevent_free(o->bev);
	if (o->fd >= 0)
		close(o->fd);
	mem_free(o);
}

static void leave(struct outbound *o)
{
	if (--o->busy == 0 && o->freed)
		release(o);
}

static void tell_closed(struct outbound *o, int why)
{
	if (o->closed || o->freed)
		return;
	o->closed = true;
	loop_unwatch(o->watch);
	o->watch = NULL;
	if (o->bev)
		bufferevent_disable(o->bev, EV_READ | EV_WRITE);
	o->busy++;
	o->ops->closed(o->arg, why);
	leave(o);
}

static void tell_later(struct outbound *o, int why)
{
	if (o->dead)
		return;
	o->dead = true;
	o->why = why;
	timer_set(o->later, loop_now(o->loop));
}

static void tell_open(struct outbound *o)
{
	o->busy++;
	o->ops->open(o->arg);
	leave(o);
}

static void on_later(void *arg)
{
	struct outbound *o = arg;

	if (o->dead)
		tell_closed(o, o->why);
	else
		tell_open(o);
}

/* --- streams ------------------------------------------------------------------------------------------------------ */

static void on_read(struct bufferevent *bev, void *arg)
{
	struct evbuffer *in = bufferevent_get_input(bev);
	size_t n = evbuffer_get_length(in), used;
	struct outbound *o = arg;
	const uint8_t *p = evbuffer_pullup(in, -1);

	if (o->closed || n == 0)
		return;
	if (!p) {
		tell_closed(o, ERR_NOMEM);
		return;
	}
	o->busy++;
	used = o->ops->data(o->arg, span_of(p, n));
	if (!o->freed) {
		evbuffer_drain(in, used < n ? used : n);
		if (evbuffer_get_length(in) >= o->in_max)
			tell_closed(o, ERR_LIMIT);
	}
	leave(o);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	int err = errno;

	(void)bev;
	tell_closed(arg, what & BEV_EVENT_ERROR ? err ? -err : -EIO : 0);
}

static void on_outcome(int fd, unsigned events, void *arg)
{
	struct outbound *o = arg;
	int r = sock_outcome(fd);

	(void)events;
	loop_unwatch(o->watch);
	o->watch = NULL;
	if (r == 0)
		o->bev = bufferevent_socket_new(loop_base(o->loop), fd, BEV_OPT_CLOSE_ON_FREE);
	if (!o->bev) {
		tell_closed(o, r < 0 ? r : ERR_NOMEM);
		return;
	}
	o->fd = -1;
	bufferevent_setcb(o->bev, on_read, NULL, on_event, o);
	bufferevent_setwatermark(o->bev, EV_READ, 0, o->in_max);
	bufferevent_enable(o->bev, EV_READ | EV_WRITE);
	tell_open(o);
}

/* --- datagrams ---------------------------------------------------------------------------------------------------- */

static void on_dgrams(int fd, unsigned events, void *arg)
{
	uint8_t buf[DGRAM_MAX];
	struct outbound *o = arg;

	(void)events;
	o->busy++;
	for (int i = 0; i < RECV_BATCH && !o->closed && !o->freed; i++) {
		ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);

		if (n < 0 && errno != EAGAIN && errno != EINTR)
			tell_closed(o, -errno);
		if (n < 0)
			break;
		(void)o->ops->data(o->arg, span_of(buf, (size_t)n));
	}
	leave(o);
}

static int udp_socket(const struct addr *to)
{
	struct sockaddr_storage ss;
	socklen_t n = sock_from_addr(to, &ss);
	int fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), r;

	if (fd < 0)
		return -errno;
	/* Nothing can have come before: the kernel chooses the port with the peer. */
	if (connect(fd, (const struct sockaddr *)&ss, n) == 0)
		return fd;
	r = -errno;
	close(fd);
	return r;
}

/* --- life --------------------------------------------------------------------------------------------------------- */

static struct outbound *outbound_new(struct loop *l, const struct outbound_ops *ops, void *arg)
{
	struct outbound *o = mem_alloc(sizeof(*o));

	if (!o)
		return NULL;
	o->loop = l;
	o->ops = ops;
	o->arg = arg;
	o->fd = -1;
	o->later = loop_timer(l, on_later, o);
	if (o->later)
		return o;
	mem_free(o);
	return NULL;
}

/* Of a socket that is fd, or that could not be had for the reason -fd: that is news of the peer, told from the loop. */
static int begin(struct outbound *o, int fd, unsigned events, void (*fn)(int, unsigned, void *))
{
	if (fd == -EMFILE || fd == -ENFILE || fd == -ENOBUFS || fd == -ENOMEM) {
		release(o);
		return fd;
	}
	if (fd < 0) {
		tell_later(o, fd);
		return 0;
	}
	o->fd = fd;
	o->watch = loop_watch(o->loop, fd, events, fn, o);
	if (o->watch)
		return 0;
	release(o);
	return ERR_NOMEM;
}

int outbound_tcp(struct loop *l, const struct addr *to, size_t in_max, const struct outbound_ops *ops, void *arg,
		 struct outbound **ret)
{
	struct outbound *o = outbound_new(l, ops, arg);
	int r;

	if (!o)
		return ERR_NOMEM;
	o->in_max = in_max;
	r = begin(o, sock_connect_tcp(NULL, to), LOOP_WRITE, on_outcome);
	if (r == 0)
		*ret = o;
	return r;
}

int outbound_udp(struct loop *l, const struct addr *to, const struct outbound_ops *ops, void *arg, struct outbound **ret)
{
	struct outbound *o = outbound_new(l, ops, arg);
	int r;

	if (!o)
		return ERR_NOMEM;
	o->udp = true;
	r = begin(o, udp_socket(to), LOOP_READ, on_dgrams);
	if (r < 0)
		return r;
	timer_set(o->later, loop_now(l));
	*ret = o;
	return 0;
}

void outbound_send(struct outbound *o, struct span out)
{
	if (o->closed || o->dead || out.n == 0)
		return;
	if (o->udp) {
		if (send(o->fd, out.p, out.n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno != EAGAIN)
			tell_later(o, -errno);
	} else if (!o->bev || bufferevent_write(o->bev, out.p, out.n) < 0) {
		tell_later(o, o->bev ? ERR_NOMEM : -ENOTCONN);
	}
}

/* bufferevent keeps others from taking of its queue, and would itself write, and close, from the loop only. */
static void flush(struct outbound *o)
{
	struct evbuffer *out = bufferevent_get_output(o->bev);

	bufferevent_disable(o->bev, EV_READ | EV_WRITE);
	evbuffer_unfreeze(out, 1);
	if (!o->closed && evbuffer_get_length(out))
		(void)evbuffer_write(out, bufferevent_getfd(o->bev));
	sock_end(bufferevent_getfd(o->bev));
}

void outbound_free(struct outbound *o)
{
	if (!o || o->freed)
		return;
	o->freed = true;
	if (o->bev)
		flush(o);
	if (o->busy == 0)
		release(o);
}
