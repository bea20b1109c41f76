/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * The only module beside loop.c that reads a clock, for the rate limit: a log line may come from anywhere, any thread
 * included. name and journal are written before there are threads; the level may change later.
 */
#define SD_JOURNAL_SUPPRESS_LOCATION
#include "sys/log.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/span.h"

#define TEXT_MAX 2048
#define FIELDS_MAX 16

static struct {
	const char *name;
	atomic_int level;
	bool journal;
} state = { "edge", LOG_INFO, false };

static pthread_mutex_t site_lock = PTHREAD_MUTEX_INITIALIZER; /* of all sites: lines are rare */

static const char *const level_names[] = { "emerg", "alert", "crit", "err", "warning", "notice", "info", "debug" };

static bool stderr_is_journal(void)
{
	const char *env = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;
	char tail;

	if (!env || sscanf(env, "%llu:%llu%c", &dev, &ino, &tail) != 2 || fstat(STDERR_FILENO, &st) < 0)
		return false;
	return st.st_dev == (dev_t)dev && st.st_ino == (ino_t)ino;
}

void log_open(const char *name, int level)
{
	state.name = name;
	state.journal = stderr_is_journal();
	log_set_level(level);
}

void log_set_level(int level)
{
	state.level = level < LOG_EMERG ? LOG_EMERG : level > LOG_DEBUG ? LOG_DEBUG : level;
}

int log_level(void)
{
	return state.level;
}

int log_level_parse(const char *text, int *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(level_names); i++) {
		if (strcmp(level_names[i], text) == 0) {
			*ret = (int)i;
			return 0;
		}
	}
	return ERR_MALFORMED;
}

const char *log_level_str(int level)
{
	return level < 0 || level > LOG_DEBUG ? "invalid" : level_names[level];
}

/* Whether the line may pass; *ret_held is what was held back before it. */
static bool site_take(struct log_site *site, unsigned *ret_held)
{
	struct timespec ts = { 0 };
	unsigned long long now;
	bool pass;

	pthread_mutex_lock(&site_lock); /* first: what is compared with since_us must not be older */
	clock_gettime(CLOCK_BOOTTIME, &ts);
	now = (unsigned long long)ts.tv_sec * 1000000 + (unsigned long long)ts.tv_nsec / 1000;
	if (site->lines == 0 || now - site->since_us >= LOG_INTERVAL_SEC * 1000000ull) {
		site->since_us = now;
		site->lines = 0;
	}
	pass = site->lines < LOG_BURST_LINES;
	if (pass) {
		site->lines++;
		*ret_held = site->held;
		site->held = 0;
	} else {
		site->held++;
	}
	pthread_mutex_unlock(&site_lock);
	return pass;
}

/* Text may quote a peer: it must not be able to forge a second line or drive a terminal. */
static void one_line(char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			*s = ' ';
}

static bool to_journal(int level, const char *file, int line, const char *const *fields, const char *text)
{
	char message[TEXT_MAX + 16], priority[16], code_file[256], code_line[32], ident[128];
	char *own[] = { message, priority, ident, code_file, code_line };
	struct iovec iov[ARRAY_LEN(own) + FIELDS_MAX];
	int n = 0;

	snprintf(message, sizeof(message), "MESSAGE=%s", text);
	snprintf(priority, sizeof(priority), "PRIORITY=%d", level);
	snprintf(ident, sizeof(ident), "SYSLOG_IDENTIFIER=%s", state.name);
	snprintf(code_file, sizeof(code_file), "CODE_FILE=%s", file);
	snprintf(code_line, sizeof(code_line), "CODE_LINE=%d", line);
	for (size_t i = 0; i < ARRAY_LEN(own); i++)
		iov[n++] = (struct iovec){ own[i], strlen(own[i]) };
	for (size_t i = 0; fields && fields[i] && i < FIELDS_MAX; i++) {
		union {
			const char *c;
			void *v;
		} field = { fields[i] }; /* struct iovec is for readers, too, hence not const */

		iov[n++] = (struct iovec){ field.v, strlen(fields[i]) };
	}
	return sd_journal_sendv(iov, n) >= 0;
}

static void to_stderr(int level, const char *text)
{
	char buf[TEXT_MAX + 160];
	int n = snprintf(buf, sizeof(buf), "%s: %s: %s\n", state.name, log_level_str(level), text);
	size_t len = n < 0 ? 0 : (size_t)n < sizeof(buf) ? (size_t)n : sizeof(buf) - 1;

	/* One write, so lines of several processes do not mix. A full or closed stderr loses the line. */
	if (len && write(STDERR_FILENO, buf, len) < 0)
		return;
}

static void emit(unsigned held, int level, const char *file, int line, const char *const *fields, char text[TEXT_MAX])
{
	size_t n = strlen(text);

	if (n == TEXT_MAX - 1)
		memcpy(text + n - 3, "...", 3);
	one_line(text);
	if (held) {
		char note[48];
		int len = snprintf(note, sizeof(note), " (%u more held back)", held);

		n = n + (size_t)len < TEXT_MAX ? n : TEXT_MAX - 1 - (size_t)len;
		memcpy(text + n, note, (size_t)len + 1);
	}
	if (!state.journal || !to_journal(level, file, line, fields, text))
		to_stderr(level, text);
}

void log_write(struct log_site *site, int level, const char *file, int line, const char *const *fields,
	       const char *fmt, ...)
{
	char text[TEXT_MAX];
	unsigned held;
	va_list ap;

	if (level > state.level || !site_take(site, &held))
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	emit(held, level, file, line, fields, text);
}

int log_err_(struct log_site *site, int r, const char *file, int line, const char *fmt, ...)
{
	char text[TEXT_MAX];
	unsigned held;
	va_list ap;
	size_t n;

	if (LOG_ERR > state.level || !site_take(site, &held))
		return r;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	n = strlen(text);
	snprintf(text + n, sizeof(text) - n, ": %s", err_str(r));
	emit(held, LOG_ERR, file, line, NULL, text);
	return r;
}
