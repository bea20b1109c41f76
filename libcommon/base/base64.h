/* SPDX-License-Identifier: AGPL-3.0-only */
/* Base64 (RFC 4648 4, padded) and base64url (RFC 4648 5, unpadded). Decoders are strict: one text per value. */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include "base/err.h"
#include "base/span.h"

void base64_write(struct wr *w, struct span bytes);
void base64url_write(struct wr *w, struct span bytes);

/* ERR_MALFORMED for wrong letters, padding or non-zero trailing bits; ERR_LIMIT when w is too small. */
int base64_read(struct span text, struct wr *w);
int base64url_read(struct span text, struct wr *w);

#endif
