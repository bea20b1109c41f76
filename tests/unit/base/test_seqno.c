/* SPDX-License-Identifier: AGPL-3.0-only */
#include "base/seqno.h"

#include "base/rng.h"
#include "t.h"

/* RFC 1982 3.2: newer is the shorter way round. */
static void newer_is_the_shorter_way_round(void)
{
	static const struct { uint16_t a, b; int diff; } rows[] = {
		{ 1, 0, 1 }, { 0, 1, -1 }, { 0, 65535, 1 }, { 65535, 0, -1 }, { 32767, 0, 32767 }, { 32769, 0, -32767 },
		{ 5, 5, 0 }, { 32768, 0, -32768 }, { 0, 32768, -32768 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		EQ(seq16_diff(rows[i].a, rows[i].b), rows[i].diff);
		EQ(seq16_newer(rows[i].a, rows[i].b), rows[i].diff > 0);
	}
	EQ(seq32_diff(0, UINT32_MAX), 1);
	EQ(seq32_diff(UINT32_MAX, 0), -1);
	EQ(seq32_diff(0x80000000, 0), INT32_MIN);
}

/* Extension recovers any number that is less than half a turn from the reference. */
static void extension_finds_the_nearest(void)
{
	struct rng rng;

	rng_seed(&rng, 4);
	for (int i = 0; i < 100000; i++) {
		uint64_t ref = (UINT64_C(1) << 33) + (rng_u64(&rng) >> 20);
		uint64_t near16 = ref - 32768 + rng_below(&rng, 65536);
		uint64_t near32 = ref - 0x80000000u + rng_u32(&rng);

		OK(seq16_extend(ref, (uint16_t)near16) == near16);
		OK(seq32_extend(ref, (uint32_t)near32) == near32);
	}
	EQ(seq16_extend(65536, 65535), 65535);
	EQ(seq16_extend(131071, 0), 131072);
}

T_MAIN(T(newer_is_the_shorter_way_round), T(extension_finds_the_nearest))
