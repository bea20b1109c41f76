/* SPDX-License-Identifier: AGPL-3.0-only */
#include "tunneld/fdio.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sys/loop.h"
#include "sys/sock.h"
#include "t.h"

struct heard {
	unsigned events, times;
};

static void on_event(void *arg, unsigned events)
{
	struct heard *h = arg;

	h->events |= events;
	h->times++;
}

static void stop(void *arg)
{
	loop_stop(arg);
}

/* What was told within a moment. */
static struct heard turn(struct loop *l, struct heard *h)
{
	struct timer *t = loop_timer(l, stop, l);
	struct heard was;

	*h = (struct heard){ 0 };
	timer_set(t, mono_add(loop_now(l), DUR_MS(5)));
	loop_run(l);
	timer_free(t);
	was = *h;
	return was;
}

static void tells_each_edge_once(void)
{
	struct loop *l = loop_new();
	struct heard h;
	struct fdio *f;
	int fd[2];
	char byte;

	OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd) == 0);
	f = fdio_new(loop_base(l), fd[0], false, on_event, &h);
	EQ(turn(l, &h).times, 0);
	EQ(write(fd[1], "a", 1), 1);
	EQ(turn(l, &h).events, FDIO_READ);
	EQ(turn(l, &h).times, 0); /* not read, and not told again */
	EQ(read(fd[0], &byte, 1), 1);
	EQ(write(fd[1], "b", 1), 1);
	EQ(turn(l, &h).events, FDIO_READ);
	shutdown(fd[1], SHUT_WR);
	EQ(turn(l, &h).events, FDIO_READ | FDIO_END);
	OK(!fdio_gone(fd[0]));
	close(fd[1]);
	OK(turn(l, &h).events & FDIO_END);
	OK(fdio_gone(fd[0]));
	fdio_free(f);
	fdio_free(NULL);
	close(fd[0]);
	loop_free(l);
}

static void tells_of_room_only_when_asked(void)
{
	static char block[65536];
	struct loop *l = loop_new();
	struct heard h;
	struct fdio *f;
	int fd[2];

	OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd) == 0);
	f = fdio_new(loop_base(l), fd[0], false, on_event, &h);
	EQ(turn(l, &h).times, 0);
	EQ(fdio_want_write(f), 0);
	EQ(turn(l, &h).events, FDIO_WRITE); /* there is room */
	while (write(fd[0], block, sizeof(block)) > 0)
		;
	EQ(turn(l, &h).times, 0);
	while (read(fd[1], block, sizeof(block)) > 0)
		;
	EQ(turn(l, &h).events, FDIO_WRITE);
	EQ(fdio_want_write(f), 0); /* again is once */
	fdio_free(f);
	close(fd[0]);
	close(fd[1]);
	loop_free(l);
}

static void connects_and_tells_the_outcome(void)
{
	static const struct {
		const char *row;
		bool listens;
		int want;
	} rows[] = {
		{ "somebody listens: ", true, 0 },
		{ "nobody does: ", false, -ECONNREFUSED },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct addr at = addr_v4(127, 0, 0, 1, 0);
		struct loop *l = loop_new();
		int listener = sock_listen_tcp(&at), fd;
		struct sockaddr_storage ss;
		struct heard h;
		struct fdio *f;

		t_row = rows[i].row;
		at = sock_local(listener);
		if (!rows[i].listens)
			close(listener);
		fd = fdio_connect(&ss, sock_from_addr(&at, &ss));
		OK(fd >= 0 || fd == rows[i].want);
		if (fd >= 0) {
			f = fdio_new(loop_base(l), fd, true, on_event, &h);
			OK(turn(l, &h).events & FDIO_WRITE);
			EQ(sock_outcome(fd), rows[i].want);
			fdio_free(f);
			close(fd);
		}
		if (rows[i].listens)
			close(listener);
		loop_free(l);
	}
}

/* So that central does not take half a body for a whole one. */
static void aborts_with_a_reset(void)
{
	struct addr at = addr_v4(127, 0, 0, 1, 0), peer;
	struct sockaddr_storage ss;
	int listener = sock_listen_tcp(&at), fd, got;
	char byte;

	at = sock_local(listener);
	fd = fdio_connect(&ss, sock_from_addr(&at, &ss));
	for (got = -EAGAIN; got == -EAGAIN;)
		got = sock_accept(listener, &peer);
	OK(got >= 0);
	fdio_abort(fd);
	fcntl(got, F_SETFL, 0);
	EQ(read(got, &byte, 1), -1);
	EQ(errno, ECONNRESET);
	close(got);
	close(listener);
}

T_MAIN(T(tells_each_edge_once), T(tells_of_room_only_when_asked), T(connects_and_tells_the_outcome), T(aborts_with_a_reset))
