/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sys/credential.h"
#include "t.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/slab.h"
#include "sys/conf_file.h"

static char dir[32];

static const char *at(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void put(const char *name, const void *text, size_t n, mode_t mode)
{
	FILE *f;

	unlink(at(name)); /* the last row may have made it read-only */
	f = fopen(at(name), "w");
	if (!f || fwrite(text, 1, n, f) != n || fclose(f) != 0 || chmod(at(name), mode) < 0)
		abort();
}

static void put_str(const char *name, const char *text)
{
	put(name, text, strlen(text), 0644);
}

static void start(void)
{
	strcpy(dir, "/tmp/conf-test-XXXXXX");
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

struct seen {
	char text[256];
	const char *stop_at; /* contents at which to give up */
};

static int collect(const char *path, struct span text, void *arg)
{
	struct seen *s = arg;
	size_t n = strlen(s->text);

	OK(strncmp(path, dir, strlen(dir)) == 0);
	EQ(text.p[text.n], 0);
	if (s->stop_at && span_is(text, s->stop_at))
		return ERR_MALFORMED;
	snprintf(s->text + n, sizeof(s->text) - n, "%.*s|", (int)text.n, (const char *)text.p);
	return 1;
}

/* The main file first, then *.conf of its .d directory in byte order; other names are not configuration. */
static void drop_ins_follow_in_byte_order(void)
{
	struct seen s = { 0 };

	start();
	put_str("d.conf", "main");
	EQ(mkdir(at("d.conf.d"), 0755), 0);
	put_str("d.conf.d/b.conf", "b");
	put_str("d.conf.d/10-x.conf", "10");
	put_str("d.conf.d/9-x.conf", "9");
	put_str("d.conf.d/B.conf", "B");
	put_str("d.conf.d/a.conf", "a");
	put_str("d.conf.d/a.conf~", "backup");
	put_str("d.conf.d/README", "readme");
	put_str("d.conf.d/.hidden.conf", "hidden");
	put_str("d.conf.d/.conf", "nameless");
	EQ(conf_file_each(at("d.conf"), false, collect, &s), 0);
	EQ_STR(s.text, "main|10|9|B|a|b|");
	finish();
}

/* A missing main file is an error unless optional; its drop-ins count even then. */
static void missing_files(void)
{
	struct seen s = { 0 };

	start();
	EQ(conf_file_each(at("d.conf"), false, collect, &s), -ENOENT);
	EQ(conf_file_each(at("d.conf"), true, collect, &s), 0);
	EQ_STR(s.text, "");
	EQ(mkdir(at("d.conf.d"), 0755), 0);
	put_str("d.conf.d/a.conf", "a");
	EQ(conf_file_each(at("d.conf"), false, collect, &s), -ENOENT);
	EQ(conf_file_each(at("d.conf"), true, collect, &s), 0);
	EQ_STR(s.text, "a|");
	EQ(symlink("nowhere", at("d.conf.d/b.conf")), 0);
	EQ(conf_file_each(at("d.conf"), true, collect, &s), -ENOENT);
	finish();
}

/* The first complaint of the reader ends the walk and is the result. */
static void reader_stops_the_walk(void)
{
	const struct {
		const char *row, *stop_at, *seen;
	} rows[] = {
		{ "main: ", "main", "" },
		{ "first drop-in: ", "a", "main|" },
		{ "last drop-in: ", "b", "main|a|" },
	};

	start();
	put_str("d.conf", "main");
	EQ(mkdir(at("d.conf.d"), 0755), 0);
	put_str("d.conf.d/a.conf", "a");
	put_str("d.conf.d/b.conf", "b");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct seen s = { .stop_at = rows[i].stop_at };

		t_row = rows[i].row;
		EQ(conf_file_each(at("d.conf"), false, collect, &s), ERR_MALFORMED);
		EQ_STR(s.text, rows[i].seen);
	}
	finish();
}

static int measure(const char *path, struct span text, void *arg)
{
	(void)path;
	*(size_t *)arg = text.n;
	return 0;
}

/* A file may have CONF_FILE_MAX bytes and not one more. */
static void size_is_capped(void)
{
	static char big[CONF_FILE_MAX + 1];
	size_t n = 0;

	start();
	memset(big, '#', sizeof(big));
	put("d.conf", big, CONF_FILE_MAX, 0644);
	EQ(conf_file_each(at("d.conf"), false, measure, &n), 0);
	EQ(n, CONF_FILE_MAX);
	put("d.conf", big, CONF_FILE_MAX + 1, 0644);
	EQ(conf_file_each(at("d.conf"), false, measure, &n), ERR_LIMIT);
	put("d.conf", big, 1, 0644);
	EQ(mkdir(at("d.conf.d"), 0755), 0);
	put("d.conf.d/a.conf", big, CONF_FILE_MAX + 1, 0644);
	EQ(conf_file_each(at("d.conf"), false, measure, &n), ERR_LIMIT);
	mem_fail_at(0);
	EQ(conf_file_each(at("d.conf"), false, measure, &n), ERR_NOMEM);
	mem_fail_at(SIZE_MAX);
	finish();
}

/* Only regular files are read, and a FIFO does not hang the reader. Files that claim no size are read to their end. */
static void only_regular_files(void)
{
	char buf[64] = "untouched", proc[8192];
	size_t n = 99;

	start();
	EQ(mkfifo(at("fifo"), 0600), 0);
	EQ(mkdir(at("sub"), 0700), 0);
	EQ(conf_file_read(at("fifo"), buf, sizeof(buf), &n), -EINVAL);
	EQ(conf_file_read(at("sub"), buf, sizeof(buf), &n), -EISDIR);
	EQ(conf_file_read(at("none"), buf, sizeof(buf), &n), -ENOENT);
	EQ(conf_file_read("/dev/zero", buf, sizeof(buf), &n), -EINVAL);
	EQ_STR(buf, "untouched");
	EQ(n, 99);
	EQ(conf_file_read("/proc/self/status", proc, sizeof(proc), &n), 0);
	OK(n > 0);
	put_str("empty", "");
	EQ(conf_file_read(at("empty"), buf, 1, &n), 0);
	EQ(n, 0);
	put_str("five", "12345");
	EQ(conf_file_read(at("five"), buf, 6, &n), 0);
	EQ_STR(buf, "12345");
	EQ(conf_file_read(at("five"), buf, 5, &n), ERR_LIMIT);
	finish();
}

/* A secret others could read is refused; one trailing newline is the editor's, the rest is the secret. */
static void secret_contents_and_mode(void)
{
	static char big[SECRET_MAX + 2];
	const struct {
		const char *row, *text;
		size_t n;
		mode_t mode;
		int want;
		size_t want_n;
	} rows[] = {
		{ "plain: ", "s3cret", 6, 0600, 0, 6 },
		{ "newline: ", "s3cret\n", 7, 0400, 0, 6 },
		{ "two newlines: ", "s3cret\n\n", 8, 0400, 0, 7 },
		{ "binary: ", "a\0b", 3, 0640, 0, 3 },
		{ "world-readable: ", "s3cret", 6, 0644, -EPERM, 0 },
		{ "world-writable: ", "s3cret", 6, 0602, -EPERM, 0 },
		{ "empty: ", "", 0, 0600, ERR_MISSING, 0 },
		{ "only a newline: ", "\n", 1, 0600, ERR_MISSING, 0 },
		{ "longest: ", big, SECRET_MAX, 0600, 0, SECRET_MAX },
		{ "longest and newline: ", big + 1, SECRET_MAX + 1, 0600, 0, SECRET_MAX },
		{ "too long: ", big, SECRET_MAX + 1, 0600, ERR_LIMIT, 0 },
		{ "far too long: ", big, SECRET_MAX + 2, 0600, ERR_LIMIT, 0 },
	};

	start();
	memset(big, 'x', sizeof(big));
	big[SECRET_MAX + 1] = '\n';
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct secret s = { 0 };

		t_row = rows[i].row;
		put("key", rows[i].text, rows[i].n, rows[i].mode);
		EQ(conf_file_secret(at("key"), &s), rows[i].want);
		EQ(s.n, rows[i].want_n);
		if (s.n)
			EQ_SPAN(secret_span(&s), span_of(rows[i].text, s.n));
		secret_done(&s);
	}
	finish();
}

/* A bare name is a credential of the service manager; without one there is no such place. */
static void secret_by_credential_name(void)
{
	struct secret s = { 0 };

	start();
	put("key", "abc\n", 4, 0440);
	unsetenv("CREDENTIALS_DIRECTORY");
	EQ(conf_file_secret("key", &s), ERR_MISSING);
	setenv("CREDENTIALS_DIRECTORY", dir, 1);
	EQ(conf_file_secret("key", &s), 0);
	EQ_SPAN(secret_span(&s), SPAN_LIT("abc"));
	EQ(conf_file_secret("other", &s), -ENOENT);
	EQ(conf_file_secret("", &s), ERR_MISSING);
	EQ(conf_file_secret(dir, &s), -EISDIR);
	unsetenv("CREDENTIALS_DIRECTORY");
	secret_done(&s);
	finish();
}

/* A name with a slash is a path; any other is a credential's, if the service has credentials. */
static void paths_of_names(void)
{
	char path[PATH_MAX];

	unsetenv("CREDENTIALS_DIRECTORY");
	EQ(conf_file_path("/etc/x", path), 0);
	EQ_STR(path, "/etc/x");
	EQ(conf_file_path("./x", path), 0);
	EQ_STR(path, "./x");
	EQ(conf_file_path("x", path), ERR_MISSING);
	setenv("CREDENTIALS_DIRECTORY", "/run/c", 1);
	EQ(conf_file_path("x", path), 0);
	EQ_STR(path, "/run/c/x");
	EQ(conf_file_path("", path), ERR_MISSING);
	unsetenv("CREDENTIALS_DIRECTORY");
}

/* A private text comes as it is, all lines, when others are kept out. */
static void private_text(void)
{
	char buf[64];
	size_t n = 0;

	start();
	put("s", "one\n\ntwo\n", 9, 0640);
	EQ(conf_file_private(at("s"), buf, sizeof(buf), &n), 0);
	EQ_SPAN(span_of(buf, n), SPAN_LIT("one\n\ntwo\n"));
	EQ(conf_file_private(at("s"), buf, 9, &n), ERR_LIMIT);
	put("s", "one\n", 4, 0604);
	EQ(conf_file_private(at("s"), buf, sizeof(buf), &n), -EPERM);
	EQ(conf_file_private(at("none"), buf, sizeof(buf), &n), -ENOENT);
	finish();
}

/* A newer credential wins over the file of its name, by the same rules, and over nothing else. */
static void newer_credentials_win(void)
{
	struct secret s = { 0 };
	char buf[8];
	size_t n = 0;

	start();
	put("key", "file\n", 5, 0600);
	setenv("CREDENTIALS_DIRECTORY", dir, 1);
	EQ(credential_put("key", SPAN_LIT("newer\n")), 0);
	EQ(conf_file_secret("key", &s), 0);
	EQ_SPAN(secret_span(&s), SPAN_LIT("newer"));
	EQ(conf_file_secret(at("key"), &s), 0);
	EQ_SPAN(secret_span(&s), SPAN_LIT("file"));
	unsetenv("CREDENTIALS_DIRECTORY");
	EQ(conf_file_private("key", buf, sizeof(buf), &n), 0);
	EQ(n, 6);
	EQ_STR(buf, "newer\n");
	EQ(conf_file_private("key", buf, 7, &n), 0);
	EQ(conf_file_private("key", buf, 6, &n), ERR_LIMIT);
	EQ(credential_put("key", SPAN_LIT("\n")), 0);
	EQ(conf_file_secret("key", &s), ERR_MISSING);
	credential_drop_all();
	EQ(conf_file_secret("key", &s), ERR_MISSING);
	secret_done(&s);
	finish();
}

T_MAIN(T(drop_ins_follow_in_byte_order), T(missing_files), T(reader_stops_the_walk), T(size_is_capped),
       T(only_regular_files), T(secret_contents_and_mode), T(secret_by_credential_name), T(paths_of_names), T(private_text),
       T(newer_credentials_win))
