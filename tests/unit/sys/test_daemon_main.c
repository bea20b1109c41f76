/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sys/daemon_main.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/err.h"
#include "sys/log.h"
#include "t.h"

struct thed {
	const char *path;
	int load_r, open_r, serve_r;
	char calls[16]; /* a letter each: load, open, serve, close */
};

static void note(struct thed *d, char c)
{
	d->calls[strlen(d->calls)] = c;
}

static int load(void *arg, const char *path)
{
	struct thed *d = arg;

	note(d, 'l');
	d->path = path;
	return d->load_r;
}

static int level(const void *d)
{
	(void)d;
	return LOG_ERR;
}

static void dump(struct wr *w, const void *d)
{
	wr_str(w, "dump of ");
	wr_str(w, ((const struct thed *)d)->path);
}

static void man(struct wr *w, const void *none)
{
	wr_str(w, none ? "?" : "man");
}

static int open_all(void *d)
{
	note(d, 'o');
	return ((struct thed *)d)->open_r;
}

static int serve(void *d)
{
	note(d, 's');
	EQ(log_level(), LOG_ERR);
	return ((struct thed *)d)->serve_r;
}

static void close_all(void *d)
{
	note(d, 'c');
}

/* Standard output of one run. */
static int run(struct thed *d, char *const argv[], char out[256])
{
	static const struct daemon_spec spec = { "thed", "/etc/thed.conf", load, level, dump, man, open_all, serve, close_all };
	int to = memfd_create("out", MFD_CLOEXEC), old, argc = 0, r;
	char *copy[8] = { NULL };
	ssize_t n;

	for (; argv[argc]; argc++)
		copy[argc] = argv[argc];
	optind = 0; /* glibc: from the start */
	fflush(stdout);
	old = dup(STDOUT_FILENO);
	if (to < 0 || old < 0 || dup2(to, STDOUT_FILENO) < 0)
		abort();
	r = daemon_main(&spec, d, argc, copy);
	fflush(stdout);
	dup2(old, STDOUT_FILENO);
	n = pread(to, out, 255, 0);
	out[n < 0 ? 0 : n] = '\0';
	close(to);
	close(old);
	return r;
}

/* What is called for which option, what is printed, and the exit code. Closed in any case. */
static void modes_and_exit_codes(void)
{
	const struct {
		const char *row;
		char *const argv[4];
		int load_r, open_r, serve_r;
		int want;
		const char *calls, *path, *out;
	} rows[] = {
		{ "serve: ", { "thed", NULL }, 0, 0, 0, 0, "losc", NULL, "" },
		{ "serve a file: ", { "thed", "-c", "x", NULL }, 0, 0, 0, 0, "losc", "x", "" },
		{ "serve fails: ", { "thed", NULL }, 0, 0, -EIO, EX_IOERR, "losc", NULL, "" },
		{ "open fails: ", { "thed", NULL }, 0, -EADDRINUSE, 0, EX_UNAVAILABLE, "loc", NULL, "" },
		{ "no secret: ", { "thed", NULL }, 0, ERR_MISSING, 0, EX_CONFIG, "loc", NULL, "" },
		{ "bad configuration: ", { "thed", NULL }, ERR_MALFORMED, 0, 0, EX_CONFIG, "lc", NULL, "" },
		{ "no configuration: ", { "thed", NULL }, -ENOENT, 0, 0, EX_CONFIG, "lc", NULL, "" },
		{ "check: ", { "thed", "-n", NULL }, 0, 0, 0, 0, "lc", NULL, "" },
		{ "check of a bad one: ", { "thed", "-n", NULL }, ERR_MALFORMED, 0, 0, EX_CONFIG, "lc", NULL, "" },
		{ "dump: ", { "thed", "--dump", "-cy", NULL }, 0, 0, 0, 0, "lc", "y", "dump of y" },
		{ "dump of a bad one: ", { "thed", "--dump", "-cy", NULL }, ERR_MALFORMED, 0, 0, EX_CONFIG, "lc", "y", "" },
		{ "man: ", { "thed", "--man", NULL }, ERR_MALFORMED, 0, 0, 0, "c", NULL, "man" },
		{ "version: ", { "thed", "--version", NULL }, 0, 0, 0, 0, "c", NULL, "thed " EDGE_VERSION "\n" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct thed d = { .load_r = rows[i].load_r, .open_r = rows[i].open_r, .serve_r = rows[i].serve_r };
		char out[256];

		t_row = rows[i].row;
		EQ(run(&d, rows[i].argv, out), rows[i].want);
		EQ_STR(d.calls, rows[i].calls);
		EQ_STR(d.path ? d.path : "-", rows[i].path ? rows[i].path : "-");
		EQ_STR(out, rows[i].out);
	}
}

/* Wrong options end with EX_USAGE before anything is read. */
static void usage(void)
{
	char *const argv[] = { "thed", "more", NULL };
	struct thed d = { 0 };
	char out[256];

	EQ(run(&d, argv, out), EX_USAGE);
	EQ_STR(d.calls, "c");
}

T_MAIN(T(modes_and_exit_codes), T(usage))
