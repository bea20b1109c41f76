/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sys/file_atomic.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "t.h"

static char dir[32];

static void start(void)
{
	strcpy(dir, "/tmp/sys-test-XXXXXX");
	if (!mkdtemp(dir))
		abort();
}

static void finish(void)
{
	char cmd[64];

	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	if (system(cmd) != 0)
		abort();
}

static const char *at(const char *name)
{
	static char path[4][128];
	static unsigned i;

	i = (i + 1) % 4;
	snprintf(path[i], sizeof(path[i]), "%s/%s", dir, name);
	return path[i];
}

static const char *text_of(const char *path)
{
	static char text[256];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	if (n < 0)
		return "(none)";
	text[n] = '\0';
	return text;
}

static mode_t mode_of(const char *path)
{
	struct stat st;

	return lstat(path, &st) < 0 ? 0 : st.st_mode & 07777;
}

static unsigned files(void)
{
	DIR *d = opendir(dir);
	unsigned n = 0;

	for (const struct dirent *e; d && (e = readdir(d));)
		n += e->d_name[0] != '.';
	if (d)
		closedir(d);
	return n;
}

/* The mode is exactly the one asked for, whatever the umask, the old file and a leftover say. */
static void contents_and_mode(void)
{
	mode_t old;

	start();
	old = umask(0077);
	EQ(file_write_atomic(at("f"), SPAN_LIT("one"), 0644), 0);
	EQ_STR(text_of(at("f")), "one");
	EQ(mode_of(at("f")), 0644);
	umask(0);
	EQ(file_write_atomic(at("f"), SPAN_LIT("twotwo"), 0600), 0);
	EQ_STR(text_of(at("f")), "twotwo");
	EQ(mode_of(at("f")), 0600);
	EQ(file_write_atomic(at("f"), (struct span){ 0 }, 0640), 0);
	EQ_STR(text_of(at("f")), "");
	EQ(mode_of(at("f")), 0640);
	EQ(files(), 1);
	umask(old);
	EQ(chdir(dir), 0);
	EQ(file_write_atomic("g", SPAN_LIT("here"), 0600), 0);
	EQ_STR(text_of(at("g")), "here");
	EQ(chdir("/"), 0);
	finish();
}

/* Whoever has the old file open keeps reading the old one; other names of it stay as they are. */
static void readers_see_old_or_new(void)
{
	char byte[4] = "";
	int fd;

	start();
	EQ(file_write_atomic(at("f"), SPAN_LIT("old"), 0644), 0);
	EQ(link(at("f"), at("other")), 0);
	fd = open(at("f"), O_RDONLY | O_CLOEXEC);
	EQ(file_write_atomic(at("f"), SPAN_LIT("new"), 0644), 0);
	EQ(read(fd, byte, 3), 3);
	EQ_STR(byte, "old");
	EQ_STR(text_of(at("f")), "new");
	EQ_STR(text_of(at("other")), "old");
	close(fd);
	finish();
}

/* A killed writer leaves "path.new": its mode, its readers and, were it a link, its target are not ours. */
static void leftovers_are_replaced(void)
{
	char byte[8] = "";
	int fd;

	start();
	fd = open(at("f.new"), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	EQ(write(fd, "half", 4), 4);
	EQ(file_write_atomic(at("f"), SPAN_LIT("whole"), 0600), 0);
	EQ_STR(text_of(at("f")), "whole");
	EQ(mode_of(at("f")), 0600);
	EQ(pread(fd, byte, sizeof(byte), 0), 4);
	EQ_STR(byte, "half");
	close(fd);
	EQ(symlink("target", at("f.new")), 0);
	EQ(file_write_atomic(at("f"), SPAN_LIT("again"), 0600), 0);
	EQ_STR(text_of(at("f")), "again");
	EQ_STR(text_of(at("target")), "(none)");
	EQ(symlink("x", at("l.new")), 0);
	EQ(file_link_atomic(at("l"), "f"), 0);
	EQ_STR(text_of(at("l")), "again");
	EQ(files(), 2);
	EQ(mkdir(at("d.new"), 0700), 0);
	EQ(file_write_atomic(at("d"), SPAN_LIT("x"), 0600), -EISDIR);
	finish();
}

/* What cannot be written changes nothing and leaves nothing. The disk is full for this process after 4 bytes. */
static void failures_leave_the_old_file(void)
{
	const struct rlimit four = { 4, RLIM_INFINITY };
	struct rlimit before;
	char name[5000];

	start();
	EQ(file_write_atomic(at("f"), SPAN_LIT("old"), 0644), 0);
	signal(SIGXFSZ, SIG_IGN);
	EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
	EQ(setrlimit(RLIMIT_FSIZE, &four), 0);
	EQ(file_write_atomic(at("f"), SPAN_LIT("much longer"), 0600), -EFBIG);
	EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
	EQ_STR(text_of(at("f")), "old");
	EQ(mode_of(at("f")), 0644);
	EQ(mkdir(at("d"), 0700), 0);
	EQ(file_write_atomic(at("d"), SPAN_LIT("x"), 0600), -EISDIR);
	EQ(file_link_atomic(at("d"), "f"), -EISDIR);
	EQ(files(), 2);
	EQ(file_write_atomic(at("none/f"), SPAN_LIT("x"), 0600), -ENOENT);
	EQ(file_write_atomic(at("f/g"), SPAN_LIT("x"), 0600), -ENOTDIR);
	EQ(file_link_atomic(at("none/f"), "x"), -ENOENT);
	EQ(file_write_atomic("/proc/none", SPAN_LIT("x"), 0600), -ENOENT);
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	EQ(file_write_atomic(name, SPAN_LIT("x"), 0600), -ENAMETOOLONG);
	EQ(file_link_atomic(name, "x"), -ENAMETOOLONG);
	/* A directory that takes nothing new. Root may write anywhere, so it becomes somebody else for a moment. */
	EQ(chmod(dir, 0555), 0);
	if (geteuid() == 0)
		EQ(seteuid(65534), 0);
	EQ(file_write_atomic(at("f"), SPAN_LIT("new"), 0600), -EACCES);
	EQ(file_link_atomic(at("f"), "x"), -EACCES);
	if (getuid() == 0)
		EQ(seteuid(0), 0);
	EQ_STR(text_of(at("f")), "old");
	EQ(chmod(dir, 0755), 0);
	finish();
}

/* A link changes its target in one step and replaces a file, too. */
static void links_flip(void)
{
	start();
	EQ(file_write_atomic(at("1"), SPAN_LIT("one"), 0600), 0);
	EQ(file_write_atomic(at("2"), SPAN_LIT("two"), 0600), 0);
	EQ(file_link_atomic(at("current"), "1"), 0);
	EQ_STR(text_of(at("current")), "one");
	EQ(file_link_atomic(at("current"), "2"), 0);
	EQ_STR(text_of(at("current")), "two");
	EQ(file_link_atomic(at("1"), "2"), 0);
	EQ_STR(text_of(at("1")), "two");
	/* Writing to where a link stands replaces the link, not what it names. */
	EQ(file_write_atomic(at("current"), SPAN_LIT("file"), 0600), 0);
	EQ_STR(text_of(at("current")), "file");
	EQ_STR(text_of(at("2")), "two");
	EQ(files(), 3);
	EQ(file_sync_dir(dir), 0);
	EQ(file_sync_dir(at("none")), -ENOENT);
	EQ(file_sync_dir(at("2")), -ENOTDIR);
	finish();
}

T_MAIN(T(contents_and_mode), T(readers_see_old_or_new), T(leftovers_are_replaced), T(failures_leave_the_old_file), T(links_flip))
