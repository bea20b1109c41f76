/* SPDX-License-Identifier: AGPL-3.0-only */
/* What the tests of sys/ share: a loop with a time limit, a private directory, and clients inside the same loop. */
#ifndef TESTS_SYS_RIG_H
#define TESTS_SYS_RIG_H

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "sys/loop.h"
#include "sys/sock.h"

#define RIG_LIMIT_US DUR_SEC(20)

struct rig {
	struct loop *l;
	struct timer *guard;
	bool (*done)(void *arg);
	void *arg;
	bool late;
	char dir[32];
};

/* A client: what it got so far. */
struct cli {
	int fd;
	struct watch *w;
	size_t n, cap;
	char *buf;
	bool eof, reset;
};

static inline void rig_late(void *arg)
{
	struct rig *r = arg;

	r->late = true;
	loop_stop(r->l);
}

static inline void rig_turn(void *arg)
{
	struct rig *r = arg;

	if (r->done && r->done(r->arg))
		loop_stop(r->l);
}

static inline void rig_open(struct rig *r)
{
	*r = (struct rig){ .dir = "/tmp/sys-test-XXXXXX" };
	if (!mkdtemp(r->dir) || chmod(r->dir, 0755) < 0)
		abort();
	r->l = loop_new();
	r->guard = loop_timer(r->l, rig_late, r);
	if (loop_turn_end(r->l, rig_turn, r) < 0)
		abort();
}

static inline void rig_close(struct rig *r)
{
	char cmd[64];

	timer_free(r->guard);
	loop_free(r->l);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", r->dir);
	if (system(cmd) != 0)
		abort();
}

/* Runs turns until done(arg). False when that takes too long. */
static inline bool rig_run(struct rig *r, bool (*done)(void *arg), void *arg)
{
	r->done = done;
	r->arg = arg;
	r->late = false;
	timer_set(r->guard, mono_add(loop_now(r->l), RIG_LIMIT_US));
	if (loop_run(r->l) < 0)
		return false;
	timer_set(r->guard, MONO_NEVER);
	r->done = NULL;
	return !r->late;
}

static inline const char *rig_path(const struct rig *r, const char *name, char buf[108])
{
	snprintf(buf, 108, "%s/%s", r->dir, name);
	return buf;
}

static inline void cli_readable(int fd, unsigned events, void *arg)
{
	struct cli *c = arg;
	ssize_t got;

	(void)events;
	if (c->n == c->cap) {
		c->cap = c->cap ? c->cap * 2 : 4096;
		c->buf = realloc(c->buf, c->cap + 1);
		if (!c->buf)
			abort();
	}
	got = recv(fd, c->buf + c->n, c->cap - c->n, MSG_DONTWAIT);
	if (got < 0 && errno == EAGAIN)
		return;
	if (got > 0) {
		c->n += (size_t)got;
		c->buf[c->n] = '\0';
		return;
	}
	c->eof = true;
	c->reset = got < 0;
	loop_unwatch(c->w);
	c->w = NULL;
}

static inline void cli_connect(struct cli *c, const struct sockaddr *sa, socklen_t n)
{
	*c = (struct cli){ .fd = socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0) };
	if (c->fd < 0 || connect(c->fd, sa, n) < 0)
		t_fail(__FILE__, __LINE__, "connect");
}

static inline void cli_unix(struct cli *c, const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	memcpy(sun.sun_path, path, strlen(path) + 1);
	cli_connect(c, (struct sockaddr *)&sun, sizeof(sun));
}

static inline void cli_tcp(struct cli *c, const struct addr *at)
{
	struct sockaddr_storage ss;
	socklen_t n = sock_from_addr(at, &ss);

	cli_connect(c, (struct sockaddr *)&ss, n);
}

/* From here on the client reads. */
static inline void cli_listen(struct cli *c, struct rig *r)
{
	c->w = loop_watch(r->l, c->fd, LOOP_READ, cli_readable, c);
}

static inline void cli_send(struct cli *c, const void *p, size_t n)
{
	if (send(c->fd, p, n, MSG_NOSIGNAL) != (ssize_t)n)
		t_fail(__FILE__, __LINE__, "send");
}

static inline void cli_close(struct cli *c)
{
	loop_unwatch(c->w);
	if (c->fd >= 0)
		close(c->fd);
	free(c->buf);
	*c = (struct cli){ .fd = -1 };
}

static inline bool cli_eof(void *arg)
{
	return ((struct cli *)arg)->eof;
}

#endif
