/* SPDX-License-Identifier: AGPL-3.0-only */
#include "refreshd/render/sni.h"
#include "t.h"

/* python: int(hashlib.sha256(f"{node}:{date}".encode()).hexdigest(), 16) % n */
static void picks(void)
{
	static const struct {
		const char *node, *date;
		uint32_t n, want;
	} rows[] = {
		{ "acme-0a1b2c3d4e5f", "2026-11-23", 2, 0 }, { "acme-0a1b2c3d4e5f", "2026-11-24", 2, 1 },
		{ "acme-0a1b2c3d4e5f", "2026-11-23", 5, 1 }, { "acme-0a1b2c3d4e5f", "2026-11-24", 5, 0 },
		{ "n", "1970-01-01", 7, 2 }, { "peer-1", "2024-02-29", 32, 9 },
		{ "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "2100-03-01", 31, 7 },
		{ "acme-0a1b2c3d4e5f", "2026-11-23", 1, 0 }, { "", "2026-11-23", 5, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		t_row = rows[i].date;
		EQ(sni_pick(rows[i].node, rows[i].date, rows[i].n), rows[i].want);
	}
}

static void dates(void)
{
	static const struct {
		uint64_t seconds;
		const char *want;
	} rows[] = {
		{ 0, "1970-01-01" }, { 86399, "1970-01-01" }, { 86400, "1970-01-02" }, { 68169600, "1972-02-29" },
		{ 946598400, "1999-12-31" }, { 951782400, "2000-02-29" }, { 951868800, "2000-03-01" }, { 1795392000, "2026-11-23" },
		{ 1795478399, "2026-11-23" }, { 4107456000, "2100-02-28" }, { 4107542400, "2100-03-01" },
		{ 13574563200, "2400-02-29" }, { 253402214400, "9999-12-31" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char date[11];

		sni_date((wall_t){ rows[i].seconds * US_PER_SEC }, date);
		EQ_STR(date, rows[i].want);
	}
}

T_MAIN(T(picks), T(dates))
