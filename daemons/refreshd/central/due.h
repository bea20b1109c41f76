/* SPDX-License-Identifier: AGPL-3.0-only */
/* What is due when, for a program that runs once a day and may have slept for a month. Pure: the times are arguments. */
#ifndef REFRESHD_DUE_H
#define REFRESHD_DUE_H

#include "base/mono.h"

#define CROSS_PROBE_TTL (UINT64_C(604800) * US_PER_SEC)

/* written: when the file was; 0: there is none. */
bool due_cross_probe(wall_t now, wall_t written); /* half of its life is over, or it is from the future */

#endif
