/* SPDX-License-Identifier: AGPL-3.0-only */
#include "healthd/page/prom_line.h"

#include "healthd/page/utf8.h"

static const char *const types[PROM_TYPE_MAX_] = {
	[PROM_UNTYPED] = "untyped",     [PROM_COUNTER] = "counter", [PROM_GAUGE] = "gauge",
	[PROM_HISTOGRAM] = "histogram", [PROM_SUMMARY] = "summary",
};

const char *prom_type_str(enum prom_type t)
{
	return t >= 0 && t < PROM_TYPE_MAX_ ? types[t] : "";
}

static int peek(const struct rd *r)
{
	return rd_left(r) ? *r->p : -1;
}

static bool is_blank(int c)
{
	return c == ' ' || c == '\t';
}

static bool is_digit(int c)
{
	return c >= '0' && c <= '9';
}

static void skip_blank(struct rd *r)
{
	while (is_blank(peek(r)))
		rd_skip(r, 1);
}

/* [a-zA-Z_:][a-zA-Z0-9_:]*; a label's name has no colon. */
static struct span take_name(struct rd *r, bool colon)
{
	const uint8_t *from = r->p;

	for (int c; (c = peek(r)) >= 0; rd_skip(r, 1)) {
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (colon && c == ':');

		if (!letter && (r->p == from || !is_digit(c)))
			break;
	}
	return span_of(from, (size_t)(r->p - from));
}

static struct span take_word(struct rd *r)
{
	const uint8_t *from = r->p;

	while (peek(r) >= 0 && !is_blank(peek(r)))
		rd_skip(r, 1);
	return span_of(from, (size_t)(r->p - from));
}

static bool digits(struct rd *r)
{
	const uint8_t *from = r->p;

	while (is_digit(peek(r)))
		rd_skip(r, 1);
	return r->p > from;
}

static bool is_number(struct span s)
{
	static const char *const words[] = { "NaN", "Inf", "+Inf", "-Inf" };
	struct rd r = rd_from(s);
	bool some;

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (span_is(s, words[i]))
			return true;
	}
	if (peek(&r) == '+' || peek(&r) == '-')
		rd_skip(&r, 1);
	some = digits(&r);
	if (peek(&r) == '.') {
		rd_skip(&r, 1);
		some |= digits(&r);
	}
	if (some && (peek(&r) == 'e' || peek(&r) == 'E')) {
		rd_skip(&r, 1);
		if (peek(&r) == '+' || peek(&r) == '-')
			rd_skip(&r, 1);
		some = digits(&r);
	}
	return some && rd_left(&r) == 0;
}

static bool is_stamp(struct span s)
{
	struct rd r = rd_from(s);

	if (peek(&r) == '-')
		rd_skip(&r, 1);
	return digits(&r) && rd_left(&r) == 0;
}

static bool is_text(struct span s)
{
	for (size_t n; s.n; s = span_of(s.p + n, s.n - n)) {
		n = utf8_first(s);
		if (n == 0 || s.p[0] == 0x7f || (s.p[0] < ' ' && s.p[0] != '\t'))
			return false;
	}
	return true;
}

/* Between quotes: \\, \" and \n are the escapes. */
static bool take_value(struct rd *r, struct span *ret)
{
	const uint8_t *from;

	if (rd_u8(r) != '"')
		return false;
	from = r->p;
	for (int c; (c = peek(r)) >= 0 && c != '"'; rd_skip(r, 1)) {
		if (c != '\\')
			continue;
		rd_skip(r, 1);
		if (peek(r) != '\\' && peek(r) != '"' && peek(r) != 'n')
			return false;
	}
	*ret = span_of(from, (size_t)(r->p - from));
	return rd_u8(r) == '"' && !r->bad;
}

static bool take_label(struct rd *r, struct prom_line *l)
{
	struct prom_label_text *t = &l->label[l->n_labels];

	if (l->n_labels == PROM_MERGE_LABELS)
		return false;
	t->name = take_name(r, false);
	skip_blank(r);
	if (t->name.n == 0 || rd_u8(r) != '=')
		return false;
	skip_blank(r);
	if (!take_value(r, &t->value))
		return false;
	for (uint32_t i = 0; i < l->n_labels; i++) {
		if (span_eq(l->label[i].name, t->name))
			return false;
	}
	l->n_labels++;
	skip_blank(r);
	return true;
}

static bool take_labels(struct rd *r, struct prom_line *l)
{
	if (peek(r) != '{')
		return true;
	rd_skip(r, 1);
	skip_blank(r);
	while (peek(r) != '}') {
		if (!take_label(r, l))
			return false;
		if (peek(r) != ',')
			break;
		rd_skip(r, 1);
		skip_blank(r);
	}
	return rd_u8(r) == '}' && !r->bad;
}

static int parse_sample(struct rd r, struct prom_line *l)
{
	struct span stamp;

	l->kind = PROM_SAMPLE;
	l->name = take_name(&r, true);
	skip_blank(&r);
	if (l->name.n == 0 || !take_labels(&r, l))
		return ERR_MALFORMED;
	skip_blank(&r);
	l->value = take_word(&r);
	skip_blank(&r);
	stamp = take_word(&r);
	skip_blank(&r);
	return is_number(l->value) && (stamp.n == 0 || is_stamp(stamp)) && rd_left(&r) == 0 ? 0 : ERR_MALFORMED;
}

static int parse_comment(struct rd r, struct prom_line *l)
{
	struct span word, type;

	skip_blank(&r);
	word = take_word(&r);
	if (!span_is(word, "HELP") && !span_is(word, "TYPE"))
		return 0;
	skip_blank(&r);
	l->name = take_name(&r, true);
	if (l->name.n == 0 || (rd_left(&r) && !is_blank(peek(&r))))
		return ERR_MALFORMED;
	skip_blank(&r);
	if (span_is(word, "HELP")) {
		l->kind = PROM_HELP;
		l->text = span_of(r.p, rd_left(&r));
		return 0;
	}
	l->kind = PROM_TYPE;
	type = take_word(&r);
	skip_blank(&r);
	for (int t = 0; t < PROM_TYPE_MAX_; t++) {
		l->type = (enum prom_type)t;
		if (span_is(type, types[t]))
			return rd_left(&r) ? ERR_MALFORMED : 0;
	}
	return ERR_MALFORMED;
}

int prom_line_parse(struct span line, struct prom_line *ret)
{
	struct rd r = rd_from(line);

	ret->kind = PROM_OTHER;
	ret->n_labels = 0;
	if (!is_text(line))
		return ERR_MALFORMED;
	skip_blank(&r);
	if (rd_left(&r) == 0)
		return 0;
	if (peek(&r) != '#')
		return parse_sample(r, ret);
	rd_skip(&r, 1);
	return parse_comment(r, ret);
}
