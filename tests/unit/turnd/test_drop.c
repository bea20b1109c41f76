/* SPDX-License-Identifier: AGPL-3.0-only */
#include "turnd/drop.h"

#include "t.h"

/* Every reason has a metric label of its own: lower case with underscores. */
static void every_reason_has_its_own_label(void)
{
	for (int d = 0; d < DROP_MAX_; d++) {
		const char *s = drop_str((enum drop)d);

		t_row = s ? s : "";
		OK(s && *s && strspn(s, "abcdefghijklmnopqrstuvwxyz_") == strlen(s));
		for (int k = 0; k < d; k++)
			OK(strcmp(s, drop_str((enum drop)k)) != 0);
	}
}

/* A number beyond the list is named as such, not read from behind the table. */
static void an_unknown_number_is_unknown(void)
{
	EQ_STR(drop_str(DROP_MAX_), "unknown");
	EQ_STR(drop_str((enum drop)-1), "unknown");
}

T_MAIN(T(every_reason_has_its_own_label), T(an_unknown_number_is_unknown))
