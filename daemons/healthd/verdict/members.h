/* SPDX-License-Identifier: AGPL-3.0-only */
/* Members of a JSON object. */
#ifndef HEALTHD_MEMBERS_H
#define HEALTHD_MEMBERS_H

#include "base/json.h"

static inline void member_text(struct json_out *o, const char *key, const char *value)
{
	jo_key(o, key);
	jo_str(o, span_str(value));
}

static inline void member_number(struct json_out *o, const char *key, uint64_t value)
{
	jo_key(o, key);
	jo_u64(o, value);
}

static inline void member_truth(struct json_out *o, const char *key, bool value)
{
	jo_key(o, key);
	jo_bool(o, value);
}

#endif
