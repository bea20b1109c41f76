/* SPDX-License-Identifier: AGPL-3.0-only */
/* refresh: every step in its turn, whatever became of the others, then one apply of what was heard. */
#include <stdio.h>
#include <sysexits.h>

#include "base/slab.h"
#include "refreshd/refreshd.h"
#include "refreshd/shell_steps.h"
#include "sys/log.h"

static const struct {
	enum step step;
	void (*run)(struct refreshd *d, struct news *n);
} steps[] = {
	{ STEP_KEYS, step_keys },
	{ STEP_HEARTBEAT, step_heartbeat },
	{ STEP_CROSS_PROBE, step_cross_probe },
	{ STEP_NODE_CONFIG, step_node_config },
	{ STEP_HY2, step_hy2 },
};

/* Whether the document in force has the channel that asks for credentials. */
static void look_back(struct news *n)
{
	CLEANUP(blob_done) struct blob doc = { 0 };
	struct node *node = mem_alloc(sizeof(*node));
	struct node_diag diag;
	char path[DISK_PATH_MAX];

	if (node && disk_path(path, "%s/node-config.json", n->now.dir) == 0 && blob_load(&doc, path, NODE_DOC_MAX) == 0 &&
	    node_parse(blob_span(&doc), node, &diag) == 0)
		snprintf(n->hysteria2, sizeof(n->hysteria2), "%s", node->hysteria2_server);
	if (node)
		node_done(node);
	mem_free(node);
}

static enum applied take_over(struct refreshd *d, struct news *n, struct candidate *c, char why[WHY_MAX])
{
	enum applied a;
	int r = candidate_from(c, &n->now, "refresh");

	if (r == 0 && n->doc.n)
		r = blob_copy(&c->doc, blob_span(&n->doc));
	if (r == 0 && n->has_keys)
		r = news_patch(n, c);
	if (r < 0) {
		snprintf(why, WHY_MAX, "the document in force: %s", err_str(r));
		return APPLY_REFUSED;
	}
	a = apply(d, c, why);
	if (a == APPLY_SAME)
		reload_pending(d);
	if (n->new_token)
		reload_tokens(d);
	return a;
}

static bool in_force(enum applied a)
{
	return a == APPLY_SAME || a == APPLY_KEPT;
}

static void report_apply(struct refreshd *d, const struct news *n, const struct candidate *c, enum applied a, const char *why)
{
	static const char *const word[] = { [APPLY_SAME] = "nothing new", [APPLY_KEPT] = "a new generation" };

	report_step(&d->report, STEP_APPLY, in_force(a) ? OUTCOME_OK : OUTCOME_FAILED, in_force(a) ? word[a] : why);
	if (!n->has_keys)
		return;
	d->report.sfu_applied = in_force(a) && !n->keys.sfu_refused && !d->report.restart[PART_SFUD][0];
	d->report.reality_applied = in_force(a) && c->node && n->keys.has_reality &&
				    strcmp(c->node->reality.public_key, n->keys.reality_public_key) == 0;
}

int cmd_refresh(struct refreshd *d)
{
	CLEANUP(candidate_done) struct candidate c = { 0 };
	CLEANUP(news_done) struct news n = { 0 };
	char why[WHY_MAX] = "";
	bool good = true;
	enum applied a;
	int code;

	if (begin(d, DUR_SEC(60), &code) < 0)
		return finish(d, code);
	code = registered(d, &n.now);
	if (code)
		return finish(d, code);
	look_back(&n);
	d->report.runs++;
	for (size_t i = 0; i < ARRAY_LEN(steps); i++)
		steps[i].run(d, &n);
	a = take_over(d, &n, &c, why);
	report_apply(d, &n, &c, a, why);
	for (int s = 0; s < STEP_MAX_; s++)
		good = good && d->report.step[s].outcome != OUTCOME_FAILED;
	d->report.last_run = disk_now().us / US_PER_SEC;
	if (good)
		d->report.last_good = d->report.last_run;
	return finish(d, a == APPLY_BACK ? 1 : 0);
}
