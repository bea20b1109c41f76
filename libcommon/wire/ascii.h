/* SPDX-License-Identifier: AGPL-3.0-only */
/* Text of protocols and configuration: ASCII rules, whatever the locale. */
#ifndef WIRE_ASCII_H
#define WIRE_ASCII_H

#include "base/span.h"

static inline uint8_t ascii_lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

/* Space and tab; line ends are structure, not white space. */
static inline bool ascii_is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

static inline struct span ascii_trim(struct span s)
{
	while (s.n && ascii_is_blank(s.p[0])) {
		s.p++;
		s.n--;
	}
	while (s.n && ascii_is_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

/* True for a byte that no line of text contains; beyond ASCII is allowed. */
static inline bool ascii_is_control(uint8_t c)
{
	return (c < 0x20 && c != '\t') || c == 0x7f;
}

/* Equal but for case. */
static inline bool ascii_same(struct span a, struct span b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++) {
		if (ascii_lower(a.p[i]) != ascii_lower(b.p[i]))
			return false;
	}
	return true;
}

#endif
