/* SPDX-License-Identifier: AGPL-3.0-only */
/* Numbers as people read them, for the status page and the terminal. Pure; each returns ret. */
#ifndef HEALTHD_STATUS_WORDS_H
#define HEALTHD_STATUS_WORDS_H

#include "base/err.h"
#include "base/mono.h"

#define WORDS_MAX 32

const char *words_count(uint64_t v, char ret[WORDS_MAX]);           /* "1234" */
const char *words_us(uint64_t us, char ret[WORDS_MAX]);             /* "850 us", "12.3 ms", "1.25 s" */
const char *words_duration(uint64_t sec, char ret[WORDS_MAX]);      /* "42 s", "5 min", "3 h 10 min", "12 d 4 h" */
const char *words_bytes(uint64_t n, char ret[WORDS_MAX]);           /* "12 B", "1.5 kB", "20 GB" */
const char *words_rate(uint64_t per_second, char ret[WORDS_MAX]);   /* bits per second of that many bytes: "1.2 Mbit/s" */
const char *words_percent(uint64_t part, uint64_t whole,
			  char ret[WORDS_MAX]); /* "99.9 %", never 100 while one is missing; "–" of none */
const char *words_days(uint64_t days, char ret[WORDS_MAX]);         /* "1 day left" */

#endif
