/* SPDX-License-Identifier: AGPL-3.0-only */
#include "healthd/page/status_words.h"

#include "t.h"

static void numbers_as_people_read_them(void)
{
	static const struct {
		const char *(*fn)(uint64_t v, char ret[WORDS_MAX]);
		uint64_t v;
		const char *want;
	} rows[] = {
		{ words_count, 0, "0" },
		{ words_count, UINT64_MAX, "18446744073709551615" },
		{ words_us, 0, "0 us" },
		{ words_us, 999, "999 us" },
		{ words_us, 1000, "1 ms" },
		{ words_us, 1234, "1.23 ms" },
		{ words_us, 12040, "12 ms" },
		{ words_us, 12340, "12.3 ms" },
		{ words_us, 123400, "123 ms" },
		{ words_us, 999999, "999 ms" },
		{ words_us, 1250000, "1.25 s" },
		{ words_us, 5000000, "5 s" },
		{ words_us, 1050000, "1.05 s" },
		{ words_us, 60500000, "60.5 s" },
		{ words_duration, 0, "0 s" },
		{ words_duration, 119, "119 s" },
		{ words_duration, 120, "2 min" },
		{ words_duration, 7199, "119 min" },
		{ words_duration, 7200, "2 h" },
		{ words_duration, 7260, "2 h 1 min" },
		{ words_duration, 172799, "47 h 59 min" },
		{ words_duration, 172800, "2 d" },
		{ words_duration, 180000, "2 d 2 h" },
		{ words_bytes, 0, "0 B" },
		{ words_bytes, 999, "999 B" },
		{ words_bytes, 1500, "1.5 kB" },
		{ words_bytes, UINT64_C(20000000000), "20 GB" },
		{ words_bytes, UINT64_MAX, "18446 PB" },
		{ words_rate, 125000, "1 Mbit/s" },
		{ words_rate, 0, "0 bit/s" },
		{ words_rate, UINT64_MAX, "18446 Pbit/s" },
		{ words_days, 1, "1 day left" },
		{ words_days, 71, "71 days left" },
	};
	char buf[WORDS_MAX];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		EQ_STR(rows[i].fn(rows[i].v, buf), rows[i].want);
}

/* 100 % is only what never failed. */
static void percents(void)
{
	static const struct {
		uint64_t part, whole;
		const char *want;
	} rows[] = {
		{ 0, 0, "–" },	       { 0, 5, "0 %" },	       { 5, 5, "100 %" },
		{ 9999, 10000, "99.9 %" }, { 1, 3, "33.3 %" }, { 1, 2, "50 %" },
	};
	char buf[WORDS_MAX];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		EQ_STR(words_percent(rows[i].part, rows[i].whole, buf), rows[i].want);
}

T_MAIN(T(numbers_as_people_read_them), T(percents))
