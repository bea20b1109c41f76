/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * Load for whatever carries a Unix socket to a TCP address, and what it cost: the clients on one side, central on the other, both
 * here. Prints "name value" lines:
 *
 *   up_1 up_16 down_1 down_16   CPU seconds of the carrier per GB, over 1 and 16 streams; *_gbps: GB per second
 *   p50 p99                     microseconds of a request of 64 bytes and its answer of 256, one after the other
 *   msg_us                      CPU microseconds per such exchange on 64 streams that are all at work; msg_rate: per second
 *   conn_us                     CPU microseconds per connection: connect, one exchange, close, 8 at a time; conn_rate: per second
 *
 *   bench_tunnel [-u UNIX] -t PORT [-p PID] [-w SECONDS] [-o latency,msg,conn,up,down]
 *
 * Without -u to central directly: p50 and p99 only. -w: waits first, so that health probes see that central is there. -o: only
 * these.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define SERVERS 96 /* connections that central serves at a time */
#define CHUNK (64 * 1024)
#define BULK_BYTES (1536ull << 20)
#define ASK 64
#define ANSWER 256
#define EXCHANGES 20000
#define MSG_STREAMS 64
#define MSG_ROUNDS 1500
#define CONN_THREADS 8
#define CONNS 1500 /* of each thread */
#define STACK (256 * 1024)

static struct {
	const char *path; /* NULL: directly */
	uint16_t port;
	clockid_t clock;
	int listener;
} g;

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "bench_tunnel: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now_s(clockid_t id)
{
	struct timespec t;

	if (clock_gettime(id, &t) < 0)
		die("the process under test has ended");
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double cpu_s(void)
{
	return now_s(g.clock);
}

/* --- bytes ----------------------------------------------------------------------------------------------- */

static bool read_all(int fd, void *buf, size_t n)
{
	for (size_t at = 0; at < n;) {
		ssize_t k = read(fd, (char *)buf + at, n - at);

		if (k <= 0)
			return false;
		at += (size_t)k;
	}
	return true;
}

static void write_all(int fd, const void *buf, size_t n)
{
	for (size_t at = 0; at < n;) {
		ssize_t k = write(fd, (const char *)buf + at, n - at);

		if (k <= 0)
			die("write");
		at += (size_t)k;
	}
}

static void pour(int fd, uint64_t n)
{
	static const char zero[CHUNK];

	for (; n; n -= n < CHUNK ? n : CHUNK)
		write_all(fd, zero, n < CHUNK ? n : CHUNK);
}

static uint64_t drink(int fd)
{
	char *buf = malloc(4 * CHUNK);
	uint64_t sum = 0;
	ssize_t n;

	while ((n = read(fd, buf, 4 * CHUNK)) > 0)
		sum += (uint64_t)n;
	free(buf);
	return sum;
}

/* --- central --------------------------------------------------------------------------------------------- */

/* The first byte says what the client wants: G(ET), E(xchanges), U(p), D(own) with a length. */
static void serve(int fd)
{
	static const char health[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
	char buf[ANSWER] = { 0 };
	uint64_t n;

	if (!read_all(fd, buf, 1))
		return;
	if (buf[0] == 'G') {
		(void)read(fd, buf, sizeof(buf));
		write_all(fd, health, sizeof(health) - 1);
	} else if (buf[0] == 'U') {
		n = drink(fd);
		write_all(fd, &n, sizeof(n));
	} else if (buf[0] == 'D' && read_all(fd, &n, sizeof(n))) {
		pour(fd, n);
	}
	while (buf[0] == 'E' && read_all(fd, buf + 1, ASK)) {
		char answer[ANSWER] = { 0 };

		write_all(fd, answer, sizeof(answer));
	}
}

static void *server(void *arg)
{
	int on = 1;

	(void)arg;
	for (;;) {
		int fd = accept(g.listener, NULL, NULL);

		if (fd < 0)
			return NULL;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		serve(fd);
		close(fd);
	}
}

static struct sockaddr_in central(void)
{
	return (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(g.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static pthread_t run_thread(void *(*fn)(void *), void *arg)
{
	pthread_attr_t a;
	pthread_t t;

	pthread_attr_init(&a);
	pthread_attr_setstacksize(&a, STACK);
	if (pthread_create(&t, &a, fn, arg) != 0)
		die("thread");
	pthread_attr_destroy(&a);
	return t;
}

static void open_central(void)
{
	struct sockaddr_in at = central();
	int on = 1;

	g.listener = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(g.listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(g.listener, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(g.listener, 1024) < 0)
		die("listening");
	for (int i = 0; i < SERVERS; i++)
		pthread_detach(run_thread(server, NULL));
}

/* --- clients --------------------------------------------------------------------------------------------- */

static int dial(char what)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct sockaddr_in in = central();
	int fd = socket(g.path ? AF_UNIX : AF_INET, SOCK_STREAM, 0), on = 1, r;

	if (g.path) {
		snprintf(un.sun_path, sizeof(un.sun_path), "%s", g.path);
		r = connect(fd, (struct sockaddr *)&un, sizeof(un));
	} else {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		r = connect(fd, (struct sockaddr *)&in, sizeof(in));
	}
	if (r < 0)
		die("connect");
	write_all(fd, &what, 1);
	return fd;
}

static void exchange(int fd)
{
	char ask[ASK] = { 0 }, answer[ANSWER];

	write_all(fd, ask, sizeof(ask));
	if (!read_all(fd, answer, sizeof(answer)))
		die("no answer");
}

static void *up(void *arg)
{
	uint64_t n = *(uint64_t *)arg, got = 0;
	int fd = dial('U');

	pour(fd, n);
	shutdown(fd, SHUT_WR);
	if (!read_all(fd, &got, sizeof(got)) || got != n)
		die("bytes went missing on their way up");
	close(fd);
	return NULL;
}

static void *down(void *arg)
{
	uint64_t n = *(uint64_t *)arg;
	int fd = dial('D');

	write_all(fd, &n, sizeof(n));
	if (drink(fd) != n)
		die("bytes went missing on their way down");
	close(fd);
	return NULL;
}

static void bulk(const char *name, void *(*fn)(void *), int streams)
{
	uint64_t each = BULK_BYTES / (unsigned)streams;
	pthread_t t[64];
	double cpu = cpu_s(), wall = now_s(CLOCK_MONOTONIC), gb = (double)BULK_BYTES / 1e9;

	for (int i = 0; i < streams; i++)
		t[i] = run_thread(fn, &each);
	for (int i = 0; i < streams; i++)
		pthread_join(t[i], NULL);
	printf("%s_%d %.4f\n", name, streams, (cpu_s() - cpu) / gb);
	printf("%s_%d_gbps %.3f\n", name, streams, gb / (now_s(CLOCK_MONOTONIC) - wall));
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void latency(void)
{
	static double us[EXCHANGES];
	int fd = dial('E');

	for (int i = 0; i < EXCHANGES / 10; i++)
		exchange(fd);
	for (int i = 0; i < EXCHANGES; i++) {
		double t = now_s(CLOCK_MONOTONIC);

		exchange(fd);
		us[i] = (now_s(CLOCK_MONOTONIC) - t) * 1e6;
	}
	close(fd);
	qsort(us, EXCHANGES, sizeof(us[0]), compare);
	printf("p50 %.2f\np99 %.2f\n", us[EXCHANGES / 2], us[EXCHANGES / 100 * 99]);
}

static void messages(void)
{
	double cpu, wall, n = (double)MSG_STREAMS * MSG_ROUNDS;
	char ask[ASK] = { 0 }, answer[ANSWER];
	int fd[MSG_STREAMS];

	for (int i = 0; i < MSG_STREAMS; i++) {
		fd[i] = dial('E');
		exchange(fd[i]);
	}
	cpu = cpu_s();
	wall = now_s(CLOCK_MONOTONIC);
	for (int k = 0; k < MSG_ROUNDS; k++) {
		for (int i = 0; i < MSG_STREAMS; i++)
			write_all(fd[i], ask, sizeof(ask));
		for (int i = 0; i < MSG_STREAMS; i++) {
			if (!read_all(fd[i], answer, sizeof(answer)))
				die("no answer");
		}
	}
	printf("msg_us %.3f\nmsg_rate %.0f\n", (cpu_s() - cpu) * 1e6 / n, n / (now_s(CLOCK_MONOTONIC) - wall));
	for (int i = 0; i < MSG_STREAMS; i++)
		close(fd[i]);
}

static void *connects(void *arg)
{
	(void)arg;
	for (int i = 0; i < CONNS; i++) {
		int fd = dial('E');

		exchange(fd);
		close(fd);
	}
	return NULL;
}

static void connections(void)
{
	double cpu = cpu_s(), wall = now_s(CLOCK_MONOTONIC), n = (double)CONN_THREADS * CONNS;
	pthread_t t[CONN_THREADS];

	for (int i = 0; i < CONN_THREADS; i++)
		t[i] = run_thread(connects, NULL);
	for (int i = 0; i < CONN_THREADS; i++)
		pthread_join(t[i], NULL);
	printf("conn_rate %.0f\n", n / (now_s(CLOCK_MONOTONIC) - wall));
	usleep(100000); /* the last closes are part of it */
	printf("conn_us %.3f\n", (cpu_s() - cpu) * 1e6 / n);
}

static bool wants(const char *only, const char *what)
{
	return !only || strstr(only, what);
}

static void through(const char *only)
{
	if (wants(only, "msg"))
		messages();
	if (wants(only, "conn"))
		connections();
	if (wants(only, "up")) {
		bulk("up", up, 1);
		bulk("up", up, 16);
	}
	if (wants(only, "down")) {
		bulk("down", down, 1);
		bulk("down", down, 16);
	}
}

int main(int argc, char **argv)
{
	const char *only = NULL;
	int opt, wait = 0;
	pid_t pid = getpid();

	while ((opt = getopt(argc, argv, "u:t:p:w:o:")) != -1) {
		if (opt == 'u')
			g.path = optarg;
		else if (opt == 't')
			g.port = (uint16_t)atoi(optarg);
		else if (opt == 'p')
			pid = atoi(optarg);
		else if (opt == 'w')
			wait = atoi(optarg);
		else if (opt == 'o')
			only = optarg;
		else
			return 64;
	}
	signal(SIGPIPE, SIG_IGN);
	if (clock_getcpuclockid(pid, &g.clock) != 0)
		die("no such process");
	open_central();
	sleep((unsigned)wait);
	if (wants(only, "latency"))
		latency();
	if (g.path)
		through(only);
	return 0;
}
