/* SPDX-License-Identifier: AGPL-3.0-only */
#include "healthd/probe/vet.h"

#include "t.h"

static struct addr at(const char *text)
{
	struct addr a = { 0 };

	EQ(addr_parse(span_str(text), &a), 0);
	return a;
}

/* Every way to write an address inside, and one of outside for each family. */
static void names_lead_outside_or_nowhere(void)
{
	static const struct {
		const char *text;
		enum vet want;
	} rows[] = {
		{ "1.1.1.1", VET_OK },
		{ "2606:4700:4700::1111", VET_OK },
		{ "64:ff9b::1.1.1.1", VET_OK },
		{ "127.0.0.1", VET_INTERNAL },
		{ "0.0.0.0", VET_INTERNAL },
		{ "10.9.0.2", VET_INTERNAL },
		{ "172.16.0.1", VET_INTERNAL },
		{ "192.168.1.1", VET_INTERNAL },
		{ "100.64.0.1", VET_INTERNAL },
		{ "169.254.169.254", VET_INTERNAL },
		{ "224.0.0.1", VET_INTERNAL },
		{ "255.255.255.255", VET_INTERNAL },
		{ "192.0.2.1", VET_INTERNAL },
		{ "::", VET_INTERNAL },
		{ "::1", VET_INTERNAL },
		{ "fe80::1", VET_INTERNAL },
		{ "fd00::1", VET_INTERNAL },
		{ "ff02::1", VET_INTERNAL },
		{ "::ffff:127.0.0.1", VET_INTERNAL },
		{ "::ffff:10.0.0.1", VET_INTERNAL },
		{ "::127.0.0.1", VET_INTERNAL },
		{ "::ffff:0:127.0.0.1", VET_INTERNAL },
		{ "64:ff9b::127.0.0.1", VET_INTERNAL },
		{ "64:ff9b::a09:2", VET_INTERNAL },
		{ "64:ff9b:1::10.0.0.1", VET_INTERNAL },
		{ "2002:7f00:1::1", VET_INTERNAL },
		{ "2002:a00:1::1", VET_INTERNAL },
		{ "2001:0:101:101::80ff:fffe", VET_INTERNAL },    /* Teredo: client 127.0.0.1 */
		{ "2606:4700::5efe:127.0.0.1", VET_INTERNAL },     /* ISATAP */
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct addr a = at(rows[i].text), got = { 0 };

		t_row = rows[i].text;
		EQ(vet_pick(&a, 1, false, &got), rows[i].want);
		OK(addr_eq(&got, &a));
		EQ(vet_pick(&a, 1, true, &got), VET_OK);
	}
}

static void the_first_global_one_is_dialled(void)
{
	struct addr a[] = { at("10.0.0.1"), at("1.1.1.1:443"), at("8.8.8.8") }, got;

	EQ(vet_pick(a, 3, false, &got), VET_OK);
	OK(addr_eq(&got, &a[1]));
	EQ(vet_pick(a, 3, true, &got), VET_OK);
	OK(addr_eq(&got, &a[0]));
	EQ(vet_pick(a, 1, false, &got), VET_INTERNAL);
}

static void no_address_is_no_address(void)
{
	struct addr got;

	EQ(vet_pick(NULL, 0, false, &got), VET_NONE);
	EQ(vet_pick(NULL, 0, true, &got), VET_NONE);
}

T_MAIN(T(names_lead_outside_or_nowhere), T(the_first_global_one_is_dialled), T(no_address_is_no_address))
