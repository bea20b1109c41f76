/* SPDX-License-Identifier: AGPL-3.0-only */
#include "refreshd/render/sni.h"

#include <openssl/sha.h>

#define DAY (UINT64_C(86400) * US_PER_SEC)

static void put_digits(char *at, uint32_t v, int n)
{
	while (n--) {
		at[n] = (char)('0' + v % 10);
		v /= 10;
	}
}

/* Days since 1970 to a date of the Gregorian calendar, counted from March 1 of year 0, so that a leap day is a year's last. */
void sni_date(wall_t now, char ret[11])
{
	uint64_t days = now.us / DAY + 719468, era = days / 146097, doe = days % 146097;
	uint64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	uint64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
	uint64_t month = mp < 10 ? mp + 3 : mp - 9;

	put_digits(ret, (uint32_t)(yoe + era * 400 + (month <= 2)) % 10000, 4);
	put_digits(ret + 5, (uint32_t)month, 2);
	put_digits(ret + 8, (uint32_t)(doy - (153 * mp + 2) / 5 + 1), 2);
	ret[4] = ret[7] = '-';
	ret[10] = '\0';
}

uint32_t sni_pick(const char *node_id, const char date[11], uint32_t n)
{
	uint8_t digest[SHA256_DIGEST_LENGTH], text[512];
	struct wr w = wr_from(text, sizeof(text));
	uint64_t rest = 0;

	wr_str(&w, node_id);
	wr_str(&w, ":");
	wr_str(&w, date);
	if (node_id[0] == '\0' || w.bad || n == 0 || !SHA256(text, wr_len(&w), digest))
		return 0;
	for (size_t i = 0; i < sizeof(digest); i++)
		rest = (rest << 8 | digest[i]) % n;
	return (uint32_t)rest;
}
