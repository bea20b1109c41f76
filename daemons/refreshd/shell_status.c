/* SPDX-License-Identifier: AGPL-3.0-only */
/* status: what is in force and how the last run went, for people and as JSON. Secrets are told by their age alone. */
#include <stdio.h>
#include <sysexits.h>

#include "base/json.h"
#include "base/slab.h"
#include "refreshd/central/due.h"
#include "refreshd/refreshd.h"

#define OUT_MAX 65536

static const struct {
	const char *name;
	bool carried; /* by this build */
} kinds[] = {
	[CHANNEL_REALITY] = { "vless-reality", false },
	[CHANNEL_HYSTERIA2] = { "hysteria2", false },
	[CHANNEL_NAIVE] = { "naive", false },
	[CHANNEL_TCP] = { "tcp", true },
	[CHANNEL_OTHER] = { "other", false },
};

struct facts {
	struct generation now;
	struct node *node; /* NULL: none */
	int64_t age[ARRAY_LEN(token_files)]; /* seconds; -1: none */
	bool interrupted, damaged;
};

static void gather(struct refreshd *d, struct facts *f)
{
	CLEANUP(blob_done) struct blob doc = { 0 };
	struct generation from, to;
	struct node_diag diag;
	uint64_t now = disk_now().us;
	char path[DISK_PATH_MAX];

	report_load(&d->st, &d->report);
	f->damaged = generation_current(&d->st, &f->now) < 0;
	f->interrupted = generation_interrupted(&d->st, &from, &to) != 0;
	for (size_t i = 0; i < ARRAY_LEN(token_files); i++) {
		wall_t written = { 0 };

		if (disk_path(path, "%s/%s", d->st.etc, token_files[i].name) == 0)
			written = disk_written(path);
		f->age[i] = written.us == 0 ? -1 : written.us > now ? 0 : (int64_t)((now - written.us) / US_PER_SEC);
	}
	f->node = mem_alloc(sizeof(*f->node));
	if (!f->node || !f->now.number || disk_path(path, "%s/node-config.json", f->now.dir) < 0 ||
	    blob_load(&doc, path, NODE_DOC_MAX) < 0 || node_parse(blob_span(&doc), f->node, &diag) < 0) {
		mem_free(f->node);
		f->node = NULL;
	}
}

static void facts_done(struct facts *f)
{
	if (f->node)
		node_done(f->node);
	mem_free(f->node);
}

/* --- JSON ----------------------------------------------------------------------------------------------- */

static void str(struct json_out *o, const char *key, const char *value)
{
	jo_key(o, key);
	jo_str(o, span_str(value));
}

static void num(struct json_out *o, const char *key, uint64_t value)
{
	jo_key(o, key);
	jo_u64(o, value);
}

static void write_channels(struct json_out *o, const struct node *n)
{
	jo_key(o, "channels");
	jo_arr(o);
	for (uint32_t i = 0; n && i < n->n_channels; i++) {
		jo_obj(o);
		str(o, "id", n->channel[i].id);
		str(o, "kind", kinds[n->channel[i].kind].name);
		jo_key(o, "carried");
		jo_bool(o, kinds[n->channel[i].kind].carried);
		jo_obj_end(o);
	}
	jo_arr_end(o);
}

static void write_steps(struct json_out *o, const struct report *r)
{
	jo_key(o, "steps");
	jo_arr(o);
	for (int s = 0; s < STEP_MAX_; s++) {
		jo_obj(o);
		str(o, "name", step_name[s]);
		str(o, "outcome", outcome_name[r->step[s].outcome]);
		str(o, "text", r->step[s].text);
		str(o, "at", r->step[s].at);
		num(o, "failures", r->step[s].failures);
		jo_obj_end(o);
	}
	jo_arr_end(o);
}

static void write_rest(struct json_out *o, const struct report *r, const struct facts *f)
{
	jo_key(o, "restart");
	jo_obj(o);
	for (int p = 0; p < PART_MAX_; p++) {
		if (r->restart[p][0])
			str(o, part_name[p], r->restart[p]);
	}
	jo_obj_end(o);
	jo_key(o, "token_age");
	jo_obj(o);
	for (size_t i = 0; i < ARRAY_LEN(token_files); i++) {
		if (f->age[i] >= 0)
			num(o, token_files[i].name, (uint64_t)f->age[i]);
	}
	jo_obj_end(o);
}

static void write_json(const struct refreshd *d, const struct facts *f, struct wr *w)
{
	const struct report *r = &d->report;
	struct json_out o = json_out(w);

	jo_obj(&o);
	jo_key(&o, "registered");
	jo_bool(&o, f->now.number != 0);
	str(&o, "node_id", f->node ? f->node->node_id : d->local.node_id);
	str(&o, "partner_id", d->local.partner_id);
	str(&o, "domain", d->local.domain);
	str(&o, "central", d->local.central_url);
	num(&o, "generation", f->now.number);
	str(&o, "reason", f->now.reason);
	str(&o, "made_at", f->now.made_at);
	str(&o, "keys_version", f->now.keys_version);
	str(&o, "channels_version", f->now.channels_version);
	str(&o, "server_name", f->now.server_name);
	jo_key(&o, "interrupted");
	jo_bool(&o, f->interrupted);
	jo_key(&o, "damaged");
	jo_bool(&o, f->damaged);
	write_channels(&o, f->node);
	str(&o, "command", r->command);
	num(&o, "last_run", r->last_run);
	num(&o, "last_success", r->last_good);
	write_steps(&o, r);
	write_rest(&o, r, f);
	jo_obj_end(&o);
	wr_u8(w, '\n');
}

/* --- text ----------------------------------------------------------------------------------------------- */

static void print_age(const char *name, int64_t age)
{
	if (age < 0)
		printf("%-18s none\n", name);
	else
		printf("%-18s %lld days %lld hours old\n", name, (long long)(age / 86400), (long long)(age % 86400 / 3600));
}

static void print_text(const struct refreshd *d, const struct facts *f)
{
	const struct report *r = &d->report;
	char at[32] = "never";

	if (!f->now.number && f->damaged) {
		printf("%s/current leads to no generation: link it to one of generations/\n", d->st.lib);
		return;
	}
	if (!f->now.number) {
		printf("not registered: get a token from central's admin and run refreshd register\n");
		return;
	}
	printf("node               %s (%s)\n", f->node ? f->node->node_id : d->local.node_id, d->local.domain);
	printf("central            %s\n", d->local.central_url);
	if (f->damaged)
		printf("generation         %llu, damaged: refreshd rollback brings the one before back\n",
		       (unsigned long long)f->now.number);
	else
		printf("generation         %llu, made %s by %s\n", (unsigned long long)f->now.number, f->now.made_at,
		       f->now.reason);
	printf("versions           keys %s, channels %s\n", f->now.keys_version[0] ? f->now.keys_version : "none",
	       f->now.channels_version[0] ? f->now.channels_version : "none");
	if (f->interrupted)
		printf("apply              under way, or cut off: refreshd recover waits for the one and undoes the other\n");
	for (uint32_t i = 0; f->node && i < f->node->n_channels; i++)
		printf("channel %-10s %s%s\n", f->node->channel[i].id, f->node->channel[i].protocol,
		       kinds[f->node->channel[i].kind].carried ? "" : ", not carried by this version");
	if (r->last_run)
		disk_time((wall_t){ r->last_run * US_PER_SEC }, at);
	printf("last refresh       %s\n", at);
	for (int s = 0; s < STEP_MAX_; s++)
		printf("  %-17s %s%s%s\n", step_name[s], outcome_name[r->step[s].outcome], r->step[s].text[0] ? ": " : "",
		       r->step[s].text);
	for (int p = 0; p < PART_MAX_; p++) {
		if (r->restart[p][0])
			printf("%-18s needs a restart: %s\n", part_name[p], r->restart[p]);
	}
	for (size_t i = 0; i < ARRAY_LEN(token_files); i++)
		print_age(token_files[i].name, f->age[i]);
}

int cmd_status(struct refreshd *d)
{
	CLEANUP(facts_done) struct facts f = { 0 };
	CLEANUP(blob_done) struct blob out = { 0 };
	struct wr w;

	if (local_load(d) < 0)
		return EX_CONFIG;
	gather(d, &f);
	if (!d->args.json) {
		print_text(d, &f);
	} else {
		if (blob_room(&out, OUT_MAX) < 0)
			return EX_OSERR;
		w = blob_wr(&out);
		write_json(d, &f, &w);
		fwrite(w.start, 1, wr_len(&w), stdout);
	}
	return f.now.number ? 0 : EX_CONFIG;
}
