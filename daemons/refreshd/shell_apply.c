/* SPDX-License-Identifier: AGPL-3.0-only */
/* One way from a candidate to a configuration in force, and one way back. See shell_generation.h for what a crash leaves. */
#include <stdio.h>

#include "refreshd/refreshd.h"
#include "sys/log.h"

#define VERIFY_LIMIT DUR_SEC(20)
#define VERIFY_LOOK DUR_SEC(1)

struct change {
	struct generation from, to;
	bool damaged; /* from */
	unsigned parts;
	struct health before;
};

static void say_parts(const struct change *c)
{
	char text[128];
	struct wr w = wr_from(text, sizeof(text) - 1);

	for (int p = 0; p < PART_MAX_; p++) {
		if (c->parts & 1U << p) {
			wr_str(&w, wr_len(&w) ? " " : "");
			wr_str(&w, part_name[p]);
		}
	}
	text[wr_len(&w)] = '\0';
	log_info("generation %llu (%s): changes %s", (unsigned long long)c->to.number, c->to.reason, *text ? text : "no part");
}

/* Everybody reloaded serves, and what was well before is well now. */
static int verify(const struct refreshd *d, const struct change *c, unsigned live, char why[WHY_MAX])
{
	mono_t until = mono_add(loop_clock(), VERIFY_LIMIT);
	struct health now;
	int r;

	for (;;) {
		const char *worse = NULL;

		r = reload_serving(d, live, why);
		if (r == 0 && c->before.n) {
			health_look(d, &now);
			worse = health_worse(&c->before, &now);
		}
		if (r == 0 && !worse)
			return 0;
		if (worse)
			snprintf(why, WHY_MAX, "the check \"%s\" was well before and fails now", worse);
		if (mono_reached(loop_clock(), until))
			return ERR_UNEXPECTED;
		loop_nap(VERIFY_LOOK);
	}
}

/* The old files in force again, and whoever had the new ones told. */
static int go_back(struct refreshd *d, const struct generation *from, unsigned parts)
{
	char why[WHY_MAX] = "";
	unsigned live;
	int r = generation_back(&d->st, from);

	if (r < 0)
		return log_err(r, "flipping back to generation %llu: do it by hand, %s/current", (unsigned long long)from->number,
			       d->st.lib);
	for (int p = 0; p < PART_MAX_ && from->number; p++) {
		if (parts & 1U << p && reload_parts(d, from, 1U << p, false, &live, why) < 0)
			log_at(LOG_ERR, NULL, "back at generation %llu, but %s", (unsigned long long)from->number, why);
	}
	r = generation_end(&d->st);
	return r < 0 ? log_err(r, "ending the journal of the apply") : 0;
}

static enum applied keep(struct refreshd *d, const struct change *c)
{
	int r = generation_end(&d->st);

	if (r < 0) {
		log_err(r, "ending the journal of the apply");
		return APPLY_BACK; /* the next run will see the journal and go back */
	}
	log_notice("generation %llu is in force (%s)", (unsigned long long)c->to.number, c->to.reason);
	d->report.kept++;
	copies_write(d, &c->to);
	r = generation_prune(&d->st);
	if (r < 0)
		log_err(r, "removing old generations");
	reload_pending(d);
	return APPLY_KEPT;
}

static enum applied back(struct refreshd *d, const struct change *c, const char *why)
{
	log_at(LOG_ERR, LOG_FIELDS("EVENT=flip-back"), "generation %llu is taken back: %s", (unsigned long long)c->to.number, why);
	d->report.back++;
	if (go_back(d, &c->from, c->parts) == 0)
		generation_discard(&c->to);
	return APPLY_BACK;
}

static enum applied flip(struct refreshd *d, struct change *c, char why[WHY_MAX])
{
	struct report before = d->report;
	unsigned live = 0;
	int r;

	if (c->parts)
		health_look(d, &c->before);
	copies_link(d);
	r = generation_flip(&d->st, &c->from, &c->to);
	if (r < 0)
		snprintf(why, WHY_MAX, "flipping: %s", err_str(r));
	else
		r = reload_parts(d, &c->to, c->parts, c->from.number != 0, &live, why);
	if (r == 0) {
		r = generation_verifying(&d->st, &c->from, &c->to);
		if (r < 0)
			snprintf(why, WHY_MAX, "writing the journal: %s", err_str(r));
	}
	if (r == 0)
		r = verify(d, c, live, why);
	if (r == 0)
		return keep(d, c);
	d->report = before;
	return back(d, c, why);
}

static int stage(struct refreshd *d, struct candidate *c, struct change *ch, char why[WHY_MAX])
{
	int r;

	ch->to = c->head;
	disk_time(disk_now(), ch->to.made_at);
	r = generation_stage(&d->st, &c->set, blob_span(&c->doc), &ch->to);
	if (r < 0) {
		snprintf(why, WHY_MAX, "writing a new generation below %.200s: %s", d->st.lib, err_str(r));
		return r;
	}
	ch->parts = PARTS_ALL;
	if (!ch->damaged)
		r = generation_diff(&ch->from, &ch->to, &ch->parts);
	if (r < 0)
		snprintf(why, WHY_MAX, "comparing generations: %s", err_str(r));
	else
		r = check_parts(d, &ch->to, ch->parts, why);
	if (r < 0)
		generation_discard(&ch->to);
	return r;
}

static enum applied refuse(struct refreshd *d, const char *why)
{
	log_at(LOG_ERR, LOG_FIELDS("EVENT=refused"), "nothing was changed: %s", why);
	d->report.refused++;
	return APPLY_REFUSED;
}

/* What is in force, as its manifest has it or not: then everything is made anew. */
static int look_at_current(const struct refreshd *d, struct change *c)
{
	char path[DISK_PATH_MAX];
	int r = generation_current(&d->st, &c->from);

	if (c->from.number == 0)
		return r;
	c->damaged = generation_intact(&c->from, path, sizeof(path)) < 0;
	if (c->damaged)
		log_warn("%s is not as it was written; a new generation takes the place of this one", path);
	return 0;
}

enum applied apply(struct refreshd *d, struct candidate *c, char why[WHY_MAX])
{
	struct change ch = { 0 };
	bool same = false;
	int r = look_at_current(d, &ch);

	if (r < 0)
		snprintf(why, WHY_MAX, "reading %.200s/current: %s", d->st.lib, err_str(r));
	else
		r = candidate_render(d, c, why);
	if (r < 0)
		return refuse(d, why);
	d->report.sni_pick = c->pick;
	d->report.sni_pool = c->pool;
	if (!ch.damaged && candidate_is(c, &ch.from, &same) == 0 && same)
		return APPLY_SAME;
	if (stage(d, c, &ch, why) < 0)
		return refuse(d, why);
	say_parts(&ch);
	return flip(d, &ch, why);
}

int apply_recover(struct refreshd *d)
{
	struct generation from, to;
	unsigned parts = PARTS_ALL;
	int r = generation_interrupted(&d->st, &from, &to);

	if (r < 0) {
		log_err(r, "%s/apply.json is not understood and removed; %s/current stays as it is", d->st.lib, d->st.lib);
		return generation_end(&d->st);
	}
	if (r == 1) {
		log_notice("an apply of generation %llu was cut off; going back to %llu", (unsigned long long)to.number,
			   (unsigned long long)from.number);
		if (from.number)
			(void)generation_diff(&from, &to, &parts);
		r = go_back(d, &from, parts);
	}
	check_tidy(d);
	if (r == 0)
		r = generation_prune(&d->st);
	return r < 0 ? log_err(r, "tidying %s", d->st.lib) : 0;
}
