/* SPDX-License-Identifier: AGPL-3.0-only */
/* What main() of every daemon does: options, configuration, check or dump, or else open, tell systemd, serve. */
#ifndef SYS_DAEMON_MAIN_H
#define SYS_DAEMON_MAIN_H

#include "base/span.h"

struct daemon_spec {
	const char *name;      /* "sfud" */
	const char *conf_path; /* the default one */
	int (*load)(void *d, const char *path);      /* configuration; path NULL: the default one. Logs what is wrong */
	int (*level)(const void *d);                 /* of the log, once loaded */
	void (*dump)(struct wr *w, const void *d);   /* --dump */
	void (*man)(struct wr *w, const void *none); /* --man */
	int (*open)(void *d);                        /* every descriptor and secret we will ever need. Logs why not */
	int (*serve)(void *d);                       /* returns after SIGTERM or a drain */
	void (*close)(void *d);                      /* also of what was never opened */
};

/* The exit code. */
int daemon_main(const struct daemon_spec *s, void *d, int argc, char **argv);

#endif
