/* SPDX-License-Identifier: AGPL-3.0-only */
#include "healthd/page/checks.h"

#include "healthd/page/status_words.h"
#include "healthd/verdict/members.h"

#define COLUMN 66 /* where the round trip begins */
#define US_COLUMN 10

const struct check_kind check_kinds[] = {
	{ 1, "check_01", "answers and is serving",
	 "each daemon answers its control socket with the state serving; the front answers HTTPS" },
	{ 2, "check_02_api_health", "the site answers /api/health", "GET /api/health of the domain gives 2xx and says ok" },
	{ 3, "check_03_branding", "the site is this partner's", "GET /api/branding names the partner" },
	{ 4, "check_04_tls_443", "TLS on port 443",
	 "a verified handshake for the domain; a warning from 14 days before the end of the certificate" },
	{ 5, "check_05_stun_3478", "STUN over UDP on port 3478", "a Binding request is answered" },
	{ 6, "check_06_stun_tls_5349", "STUN over TLS on port 5349", "the same over a verified TLS connection" },
	{ 7, "check_07_tunnel", "carries requests to central",
	 "GET /api/health through each channel; a failure when none carries it, a warning when another does" },
	{ 8, "check_08_turn_relay", "the relay accepts its secret and relays",
	 "two allocations with the configured secret, one datum from one to the other, both released" },
	{ 9, "check_09_turns_name", "the relay's name on port 443", "STUN over a verified TLS connection with that name" },
	{ 10, "check_10_site", "the site has a page", "GET / gives 200 and HTML" },
	{ 11, "check_11_sfu_media", "group calls: session and media port",
	 "a session with a token of our own, and an ICE check of the media port with its password" },
	{ 12, "check_12_sfu_metrics", "group calls: metrics", "sfud's page parses and has its series" },
	{ 13, "check_13_canary_tunnel", "canary: the tunnel behind the front", "the front's /canary/tunnel gives 2xx" },
	{ 14, "check_14_canary_upstream", "canary: the front's upstream", "the front's /canary/upstream gives 2xx" },
	{ 15, "check_15_drift", "the configuration is as it was rendered",
	 "each file of the current generation has the digest of its manifest; otherwise a warning" },
	{ 17, "check_17_secret_modes", "secrets are for their owner only", "modes of the secrets' files" },
	{ 19, "check_19_service_token", "central accepts the service token", "GET hy2-credentials gives 200 or 503" },
	{ 20, "check_20_clock", "the clock is right", "within 60 s of central's" },
	{ 21, "check_21_disk", "there is room on the disk", "5 % and 200 MB free where state is kept" },
	{ 22, "check_22_timers", "timers are installed", "the suite's timers are enabled" },
	{ 0, NULL, NULL, NULL },
};

static const char *const states[CHECK_STATE_MAX_] = {
	[CHECK_OPEN] = "open", [CHECK_OK] = "ok", [CHECK_WARN] = "warn", [CHECK_FAIL] = "fail", [CHECK_SKIP] = "skip",
};

static void copy(char *to, size_t cap, const char *a, const char *between, const char *b)
{
	const char *const part[] = { a, b[0] ? between : "", b };
	size_t at = 0;

	for (size_t i = 0; i < ARRAY_LEN(part); i++) {
		for (const char *c = part[i]; *c && at + 1 < cap; c++)
			to[at++] = *c;
	}
	to[at] = '\0';
}

struct check *checks_add(struct checks *t, unsigned number, const char *part)
{
	const struct check_kind *k = check_kinds;
	struct check *c = &t->c[t->n];

	while (k->number && k->number != number)
		k++;
	if (!k->number || t->n == CHECKS_MAX)
		return NULL;
	*c = (struct check){ .number = number };
	copy(c->name, sizeof(c->name), k->name, "_", part ? part : "");
	copy(c->title, sizeof(c->title), part ? part : k->title, " ", part ? k->title : "");
	t->n++;
	return c;
}

void check_end(struct check *c, enum check_state s, const char *cause, const char *fix)
{
	c->state = s;
	copy(c->cause, sizeof(c->cause), s == CHECK_OK || !cause ? "" : cause, "", "");
	copy(c->fix, sizeof(c->fix), s == CHECK_OK || !fix ? "" : fix, "", "");
}

uint32_t checks_count(const struct checks *t, enum check_state s)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < t->n; i++)
		n += t->c[i].state == s;
	return n;
}

int checks_exit(const struct checks *t)
{
	uint32_t n = checks_count(t, CHECK_FAIL);

	return (int)(n < CHECKS_EXIT_MAX ? n : CHECKS_EXIT_MAX);
}

/* --- text ----------------------------------------------------------------------------------------------- */

static void pad(struct wr *w, size_t from, size_t to)
{
	for (size_t i = from; i < to || i == from; i++)
		wr_u8(w, ' ');
}

static void state(struct wr *w, enum check_state s, bool colours)
{
	static const char *const colour[CHECK_STATE_MAX_] = {
		[CHECK_OPEN] = "0", [CHECK_OK] = "32", [CHECK_WARN] = "33", [CHECK_FAIL] = "1;31", [CHECK_SKIP] = "2",
	};

	if (colours) {
		wr_str(w, "\033[");
		wr_str(w, colour[s]);
		wr_str(w, "m");
	}
	for (const char *c = states[s]; *c; c++)
		wr_u8(w, (uint8_t)(*c - 'a' + 'A'));
	if (colours)
		wr_str(w, "\033[0m");
}

static void write_line(struct wr *w, const struct check *c, bool colours)
{
	size_t from = wr_len(w), us;
	char text[WORDS_MAX];

	wr_str(w, c->number < 10 ? "   " : "  ");
	wr_dec(w, c->number);
	wr_str(w, "  ");
	wr_str(w, c->title);
	pad(w, wr_len(w) - from, COLUMN);
	us = wr_len(w);
	wr_str(w, c->us ? words_us(c->us, text) : "");
	pad(w, wr_len(w) - us, US_COLUMN);
	state(w, c->state, colours);
	wr_str(w, "\n");
	if (c->cause[0]) {
		wr_str(w, "        cause: ");
		wr_str(w, c->cause);
		wr_str(w, "\n");
	}
	if (c->fix[0]) {
		wr_str(w, "        fix:   ");
		wr_str(w, c->fix);
		wr_str(w, "\n");
	}
}

void checks_write_text(const struct checks *t, bool colours, struct wr *w)
{
	uint32_t failed = checks_count(t, CHECK_FAIL), warned = checks_count(t, CHECK_WARN);

	wr_str(w, "Health of ");
	wr_str(w, t->domain[0] ? t->domain : "this node (no domain is configured)");
	wr_str(w, t->local ? ", from this host only\n" : "\n");
	for (uint32_t i = 0; i < t->n; i++)
		write_line(w, &t->c[i], colours);
	if (failed) {
		wr_dec(w, failed);
		wr_str(w, failed == 1 ? " check failed." : " checks failed.");
	} else {
		wr_str(w, "All checks passed.");
	}
	if (warned) {
		wr_str(w, " Warnings: ");
		wr_dec(w, warned);
		wr_str(w, ".");
	}
	wr_str(w, "\n");
}

/* --- the others ----------------------------------------------------------------------------------------- */

void checks_write_json(const struct checks *t, struct wr *w)
{
	struct json_out o = json_out(w);

	jo_obj(&o);
	member_text(&o, "domain", t->domain);
	member_truth(&o, "local", t->local);
	jo_key(&o, "checks");
	jo_arr(&o);
	for (uint32_t i = 0; i < t->n; i++) {
		const struct check *c = &t->c[i];

		jo_obj(&o);
		member_number(&o, "number", c->number);
		member_text(&o, "name", c->name);
		member_text(&o, "title", c->title);
		member_text(&o, "state", states[c->state]);
		member_text(&o, "cause", c->cause);
		member_text(&o, "fix", c->fix);
		member_number(&o, "us", c->us);
		jo_obj_end(&o);
	}
	jo_arr_end(&o);
	member_number(&o, "failed", checks_count(t, CHECK_FAIL));
	jo_obj_end(&o);
	wr_str(w, "\n");
}

void checks_write_man(struct wr *w)
{
	for (const struct check_kind *k = check_kinds; k->number; k++) {
		wr_str(w, ".It ");
		wr_dec(w, k->number);
		wr_str(w, " Li ");
		wr_str(w, k->name);
		wr_str(w, "\n");
		for (const char *c = k->man; *c; c++) {
			if (c == k->man && *c >= 'a' && *c <= 'z')
				wr_u8(w, (uint8_t)(*c - 'a' + 'A'));
			else
				wr_u8(w, (uint8_t)*c);
		}
		wr_str(w, ".\n");
	}
}
