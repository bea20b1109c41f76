/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * The value types of the configuration. A parser is given trimmed text that is not empty, and zeroed memory; it
 * leaves no byte of the field undefined, so that equal configurations are equal memory.
 */
#include "wire/conf.h"

#include "wire/ascii.h"

static int refuse(struct wr *why, const char *text)
{
	wr_str(why, text);
	return ERR_MALFORMED;
}

static bool read_dec(struct span text, uint64_t max, uint64_t *ret)
{
	uint64_t v = 0;

	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '9')
			return false;
		v = v * 10 + (uint64_t)(text.p[i] - '0');
		if (v > max)
			return false;
	}
	*ret = v;
	return text.n > 0;
}

static int port_parse(struct span text, void *field, struct wr *why)
{
	uint16_t *port = field;
	uint64_t v;

	if (!read_dec(text, UINT16_MAX, &v))
		return refuse(why, "not a port number (0 to 65535)");
	*port = (uint16_t)v;
	return 0;
}

static void port_write(struct wr *w, const void *field)
{
	const uint16_t *port = field;

	wr_dec(w, *port);
}

static int u32_parse(struct span text, void *field, struct wr *why)
{
	uint32_t *number = field;
	uint64_t v;

	if (!read_dec(text, UINT32_MAX, &v))
		return refuse(why, "not a whole number (0 to 4294967295)");
	*number = (uint32_t)v;
	return 0;
}

static void u32_write(struct wr *w, const void *field)
{
	const uint32_t *number = field;

	wr_dec(w, *number);
}

static int duration_parse(struct span text, void *field, struct wr *why)
{
	if (dur_parse(text, field) < 0)
		return refuse(why, "not a duration (250us, 20ms, 10s, 5m, 1h, 2d; a bare number is seconds)");
	return 0;
}

static void duration_write(struct wr *w, const void *field)
{
	const uint64_t *us = field;

	dur_write(w, *us);
}

static int bool_parse(struct span text, void *field, struct wr *why)
{
	static const struct {
		const char *word;
		bool value;
	} words[] = {
		{ "yes", true }, { "true", true }, { "on", true }, { "1", true },
		{ "no", false }, { "false", false }, { "off", false }, { "0", false },
	};
	bool *flag = field;

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (ascii_same(text, span_str(words[i].word))) {
			*flag = words[i].value;
			return 0;
		}
	}
	return refuse(why, "neither yes nor no");
}

static void bool_write(struct wr *w, const void *field)
{
	const bool *flag = field;

	wr_str(w, *flag ? "yes" : "no");
}

static int one_addr_parse(struct span text, void *field, struct wr *why)
{
	if (addr_parse(text, field) < 0)
		return refuse(why, "not an address (192.0.2.1, 192.0.2.1:80, 2001:db8::1, [2001:db8::1]:80)");
	return 0;
}

static void one_addr_write(struct wr *w, const void *field)
{
	char text[ADDR_TEXT_MAX];

	wr_str(w, addr_fmt(field, text));
}

static int addrs_parse(struct span text, void *field, struct wr *why)
{
	struct conf_addr_list *list = field;

	for (size_t i = 0; i < text.n;) {
		size_t from = i;
		int r;

		while (i < text.n && !ascii_is_blank(text.p[i]) && text.p[i] != ',')
			i++;
		if (i == from) {
			i++;
			continue;
		}
		if (list->n == CONF_LIST_MAX)
			return refuse(why, "more than 8 addresses");
		r = one_addr_parse(span_of(text.p + from, i - from), &list->a[list->n], why);
		if (r < 0)
			return r;
		list->n++;
	}
	return list->n ? 0 : refuse(why, "no address");
}

static void addrs_write(struct wr *w, const void *field)
{
	const struct conf_addr_list *list = field;

	for (uint32_t i = 0; i < list->n; i++) {
		if (i)
			wr_str(w, " ");
		one_addr_write(w, &list->a[i]);
	}
}

/* Only what a file can say and read back. */
static int text_parse(struct span text, void *field, struct wr *why)
{
	char *to = field;

	if (text.n >= CONF_TEXT_MAX)
		return refuse(why, "longer than 255 bytes");
	if (text.p[text.n - 1] == '\\')
		return refuse(why, "ends with a backslash");
	for (size_t i = 0; i < text.n; i++) {
		if (ascii_is_control(text.p[i]))
			return refuse(why, "a control character");
	}
	memcpy(to, text.p, text.n);
	return 0;
}

static void text_write(struct wr *w, const void *field)
{
	wr_str(w, field);
}

const struct conf_type conf_port = { "port", port_parse, port_write, sizeof(uint16_t) };
const struct conf_type conf_u32 = { "number", u32_parse, u32_write, sizeof(uint32_t) };
const struct conf_type conf_duration = { "duration", duration_parse, duration_write, sizeof(uint64_t) };
const struct conf_type conf_bool = { "yes|no", bool_parse, bool_write, sizeof(bool) };
const struct conf_type conf_addr = { "address", one_addr_parse, one_addr_write, sizeof(struct addr) };
const struct conf_type conf_addrs = { "addresses", addrs_parse, addrs_write, sizeof(struct conf_addr_list) };
const struct conf_type conf_text = { "text", text_parse, text_write, CONF_TEXT_MAX };
