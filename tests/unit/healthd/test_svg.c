/* SPDX-License-Identifier: AGPL-3.0-only */
#include "healthd/page/svg.h"

#include "t.h"

#define NOW ((mono_t){ 9999 * HISTORY_STEP })
#define AT(ago) ((mono_t){ NOW.us - (ago) * HISTORY_STEP })

static char out[65536];

static const char *drawn(const struct history *h)
{
	struct wr w = wr_from(out, sizeof(out) - 1);

	svg_spark(&w, h, NOW, "label");
	OK(!w.bad);
	out[wr_len(&w)] = '\0';
	return out;
}

static unsigned count(const char *text, const char *what)
{
	unsigned n = 0;

	for (; (text = strstr(text, what)); text++)
		n++;
	return n;
}

static void empty_is_a_base_line(void)
{
	static struct history h;

	EQ_STR(drawn(&h),
	       "<svg class=\"spark\" viewBox=\"0 0 288 36\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"label\">"
	       "<path class=\"base\" d=\"M0 36H288\"/></svg>");
}

/* A value alone is a visible line at the top; 0 is at the bottom. */
static void scales_to_the_largest(void)
{
	static struct history h;

	history_add(&h, AT(0), 500);
	OK(strstr(drawn(&h), "<path class=\"line\" d=\"M286 3L288 3\"/>"));
	history_add(&h, AT(0), 0);
	OK(strstr(drawn(&h), "<path class=\"line\" d=\"M286 35L288 35\"/>"));
}

static void gaps_and_failures(void)
{
	static struct history h;

	for (unsigned ago = 1439; ago > 1000; ago--)
		history_add(&h, AT(ago), 100);
	for (unsigned ago = 500; ago > 300; ago--)
		history_add(&h, AT(ago), 50);
	for (unsigned ago = 30; ago > 10; ago--)
		history_fail(&h, AT(ago));
	drawn(&h);
	EQ(count(out, "class=\"line\""), 2);
	EQ(count(out, "class=\"area\""), 2);
	EQ(count(out, "class=\"fail\""), 1);
	OK(!strstr(out, "4294967295"));
}

T_MAIN(T(empty_is_a_base_line), T(scales_to_the_largest), T(gaps_and_failures))
