/* SPDX-License-Identifier: AGPL-3.0-only */
/* Durations as people write them. One table serves both directions. */
#include "base/mono.h"

#include "base/err.h"

/* Largest first: the first unit that divides a duration gives its shortest text. */
static const struct {
	const char *name;
	uint64_t us;
} units[] = {
	{ "d", DUR_SEC(86400) }, { "h", DUR_SEC(3600) }, { "m", DUR_SEC(60) },
	{ "s", DUR_SEC(1) },     { "ms", DUR_MS(1) },    { "us", 1 },
};

int dur_parse(struct span text, uint64_t *ret_us)
{
	uint64_t v = 0;
	size_t i = 0;

	for (; i < text.n && text.p[i] >= '0' && text.p[i] <= '9'; i++) {
		if (__builtin_mul_overflow(v, UINT64_C(10), &v) ||
		    __builtin_add_overflow(v, (uint64_t)(text.p[i] - '0'), &v))
			return ERR_MALFORMED;
	}
	if (i == 0)
		return ERR_MALFORMED;

	struct span unit = i < text.n ? span_of(text.p + i, text.n - i) : SPAN_LIT("s");

	for (size_t k = 0; k < ARRAY_LEN(units); k++) {
		if (!span_is(unit, units[k].name))
			continue;
		if (__builtin_mul_overflow(v, units[k].us, &v))
			return ERR_MALFORMED;
		*ret_us = v;
		return 0;
	}
	return ERR_MALFORMED;
}

void dur_write(struct wr *w, uint64_t us)
{
	uint8_t buf[24];
	struct wr text = wr_from(buf, sizeof(buf));
	size_t k = 0;

	if (us == 0)
		k = 3; /* every unit divides nothing; "0s" reads best */
	while (us % units[k].us)
		k++;
	wr_dec(&text, us / units[k].us);
	wr_str(&text, units[k].name);
	wr_span(w, wr_span_of(&text)); /* all or nothing */
}
