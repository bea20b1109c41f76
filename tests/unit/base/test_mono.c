/* SPDX-License-Identifier: AGPL-3.0-only */
#include "base/mono.h"

#include "base/rng.h"
#include "t.h"

/* Deadlines saturate: never stays never, and the past is not a huge future. */
static void arithmetic_saturates(void)
{
	mono_t late = { UINT64_MAX - 5 };

	EQ(mono_add((mono_t){ 3 }, 4).us, 7);
	EQ(mono_add(late, 4).us, UINT64_MAX - 1);
	OK(mono_is_never(mono_add(late, 5)));
	OK(mono_is_never(mono_add(late, 6)));
	OK(mono_is_never(mono_add(MONO_NEVER, UINT64_MAX)));
	EQ(mono_since((mono_t){ 9 }, (mono_t){ 4 }), 5);
	EQ(mono_since((mono_t){ 4 }, (mono_t){ 9 }), 0);
	OK(mono_reached((mono_t){ 4 }, (mono_t){ 4 }));
	OK(!mono_reached((mono_t){ 3 }, (mono_t){ 4 }));
	OK(!mono_reached((mono_t){ UINT64_MAX - 1 }, MONO_NEVER));
	EQ(mono_min((mono_t){ 3 }, MONO_NEVER).us, 3);
}

/* A number and one unit; a bare number is seconds. Anything else, and what does not fit, is malformed. */
static void parses_durations(void)
{
	static const struct { const char *in; int want; uint64_t us; } rows[] = {
		{ "250us", 0, 250 }, { "20ms", 0, DUR_MS(20) }, { "10s", 0, DUR_SEC(10) }, { "10", 0, DUR_SEC(10) },
		{ "5m", 0, DUR_SEC(300) }, { "1h", 0, DUR_SEC(3600) }, { "2d", 0, DUR_SEC(172800) }, { "0", 0, 0 },
		{ "0d", 0, 0 }, { "18446744073709551615us", 0, UINT64_MAX }, { "213503982d", 0, 213503982 * DUR_SEC(86400) },
		{ "18446744073709551616us", ERR_MALFORMED, 0 }, { "213503983d", ERR_MALFORMED, 0 },
		{ "99999999999999999999999", ERR_MALFORMED, 0 }, { "18446744073709551615", ERR_MALFORMED, 0 },
		{ "", ERR_MALFORMED, 0 }, { "s", ERR_MALFORMED, 0 }, { "-1s", ERR_MALFORMED, 0 }, { "+1s", ERR_MALFORMED, 0 },
		{ "1 s", ERR_MALFORMED, 0 }, { " 1s", ERR_MALFORMED, 0 }, { "1s ", ERR_MALFORMED, 0 }, { "1.5s", ERR_MALFORMED, 0 },
		{ "1w", ERR_MALFORMED, 0 }, { "1S", ERR_MALFORMED, 0 }, { "1m30s", ERR_MALFORMED, 0 }, { "1sec", ERR_MALFORMED, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t us = 77;

		t_row = rows[i].in;
		EQ(dur_parse(span_str(rows[i].in), &us), rows[i].want);
		OK(us == (rows[i].want ? 77 : rows[i].us));
	}
	EQ(dur_parse(span_of(NULL, 0), &(uint64_t){ 0 }), ERR_MALFORMED);
}

static void written_is(uint64_t us, const char *want)
{
	char buf[32] = { 0 };
	struct wr w = wr_from(buf, sizeof(buf) - 1);

	dur_write(&w, us);
	EQ_STR(buf, want);
}

/* What is written uses the largest unit that fits exactly, and reads back to the same value. */
static void writes_what_it_reads(void)
{
	char buf[32], small[3] = "xy";
	struct wr w = wr_from(small, 2);
	struct rng rng;

	written_is(0, "0s");
	written_is(DUR_SEC(86400), "1d");
	written_is(DUR_SEC(90000), "25h");
	written_is(DUR_SEC(90), "90s");
	written_is(DUR_MS(1500), "1500ms");
	written_is(1001, "1001us");
	written_is(UINT64_MAX, "18446744073709551615us");
	dur_write(&w, DUR_SEC(10));
	OK(w.bad);
	EQ(wr_len(&w), 0);
	EQ_STR(small, "xy");
	rng_seed(&rng, 5);
	for (int i = 0; i < 20000; i++) {
		uint64_t us = rng_u64(&rng) >> rng_below(&rng, 64), back = 0;

		if (rng_below(&rng, 2))
			us -= us % DUR_SEC(60);
		w = wr_from(buf, sizeof(buf));
		dur_write(&w, us);
		EQ(dur_parse(wr_span_of(&w), &back), 0);
		OK(back == us);
	}
}

T_MAIN(T(arithmetic_saturates), T(parses_durations), T(writes_what_it_reads))
