/* SPDX-License-Identifier: AGPL-3.0-only */
#include "refreshd/central/due.h"
#include "t.h"

#define NOW UINT64_C(1795392000)

static void a_token_by_its_age(void)
{
	static const struct {
		int64_t age; /* seconds */
		bool due;
	} rows[] = { { 0, false }, { 302399, false }, { 302400, true }, { 604800, true }, { 90000000, true }, { -1, true } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		wall_t written = { (uint64_t)((int64_t)NOW - rows[i].age) * US_PER_SEC };

		EQ(due_cross_probe((wall_t){ NOW * US_PER_SEC }, written), rows[i].due);
	}
	OK(due_cross_probe((wall_t){ NOW * US_PER_SEC }, (wall_t){ 0 }));
}

T_MAIN(T(a_token_by_its_age))
