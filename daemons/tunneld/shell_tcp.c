/* SPDX-License-Identifier: AGPL-3.0-only */
/* The plain channel: each stream is a TCP connection to an address, such as central's in the mesh. */
#include <errno.h>
#include <unistd.h>

#include "base/slab.h"
#include "sys/loop.h"
#include "sys/sock.h"
#include "tunneld/channel.h"

struct tcp {
	struct loop *loop;
	struct addr to;
};

struct tcp_stream {
	struct channel_stream s;
	struct watch *watch;
	int fd; /* s.fd once it is connected */
};

static int check(const struct channel_conf *c, struct wr *why)
{
	struct addr a;

	if (addr_parse(span_str(c->address), &a) < 0 || a.port == 0 || addr_is_any(&a)) {
		wr_str(why, "not an address with a port (10.9.0.2:8907, [2001:db8::1]:8907)");
		return ERR_MALFORMED;
	}
	return 0;
}

static int start(struct loop *l, const struct channel_conf *c, const struct channel_owner *o, void **ret)
{
	struct tcp *t = mem_alloc(sizeof(*t));

	(void)o; /* no connection carries others */
	if (!t)
		return ERR_NOMEM;
	t->loop = l;
	(void)addr_parse(span_str(c->address), &t->to); /* checked */
	*ret = t;
	return 0;
}

static void stop(void *channel)
{
	mem_free(channel);
}

static void on_io(int fd, unsigned events, void *arg)
{
	struct tcp_stream *s = arg;
	const struct channel_user *u = s->s.user;

	if (s->s.fd >= 0) {
		u->ready(s->s.arg, events);
		return;
	}
	if (!(events & (LOOP_WRITE | LOOP_END)))
		return;
	s->s.fd = fd;
	u->opened(s->s.arg, sock_outcome(fd), events);
}

static int open_stream(void *channel, const struct channel_user *u, void *arg, struct channel_stream **ret)
{
	struct tcp *t = channel;
	struct tcp_stream *s = mem_alloc(sizeof(*s));

	if (!s)
		return ERR_NOMEM;
	s->s = (struct channel_stream){ .type = &channel_tcp, .user = u, .arg = arg, .fd = -1 };
	s->fd = sock_connect_tcp(NULL, &t->to);
	if (s->fd < 0) {
		int r = s->fd;

		mem_free(s);
		return r;
	}
	sock_notice_gone(s->fd);
	s->watch = loop_watch(t->loop, s->fd, LOOP_READ | LOOP_WRITE | LOOP_END | LOOP_EDGE, on_io, s);
	if (!s->watch) {
		close(s->fd);
		mem_free(s);
		return ERR_NOMEM;
	}
	*ret = &s->s;
	return 0;
}

static ptrdiff_t read_some(struct channel_stream *cs, void *buf, size_t n)
{
	ptrdiff_t r = read(cs->fd, buf, n);

	return r < 0 ? -errno : r;
}

static ptrdiff_t write_some(struct channel_stream *cs, const void *buf, size_t n)
{
	ptrdiff_t r = write(cs->fd, buf, n);

	return r < 0 ? -errno : r;
}

static void end(struct channel_stream *cs)
{
	sock_end(cs->fd);
}

static void close_stream(struct channel_stream *cs, bool abort)
{
	struct tcp_stream *s = CONTAINER_OF(cs, struct tcp_stream, s);

	loop_unwatch(s->watch);
	if (abort)
		sock_abort(s->fd);
	else
		close(s->fd);
	mem_free(s);
}

const struct channel_type channel_tcp = {
	.name = "tcp", .check = check, .start = start, .stop = stop, .open = open_stream,
	.read = read_some, .write = write_some, .end = end, .close = close_stream,
};

