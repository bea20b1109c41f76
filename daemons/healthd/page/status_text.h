/* SPDX-License-Identifier: AGPL-3.0-only */
/* The overview that healthd gives (overview_write) as a page for a terminal. Pure. */
#ifndef HEALTHD_STATUS_TEXT_H
#define HEALTHD_STATUS_TEXT_H

#include "base/json.h"

#define STATUS_TEXT_MAX (64 * 1024)

/* obj: token of the overview. What it lacks is left out; control characters become "?". */
void status_text_write(const struct json *j, int obj, bool colours, struct wr *w);

#endif
