/* SPDX-License-Identifier: AGPL-3.0-only */
#ifndef HEALTHD_UTF8_H
#define HEALTHD_UTF8_H

#include "base/span.h"

/* Bytes of the well-formed UTF-8 sequence (RFC 3629 4) that s begins with; 0: it begins with none. */
static inline size_t utf8_first(struct span s)
{
	static const uint32_t least[5] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint8_t c = s.n ? s.p[0] : 0x80;
	size_t n = c < 0x80 ? 1 : c < 0xc0 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf8 ? 4 : 0;
	uint32_t v = n > 1 ? c & (0xffu >> (n + 1)) : c;

	if (n > s.n)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((s.p[i] & 0xc0) != 0x80)
			return 0;
		v = v << 6 | (s.p[i] & 0x3fu);
	}
	return n > 1 && (v < least[n] || v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff)) ? 0 : n;
}

#endif
