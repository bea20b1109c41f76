/* SPDX-License-Identifier: AGPL-3.0-only */
/* Serial-number arithmetic (RFC 1982) and extension of 16-bit numbers to 64 bits. */
#ifndef BASE_SEQNO_H
#define BASE_SEQNO_H

#include <stdbool.h>
#include <stdint.h>

static inline int16_t seq16_diff(uint16_t a, uint16_t b)
{
	return (int16_t)(uint16_t)(a - b);
}

static inline bool seq16_newer(uint16_t a, uint16_t b)
{
	return seq16_diff(a, b) > 0;
}

static inline int32_t seq32_diff(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b);
}

/* The 64-bit number nearest to `ref` whose low 16 bits are `seq`. Start `ref` at >= 65536 so that it cannot go
 * below 0. */
static inline uint64_t seq16_extend(uint64_t ref, uint16_t seq)
{
	return ref + (uint64_t)(int64_t)seq16_diff(seq, (uint16_t)ref);
}

/* The same for 32 bits; start `ref` at >= 2^32. */
static inline uint64_t seq32_extend(uint64_t ref, uint32_t seq)
{
	return ref + (uint64_t)(int64_t)seq32_diff(seq, (uint32_t)ref);
}

#endif
