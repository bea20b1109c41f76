/* SPDX-License-Identifier: AGPL-3.0-only */
#include "healthd/page/checks.h"

#include "base/json.h"
#include "t.h"

static struct checks t;
static char out[65536];

static const char *text(void (*write)(struct wr *w))
{
	struct wr w = wr_from(out, sizeof(out) - 1);

	write(&w);
	OK(!w.bad);
	out[wr_len(&w)] = '\0';
	return out;
}

static void plain(struct wr *w)
{
	checks_write_text(&t, false, w);
}

static void coloured(struct wr *w)
{
	checks_write_text(&t, true, w);
}

static void as_json(struct wr *w)
{
	checks_write_json(&t, w);
}

static void begin(void)
{
	t = (struct checks){ .domain = "call.acme.example" };
}

/* Names of rows are an interface: scripts of operators and refreshd know them. */
static void names_are_stable(void)
{
	static const struct {
		unsigned number;
		const char *part, *name;
	} rows[] = {
		{ 1, "sfud", "check_01_sfud"},  {2, NULL, "check_02_api_health"},     {7, "ch2", "check_07_tunnel_ch2" },
		{ 7, NULL, "check_07_tunnel"},  {13, NULL, "check_13_canary_tunnel"}, {14, NULL, "check_14_canary_upstream" },
		{ 22, NULL, "check_22_timers" },
	};

	begin();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct check *c = checks_add(&t, rows[i].number, rows[i].part);

		OK(c);
		if (c)
			EQ_STR(c->name, rows[i].name);
	}
	OK(!checks_add(&t, 16, NULL));
	OK(!checks_add(&t, 0, NULL));
	while (t.n < CHECKS_MAX)
		OK(checks_add(&t, 7, "ch1"));
	OK(!checks_add(&t, 7, "ch1"));
}

static void text_form(void)
{
	begin();
	t.local = true;
	check_end(checks_add(&t, 1, "sfud"), CHECK_OK, "not said", "not said");
	t.c[0].us = 1234;
	check_end(checks_add(&t, 10, NULL), CHECK_FAIL, "it is broken", "mend it");
	check_end(checks_add(&t, 15, NULL), CHECK_WARN, "changed", NULL);
	check_end(checks_add(&t, 19, NULL), CHECK_SKIP, "not asked", NULL);
	EQ_STR(text(plain),
	       "Health of call.acme.example, from this host only\n"
	       "   1  sfud answers and is serving                                 1.23 ms   OK\n"
	       "  10  the site has a page                                                   FAIL\n"
	       "        cause: it is broken\n"
	       "        fix:   mend it\n"
	       "  15  the configuration is as it was rendered                               WARN\n"
	       "        cause: changed\n"
	       "  19  central accepts the service token                                     SKIP\n"
	       "        cause: not asked\n"
	       "1 check failed. Warnings: 1.\n");
	OK(strstr(text(coloured), "\033[32mOK\033[0m\n"));
	check_end(&t.c[1], CHECK_OK, NULL, NULL);
	t.local = false;
	t.domain[0] = '\0';
	text(plain);
	OK(strstr(out, "All checks passed. Warnings: 1.\n"));
	OK(strstr(out, "Health of this node (no domain"));
}

static void json_form(void)
{
	begin();
	check_end(checks_add(&t, 7, "ch2"), CHECK_FAIL, "a \"cause\"", "a fix");
	check_end(checks_add(&t, 20, NULL), CHECK_OK, NULL, NULL);
	EQ_STR(text(as_json), "{\"domain\":\"call.acme.example\",\"local\":false,\"checks\":[{\"number\":7,\"name\":"
			      "\"check_07_tunnel_ch2\","
			      "\"title\":\"ch2 carries requests to central\",\"state\":\"fail\",\"cause\":\"a "
			      "\\\"cause\\\"\",\"fix\":\"a fix\",\"us\":0},"
			      "{\"number\":20,\"name\":\"check_20_clock\",\"title\":\"the clock is "
			      "right\",\"state\":\"ok\",\"cause\":\"\",\"fix\":\"\",\"us\":0}],"
			      "\"failed\":1}\n");
}

/* The exit status is the number of failures, kept apart from the codes that mean something else. */
static void exit_status(void)
{
	char long_text[CHECKS_TEXT_MAX * 2];

	begin();
	EQ(checks_exit(&t), 0);
	check_end(checks_add(&t, 2, NULL), CHECK_WARN, "w", "w");
	check_end(checks_add(&t, 3, NULL), CHECK_SKIP, "s", "s");
	EQ(checks_exit(&t), 0);
	memset(long_text, 'x', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	while (t.n < CHECKS_MAX)
		check_end(checks_add(&t, 7, long_text), CHECK_FAIL, long_text, long_text);
	EQ(checks_exit(&t), CHECKS_MAX - 2);
	OK(CHECKS_EXIT_MAX < 64);
	EQ(strlen(t.c[5].cause), CHECKS_TEXT_MAX - 1);
	text(plain);
}

static void man_page(void)
{
	text(checks_write_man);
	OK(strstr(out, ".It 2 Li check_02_api_health\nGET /api/health"));
	OK(strstr(out, "Each daemon answers"));
}

T_MAIN(T(names_are_stable), T(text_form), T(json_form), T(exit_status), T(man_page))
