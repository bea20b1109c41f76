/* SPDX-License-Identifier: AGPL-3.0-only */
#include "wire/conf.h"

#include "wire/ascii.h"

#define CONF_LINE_MAX 2048 /* a logical line, continuations joined */
#define CONF_WORDS_MAX (CONF_SET_MAX * ADDR_TEXT_MAX) /* a list as text: no word is longer than an address … */
#define CONF_NAME_MAX 64   /* longer names are nobody's: shown cut, and get no suggestion */
#define SUGGEST_DISTANCE 3 /* more edits than this is another word */

_Static_assert(CONF_TEXTS_MAX * CONF_TEXT_MAX <= CONF_WORDS_MAX, "… or there are fewer of them");

/* Where we are in a text; the target of everything a line can do. */
struct conf_in {
	const struct conf_key *keys;
	void *conf;
	struct conf_diag *diag;
	const char *file;
	struct rd r;
	unsigned next_line; /* number of the line at r */
	unsigned line;      /* where the current logical line began */
	struct span section;
};

static struct span section_of(const struct conf_key *k)
{
	return span_of(k->key, (size_t)(strchr(k->key, '.') - k->key));
}

static struct span name_of(const struct conf_key *k)
{
	return span_str(strchr(k->key, '.') + 1);
}

/* Diagnostics. A text from outside is cut and shown in printable ASCII. */

static void quote(struct wr *w, struct span s)
{
	size_t n = s.n > CONF_NAME_MAX ? CONF_NAME_MAX : s.n;

	for (size_t i = 0; i < n; i++)
		wr_u8(w, s.p[i] > 0x20 && s.p[i] < 0x7f ? s.p[i] : '?');
	if (n < s.n)
		wr_str(w, "...");
}

static struct wr diag_begin(struct conf_diag *d, const char *file, unsigned line)
{
	d->file = file;
	d->line = line;
	return wr_from(d->text, sizeof(d->text) - 1);
}

static int diag_end(struct conf_diag *d, const struct wr *w)
{
	d->text[wr_len(w)] = '\0';
	return ERR_MALFORMED;
}

static int complain(const struct conf_in *in, const char *what)
{
	struct wr w = diag_begin(in->diag, in->file, in->line);

	wr_str(&w, what);
	return diag_end(in->diag, &w);
}

/* Suggestions: Levenshtein, case aside. */

static uint8_t min3(unsigned a, unsigned b, unsigned c)
{
	unsigned m = a < b ? a : b;

	return (uint8_t)(m < c ? m : c);
}

static unsigned distance(struct span a, struct span b)
{
	uint8_t row[CONF_NAME_MAX + 1];

	if (a.n > CONF_NAME_MAX || b.n > CONF_NAME_MAX)
		return CONF_NAME_MAX;
	for (size_t j = 0; j <= b.n; j++)
		row[j] = (uint8_t)j;
	for (size_t i = 1; i <= a.n; i++) {
		unsigned diagonal = row[0];

		row[0] = (uint8_t)i;
		for (size_t j = 1; j <= b.n; j++) {
			unsigned above = row[j];
			unsigned differs = ascii_lower(a.p[i - 1]) != ascii_lower(b.p[j - 1]);

			row[j] = min3(above + 1, row[j - 1] + 1u, diagonal + differs);
			diagonal = above;
		}
	}
	return row[b.n];
}

/* A right key under the wrong section beats every misspelling but the nearest. */
static unsigned key_distance(const struct conf_key *k, struct span section, struct span name)
{
	unsigned in_name = distance(name, name_of(k));
	unsigned in_section = distance(section, section_of(k));

	if (in_name == 0 && in_section > 1)
		return 1;
	return in_name + in_section;
}

static const struct conf_key *nearest_key(const struct conf_key *keys, struct span section, struct span name)
{
	const struct conf_key *best = NULL;
	unsigned least = SUGGEST_DISTANCE + 1;

	for (const struct conf_key *k = keys; k->key; k++) {
		unsigned d = key_distance(k, section, name);

		if (d < least && d < name.n) {
			least = d;
			best = k;
		}
	}
	return best;
}

static const struct conf_key *nearest_section(const struct conf_key *keys, struct span section)
{
	const struct conf_key *best = NULL;
	unsigned least = SUGGEST_DISTANCE + 1;

	for (const struct conf_key *k = keys; k->key; k++) {
		unsigned d = distance(section, section_of(k));

		if (d < least && d < section.n) {
			least = d;
			best = k;
		}
	}
	return best;
}

static int unknown_key(const struct conf_in *in, struct span name)
{
	const struct conf_key *k = nearest_key(in->keys, in->section, name);
	struct wr w = diag_begin(in->diag, in->file, in->line);

	wr_str(&w, "unknown key ");
	quote(&w, in->section);
	wr_str(&w, ".");
	quote(&w, name);
	if (k) {
		wr_str(&w, "; did you mean ");
		wr_str(&w, k->key);
		wr_str(&w, "?");
	}
	return diag_end(in->diag, &w);
}

static int unknown_section(const struct conf_in *in, struct span section)
{
	const struct conf_key *k = nearest_section(in->keys, section);
	struct wr w = diag_begin(in->diag, in->file, in->line);

	wr_str(&w, "unknown section [");
	quote(&w, section);
	wr_str(&w, "]");
	if (k) {
		wr_str(&w, "; did you mean [");
		wr_span(&w, section_of(k));
		wr_str(&w, "]?");
	}
	return diag_end(in->diag, &w);
}

/* Values. */

static void *field_of(const struct conf_key *k, void *conf)
{
	return (char *)conf + k->at;
}

/* The reason names the key and never the value: a value may be a secret. */
static int set_value(const struct conf_key *k, struct span value, const char *file, unsigned line, void *conf,
		     struct conf_diag *diag)
{
	char why[160];
	struct wr reason = wr_from(why, sizeof(why));
	struct wr w;

	if (value.n == 0 || !k->type->appends)
		memset(field_of(k, conf), 0, k->type->size);
	if (value.n == 0 || k->type->parse(value, field_of(k, conf), &reason) == 0)
		return 0;
	w = diag_begin(diag, file, line);
	wr_str(&w, k->key);
	if (k->env && line == 0) {
		wr_str(&w, " (");
		wr_str(&w, k->env);
		wr_str(&w, ")");
	}
	wr_str(&w, ": ");
	wr_bytes(&w, why, wr_len(&reason));
	return diag_end(diag, &w);
}

static int set_default(const struct conf_key *k, void *conf, struct conf_diag *diag)
{
	static const char file[] = "built-in default";
	const char *text = k->dflt ? k->dflt : "";
	struct wr w;

	/* Nobody could tell whether the next assignment adds to it or replaces it. */
	if (k->type->appends && *text) {
		w = diag_begin(diag, file, 0);
		wr_str(&w, k->key);
		wr_str(&w, ": a list that assignments add to has no default");
		return diag_end(diag, &w);
	}
	return set_value(k, span_str(text), file, 0, conf, diag);
}

int conf_defaults(const struct conf_key *keys, void *conf, struct conf_diag *diag)
{
	int r = 0;

	for (const struct conf_key *k = keys; k->key && r == 0; k++)
		r = set_default(k, conf, diag);
	return r;
}

int conf_apply_env(const struct conf_key *keys, const char *(*get)(const char *name), void *conf,
		   struct conf_diag *diag)
{
	int r = 0;

	for (const struct conf_key *k = keys; k->key && r == 0; k++) {
		const char *text = k->env ? get(k->env) : NULL;
		struct span value = ascii_trim(span_str(text ? text : ""));

		if (value.n)
			r = set_value(k, value, "environment", 0, conf, diag);
	}
	return r;
}

/* Lines. */

/* One physical line without its end. False at the end of the text. */
static bool physical_line(struct conf_in *in, struct span *ret)
{
	size_t left = rd_left(&in->r);
	const uint8_t *lf = left ? memchr(in->r.p, '\n', left) : NULL;

	if (left == 0)
		return false;
	*ret = rd_span(&in->r, lf ? (size_t)(lf - in->r.p) : left);
	if (lf)
		rd_skip(&in->r, 1);
	if (ret->n && ret->p[ret->n - 1] == '\r')
		ret->n--;
	*ret = ascii_trim(*ret);
	in->next_line++;
	return true;
}

static bool is_comment(struct span line)
{
	return line.n && (line.p[0] == '#' || line.p[0] == ';');
}

static bool has_control(struct span s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (ascii_is_control(s.p[i]))
			return true;
	}
	return false;
}

/* Joins continued lines with one space; comments in between vanish. False at the end of the text. */
static bool logical_line(struct conf_in *in, struct wr *w)
{
	bool more = false;
	struct span s;

	in->line = in->next_line;
	while (physical_line(in, &s)) {
		if (is_comment(s)) {
			if (more)
				continue;
			return true;
		}
		if (more && s.n && wr_len(w))
			wr_u8(w, ' ');
		more = s.n && s.p[s.n - 1] == '\\';
		if (more)
			s = ascii_trim(span_of(s.p, s.n - 1));
		wr_span(w, s);
		if (!more)
			return true;
	}
	return more;
}

static int open_section(struct conf_in *in, struct span line)
{
	struct span name;

	if (line.p[line.n - 1] != ']')
		return complain(in, "a section is written [Name]");
	name = ascii_trim(span_of(line.p + 1, line.n - 2));
	for (const struct conf_key *k = in->keys; k->key; k++) {
		if (span_eq(section_of(k), name)) {
			in->section = section_of(k);
			return 0;
		}
	}
	return unknown_section(in, name);
}

static int assign(struct conf_in *in, struct span line)
{
	const uint8_t *eq = memchr(line.p, '=', line.n);
	struct span name, value;

	if (!eq)
		return complain(in, "neither [Section] nor Key=value");
	name = ascii_trim(span_of(line.p, (size_t)(eq - line.p)));
	value = ascii_trim(span_of(eq + 1, (size_t)(line.p + line.n - eq - 1)));
	if (in->section.n == 0)
		return complain(in, "an assignment before the first [Section]");
	for (const struct conf_key *k = in->keys; k->key; k++) {
		if (!span_eq(section_of(k), in->section) || !span_eq(name_of(k), name))
			continue;
		if (value.n == 0)
			return set_default(k, in->conf, in->diag);
		return set_value(k, value, in->file, in->line, in->conf, in->diag);
	}
	return unknown_key(in, name);
}

static int one_line(struct conf_in *in, const struct wr *w)
{
	struct span line = wr_span_of(w);

	if (w->bad)
		return complain(in, "the line is too long");
	if (has_control(line))
		return complain(in, "a control character");
	if (line.n == 0)
		return 0;
	return line.p[0] == '[' ? open_section(in, line) : assign(in, line);
}

int conf_apply(const struct conf_key *keys, const char *file, struct span text, void *conf, struct conf_diag *diag)
{
	struct conf_in in = { .keys = keys, .conf = conf, .diag = diag, .file = file, .next_line = 1 };
	uint8_t buf[CONF_LINE_MAX];
	struct wr w = wr_from(buf, sizeof(buf));
	int r = 0;

	/* A byte order mark is what some editors add without telling. */
	if (text.n >= 3 && memcmp(text.p, "\xef\xbb\xbf", 3) == 0)
		text = span_of(text.p + 3, text.n - 3);
	in.r = rd_from(text);
	while (r == 0 && logical_line(&in, &w)) {
		r = one_line(&in, &w);
		w = wr_from(buf, sizeof(buf));
	}
	return r;
}

/* Output. */

static bool is_zero(const void *p, size_t n)
{
	const uint8_t *b = p;

	for (size_t i = 0; i < n; i++) {
		if (b[i])
			return false;
	}
	return true;
}

static void dump_assignment(struct wr *w, const struct conf_key *k, struct span value)
{
	wr_span(w, name_of(k));
	wr_str(w, "=");
	wr_span(w, value);
	wr_str(w, "\n");
}

/* A line for each word: all of them might be more than a line may have. The empty one before them forgets what the
 * environment of the reader says. */
static void dump_words(struct wr *w, const struct conf_key *k, const void *field)
{
	uint8_t buf[CONF_WORDS_MAX];
	struct wr all = wr_from(buf, sizeof(buf));
	struct rd r;

	k->type->write(&all, field);
	w->bad = w->bad || all.bad;
	r = rd_from(wr_span_of(&all));
	dump_assignment(w, k, span_of(NULL, 0));
	while (rd_left(&r)) {
		const uint8_t *blank = memchr(r.p, ' ', rd_left(&r));

		dump_assignment(w, k, rd_span(&r, blank ? (size_t)(blank - r.p) : rd_left(&r)));
		if (blank)
			rd_skip(&r, 1);
	}
}

void conf_dump(struct wr *w, const struct conf_key *keys, const void *conf)
{
	struct span section = { NULL, 0 };

	for (const struct conf_key *k = keys; k->key; k++) {
		const void *field = (const char *)conf + k->at;
		bool has_default = k->dflt && k->dflt[0];

		if (!span_eq(section, section_of(k))) {
			wr_str(w, section.n ? "\n[" : "[");
			section = section_of(k);
			wr_span(w, section);
			wr_str(w, "]\n");
		}
		wr_str(w, "# ");
		wr_str(w, k->help ? k->help : "");
		wr_str(w, "\n");
		if (k->type->appends) {
			dump_words(w, k, field);
			continue;
		}
		wr_span(w, name_of(k));
		wr_str(w, "=");
		/* Empty text means the default; where that is zeroed memory, so does the field. */
		if (has_default || !is_zero(field, k->type->size))
			k->type->write(w, field);
		wr_str(w, "\n");
	}
}

/* mdoc(7): a backslash starts an escape, and a dot or apostrophe at the start of a line a macro. */
static void roff(struct wr *w, const char *s)
{
	if (*s == '.' || *s == '\'')
		wr_str(w, "\\&");
	for (; *s; s++) {
		if (*s == '\\')
			wr_str(w, "\\e");
		else
			wr_u8(w, (uint8_t)*s);
	}
}

void conf_man(struct wr *w, const struct conf_key *keys)
{
	for (const struct conf_key *k = keys; k->key; k++) {
		wr_str(w, ".It Cm ");
		roff(w, k->key);
		wr_str(w, "= Ar ");
		roff(w, k->type->name);
		wr_str(w, "\n");
		if (k->help && k->help[0]) {
			roff(w, k->help);
			wr_str(w, ".\n");
		}
		if (k->dflt && k->dflt[0]) {
			wr_str(w, "Default:\n.Ql ");
			roff(w, k->dflt);
			wr_str(w, " .\n");
		}
		if (k->env) {
			wr_str(w, "Environment:\n.Ev ");
			roff(w, k->env);
			wr_str(w, " .\n");
		}
	}
}

void conf_changed(const struct conf_key *keys, const char *const *names, const void *old, const void *new, struct wr *w)
{
	for (const struct conf_key *k = keys; k->key; k++) {
		const uint8_t *a = (const uint8_t *)old + k->at, *b = (const uint8_t *)new + k->at;
		const char *const *name = names;

		while (*name && strcmp(*name, k->key) != 0)
			name++;
		if (!*name || memcmp(a, b, k->type->size) == 0)
			continue;
		wr_str(w, wr_len(w) ? " " : "");
		wr_str(w, k->key);
	}
}
