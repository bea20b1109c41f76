/* SPDX-License-Identifier: AGPL-3.0-only */
#include "refreshd/due.h"

#include "refreshd/sni.h"

static bool older_than(wall_t now, wall_t written, uint64_t age)
{
	return written.us == 0 || written.us > now.us || now.us - written.us >= age;
}

bool due_cross_probe(wall_t now, wall_t written)
{
	return older_than(now, written, CROSS_PROBE_TTL / 2);
}

bool due_cross_probe_dead(wall_t now, wall_t written)
{
	return written.us <= now.us && older_than(now, written, CROSS_PROBE_TTL);
}

bool due_server_name(wall_t now, const char *picked_on)
{
	char today[11];

	sni_date(now, today);
	return strcmp(today, picked_on) != 0;
}
