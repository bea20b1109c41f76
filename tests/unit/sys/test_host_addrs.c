/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sys/host_addrs.h"

#include "t.h"

/* Loopback is there wherever this runs; none comes twice, none has a port, and the bound is told. */
static void lists_this_host(void)
{
	const struct addr lo = addr_v4(127, 0, 0, 1, 0);
	struct addr a[256];
	bool more, found = false;
	int n = host_addrs(a, ARRAY_LEN(a), &more);

	OK(n > 0 && !more);
	for (int i = 0; i < n; i++) {
		found |= addr_eq(&a[i], &lo);
		EQ(a[i].port, 0);
		for (int k = 0; k < i; k++)
			OK(!addr_same_ip(&a[i], &a[k]) || a[i].scope != a[k].scope);
	}
	OK(found);
	EQ(host_addrs(a, 0, &more), 0);
	OK(more);
}

/* Where there is a route, the primary address is one of ours; where there is none, nothing is written. */
static void primary_is_ours(void)
{
	struct addr a[256];
	bool more;
	int n = host_addrs(a, ARRAY_LEN(a), &more);

	for (int v4 = 0; v4 < 2; v4++) {
		struct addr p = { 0 };
		bool found = false;

		if (!host_primary(v4, &p)) {
			OK(addr_is_unset(&p));
			continue;
		}
		EQ(addr_is_v4(&p), v4);
		EQ(p.port, 0);
		for (int i = 0; i < n; i++)
			found |= addr_same_ip(&a[i], &p);
		OK(found);
		OK(v4 || host_has_v6());
	}
}

T_MAIN(T(lists_this_host), T(primary_is_ours))
