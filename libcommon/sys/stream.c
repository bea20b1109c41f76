/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * Life of a stream: accepting -> open -> (finishing | doomed) -> closed. `busy` counts callbacks of the owner on
 * the stack; a stream closed under them is freed by the last one to return. Closes that must wait for the
 * loop (doomed, finishing, deadline) share one timer.
 */
#include "sys/stream.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/queue.h>
#include <unistd.h>

#include "base/err.h"
#include "base/secret.h"
#include "base/slab.h"
#include "sys/sock.h"

#define ACCEPT_BATCH 32
#define ACCEPT_PAUSE_US DUR_MS(100) /* out of descriptors: the waiting connection would wake us for ever */
#define EOF_LINGER_US DUR_SEC(5)    /* the peer has half-closed and our answer is still queued */

struct stream {
	LIST_ENTRY(stream) link;
	struct stream_listener *sl; /* NULL when it is gone */
	struct loop *loop;
	struct bufferevent *bev;
	struct timer *timer;
	const struct stream_ops *ops;
	void *arg;
	struct stream_limits limits;
	mono_t deadline, linger;
	int why; /* of doomed */
	unsigned busy;
	bool accepting, finishing, doomed, closed;
};

struct stream_listener {
	LIST_HEAD(, stream) streams;
	struct loop *loop;
	struct watch *watch;
	struct timer *resume;
	struct stream_listen_conf conf;
	uint64_t refused;
	uint32_t n;
	int fd;
	bool busy, dead;
};

/* For limits.wipe: room for all that may come, so that nothing is copied from block to block and left behind in the old one. */
static void make_room(struct stream *s)
{
	if (s->limits.wipe)
		(void)evbuffer_expand(bufferevent_get_input(s->bev), s->limits.in_max); /* without memory: as the others */
}

static void wipe_input(struct stream *s, size_t n)
{
	uint8_t *p = s->limits.wipe && n ? evbuffer_pullup(bufferevent_get_input(s->bev), (ssize_t)n) : NULL;

	if (p)
		wipe(p, n);
}

static void stream_free(struct stream *s)
{
	if (s->bev) {
		wipe_input(s, evbuffer_get_length(bufferevent_get_input(s->bev)));
		bufferevent_free(s->bev);
	}
	timer_free(s->timer);
	if (s->sl) {
		LIST_REMOVE(s, link);
		s->sl->n--;
	}
	mem_free(s);
}

static void rearm(struct stream *s)
{
	timer_set(s->timer, s->doomed ? (mono_t){ 0 } : mono_min(s->deadline, s->linger));
}

static void doom(struct stream *s, int why)
{
	if (s->doomed || s->closed)
		return;
	s->doomed = true;
	s->why = why;
	bufferevent_disable(s->bev, EV_READ);
	rearm(s);
}

void stream_close(struct stream *s, int why)
{
	if (s->closed)
		return;
	if (s->accepting) {
		doom(s, why);
		return;
	}
	s->closed = true;
	timer_set(s->timer, MONO_NEVER);
	bufferevent_disable(s->bev, EV_READ | EV_WRITE);
	s->busy++;
	s->ops->on_close(s, why);
	s->busy--;
	if (s->busy == 0)
		stream_free(s);
}

static void on_timer(void *arg)
{
	struct stream *s = arg;

	stream_close(s, s->doomed ? s->why : -ETIMEDOUT);
}

static void on_read(struct bufferevent *bev, void *arg)
{
	struct evbuffer *in = bufferevent_get_input(bev);
	size_t n = evbuffer_get_length(in), used;
	struct stream *s = arg;
	const uint8_t *p;

	if (n == 0 || s->doomed || s->finishing)
		return;
	p = evbuffer_pullup(in, -1);
	if (!p) {
		doom(s, ERR_NOMEM);
		return;
	}
	s->busy++;
	used = s->ops->on_data(s, span_of(p, n));
	s->busy--;
	if (!s->closed) {
		used = used < n ? used : n;
		wipe_input(s, used);
		evbuffer_drain(in, used);
		make_room(s);
	} else if (s->busy == 0) {
		stream_free(s);
	}
}

static void on_sent(struct bufferevent *bev, void *arg)
{
	struct stream *s = arg;

	(void)bev;
	if (s->finishing && !s->doomed)
		stream_close(s, 0);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	struct stream *s = arg;
	int err = errno;

	(void)bev;
	if (what & BEV_EVENT_ERROR)
		stream_close(s, err ? -err : -EIO);
	else if (s->doomed || s->finishing)
		return;
	else if (stream_unsent(s) > 0)
		stream_finish(s, EOF_LINGER_US);
	else
		stream_close(s, 0);
}

static struct stream *stream_new(struct stream_listener *sl, int fd)
{
	struct stream *s = mem_alloc(sizeof(*s));

	if (!s)
		return NULL;
	s->loop = sl->loop;
	s->ops = sl->conf.ops;
	s->limits = sl->conf.limits;
	s->deadline = s->linger = MONO_NEVER;
	s->timer = loop_timer(sl->loop, on_timer, s);
	if (s->timer)
		s->bev = bufferevent_socket_new(loop_base(sl->loop), fd, BEV_OPT_CLOSE_ON_FREE);
	if (!s->bev) {
		stream_free(s);
		return NULL;
	}
	bufferevent_setcb(s->bev, on_read, on_sent, on_event, s);
	bufferevent_setwatermark(s->bev, EV_READ, 0, s->limits.in_max);
	make_room(s);
	s->sl = sl;
	sl->n++;
	LIST_INSERT_HEAD(&sl->streams, s, link);
	return s;
}

static struct stream_peer peer_of(int fd, const struct sockaddr_storage *ss)
{
	struct stream_peer peer = { .addr = sock_to_addr(ss), .uid = (uid_t)-1, .pid = -1 };
	struct ucred cred;
	socklen_t n = sizeof(cred);
	int on = 1;

	if (ss->ss_family == AF_UNIX) {
		if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &n) == 0) {
			peer.uid = cred.uid;
			peer.pid = cred.pid;
		}
	} else {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	}
	return peer;
}

static void admit(struct stream_listener *sl, int fd, const struct sockaddr_storage *ss)
{
	struct stream_peer peer = peer_of(fd, ss);
	struct stream *s = NULL;

	if (sl->n < sl->conf.max_streams)
		s = stream_new(sl, fd);
	if (!s) {
		sl->refused++;
		close(fd);
		return;
	}
	s->accepting = true;
	s->arg = sl->conf.on_accept(s, &peer, sl->conf.arg);
	s->accepting = false;
	if (!s->arg) {
		if (s->sl)
			s->sl->refused++;
		stream_free(s);
		return;
	}
	bufferevent_enable(s->bev, s->doomed || s->finishing ? EV_WRITE : EV_READ | EV_WRITE);
}

static void listener_pause(struct stream_listener *sl)
{
	loop_unwatch(sl->watch);
	sl->watch = NULL;
	timer_set(sl->resume, mono_add(loop_now(sl->loop), ACCEPT_PAUSE_US));
}

static void on_acceptable(int fd, unsigned events, void *arg)
{
	struct stream_listener *sl = arg;

	(void)events;
	sl->busy = true;
	for (int i = 0; i < ACCEPT_BATCH && !sl->dead; i++) {
		struct sockaddr_storage ss = { 0 };
		socklen_t n = sizeof(ss);
		int got = accept4(fd, (struct sockaddr *)&ss, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (got >= 0) {
			admit(sl, got, &ss);
		} else if (errno == EAGAIN) {
			break;
		} else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			listener_pause(sl);
			break;
		}
		/* Anything else concerns the connection that was waiting, not the listener (accept(2)). */
	}
	sl->busy = false;
	if (sl->dead)
		mem_free(sl);
}

static void on_resume(void *arg)
{
	struct stream_listener *sl = arg;

	sl->watch = loop_watch(sl->loop, sl->fd, LOOP_READ, on_acceptable, sl);
	if (!sl->watch)
		timer_set(sl->resume, mono_add(loop_now(sl->loop), ACCEPT_PAUSE_US));
}

static int listener_new(struct loop *l, int fd, const struct stream_listen_conf *c, struct stream_listener **ret)
{
	struct stream_listener *sl;

	if (c->limits.in_max == 0 || c->limits.out_max == 0)
		return -EINVAL;
	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return -errno;
	sl = mem_alloc(sizeof(*sl));
	if (!sl)
		return ERR_NOMEM;
	LIST_INIT(&sl->streams);
	sl->fd = -1;
	sl->loop = l;
	sl->conf = *c;
	sl->resume = loop_timer(l, on_resume, sl);
	sl->watch = loop_watch(l, fd, LOOP_READ, on_acceptable, sl);
	if (!sl->resume || !sl->watch) {
		stream_listener_free(sl);
		return ERR_NOMEM;
	}
	sl->fd = fd;
	*ret = sl;
	return 0;
}

int stream_listen_fd(struct loop *l, int fd, const struct stream_listen_conf *c, struct stream_listener **ret)
{
	int r = listener_new(l, fd, c, ret);

	if (r < 0)
		close(fd);
	return r;
}

int stream_listen_tcp(struct loop *l, const struct addr *at, const struct stream_listen_conf *c,
		      struct stream_listener **ret)
{
	int fd = sock_listen_tcp(at);

	return fd < 0 ? fd : stream_listen_fd(l, fd, c, ret);
}

int stream_listen_unix(struct loop *l, const char *path, mode_t mode, const struct stream_listen_conf *c,
		       struct stream_listener **ret)
{
	int fd = sock_listen_unix(path, mode);

	return fd < 0 ? fd : stream_listen_fd(l, fd, c, ret);
}

void stream_listener_free(struct stream_listener *sl)
{
	struct stream *s;

	if (!sl)
		return;
	while ((s = LIST_FIRST(&sl->streams))) {
		LIST_REMOVE(s, link);
		s->sl = NULL;
	}
	loop_unwatch(sl->watch);
	timer_free(sl->resume);
	if (sl->fd >= 0)
		close(sl->fd);
	sl->dead = true;
	if (!sl->busy)
		mem_free(sl);
}

struct addr stream_listener_addr(const struct stream_listener *sl)
{
	return sock_local(sl->fd);
}

uint64_t stream_listener_refused(const struct stream_listener *sl)
{
	return sl->refused;
}

void *stream_arg(struct stream *s)
{
	return s->arg;
}

void stream_write(struct stream *s, struct span out)
{
	if (s->closed || s->doomed || s->finishing || out.n == 0)
		return;
	if (out.n > s->limits.out_max - stream_unsent(s))
		doom(s, ERR_LIMIT);
	else if (bufferevent_write(s->bev, out.p, out.n) < 0)
		doom(s, ERR_NOMEM);
}

size_t stream_unsent(const struct stream *s)
{
	return evbuffer_get_length(bufferevent_get_output(s->bev));
}

void stream_finish(struct stream *s, uint64_t linger_us)
{
	if (s->closed || s->doomed)
		return;
	if (stream_unsent(s) == 0) {
		doom(s, 0);
		return;
	}
	s->finishing = true;
	bufferevent_disable(s->bev, EV_READ);
	s->linger = mono_min(s->linger, mono_add(loop_now(s->loop), linger_us));
	rearm(s);
}

void stream_deadline(struct stream *s, mono_t at)
{
	if (s->closed)
		return;
	s->deadline = at;
	rearm(s);
}
