/* SPDX-License-Identifier: AGPL-3.0-only */
#include "healthd/page/status_words.h"

static struct wr writer(char ret[WORDS_MAX])
{
	memset(ret, 0, WORDS_MAX);
	return wr_from(ret, WORDS_MAX - 1);
}

/* v in units of `unit`, with three digits: 1.25, 12.3, 123. */
static void scaled(struct wr *w, uint64_t v, uint64_t unit)
{
	uint64_t whole = v / unit, rest = v % unit;
	uint64_t tenth = unit / 10 ? rest / (unit / 10) : 0, hundredth = unit / 100 ? rest / (unit / 100) % 10 : 0;

	wr_dec(w, whole);
	if (whole >= 100 || (tenth == 0 && (whole >= 10 || hundredth == 0)))
		return;
	wr_str(w, ".");
	wr_dec(w, tenth > 9 ? 9 : tenth);
	if (whole < 10 && hundredth)
		wr_dec(w, hundredth);
}

const char *words_count(uint64_t v, char ret[WORDS_MAX])
{
	struct wr w = writer(ret);

	wr_dec(&w, v);
	return ret;
}

const char *words_us(uint64_t us, char ret[WORDS_MAX])
{
	struct wr w = writer(ret);

	if (us < US_PER_MS) {
		wr_dec(&w, us);
		wr_str(&w, " us");
	} else {
		bool s = us >= US_PER_SEC;

		scaled(&w, us, s ? US_PER_SEC : US_PER_MS);
		wr_str(&w, s ? " s" : " ms");
	}
	return ret;
}

const char *words_duration(uint64_t sec, char ret[WORDS_MAX])
{
	static const struct {
		uint64_t least, unit, sub;
		const char *name, *sub_name;
	} form[] = {
		{ 2 * 86400, 86400, 3600, " d", " h" },
		{ 2 * 3600, 3600, 60, " h", " min" },
		{ 120, 60, 0, " min", NULL },
		{ 0, 1, 0, " s", NULL },
	};
	struct wr w = writer(ret);
	size_t i = 0;

	while (sec < form[i].least)
		i++;
	wr_dec(&w, sec / form[i].unit);
	wr_str(&w, form[i].name);
	if (form[i].sub && sec % form[i].unit >= form[i].sub) {
		wr_str(&w, " ");
		wr_dec(&w, sec % form[i].unit / form[i].sub);
		wr_str(&w, form[i].sub_name);
	}
	return ret;
}

static void with_prefix(struct wr *w, uint64_t v, const char *unit)
{
	static const char *const prefix[] = { " ", " k", " M", " G", " T", " P" };
	uint64_t scale = 1;
	size_t i = 0;

	while (v / scale >= 1000 && i + 1 < ARRAY_LEN(prefix)) {
		scale *= 1000;
		i++;
	}
	scaled(w, v, scale);
	wr_str(w, prefix[i]);
	wr_str(w, unit);
}

const char *words_bytes(uint64_t n, char ret[WORDS_MAX])
{
	struct wr w = writer(ret);

	with_prefix(&w, n, "B");
	return ret;
}

const char *words_rate(uint64_t per_second, char ret[WORDS_MAX])
{
	struct wr w = writer(ret);

	with_prefix(&w, per_second > UINT64_MAX / 8 ? UINT64_MAX : 8 * per_second, "bit/s");
	return ret;
}

const char *words_percent(uint64_t part, uint64_t whole, char ret[WORDS_MAX])
{
	struct wr w = writer(ret);
	uint64_t thousandth;

	if (whole == 0) {
		wr_str(&w, "–");
		return ret;
	}
	thousandth = part > UINT64_MAX / 1000 ? 1000 : 1000 * part / whole;
	wr_dec(&w, thousandth / 10);
	if (thousandth % 10) {
		wr_str(&w, ".");
		wr_dec(&w, thousandth % 10);
	}
	wr_str(&w, " %");
	return ret;
}

const char *words_days(uint64_t days, char ret[WORDS_MAX])
{
	struct wr w = writer(ret);

	wr_dec(&w, days);
	wr_str(&w, days == 1 ? " day left" : " days left");
	return ret;
}
