/* SPDX-License-Identifier: AGPL-3.0-only */
#include "base/err.h"
#include "refreshd/render/turn_secrets.h"
#include "t.h"

#define NOW 1795392000
#define DAY_ON "1795478400"
#define KEPT(until, old) "\n# until " until ": passwords made with this one may still be in use\n" old "\n"

/* The secret before stays for a day, then goes; whatever else stands in the old file does not count. */
static void the_one_before_stays_for_a_day(void)
{
	static const struct {
		const char *row, *had, *newest, *want;
	} rows[] = {
		{ "first: ", "", "new", "new" },
		{ "same: ", "new", "new", "new" },
		{ "rotated: ", "old", "new", "new" KEPT(DAY_ON, "old") },
		{ "kept: ", "new" KEPT("1795392001", "old"), "new", "new" KEPT("1795392001", "old") },
		{ "over: ", "new" KEPT("1795392000", "old"), "new", "new" },
		{ "rotated twice: ", "new" KEPT("1795392001", "old"), "third", "third" KEPT(DAY_ON, "new") },
		{ "and back: ", "new" KEPT("1795392001", "old"), "old", "old" KEPT(DAY_ON, "new") },
		{ "kept, but it is the newest: ", "new" KEPT("1795392001", "new"), "new", "new" },
		{ "clock was ahead: ", "new" KEPT("99999999999", "old"), "new", "new" KEPT(DAY_ON, "old") },
		{ "a comment of others: ", "new\n# something\nold\n", "new", "new" },
		{ "cut off: ", "new\n# until 1795392001", "new", "new" },
		{ "a number beyond all: ", "new" KEPT("99999999999999999999999999", "old"), "new", "new" KEPT(DAY_ON, "old") },
		{ "an empty first line: ", "\n# until 1795392001\nold\n", "new", "new" KEPT("1795392001", "old") },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(secret_done) struct secret s = { 0 };
		char text[512];
		struct wr w = wr_from(text, sizeof(text));

		t_row = rows[i].row;
		EQ(secret_set(&s, span_str(rows[i].newest)), 0);
		EQ(turn_secrets_write(&s, span_str(rows[i].had), (wall_t){ NOW * US_PER_SEC }, &w), 0);
		OK(span_is(wr_span_of(&w), rows[i].want));
	}
}

/* A secret that turnd would read as another one, or as none. */
static void what_turnd_would_misread_is_refused(void)
{
	static const char *const rows[] = { "", "#hash", " before", "after ", "two\nlines", "a\ttab" };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(secret_done) struct secret s = { 0 };
		char text[64];
		struct wr w = wr_from(text, sizeof(text));

		t_row = rows[i];
		EQ(secret_set(&s, span_str(rows[i])), 0);
		EQ(turn_secrets_write(&s, span_str("old"), (wall_t){ NOW * US_PER_SEC }, &w), ERR_MALFORMED);
		EQ(wr_len(&w), 0);
	}
}

T_MAIN(T(the_one_before_stays_for_a_day), T(what_turnd_would_misread_is_refused))
