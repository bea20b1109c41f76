/* SPDX-License-Identifier: AGPL-3.0-only */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "refreshd/shell_disk.h"
#include "refreshd/shell_generation.h"
#include "sys/log.h"

#define LOCK_LOOK DUR_MS(50)

static void say_holder(int fd, const char *path)
{
	char text[32] = "";
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	log_at(LOG_ERR, NULL, "%s is held, last by process %ld: another refreshd is at work; try again when it has ended", path,
	       strtol(text, NULL, 10));
}

static void sign(int fd)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());

	if (ftruncate(fd, 0) < 0 || pwrite(fd, text, (size_t)n, 0) < 0)
		log_debug("the lock keeps no process number");
}

int state_lock(struct state *s, uint64_t wait_us)
{
	char path[DISK_PATH_MAX];
	mono_t until = mono_add(loop_clock(), wait_us);
	int fd, r = disk_make_dir(s->lib, 0755);

	if (r == 0)
		r = disk_path(path, "%s/generations", s->lib);
	if (r == 0)
		r = disk_make_dir(path, 0755);
	if (r == 0)
		r = disk_path(path, "%s/refresh.lock", s->lib);
	if (r < 0)
		return log_err(r, "making %s", s->lib);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return log_err(-errno, "opening %s", path);
	(void)fchmod(fd, 0600); /* who can read a file can lock it: nobody else shall hold refreshes up */
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK || mono_reached(loop_clock(), until)) {
			r = errno == EWOULDBLOCK ? -ETIMEDOUT : -errno;
			say_holder(fd, path);
			close(fd);
			return r;
		}
		loop_nap(LOCK_LOOK);
	}
	sign(fd);
	s->lock = fd;
	return 0;
}

void state_unlock(struct state *s)
{
	if (s->lock >= 0)
		close(s->lock);
	s->lock = -1;
}
