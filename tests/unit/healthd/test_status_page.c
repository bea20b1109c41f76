/* SPDX-License-Identifier: AGPL-3.0-only */
#include "healthd/page/status_page.h"

#include "overview_rig.h"

static char out[STATUS_PAGE_MAX + 1];

static const char *page(void)
{
	struct wr w = wr_from(out, STATUS_PAGE_MAX);

	status_page_write(&rig, RIG_NOW, RIG_WALL, &w);
	OK(!w.bad);
	out[wr_len(&w)] = '\0';
	return out;
}

/* Every tag that was opened is closed, in order; attributes are quoted. Enough of HTML for what we write. */
static bool well_formed(const char *s)
{
	static const char *const lone[] = { "meta", "path", "rect", "!DOCTYPE" };
	char stack[64][16];
	int depth = 0;

	while ((s = strchr(s, '<'))) {
		bool end = *++s == '/', alone = false;
		size_t n = strcspn(s += end, " >/");
		const char *close = s + n;
		char name[16];

		if (n == 0 || n >= sizeof(name))
			return false;
		memcpy(name, s, n);
		name[n] = '\0';
		for (bool quoted = false; *close && (quoted || *close != '>'); close++)
			quoted ^= *close == '"';
		for (size_t i = 0; i < ARRAY_LEN(lone); i++)
			alone |= strcmp(name, lone[i]) == 0;
		if (*close != '>' || (end && (depth == 0 || strcmp(stack[--depth], name) != 0)))
			return false;
		if (!end && !alone && depth < 64)
			memcpy(stack[depth++], name, n + 1);
		s = close;
	}
	return depth == 0;
}

static void all_of_it(void)
{
	static const char *const parts[] = {
		"call.acme.example", "acme-0a1b",    "all is well",        ">ch2<", "12 ms",        ">turn<",
		"Relayed traffic",   "71 days left", "Reports to central", ">200<", "Last changes", "Timers",
		"Repairs",           "Daemons"};

	rig_well();
	page();
	OK(well_formed(out));
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		t_row = parts[i];
		OK(strstr(out, parts[i]));
	}
}

/* Nothing from elsewhere, nothing that runs. */
static void needs_nothing_else(void)
{
	static const char *const never[] = {"<script", "<img",    "<link",    "<iframe", "<object",   "@import",
					    "url(",    "http://", "https://", "onclick", "javascript"};

	rig_well();
	rig_fail(PROBED_TURN, "timeout", "c", "f");
	page();
	for (size_t i = 0; i < ARRAY_LEN(never); i++) {
		t_row = never[i];
		OK(!strstr(out, never[i]));
	}
	OK(strstr(out, "default-src 'none'"));
}

/* Whatever a text holds stays text. */
static void texts_are_escaped(void)
{
	static const char evil[] = "</td><script>alert(\"1\")</script>'&\x01\xff";

	rig_well();
	snprintf(rig.domain, sizeof(rig.domain), "%s", evil);
	snprintf(rig.id, sizeof(rig.id), "%s", evil);
	rig_fail(PROBED_CHANNEL, "timeout", evil, evil);
	snprintf(rig.probe[PROBED_CHANNEL].reason, sizeof(rig.probe[0].reason), "<b>");
	snprintf(rig.daemon[DAEMON_SFUD].state, sizeof(rig.daemon[0].state), "<i>");
	snprintf(rig.daemon[DAEMON_SFUD].version, sizeof(rig.daemon[0].version), "%.31s", evil);
	snprintf(rig.run.report[0].why, sizeof(rig.run.report[0].why), "%s", evil);
	rig.change[0] = (struct ov_change){ .number = 1, .reason = "<u>", .made_at = "<s>" };
	rig.n_changes = 1;
	page();
	OK(well_formed(out));
	OK(!strstr(out, "<script"));
	OK(!strstr(out, "<b>") && !strstr(out, "<i>") && !strstr(out, "<u>") && !strstr(out, "<s>"));
	OK(strstr(out, "&lt;/td&gt;&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&#39;&amp;??"));
}

static void texts(void)
{
	static const struct {
		const char *in, *want;
	} rows[] = {
		{ "", "" },
		{ "a b", "a b" },
		{ "<>&\"'", "&lt;&gt;&amp;&quot;&#39;" },
		{ "\xd1\x8f", "\xd1\x8f" },
		{ "\n", "?" },
		{ "\x7f", "?" },
		{ "\xd1", "?" },
		{ "a\xc0\x80z", "a??z" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char buf[64] = "";
		struct wr w = wr_from(buf, sizeof(buf) - 1);

		t_row = rows[i].in;
		html_text(&w, rows[i].in);
		EQ_STR(buf, rows[i].want);
	}
}

/* The largest page that can be fits, the smallest is a page. */
static void bounds(void)
{
	memset(&rig, 0, sizeof(rig));
	page();
	OK(well_formed(out));
	OK(strstr(out, "first probes under way"));
	rig_well();
	for (int i = 0; i < PROBED_MAX_; i++) {
		char name[OV_NAME_MAX];

		snprintf(name, sizeof(name), "%039d", i);
		rig_probe(i, name, 5000000);
		rig_fail(i, "other", "x", "x");
		memset(rig.probe[i].cause, '"', OV_TEXT_MAX - 1);
		memset(rig.probe[i].fix, '"', OV_TEXT_MAX - 1);
		rig.probe[i].certificate_until.us = 1;
		for (unsigned m = 0; m < HISTORY_SLOTS; m += 20)
			history_add(&rig.probe[i].rtt, (mono_t){ RIG_NOW.us + m * HISTORY_STEP }, UINT32_MAX);
	}
	page();
	OK(well_formed(out));
}

T_MAIN(T(all_of_it), T(needs_nothing_else), T(texts_are_escaped), T(texts), T(bounds))
