/* SPDX-License-Identifier: AGPL-3.0-only */
/* The command line that every daemon has: [-n] [--dump] [-c FILE], --man, --version, --help. */
#ifndef SYS_DAEMON_ARGS_H
#define SYS_DAEMON_ARGS_H

#include "base/span.h"

enum daemon_mode { DAEMON_RUN, DAEMON_CHECK, DAEMON_DUMP, DAEMON_MAN };

struct daemon_args {
	const char *path; /* of -c, borrowed from argv; NULL: the default one */
	enum daemon_mode mode;
};

/* Answers --version, --help and wrong options itself. -1: go on; otherwise the exit code. */
int daemon_args_parse(int argc, char **argv, const char *name, const char *conf_path, struct daemon_args *ret);

/* What `write` makes of arg, to standard output. The exit code. */
int daemon_print(void (*write)(struct wr *w, const void *arg), const void *arg);

#endif
