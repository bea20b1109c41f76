/* SPDX-License-Identifier: AGPL-3.0-only */
#include "refreshd/due.h"
#include "t.h"

#define NOW UINT64_C(1795392000)

static void a_token_by_its_age(void)
{
	static const struct {
		int64_t age; /* seconds */
		bool due, dead;
	} rows[] = {
		{ 0, false, false },    { 302399, false, false }, { 302400, true, false }, { 604799, true, false },
		{ 604800, true, true }, { 90000000, true, true }, { -1, true, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		wall_t written = { (uint64_t)((int64_t)NOW - rows[i].age) * US_PER_SEC };

		EQ(due_cross_probe((wall_t){ NOW * US_PER_SEC }, written), rows[i].due);
		EQ(due_cross_probe_dead((wall_t){ NOW * US_PER_SEC }, written), rows[i].dead);
	}
	OK(due_cross_probe((wall_t){ NOW * US_PER_SEC }, (wall_t){ 0 }));
	OK(due_cross_probe_dead((wall_t){ NOW * US_PER_SEC }, (wall_t){ 0 }));
}

static void a_name_by_the_day(void)
{
	OK(!due_server_name((wall_t){ NOW * US_PER_SEC }, "2026-11-23"));
	OK(due_server_name((wall_t){ NOW * US_PER_SEC }, "2026-11-22"));
	OK(due_server_name((wall_t){ NOW * US_PER_SEC }, ""));
	OK(due_server_name((wall_t){ (NOW + 86400) * US_PER_SEC }, "2026-11-23"));
}

T_MAIN(T(a_token_by_its_age), T(a_name_by_the_day))
