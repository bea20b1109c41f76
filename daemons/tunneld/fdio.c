/* SPDX-License-Identifier: AGPL-3.0-only */
#include "tunneld/fdio.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/slab.h"

/* A peer that is gone is noticed after KEEP_IDLE + UNACKED at rest, after UNACKED while something is on its way to it. */
#define KEEP_IDLE 45
#define KEEP_INTERVAL 15
#define UNACKED_MS 30000

struct fdio {
	struct event rd, wr;
	void (*fn)(void *arg, unsigned events);
	void *arg;
	bool writes; /* wr is in use */
};

static void on_event(evutil_socket_t fd, short what, void *arg)
{
	struct fdio *f = arg;

	(void)fd;
	f->fn(f->arg, (what & EV_READ ? FDIO_READ : 0u) | (what & EV_WRITE ? FDIO_WRITE : 0u) |
			      (what & EV_CLOSED ? FDIO_READ | FDIO_END : 0u));
}

struct fdio *fdio_new(struct event_base *base, int fd, bool write, void (*fn)(void *arg, unsigned events), void *arg)
{
	short what = EV_READ | EV_CLOSED | EV_ET | EV_PERSIST;
	struct fdio *f = mem_alloc(sizeof(*f));

	if (!f)
		return NULL;
	f->fn = fn;
	f->arg = arg;
	if (event_assign(&f->rd, base, fd, (short)(what | (write ? EV_WRITE : 0)), on_event, f) < 0 ||
	    event_add(&f->rd, NULL) < 0) {
		mem_free(f);
		return NULL;
	}
	return f;
}

void fdio_free(struct fdio *f)
{
	if (!f)
		return;
	if (f->writes)
		event_del(&f->wr);
	event_del(&f->rd);
	mem_free(f);
}

int fdio_want_write(struct fdio *f)
{
	if (f->writes)
		return 0;
	if (event_assign(&f->wr, event_get_base(&f->rd), event_get_fd(&f->rd), EV_WRITE | EV_ET | EV_PERSIST, on_event, f) < 0 ||
	    event_add(&f->wr, NULL) < 0)
		return ERR_NOMEM;
	f->writes = true;
	return 0;
}

static void set_int(int fd, int level, int name, int value)
{
	(void)setsockopt(fd, level, name, &value, sizeof(value));
}

int fdio_connect(const struct sockaddr_storage *to, uint32_t n)
{
	int fd = socket(to->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), r;

	if (fd < 0)
		return -errno;
	set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEP_IDLE);
	set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEP_INTERVAL);
	set_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, UNACKED_MS);
	if (connect(fd, (const struct sockaddr *)to, n) == 0 || errno == EINPROGRESS)
		return fd;
	r = -errno;
	close(fd);
	return r;
}

bool fdio_gone(int fd)
{
	struct pollfd p = { .fd = fd };

	return poll(&p, 1, 0) == 1 && (p.revents & (POLLHUP | POLLERR));
}

void fdio_abort(int fd)
{
	const struct linger now = { .l_onoff = 1 };

	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}
