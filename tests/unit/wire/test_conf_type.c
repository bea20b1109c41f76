/* SPDX-License-Identifier: AGPL-3.0-only */
#include "wire/conf.h"

#include "t.h"

union field {
	uint16_t port;
	uint32_t number;
	uint64_t us;
	bool flag;
	struct addr addr;
	struct conf_addr_list list;
	struct conf_addr_set addr_set;
	struct conf_prefix_set prefixes;
	struct conf_text_list texts;
	char text[CONF_TEXT_MAX];
};

static const struct {
	const struct conf_type *type;
	const char *text, *want;
} rows[] = {
	{ &conf_port, "0", "0" },
	{ &conf_port, "65535", "65535" },
	{ &conf_port, "0080", "80" },
	{ &conf_port, "65536", NULL },
	{ &conf_port, "-1", NULL },
	{ &conf_port, "+1", NULL },
	{ &conf_port, "80 ", NULL },
	{ &conf_port, "http", NULL },
	{ &conf_u32, "4294967295", "4294967295" },
	{ &conf_u32, "4294967296", NULL },
	{ &conf_u32, "99999999999999999999999", NULL },
	{ &conf_u32, "1.5", NULL },
	{ &conf_u32, "0x10", NULL },
	{ &conf_u64, "0", "0" },
	{ &conf_u64, "18446744073709551615", "18446744073709551615" },
	{ &conf_u64, "18446744073709551616", NULL },
	{ &conf_u64, "18446744073709551620", NULL },
	{ &conf_u64, "99999999999999999999999", NULL },
	{ &conf_u64, "1k", NULL },
	{ &conf_u64, "-1", NULL },
	{ &conf_duration, "10m", "10m" },
	{ &conf_duration, "600s", "10m" },
	{ &conf_duration, "600", "10m" },
	{ &conf_duration, "1500ms", "1500ms" },
	{ &conf_duration, "0", "0s" },
	{ &conf_duration, "-1s", NULL },
	{ &conf_duration, "1 year", NULL },
	{ &conf_duration, "99999999999999999d", NULL },
	{ &conf_bool, "YES", "yes" },
	{ &conf_bool, "true", "yes" },
	{ &conf_bool, "On", "yes" },
	{ &conf_bool, "1", "yes" },
	{ &conf_bool, "no", "no" },
	{ &conf_bool, "False", "no" },
	{ &conf_bool, "oFF", "no" },
	{ &conf_bool, "0", "no" },
	{ &conf_bool, "maybe", NULL },
	{ &conf_bool, "\x11", NULL },
	{ &conf_bool, "ye", NULL },
	{ &conf_addr, "192.0.2.1", "192.0.2.1" },
	{ &conf_addr, "192.0.2.1:80", "192.0.2.1:80" },
	{ &conf_addr, "[2001:DB8:0::1]:80", "[2001:db8::1]:80" },
	{ &conf_addr, "localhost", NULL },
	{ &conf_addr, "192.0.2.1 192.0.2.2", NULL },
	{ &conf_addrs, "192.0.2.1, 192.0.2.2:1\t::1", "192.0.2.1 192.0.2.2:1 ::1" },
	{ &conf_addrs, "::1 ::1 ::1 ::1 ::1 ::1 ::1 ::1", "::1 ::1 ::1 ::1 ::1 ::1 ::1 ::1" },
	{ &conf_addrs, "::1 ::1 ::1 ::1 ::1 ::1 ::1 ::1 ::1", NULL },
	{ &conf_addrs, ",", NULL },
	{ &conf_addrs, "::1 x", NULL },
	{ &conf_addr_set, "192.0.2.1,::1 [::1]:9", "192.0.2.1 ::1 [::1]:9" },
	{ &conf_addr_set, " , ", NULL },
	{ &conf_addr_set, "192.0.2.1/32", NULL },
	{ &conf_prefixes, "203.0.113.0/24, 2001:DB8::/32", "203.0.113.0/24 2001:db8::/32" },
	{ &conf_prefixes, "192.0.2.1 2001:db8::1", "192.0.2.1/32 2001:db8::1/128" },
	{ &conf_prefixes, "0.0.0.0/0 ::/0", "0.0.0.0/0 ::/0" },
	{ &conf_prefixes, "192.0.2.1/31", NULL },
	{ &conf_prefixes, "192.0.2.2/31", "192.0.2.2/31" },
	{ &conf_prefixes, "2001:db8::1/64", NULL },
	{ &conf_prefixes, "192.0.2.0/33", NULL },
	{ &conf_prefixes, "2001:db8::/129", NULL },
	{ &conf_prefixes, "::ffff:192.0.2.0/120", NULL },
	{ &conf_prefixes, "192.0.2.0/", NULL },
	{ &conf_prefixes, "/24", NULL },
	{ &conf_prefixes, "192.0.2.0/24/24", NULL },
	{ &conf_prefixes, "192.0.2.0/-1", NULL },
	{ &conf_prefixes, "192.0.2.0:80/24", NULL },
	{ &conf_prefixes, "fe80::%2/64", NULL },
	{ &conf_prefixes, "example.org", NULL },
	{ &conf_texts, "/etc/a, /etc/b", "/etc/a /etc/b" },
	{ &conf_texts, "a b c d", "a b c d" },
	{ &conf_texts, "a b c d e", NULL },
	{ &conf_texts, "a\\ b", NULL },
	{ &conf_text, "a b", "a b" },
	{ &conf_text, "\xc3\xa4\tb", "\xc3\xa4\tb" },
	{ &conf_text, "a\nb", NULL },
	{ &conf_text, "a\x7f", NULL },
	{ &conf_text, "a\\", NULL },
};

/* Each type reads its texts and writes the one that reads back to equal memory; NULL: refused with a reason. */
static void types_read_and_write(void)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		union field a, b;
		char why_buf[160];
		uint8_t out[512];
		struct wr why = wr_from(why_buf, sizeof(why_buf)), w = wr_from(out, sizeof(out));

		t_row = rows[i].text;
		memset(&a, 0, sizeof(a));
		memset(&b, 0, sizeof(b));
		EQ(rows[i].type->parse(span_str(rows[i].text), &a, &why), rows[i].want ? 0 : ERR_MALFORMED);
		OK(!why.bad);
		EQ(wr_len(&why) == 0, rows[i].want != NULL);
		if (!rows[i].want)
			continue;
		rows[i].type->write(&w, &a);
		EQ_SPAN(wr_span_of(&w), span_str(rows[i].want));
		EQ(rows[i].type->parse(wr_span_of(&w), &b, &why), 0);
		EQ_SPAN(span_of(&b, sizeof(b)), span_of(&a, sizeof(a)));
	}
}

/* 255 bytes of text fit, with the NUL behind them. */
static void text_is_bounded(void)
{
	for (size_t n = CONF_TEXT_MAX - 1; n <= CONF_TEXT_MAX; n++) {
		char in[CONF_TEXT_MAX], field[CONF_TEXT_MAX] = { 0 }, why_buf[160];
		struct wr why = wr_from(why_buf, sizeof(why_buf));

		memset(in, 'x', sizeof(in));
		EQ(conf_text.parse(span_of(in, n), field, &why), n < CONF_TEXT_MAX ? 0 : ERR_MALFORMED);
		EQ(strlen(field), n < CONF_TEXT_MAX ? n : 0);
	}
}

/* A type that appends keeps what is there, up to its bound; a word too many is refused. */
static void lists_grow_to_their_bound(void)
{
	static const struct {
		const struct conf_type *type;
		const char *word;
		uint32_t max;
	} lists[] = {
		{ &conf_addr_set, "[2001:db8:1111:2222:3333:4444:5555:6666]:65535", CONF_SET_MAX },
		{ &conf_prefixes, "2001:db8:1111:2222:3333:4444:5555:6666/128", CONF_SET_MAX },
		{ &conf_texts, "/etc/edge/secret", CONF_TEXTS_MAX },
	};

	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		union field f;
		char why_buf[160];
		uint8_t out[4096];
		struct wr why = wr_from(why_buf, sizeof(why_buf)), w = wr_from(out, sizeof(out));

		t_row = lists[i].word;
		OK(lists[i].type->appends);
		memset(&f, 0, sizeof(f));
		for (uint32_t k = 0; k < lists[i].max; k++)
			EQ(lists[i].type->parse(span_str(lists[i].word), &f, &why), 0);
		EQ(lists[i].type->parse(span_str(lists[i].word), &f, &why), ERR_MALFORMED);
		lists[i].type->write(&w, &f);
		EQ(wr_len(&w), lists[i].max * (strlen(lists[i].word) + 1) - 1);
	}
}

T_MAIN(T(lists_grow_to_their_bound), T(types_read_and_write), T(text_is_bounded))
