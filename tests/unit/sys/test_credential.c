/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sys/credential.h"

#include "t.h"

#include "base/slab.h"
#include "rig.h"

static void must_have(const char *name, const char *text)
{
	EQ_SPAN(credential_get(name), span_str(text));
}

/* The last put of a name wins; nobody else's bytes are touched. */
static void put_and_get(void)
{
	must_have("a", "");
	EQ(credential_put("a", SPAN_LIT("one")), 0);
	EQ(credential_put("b", SPAN_LIT("\0two")), 0);
	must_have("a", "one");
	EQ_SPAN(credential_get("b"), SPAN_LIT("\0two"));
	EQ(credential_put("a", SPAN_LIT("longer than one")), 0);
	must_have("a", "longer than one");
	must_have("c", "");
	credential_drop_all();
	must_have("a", "");
	must_have("b", "");
}

/* What systemd could not have named, and what is no credential. */
static void names_and_sizes(void)
{
	static uint8_t bytes[CREDENTIAL_SIZE_MAX + 1];
	char longest[CREDENTIAL_NAME_MAX + 2];
	const struct {
		const char *name;
		size_t n;
		int want;
	} rows[] = {
		{ "turn-secret", 1, 0 },
		{ "A_b.c@9", CREDENTIAL_SIZE_MAX, 0 },
		{ "too-large", CREDENTIAL_SIZE_MAX + 1, ERR_LIMIT },
		{ "no-bytes", 0, ERR_MALFORMED },
		{ "", 1, ERR_MALFORMED },
		{ ".", 1, ERR_MALFORMED },
		{ "..", 1, ERR_MALFORMED },
		{ "a/b", 1, ERR_MALFORMED },
		{ "/etc/shadow", 1, ERR_MALFORMED },
		{ "a b", 1, ERR_MALFORMED },
		{ "a\n", 1, ERR_MALFORMED },
		{ "\xc3\xa4", 1, ERR_MALFORMED },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		t_row = rows[i].name;
		EQ(credential_put(rows[i].name, span_of(bytes, rows[i].n)), rows[i].want);
		EQ(credential_get(rows[i].name).n, rows[i].want == 0 ? rows[i].n : 0);
	}
	memset(longest, 'x', sizeof(longest));
	longest[CREDENTIAL_NAME_MAX + 1] = '\0';
	EQ(credential_put(longest, SPAN_LIT("x")), ERR_MALFORMED);
	longest[CREDENTIAL_NAME_MAX] = '\0';
	EQ(credential_put(longest, SPAN_LIT("x")), 0);
	must_have(longest, "x");
	credential_drop_all();
}

/* Between begin and its end the new ones count; afterwards they stay or never were. */
static void begin_commit_abort(void)
{
	EQ(credential_put("a", SPAN_LIT("old a")), 0);
	EQ(credential_put("b", SPAN_LIT("old b")), 0);
	credential_begin();
	EQ(credential_put("a", SPAN_LIT("new a")), 0);
	EQ(credential_put("c", SPAN_LIT("new c")), 0);
	must_have("a", "new a");
	must_have("b", "old b");
	must_have("c", "new c");
	credential_abort();
	must_have("a", "old a");
	must_have("b", "old b");
	must_have("c", "");
	credential_begin();
	EQ(credential_put("a", SPAN_LIT("new a")), 0);
	EQ(credential_put("a", SPAN_LIT("newer a")), 0);
	EQ(credential_put("c", SPAN_LIT("new c")), 0);
	credential_commit();
	must_have("a", "newer a");
	must_have("b", "old b");
	must_have("c", "new c");
	credential_abort(); /* of nothing */
	must_have("a", "newer a");
	credential_begin();
	EQ(credential_put("d", SPAN_LIT("d")), 0);
	credential_drop_all();
	must_have("a", "");
	must_have("d", "");
}

/* A put that is accepted can be committed: names of both tables count, each once. */
static void names_are_bounded(void)
{
	char name[8];

	for (int i = 0; i < CREDENTIALS_MAX - 1; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		EQ(credential_put(name, SPAN_LIT("old")), 0);
	}
	credential_begin();
	for (int i = 0; i < CREDENTIALS_MAX - 1; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		EQ(credential_put(name, SPAN_LIT("new")), 0);
	}
	EQ(credential_put("last", SPAN_LIT("x")), 0);
	EQ(credential_put("one-more", SPAN_LIT("x")), ERR_LIMIT);
	EQ(credential_put("last", SPAN_LIT("y")), 0);
	credential_commit();
	must_have("last", "y");
	must_have("n0", "new");
	EQ(credential_put("one-more", SPAN_LIT("x")), ERR_LIMIT);
	credential_begin();
	EQ(credential_put("one-more", SPAN_LIT("x")), ERR_LIMIT);
	EQ(credential_put("n3", SPAN_LIT("newest")), 0);
	credential_commit();
	must_have("n3", "newest");
	credential_drop_all();
}

/* Without memory the one before stands. What is dropped is wiped. */
static void memory(void)
{
	char secret[9];

	EQ(credential_put("a", SPAN_LIT("old")), 0);
	mem_fail_at(0);
	EQ(credential_put("a", SPAN_LIT("new")), ERR_NOMEM);
	mem_fail_at(SIZE_MAX);
	must_have("a", "old");
	rig_needle(secret);
	for (int way = 0; way < 4; way++) {
		credential_begin();
		EQ(credential_put("a", span_of(secret, 8)), 0);
		EQ_SPAN(credential_get("a"), span_of(secret, 8));
		if (way == 0)
			credential_abort();
		else
			credential_commit();
		if (way == 1)
			EQ(credential_put("a", SPAN_LIT("other")), 0);
		if (way == 2) {
			credential_begin();
			EQ(credential_put("a", SPAN_LIT("other")), 0);
			credential_commit();
		}
		if (way == 3)
			credential_drop_all();
		OK(!rig_heap_has(secret, 8));
	}
}

T_MAIN(T(put_and_get), T(names_and_sizes), T(begin_commit_abort), T(names_are_bounded), T(memory))
