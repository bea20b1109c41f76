/* SPDX-License-Identifier: AGPL-3.0-only */
#include "healthd/probe/vet.h"

enum vet vet_pick(const struct addr *a, uint32_t n, bool allow_internal, struct addr *ret)
{
	if (n == 0)
		return VET_NONE;
	for (uint32_t i = 0; i < n; i++) {
		if (allow_internal || addr_is_global(&a[i])) {
			*ret = a[i];
			return VET_OK;
		}
	}
	*ret = a[0];
	return VET_INTERNAL;
}
