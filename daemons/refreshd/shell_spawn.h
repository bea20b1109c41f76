/* SPDX-License-Identifier: AGPL-3.0-only */
/* Another program, bounded in time, its words caught. */
#ifndef REFRESHD_SHELL_SPAWN_H
#define REFRESHD_SHELL_SPAWN_H

#include <stddef.h>
#include <stdint.h>

/* Runs argv[0] (a path) with this environment and no input. Its exit code, 128 + the signal that ended it, or -errno; -ETIMEDOUT:
 * it was killed. out gets the first cap - 1 bytes of what it printed on both channels, ended by NUL; may be NULL. */
int spawn_wait(const char *const argv[], const char *const env[], uint64_t limit_us, char *out, size_t cap);

/* The last line that is not empty, of output as above; lines of a log begin with their level, which goes. Borrowed from it, cut
 * there. */
const char *spawn_last_line(char *out);

#endif
