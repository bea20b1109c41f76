/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * Properties of varlink_parse: what it accepts has a method of the form a.b.C and parameters that are absent or an
 * object; the same bytes give the same answer, also from memory of exactly their size; fewer tokens can only
 * turn an answer into ERR_LIMIT; nothing is written on failure.
 */
#include "fuzz.h"
#include "sys/varlink_msg.h"

#define TOKENS 4096
#define FEW 8

static bool among(char c, const char *set)
{
	return c != '\0' && strchr(set, c) != NULL;
}

/* Written apart from the parser's own split on purpose. */
static void check_method(const struct varlink_msg *m)
{
	static const char upper[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", lower[] = "abcdefghijklmnopqrstuvwxyz";
	const char *last = strrchr(m->method, '.'), *first = strchr(m->method, '.');

	MUST(strlen(m->method) < VARLINK_METHOD_MAX);
	MUST(last && first != last && (size_t)(last - m->method) == m->interface_n);
	MUST(among(last[1], upper));
	MUST(among(m->method[0], upper) || among(m->method[0], lower));
	MUST(!strstr(m->method, ".."));
	for (const char *p = m->method; *p; p++)
		MUST(among(*p, upper) || among(*p, lower) || among(*p, "0123456789.") || (*p == '-' && p < last));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct json_tok tok[TOKENS], tok2[TOKENS];
	struct varlink_msg a, b, untouched;
	int r, r2;

	memset(&a, 0x5a, sizeof(a));
	memset(&b, 0x5a, sizeof(b));
	memset(&untouched, 0x5a, sizeof(untouched));
	r = varlink_parse(span_of(data, n), tok, TOKENS, &a);
	r2 = varlink_parse(span_of(data, n), tok2, TOKENS, &b);
	MUST(r == r2 && r <= 0);
	if (r < 0) {
		MUST(memcmp(&a, &untouched, sizeof(a)) == 0);
		return 0;
	}
	check_method(&a);
	MUST(strcmp(a.method, b.method) == 0 && a.params == b.params);
	MUST(a.oneway == b.oneway && a.more == b.more && a.upgrade == b.upgrade);
	MUST(!a.oneway || (!a.more && !a.upgrade));
	MUST(a.params < 0 || json_type_of(&a.doc, a.params) == JSON_OBJECT);
	r2 = varlink_parse(span_of(data, n), tok2, FEW, &b);
	MUST(r2 == (a.doc.n <= FEW ? 0 : ERR_LIMIT));
	return 0;
}
