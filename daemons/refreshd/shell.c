/* SPDX-License-Identifier: AGPL-3.0-only */
/* What the commands share: beginning and ending a run, facts about this host, the small commands. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "refreshd/refreshd.h"
#include "sys/log.h"
#include "sys/notify.h"

/* --- local facts ---------------------------------------------------------------------------------------- */

int local_load(struct refreshd *d)
{
	CLEANUP(blob_done) struct blob b = { 0 };
	char path[DISK_PATH_MAX];
	struct node_diag diag = { 0 };
	int r = disk_path(path, "%s/install.env", d->st.lib);

	local_defaults(&d->local);
	if (r == 0)
		r = blob_load(&b, path, LOCAL_ENV_MAX);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return log_err(r, "reading %s", path);
	r = local_parse(blob_span(&b), &d->local, &diag);
	if (r < 0)
		log_at(LOG_ERR, NULL, "%s: %s", path, diag.text);
	return r;
}

int local_save(struct refreshd *d)
{
	CLEANUP(blob_done) struct blob old = { 0 }, new = { 0 };
	char path[DISK_PATH_MAX];
	struct wr w;
	int r = disk_path(path, "%s/install.env", d->st.lib);

	if (r == 0)
		r = blob_load(&old, path, LOCAL_ENV_MAX);
	if (r == -ENOENT)
		r = 0;
	if (r == 0)
		r = blob_room(&new, LOCAL_ENV_MAX * 2);
	if (r == 0) {
		w = blob_wr(&new);
		r = local_write(&d->local, blob_span(&old), &w);
	}
	if (r == 0)
		r = blob_take(&new, &w);
	return r < 0 ? r : disk_put(path, blob_span(&new), 0600);
}

/* --- a run ---------------------------------------------------------------------------------------------- */

int begin(struct refreshd *d, uint64_t wait_us, int *ret_code)
{
	int r = state_lock(&d->st, wait_us);

	if (r < 0) {
		*ret_code = r == -ETIMEDOUT ? EX_TEMPFAIL : notify_exit_code(r);
		return r;
	}
	report_load(&d->st, &d->report);
	snprintf(d->report.command, sizeof(d->report.command), "%s", d->args.command);
	r = apply_recover(d); /* first: a bad install.env must not keep a half-done apply in force */
	if (r < 0) {
		*ret_code = notify_exit_code(r);
		return r;
	}
	r = local_load(d);
	*ret_code = r < 0 ? EX_CONFIG : 0;
	return r;
}

int finish(struct refreshd *d, int code)
{
	struct generation g = { 0 };
	int r;

	if (d->st.lock < 0)
		return code;
	(void)generation_current(&d->st, &g);
	r = report_save(&d->st, &d->report);
	if (r == 0)
		r = metrics_save(&d->st, &d->report, d->local.partner_id, d->local.node_id, g.number);
	if (r < 0)
		log_err(r, "writing metrics and outcomes in %s", d->st.lib);
	state_unlock(&d->st);
	return code;
}

int registered(struct refreshd *d, struct generation *ret)
{
	int r = generation_current(&d->st, ret);

	if (r < 0) {
		log_err(r, "%s/current is damaged: refreshd rollback N brings an earlier generation back", d->st.lib);
		return EX_CONFIG;
	}
	if (ret->number)
		return 0;
	log_at(LOG_ERR, NULL, "this node is not registered: get a token from central's admin and run refreshd register");
	return EX_CONFIG;
}

/* --- commands that render again ------------------------------------------------------------------------- */

static int code_of(enum applied a, const char *same)
{
	switch (a) {
	case APPLY_SAME:
		log_info("%s", same);
		return 0;
	case APPLY_KEPT:
		return 0;
	case APPLY_REFUSED:
	case APPLY_BACK:
		break;
	}
	return 1;
}

static int again(struct refreshd *d, const char *reason, const char *same)
{
	CLEANUP(candidate_done) struct candidate c = { 0 };
	char why[WHY_MAX] = "";
	struct generation now;
	int code;

	if (begin(d, DUR_SEC(60), &code) < 0)
		return finish(d, code);
	code = registered(d, &now);
	if (code == 0 && candidate_from(&c, &now, reason) < 0)
		code = EX_IOERR;
	if (code == 0)
		code = code_of(apply(d, &c, why), same);
	return finish(d, code);
}

int cmd_rotate(struct refreshd *d)
{
	return again(d, "rotate-sni", "the day's server name changes nothing");
}

int cmd_recover(struct refreshd *d)
{
	struct generation now;
	int code;

	if (begin(d, DUR_SEC(60), &code) == 0 && generation_current(&d->st, &now) == 0 && now.number) {
		copies_link(d);
		copies_write(d, &now);
	}
	return finish(d, code);
}

/* A damaged current generation must not keep anybody from going back to a whole one. */
static int chosen(struct refreshd *d, struct generation *ret)
{
	struct generation now = { 0 };
	char *end = NULL;
	uint64_t number;
	int r = generation_current(&d->st, &now);

	if (!d->args.number) {
		r = now.number || r == 0 ? generation_before(&d->st, now.number, ret) : r;
		if (r < 0)
			log_at(LOG_ERR, NULL, "there is no earlier generation to go back to");
		return r;
	}
	number = strtoull(d->args.number, &end, 10);
	r = number && !*end ? generation_find(&d->st, number, ret) : -ENOENT;
	if (r < 0)
		log_err(r, "there is no whole generation %s in %s/generations", d->args.number, d->st.lib);
	return r;
}

int cmd_rollback(struct refreshd *d)
{
	CLEANUP(candidate_done) struct candidate c = { 0 };
	char why[WHY_MAX] = "";
	struct generation g;
	int code;

	if (begin(d, DUR_SEC(60), &code) < 0)
		return finish(d, code);
	code = chosen(d, &g) < 0 ? EX_DATAERR : 0;
	if (code == 0 && candidate_from(&c, &g, "rollback") < 0)
		code = EX_IOERR;
	if (code == 0)
		code = code_of(apply(d, &c, why), "that is what is in force already");
	return finish(d, code);
}

/* --- render --------------------------------------------------------------------------------------------- */

static int write_out(const char *dir, const struct render_set *set)
{
	char path[DISK_PATH_MAX];
	int r = disk_make_dir(dir, 0700);

	for (uint32_t i = 0; r == 0 && i < set->n; i++) {
		const struct render_file *f = &set->file[i];
		const char *slash = strrchr(f->path, '/');

		if (slash) {
			r = disk_path(path, "%s/%.*s", dir, (int)(slash - f->path), f->path);
			if (r == 0)
				r = disk_make_dir(path, 0700);
		}
		if (r == 0)
			r = disk_path(path, "%s/%s", dir, f->path);
		if (r == 0)
			r = disk_put(path, f->text, f->secret ? 0600 : 0644);
	}
	return r;
}

static void say_changes(const struct candidate *c, const struct generation *now)
{
	struct manifest m;

	if (generation_manifest(now, &m) < 0)
		return;
	for (uint32_t i = 0; i < c->set.n; i++) {
		const struct render_set one = { .file = { c->set.file[i] }, .n = 1 };
		bool same = false;

		for (uint32_t k = 0; k < m.n && !same; k++) {
			if (strcmp(m.file[k].path, one.file[0].path) == 0) {
				struct manifest row = { .n = 2, .file = { m.file[k] } };

				same = generation_has(&row, &one);
			}
		}
		printf("%s %s\n", same ? "same   " : "changes", c->set.file[i].path);
	}
}

/* Nothing is written but what --output asks for: no lock, no report. */
static int dry(struct refreshd *d)
{
	CLEANUP(candidate_done) struct candidate c = { 0 };
	char why[WHY_MAX] = "";
	struct generation now;
	int r, code;

	if (local_load(d) < 0)
		return EX_CONFIG;
	code = registered(d, &now);
	if (code)
		return code;
	if (candidate_from(&c, &now, "render") < 0)
		return EX_IOERR;
	if (candidate_render(d, &c, why) < 0) {
		log_at(LOG_ERR, NULL, "%s", why);
		return 1;
	}
	if (!d->args.output) {
		say_changes(&c, &now);
		return 0;
	}
	r = write_out(d->args.output, &c.set);
	return r < 0 ? notify_exit_code(log_err(r, "writing to %s", d->args.output)) : 0;
}

int cmd_render(struct refreshd *d)
{
	return d->args.dry_run || d->args.output ? dry(d) : again(d, "render", "nothing changes");
}
