/* SPDX-License-Identifier: AGPL-3.0-only */
/* Files that are there whole or not at all, also after a crash: written beside their place, synced, renamed, directory synced. */
#ifndef SYS_FILE_ATOMIC_H
#define SYS_FILE_ATOMIC_H

#include <sys/types.h>

#include "base/span.h"

/* Replaces or makes `path` with exactly this mode (the umask does not count). A reader sees the old or the new contents. -errno;
 * then the old file is untouched and nothing is left beside it. A leftover of a killed writer ("path.new") is replaced. */
int file_write_atomic(const char *path, struct span text, mode_t mode);

/* A symbolic link at `path` to `target`, replaced in one step. */
int file_link_atomic(const char *path, const char *target);

/* What was made, renamed or removed in this directory lasts. */
int file_sync_dir(const char *dir);

#endif
