/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sys/outbound.h"

#include <sys/socket.h>

#include "base/slab.h"
#include "t.h"

#include "rig.h"

enum then { GO_ON, FREE_IN_OPEN, FREE_IN_DATA, FREE_IN_CLOSED };

struct seen {
	struct outbound *o;
	enum then then;
	unsigned opened, closed;
	int why;
	char got[256];
	size_t n, use; /* use: bytes used of each call; 0: all */
	bool deaf;     /* uses none */
};

static struct rig rig;

static void drop(struct seen *s)
{
	outbound_free(s->o);
	s->o = NULL;
}

static void on_open(void *arg)
{
	struct seen *s = arg;

	s->opened++;
	if (s->then == FREE_IN_OPEN)
		drop(s);
}

static size_t on_data(void *arg, struct span in)
{
	struct seen *s = arg;
	size_t n = s->deaf ? 0 : s->use && s->use < in.n ? s->use : in.n;

	if (s->n + n < sizeof(s->got))
		memcpy(s->got + s->n, in.p, n);
	s->n += n;
	if (s->then == FREE_IN_DATA)
		drop(s);
	return n;
}

static void on_closed(void *arg, int why)
{
	struct seen *s = arg;

	s->closed++;
	s->why = why;
	if (s->then == FREE_IN_CLOSED)
		drop(s);
}

static const struct outbound_ops ops = { on_open, on_data, on_closed };

static bool is_open(void *arg)
{
	return ((struct seen *)arg)->opened > 0;
}

static bool is_closed(void *arg)
{
	return ((struct seen *)arg)->closed > 0;
}

static bool has_some(void *arg)
{
	return ((struct seen *)arg)->n >= 3;
}

static bool has_data(void *arg)
{
	return ((struct seen *)arg)->n >= 5;
}

static int listener(struct addr *ret)
{
	struct addr at = addr_v4(127, 0, 0, 1, 0);
	int fd = sock_listen_tcp(&at);

	*ret = sock_local(fd);
	return fd;
}

static int accepted(int fd)
{
	struct addr peer;
	int got = sock_accept(fd, &peer);

	while (got == -EAGAIN)
		got = sock_accept(fd, &peer);
	fcntl(got, F_SETFL, 0); /* the test waits for what it was sent */
	return got;
}

static int dgram_socket(struct addr *ret)
{
	struct addr at = addr_v4(127, 0, 0, 1, 0);
	struct sockaddr_storage ss;
	socklen_t n = sock_from_addr(&at, &ss);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&ss, n) < 0)
		abort();
	*ret = sock_local(fd);
	return fd;
}

static void a_stream_carries_bytes_both_ways(void)
{
	struct seen s = { .use = 3 };
	char buf[16];
	struct addr at;
	int fd, peer;

	rig_open(&rig);
	fd = listener(&at);
	EQ(outbound_tcp(rig.l, &at, 4096, &ops, &s, &s.o), 0);
	EQ(s.opened, 0); /* never from the call itself */
	OK(rig_run(&rig, is_open, &s));
	peer = accepted(fd);
	outbound_send(s.o, SPAN_LIT("hello"));
	EQ(send(peer, "wor", 3, 0), 3);
	OK(rig_run(&rig, has_some, &s));
	EQ(send(peer, "ld", 2, 0), 2);
	s.use = 0;
	OK(rig_run(&rig, has_data, &s));
	EQ_SPAN(span_of(s.got, s.n), SPAN_LIT("world"));
	EQ(recv(peer, buf, 5, MSG_WAITALL), 5);
	EQ_SPAN(span_of(buf, 5), SPAN_LIT("hello"));
	close(peer);
	OK(rig_run(&rig, is_closed, &s));
	EQ(s.why, 0);
	outbound_send(s.o, SPAN_LIT("late"));
	outbound_free(s.o);
	close(fd);
	rig_close(&rig);
}

static void what_is_queued_leaves_before_the_end(void)
{
	struct seen s = { 0 };
	struct addr at;
	char buf[16];
	int fd, peer;

	rig_open(&rig);
	fd = listener(&at);
	EQ(outbound_tcp(rig.l, &at, 4096, &ops, &s, &s.o), 0);
	OK(rig_run(&rig, is_open, &s));
	peer = accepted(fd);
	outbound_send(s.o, SPAN_LIT("bye"));
	outbound_free(s.o);
	EQ(recv(peer, buf, sizeof(buf), MSG_WAITALL), 3);
	close(peer);
	close(fd);
	rig_close(&rig);
}

static void nobody_there_is_refused(void)
{
	struct seen tcp = { 0 }, udp = { 0 };
	struct addr at;
	int fd;

	rig_open(&rig);
	fd = listener(&at);
	close(fd);
	EQ(outbound_tcp(rig.l, &at, 4096, &ops, &tcp, &tcp.o), 0);
	EQ(tcp.closed, 0);
	OK(rig_run(&rig, is_closed, &tcp));
	EQ(tcp.why, -ECONNREFUSED);
	EQ(tcp.opened, 0);
	outbound_free(tcp.o);
	fd = dgram_socket(&at);
	close(fd);
	EQ(outbound_udp(rig.l, &at, &ops, &udp, &udp.o), 0);
	OK(rig_run(&rig, is_open, &udp));
	outbound_send(udp.o, SPAN_LIT("anybody?"));
	OK(rig_run(&rig, is_closed, &udp));
	EQ(udp.why, -ECONNREFUSED);
	outbound_free(udp.o);
	rig_close(&rig);
}

static void no_route_is_told_from_the_loop(void)
{
	struct addr at = { .ip = { 0xfe, 0x80, [15] = 1 }, .port = 9, .scope = 9999 };
	struct seen s = { 0 };

	rig_open(&rig);
	EQ(outbound_udp(rig.l, &at, &ops, &s, &s.o), 0);
	EQ(s.closed, 0);
	OK(rig_run(&rig, is_closed, &s));
	OK(s.why < 0);
	outbound_free(s.o);
	rig_close(&rig);
}

static void only_the_peer_is_heard(void)
{
	struct seen s = { 0 };
	struct sockaddr_storage ss = { 0 };
	socklen_t n = sizeof(ss);
	struct addr at, other;
	char buf[16];
	int fd, stranger;

	rig_open(&rig);
	fd = dgram_socket(&at);
	stranger = dgram_socket(&other);
	EQ(outbound_udp(rig.l, &at, &ops, &s, &s.o), 0);
	OK(rig_run(&rig, is_open, &s));
	outbound_send(s.o, SPAN_LIT("hello"));
	EQ(recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&ss, &n), 5);
	(void)sendto(stranger, "wrong", 5, 0, (struct sockaddr *)&ss, n);
	EQ(sendto(fd, "world", 5, 0, (struct sockaddr *)&ss, n), 5);
	OK(rig_run(&rig, has_data, &s));
	EQ_SPAN(span_of(s.got, s.n), SPAN_LIT("world"));
	outbound_free(s.o);
	close(fd);
	close(stranger);
	rig_close(&rig);
}

static void who_uses_nothing_is_closed_at_the_limit(void)
{
	struct seen s = { .deaf = true };
	static char flood[64];
	struct addr at;
	int fd, peer;

	rig_open(&rig);
	fd = listener(&at);
	EQ(outbound_tcp(rig.l, &at, 16, &ops, &s, &s.o), 0);
	OK(rig_run(&rig, is_open, &s));
	peer = accepted(fd);
	EQ(send(peer, flood, sizeof(flood), 0), (ssize_t)sizeof(flood));
	OK(rig_run(&rig, is_closed, &s));
	EQ(s.why, ERR_LIMIT);
	outbound_free(s.o);
	close(peer);
	close(fd);
	rig_close(&rig);
}

static bool is_gone(void *arg)
{
	return ((struct seen *)arg)->o == NULL;
}

static void it_may_be_freed_in_its_own_callbacks(void)
{
	static const enum then all[] = { FREE_IN_OPEN, FREE_IN_DATA, FREE_IN_CLOSED };
	struct addr at;
	int fd, peer;

	rig_open(&rig);
	fd = listener(&at);
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		struct seen s = { .then = all[i] };

		EQ(outbound_tcp(rig.l, &at, 4096, &ops, &s, &s.o), 0);
		peer = accepted(fd);
		EQ(send(peer, "hello", 5, 0), 5);
		close(peer);
		OK(rig_run(&rig, is_gone, &s));
	}
	outbound_free(NULL);
	close(fd);
	rig_close(&rig);
}

static void a_failed_allocation_is_an_error(void)
{
	struct seen s = { 0 };
	struct addr at;
	int fd, r = 0;
	size_t n = 0;

	rig_open(&rig);
	fd = listener(&at);
	do {
		(void)mem_fail_at(n++);
		r = outbound_tcp(rig.l, &at, 4096, &ops, &s, &s.o);
		(void)mem_fail_at(SIZE_MAX);
		OK(r == 0 || r == ERR_NOMEM);
	} while (r < 0 && n < 20);
	EQ(r, 0);
	OK(n > 1);
	outbound_free(s.o);
	close(fd);
	rig_close(&rig);
}

T_MAIN(T(a_stream_carries_bytes_both_ways), T(what_is_queued_leaves_before_the_end), T(nobody_there_is_refused),
       T(no_route_is_told_from_the_loop), T(only_the_peer_is_heard), T(who_uses_nothing_is_closed_at_the_limit),
       T(it_may_be_freed_in_its_own_callbacks), T(a_failed_allocation_is_an_error))
