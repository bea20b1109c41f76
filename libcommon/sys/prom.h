/* SPDX-License-Identifier: AGPL-3.0-only */
/* A Prometheus page (text format 0.0.4): its lines, and the endpoint /metrics that serves it. */
#ifndef SYS_PROM_H
#define SYS_PROM_H

#include "base/hist.h"
#include "sys/http_small.h"

#define PROM_PAGE_MAX (256 * 1024)

/* A name is a literal; a value is printable text of ours, bounded in number. */
struct prom_label {
	const char *name, *value;
};

struct prom {
	struct wr *w;
	struct prom_label all; /* in front of every other label of every series; name NULL: none */
};

/* type: "counter" or "gauge". The series follow. */
void prom_head(struct prom *p, const char *name, const char *type, const char *help);
/* A series with up to two labels; the name of an absent one is NULL. */
void prom_sample(struct prom *p, const char *name, struct prom_label a, struct prom_label b, uint64_t v);
/* The same of microseconds, told in seconds, Prometheus' unit of time. */
void prom_sample_us(struct prom *p, const char *name, struct prom_label a, struct prom_label b, uint64_t us);

/* The whole of a family: one series … */
void prom_counter(struct prom *p, const char *name, const char *help, uint64_t v);
void prom_gauge(struct prom *p, const char *name, const char *help, uint64_t v);
/* … or one per value of one label, in table order; a NULL value is left out. */
void prom_family(struct prom *p, const char *name, const char *help, const char *key, const char *const values[],
		 const uint64_t *v, size_t n);
void prom_histogram(struct prom *p, const char *name, const char *help, const struct hist *h,
		    const struct hist_bounds *b);

struct prom_page {
	void (*write)(void *arg, struct wr *w);
	void *arg;
};
/* GET /metrics on `at` is what `write` makes; `page` is borrowed. Logs why not. -errno, ERR_NOMEM. */
int prom_serve(struct loop *l, const struct addr *at, struct prom_page *page, struct http_small **ret);

#endif
