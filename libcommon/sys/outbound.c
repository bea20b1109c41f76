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

static void release(struct outbound *d)
{
	loop_unwatch(d->watch);
	timer_free(d->later);
	if (d->bev)
		bufferevent_free(d->bev);
	if (d->fd >= 0)
		close(d->fd);
	mem_free(d);
}

static void leave(struct outbound *d)
{
	if (--d->busy == 0 && d->freed)
		release(d);
}

static void tell_closed(struct outbound *d, int why)
{
	if (d->closed || d->freed)
		return;
	d->closed = true;
	loop_unwatch(d->watch);
	d->watch = NULL;
	if (d->bev)
		bufferevent_disable(d->bev, EV_READ | EV_WRITE);
	d->busy++;
	d->ops->closed(d->arg, why);
	leave(d);
}

static void tell_later(struct outbound *d, int why)
{
	if (d->dead)
		return;
	d->dead = true;
	d->why = why;
	timer_set(d->later, loop_now(d->loop));
}

static void tell_open(struct outbound *d)
{
	d->busy++;
	d->ops->open(d->arg);
	leave(d);
}

static void on_later(void *arg)
{
	struct outbound *d = arg;

	if (d->dead)
		tell_closed(d, d->why);
	else
		tell_open(d);
}

/* --- streams ------------------------------------------------------------------------------------------------------ */

static void on_read(struct bufferevent *bev, void *arg)
{
	struct evbuffer *in = bufferevent_get_input(bev);
	size_t n = evbuffer_get_length(in), used;
	struct outbound *d = arg;
	const uint8_t *p = evbuffer_pullup(in, -1);

	if (d->closed || n == 0)
		return;
	if (!p) {
		tell_closed(d, ERR_NOMEM);
		return;
	}
	d->busy++;
	used = d->ops->data(d->arg, span_of(p, n));
	if (!d->freed) {
		evbuffer_drain(in, used < n ? used : n);
		if (evbuffer_get_length(in) >= d->in_max)
			tell_closed(d, ERR_LIMIT);
	}
	leave(d);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	int err = errno;

	(void)bev;
	tell_closed(arg, what & BEV_EVENT_ERROR ? err ? -err : -EIO : 0);
}

static void on_outcome(int fd, unsigned events, void *arg)
{
	struct outbound *d = arg;
	int r = sock_outcome(fd);

	(void)events;
	loop_unwatch(d->watch);
	d->watch = NULL;
	if (r == 0)
		d->bev = bufferevent_socket_new(loop_base(d->loop), fd, BEV_OPT_CLOSE_ON_FREE);
	if (!d->bev) {
		tell_closed(d, r < 0 ? r : ERR_NOMEM);
		return;
	}
	d->fd = -1;
	bufferevent_setcb(d->bev, on_read, NULL, on_event, d);
	bufferevent_setwatermark(d->bev, EV_READ, 0, d->in_max);
	bufferevent_enable(d->bev, EV_READ | EV_WRITE);
	tell_open(d);
}

/* --- datagrams ---------------------------------------------------------------------------------------------------- */

static void on_dgrams(int fd, unsigned events, void *arg)
{
	uint8_t buf[DGRAM_MAX];
	struct outbound *d = arg;

	(void)events;
	d->busy++;
	for (int i = 0; i < RECV_BATCH && !d->closed && !d->freed; i++) {
		ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);

		if (n < 0 && errno != EAGAIN && errno != EINTR)
			tell_closed(d, -errno);
		if (n < 0)
			break;
		(void)d->ops->data(d->arg, span_of(buf, (size_t)n));
	}
	leave(d);
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
	struct outbound *d = mem_alloc(sizeof(*d));

	if (!d)
		return NULL;
	d->loop = l;
	d->ops = ops;
	d->arg = arg;
	d->fd = -1;
	d->later = loop_timer(l, on_later, d);
	if (d->later)
		return d;
	mem_free(d);
	return NULL;
}

/* Of a socket that is fd, or that could not be had for the reason -fd: that is news of the peer, told from the loop. */
static int begin(struct outbound *d, int fd, unsigned events, void (*fn)(int, unsigned, void *))
{
	if (fd == -EMFILE || fd == -ENFILE || fd == -ENOBUFS || fd == -ENOMEM) {
		release(d);
		return fd;
	}
	if (fd < 0) {
		tell_later(d, fd);
		return 0;
	}
	d->fd = fd;
	d->watch = loop_watch(d->loop, fd, events, fn, d);
	if (d->watch)
		return 0;
	release(d);
	return ERR_NOMEM;
}

int outbound_tcp(struct loop *l, const struct addr *to, size_t in_max, const struct outbound_ops *ops, void *arg, struct outbound **ret)
{
	struct addr from = addr_is_v4(to) ? addr_v4(0, 0, 0, 0, 0) : (struct addr){ 0 };
	struct outbound *d = outbound_new(l, ops, arg);
	int r;

	if (!d)
		return ERR_NOMEM;
	d->in_max = in_max;
	r = begin(d, sock_connect_tcp(&from, to), LOOP_WRITE, on_outcome);
	if (r == 0)
		*ret = d;
	return r;
}

int outbound_udp(struct loop *l, const struct addr *to, const struct outbound_ops *ops, void *arg, struct outbound **ret)
{
	struct outbound *d = outbound_new(l, ops, arg);
	int r;

	if (!d)
		return ERR_NOMEM;
	d->udp = true;
	r = begin(d, udp_socket(to), LOOP_READ, on_dgrams);
	if (r < 0)
		return r;
	timer_set(d->later, loop_now(l));
	*ret = d;
	return 0;
}

void outbound_send(struct outbound *d, struct span out)
{
	if (d->closed || d->dead || out.n == 0)
		return;
	if (d->udp) {
		if (send(d->fd, out.p, out.n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno != EAGAIN)
			tell_later(d, -errno);
	} else if (!d->bev || bufferevent_write(d->bev, out.p, out.n) < 0) {
		tell_later(d, d->bev ? ERR_NOMEM : -ENOTCONN);
	}
}

void outbound_free(struct outbound *d)
{
	if (!d || d->freed)
		return;
	d->freed = true;
	if (d->bev && !d->closed && evbuffer_get_length(bufferevent_get_output(d->bev)))
		(void)evbuffer_write(bufferevent_get_output(d->bev), bufferevent_getfd(d->bev));
	if (d->bev)
		bufferevent_disable(d->bev, EV_READ | EV_WRITE);
	if (d->busy == 0)
		release(d);
}
