/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * RFC 8259, strictly. The parser validates every byte before a token is trusted, so the readers below
 * walk strings without checking them again. Recursion is bounded by JSON_DEPTH.
 */
#include "base/json.h"

struct parser {
	struct span text;
	size_t i;
	struct json_tok *tok;
	uint32_t n, max, depth;
	bool limit; /* a bound stopped us, not the text */
};

/* The one-letter escapes and what they stand for. */
static const char escapes[] = "\"\\/bfnrt", escaped[] = "\"\\/\b\f\n\r\t";

static bool parse_value(struct parser *p);

static int peek(const struct parser *p)
{
	return p->i < p->text.n ? p->text.p[p->i] : -1;
}

static bool accept(struct parser *p, char c)
{
	if (peek(p) != c)
		return false;
	p->i++;
	return true;
}

static void skip_space(struct parser *p)
{
	while (accept(p, ' ') || accept(p, '\t') || accept(p, '\n') || accept(p, '\r'))
		continue;
}

/* Bytes of the well-formed sequence at the start of s (RFC 3629 4), 0 when there is none. */
static size_t utf8_len(struct span s)
{
	static const uint32_t least[5] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint8_t c = s.n ? s.p[0] : 0x80;
	size_t n = c < 0x80 ? 1 : c < 0xc0 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf8 ? 4 : 0;
	uint32_t v;

	if (n < 2)
		return n;
	if (n > s.n)
		return 0;
	v = c & (0xffu >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		if ((s.p[i] & 0xc0) != 0x80)
			return 0;
		v = v << 6 | (s.p[i] & 0x3fu);
	}
	if (v < least[n] || v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff))
		return 0;
	return n;
}

static void utf8_put(struct wr *w, uint32_t v)
{
	static const uint8_t lead[5] = { 0, 0, 0xc0, 0xe0, 0xf0 };
	uint32_t n = v < 0x80 ? 1 : v < 0x800 ? 2 : v < 0x10000 ? 3 : 4;

	wr_u8(w, (uint8_t)(lead[n] | v >> 6 * (n - 1)));
	while (--n)
		wr_u8(w, (uint8_t)(0x80 | (v >> 6 * (n - 1) & 0x3f)));
}

/* Four hexadecimal digits, -1 when they are not. */
static int32_t hex4(struct rd *r)
{
	int32_t v = 0;

	for (int i = 0; i < 4; i++) {
		int c = rd_u8(r), low = c | 0x20;

		if (c >= '0' && c <= '9')
			v = v << 4 | (c - '0');
		else if (low >= 'a' && low <= 'f')
			v = v << 4 | (low - 'a' + 10);
		else
			return -1;
	}
	return v;
}

/* The code point of the escape after a backslash, or -1. A pair of surrogates is one code point. */
static int32_t escape_take(struct rd *r)
{
	uint8_t c = rd_u8(r);
	const char *at = memchr(escapes, c, sizeof(escapes) - 1);
	int32_t hi, lo;

	if (c != 'u')
		return at ? escaped[at - escapes] : -1;
	hi = hex4(r);
	if (hi <= 0 || (hi >= 0xdc00 && hi <= 0xdfff))
		return -1;
	if (hi < 0xd800 || hi > 0xdbff)
		return hi;
	if (rd_u8(r) != '\\' || rd_u8(r) != 'u')
		return -1;
	lo = hex4(r);
	return lo >= 0xdc00 && lo <= 0xdfff ? 0x10000 + ((hi - 0xd800) << 10) + (lo - 0xdc00) : -1;
}

/* Takes one character as UTF-8 into out; returns its bytes, 0 at the end or when it is malformed. */
static size_t char_take(struct rd *r, uint8_t out[4])
{
	size_t n = utf8_len(span_of(r->p, rd_left(r)));
	struct wr w = wr_from(out, 4);
	const uint8_t *p = rd_take(r, n);
	int32_t v;

	if (n && p[0] != '\\') {
		wr_bytes(&w, p, n);
	} else if (n) {
		v = escape_take(r);
		if (v >= 0)
			utf8_put(&w, (uint32_t)v);
	}
	return wr_len(&w);
}

static bool tok_new(struct parser *p, enum json_type type)
{
	p->limit = p->n == p->max;
	if (p->limit)
		return false;
	p->tok[p->n++] = (struct json_tok){ .type = type, .at = (uint32_t)p->i };
	return true;
}

static void tok_end(struct parser *p, uint32_t t)
{
	p->tok[t].len = (uint32_t)p->i - p->tok[t].at;
	p->tok[t].skip = p->n;
}

static bool parse_string(struct parser *p)
{
	uint32_t t = p->n;
	uint8_t c[4];
	struct rd r;

	if (!accept(p, '"') || !tok_new(p, JSON_STRING))
		return false;
	r = rd_from(span_of(p->text.p + p->i, p->text.n - p->i));
	while (rd_left(&r) && *r.p != '"') {
		if (*r.p < 0x20 || char_take(&r, c) == 0)
			return false;
	}
	p->i = (size_t)(r.p - p->text.p);
	tok_end(p, t);
	return accept(p, '"');
}

static bool digits(struct parser *p)
{
	size_t from = p->i;

	while (peek(p) >= '0' && peek(p) <= '9')
		p->i++;
	return p->i > from;
}

static bool parse_number(struct parser *p)
{
	uint32_t t = p->n;

	if (!tok_new(p, JSON_NUMBER))
		return false;
	accept(p, '-');
	if ((!accept(p, '0') && !digits(p)) || (accept(p, '.') && !digits(p)))
		return false;
	if (accept(p, 'e') || accept(p, 'E')) {
		(void)(accept(p, '+') || accept(p, '-'));
		if (!digits(p))
			return false;
	}
	tok_end(p, t);
	return true;
}

static bool parse_word(struct parser *p, const char *word, enum json_type type)
{
	uint32_t t = p->n;
	size_t n = strlen(word);

	if (p->text.n - p->i < n || memcmp(p->text.p + p->i, word, n) != 0 || !tok_new(p, type))
		return false;
	p->i += n;
	tok_end(p, t);
	return true;
}

static struct span tok_text(struct span text, const struct json_tok *t)
{
	return span_of(text.p + t->at, t->len);
}

static bool same_text(struct span a, struct span b)
{
	struct rd ra = rd_from(a), rb = rd_from(b);
	uint8_t x[4], y[4];
	size_t n;

	do {
		n = char_take(&ra, x);
		if (char_take(&rb, y) != n || memcmp(x, y, n) != 0)
			return false;
	} while (n);
	return true;
}

/* The same, for a plain text that may hold backslashes of its own. */
static bool text_is(struct span escaped_text, struct span plain)
{
	struct rd r = rd_from(escaped_text), want = rd_from(plain);
	uint8_t c[4];
	size_t n;

	while ((n = char_take(&r, c)) != 0) {
		if (!span_eq(span_of(c, n), rd_span(&want, n)))
			return false;
	}
	return rd_left(&want) == 0;
}

static uint32_t text_hash(struct span s)
{
	struct rd r = rd_from(s);
	uint32_t h = 2166136261u; /* FNV-1a */
	uint8_t c[4];
	size_t n;

	while ((n = char_take(&r, c)) != 0) {
		for (size_t i = 0; i < n; i++)
			h = (h ^ c[i]) * 16777619u;
	}
	return h;
}

/* Pairs of keys, but of hashes that wait in a field keys do not use: a wide object costs compares of integers. */
static bool keys_differ(struct parser *p, uint32_t obj)
{
	struct json_tok *tok = p->tok;
	bool ok = true;

	for (uint32_t k = obj + 1; k < p->n; k = tok[k + 1].skip)
		tok[k].children = text_hash(tok_text(p->text, &tok[k]));
	for (uint32_t k = obj + 1; ok && k < p->n; k = tok[k + 1].skip) {
		for (uint32_t e = obj + 1; ok && e < k; e = tok[e + 1].skip)
			ok = tok[e].children != tok[k].children ||
			     !same_text(tok_text(p->text, &tok[e]), tok_text(p->text, &tok[k]));
	}
	for (uint32_t k = obj + 1; k < p->n; k = tok[k + 1].skip)
		tok[k].children = 0;
	return ok;
}

static bool parse_member(struct parser *p)
{
	if (!parse_string(p))
		return false;
	skip_space(p);
	if (!accept(p, ':'))
		return false;
	skip_space(p);
	return parse_value(p);
}

static bool parse_container(struct parser *p, enum json_type type, char close)
{
	uint32_t t = p->n;

	p->limit = p->depth == JSON_DEPTH;
	if (p->limit || !tok_new(p, type))
		return false;
	p->depth++;
	p->i++;
	skip_space(p);
	if (!accept(p, close)) {
		do {
			skip_space(p);
			if (!(type == JSON_OBJECT ? parse_member(p) : parse_value(p)))
				return false;
			p->tok[t].children++;
			skip_space(p);
		} while (accept(p, ','));
		if (!accept(p, close))
			return false;
	}
	p->depth--;
	tok_end(p, t);
	return type != JSON_OBJECT || keys_differ(p, t);
}

static bool parse_value(struct parser *p)
{
	switch (peek(p)) {
	case '{':
		return parse_container(p, JSON_OBJECT, '}');
	case '[':
		return parse_container(p, JSON_ARRAY, ']');
	case '"':
		return parse_string(p);
	case 't':
		return parse_word(p, "true", JSON_BOOL);
	case 'f':
		return parse_word(p, "false", JSON_BOOL);
	case 'n':
		return parse_word(p, "null", JSON_NULL);
	default:
		return parse_number(p);
	}
}

int json_parse(struct span text, struct json_tok *tok, uint32_t max, struct json *ret)
{
	struct parser p = { .text = text, .tok = tok, .max = max };
	bool ok;

	if (text.n > UINT32_MAX)
		return ERR_LIMIT;
	skip_space(&p);
	ok = parse_value(&p);
	skip_space(&p);
	if (!ok || p.i != text.n)
		return p.limit ? ERR_LIMIT : ERR_MALFORMED;
	*ret = (struct json){ text, tok, p.n };
	return 0;
}

/* NULL for an index that names nothing, which is how a missing member reaches the getters. */
static const struct json_tok *tok_at(const struct json *j, int at)
{
	return at >= 0 && (uint32_t)at < j->n ? &j->tok[at] : NULL;
}

int json_get(const struct json *j, int obj, const char *key)
{
	const struct json_tok *t = tok_at(j, obj);
	struct span want = span_str(key);

	if (!t || t->type != JSON_OBJECT)
		return -1;
	for (int k = json_first(j, obj); k >= 0; k = json_next(j, obj, k)) {
		if (text_is(tok_text(j->text, &j->tok[k]), want))
			return k + 1;
	}
	return -1;
}

int json_first(const struct json *j, int at)
{
	const struct json_tok *t = tok_at(j, at);

	return t && t->type >= JSON_ARRAY && t->children ? at + 1 : -1;
}

int json_next(const struct json *j, int parent, int at)
{
	const struct json_tok *up = tok_at(j, parent);
	const struct json_tok *t = tok_at(j, up && up->type == JSON_OBJECT ? at + 1 : at);

	return up && t && at > parent && t->skip < up->skip ? (int)t->skip : -1;
}

enum json_type json_type_of(const struct json *j, int at)
{
	const struct json_tok *t = tok_at(j, at);

	return t ? t->type : JSON_NULL;
}

/* The member's token, when it has the wanted type. */
static int member(const struct json *j, int obj, const char *key, enum json_type type, const struct json_tok **ret)
{
	const struct json_tok *t = tok_at(j, json_get(j, obj, key));

	if (!t)
		return ERR_MISSING;
	if (t->type != type)
		return ERR_MALFORMED;
	*ret = t;
	return 0;
}

int json_get_u64(const struct json *j, int obj, const char *key, uint64_t *ret)
{
	const struct json_tok *t;
	uint64_t v = 0;
	int r = member(j, obj, key, JSON_NUMBER, &t);

	if (r < 0)
		return r;
	for (uint32_t i = 0; i < t->len; i++) {
		uint8_t c = j->text.p[t->at + i];

		if (c < '0' || c > '9' || __builtin_mul_overflow(v, UINT64_C(10), &v) ||
		    __builtin_add_overflow(v, (uint64_t)(c - '0'), &v))
			return ERR_MALFORMED;
	}
	*ret = v;
	return 0;
}

int json_get_bool(const struct json *j, int obj, const char *key, bool *ret)
{
	const struct json_tok *t;
	int r = member(j, obj, key, JSON_BOOL, &t);

	if (r < 0)
		return r;
	*ret = j->text.p[t->at] == 't';
	return 0;
}

int json_get_str(const struct json *j, int obj, const char *key, char *buf, size_t cap, size_t *ret_n)
{
	const struct json_tok *t;
	int r = member(j, obj, key, JSON_STRING, &t);
	size_t n = 0, more;
	struct wr w;
	struct rd s;
	uint8_t c[4];

	if (r < 0)
		return r;
	/* Measured first, so that a refusal leaves buf alone. */
	s = rd_from(tok_text(j->text, t));
	while ((more = char_take(&s, c)) != 0)
		n += more;
	if (n >= cap)
		return ERR_LIMIT;
	w = wr_from(buf, cap);
	json_unescape(j, (int)(t - j->tok), &w);
	buf[n] = 0;
	if (ret_n)
		*ret_n = n;
	return 0;
}

void json_unescape(const struct json *j, int at, struct wr *w)
{
	const struct json_tok *t = tok_at(j, at);
	struct rd s;
	uint8_t c[4];
	size_t n;

	if (!t || t->type != JSON_STRING) {
		w->bad = true;
		return;
	}
	s = rd_from(tok_text(j->text, t));
	while ((n = char_take(&s, c)) != 0)
		wr_bytes(w, c, n);
}

struct span json_raw(const struct json *j, int at)
{
	const struct json_tok *t = tok_at(j, at);

	if (!t)
		return span_of(NULL, 0);
	if (t->type == JSON_STRING)
		return span_of(j->text.p + t->at - 1, (size_t)t->len + 2);
	return tok_text(j->text, t);
}

struct json_out json_out(struct wr *w)
{
	return (struct json_out){ .w = w };
}

/* What goes in front of a value or key: nothing, or a comma. */
static void separate(struct json_out *o)
{
	uint32_t bit = UINT32_C(1) << o->depth;

	if (o->after_key) {
		o->after_key = false;
		return;
	}
	if (o->comma & bit) {
		if (o->depth == 0)
			o->w->bad = true; /* a document is one value */
		wr_u8(o->w, ',');
	}
	o->comma |= bit;
}

static void open_container(struct json_out *o, char c)
{
	separate(o);
	wr_u8(o->w, (uint8_t)c);
	if (o->depth == 31) {
		o->w->bad = true;
		return;
	}
	o->depth++;
	o->comma &= ~(UINT32_C(1) << o->depth);
}

static void close_container(struct json_out *o, char c)
{
	if (o->depth == 0 || o->after_key) {
		o->w->bad = true;
		return;
	}
	o->depth--;
	wr_u8(o->w, (uint8_t)c);
}

void jo_obj(struct json_out *o)
{
	open_container(o, '{');
}

void jo_obj_end(struct json_out *o)
{
	close_container(o, '}');
}

void jo_arr(struct json_out *o)
{
	open_container(o, '[');
}

void jo_arr_end(struct json_out *o)
{
	close_container(o, ']');
}

static void write_string(struct wr *w, struct span s)
{
	wr_u8(w, '"');
	while (s.n) {
		size_t n = utf8_len(s);
		const char *at = s.p[0] == '/' ? NULL : memchr(escaped, s.p[0], sizeof(escaped) - 1);

		/* Our own parser would refuse both. */
		if (n == 0 || s.p[0] == 0) {
			w->bad = true;
			return;
		}
		if (at) {
			wr_u8(w, '\\');
			wr_u8(w, (uint8_t)escapes[at - escaped]);
		} else if (s.p[0] < 0x20) {
			wr_str(w, "\\u00");
			wr_hex(w, span_of(s.p, 1));
		} else {
			wr_bytes(w, s.p, n);
		}
		s = span_of(s.p + n, s.n - n);
	}
	wr_u8(w, '"');
}

void jo_key(struct json_out *o, const char *key)
{
	if (o->after_key || o->depth == 0)
		o->w->bad = true;
	separate(o);
	write_string(o->w, span_str(key));
	wr_u8(o->w, ':');
	o->after_key = true;
}

void jo_str(struct json_out *o, struct span s)
{
	separate(o);
	write_string(o->w, s);
}

void jo_u64(struct json_out *o, uint64_t v)
{
	separate(o);
	wr_dec(o->w, v);
}

void jo_bool(struct json_out *o, bool v)
{
	separate(o);
	wr_str(o->w, v ? "true" : "false");
}

void jo_raw(struct json_out *o, struct span json)
{
	separate(o);
	if (json.n == 0)
		o->w->bad = true;
	wr_span(o->w, json);
}
