/* SPDX-License-Identifier: AGPL-3.0-only */
#include "base/secret.h"

#include <string.h>

#include "base/err.h"

int secret_set(struct secret *s, struct span bytes)
{
	if (bytes.n > SECRET_MAX)
		return ERR_LIMIT;
	/* memmove: the new value may be a part of the old one. */
	if (bytes.n)
		memmove(s->b, bytes.p, bytes.n);
	wipe(s->b + bytes.n, SECRET_MAX - bytes.n);
	s->n = bytes.n;
	return 0;
}

void secret_done(struct secret *s)
{
	wipe(s, sizeof(*s));
}

struct span secret_span(const struct secret *s)
{
	return span_of(s->b, s->n);
}

void wipe(void *p, size_t n)
{
	if (n)
		explicit_bzero(p, n);
}

bool ct_eq(const void *a, const void *b, size_t n)
{
	const uint8_t *x = a, *y = b;
	uint32_t diff = 0;

	for (size_t i = 0; i < n; i++) {
		diff |= (uint32_t)(x[i] ^ y[i]);
		/* The compiler must not learn that a nonzero diff ends the search. */
		__asm__ volatile("" : "+r"(diff));
	}
	return diff == 0;
}
