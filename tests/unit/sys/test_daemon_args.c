/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sys/daemon_args.h"

#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sysexits.h>
#include <unistd.h>

#include "t.h"

static char out[4096], err[4096];

static int divert(int fd, int *ret_old)
{
	int to = memfd_create("out", MFD_CLOEXEC);

	fflush(stdout);
	*ret_old = dup(fd);
	if (to < 0 || *ret_old < 0 || dup2(to, fd) < 0)
		abort();
	return to;
}

static void restore(int fd, int old, int to, char text[4096])
{
	ssize_t n;

	fflush(stdout);
	dup2(old, fd);
	n = pread(to, text, 4095, 0);
	text[n < 0 ? 0 : n] = '\0';
	close(to);
	close(old);
}

static int parse(char *const argv[], struct daemon_args *ret)
{
	int argc = 0, old[2], to[2], r;
	char *copy[8];

	for (; argv[argc]; argc++)
		copy[argc] = argv[argc];
	copy[argc] = NULL;
	optind = 0; /* glibc: from the start */
	to[0] = divert(STDOUT_FILENO, &old[0]);
	to[1] = divert(STDERR_FILENO, &old[1]);
	r = daemon_args_parse(argc, copy, "thed", "/etc/thed.conf", ret);
	restore(STDOUT_FILENO, old[0], to[0], out);
	restore(STDERR_FILENO, old[1], to[1], err);
	return r;
}

/* Every option, long and short; what a daemon goes on with and what it ends with. */
static void options(void)
{
	static char *const rows[][5] = {
		{ "thed", NULL }, { "thed", "-n", NULL }, { "thed", "--check", NULL }, { "thed", "--dump", NULL },
		{ "thed", "--man", NULL }, { "thed", "-c", "x", NULL }, { "thed", "-n", "--config", "x", NULL },
		{ "thed", "--version", NULL }, { "thed", "-h", NULL }, { "thed", "--help", NULL }, { "thed", "-x", NULL },
		{ "thed", "-c", NULL }, { "thed", "more", NULL },
	};
	static const struct {
		int r;
		enum daemon_mode mode;
		const char *path, *out, *err;
	} want[] = {
		{ -1, DAEMON_RUN, NULL, "", "" }, { -1, DAEMON_CHECK, NULL, "", "" }, { -1, DAEMON_CHECK, NULL, "", "" },
		{ -1, DAEMON_DUMP, NULL, "", "" }, { -1, DAEMON_MAN, NULL, "", "" }, { -1, DAEMON_RUN, "x", "", "" },
		{ -1, DAEMON_CHECK, "x", "", "" }, { 0, 0, NULL, "thed " EDGE_VERSION "\n", "" },
		{ 0, 0, NULL, "usage: thed", "" }, { 0, 0, NULL, "/etc/thed.conf", "" }, { EX_USAGE, 0, NULL, "", "usage: thed" },
		{ EX_USAGE, 0, NULL, "", "usage: thed" }, { EX_USAGE, 0, NULL, "", "usage: thed" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct daemon_args a;

		t_row = rows[i][1] ? rows[i][1] : "none";
		EQ(parse(rows[i], &a), want[i].r);
		OK(strstr(out, want[i].out) && strstr(err, want[i].err));
		if (want[i].r >= 0)
			continue;
		EQ(a.mode, want[i].mode);
		EQ_STR(a.path ? a.path : "-", want[i].path ? want[i].path : "-");
	}
}

static void write_much(struct wr *w, const void *arg)
{
	wr_zero(w, *(const size_t *)arg);
}

static void printing(void)
{
	static const struct {
		size_t n;
		int want;
	} rows[] = { { 0, 0 }, { 60000, 0 }, { 70000, EX_SOFTWARE } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int old, to = divert(STDOUT_FILENO, &old), r = daemon_print(write_much, &rows[i].n);

		restore(STDOUT_FILENO, old, to, out);
		EQ(r, rows[i].want);
	}
}

T_MAIN(T(options), T(printing))
