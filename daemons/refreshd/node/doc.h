/* SPDX-License-Identifier: AGPL-3.0-only */
/* A JSON object rewritten in place of its top-level members: everything not named stays byte for byte. Pure. */
#ifndef REFRESHD_DOC_H
#define REFRESHD_DOC_H

#include "base/json.h"

struct doc_set {
	const char *key;
	struct span json; /* the new value's text, valid JSON; empty: the member is removed */
};

/* `doc` with these members replaced where they stand, or appended. ERR_MALFORMED: not an object; ERR_LIMIT: out is too small or the
 * document too large; ERR_NOMEM. */
int doc_patch(struct span doc, const struct doc_set *set, size_t n, struct wr *out);

#endif
