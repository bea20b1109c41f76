/* SPDX-License-Identifier: AGPL-3.0-only */
/* One line of a Prometheus page. Pure; everything is borrowed from the line. */
#ifndef HEALTHD_PROM_LINE_H
#define HEALTHD_PROM_LINE_H

#include "healthd/page/prom_merge.h"

enum prom_kind { PROM_OTHER, PROM_HELP, PROM_TYPE, PROM_SAMPLE };
enum prom_type { PROM_UNTYPED, PROM_COUNTER, PROM_GAUGE, PROM_HISTOGRAM, PROM_SUMMARY, PROM_TYPE_MAX_ };

struct prom_label_text {
	struct span name, value; /* value still escaped */
};

struct prom_line {
	enum prom_kind kind;
	struct span name;  /* of the sample, or of the family that HELP and TYPE are about */
	struct span text;  /* HELP */
	enum prom_type type;
	struct prom_label_text label[PROM_MERGE_LABELS];
	uint32_t n_labels;
	struct span value; /* without a time stamp */
};

/* A line without its end. ERR_MALFORMED. */
int prom_line_parse(struct span line, struct prom_line *ret);
const char *prom_type_str(enum prom_type t);

#endif
