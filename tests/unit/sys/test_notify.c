/* SPDX-License-Identifier: AGPL-3.0-only */
/* The manager's side is a datagram socket in $NOTIFY_SOCKET, played by the test. */
#include "t.h"

#include <inttypes.h>
#include <sys/wait.h>
#include <time.h>

#include "base/slab.h"
#include "rig.h"
#include "sys/notify.h"

struct manager {
	struct rig rig;
	int fd;
	char got[512];
	unsigned pings;
};

static void manager_open(struct manager *m)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	char path[108];

	*m = (struct manager){ 0 };
	rig_open(&m->rig);
	strcpy(sun.sun_path, rig_path(&m->rig, "notify", path));
	m->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (bind(m->fd, (struct sockaddr *)&sun, sizeof(sun)) < 0)
		abort();
	setenv("NOTIFY_SOCKET", path, 1);
}

static void manager_close(struct manager *m)
{
	unsetenv("NOTIFY_SOCKET");
	close(m->fd);
	rig_close(&m->rig);
}

static const char *next(struct manager *m)
{
	ssize_t n = recv(m->fd, m->got, sizeof(m->got) - 1, 0);

	m->got[n < 0 ? 0 : n] = '\0';
	return m->got;
}

/* Each event is one datagram with the assignments of sd_notify(3); a status cannot smuggle in a second one. */
static void messages_of_the_protocol(void)
{
	struct manager m;

	manager_open(&m);
	notify_ready();
	EQ_STR(next(&m), "READY=1");
	notify_stopping();
	EQ_STR(next(&m), "STOPPING=1");
	notify_status("%d rooms", 3);
	EQ_STR(next(&m), "STATUS=3 rooms");
	notify_status("%s", "x\nREADY=1");
	EQ_STR(next(&m), "STATUS=x READY=1");
	EQ_STR(next(&m), "");
	manager_close(&m);
}

/* systemd ignores a reload stamped before its signal, in CLOCK_MONOTONIC: the stamp is taken at the call. */
static void reloading_is_stamped_now(void)
{
	struct timespec a, b;
	struct manager m;
	uint64_t us = 0, lo, hi;

	manager_open(&m);
	clock_gettime(CLOCK_MONOTONIC, &a);
	notify_reloading();
	clock_gettime(CLOCK_MONOTONIC, &b);
	EQ(sscanf(next(&m), "RELOADING=1\nMONOTONIC_USEC=%" SCNu64, &us), 1);
	lo = (uint64_t)a.tv_sec * US_PER_SEC + (uint64_t)a.tv_nsec / 1000;
	hi = (uint64_t)b.tv_sec * US_PER_SEC + (uint64_t)b.tv_nsec / 1000;
	OK(us >= lo && us <= hi);
	manager_close(&m);
}

/* Not run by systemd: every call is a no-op. */
static void silent_without_a_manager(void)
{
	struct manager m;

	manager_open(&m);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("LISTEN_FDS");
	notify_ready();
	notify_status("x");
	EQ(notify_watchdog(m.rig.l), 0);
	EQ(notify_inherited("web"), -1);
	EQ_STR(next(&m), "");
	manager_close(&m);
}

static bool three_pings(void *arg)
{
	struct manager *m = arg;

	while (strcmp(next(m), "WATCHDOG=1") == 0)
		m->pings++;
	return m->pings >= 3;
}

/* The watchdog is pinged from the loop, again and again; for another process it is not ours to ping. */
static void watchdog_is_pinged_by_the_loop(void)
{
	struct manager m;
	char pid[16];

	manager_open(&m);
	setenv("WATCHDOG_USEC", "4000", 1);
	setenv("WATCHDOG_PID", "1", 1);
	EQ(notify_watchdog(m.rig.l), 0);
	EQ_STR(next(&m), "");
	snprintf(pid, sizeof(pid), "%d", getpid());
	setenv("WATCHDOG_PID", pid, 1);
	mem_fail_at(0);
	EQ(notify_watchdog(m.rig.l), ERR_NOMEM);
	mem_fail_at(SIZE_MAX);
	EQ(notify_watchdog(m.rig.l), 0);
	OK(rig_run(&m.rig, three_pings, &m));
	OK(m.pings >= 3);
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	manager_close(&m);
}

static bool ten_questions(void *arg)
{
	return *(unsigned *)arg >= 10;
}

static bool only_the_first_time(void *arg)
{
	return ++*(unsigned *)arg == 1;
}

/* A daemon of several loops decides: asked each time, pinged when it says so. */
static void watchdog_asks_first(void)
{
	struct manager m;
	unsigned asked = 0;

	manager_open(&m);
	setenv("WATCHDOG_USEC", "4000", 1);
	notify_watchdog_if(only_the_first_time, &asked);
	EQ(notify_watchdog(m.rig.l), 0);
	OK(rig_run(&m.rig, ten_questions, &asked));
	EQ_STR(next(&m), "WATCHDOG=1");
	EQ_STR(next(&m), "");
	notify_watchdog_if(NULL, NULL);
	unsetenv("WATCHDOG_USEC");
	manager_close(&m);
}

static void expect(int *bad, int got, int want)
{
	*bad += got != want;
}

/* In a child, where descriptors 3.. may be put in place: how many expectations failed. */
static int take_inherited(void)
{
	char pid[16];
	int bad = 0, null = open("/dev/null", O_RDWR);

	for (int fd = 3; fd < 6; fd++)
		if (fd != null && dup2(null, fd) < 0)
			return 100;
	snprintf(pid, sizeof(pid), "%d", getpid());
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "3", 1);
	setenv("LISTEN_FDNAMES", "udp:control:udp", 1);
	expect(&bad, notify_inherited("other"), -1);
	expect(&bad, notify_inherited("control"), 4);
	expect(&bad, notify_inherited("control"), -1);
	expect(&bad, notify_inherited("udp"), 3);
	expect(&bad, notify_inherited("udp"), 5);
	expect(&bad, notify_inherited("udp"), -1);
	expect(&bad, fcntl(3, F_GETFD), FD_CLOEXEC);
	expect(&bad, fcntl(4, F_GETFD), FD_CLOEXEC);
	expect(&bad, fcntl(3, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	setenv("LISTEN_PID", "1", 1);
	expect(&bad, notify_inherited("udp"), -1);
	return bad;
}

/* Descriptors are found by name, handed out once each in order, do not block, and are closed on exec. */
static void inherited_descriptors_by_name(void)
{
	int status = -1;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0)
		_exit(take_inherited());
	EQ(waitpid(pid, &status, 0), pid);
	OK(WIFEXITED(status));
	EQ(WEXITSTATUS(status), 0);
}

/* Exit codes are those of sysexits(3): a restart cannot help against EX_CONFIG. */
static void exit_codes(void)
{
	const struct {
		const char *row;
		int err, want;
	} rows[] = {
		{ "success: ", 0, EX_OK },
		{ "count: ", 7, EX_OK },
		{ "malformed: ", ERR_MALFORMED, EX_CONFIG },
		{ "missing: ", ERR_MISSING, EX_CONFIG },
		{ "no memory: ", ERR_NOMEM, EX_OSERR },
		{ "port taken: ", -EADDRINUSE, EX_UNAVAILABLE },
		{ "not allowed: ", -EACCES, EX_NOPERM },
		{ "no file: ", -ENOENT, EX_NOINPUT },
		{ "anything else: ", -ENOSPC, EX_OSERR },
		{ "unknown: ", -9999, EX_OSERR },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		t_row = rows[i].row;
		EQ(notify_exit_code(rows[i].err), rows[i].want);
	}
}

T_MAIN(T(messages_of_the_protocol), T(reloading_is_stamped_now), T(silent_without_a_manager),
       T(watchdog_is_pinged_by_the_loop), T(watchdog_asks_first), T(inherited_descriptors_by_name), T(exit_codes))
