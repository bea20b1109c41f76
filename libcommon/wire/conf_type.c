/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * The value types of the configuration. A parser is given trimmed text that is not empty, and zeroed memory or, if it
 * appends, what it made of earlier texts; it leaves no byte of the field undefined, so that equal configurations are
 * equal memory.
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
		if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, text.p[i] - '0', &v) || v > max)
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

static int u64_parse(struct span text, void *field, struct wr *why)
{
	if (!read_dec(text, UINT64_MAX, field))
		return refuse(why, "not a whole number (0 to 18446744073709551615)");
	return 0;
}

static void u64_write(struct wr *w, const void *field)
{
	const uint64_t *number = field;

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

/* The next word of text, which loses it; blanks and commas separate. Empty at the end. */
static struct span next_word(struct span *text)
{
	size_t from = 0, to;

	while (from < text->n && (ascii_is_blank(text->p[from]) || text->p[from] == ','))
		from++;
	for (to = from; to < text->n && !ascii_is_blank(text->p[to]) && text->p[to] != ',';)
		to++;
	struct span word = span_of(text->p + from, to - from);

	*text = span_of(text->p + to, text->n - to);
	return word;
}

/* Parses each word into the next of `max` elements behind the *n that are there. */
static int words_parse(struct span text, conf_parse_fn *parse, void *array, size_t size, uint32_t max, uint32_t *n,
		       struct wr *why)
{
	uint32_t before = *n;

	for (struct span word = next_word(&text); word.n; word = next_word(&text)) {
		int r;

		if (*n == max) {
			wr_str(why, "more than ");
			wr_dec(why, max);
			return refuse(why, " in the list");
		}
		r = parse(word, (char *)array + *n * size, why);
		if (r < 0)
			return r;
		++*n;
	}
	return *n > before ? 0 : refuse(why, "nothing in the list");
}

static void words_write(struct wr *w, conf_write_fn *write, const void *array, size_t size, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (i)
			wr_str(w, " ");
		write(w, (const char *)array + i * size);
	}
}

static int addrs_parse(struct span text, void *field, struct wr *why)
{
	struct conf_addr_list *list = field;

	return words_parse(text, one_addr_parse, list->a, sizeof(list->a[0]), CONF_LIST_MAX, &list->n, why);
}

static void addrs_write(struct wr *w, const void *field)
{
	const struct conf_addr_list *list = field;

	words_write(w, one_addr_write, list->a, sizeof(list->a[0]), list->n);
}

static int addr_set_parse(struct span text, void *field, struct wr *why)
{
	struct conf_addr_set *set = field;

	return words_parse(text, one_addr_parse, set->a, sizeof(set->a[0]), CONF_SET_MAX, &set->n, why);
}

static void addr_set_write(struct wr *w, const void *field)
{
	const struct conf_addr_set *set = field;

	words_write(w, one_addr_write, set->a, sizeof(set->a[0]), set->n);
}

/* A bit behind the prefix is a mistake of which nobody can say whether the address or the length was meant. */
static bool ends_in_zeros(const uint8_t *ip, unsigned bits)
{
	for (unsigned i = bits; i < 128; i++) {
		if (ip[i / 8] >> (7 - i % 8) & 1)
			return false;
	}
	return true;
}

static int one_prefix_parse(struct span text, void *field, struct wr *why)
{
	static const char malformed[] = "not a prefix (192.0.2.0/24, 2001:db8::/32; a bare address is a prefix, too)";
	struct conf_prefix p = { .len = 0 }, *ret = field;
	const uint8_t *slash = memchr(text.p, '/', text.n);
	size_t n = slash ? (size_t)(slash - text.p) : text.n;
	uint64_t len;
	unsigned bits;

	if (addr_parse(span_of(text.p, n), &p.ip) < 0 || p.ip.port != 0 || p.ip.scope != 0)
		return refuse(why, malformed);
	bits = addr_is_v4(&p.ip) ? 32 : 128;
	len = bits;
	if (slash && !read_dec(span_of(slash + 1, text.n - n - 1), bits, &len))
		return refuse(why, malformed);
	if (!ends_in_zeros(p.ip.ip, 128 - bits + (unsigned)len))
		return refuse(why, "bits of the address are set behind the length of the prefix");
	p.len = (uint8_t)len;
	memcpy(&ret->ip, &p.ip, sizeof(p.ip)); /* the padding stays zeroed */
	ret->len = p.len;
	return 0;
}

static void one_prefix_write(struct wr *w, const void *field)
{
	const struct conf_prefix *p = field;

	one_addr_write(w, &p->ip);
	wr_str(w, "/");
	wr_dec(w, p->len);
}

static int prefixes_parse(struct span text, void *field, struct wr *why)
{
	struct conf_prefix_set *set = field;

	return words_parse(text, one_prefix_parse, set->p, sizeof(set->p[0]), CONF_SET_MAX, &set->n, why);
}

static void prefixes_write(struct wr *w, const void *field)
{
	const struct conf_prefix_set *set = field;

	words_write(w, one_prefix_write, set->p, sizeof(set->p[0]), set->n);
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

static int texts_parse(struct span text, void *field, struct wr *why)
{
	struct conf_text_list *list = field;

	return words_parse(text, text_parse, list->t, CONF_TEXT_MAX, CONF_TEXTS_MAX, &list->n, why);
}

static void texts_write(struct wr *w, const void *field)
{
	const struct conf_text_list *list = field;

	words_write(w, text_write, list->t, CONF_TEXT_MAX, list->n);
}

const struct conf_type conf_port = { "port", port_parse, port_write, sizeof(uint16_t), false };
const struct conf_type conf_u32 = { "number", u32_parse, u32_write, sizeof(uint32_t), false };
const struct conf_type conf_u64 = { "number", u64_parse, u64_write, sizeof(uint64_t), false };
const struct conf_type conf_duration = { "duration", duration_parse, duration_write, sizeof(uint64_t), false };
const struct conf_type conf_bool = { "yes|no", bool_parse, bool_write, sizeof(bool), false };
const struct conf_type conf_addr = { "address", one_addr_parse, one_addr_write, sizeof(struct addr), false };
const struct conf_type conf_addrs = { "addresses", addrs_parse, addrs_write, sizeof(struct conf_addr_list), false };
const struct conf_type conf_text = { "text", text_parse, text_write, CONF_TEXT_MAX, false };
const struct conf_type conf_addr_set = { "addresses", addr_set_parse, addr_set_write, sizeof(struct conf_addr_set), true };
const struct conf_type conf_prefixes = { "prefixes", prefixes_parse, prefixes_write, sizeof(struct conf_prefix_set), true };
const struct conf_type conf_texts = { "texts", texts_parse, texts_write, sizeof(struct conf_text_list), true };
