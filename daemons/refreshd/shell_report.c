/* SPDX-License-Identifier: AGPL-3.0-only */
#include "refreshd/shell_report.h"

#include <errno.h>
#include <stdio.h>

#include "base/json.h"
#include "refreshd/shell_disk.h"
#include "sys/file_atomic.h"
#include "sys/log.h"

#define REPORT_MAX 65536
#define TOKENS_MAX 1024

const char *const step_name[STEP_MAX_] = {
	[STEP_KEYS] = "keys",
	[STEP_HEARTBEAT] = "heartbeat",
	[STEP_CROSS_PROBE] = "cross-probe-token",
	[STEP_NODE_CONFIG] = "node-config",
	[STEP_HY2] = "hy2-credentials",
	[STEP_APPLY] = "apply",
};

const char *const outcome_name[] = { "none", "ok", "skipped", "failed" };

const char *const xprobe_name[XPROBE_MAX_] = {
	[XPROBE_NO_TOKEN] = "no_service_token",
	[XPROBE_FETCH] = "fetch_failed",
	[XPROBE_EMPTY] = "empty_response",
	[XPROBE_MALFORMED] = "malformed_response",
	[XPROBE_WRITE] = "write_failed",
};

struct number {
	const char *key;
	size_t at;
};
#define N(field) { #field, offsetof(struct report, field) }
static const struct number numbers[] = {
	N(runs), N(kept), N(refused), N(back), N(last_run), N(last_good), N(sni_pick), N(sni_pool), N(sfu_applied),
	N(reality_applied),
};

static uint64_t *number_of(const struct number *n, struct report *r)
{
	return (uint64_t *)(void *)((char *)r + n->at);
}

/* --- reading -------------------------------------------------------------------------------------------- */

static void read_steps(const struct json *j, struct report *ret)
{
	int steps = json_get(j, 0, "steps");

	for (int s = 0; s < STEP_MAX_ && steps >= 0; s++) {
		struct step_report *p = &ret->step[s];
		int at = json_get(j, steps, step_name[s]);
		char word[16] = "";

		if (at < 0)
			continue;
		(void)json_get_str(j, at, "outcome", word, sizeof(word), NULL);
		for (size_t o = 0; o < ARRAY_LEN(outcome_name); o++) {
			if (strcmp(word, outcome_name[o]) == 0)
				p->outcome = (enum outcome)o;
		}
		(void)json_get_str(j, at, "text", p->text, sizeof(p->text), NULL);
		(void)json_get_str(j, at, "at", p->at, sizeof(p->at), NULL);
		(void)json_get_u64(j, at, "failures", &p->failures);
	}
}

static void read_restart(const struct json *j, struct report *ret)
{
	int list = json_get(j, 0, "restart");

	for (int p = 0; p < PART_MAX_ && list >= 0; p++) {
		int at = json_get(j, list, part_name[p]);

		if (at < 0)
			continue;
		(void)json_get_str(j, at, "keys", ret->restart[p], sizeof(ret->restart[p]), NULL);
		(void)json_get_u64(j, at, "since", &ret->restart_since[p]);
	}
}

static void read_xprobe(const struct json *j, struct report *ret)
{
	int list = json_get(j, 0, "cross_probe_failures");
	uint32_t n = 0;

	for (int x = 0; x < XPROBE_MAX_ && list >= 0; x++)
		(void)json_get_u64(j, list, xprobe_name[x], &ret->xprobe[x]);
	for (uint64_t status = 100; status < 600 && list >= 0 && n < XPROBE_HTTP_MAX; status++) {
		char key[16];

		snprintf(key, sizeof(key), "http_%u", (unsigned)status);
		if (json_get_u64(j, list, key, &ret->http_failures[n]) == 0)
			ret->http_status[n++] = status;
	}
}

void report_load(const struct state *s, struct report *ret)
{
	CLEANUP(blob_done) struct blob b = { 0 };
	struct json_tok tok[TOKENS_MAX];
	char path[DISK_PATH_MAX];
	struct json j;
	int r = disk_path(path, "%s/refresh.json", s->lib);

	*ret = (struct report){ 0 };
	if (r == 0)
		r = blob_load(&b, path, REPORT_MAX);
	if (r == 0)
		r = json_parse(blob_span(&b), tok, TOKENS_MAX, &j);
	if (r < 0) {
		if (r != -ENOENT)
			log_err(r, "%s: counters and outcomes begin anew", path);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		(void)json_get_u64(&j, 0, numbers[i].key, number_of(&numbers[i], ret));
	(void)json_get_str(&j, 0, "command", ret->command, sizeof(ret->command), NULL);
	read_steps(&j, ret);
	read_restart(&j, ret);
	read_xprobe(&j, ret);
}

/* --- writing -------------------------------------------------------------------------------------------- */

static void member_str(struct json_out *o, const char *key, const char *value)
{
	jo_key(o, key);
	jo_str(o, span_str(value));
}

static void member_u64(struct json_out *o, const char *key, uint64_t value)
{
	jo_key(o, key);
	jo_u64(o, value);
}

static void write_steps(struct json_out *o, const struct report *r)
{
	jo_key(o, "steps");
	jo_obj(o);
	for (int s = 0; s < STEP_MAX_; s++) {
		const struct step_report *p = &r->step[s];

		jo_key(o, step_name[s]);
		jo_obj(o);
		member_str(o, "outcome", outcome_name[p->outcome]);
		member_str(o, "text", p->text);
		member_str(o, "at", p->at);
		member_u64(o, "failures", p->failures);
		jo_obj_end(o);
	}
	jo_obj_end(o);
}

static void write_restart(struct json_out *o, const struct report *r)
{
	jo_key(o, "restart");
	jo_obj(o);
	for (int p = 0; p < PART_MAX_; p++) {
		if (!r->restart[p][0])
			continue;
		jo_key(o, part_name[p]);
		jo_obj(o);
		member_str(o, "keys", r->restart[p]);
		member_u64(o, "since", r->restart_since[p]);
		jo_obj_end(o);
	}
	jo_obj_end(o);
}

static void write_xprobe(struct json_out *o, const struct report *r)
{
	jo_key(o, "cross_probe_failures");
	jo_obj(o);
	for (int x = 0; x < XPROBE_MAX_; x++)
		member_u64(o, xprobe_name[x], r->xprobe[x]);
	for (int i = 0; i < XPROBE_HTTP_MAX && r->http_status[i]; i++) {
		char key[32];

		snprintf(key, sizeof(key), "http_%llu", (unsigned long long)r->http_status[i]);
		member_u64(o, key, r->http_failures[i]);
	}
	jo_obj_end(o);
}

int report_save(const struct state *s, const struct report *r)
{
	CLEANUP(blob_done) struct blob b = { 0 };
	char path[DISK_PATH_MAX];
	struct report copy = *r;
	struct json_out o;
	struct wr w;
	int e = blob_room(&b, REPORT_MAX);

	if (e == 0)
		e = disk_path(path, "%s/refresh.json", s->lib);
	if (e < 0)
		return e;
	w = blob_wr(&b);
	o = json_out(&w);
	jo_obj(&o);
	member_str(&o, "command", r->command);
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		member_u64(&o, numbers[i].key, *number_of(&numbers[i], &copy));
	write_steps(&o, r);
	write_restart(&o, r);
	write_xprobe(&o, r);
	jo_obj_end(&o);
	wr_u8(&w, '\n');
	return w.bad ? ERR_LIMIT : file_write_atomic(path, wr_span_of(&w), 0644);
}

/* --- events --------------------------------------------------------------------------------------------- */

void report_step(struct report *r, enum step s, enum outcome o, const char *text)
{
	struct step_report *p = &r->step[s];
	char name[48], result[32];

	p->outcome = o;
	snprintf(p->text, sizeof(p->text), "%s", text);
	for (char *c = p->text; *c; c++) {
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = ' ';
	}
	disk_time(disk_now(), p->at);
	p->failures += o == OUTCOME_FAILED;
	snprintf(name, sizeof(name), "STEP=%s", step_name[s]);
	snprintf(result, sizeof(result), "OUTCOME=%s", outcome_name[o]);
	log_at(o == OUTCOME_FAILED ? LOG_WARNING : LOG_INFO, LOG_FIELDS(name, result), "%s: %s%s%s", step_name[s], outcome_name[o],
	       *text ? ": " : "", p->text);
}

void report_http(struct report *r, int status)
{
	for (int i = 0; i < XPROBE_HTTP_MAX; i++) {
		if (r->http_status[i] != 0 && r->http_status[i] != (uint64_t)status)
			continue;
		r->http_status[i] = (uint64_t)status;
		r->http_failures[i]++;
		return;
	}
	r->xprobe[XPROBE_FETCH]++;
}
