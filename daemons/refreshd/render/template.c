/* SPDX-License-Identifier: AGPL-3.0-only */
#include "refreshd/render/template.h"

#include "refreshd/node/node_read.h"
#include "wire/ascii.h"

#define NAMES_MAX 128
#define FILLS_MAX 20000 /* values that use each other many times over */
#define SHOWN_MAX 80

struct entry {
	struct span name, value;
	bool may_be_empty;
};

struct template {
	struct entry entry[NAMES_MAX];
	uint32_t n, fills;
	struct wr *out;
	struct node_diag *diag;
	const char *file; /* what is being read, for messages */
	uint32_t line;
};

/* "file:line: NAME what: shown" */
static int fail(struct template *t, int err, const char *before, struct span name, const char *what, struct span shown)
{
	char digits[DEC_MAX], id[SHOWN_MAX], text[SHOWN_MAX];
	struct wr i = wr_from(id, sizeof(id) - 1), s = wr_from(text, sizeof(text) - 1);

	wr_bytes(&i, name.p, name.n < sizeof(id) ? name.n : sizeof(id) - 1);
	wr_bytes(&s, shown.p, shown.n < sizeof(text) ? shown.n : sizeof(text) - 1);
	id[wr_len(&i)] = '\0';
	text[wr_len(&s)] = '\0';
	return DIAG(t->diag, err, id, t->file, ":", dec_text(t->line, digits), ": ", before, id, what, text);
}

static const struct span nothing = { (const uint8_t *)"", 0 };

static bool is_upper(uint8_t c)
{
	return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static bool is_word(uint8_t c)
{
	return is_upper(c) || (c >= 'a' && c <= 'z');
}

static struct entry *find(struct template *t, struct span name)
{
	for (uint32_t i = 0; i < t->n; i++) {
		if (span_eq(t->entry[i].name, name))
			return &t->entry[i];
	}
	return NULL;
}

static bool is_comment(struct span line)
{
	line = ascii_trim(line);
	return line.n && line.p[0] == '#';
}

/* --- values ------------------------------------------------------------------------------------------------------ */

static bool value_fits(struct span name, struct span value)
{
	for (size_t i = 0; i < value.n; i++) {
		uint8_t c = value.p[i];

		if (c == ';' ? !span_is(name, "HSTS") : !is_word(c) && (c == 0 || !strchr("./:@,=*+[] -", c)))
			return false;
	}
	return true;
}

static int assign(struct template *t, struct span line, bool declares)
{
	struct span name = line, value;
	struct entry *e;
	bool optional;

	for (name.n = 0; name.n < line.n && is_upper(line.p[name.n]);)
		name.n++;
	optional = name.n < line.n && line.p[name.n] == '?';
	if (name.n == 0 || line.p[0] < 'A' || line.p[0] == '_' || name.n + optional >= line.n || line.p[name.n + optional] != '=')
		return fail(t, ERR_MALFORMED, "not a NAME=value line: ", nothing, "", line);
	value = span_of(line.p + name.n + optional + 1, line.n - name.n - optional - 1);
	e = find(t, name);
	if (!e && !declares)
		return fail(t, ERR_MALFORMED, "", name, " is not a value of the front: see front.values", nothing);
	if (!e && t->n == NAMES_MAX)
		return fail(t, ERR_LIMIT, "", name, " is one value more than there is room for", nothing);
	if (!value_fits(name, value))
		return fail(t, ERR_MALFORMED, "", name, " has a character that does not belong into it: ", value);
	e = e ? e : &t->entry[t->n++];
	e->name = name;
	e->value = value;
	if (declares)
		e->may_be_empty = optional;
	return 0;
}

static int read_values(struct template *t, const struct template_values *v, bool declares)
{
	struct rd r = rd_from(v->text);
	struct span line;
	int err = 0;

	t->file = v->from;
	t->line = 0;
	while (err == 0 && text_line(&r, &line)) {
		t->line++;
		if (ascii_trim(line).n && !is_comment(line))
			err = assign(t, line, declares);
	}
	return err;
}

/* nginx 1.25.1 made a directive of what had been a parameter of listen. */
static bool http2_directive(const char *version)
{
	uint64_t part[3] = { 0 }, i = 0;

	for (; *version && i < 3; version++) {
		if (*version == '.')
			i++;
		else if (*version >= '0' && *version <= '9' && part[i] < 1000)
			part[i] = part[i] * 10 + (uint64_t)(*version - '0');
		else
			break;
	}
	return part[0] * 1000000 + part[1] * 1000 + part[2] >= 1025001;
}

static void detect(struct template *t, const char *name, struct span value)
{
	struct entry *e = find(t, span_str(name));

	if (e && span_is(e->value, "auto"))
		e->value = value;
}

static void detect_all(struct template *t, const char *nginx_version, bool ipv6)
{
	struct entry *port = find(t, SPAN_LIT("HTTPS_PORT"));
	bool directive = http2_directive(nginx_version);

	detect(t, "IPV6", ipv6 ? SPAN_LIT("on") : nothing);
	detect(t, "HTTP2_PARAMETER", directive ? nothing : SPAN_LIT(" http2"));
	detect(t, "HTTP2_DIRECTIVE", directive ? SPAN_LIT("on") : nothing);
	detect(t, "HTTPS_SUFFIX", port && !span_is(port->value, "443") ? SPAN_LIT(":@" "HTTPS_PORT@") : nothing);
}

/* --- the template ------------------------------------------------------------------------------------------------ */

/* The leftmost @name@, or @?name@ with a blank behind it: where it stands, and its name. */
static bool find_mark(struct span s, bool condition, size_t *ret_at, struct span *ret_name)
{
	size_t skip = condition ? 2 : 1;

	for (size_t at = 0; at + skip < s.n; at++) {
		size_t end = at + skip;

		if (s.p[at] != '@' || (condition && s.p[at + 1] != '?'))
			continue;
		while (end < s.n && (condition ? is_upper(s.p[end]) : is_word(s.p[end])))
			end++;
		if (end == at + skip || end == s.n || s.p[end] != '@' || (condition && (end + 1 == s.n || s.p[end + 1] != ' ')))
			continue;
		*ret_at = at;
		*ret_name = span_of(s.p + at + skip, end - at - skip);
		return true;
	}
	return false;
}

static int plain(struct template *t, struct span s)
{
	if (s.n && memchr(s.p, '@', s.n))
		return fail(t, ERR_MALFORMED, "a stray @: ", nothing, "", s);
	wr_span(t->out, s);
	return t->out->bad ? fail(t, ERR_LIMIT, "", nothing, "the result is too large", nothing) : 0;
}

/* Recursion is bounded by TEMPLATE_DEPTH, its breadth by FILLS_MAX. */
static int fill(struct template *t, struct span s, unsigned depth)
{
	struct span name;
	size_t at;
	int r = 0;

	while (r == 0 && find_mark(s, false, &at, &name)) {
		struct entry *e = find(t, name);

		r = plain(t, span_of(s.p, at));
		s = span_of(name.p + name.n + 1, s.n - at - name.n - 2);
		if (r < 0)
			return r;
		if (!e)
			return fail(t, ERR_MISSING, "@", name, "@ is a name that nobody gives a value: see front.values", nothing);
		if (e->value.n == 0 && !e->may_be_empty)
			return fail(t, ERR_MISSING, "@", name, "@ is not filled: give NAME=... for it", nothing);
		if (depth > TEMPLATE_DEPTH || ++t->fills > FILLS_MAX)
			return fail(t, ERR_MALFORMED, "@", name, "@ is made of itself", nothing);
		r = fill(t, e->value, depth + 1);
	}
	return r < 0 ? r : plain(t, s);
}

static bool has_control(struct span line)
{
	for (size_t i = 0; i < line.n; i++) {
		if (ascii_is_control(line.p[i]))
			return true;
	}
	return false;
}

static int one_line(struct template *t, struct span line)
{
	struct span name, before = { (const uint8_t *)"", 0 };
	struct entry *e;
	size_t at;
	int r;

	if (is_comment(line))
		return 0;
	if (has_control(line))
		return fail(t, ERR_MALFORMED, "", nothing, "a control character", nothing);
	if (find_mark(line, true, &at, &name)) {
		e = find(t, name);
		if (!e)
			return fail(t, ERR_MISSING, "@?", name, "@ is a name that nobody gives a value: see front.values", nothing);
		if (e->value.n == 0)
			return 0;
		before = span_of(line.p, at);
		line = span_of(name.p + name.n + 2, line.n - at - name.n - 4);
	}
	r = fill(t, before, 0);
	if (r == 0)
		r = fill(t, line, 0);
	wr_str(t->out, "\n");
	return r;
}

int template_fill(struct span text, const struct template_values *values, size_t n_values, const char *nginx_version, bool ipv6,
		  struct wr *out, struct node_diag *diag)
{
	struct template t = { .out = out, .diag = diag };
	struct rd r = rd_from(text);
	struct span line;
	int err = 0;

	*diag = (struct node_diag){ 0 };
	for (size_t i = 0; err == 0 && i < n_values; i++)
		err = read_values(&t, &values[i], i == 0);
	if (err)
		return err;
	detect_all(&t, nginx_version, ipv6);
	t.file = "nginx.conf.in";
	t.line = 0;
	while (err == 0 && text_line(&r, &line)) {
		t.line++;
		err = one_line(&t, line);
	}
	return err ? err : out->bad ? fail(&t, ERR_LIMIT, "", nothing, "the result is too large", nothing) : 0;
}
