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

/* Whether the heap, freed blocks included, has these bytes: what was to be wiped may be nowhere in it. Keep the needle elsewhere.
 * (Sanitizers have a heap of their own, in which nothing is found.) */
static inline bool rig_heap_has(const void *needle, size_t n)
{
	static uint8_t text[16 * 1024 * 1024];
	FILE *maps = fopen("/proc/self/maps", "re");
	int fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	unsigned long from = 0, to = 0;
	char line[512];
	ssize_t got = 0;
	bool found;

	while (maps && fgets(line, sizeof(line), maps))
		if (strstr(line, "[heap]") && sscanf(line, "%lx-%lx", &from, &to) == 2)
			break;
	if (to > from)
		got = pread(fd, text, to - from < sizeof(text) ? to - from : sizeof(text), (off_t)from);
	found = got > 0 && memmem(text, (size_t)got, needle, n);
	if (maps)
		fclose(maps);
	if (fd >= 0)
		close(fd);
	memset(text, 0, sizeof(text));
	return found;
}

/* Eight letters to look for, which stand nowhere in clear but where a test puts them. */
static inline void rig_needle(char ret[9])
{
	static const char masked[] = "on,us`bd"; /* "no-trace", each letter's last bit flipped */

	for (size_t i = 0; i < 8; i++)
		ret[i] = masked[i] ^ 1;
	ret[8] = '\0';
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
