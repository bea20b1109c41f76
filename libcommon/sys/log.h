/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * One event, one line: to the journal with fields when standard error is a journal stream, to standard
 * error otherwise. The text names the cause and the fix. Never called per packet. Each call site is limited
 * to LOG_BURST_LINES per LOG_INTERVAL_SEC; the next line that passes says how many were held back. Any thread may log;
 * log_open comes before the first of them.
 */
#ifndef SYS_LOG_H
#define SYS_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <syslog.h>

#define LOG_BURST_LINES 20
#define LOG_INTERVAL_SEC 10

struct log_site {
	unsigned lines, held;
	unsigned long long since_us;
};

/* name: the daemon's, static lifetime. Level is a syslog priority; lines above it are dropped. */
void log_open(const char *name, int level);
void log_set_level(int level);
int log_level(void);
/* "emerg" … "debug"; ERR_MALFORMED. */
int log_level_parse(const char *text, int *ret);
const char *log_level_str(int level);

/* fields: NULL or LOG_FIELDS(...); the journal gets them (at most 16), standard error does not. Control characters
 * in the text become spaces. */
void log_write(struct log_site *site, int level, const char *file, int line, const char *const *fields,
	       const char *fmt, ...) __attribute__((format(printf, 6, 7)));

/* A NULL-ended list of "KEY=value" strings: LOG_FIELDS("ROOM=demo", sub_text). */
#define LOG_FIELDS(...) ((const char *const[]){ __VA_ARGS__, NULL })

#define log_at(level, fields, ...)                                                                           \
	do {                                                                                                 \
		static struct log_site log_site_;                                                            \
		log_write(&log_site_, level, __FILE__, __LINE__, fields, __VA_ARGS__);                       \
	} while (0)

#define log_debug(...) log_at(LOG_DEBUG, NULL, __VA_ARGS__)
#define log_info(...) log_at(LOG_INFO, NULL, __VA_ARGS__)
#define log_notice(...) log_at(LOG_NOTICE, NULL, __VA_ARGS__)
#define log_warn(...) log_at(LOG_WARNING, NULL, __VA_ARGS__)
/* Logs "text: <error>" and yields r, so that `return log_err(r, "reading %s", path);` reads well. */
#define log_err(r, ...)                                                                                      \
	({                                                                                                   \
		static struct log_site log_site_;                                                            \
		log_err_(&log_site_, r, __FILE__, __LINE__, __VA_ARGS__);                                    \
	})
int log_err_(struct log_site *site, int r, const char *file, int line, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

#endif
