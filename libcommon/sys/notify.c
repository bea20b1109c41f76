/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sys/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#include "base/err.h"

#define INHERITED_MAX 64

/* One per process by nature: the manager watches a process, not a loop. */
static struct {
	struct loop *loop;
	struct timer *timer;
	uint64_t half_us;
	bool (*alive)(void *arg);
	void *arg;
} watchdog;

void notify_ready(void)
{
	(void)sd_notify(0, "READY=1");
}

void notify_reloading(void)
{
	struct timespec ts;
	uint64_t us;

	if (clock_gettime(CLOCK_MONOTONIC, &ts) < 0)
		return;
	us = (uint64_t)ts.tv_sec * US_PER_SEC + (uint64_t)ts.tv_nsec / 1000;
	(void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, us);
}

void notify_stopping(void)
{
	(void)sd_notify(0, "STOPPING=1");
}

void notify_status(const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	/* A newline would start another assignment. */
	for (char *p = text; *p; p++)
		if (*p == '\n')
			*p = ' ';
	(void)sd_notifyf(0, "STATUS=%s", text);
}

static void ping(void *arg)
{
	(void)arg;
	if (!watchdog.alive || watchdog.alive(watchdog.arg))
		(void)sd_notify(0, "WATCHDOG=1");
	timer_set(watchdog.timer, mono_add(loop_now(watchdog.loop), watchdog.half_us));
}

int notify_watchdog(struct loop *l)
{
	uint64_t us = 0;

	if (sd_watchdog_enabled(0, &us) <= 0 || us < 2)
		return 0;
	watchdog.timer = loop_timer(l, ping, NULL);
	if (!watchdog.timer)
		return ERR_NOMEM;
	watchdog.loop = l;
	watchdog.half_us = us / 2;
	ping(NULL);
	return 0;
}

void notify_watchdog_if(bool (*alive)(void *arg), void *arg)
{
	watchdog.alive = alive;
	watchdog.arg = arg;
}

int notify_inherited(const char *name)
{
	static uint64_t taken;
	char **names = NULL;
	int n, fd = -1;

	n = sd_listen_fds_with_names(0, &names);
	for (int i = 0; i < n; i++) {
		uint64_t bit = i < INHERITED_MAX ? UINT64_C(1) << i : 0;

		if (fd < 0 && bit != 0 && (taken & bit) == 0 && strcmp(names[i], name) == 0) {
			taken |= bit;
			fd = SD_LISTEN_FDS_START + i;
			/* The manager hands out sockets that block, and a loop must never wait in one accept. */
			(void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
		}
		free(names[i]);
	}
	free(names);
	return fd;
}

int notify_exit_code(int err)
{
	static const struct {
		int err, code;
	} map[] = {
		{ ERR_MALFORMED, EX_CONFIG },	  { ERR_MISSING, EX_CONFIG },	   { ERR_LIMIT, EX_CONFIG },
		{ ERR_SHORT, EX_CONFIG },	  { ERR_AUTH, EX_NOPERM },	   { ERR_UNEXPECTED, EX_SOFTWARE },
		{ ERR_NOMEM, EX_OSERR },	  { -ENOENT, EX_NOINPUT },	   { -EACCES, EX_NOPERM },
		{ -EPERM, EX_NOPERM },		  { -EIO, EX_IOERR },		   { -EADDRINUSE, EX_UNAVAILABLE },
		{ -EADDRNOTAVAIL, EX_UNAVAILABLE }, { -ECONNREFUSED, EX_UNAVAILABLE }, { -ENETUNREACH, EX_UNAVAILABLE },
		{ -EHOSTUNREACH, EX_UNAVAILABLE }, { -ENETDOWN, EX_UNAVAILABLE },   { -ETIMEDOUT, EX_UNAVAILABLE },
		{ -EINVAL, EX_SOFTWARE },
	};

	if (err >= 0)
		return EX_OK;
	for (size_t i = 0; i < ARRAY_LEN(map); i++)
		if (map[i].err == err)
			return map[i].code;
	return EX_OSERR;
}
