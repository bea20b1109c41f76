/* SPDX-License-Identifier: AGPL-3.0-only */
#include "refreshd/shell_disk.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/slab.h"
#include "sys/file_atomic.h"

int disk_path(char ret[DISK_PATH_MAX], const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(ret, DISK_PATH_MAX, fmt, ap);
	va_end(ap);
	return n < DISK_PATH_MAX ? 0 : -ENAMETOOLONG;
}

int disk_make_dir(const char *path, mode_t mode)
{
	if (mkdir(path, mode) == 0)
		return chmod(path, mode) < 0 ? -errno : 0;
	return errno == EEXIST ? 0 : -errno;
}

bool disk_has(const char *path)
{
	return access(path, F_OK) == 0;
}

int disk_put(const char *path, struct span text, mode_t mode)
{
	CLEANUP(blob_done) struct blob old = { 0 };
	struct stat st;

	if (lstat(path, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 07777) == mode &&
	    blob_load(&old, path, text.n + 1) == 0 && span_eq(blob_span(&old), text))
		return 0;
	return file_write_atomic(path, text, mode);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st, (void)kind, (void)at;
	return remove(path);
}

int disk_remove_tree(const char *path)
{
	return nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS) < 0 && errno != ENOENT ? -errno : 0;
}

void disk_sweep(const char *dir)
{
	char path[DISK_PATH_MAX];
	struct dirent *e;
	DIR *d = opendir(dir);

	while (d && (e = readdir(d)) != NULL) {
		size_t n = strlen(e->d_name);

		if (n > 4 && strcmp(e->d_name + n - 4, ".new") == 0 && disk_path(path, "%s/%s", dir, e->d_name) == 0)
			(void)unlink(path);
	}
	if (d)
		closedir(d);
}

int blob_room(struct blob *b, size_t cap)
{
	blob_done(b);
	b->p = mem_alloc(cap ? cap : 1);
	if (!b->p)
		return ERR_NOMEM;
	b->cap = cap;
	return 0;
}

int blob_load(struct blob *b, const char *path, size_t max)
{
	size_t n;
	int r = blob_room(b, max + 1);

	if (r == 0)
		r = conf_file_read(path, (char *)b->p, max + 1, &n);
	if (r == 0)
		b->n = n;
	else
		blob_done(b);
	return r;
}

int blob_copy(struct blob *b, struct span text)
{
	int r = blob_room(b, text.n);

	if (r == 0 && text.n)
		memcpy(b->p, text.p, text.n);
	b->n = r == 0 ? text.n : 0;
	return r;
}

void blob_done(struct blob *b)
{
	if (b->p)
		wipe(b->p, b->cap);
	mem_free(b->p);
	*b = (struct blob){ 0 };
}

struct span blob_span(const struct blob *b)
{
	return span_of(b->p, b->n);
}

struct wr blob_wr(struct blob *b)
{
	return wr_from(b->p, b->cap);
}

int blob_take(struct blob *b, const struct wr *w)
{
	b->n = w->bad ? 0 : wr_len(w);
	return w->bad ? ERR_LIMIT : 0;
}

void swap_write(struct wr *w, struct span text, const struct swap *s, size_t n)
{
	for (size_t at = 0; at < text.n;) {
		size_t i = 0, len = 0;

		for (; i < n; i++) {
			len = strlen(s[i].from);
			if (text.n - at >= len && memcmp(text.p + at, s[i].from, len) == 0)
				break;
		}
		if (i < n) {
			wr_str(w, s[i].to);
			at += len;
		} else {
			wr_u8(w, text.p[at++]);
		}
	}
}

const char *disk_nginx(void)
{
	static const char *const places[] = { "/usr/sbin/nginx", "/usr/local/sbin/nginx", "/usr/bin/nginx" };
	const char *env = getenv("NGINX");

	if (env && *env)
		return env;
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		if (access(places[i], X_OK) == 0)
			return places[i];
	}
	return NULL;
}

wall_t disk_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (wall_t){ (uint64_t)ts.tv_sec * US_PER_SEC + (uint64_t)ts.tv_nsec / 1000 };
}

void disk_time(wall_t at, char ret[32])
{
	time_t t = (time_t)(at.us / US_PER_SEC);
	struct tm tm;

	if (!gmtime_r(&t, &tm) || strftime(ret, 32, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		ret[0] = '\0';
}

wall_t disk_written(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0 || st.st_mtime < 0)
		return (wall_t){ 0 };
	return (wall_t){ (uint64_t)st.st_mtime * US_PER_SEC };
}
