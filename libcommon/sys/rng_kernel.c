/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sys/rng_kernel.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

static void fill(struct rng *rng, uint8_t *out, size_t n)
{
	(void)rng;
	while (n) {
		ssize_t got = getrandom(out, n, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			abort(); /* no randomness, no keys */
		out += got;
		n -= (size_t)got;
	}
}

struct rng rng_kernel(void)
{
	return (struct rng){ .fill = fill };
}
