/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sys/file_atomic.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

/* Where the new one is until it is whole. */
static int beside(const char *path, char ret[PATH_MAX])
{
	return (size_t)snprintf(ret, PATH_MAX, "%s.new", path) < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static int sync_parent(const char *path)
{
	const char *slash = strrchr(path, '/');
	char dir[PATH_MAX] = ".";

	if (slash) /* "/x" is in "/" */
		snprintf(dir, sizeof(dir), "%.*s", slash == path ? 1 : (int)(slash - path), path);
	return file_sync_dir(dir);
}

static int write_all(int fd, struct span text)
{
	while (text.n) {
		ssize_t n = write(fd, text.p, text.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text.p += n;
		text.n -= (size_t)n;
	}
	return 0;
}

static int fill(const char *path, struct span text, mode_t mode)
{
	CLEANUP(close_fd) int fd = -1;
	int r;

	/* A new inode with no rights at first: neither the leftover's mode nor its readers get to see this. */
	if (unlink(path) < 0 && errno != ENOENT)
		return -errno;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0);
	if (fd < 0)
		return -errno;
	r = write_all(fd, text);
	if (r == 0 && (fchmod(fd, mode) < 0 || fsync(fd) < 0))
		r = -errno;
	/* Network file systems report a full disk as late as here. */
	if (close(fd) < 0 && r == 0 && errno != EINTR)
		r = -errno;
	fd = -1;
	return r;
}

static int move_into_place(const char *from, const char *path)
{
	if (rename(from, path) < 0)
		return -errno;
	return sync_parent(path);
}

static int finish(const char *from, const char *path, int r)
{
	if (r == 0)
		r = move_into_place(from, path);
	if (r < 0)
		(void)unlink(from);
	return r;
}

int file_write_atomic(const char *path, struct span text, mode_t mode)
{
	char from[PATH_MAX];
	int r = beside(path, from);

	return r < 0 ? r : finish(from, path, fill(from, text, mode));
}

int file_link_atomic(const char *path, const char *target)
{
	char from[PATH_MAX];
	int r = beside(path, from);

	if (r < 0)
		return r;
	if (unlink(from) < 0 && errno != ENOENT)
		return -errno;
	return finish(from, path, symlink(target, from) < 0 ? -errno : 0);
}

int file_sync_dir(const char *dir)
{
	CLEANUP(close_fd) int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return fsync(fd) < 0 ? -errno : 0;
}
