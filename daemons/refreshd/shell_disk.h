/* SPDX-License-Identifier: AGPL-3.0-only */
/* Small dealings with files that every part of refreshd has: paths, whole files in memory that is wiped, times. */
#ifndef REFRESHD_SHELL_DISK_H
#define REFRESHD_SHELL_DISK_H

#include <sys/types.h>

#include "base/err.h"
#include "base/mono.h"
#include "base/span.h"
#include "sys/conf_file.h"
#include "sys/loop.h"

#define DISK_PATH_MAX 512

/* -ENAMETOOLONG. */
int disk_path(char ret[DISK_PATH_MAX], const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* One that exists is fine; mode whatever the umask. */
int disk_make_dir(const char *path, mode_t mode);
bool disk_has(const char *path);
/* Writes only what differs, so that the times of files tell something. */
int disk_put(const char *path, struct span text, mode_t mode);
/* A directory and all that is in it goes; one that is not there is fine. -errno. */
int disk_remove_tree(const char *path);
/* Leftovers of killed writers (*.new) in a directory of ours go. */
void disk_sweep(const char *dir);

/* Memory that is wiped when it goes. */
struct blob {
	uint8_t *p;
	size_t n, cap;
};
/* Room for cap bytes, none of them used; what was there goes. ERR_NOMEM. */
int blob_room(struct blob *b, size_t cap);
/* A regular file of at most max bytes. -errno, ERR_LIMIT, ERR_NOMEM. */
int blob_load(struct blob *b, const char *path, size_t max);
int blob_copy(struct blob *b, struct span text);
void blob_done(struct blob *b);
struct span blob_span(const struct blob *b);
/* A writer over all of its room; blob_take makes what was written its contents. ERR_LIMIT. */
struct wr blob_wr(struct blob *b);
int blob_take(struct blob *b, const struct wr *w);

/* Other words for some words of a text, wherever they stand. */
struct swap {
	const char *from, *to;
};
void swap_write(struct wr *w, struct span text, const struct swap *s, size_t n);

/* The program nginx: $NGINX, or where Debian has it; NULL: it is not installed. */
const char *disk_nginx(void);

wall_t disk_now(void);
/* "2026-11-23T04:05:06Z" */
void disk_time(wall_t at, char ret[32]);
/* When the file was last written; 0: there is none. */
wall_t disk_written(const char *path);

#endif
