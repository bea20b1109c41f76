/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sys/conf_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/slab.h"
#include "sys/credential.h"

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static void free_mem(char **p)
{
	mem_free(*p);
}

/* O_NONBLOCK: a FIFO in the place of a file must not hang the daemon. */
static int open_regular(const char *path, struct stat *ret)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	int r = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, ret) < 0)
		r = -errno;
	else if (!S_ISREG(ret->st_mode))
		r = S_ISDIR(ret->st_mode) ? -EISDIR : -EINVAL;
	if (r < 0) {
		close(fd);
		return r;
	}
	return fd;
}

/* The size a file claims proves nothing, so it is read until its end. */
static int read_all(int fd, char *buf, size_t cap, size_t *ret_n)
{
	size_t n = 0;

	while (n < cap) {
		ssize_t got = read(fd, buf + n, cap - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0) {
			buf[n] = '\0';
			*ret_n = n;
			return 0;
		}
		n += (size_t)got;
	}
	return ERR_LIMIT;
}

int conf_file_read(const char *path, char *buf, size_t cap, size_t *ret_n)
{
	CLEANUP(close_fd) int fd = -1;
	struct stat st;

	fd = open_regular(path, &st);
	if (fd < 0)
		return fd;
	return read_all(fd, buf, cap, ret_n);
}

static int is_dropin(const struct dirent *d)
{
	size_t n = strlen(d->d_name);

	return d->d_name[0] != '.' && n > 5 && strcmp(d->d_name + n - 5, ".conf") == 0;
}

/* Not alphasort: the order must not depend on the locale. */
static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int read_one(const char *path, char *buf, int (*fn)(const char *path, struct span text, void *arg), void *arg)
{
	size_t n;
	int r;

	r = conf_file_read(path, buf, CONF_FILE_MAX + 1, &n);
	if (r < 0)
		return r;
	return fn(path, span_of(buf, n), arg);
}

static int read_dropins(const char *path, char *buf, int (*fn)(const char *path, struct span text, void *arg),
			void *arg)
{
	char dir[PATH_MAX], file[PATH_MAX];
	struct dirent **list;
	int n, r = 0;

	if ((size_t)snprintf(dir, sizeof(dir), "%s.d", path) >= sizeof(dir))
		return -ENAMETOOLONG;
	n = scandir(dir, &list, is_dropin, by_bytes);
	if (n < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
	for (int i = 0; i < n; i++) {
		if (r >= 0) {
			int len = snprintf(file, sizeof(file), "%s.d/%s", path, list[i]->d_name);

			r = (size_t)len < sizeof(file) ? read_one(file, buf, fn, arg) : -ENAMETOOLONG;
		}
		free(list[i]);
	}
	free(list);
	return r < 0 ? r : 0;
}

int conf_file_each(const char *path, bool optional, int (*fn)(const char *path, struct span text, void *arg),
		   void *arg)
{
	CLEANUP(free_mem) char *buf = mem_alloc(CONF_FILE_MAX + 1);
	int r;

	if (!buf)
		return ERR_NOMEM;
	r = read_one(path, buf, fn, arg);
	if (r == -ENOENT && optional && access(path, F_OK) < 0)
		r = 0;
	if (r >= 0)
		r = read_dropins(path, buf, fn, arg);
	/* Configurations may hold secrets. */
	wipe(buf, CONF_FILE_MAX + 1);
	return r;
}

int conf_file_path(const char *name, char path[PATH_MAX])
{
	const char *dir = "";
	int n;

	if (!strchr(name, '/')) {
		dir = getenv("CREDENTIALS_DIRECTORY");
		if (!dir || *name == '\0')
			return ERR_MISSING;
	}
	n = snprintf(path, PATH_MAX, "%s%s%s", dir, *dir ? "/" : "", name);
	return n < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static int copy(struct span from, char *buf, size_t cap, size_t *ret_n)
{
	if (from.n >= cap)
		return ERR_LIMIT;
	memcpy(buf, from.p, from.n);
	buf[from.n] = '\0';
	*ret_n = from.n;
	return 0;
}

int conf_file_private(const char *name, char *buf, size_t cap, size_t *ret_n)
{
	CLEANUP(close_fd) int fd = -1;
	struct span newer = credential_get(name); /* of no name with "/" */
	char path[PATH_MAX];
	struct stat st;
	int r;

	if (newer.n)
		return copy(newer, buf, cap, ret_n);
	r = conf_file_path(name, path);
	if (r < 0)
		return r;
	fd = open_regular(path, &st);
	if (fd < 0)
		return fd;
	return st.st_mode & S_IRWXO ? -EPERM : read_all(fd, buf, cap, ret_n);
}

int conf_file_secret(const char *name, struct secret *ret)
{
	char buf[SECRET_MAX + 2]; /* with a newline and the NUL */
	size_t n = 0;
	int r = conf_file_private(name, buf, sizeof(buf), &n);

	if (r == 0 && n > 0 && buf[n - 1] == '\n')
		n--;
	if (r == 0)
		r = n == 0 ? ERR_MISSING : secret_set(ret, span_of(buf, n));
	wipe(buf, sizeof(buf));
	return r;
}
