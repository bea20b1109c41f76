/* SPDX-License-Identifier: AGPL-3.0-only */
/* The status page: one HTML document that needs nothing else, no script, no font, no picture from anywhere. Every text is
 * escaped. Pure. */
#ifndef HEALTHD_STATUS_PAGE_H
#define HEALTHD_STATUS_PAGE_H

#include "healthd/verdict/overview.h"

#define STATUS_PAGE_MAX (256 * 1024)
/* What the browser is told that it may load: nothing but the style in the page. */
#define STATUS_PAGE_CSP                                                                                                    \
	"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

void status_page_write(const struct overview *v, mono_t now, wall_t wall, struct wr *w);

/* Text between tags or in a quoted attribute. Bytes that are no UTF-8 and control characters become "?". */
void html_text(struct wr *w, const char *s);

#endif
