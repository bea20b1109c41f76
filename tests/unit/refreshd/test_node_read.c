/* SPDX-License-Identifier: AGPL-3.0-only */
#include "refreshd/node/node_read.h"
#include "t.h"

static void diagnostics_are_cut_and_printable(void)
{
	char longer[400];
	struct node_diag d;

	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	EQ(DIAG(&d, ERR_MISSING, "a\nb", "x\x01", "\xc3\xa4", "y"), ERR_MISSING);
	EQ_STR(d.field, "a?b");
	EQ_STR(d.text, "x???y");
	EQ(DIAG(&d, ERR_LIMIT, NULL, longer, longer), ERR_LIMIT);
	EQ_STR(d.field, "a?b");
	EQ(strlen(d.text), sizeof(d.text) - 1);
}

static void numbers_as_text(void)
{
	char buf[DEC_MAX];

	EQ_STR(dec_text(0, buf), "0");
	EQ_STR(dec_text(UINT64_MAX, buf), "18446744073709551615");
}

static void each_kind_of_text(void)
{
	static const struct {
		enum text_kind kind;
		const char *text;
		bool fits;
	} rows[] = {
		{ TEXT_ANY, "a b $(c) \xc3\xa4", true },
		{ TEXT_ANY, "a\nb", false },
		{ TEXT_ANY, "a\x7f", false },
		{ TEXT_ANY, "\t", false },
		{ TEXT_ID, "acme-0a1b_2.c", true },
		{ TEXT_ID, "", false },
		{ TEXT_ID, "-a", false },
		{ TEXT_ID, ".a", false },
		{ TEXT_ID, "a b", false },
		{ TEXT_ID, "a/b", false },
		{ TEXT_ID, "$(reboot)", false },
		{ TEXT_ID, "a\xc3\xa4", false },
		{ TEXT_NAME, "call.partner.example", true },
		{ TEXT_NAME, "localhost", true },
		{ TEXT_NAME, "a..b", false },
		{ TEXT_NAME, ".a", false },
		{ TEXT_NAME, "a.", false },
		{ TEXT_NAME, "-a.b", false },
		{ TEXT_NAME, "a-.b", false },
		{ TEXT_NAME, "a;b", false },
		{ TEXT_NAME, "a b", false },
		{ TEXT_NAME, "", false },
		{ TEXT_NAME, "2001:db8::1", false },
		{ TEXT_NAME, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.b", false },
		{ TEXT_HOST, "a.b", true },
		{ TEXT_HOST, "192.0.2.1", true },
		{ TEXT_HOST, "2001:db8::1", true },
		{ TEXT_HOST, "[2001:db8::1]", false },
		{ TEXT_HOST, "a:1", false },
		{ TEXT_IP, "192.0.2.1", true },
		{ TEXT_IP, "::1", true },
		{ TEXT_IP, "::ffff:192.0.2.1", true },
		{ TEXT_IP, "192.0.2.1:80", false },
		{ TEXT_IP, "192.0.2.1:0", false },
		{ TEXT_IP, "[::1]", false },
		{ TEXT_IP, "fe80::1%1", false },
		{ TEXT_IP, "192.0.2", false },
		{ TEXT_IP, "", false },
		{ TEXT_IP, "a.b", false },
		{ TEXT_PREFIX, "10.9.0.7/32", true },
		{ TEXT_PREFIX, "10.9.0.7/24", true },
		{ TEXT_PREFIX, "10.9.0.7", true },
		{ TEXT_PREFIX, "fd00::7/128", true },
		{ TEXT_PREFIX, "10.9.0.7/33", false },
		{ TEXT_PREFIX, "10.9.0.7/", false },
		{ TEXT_PREFIX, "10.9.0.7/x", false },
		{ TEXT_PREFIX, "10.9.0.7/0032", false },
		{ TEXT_PREFIX, "/32", false },
		{ TEXT_WORD, "mlkem768x25519plus.native.0rtt.X-_=", true },
		{ TEXT_WORD, "a b", false },
		{ TEXT_WORD, "a'b", false },
		{ TEXT_WORD, "a\"b", false },
		{ TEXT_WORD, "a\\b", false },
		{ TEXT_WORD, "a`b", false },
		{ TEXT_WORD, "", false },
		{ TEXT_HEX, "abCD12", true },
		{ TEXT_HEX, "abc", false },
		{ TEXT_HEX, "xy", false },
		{ TEXT_HEX, "", false },
		{ TEXT_KEY43, "ypeBEsobvcr6wjGzmiPcTaeG7_gUfE5yuYB3ha_uSLs", true },
		{ TEXT_KEY43, "ypeBEsobvcr6wjGzmiPcTaeG7/gUfE5yuYB3ha/uSLs", false },
		{ TEXT_KEY43, "ypeB", false },
		{ TEXT_KEY43, "ypeBEsobvcr6wjGzmiPcTaeG7_gUfE5yuYB3ha_uSLsA", false },
		{ TEXT_KEY44, "YsZqel3XDDFGYYBjw0TlMebUtZ43mAhEPOlis6vWPFo=", true },
		{ TEXT_KEY44, "YsZqel3XDDFGYYBjw0TlMebUtZ43mAhEPOlis6vWPFo", false },
		{ TEXT_KEY44, "", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char row[120];

		snprintf(row, sizeof(row), "kind %d of \"%s\": ", (int)rows[i].kind, rows[i].text);
		t_row = row;
		EQ(text_fits(rows[i].kind, span_str(rows[i].text)), rows[i].fits);
		t_row = "";
	}
}

static void ports_behind_hosts(void)
{
	static const struct {
		const char *text, *host; /* NULL: refused */
		uint16_t port;
	} rows[] = {
		{ "203.0.113.10:5349", "203.0.113.10", 5349 },
		{ "a.example:1", "a.example", 1 },
		{ "[2001:db8::1]:443", "2001:db8::1", 443 },
		{ "2001:db8::1:443", NULL, 0 },
		{ "a.example", NULL, 0 },
		{ ":443", NULL, 0 },
		{ "a.example:", NULL, 0 },
		{ "a.example:0", NULL, 0 },
		{ "a.example:65536", NULL, 0 },
		{ "a.example:4 ", NULL, 0 },
		{ "[]:443", NULL, 0 },
		{ "", NULL, 0 },
		{ "[::1:443", NULL, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct span host;
		uint16_t port = 0;
		int r = text_split_port(span_str(rows[i].text), &host, &port);

		t_row = rows[i].text;
		EQ(r, rows[i].host ? 0 : ERR_MALFORMED);
		if (r == 0) {
			EQ_SPAN(host, span_str(rows[i].host));
			EQ(port, rows[i].port);
		}
	}
	EQ_SPAN(text_without_length(SPAN_LIT("10.9.0.7/32")), SPAN_LIT("10.9.0.7"));
	EQ_SPAN(text_without_length(SPAN_LIT("10.9.0.7")), SPAN_LIT("10.9.0.7"));
}

static void lines_of_a_text(void)
{
	struct rd r = rd_from(SPAN_LIT("a\r\r\n\nb"));
	struct span s;

	OK(text_line(&r, &s));
	EQ_SPAN(s, SPAN_LIT("a"));
	OK(text_line(&r, &s));
	EQ(s.n, 0);
	OK(text_line(&r, &s));
	EQ_SPAN(s, SPAN_LIT("b"));
	OK(!text_line(&r, &s));
}

/* One member read; what it came to. */
static void members_fail_once_and_are_named(void)
{
	static const char text[] = "{\"s\":\"a b\",\"blank\":\" \\n\","
				   "\"null\":null,\"n\":5,\"line\":\"a\\nb\",\"p\":\"443\",\"z\":0,\"f\":1.5,\"o\":{}}";
	struct json_tok tok[64];
	struct node_diag d = { "", "" };
	struct node_in in = { .diag = &d, .where = "top." }, fresh;
	struct secret secret = { .n = 0 };
	char buf[16];
	uint16_t port = 7;
	uint64_t v = 0;
	struct json j;

	EQ(json_parse(span_str(text), tok, 64, &j), 0);
	in.j = &j;
	fresh = in;
	in_text(&in, 0, "s", TEXT_ANY, buf, sizeof(buf));
	EQ_STR(buf, "a b");
	in_text(&in, 0, "blank", TEXT_ID, buf, sizeof(buf));
	EQ_STR(buf, "");
	in_text(&in, 0, "null", TEXT_ID, buf, sizeof(buf));
	EQ_STR(buf, "");
	in_text(&in, 0, "absent", TEXT_ID, buf, sizeof(buf));
	EQ_STR(buf, "");
	in_secret(&in, 0, "s", &secret);
	EQ_SPAN(secret_span(&secret), SPAN_LIT("a b"));
	in_port(&in, 0, "p", 1, &port);
	EQ(port, 443);
	in_port(&in, 0, "absent", 9, &port);
	EQ(port, 9);
	in_port(&in, 0, "blank", 8, &port);
	EQ(port, 9); /* escapes are no digits, nor blank */
	EQ(in.err, ERR_MALFORMED);
	in = fresh;
	in_u64(&in, 0, "n", &v);
	EQ(v, 5);
	EQ(in.err, 0);
	in_port(&in, 0, "z", 1, &port);
	EQ(in.err, ERR_MALFORMED);
	EQ_STR(d.field, "top.z");
	in_text(&in, 0, "line", TEXT_ANY, buf, sizeof(buf)); /* stays at the first fault */
	EQ_STR(d.field, "top.z");
	in = fresh;
	in_text(&in, 0, "line", TEXT_ANY, buf, sizeof(buf));
	EQ_STR(d.text, "top.line has a control character in it; ask central's admin to correct it");
	in = fresh;
	in_text(&in, 0, "n", TEXT_ANY, buf, sizeof(buf));
	EQ_STR(d.text, "top.n is not a string; ask central's admin to correct it");
	in = fresh;
	in_text(&in, 0, "s", TEXT_ANY, buf, 3);
	EQ_STR(d.text, "top.s is too long; ask central's admin to correct it");
	in = fresh;
	in_u64(&in, 0, "f", &v);
	EQ_STR(d.field, "top.f");
	in = fresh;
	EQ(in_member(&in, 0, "o", JSON_ARRAY, " is no list"), -1);
	EQ_STR(d.field, "top.o");
	in = fresh;
	OK(in_member(&in, 0, "o", JSON_OBJECT, "") > 0);
	EQ(in_member(&in, 0, "null", JSON_OBJECT, ""), -1);
	EQ(in.err, 0);
}

T_MAIN(T(diagnostics_are_cut_and_printable), T(numbers_as_text), T(each_kind_of_text), T(ports_behind_hosts), T(lines_of_a_text),
       T(members_fail_once_and_are_named))
