/* SPDX-License-Identifier: AGPL-3.0-only */
#include "refreshd/render/template.h"
#include "t.h"

/* The marks are written without their '@' here: '%' stands for it. */
static struct span marked(const char *s, char *buf, size_t cap)
{
	size_t n = strlen(s);

	OK(n < cap);
	for (size_t i = 0; i < n; i++)
		buf[i] = s[i] == '%' ? '@' : s[i];
	return span_of(buf, n);
}

static struct node_diag diag;
static char out[8192];

static int fill(const char *text, const char *first, const char *second, const char *version, bool ipv6, struct wr *w)
{
	char t[4096], a[4096], b[4096];
	const struct template_values v[] = { { "front.values", marked(first, a, sizeof(a)) },
					     { "mine", marked(second, b, sizeof(b)) } };

	*w = wr_from(out, sizeof(out));
	return template_fill(marked(text, t, sizeof(t)), v, ARRAY_LEN(v), version, ipv6, w, &diag);
}

static void what_is_filled(void)
{
	static const struct {
		const char *text, *first, *second, *want;
	} rows[] = {
		{ "listen %PORT%;\n", "PORT=80\n", "", "listen 80;\n" },
		{ "listen %PORT%;", "PORT=80\n", "PORT=81\nPORT=82\n", "listen 82;\n" },
		{ "%A%%B%;\n", "A=1\nB=%A%%A%x\n", "", "111x;\n" },
		{ "# a comment with %NOBODY%\n  # another\n\nx\n", "", "", "\nx\n" },
		{ "  %?A% a %A%\n%?B% b\nc\n", "A?=\nB?=1\n", "", "b\nc\n" },
		{ "  %?A% a %A%\n", "A?=\n", "A=on", "  a on\n" },
		{ "x %?A% y\n", "A?=1\n", "", "x y\n" },
		{ "x%A%y\n", "A?=\n", "", "xy\n" },
		{ "%A%\n", "# A=2\n\n \t# no\nA=a b:/.,=*+[]-_9\n", "", "a b:/.,=*+[]-_9\n" },
		{ "%HSTS%\n", "HSTS?=\n", "HSTS=max-age=1; includeSubDomains", "max-age=1; includeSubDomains\n" },
		{ "", "A=\n", "", "" },
		{ "\n", "", "", "\n" },
		{ "a\r\nb\n", "", "", "a\nb\n" },
		{ "%IPV6%|%X%\n", "IPV6?=auto\nX?=auto\n", "", "on|auto\n" },
		{ "%IPV6%|\n", "IPV6?=auto\n", "IPV6?=\n", "|\n" },
		{ "%HTTPS_SUFFIX%|\n", "HTTPS_PORT=443\nHTTPS_SUFFIX?=auto\n", "", "|\n" },
		{ "%HTTPS_SUFFIX%|\n", "HTTPS_PORT=443\nHTTPS_SUFFIX?=auto\n", "HTTPS_PORT=8443", ":8443|\n" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct wr w;

		t_row = rows[i].text;
		EQ(fill(rows[i].text, rows[i].first, rows[i].second, "1.22.1", true, &w), 0);
		EQ_STR(diag.text, "");
		EQ_SPAN(wr_span_of(&w), span_str(rows[i].want));
	}
}

static void what_is_refused(void)
{
	static const struct {
		const char *text, *first, *second, *words;
	} rows[] = {
		{ "a;\nx %NEW%;\n", "A=1\n", "", "nginx.conf.in:2: %NEW% is a name that nobody gives a value" },
		{ "a;\n%?NEW% x;\n", "A=1\n", "", "nginx.conf.in:2: %?NEW% is a name that nobody" },
		{ "x %new%;\n", "A=1\n", "", "nginx.conf.in:1: %new% is a name that nobody" },
		{ "%A%\n", "A=\n", "", "nginx.conf.in:1: %A% is not filled" },
		{ "%A%\n", "A=%B%\nB=\n", "", "nginx.conf.in:1: %B% is not filled" },
		{ "x %UNFINISHED;\n", "A=1\n", "", "nginx.conf.in:1: a stray %" },
		{ "%A%\n", "A=x%y\n", "", "nginx.conf.in:1: a stray %" },
		{ "%A%\n", "A=%B%\nB=%A%\n", "", "% is made of itself" },
		{ "%A%\n", "A=1\n", "AA=1\n", "mine:1: AA is not a value of the front" },
		{ "%A%\n", "A=1\nnonsense\n", "", "front.values:2: not a NAME=value line: nonsense" },
		{ "%A%\n", "a=1\n", "", "front.values:1: not a NAME=value line" },
		{ "%A%\n", "A?1\n", "", "front.values:1: not a NAME=value line" },
		{ "%A%\n", " A=1\n", "", "front.values:1: not a NAME=value line" },
		{ "%A%\n", "A=1\n", "A=a; b", "mine:1: A has a character that does not belong into it" },
		{ "%A%\n", "A=1\n", "A=a}", "mine:1: A has a character" },
		{ "%A%\n", "A=1\n", "A={a", "mine:1: A has a character" },
		{ "%A%\n", "A=1\n", "A=a\"b", "mine:1: A has a character" },
		{ "%A%\n", "A=1\n", "A=a'b", "mine:1: A has a character" },
		{ "%A%\n", "A=1\n", "A=$host", "mine:1: A has a character" },
		{ "%A%\n", "A=1\n", "A=a\\b", "mine:1: A has a character" },
		{ "%A%\n", "A=1\n", "A=a#b", "mine:1: A has a character" },
		{ "%A%\n", "A=1\n", "A=a\tb", "mine:1: A has a character" },
		{ "%A%\n", "A=1\n", "A=\xc3\xa4", "mine:1: A has a character" },
		{ "a\x01", "A=1\n", "", "nginx.conf.in:1: a control character" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char want[256];
		struct wr w;

		t_row = rows[i].words;
		want[marked(rows[i].words, want, sizeof(want)).n] = '\0';
		OK(fill(rows[i].text, rows[i].first, rows[i].second, "1.22.1", true, &w) < 0);
		if (!strstr(diag.text, want))
			EQ_STR(diag.text, want);
	}
}

static void http2_as_the_nginx_at_hand_wants_it(void)
{
	static const struct {
		const char *version;
		bool directive;
	} rows[] = { { "1.22.1", false }, { "1.25.0", false }, { "1.25.1", true }, { "1.26.3", true }, { "2.0.0", true },
		     { "1.9.15", false }, { "", false }, { "1.25", false }, { "1.100.0", true }, { "99999999.1", false } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct wr w;

		t_row = rows[i].version;
		EQ(fill("ssl%HTTP2_PARAMETER%;\n%?HTTP2_DIRECTIVE% http2 %HTTP2_DIRECTIVE%;\n",
			"HTTP2_PARAMETER?=auto\nHTTP2_DIRECTIVE?=auto\n", "", rows[i].version, false, &w),
		   0);
		if (i < 9)
			EQ_SPAN(wr_span_of(&w), rows[i].directive ? SPAN_LIT("ssl;\nhttp2 on;\n") : SPAN_LIT("ssl http2;\n"));
	}
}

static void no_ipv6_without_it(void)
{
	struct wr w;

	EQ(fill("%?IPV6% listen;\n", "IPV6?=auto\n", "", "1.22.1", false, &w), 0);
	EQ(wr_len(&w), 0);
}

static void bounds(void)
{
	const struct template_values one = { "front.values", SPAN_LIT("A=xxxx\n") };
	char small[8], text[4096] = "";
	struct wr w = wr_from(small, sizeof(small));

	EQ(template_fill(SPAN_LIT("123456\n"), &one, 1, "1", false, &w, &diag), 0);
	EQ(template_fill(SPAN_LIT("123456\n"), &one, 1, "1", false, &w, &diag), ERR_LIMIT);
	/* Ten times ten times … nothing. */
	EQ(fill("%A%\n", "A=%B%%B%%B%%B%%B%%B%%B%%B%%B%\nB=%C%%C%%C%%C%%C%%C%%C%%C%%C%\nC=%D%%D%%D%%D%%D%%D%%D%%D%%D%\n"
			 "D=%E%%E%%E%%E%%E%%E%%E%%E%%E%\nE=%F%%F%%F%%F%%F%%F%%F%%F%%F%\nF?=\n",
		"", "1", false, &w),
	   ERR_MALFORMED);
	for (int i = 0; i < 129; i++)
		sprintf(text + strlen(text), "N%d=1\n", i);
	EQ(fill("x\n", text, "", "1", false, &w), ERR_LIMIT);
	EQ_STR(diag.field, "N128");
}

T_MAIN(T(what_is_filled), T(what_is_refused), T(http2_as_the_nginx_at_hand_wants_it), T(no_ipv6_without_it), T(bounds))
