/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * Several Prometheus pages (text format 0.0.4) as one: each family once, with one HELP and one TYPE, its series together. A
 * page that does not parse is left out as a whole, so that one bad writer does not cost the others. Pure.
 *
 *   page        lines, each ended by \n: "# HELP name text", "# TYPE name type", other comments, empty lines, samples
 *   refused     anything else; TYPE or HELP twice, or behind the family's samples; a value that is no number; labels twice in
 *               one sample; text that is not UTF-8; a last line without its end
 *   dropped     a series that is there already (the first page wins), or whose family has another type by then: counted
 */
#ifndef HEALTHD_PROM_MERGE_H
#define HEALTHD_PROM_MERGE_H

#include "base/err.h"
#include "base/span.h"

#define PROM_MERGE_FAMILIES 2048
#define PROM_MERGE_SAMPLES 32768
#define PROM_MERGE_LABELS 32

struct prom_merge;

struct prom_merge *prom_merge_new(void); /* NULL: no memory */
void prom_merge_free(struct prom_merge *m);

/* Takes a page in; the text is borrowed until m is freed. ERR_MALFORMED (*ret_line: where, from 1; NULL allowed),
 * ERR_LIMIT: nothing of it was taken. */
int prom_merge_add(struct prom_merge *m, struct span page, uint32_t *ret_line);

/* Families in the order of their names. */
void prom_merge_write(struct prom_merge *m, struct wr *w);

uint32_t prom_merge_series(const struct prom_merge *m);
uint32_t prom_merge_dropped(const struct prom_merge *m);

/* The sum of the whole parts of all series of this name on a page. False: there is none. */
bool prom_sum(struct span page, const char *name, uint64_t *ret);

#endif
