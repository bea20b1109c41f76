/* SPDX-License-Identifier: AGPL-3.0-only */
#include "healthd/page/svg.h"

#define STEP (SVG_WIDTH / SVG_POINTS)
#define TOP 3

static bool is_value(const struct history_point *p)
{
	return p->v < HISTORY_FAILED;
}

static void number(struct wr *w, const char *before, uint64_t v)
{
	wr_str(w, before);
	wr_dec(w, v);
}

static uint32_t largest(const struct history_point *p)
{
	uint32_t most = 1;

	for (uint32_t i = 0; i < SVG_POINTS; i++)
		most = is_value(&p[i]) && p[i].v > most ? p[i].v : most;
	return most;
}

static uint32_t height_of(uint32_t v, uint32_t most)
{
	return SVG_HEIGHT - 1 - (uint32_t)((uint64_t)v * (SVG_HEIGHT - 1 - TOP) / most);
}

/* The points from..to - 1 as one path; closed down to the base line when it is an area. A lone point is a short line. */
static void path(struct wr *w, const struct history_point *p, uint32_t from, uint32_t to, uint32_t most, bool area)
{
	wr_str(w, area ? "<path class=\"area\" d=\"" : "<path class=\"line\" d=\"");
	wr_str(w, "M");
	if (area) {
		number(w, "", (uint64_t)from * STEP);
		number(w, " ", SVG_HEIGHT);
		wr_str(w, "L");
	}
	for (uint32_t i = from; i < to; i++) {
		number(w, i > from ? "L" : "", (uint64_t)i * STEP);
		number(w, " ", height_of(p[i].v, most));
	}
	number(w, "L", (uint64_t)to * STEP);
	number(w, " ", height_of(p[to - 1].v, most));
	if (area) {
		number(w, "L", (uint64_t)to * STEP);
		number(w, " ", SVG_HEIGHT);
		wr_str(w, "Z");
	}
	wr_str(w, "\"/>");
}

static void marks(struct wr *w, const struct history_point *p)
{
	for (uint32_t i = 0; i < SVG_POINTS; i++) {
		uint32_t n = 1;

		if (p[i].v != HISTORY_FAILED)
			continue;
		while (i + n < SVG_POINTS && p[i + n].v == HISTORY_FAILED)
			n++;
		number(w, "<rect class=\"fail\" x=\"", (uint64_t)i * STEP);
		number(w, "\" y=\"0\" width=\"", (uint64_t)n * STEP);
		number(w, "\" height=\"", SVG_HEIGHT);
		wr_str(w, "\"/>");
		i += n - 1;
	}
}

void svg_spark(struct wr *w, const struct history *h, mono_t now, const char *label)
{
	struct history_point p[SVG_POINTS];
	uint32_t most;

	history_points(h, now, p, SVG_POINTS);
	most = largest(p);
	number(w, "<svg class=\"spark\" viewBox=\"0 0 ", SVG_WIDTH);
	number(w, " ", SVG_HEIGHT);
	wr_str(w, "\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"");
	wr_str(w, label);
	wr_str(w, "\">");
	marks(w, p);
	for (uint32_t i = 0; i < SVG_POINTS; i++) {
		uint32_t n = 0;

		while (i + n < SVG_POINTS && is_value(&p[i + n]))
			n++;
		if (n == 0)
			continue;
		path(w, p, i, i + n, most, true);
		path(w, p, i, i + n, most, false);
		i += n;
	}
	number(w, "<path class=\"base\" d=\"M0 ", SVG_HEIGHT);
	number(w, "H", SVG_WIDTH);
	wr_str(w, "\"/></svg>");
}
