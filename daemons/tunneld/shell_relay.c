/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * Bytes from side to side. Messages take a block: one read, one write. Where reads fill it again and again, between two
 * descriptors, a pipe takes over (splice(2)): pages move and are not copied, which halves the cost of a byte from central. A pipe
 * is given back as soon as less than that is on its way.
 */
#include "base/slab.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "sys/sock.h"
#include "tunneld/shell_flow.h"

#define RUN_BYTES (1024u * 1024)  /* of one way, then others have their turn */
#define BULK_READS 2              /* in a row that filled a large block */
#define BULK_LEAST (32u * 1024)   /* of a run: less is no bulk */
#define PIPE_BYTES (256 * 1024)
#define PIPES_MAX 128             /* in use: the system bounds a user's pipes to 64 MiB */
#define PIPES_KEPT 16

struct pipes {
	struct pipe *free;
	uint32_t n_free, used;
	bool refused; /* splice does not do here */
};

/* --- pipes ----------------------------------------------------------------------------------------------- */

int pipes_open(struct tunneld *d)
{
	d->pipes = mem_alloc(sizeof(*d->pipes));
	return d->pipes ? 0 : ERR_NOMEM;
}

static void pipe_close(struct pipe *p)
{
	close(p->rd);
	close(p->wr);
	mem_free(p);
}

void pipes_close(struct tunneld *d)
{
	struct pipe *p;

	while (d->pipes && (p = d->pipes->free)) {
		d->pipes->free = p->next;
		pipe_close(p);
	}
	mem_free(d->pipes);
	d->pipes = NULL;
}

/* NULL: go on copying. */
static struct pipe *pipe_get(struct pipes *ps)
{
	struct pipe *p = ps->free;
	int fd[2];

	if (p) {
		ps->free = p->next;
		ps->n_free--;
		ps->used++;
		return p;
	}
	if (ps->used >= PIPES_MAX || !(p = mem_alloc(sizeof(*p))))
		return NULL;
	if (pipe2(fd, O_NONBLOCK | O_CLOEXEC) < 0) {
		mem_free(p);
		return NULL;
	}
	p->rd = fd[0];
	p->wr = fd[1];
	(void)fcntl(p->wr, F_SETPIPE_SZ, PIPE_BYTES); /* refused: it stays as it is, and works */
	ps->used++;
	return p;
}

static void pipe_put(struct pipes *ps, struct pipe *p, bool empty)
{
	ps->used--;
	if (!empty || ps->n_free == PIPES_KEPT) {
		pipe_close(p);
		return;
	}
	p->next = ps->free;
	ps->free = p;
	ps->n_free++;
}

/* --- sides ----------------------------------------------------------------------------------------------- */

static ssize_t side_read(const struct side *s, void *buf, size_t n)
{
	ssize_t r;

	if (s->fd < 0)
		return s->s->type->read(s->s, buf, n);
	r = read(s->fd, buf, n);
	return r < 0 ? -errno : r;
}

static ssize_t side_write(const struct side *s, const void *buf, size_t n)
{
	ssize_t r;

	if (s->fd < 0)
		return s->s->type->write(s->s, buf, n);
	r = write(s->fd, buf, n);
	return r < 0 ? -errno : r;
}

static void side_end(const struct side *s)
{
	if (s->s)
		s->s->type->end(s->s);
	else
		sock_end(s->fd);
}

static bool would_block(ssize_t r)
{
	return r == -EAGAIN || r == -EINTR;
}

/* --- a way ----------------------------------------------------------------------------------------------- */

static void way_drop(struct flow *f, struct way *w)
{
	block_put(&f->d->blocks, w->block);
	w->block = NULL;
	if (w->pipe)
		pipe_put(f->d->pipes, w->pipe, w->n == 0);
	w->pipe = NULL;
	w->n = 0;
}

void relay_drop(struct flow *f)
{
	way_drop(f, &f->way[WAY_UP]);
	way_drop(f, &f->way[WAY_DOWN]);
}

static bool may_splice(const struct flow *f)
{
	return f->side[SIDE_CHANNEL].fd >= 0 && !f->d->pipes->refused;
}

/* From the source into what the way holds, which is empty. 0, -EAGAIN, -errno. */
static int fill(struct flow *f, struct way *w, struct side *from)
{
	ssize_t n;

	if (!w->pipe && w->full >= BULK_READS && may_splice(f) && (w->pipe = pipe_get(f->d->pipes))) {
		block_put(&f->d->blocks, w->block);
		w->block = NULL;
	}
	if (w->pipe) {
		n = splice(from->fd, NULL, w->pipe->wr, NULL, RUN_BYTES, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
		n = n < 0 ? -errno : n;
	} else {
		if (!w->block && !(w->block = block_get(&f->d->blocks)))
			return -ENOMEM;
		n = side_read(from, w->block->mem, w->block->cap);
		w->full = n == (ssize_t)w->block->cap ? (uint8_t)(w->full + (w->full < BULK_READS)) : 0;
	}
	if (would_block(n)) {
		from->readable = n == -EINTR;
		from->ending = from->unsure = false;
		return -EAGAIN;
	}
	if (n < 0)
		return (int)n;
	w->eof = n == 0;
	w->at = 0;
	w->n = (size_t)n;
	if (!w->pipe && w->full == 0 && !from->ending) {
		from->readable = false; /* a short read took all there was: what comes next will be told */
		from->unsure = true;
	}
	return 0;
}

/* What the way holds to the destination. 0 when all of it went, -EAGAIN, -errno. */
static int flush(struct flow *f, struct way *w, struct side *to)
{
	while (w->n) {
		ssize_t n;

		if (w->pipe) {
			n = splice(w->pipe->rd, NULL, to->fd, NULL, w->n, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
			n = n < 0 ? -errno : n;
		} else {
			n = side_write(to, w->block->mem + w->at, w->n);
		}
		if (n == -EINTR)
			continue;
		if (n == -EAGAIN) {
			to->writable = false;
			if (!to->s && flow_watch_room(f) < 0)
				return -ENOMEM;
			return -EAGAIN;
		}
		if (n < 0)
			return (int)n;
		w->at += (uint32_t)n;
		w->n -= (size_t)n;
		w->moved += (size_t)n;
		f->d->n.spliced += w->pipe ? (uint64_t)n : 0;
	}
	return 0;
}

/* Nothing more can be done now: 0; -EAGAIN: it has had its share; -errno and where: *broken. */
static int run_way(struct flow *f, int dir, int *broken)
{
	struct way *w = &f->way[dir];
	struct side *from = &f->side[dir], *to = &f->side[!dir];
	int r;

	while (!w->done) {
		*broken = !dir;
		r = w->n ? (to->writable ? flush(f, w, to) : -EAGAIN) : 0;
		if (r < 0)
			return r == -EAGAIN ? 0 : r;
		if (w->eof) {
			side_end(to);
			w->done = true;
			break;
		}
		if (!from->readable)
			break;
		if (w->moved >= RUN_BYTES)
			return -EAGAIN;
		*broken = dir;
		r = fill(f, w, from);
		if (r < 0 && r != -EAGAIN)
			return r;
	}
	return 0;
}

/* Between runs a way holds what it could not write, and nothing else: only a way in bulk keeps its pipe. */
static void rest(struct flow *f, struct way *w)
{
	if (w->n)
		return;
	block_put(&f->d->blocks, w->block);
	w->block = NULL;
	if (w->pipe && (w->moved < BULK_LEAST || w->done)) {
		pipe_put(f->d->pipes, w->pipe, true);
		w->pipe = NULL;
		w->full = 0;
	}
}

/* splice(2) does not do between these: whatever is still in the pipe went nowhere, so only an empty one can go on. */
static bool splice_refused(struct flow *f, struct way *w, int err)
{
	if (err != -EINVAL || !w->pipe || w->n)
		return false;
	f->d->pipes->refused = true;
	pipe_put(f->d->pipes, w->pipe, true);
	w->pipe = NULL;
	return true;
}

static enum relay judge(struct flow *f, int dir, int err, int broken)
{
	struct way *w = &f->way[dir];

	if (splice_refused(f, w, err))
		return RELAY_AGAIN;
	/* Central listens no more, but may still have something to say. */
	if (dir == WAY_UP && broken == SIDE_CHANNEL && (err == -EPIPE || err == -ECONNRESET) && !f->way[WAY_DOWN].done) {
		way_drop(f, w);
		w->done = true;
		return RELAY_ON;
	}
	return RELAY_BROKEN;
}

enum relay relay_run(struct flow *f)
{
	enum relay ret = RELAY_ON;

	for (int dir = WAY_UP; dir <= WAY_DOWN; dir++) {
		struct way *w = &f->way[dir];
		uint64_t *count = &f->d->pool.ch[f->chan->slot].n.bytes[f->use][dir];
		enum relay one = RELAY_ON;
		int broken = 0, r;

		w->moved = 0;
		r = run_way(f, dir, &broken);
		*count += w->moved;
		if (r == -EAGAIN)
			one = RELAY_AGAIN;
		else if (r < 0)
			one = judge(f, dir, r, broken);
		rest(f, w);
		if (one == RELAY_BROKEN)
			return one;
		ret = one == RELAY_AGAIN ? one : ret;
	}
	if (f->way[WAY_UP].done && f->way[WAY_DOWN].done)
		return RELAY_ENDED;
	/* Nobody is left to hear the answer; or the rest of the question. */
	if (f->way[WAY_UP].done && sock_closed(f->client))
		return RELAY_ENDED;
	if (f->way[WAY_DOWN].done && f->side[SIDE_CHANNEL].fd >= 0 && sock_closed(f->side[SIDE_CHANNEL].fd))
		return RELAY_BROKEN;
	return ret;
}
