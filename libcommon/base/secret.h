/* SPDX-License-Identifier: AGPL-3.0-only */
/* Key material: wiped after use, compared in constant time, printed only as "<secret, n bytes>". */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

#define SECRET_MAX 256

struct secret {
	uint8_t b[SECRET_MAX];
	size_t n; /* 0 = not set */
};

/* ERR_LIMIT when longer than SECRET_MAX. */
int secret_set(struct secret *s, struct span bytes);
void secret_done(struct secret *s);
struct span secret_span(const struct secret *s);

/* Zeroes memory in a way the compiler may not drop. */
void wipe(void *p, size_t n);

/* Time depends on n only. */
bool ct_eq(const void *a, const void *b, size_t n);

#endif
