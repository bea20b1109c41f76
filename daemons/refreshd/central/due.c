/* SPDX-License-Identifier: AGPL-3.0-only */
#include "refreshd/central/due.h"

bool due_cross_probe(wall_t now, wall_t written)
{
	return written.us == 0 || written.us > now.us || now.us - written.us >= CROSS_PROBE_TTL / 2;
}
