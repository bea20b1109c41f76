/* SPDX-License-Identifier: AGPL-3.0-only */
#include <ctype.h>
#include <errno.h>

#include "base/err.h"
#include "t.h"

/* Every value has a phrase; our own are distinct and lower-case. */
static void every_number_has_a_phrase(void)
{
	for (int e = ERR_SHORT; e <= ERR_MISSING; e++) {
		OK(strcmp(err_str(e), "unknown error") != 0);
		for (const char *p = err_str(e); *p; p++)
			OK(!isupper((unsigned char)*p));
		for (int f = ERR_SHORT; f < e; f++)
			OK(strcmp(err_str(e), err_str(f)) != 0);
	}
	EQ_STR(err_str(0), "success");
	EQ_STR(err_str(17), "success");
	EQ_STR(err_str(-ENOENT), strerror(ENOENT));
	EQ_STR(err_str(-4000), "unknown error");
	EQ_STR(err_str(ERR_MISSING + 1), "unknown error");
	EQ_STR(err_str(ERR_SHORT - 1), "unknown error");
	EQ_STR(err_str(INT32_MIN), "unknown error");
}

struct owner {
	int a;
	char member;
};

static void count_up(int *n)
{
	(*n)++;
	EQ(*n, 8);
}

/* The three macros: length, owner of an embedded member, release at the end of the scope. */
static void macros_do_what_they_say(void)
{
	struct owner o = { 1, 2 };
	int four[4] = { 0 };

	EQ(ARRAY_LEN(four), 4);
	OK(CONTAINER_OF(&o.member, struct owner, member) == &o);
	{
		CLEANUP(count_up) int n = 7;

		EQ(n, 7);
	}
}

T_MAIN(T(every_number_has_a_phrase), T(macros_do_what_they_say))
