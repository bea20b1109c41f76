/* SPDX-License-Identifier: AGPL-3.0-only */
/* Configuration, processor and figures of the child. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench/load.h"

#define START_TRIES 500 /* of 10 ms */

_Noreturn void load_die(const char *what)
{
	fprintf(stderr, "bench_sfu: %s%s%s\n", what, errno ? ": " : "", errno ? strerror(errno) : "");
	exit(1);
}

static uint16_t free_port(int type)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&a, n) < 0 || getsockname(fd, (struct sockaddr *)&a, &n) < 0)
		load_die("looking for a free port");
	close(fd);
	return ntohs(a.sin_port);
}

static void path_in(const struct load_sfud *s, const char *name, char path[128])
{
	snprintf(path, 128, "%s/%s", s->dir, name);
}

static void write_file(const struct load_sfud *s, const char *name, const char *text)
{
	char path[128];
	size_t n = strlen(text);
	int fd;

	path_in(s, name, path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, text, n) != (ssize_t)n || close(fd) < 0)
		load_die(path);
}

static void write_conf(const struct load_sfud *s)
{
	char text[1024];

	snprintf(text, sizeof(text),
		 "[Media]\nPort=%u\nBind=127.0.0.1\nAdvertise=127.0.0.1\n"
		 "[Signal]\nPort=%u\nBind=127.0.0.1\nSecretFile=%s/secret\n"
		 "[Rooms]\nMaxParticipants=1200\nSoloKick=0\n"
		 "[Metrics]\nPort=%u\nBind=127.0.0.1\n"
		 "[Control]\nSocket=%s/control\n"
		 "[Log]\nLevel=notice\n",
		 s->media_port, s->signal_port, s->dir, s->metrics_port, s->dir);
	write_file(s, "sfud.conf", text);
}

static void remove_files(const struct load_sfud *s)
{
	static const char *const files[] = { "secret", "sfud.conf", "control" };
	char path[128];

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		path_in(s, files[i], path);
		unlink(path);
	}
	rmdir(s->dir);
}

static int try_connect(uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
		return fd;
	close(fd);
	return -1;
}

static void wait_listening(const struct load_sfud *s)
{
	char control[128];

	path_in(s, "control", control); /* the last socket that it opens */
	for (int i = 0; i < START_TRIES; i++) {
		if (access(control, F_OK) == 0)
			return;
		if (waitpid(s->pid, NULL, WNOHANG) == s->pid) {
			errno = 0;
			load_die("sfud ended at once; its reason stands above");
		}
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	}
	load_die("sfud does not listen");
}

/*
 * The daemon gets one processor, the generator the others. Left alone, the scheduler wakes the generator on the
 * daemon's processor in the middle of its fan-out, which no network would do.
 */
static void pin(const struct load_sfud *s, bool daemon)
{
	cpu_set_t set;
	size_t last = 0;

	if (CPU_COUNT(&s->cpus) < 2)
		return;
	for (size_t i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &s->cpus))
			last = i;
	set = s->cpus;
	if (daemon) {
		CPU_ZERO(&set);
		CPU_SET(last, &set);
	} else {
		CPU_CLR(last, &set);
	}
	(void)sched_setaffinity(0, sizeof(set), &set);
}

void load_sfud_start(struct load_sfud *s, const char *exe)
{
	char conf[128];

	*s = (struct load_sfud){ .dir = "/tmp/bench_sfu.XXXXXX", .secret = "a secret of the load generator's" };
	if (!mkdtemp(s->dir) || sched_getaffinity(0, sizeof(s->cpus), &s->cpus) < 0)
		load_die("making a temporary directory");
	s->media_port = free_port(SOCK_DGRAM);
	s->signal_port = free_port(SOCK_STREAM);
	s->metrics_port = free_port(SOCK_STREAM);
	write_file(s, "secret", s->secret);
	write_conf(s);
	path_in(s, "sfud.conf", conf);
	s->pid = fork();
	if (s->pid < 0)
		load_die("fork");
	if (s->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pin(s, true);
		execl(exe, exe, "-c", conf, (char *)NULL);
		load_die(exe);
	}
	pin(s, false);
	wait_listening(s);
	remove_files(s); /* read by now; nothing is left behind when the generator dies */
}

void load_sfud_stop(struct load_sfud *s)
{
	int status = 0;

	(void)sched_setaffinity(0, sizeof(s->cpus), &s->cpus);
	kill(s->pid, SIGTERM);
	while (waitpid(s->pid, &status, 0) < 0 && errno == EINTR)
		;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		fprintf(stderr, "bench_sfu: sfud ended with status %#x\n", (unsigned)status);
}

static void read_proc(pid_t pid, const char *name, char *text, size_t cap)
{
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, cap - 1);
	if (n < 0)
		load_die(path);
	close(fd);
	text[n] = '\0';
}

uint64_t load_cpu_ns(pid_t pid, uint64_t *ret_waited)
{
	char text[128], *end;
	uint64_t ran;

	read_proc(pid, "schedstat", text, sizeof(text)); /* of the main thread: sfud has no other */
	ran = strtoull(text, &end, 10);
	*ret_waited = strtoull(end, NULL, 10);
	return ran;
}

double load_cpu_user(pid_t pid)
{
	char text[1024];
	unsigned long long user = 0;
	const char *p;

	read_proc(pid, "stat", text, sizeof(text));
	p = strrchr(text, ')'); /* field 2; utime is field 14 */
	for (int field = 2; p && field < 14; field++)
		p = strchr(p + 1, ' ');
	if (p)
		user = strtoull(p, NULL, 10);
	return (double)user / (double)sysconf(_SC_CLK_TCK);
}

uint64_t load_rss_kb(pid_t pid)
{
	char text[4096];
	const char *p;

	read_proc(pid, "status", text, sizeof(text));
	p = strstr(text, "VmRSS:");
	return p ? strtoull(p + 6, NULL, 10) : 0;
}

static uint64_t sample(const char *page, const char *name)
{
	const char *p = strstr(page, name), *value = p ? strstr(p, "} ") : NULL;

	return value ? strtoull(value + 2, NULL, 10) : 0;
}

static size_t read_page(const struct load_sfud *s, char *page, size_t cap)
{
	static const char get[] = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
	size_t at = 0;
	ssize_t got = 1;
	int fd = try_connect(s->metrics_port);

	if (fd < 0 || write(fd, get, sizeof(get) - 1) < 0)
		load_die("asking for /metrics");
	for (; got > 0 && at < cap; at += got > 0 ? (size_t)got : 0)
		got = read(fd, page + at, cap - at);
	close(fd);
	return at;
}

void load_metrics(const struct load_sfud *s, struct load_metrics *m)
{
	static char page[512 * 1024];
	const char *p = page;

	page[read_page(s, page, sizeof(page) - 1)] = '\0';
	*m = (struct load_metrics){ .sent = sample(page, "sfu_udp_sent_datagrams_total{"),
				    .messages = sample(page, "sfu_udp_sent_messages_total{") };
	while (m->n < ARRAY_LEN(m->count) && (p = strstr(p, "sfu_forward_latency_seconds_bucket{"))) {
		const char *le = strstr(p, "le=\""), *value = le ? strstr(le, "} ") : NULL;

		if (!value)
			break;
		m->bound[m->n] = strtod(le + 4, NULL); /* "+Inf" included */
		m->count[m->n++] = strtoull(value + 2, NULL, 10);
		p = value;
	}
}
