/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 *   <newest>
 *   # until <unix time>: passwords made with this one may still be in use
 *   <the one before>
 */
#include "refreshd/render/turn_secrets.h"

#include "base/err.h"
#include "refreshd/node/node_read.h"

#define UNTIL "# until "

struct older {
	struct span secret; /* empty: none */
	uint64_t until;     /* unix time */
};

static uint64_t read_until(struct span line)
{
	const size_t head = sizeof(UNTIL) - 1;
	uint64_t v = 0;

	if (line.n < head || memcmp(line.p, UNTIL, head) != 0)
		return 0;
	for (size_t i = head; i < line.n && line.p[i] >= '0' && line.p[i] <= '9' && v < UINT64_MAX / 100; i++)
		v = v * 10 + (uint64_t)(line.p[i] - '0');
	return v;
}

static struct older still_good(struct span newest, struct span had, uint64_t now)
{
	const uint64_t latest = now + TURN_SECRET_GRACE / US_PER_SEC;
	struct span first = { 0 }, comment = { 0 };
	struct rd r = rd_from(had);
	struct older o = { 0 };

	(void)text_line(&r, &first);
	(void)text_line(&r, &comment);
	if (first.n && !span_eq(first, newest))
		return (struct older){ first, latest };
	(void)text_line(&r, &o.secret);
	o.until = read_until(comment);
	if (o.until <= now || span_eq(o.secret, newest))
		return (struct older){ 0 };
	if (o.until > latest) /* the clock was ahead */
		o.until = latest;
	return o;
}

int turn_secrets_write(const struct secret *newest, struct span had, wall_t now, struct wr *w)
{
	struct span s = secret_span(newest);
	struct older o;

	/* turnd takes spaces around a line off, and a # for a comment. */
	if (s.n == 0 || text_has_control(s) || s.p[0] == '#' || s.p[0] == ' ' || s.p[s.n - 1] == ' ')
		return ERR_MALFORMED;
	o = still_good(s, had, now.us / US_PER_SEC);
	wr_span(w, s);
	if (o.secret.n == 0)
		return 0;
	wr_str(w, "\n" UNTIL);
	wr_dec(w, o.until);
	wr_str(w, ": passwords made with this one may still be in use\n");
	wr_span(w, o.secret);
	wr_str(w, "\n");
	return 0;
}
