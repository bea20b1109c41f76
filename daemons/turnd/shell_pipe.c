/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * A client's stream and another descriptor, spliced. Each side is read only while the other takes what comes, so a pipe holds
 * at most what one read brought on top of PIPE_FULL in either direction. A side that ends its half is told to the other one,
 * which may go on for as long as it has something to say.
 */
#include <errno.h>
#include <unistd.h>

#include "sys/sock.h"
#include "turnd/shell_conn.h"

#define PIPE_FULL (64 * 1024)
#define PIPE_MAX (512 * 1024)
#define PIPE_HALF_IDLE DUR_SEC(60) /* one half has ended: silence of the other */
#define PIPE_LINGER DUR_SEC(5)     /* nobody listens any more; nginx's lingering_timeout */
#define WRITE_ROUNDS 8

struct pipe {
	struct conn *conn;
	int fd;
	struct watch *watch;
	unsigned watching;
	uint8_t *buf; /* n unsent bytes from `at` on */
	uint32_t at, n, cap;
	bool fd_eof, client_eof; /* nothing more comes from there */
	bool deaf;               /* fd takes nothing any more */
	bool ended;              /* and we have said that nothing comes */
};

static mono_t now_of(const struct pipe *p)
{
	return loop_now(p->conn->worker->loop);
}

static void on_fd(int fd, unsigned events, void *arg);

static void rewatch(struct pipe *p)
{
	unsigned want = (p->fd_eof || conn_unsent(p->conn) >= PIPE_FULL ? 0 : LOOP_READ) | (p->n ? LOOP_WRITE : 0);

	if (want == p->watching)
		return;
	loop_unwatch(p->watch);
	p->watch = want ? loop_watch(p->conn->worker->loop, p->fd, want, on_fd, p) : NULL;
	p->watching = p->watch ? want : 0;
	if (want && !p->watch)
		conn_break(p->conn);
}

static void drop_buf(struct pipe *p)
{
	mem_free(p->buf);
	p->buf = NULL;
	p->at = p->n = p->cap = 0;
}

static size_t write_some(struct pipe *p, const uint8_t *from, size_t n)
{
	size_t done = 0;

	for (int i = 0; i < WRITE_ROUNDS && done < n; i++) {
		ssize_t w = write(p->fd, from + done, n - done);

		if (w >= 0) {
			done += (size_t)w;
		} else if (errno == EAGAIN || errno == EINTR) {
			break;
		} else {
			p->deaf = true; /* it may still have something to say */
			return n;
		}
	}
	return done;
}

static bool keep(struct pipe *p, struct span s)
{
	uint32_t cap = p->cap ? p->cap : 4096;
	uint8_t *grown;

	while (cap < p->n + s.n)
		cap *= 2;
	if (p->at) {
		memmove(p->buf, p->buf + p->at, p->n);
		p->at = 0;
	}
	if (cap > p->cap) {
		grown = cap > PIPE_MAX ? NULL : mem_grow(p->buf, p->cap, cap);
		if (!grown)
			return false;
		p->buf = grown;
		p->cap = cap;
	}
	memcpy(p->buf + p->n, s.p, s.n);
	p->n += (uint32_t)s.n;
	return true;
}

static void push(struct pipe *p)
{
	size_t done = p->n ? write_some(p, p->buf + p->at, p->n) : 0;

	p->at += (uint32_t)done;
	p->n -= (uint32_t)done;
	if (p->n == 0)
		drop_buf(p);
}

/* What follows from what has ended. */
static void settle(struct pipe *p)
{
	struct conn *c = p->conn;

	if (p->client_eof && p->n == 0 && !p->ended) {
		p->ended = true;
		sock_end(p->fd);
	}
	if (p->fd_eof && (p->client_eof || p->deaf) && conn_unsent(c) == 0 && p->n == 0) {
		if (p->client_eof)
			conn_break(c); /* closed when the turn ends: the caller still looks at it */
		else
			conn_deadline(c, mono_add(now_of(p), PIPE_LINGER));
	}
	conn_stall(c, p->n >= PIPE_FULL);
	rewatch(p);
}

static void renew(struct pipe *p)
{
	if (p->fd_eof || p->client_eof)
		conn_deadline(p->conn, mono_add(now_of(p), PIPE_HALF_IDLE));
}

static void pull(struct pipe *p)
{
	uint8_t *rx = p->conn->worker->streams->rx;
	ssize_t n = read(p->fd, rx, STREAM_RX);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0) {
		(void)conn_write(p->conn, span_of(rx, (size_t)n));
	} else { /* an error, too, comes after everything that was sent */
		p->fd_eof = true;
		conn_finish(p->conn);
	}
	renew(p);
}

static void on_fd(int fd, unsigned events, void *arg)
{
	struct pipe *p = arg;

	(void)fd;
	if (events & LOOP_WRITE)
		push(p);
	if ((events & LOOP_READ) && !p->fd_eof && conn_unsent(p->conn) < PIPE_FULL)
		pull(p);
	settle(p);
}

void pipe_from_client(struct conn *c, struct span bytes)
{
	struct pipe *p = c->pipe;
	size_t done = 0;

	if (p->deaf || bytes.n == 0)
		return;
	if (p->n == 0)
		done = write_some(p, bytes.p, bytes.n);
	if (done < bytes.n && !keep(p, span_of(bytes.p + done, bytes.n - done)))
		conn_break(c);
	renew(p);
	settle(p);
}

void pipe_client_eof(struct conn *c)
{
	struct pipe *p = c->pipe;

	p->client_eof = true;
	renew(p);
	settle(p);
}

void pipe_room(struct conn *c)
{
	settle(c->pipe);
}

int pipe_open(struct conn *c, int fd, struct span first)
{
	struct pipe *p = mem_alloc(sizeof(*p));

	if (!p || !(p->buf = mem_alloc(first.n + 1))) {
		mem_free(p);
		close(fd);
		return ERR_NOMEM;
	}
	p->conn = c;
	p->fd = fd;
	p->cap = (uint32_t)first.n + 1;
	if (first.n)
		memcpy(p->buf, first.p, first.n);
	p->n = (uint32_t)first.n;
	c->pipe = p;
	c->state = CONN_PIPE;
	conn_deadline(c, MONO_NEVER);
	push(p);
	settle(p);
	return 0;
}

void pipe_close(struct conn *c)
{
	struct pipe *p = c->pipe;

	if (!p)
		return;
	loop_unwatch(p->watch);
	close(p->fd);
	drop_buf(p);
	mem_free(p);
	c->pipe = NULL;
}
