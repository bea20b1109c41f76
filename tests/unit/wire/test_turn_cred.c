/* SPDX-License-Identifier: AGPL-3.0-only */
#include "wire/turn_cred.h"

#include "base/err.h"
#include "t.h"

/* draft-uberti-behave-turn-rest 2.2: the password is base64(HMAC-SHA1(secret, username)). Expected values:
 * printf %s NAME | openssl dgst -sha1 -hmac SECRET -binary | base64. */
static void passwords_are_those_of_openssl(void)
{
	static const char long_secret[] = "ssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss"
					  "ssssssssssssssssssssssss";
	const struct {
		const char *secret, *name, *want;
	} rows[] = {
		{ "north", "1700000000:alice", "Cd/49soE35ICqcJF/bCTn8Z4OyE=" },
		{ "north", "1893456000:node-7", "XFwxxG54LNkwQOpYM9KQDsT+o/0=" },
		{ "north", "1700000000", "CWyHi3zCeWqXBir9thl4m+iZPRY=" },
		{ "north", "", "qihOjo1ZSC6ekICGUyRe1N0DrGw=" },
		{ "", "1700000000:alice", "rqBBD+hnu5lsggfwzdJtEMIA/sc=" },
		{ long_secret, "1700000000:alice", "x3vbeB5aiLql3YZqHZNjFl7OIV8=" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char got[TURN_PASSWORD_LEN + 2];

		t_row = rows[i].name;
		memset(got, 'x', sizeof(got));
		EQ(turn_cred_password(span_str(rows[i].secret), span_str(rows[i].name), got), 0);
		EQ_STR(got, rows[i].want);
		EQ(got[TURN_PASSWORD_LEN + 1], 'x');
	}
}

static void no_bytes_may_have_no_address(void)
{
	char got[TURN_PASSWORD_LEN + 1], want[TURN_PASSWORD_LEN + 1];
	const struct span none = { NULL, 0 };
	wall_t t;

	EQ(turn_cred_password(none, none, got), 0);
	EQ(turn_cred_password(SPAN_LIT(""), SPAN_LIT(""), want), 0);
	EQ_STR(got, want);
	EQ(turn_cred_expiry(none, &t, NULL), ERR_MALFORMED);
}

/* The same, 2.2: seconds since 1970, a colon, and whatever tells users apart. */
static void expiry_is_the_number_in_front(void)
{
	const struct {
		const char *name;
		uint64_t sec;
		const char *id; /* NULL: refused */
	} rows[] = {
		{ "1700000000:alice", 1700000000, "alice" },
		{ "1700000000", 1700000000, "" },
		{ "1700000000:", 1700000000, "" },
		{ "1700000000:a:b", 1700000000, "a:b" },
		{ "1700000000::", 1700000000, ":" },
		{ "0:alice", 0, "alice" },
		{ "0001:alice", 1, "alice" },
		{ "1099511627776:alice", UINT64_C(1) << 40, "alice" },
		{ "1099511627777:alice", 0, NULL },
		{ "18446744073709551617:alice", 0, NULL },
		{ "99999999999999999999999999999999999999:alice", 0, NULL },
		{ "", 0, NULL },
		{ ":alice", 0, NULL },
		{ "alice", 0, NULL },
		{ "alice:1700000000", 0, NULL },
		{ "-1:alice", 0, NULL },
		{ "+1:alice", 0, NULL },
		{ " 1:alice", 0, NULL },
		{ "1 :alice", 0, NULL },
		{ "1.5:alice", 0, NULL },
		{ "0x10:alice", 0, NULL },
		{ "1700000000/alice", 0, NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		wall_t t = { 7 }, alone = { 7 };
		struct span id = SPAN_LIT("untouched");
		int want = rows[i].id ? 0 : ERR_MALFORMED;

		t_row = rows[i].name;
		EQ(turn_cred_expiry(span_str(rows[i].name), &t, &id), want);
		EQ(turn_cred_expiry(span_str(rows[i].name), &alone, NULL), want);
		EQ(t.us, want ? 7 : rows[i].sec * US_PER_SEC);
		EQ(alone.us, t.us);
		EQ_SPAN(id, span_str(want ? "untouched" : rows[i].id));
	}
}

/* A NUL is a byte like any other: it is no digit, and may be in an id. */
static void a_nul_ends_nothing(void)
{
	wall_t t;
	struct span id;

	EQ(turn_cred_expiry(SPAN_LIT("17\0:alice"), &t, &id), ERR_MALFORMED);
	EQ(turn_cred_expiry(SPAN_LIT("17:al\0ice"), &t, &id), 0);
	EQ(id.n, 6);
}

T_MAIN(T(passwords_are_those_of_openssl), T(no_bytes_may_have_no_address), T(expiry_is_the_number_in_front),
       T(a_nul_ends_nothing))
