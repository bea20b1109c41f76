/* SPDX-License-Identifier: AGPL-3.0-only */
/* Configuration files as bytes: size cap, drop-ins in order, credentials. What the bytes mean is wire/conf's
 * business. */
#ifndef SYS_CONF_FILE_H
#define SYS_CONF_FILE_H

#include <limits.h>
#include <stdbool.h>

#include "base/secret.h"

#define CONF_FILE_MAX (256 * 1024)

/* Calls fn for `path` and then each `path`.d/<name>.conf in byte order of names. A missing main file is not an
 * error when `optional`; a missing directory never is. Stops at the first r < 0 of fn and returns it. -errno,
 * ERR_LIMIT. */
int conf_file_each(const char *path, bool optional, int (*fn)(const char *path, struct span text, void *arg),
		   void *arg);

/* A whole regular file into caller memory, NUL-terminated; *ret_n without the NUL. 0, -errno, ERR_LIMIT. */
int conf_file_read(const char *path, char *buf, size_t cap, size_t *ret_n);

/* The path of a name without "/": a file of $CREDENTIALS_DIRECTORY (systemd's LoadCredential=); any other name is a path
 * already. ERR_MISSING: there is no such directory, or no name. */
int conf_file_path(const char *name, char path[PATH_MAX]);

/* As conf_file_read, of a name as above and only when the file's mode keeps others out (-EPERM). A newer credential of that name
 * (sys/credential.h) wins over the file. Wipe buf after use. */
int conf_file_private(const char *name, char *buf, size_t cap, size_t *ret_n);

/* The same for a secret, one trailing newline dropped. -errno, ERR_LIMIT, ERR_MISSING when empty or no such place. */
int conf_file_secret(const char *name, struct secret *ret);

#endif
