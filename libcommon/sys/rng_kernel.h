/* SPDX-License-Identifier: AGPL-3.0-only */
/* The kernel's randomness, for daemons (base/rng.h). */
#ifndef SYS_RNG_KERNEL_H
#define SYS_RNG_KERNEL_H

#include "base/rng.h"

/* Stateless: any thread may have one. Ends the process when there is no randomness, which cannot happen after boot. */
struct rng rng_kernel(void);

#endif
