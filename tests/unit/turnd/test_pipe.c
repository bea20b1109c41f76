/* SPDX-License-Identifier: AGPL-3.0-only */
/* A splice between two socket pairs, in a worker that has nothing else: `client` -- conn, pipe -- `far`. */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "t.h"
#include "turnd/shell_conn.h"

#define BIG (4 * 1024 * 1024)
#define HELD_MAX (2 * 1024 * 1024) /* what two socket buffers and the pipe may hold of it */
#define PATIENCE DUR_SEC(5)

struct rig {
	struct turnd d;
	struct worker w;
	struct timer *timer;
	int client, far;
	uint8_t *big, *got;
};

static void seeded_fill(struct rng *rng, uint8_t *out, size_t n)
{
	(void)rng;
	memset(out, 7, n);
}

static void on_turn_end(void *arg)
{
	conns_flush(arg);
}

static void on_timer(void *arg)
{
	struct rig *r = arg;

	loop_stop(r->w.loop);
}

/* Lets the loop do what there is to do. */
static void settle(struct rig *r)
{
	timer_set(r->timer, mono_add(loop_clock(), DUR_MS(5)));
	EQ(loop_run(r->w.loop), 0);
}

static struct rig *rig_new(struct span first)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct path path = { .remote = addr_v4(192, 0, 2, 1, 1), .local = addr_v4(192, 0, 2, 2, 2) };
	int a[2], b[2];
	struct conn *c;

	r->big = malloc(BIG);
	r->got = malloc(BIG);
	for (size_t i = 0; i < BIG; i++)
		r->big[i] = (uint8_t)(i * 31 + i / 4096);
	r->d.worker = &r->w;
	r->d.n_workers = 1;
	r->w.d = &r->d;
	r->w.rng.fill = seeded_fill;
	r->w.loop = loop_new();
	r->timer = loop_timer(r->w.loop, on_timer, r);
	EQ(loop_turn_end(r->w.loop, on_turn_end, &r->w), 0);
	EQ(conns_open(&r->w), 0);
	EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, a), 0);
	EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, b), 0);
	r->client = a[0];
	r->far = b[0];
	c = conn_new(&r->w, a[1], VIA_TCP, &path);
	OK(c && conn_start(c));
	EQ(pipe_open(c, b[1], first), 0);
	settle(r);
	return r;
}

static void rig_free(struct rig *r)
{
	conns_close(&r->w);
	loop_free(r->w.loop);
	close(r->client);
	close(r->far);
	free(r->big);
	free(r->got);
	free(r);
}

static void hears(struct rig *r, int fd, const char *want)
{
	char got[64] = "";
	ssize_t n;

	settle(r);
	n = read(fd, got, sizeof(got) - 1);
	EQ(n, (ssize_t)strlen(want));
	EQ_STR(got, want);
}

static void hears_end(struct rig *r, int fd)
{
	char got[64];

	settle(r);
	EQ(read(fd, got, sizeof(got)), 0);
}

static void says(int fd, const char *text)
{
	EQ(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

/* What comes first goes first; then both sides hear each other. */
static void both_ways(void)
{
	struct rig *r = rig_new(SPAN_LIT("PROXY\r\n"));

	hears(r, r->far, "PROXY\r\n");
	says(r->client, "request");
	hears(r, r->far, "request");
	says(r->far, "answer");
	hears(r, r->client, "answer");
	EQ(r->w.conns.live, 1);
	rig_free(r);
}

/* As much as goes in while the other side takes nothing. */
static size_t stuff(struct rig *r, int fd)
{
	size_t n = 0;

	for (int idle = 0; idle < 3 && n < BIG;) {
		ssize_t w = write(fd, r->big + n, BIG - n);

		idle = w > 0 ? 0 : idle + 1;
		n += w > 0 ? (size_t)w : 0;
		settle(r);
	}
	return n;
}

static void pressed(const char *row, bool up)
{
	struct rig *r = rig_new(span_of(NULL, 0));
	int from = up ? r->client : r->far, to = up ? r->far : r->client;
	mono_t give_up = mono_add(loop_clock(), PATIENCE);
	size_t in, out = 0;

	t_row = row;
	in = stuff(r, from);
	OK(in < HELD_MAX);
	while (out < BIG && !mono_reached(loop_clock(), give_up)) {
		ssize_t n = read(to, r->got + out, BIG - out);

		out += n > 0 ? (size_t)n : 0;
		n = in < BIG ? write(from, r->big + in, BIG - in) : 0;
		in += n > 0 ? (size_t)n : 0;
		settle(r);
	}
	EQ(out, BIG);
	OK(memcmp(r->got, r->big, BIG) == 0);
	rig_free(r);
}

/* Who does not read is not written to, and nothing is lost by that. */
static void back_pressure(void)
{
	pressed("up: ", true);
	pressed("down: ", false);
}

/* Each half ends by itself, after everything that was said; with the second one the pipe is gone. */
static void client_ends_first(void)
{
	struct rig *r = rig_new(span_of(NULL, 0));

	says(r->client, "last words");
	shutdown(r->client, SHUT_WR);
	hears(r, r->far, "last words");
	hears_end(r, r->far);
	says(r->far, "late answer");
	hears(r, r->client, "late answer");
	EQ(r->w.conns.live, 1);
	shutdown(r->far, SHUT_WR);
	hears_end(r, r->client);
	EQ(r->w.conns.live, 0);
	rig_free(r);
}

static void far_ends_first(void)
{
	struct rig *r = rig_new(span_of(NULL, 0));

	says(r->far, "last words");
	shutdown(r->far, SHUT_WR);
	hears(r, r->client, "last words");
	hears_end(r, r->client);
	says(r->client, "more");
	hears(r, r->far, "more");
	EQ(r->w.conns.live, 1);
	shutdown(r->client, SHUT_WR);
	hears_end(r, r->far);
	EQ(r->w.conns.live, 0);
	rig_free(r);
}

/* A far side that is gone altogether: what it said last still arrives, what comes for it goes nowhere. */
static void far_is_gone(void)
{
	struct rig *r = rig_new(span_of(NULL, 0));

	says(r->far, "413 too large");
	close(r->far);
	r->far = -1;
	says(r->client, "still uploading");
	hears(r, r->client, "413 too large");
	hears_end(r, r->client);
	says(r->client, "and more");
	settle(r);
	says(r->client, "and more");
	settle(r);
	EQ(r->w.conns.live, 1);
	EQ(conns_next(&r->w).us != MONO_NEVER.us, true); /* nobody waits for ever */
	close(r->client);
	r->client = -1;
	settle(r);
	EQ(r->w.conns.live, 0);
	rig_free(r);
}

/* A client that is gone takes the pipe along. */
static void client_is_gone(void)
{
	struct rig *r = rig_new(span_of(NULL, 0));

	close(r->client);
	r->client = -1;
	settle(r);
	hears_end(r, r->far);
	says(r->far, "hello?");
	settle(r);
	close(r->far);
	r->far = -1;
	settle(r);
	EQ(r->w.conns.live, 0);
	rig_free(r);
}

/* A half that has ended gives the other one a minute of silence. */
static void half_has_a_deadline(void)
{
	struct rig *r = rig_new(span_of(NULL, 0));
	mono_t soon;

	EQ(conns_next(&r->w).us, MONO_NEVER.us);
	shutdown(r->client, SHUT_WR);
	settle(r);
	soon = conns_next(&r->w);
	OK(soon.us != MONO_NEVER.us);
	conns_tick(&r->w, mono_add(soon, 1));
	EQ(r->w.conns.live, 0);
	hears_end(r, r->far);
	rig_free(r);
}

T_MAIN(T(both_ways), T(back_pressure), T(client_ends_first), T(far_ends_first), T(far_is_gone), T(client_is_gone),
       T(half_has_a_deadline))
