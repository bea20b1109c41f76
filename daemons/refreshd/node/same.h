/* SPDX-License-Identifier: AGPL-3.0-only */
/* Whether two JSON texts say the same: order of members and white space do not count. Pure. */
#ifndef REFRESHD_SAME_H
#define REFRESHD_SAME_H

#include "base/span.h"

/* False also when one of them is no JSON, is beyond the bounds of a node document, or there is no memory. */
bool json_same(struct span a, struct span b);

#endif
