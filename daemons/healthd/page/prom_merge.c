/* SPDX-License-Identifier: AGPL-3.0-only */
/* Samples stay where they are in their pages; families and samples are tables of spans. Series are told apart by a hash
 * over name and labels that does not depend on the labels' order, and then by comparison. */
#include "healthd/page/prom_merge.h"

#include "base/slab.h"
#include "healthd/page/prom_line.h"

#define SET_SIZE (2 * PROM_MERGE_SAMPLES) /* power of two */
#define NO_INDEX UINT32_MAX

struct family {
	struct span name, help;
	enum prom_type type;
	bool typed, helped;
	uint32_t page;             /* that made it */
	uint32_t type_page, help_page, used_page; /* the page that said so last */
	uint32_t first, last;      /* samples; NO_INDEX: none */
};

struct sample {
	struct span line;
	uint64_t hash;
	uint32_t family, next;
	bool clash; /* its family has another type on this page */
};

struct prom_merge {
	struct family *family;
	struct sample *sample;
	uint32_t *set;  /* indices of samples + 1, by hash */
	uint16_t *order;
	uint32_t n_families, n_samples, series, dropped, page;
	enum prom_type page_type[PROM_MERGE_FAMILIES];
};

struct prom_merge *prom_merge_new(void)
{
	struct prom_merge *m = mem_alloc(sizeof(*m));

	if (!m)
		return NULL;
	m->family = mem_alloc(PROM_MERGE_FAMILIES * sizeof(*m->family));
	m->sample = mem_alloc(PROM_MERGE_SAMPLES * sizeof(*m->sample));
	m->set = mem_alloc(SET_SIZE * sizeof(*m->set));
	m->order = mem_alloc(PROM_MERGE_FAMILIES * sizeof(*m->order));
	if (!m->family || !m->sample || !m->set || !m->order) {
		prom_merge_free(m);
		return NULL;
	}
	return m;
}

void prom_merge_free(struct prom_merge *m)
{
	if (!m)
		return;
	mem_free(m->family);
	mem_free(m->sample);
	mem_free(m->set);
	mem_free(m->order);
	mem_free(m);
}

uint32_t prom_merge_series(const struct prom_merge *m)
{
	return m->series;
}

uint32_t prom_merge_dropped(const struct prom_merge *m)
{
	return m->dropped;
}

/* --- families ------------------------------------------------------------------------------------------- */

static int compare(struct span a, struct span b)
{
	int r = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);

	return r ? r : (a.n > b.n) - (a.n < b.n);
}

/* Where `name` stands in the order of names, or would. */
static uint32_t order_of(const struct prom_merge *m, struct span name)
{
	uint32_t lo = 0, hi = m->n_families;

	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;

		if (compare(m->family[m->order[mid]].name, name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static struct family *find(const struct prom_merge *m, struct span name)
{
	uint32_t at = order_of(m, name);
	struct family *f = at < m->n_families ? &m->family[m->order[at]] : NULL;

	return f && span_eq(f->name, name) ? f : NULL;
}

static struct family *get(struct prom_merge *m, struct span name)
{
	struct family *f = find(m, name);
	uint32_t at;

	if (f)
		return f;
	if (m->n_families == PROM_MERGE_FAMILIES)
		return NULL;
	at = order_of(m, name);
	memmove(&m->order[at + 1], &m->order[at], (m->n_families - at) * sizeof(*m->order));
	m->order[at] = (uint16_t)m->n_families;
	f = &m->family[m->n_families];
	*f = (struct family){ .name = name, .page = m->page, .first = NO_INDEX, .last = NO_INDEX };
	m->page_type[m->n_families++] = PROM_UNTYPED;
	return f;
}

/* What a refused page has made goes again; the order keeps the others as they were. */
static void forget_page(struct prom_merge *m, uint32_t families, uint32_t samples)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < m->n_families; i++) {
		if (m->order[i] < families)
			m->order[kept++] = m->order[i];
	}
	m->n_families = families;
	m->n_samples = samples;
}

static enum prom_type type_on_page(const struct prom_merge *m, const struct family *f)
{
	return f->type_page == m->page ? m->page_type[f - m->family] : PROM_UNTYPED;
}

/* Histograms and summaries have names of their own for their parts; the first of them is a histogram's only. */
static const char *const parts[] = { "_bucket", "_sum", "_count" };

static bool has_part(enum prom_type t, size_t part)
{
	return t == PROM_HISTOGRAM || (t == PROM_SUMMARY && part > 0);
}

/* The part that `name` is of a family called `whole`, -1: none. */
static int part_of(struct span name, struct span whole)
{
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		size_t n = strlen(parts[i]);

		if (name.n == whole.n + n && memcmp(name.p + whole.n, parts[i], n) == 0 &&
		    memcmp(name.p, whole.p, whole.n) == 0)
			return (int)i;
	}
	return -1;
}

/* The family that a sample belongs to. */
static struct family *family_of(struct prom_merge *m, struct span name)
{
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		size_t n = strlen(parts[i]);
		struct family *f = NULL;

		if (name.n > n && memcmp(name.p + name.n - n, parts[i], n) == 0)
			f = find(m, span_of(name.p, name.n - n));
		if (f && has_part(f->type_page == m->page ? type_on_page(m, f) : f->type, i))
			return f;
	}
	return get(m, name);
}

/* A part's name is taken already, by a family of its own: on this page, or (anywhere) on one that was taken in. */
static bool parts_are_taken(const struct prom_merge *m, const struct family *f, enum prom_type t, bool anywhere)
{
	for (uint32_t i = 0; i < m->n_families; i++) {
		const struct family *other = &m->family[i];
		int part = part_of(other->name, f->name);

		if (part >= 0 && has_part(t, (size_t)part) &&
		    (anywhere ? other->first != NO_INDEX : other->used_page == m->page))
			return true;
	}
	return false;
}

/* --- series --------------------------------------------------------------------------------------------- */

static uint64_t fnv(uint64_t h, struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		h = (h ^ s.p[i]) * UINT64_C(1099511628211);
	return (h ^ 0xff) * UINT64_C(1099511628211); /* no byte of UTF-8: "a" "bc" is not "ab" "c" */
}

static uint64_t hash_of(const struct prom_line *l)
{
	const uint64_t seed = UINT64_C(14695981039346656037);
	uint64_t h = fnv(seed, l->name);

	for (uint32_t i = 0; i < l->n_labels; i++)
		h += fnv(fnv(seed, l->label[i].name), l->label[i].value);
	return h ^ h >> 32;
}

static bool same_series(struct span a, struct span b)
{
	struct prom_line x, y;
	uint32_t found = 0;

	if (prom_line_parse(a, &x) < 0 || prom_line_parse(b, &y) < 0)
		return false;
	if (!span_eq(x.name, y.name) || x.n_labels != y.n_labels)
		return false;
	for (uint32_t i = 0; i < x.n_labels; i++) {
		for (uint32_t k = 0; k < y.n_labels; k++)
			found += span_eq(x.label[i].name, y.label[k].name) && span_eq(x.label[i].value, y.label[k].value);
	}
	return found == x.n_labels;
}

/* False: there is one like it. */
static bool enter(struct prom_merge *m, uint32_t index)
{
	const struct sample *s = &m->sample[index];

	for (uint64_t at = s->hash;; at++) {
		uint32_t *slot = &m->set[at & (SET_SIZE - 1)];

		if (*slot == 0) {
			*slot = index + 1;
			return true;
		}
		if (m->sample[*slot - 1].hash == s->hash && same_series(m->sample[*slot - 1].line, s->line))
			return false;
	}
}

/* A family takes its type and its help from the first page that has them. A later page that has another type for it loses
 * its samples. */
static void settle(struct prom_merge *m, struct family *f)
{
	enum prom_type t = m->page_type[f - m->family];

	if (f->type_page == m->page && !f->typed && (f->page == m->page || f->first == NO_INDEX) &&
	    (t < PROM_HISTOGRAM || !parts_are_taken(m, f, t, true))) {
		f->typed = true;
		f->type = t;
	}
}

static void commit(struct prom_merge *m, uint32_t from)
{
	uint32_t kept = from;

	for (uint32_t i = 0; i < m->n_families; i++)
		settle(m, &m->family[i]);
	for (uint32_t i = from; i < m->n_samples; i++) {
		struct sample s = m->sample[i];
		struct family *f = &m->family[s.family];

		m->sample[kept] = s;
		if (type_on_page(m, f) != f->type || !enter(m, kept)) {
			m->dropped++;
			continue;
		}
		m->sample[kept].next = NO_INDEX;
		if (f->first == NO_INDEX)
			f->first = kept;
		else
			m->sample[f->last].next = kept;
		f->last = kept++;
	}
	m->n_samples = kept;
	m->series = kept;
}

/* --- pages ---------------------------------------------------------------------------------------------- */

static int take_head(struct prom_merge *m, const struct prom_line *l)
{
	struct family *f = get(m, l->name);
	uint32_t *page;

	if (!f)
		return ERR_LIMIT;
	page = l->kind == PROM_TYPE ? &f->type_page : &f->help_page;
	if (*page == m->page || f->used_page == m->page)
		return ERR_MALFORMED;
	if (l->kind == PROM_TYPE && l->type >= PROM_HISTOGRAM && parts_are_taken(m, f, l->type, false))
		return ERR_MALFORMED;
	*page = m->page;
	if (l->kind == PROM_TYPE)
		m->page_type[f - m->family] = l->type;
	else if (f->page == m->page)
		f->help = l->text;
	return 0;
}

static int take_sample(struct prom_merge *m, const struct prom_line *l, struct span line)
{
	struct family *f = family_of(m, l->name);

	if (!f || m->n_samples == PROM_MERGE_SAMPLES)
		return ERR_LIMIT;
	f->used_page = m->page;
	m->sample[m->n_samples++] = (struct sample){ .line = line, .hash = hash_of(l), .family = (uint32_t)(f - m->family),
						     .next = NO_INDEX };
	return 0;
}

static int take_page(struct prom_merge *m, struct span page, uint32_t *line)
{
	struct prom_line l;

	for (size_t at = 0; at < page.n; (*line)++) {
		const uint8_t *end = memchr(page.p + at, '\n', page.n - at);
		struct span text = span_of(page.p + at, end ? (size_t)(end - page.p) - at : 0);
		int r = end ? prom_line_parse(text, &l) : ERR_MALFORMED;

		if (r == 0 && l.kind == PROM_SAMPLE)
			r = take_sample(m, &l, text);
		else if (r == 0 && l.kind != PROM_OTHER)
			r = take_head(m, &l);
		if (r < 0)
			return r;
		at += text.n + 1;
	}
	return 0;
}

int prom_merge_add(struct prom_merge *m, struct span page, uint32_t *ret_line)
{
	uint32_t families = m->n_families, samples = m->n_samples, line = 1;
	int r;

	m->page++;
	r = take_page(m, page, &line);
	if (r < 0) {
		forget_page(m, families, samples);
		if (ret_line)
			*ret_line = line;
		return r;
	}
	commit(m, samples);
	return 0;
}

static void write_head(struct wr *w, const struct family *f, const char *word)
{
	wr_str(w, "# ");
	wr_str(w, word);
	wr_str(w, " ");
	wr_span(w, f->name);
	wr_str(w, " ");
}

void prom_merge_write(struct prom_merge *m, struct wr *w)
{
	for (uint32_t i = 0; i < m->n_families; i++) {
		const struct family *f = &m->family[m->order[i]];

		if (f->first == NO_INDEX)
			continue;
		if (f->help.n) {
			write_head(w, f, "HELP");
			wr_span(w, f->help);
			wr_str(w, "\n");
		}
		if (f->typed) {
			write_head(w, f, "TYPE");
			wr_str(w, prom_type_str(f->type));
			wr_str(w, "\n");
		}
		for (uint32_t s = f->first; s != NO_INDEX; s = m->sample[s].next) {
			wr_span(w, m->sample[s].line);
			wr_str(w, "\n");
		}
	}
}

/* --- looking one up ------------------------------------------------------------------------------------- */

static uint64_t whole(struct span value)
{
	uint64_t v = 0;

	for (size_t i = 0; i < value.n && value.p[i] >= '0' && value.p[i] <= '9' && v < UINT64_MAX / 20; i++)
		v = 10 * v + (uint64_t)(value.p[i] - '0');
	return v;
}

bool prom_sum(struct span page, const char *name, uint64_t *ret)
{
	size_t n = strlen(name);
	uint64_t sum = 0;
	bool any = false;
	struct prom_line l;

	for (size_t at = 0; at < page.n;) {
		const uint8_t *end = memchr(page.p + at, '\n', page.n - at);
		struct span text = span_of(page.p + at, (end ? (size_t)(end - page.p) : page.n) - at);

		at += text.n + 1;
		if (text.n <= n || memcmp(text.p, name, n) != 0 || prom_line_parse(text, &l) < 0 || l.kind != PROM_SAMPLE ||
		    !span_is(l.name, name))
			continue;
		sum += whole(l.value);
		any = true;
	}
	if (any)
		*ret = sum;
	return any;
}
