/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sys/rng_kernel.h"

#include "t.h"

/* More than one system call's worth comes, and never the same again. */
static void fills_and_differs(void)
{
	static uint8_t a[100000], b[100000];
	struct rng rng = rng_kernel(), other = rng_kernel();
	size_t zero = 0;

	rng_bytes(&rng, a, sizeof(a));
	rng_bytes(&other, b, sizeof(b));
	OK(memcmp(a, b, sizeof(a)) != 0);
	for (size_t i = 0; i < sizeof(a); i++)
		zero += a[i] == 0;
	OK(zero > 200 && zero < 600); /* 390 are expected */
}

T_MAIN(T(fills_and_differs))
