/* SPDX-License-Identifier: AGPL-3.0-only */
/* Small charts as inline SVG, coloured by the style sheet around them (classes spark, line, area, fail, base). Pure. */
#ifndef HEALTHD_SVG_H
#define HEALTHD_SVG_H

#include "healthd/verdict/history.h"

#define SVG_POINTS 144 /* ten minutes each */
#define SVG_WIDTH (2 * SVG_POINTS)
#define SVG_HEIGHT 36

/* The last 24 hours as a line over an area, from 0 to the largest value; failures are marks over the whole height, gaps
 * stay open. label: what a reader hears who does not see it; plain text of ours, already escaped. */
void svg_spark(struct wr *w, const struct history *h, mono_t now, const char *label);

#endif
