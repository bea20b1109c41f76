/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sys/prom.h"

#include "base/err.h"
#include "sys/log.h"

void prom_head(struct prom *p, const char *name, const char *type, const char *help)
{
	wr_str(p->w, "# HELP ");
	wr_str(p->w, name);
	wr_str(p->w, " ");
	wr_str(p->w, help);
	wr_str(p->w, "\n# TYPE ");
	wr_str(p->w, name);
	wr_str(p->w, " ");
	wr_str(p->w, type);
	wr_str(p->w, "\n");
}

static void label(struct wr *w, char before, struct prom_label l)
{
	wr_u8(w, (uint8_t)before);
	wr_str(w, l.name);
	wr_str(w, "=\"");
	for (const char *c = l.value; *c; c++) {
		if (*c == '"' || *c == '\\')
			wr_str(w, "\\");
		wr_u8(w, (uint8_t)*c);
	}
	wr_str(w, "\"");
}

static void labels(struct prom *p, struct prom_label a, struct prom_label b)
{
	const struct prom_label all[] = { p->all, a, b };
	char before = '{';

	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		if (!all[i].name)
			continue;
		label(p->w, before, all[i]);
		before = ',';
	}
	if (before == ',')
		wr_str(p->w, "}");
}

/* Microseconds as seconds, six decimals. */
static void seconds(struct wr *w, uint64_t us)
{
	uint64_t frac = us % US_PER_SEC;

	wr_dec(w, us / US_PER_SEC);
	if (frac == 0)
		return;
	wr_str(w, ".");
	for (uint64_t unit = US_PER_SEC / 10; unit && frac; unit /= 10) {
		wr_dec(w, frac / unit);
		frac %= unit;
	}
}

void prom_sample(struct prom *p, const char *name, struct prom_label a, struct prom_label b, uint64_t v)
{
	wr_str(p->w, name);
	labels(p, a, b);
	wr_str(p->w, " ");
	wr_dec(p->w, v);
	wr_str(p->w, "\n");
}

void prom_sample_us(struct prom *p, const char *name, struct prom_label a, struct prom_label b, uint64_t us)
{
	wr_str(p->w, name);
	labels(p, a, b);
	wr_str(p->w, " ");
	seconds(p->w, us);
	wr_str(p->w, "\n");
}

static const struct prom_label none;

void prom_counter(struct prom *p, const char *name, const char *help, uint64_t v)
{
	prom_head(p, name, "counter", help);
	prom_sample(p, name, none, none, v);
}

void prom_gauge(struct prom *p, const char *name, const char *help, uint64_t v)
{
	prom_head(p, name, "gauge", help);
	prom_sample(p, name, none, none, v);
}

void prom_family(struct prom *p, const char *name, const char *help, const char *key, const char *const values[],
		 const uint64_t *v, size_t n)
{
	prom_head(p, name, "counter", help);
	for (size_t i = 0; i < n; i++) {
		if (values[i])
			prom_sample(p, name, (struct prom_label){ key, values[i] }, none, v[i]);
	}
}

void prom_histogram(struct prom *p, const char *name, const char *help, const struct hist *h,
		    const struct hist_bounds *b)
{
	uint64_t below = 0;

	prom_head(p, name, "histogram", help);
	for (size_t i = 0; i <= b->n; i++) {
		char text[32] = "+Inf";
		struct wr bound = wr_from(text, sizeof(text) - 1);

		if (i < b->n) {
			seconds(&bound, b->us[i]);
			text[wr_len(&bound)] = '\0';
		}
		below += h->count[i];
		wr_str(p->w, name);
		prom_sample(p, "_bucket", (struct prom_label){ "le", text }, none, below); /* continues the name */
	}
	wr_str(p->w, name);
	prom_sample_us(p, "_sum", none, none, h->sum_us);
	wr_str(p->w, name);
	prom_sample(p, "_count", none, none, below);
}

static void on_metrics(const struct http_request *q, struct http_reply *ret, void *arg)
{
	const struct prom_page *page = arg;

	(void)q;
	ret->status = 200;
	ret->type = "text/plain; version=0.0.4";
	page->write(page->arg, &ret->body);
}

int prom_serve(struct loop *l, const struct addr *at, struct prom_page *page, struct http_small **ret)
{
	static const struct http_route routes[] = { { "/metrics", PROM_PAGE_MAX, on_metrics }, { 0 } };
	char text[ADDR_TEXT_MAX];
	int r = http_small_open(l, at, routes, page, ret);

	return r < 0 ? log_err(r, "metrics on %s (another process on this port?)", addr_fmt(at, text)) : 0;
}
