/* SPDX-License-Identifier: AGPL-3.0-only */
#include "base/secret.h"

#include "t.h"

/* A secret leaves no byte behind: not when replaced by a shorter one, not when done. */
static void leaves_no_byte_behind(void)
{
	struct secret s = { 0 }, zero = { 0 };
	uint8_t key[SECRET_MAX + 1];

	memset(key, 0xab, sizeof(key));
	EQ(secret_set(&s, span_of(key, SECRET_MAX)), 0);
	EQ(secret_set(&s, span_of(key, SECRET_MAX + 1)), ERR_LIMIT);
	EQ_SPAN(secret_span(&s), span_of(key, SECRET_MAX));
	EQ(secret_set(&s, SPAN_LIT("hunter2")), 0);
	EQ_SPAN(secret_span(&s), SPAN_LIT("hunter2"));
	OK(memcmp(s.b + 7, zero.b, SECRET_MAX - 7) == 0);
	EQ(secret_set(&s, span_of(s.b + 1, 3)), 0);
	EQ_SPAN(secret_span(&s), SPAN_LIT("unt"));
	EQ(secret_set(&s, span_of(NULL, 0)), 0);
	EQ(s.n, 0);
	EQ(secret_set(&s, SPAN_LIT("again")), 0);
	secret_done(&s);
	EQ_SPAN(span_of(&s, sizeof(s)), span_of(&zero, sizeof(zero)));
	secret_done(&s);
	wipe(NULL, 0);
}

/* ct_eq is memcmp() == 0: a difference in any single bit of any byte counts. */
static void every_bit_counts(void)
{
	uint8_t a[33], b[33];

	for (size_t i = 0; i < sizeof(a); i++)
		a[i] = b[i] = (uint8_t)(i * 7);
	OK(ct_eq(a, b, sizeof(a)));
	OK(ct_eq(a, b, 0));
	for (size_t bit = 0; bit < 8 * sizeof(a); bit++) {
		b[bit / 8] ^= (uint8_t)(1 << bit % 8);
		OK(!ct_eq(a, b, sizeof(a)));
		OK(ct_eq(a, b, bit / 8));
		b[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

T_MAIN(T(leaves_no_byte_behind), T(every_bit_counts))
