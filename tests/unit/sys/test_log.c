/* SPDX-License-Identifier: AGPL-3.0-only */
#include "t.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/log.h"

static int pipe_fd[2], real_stderr;

/* From here on standard error is a pipe. */
static void capture(void)
{
	fflush(stderr);
	real_stderr = dup(STDERR_FILENO);
	if (pipe2(pipe_fd, O_NONBLOCK) < 0 || dup2(pipe_fd[1], STDERR_FILENO) < 0)
		abort();
}

static void release(void)
{
	dup2(real_stderr, STDERR_FILENO);
	close(real_stderr);
	close(pipe_fd[0]);
	close(pipe_fd[1]);
}

/* What was written to standard error since the last call. */
static const char *lines(void)
{
	static char buf[65536];
	ssize_t n = read(pipe_fd[0], buf, sizeof(buf) - 1);

	buf[n < 0 ? 0 : n] = '\0';
	return buf;
}

static void start(int level)
{
	unsetenv("JOURNAL_STREAM");
	capture();
	log_open("turnd", level);
}

/* Without a journal a line is "<name>: <level>: text" on standard error; fields are the journal's. */
static void plain_lines(void)
{
	start(LOG_DEBUG);
	log_info("listening on %s", "[::]:3478");
	EQ_STR(lines(), "turnd: info: listening on [::]:3478\n");
	log_warn("w");
	EQ_STR(lines(), "turnd: warning: w\n");
	log_notice("n");
	EQ_STR(lines(), "turnd: notice: n\n");
	log_debug("d");
	EQ_STR(lines(), "turnd: debug: d\n");
	log_at(LOG_CRIT, LOG_FIELDS("ROOM=demo", "PEER=7"), "c");
	EQ_STR(lines(), "turnd: crit: c\n");
	release();
}

/* log_err adds the error's phrase and yields the error. */
static void errors_are_logged_and_returned(void)
{
	char want[128];

	start(LOG_INFO);
	EQ(log_err(-ENOENT, "reading %s", "x.conf"), -ENOENT);
	snprintf(want, sizeof(want), "turnd: err: reading x.conf: %s\n", err_str(-ENOENT));
	EQ_STR(lines(), want);
	log_set_level(LOG_CRIT);
	EQ(log_err(ERR_LIMIT, "silent"), ERR_LIMIT);
	EQ_STR(lines(), "");
	release();
}

/* Lines above the level are dropped and do not use up the call site's burst. */
static void level_filters(void)
{
	const struct {
		const char *row;
		int set, want;
	} rows[] = {
		{ "info: ", LOG_INFO, LOG_INFO },
		{ "debug: ", LOG_DEBUG, LOG_DEBUG },
		{ "beyond: ", 99, LOG_DEBUG },
		{ "below: ", -1, LOG_EMERG },
	};

	start(LOG_INFO);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		t_row = rows[i].row;
		log_set_level(rows[i].set);
		EQ(log_level(), rows[i].want);
	}
	t_row = "";
	for (int i = 0; i <= LOG_BURST_LINES; i++) {
		log_set_level(i < LOG_BURST_LINES ? LOG_INFO : LOG_DEBUG);
		log_debug("line %d", i);
		OK((*lines() != '\0') == (i == LOG_BURST_LINES));
	}
	release();
}

/* Levels have names, and only those. */
static void level_names(void)
{
	const struct {
		const char *text;
		int want;
	} rows[] = {
		{ "emerg", 0 },		  { "err", 3 },	   { "warning", 4 },	{ "info", 6 }, { "debug", 7 },
		{ "Info", ERR_MALFORMED }, { "", ERR_MALFORMED }, { "7", ERR_MALFORMED }, { "infos", ERR_MALFORMED },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int level = -1, r;

		t_row = rows[i].text;
		r = log_level_parse(rows[i].text, &level);
		EQ(r < 0 ? r : level, rows[i].want);
		if (r == 0)
			EQ_STR(log_level_str(level), rows[i].text);
		else
			EQ(level, -1);
	}
	t_row = "";
	EQ_STR(log_level_str(-1), "invalid");
	EQ_STR(log_level_str(8), "invalid");
}

static unsigned count(const char *s)
{
	unsigned n = 0;

	for (; *s; s++)
		n += *s == '\n';
	return n;
}

/* A call site passes LOG_BURST_LINES per interval; the first line of the next interval says how many were held back. */
static void call_site_is_limited(void)
{
	struct log_site site = { 0 }, other = { 0 };

	start(LOG_INFO);
	for (int i = 0; i < LOG_BURST_LINES + 7; i++)
		log_write(&site, LOG_INFO, "f", 1, NULL, "x");
	EQ(count(lines()), LOG_BURST_LINES);
	log_write(&other, LOG_INFO, "f", 2, NULL, "other");
	EQ_STR(lines(), "turnd: info: other\n");
	site.since_us -= LOG_INTERVAL_SEC * 1000000ull; /* ten seconds later */
	log_write(&site, LOG_INFO, "f", 1, NULL, "x");
	EQ_STR(lines(), "turnd: info: x (7 more held back)\n");
	log_write(&site, LOG_INFO, "f", 1, NULL, "x");
	EQ_STR(lines(), "turnd: info: x\n");
	release();
}

static struct log_site shared_site;

static void *log_a_lot(void *arg)
{
	(void)arg;
	for (int i = 0; i < 1000; i++) {
		log_set_level(LOG_INFO);
		log_write(&shared_site, LOG_INFO, "f", 1, NULL, "x");
	}
	return NULL;
}

/* Threads share a call site's limit, and every line counts as written or as held back. */
static void threads_share_the_limit(void)
{
	pthread_t thread[4];

	start(LOG_INFO);
	for (int i = 0; i < 4; i++)
		EQ(pthread_create(&thread[i], NULL, log_a_lot, NULL), 0);
	for (int i = 0; i < 4; i++)
		EQ(pthread_join(thread[i], NULL), 0);
	EQ(count(lines()), LOG_BURST_LINES);
	EQ(shared_site.held, 4000 - LOG_BURST_LINES);
	release();
}

/* Text that quotes a peer stays one line of printable characters and bounded in length. */
static void text_cannot_forge_lines(void)
{
	static char big[8000];
	struct log_site site = { 0 };
	const char *got;

	start(LOG_INFO);
	log_info("user %s", "x\nturnd: emerg: \x1b[2J\r\x7f");
	EQ_STR(lines(), "turnd: info: user x turnd: emerg:  [2J  \n");
	memset(big, 'y', sizeof(big) - 1);
	site.held = 5;
	log_write(&site, LOG_INFO, "f", 1, NULL, "%s", big);
	got = lines();
	EQ(count(got), 1);
	OK(strlen(got) < 2200);
	OK(strstr(got, " (5 more held back)\n") != NULL);
	EQ(log_err(-EIO, "%s", big), -EIO);
	got = lines();
	EQ(count(got), 1);
	OK(strstr(got, "...\n") != NULL);
	release();
}

/* The journal is used only when standard error is the very stream that $JOURNAL_STREAM names. */
static void journal_only_when_stderr_is_its_stream(void)
{
	struct stat st;
	char env[64];
	const struct {
		const char *row, *fmt;
		bool journal;
	} rows[] = {
		{ "match: ", "%llu:%llu", true },
		{ "trailing text: ", "%llu:%llux", false },
		{ "no inode: ", "%llu", false },
		{ "garbage: ", "x:y", false },
		{ "empty: ", "", false },
	};

	capture();
	fstat(STDERR_FILENO, &st);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		t_row = rows[i].row;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(env, sizeof(env), rows[i].fmt, (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
#pragma GCC diagnostic pop
		setenv("JOURNAL_STREAM", env, 1);
		log_open("test_log", LOG_INFO);
		log_at(LOG_INFO, LOG_FIELDS("EDGE_TEST=1"), "hello");
		EQ_STR(lines(), rows[i].journal ? "" : "test_log: info: hello\n");
	}
	snprintf(env, sizeof(env), "%llu:%llu", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino + 1);
	setenv("JOURNAL_STREAM", env, 1);
	log_open("test_log", LOG_INFO);
	log_info("hello");
	EQ_STR(lines(), "test_log: info: hello\n");
	unsetenv("JOURNAL_STREAM");
	release();
}

T_MAIN(T(plain_lines), T(errors_are_logged_and_returned), T(level_filters), T(level_names), T(call_site_is_limited),
       T(threads_share_the_limit), T(text_cannot_forge_lines), T(journal_only_when_stderr_is_its_stream))
