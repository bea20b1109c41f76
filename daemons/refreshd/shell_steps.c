/* SPDX-License-Identifier: AGPL-3.0-only */
#include "refreshd/shell_steps.h"

#include <errno.h>
#include <stdio.h>

#include "base/json.h"
#include "base/slab.h"
#include "refreshd/central/due.h"
#include "refreshd/node/doc.h"
#include "sys/file_atomic.h"
#include "sys/log.h"

#define SHORT_TIMEOUT DUR_SEC(10)
#define LONG_TIMEOUT DUR_SEC(15)

static void failed(struct refreshd *d, enum step s, const char *why)
{
	report_step(&d->report, s, OUTCOME_FAILED, why);
}

/* --- keys ----------------------------------------------------------------------------------------------- */

void step_keys(struct refreshd *d, struct news *n)
{
	const struct ask q = { .method = "GET",
			      .path = "/api/partner/keys",
			      .timeout_us = SHORT_TIMEOUT,
			      .reply_max = CENTRAL_KEYS_MAX,
			      .follow = true };
	struct node_diag diag = { 0 };
	char why[WHY_MAX] = "";

	central_ask(d, &q, &n->keys_reply);
	if (!reply_good(&n->keys_reply)) {
		reply_why(&n->keys_reply, "keys", why);
		failed(d, STEP_KEYS, why);
		return;
	}
	if (central_keys_parse(blob_span(&n->keys_reply.body), &n->keys, &diag) < 0) {
		snprintf(why, sizeof(why), "central's keys: %s", diag.text);
		failed(d, STEP_KEYS, why);
		return;
	}
	n->has_keys = true;
	if (n->keys.sfu_refused)
		failed(d, STEP_KEYS, "central's SFU signing key is no Ed25519 public key; the old one stays");
	else if (!n->keys.has_reality && diag.text[0])
		failed(d, STEP_KEYS, diag.text);
	else
		report_step(&d->report, STEP_KEYS, OUTCOME_OK, n->keys.version);
}

struct span json_quoted(struct wr *w, const char *text)
{
	uint8_t *from = w->p;
	struct json_out o = json_out(w);

	jo_str(&o, span_str(text));
	return span_of(from, (size_t)(w->p - from));
}

static int patch_reality(const struct central_keys *k, struct candidate *c)
{
	CLEANUP(blob_done) struct blob text = { 0 }, out = { 0 };
	struct doc_set set[3];
	struct wr t, w;
	int r = blob_room(&text, 2 * NODE_ENCRYPTION_MAX + 1024);

	if (r == 0)
		r = blob_room(&out, NODE_DOC_MAX);
	if (r < 0)
		return r;
	t = blob_wr(&text);
	set[0] = (struct doc_set){ "reality_public_key", json_quoted(&t, k->reality_public_key) };
	set[1] = (struct doc_set){ "reality_encryption", json_quoted(&t, k->reality_encryption) };
	set[2] = (struct doc_set){ "reality_server_names", k->server_names };
	w = blob_wr(&out);
	r = t.bad ? ERR_LIMIT : doc_patch(blob_span(&c->doc), set, ARRAY_LEN(set), &w);
	if (r == 0)
		r = blob_take(&out, &w);
	return r < 0 ? r : blob_copy(&c->doc, blob_span(&out));
}

int news_patch(const struct news *n, struct candidate *c)
{
	const struct central_keys *k = &n->keys;
	int r = k->has_reality ? patch_reality(k, c) : 0;

	if (r < 0)
		return r;
	snprintf(c->head.keys_version, sizeof(c->head.keys_version), "%s", k->version);
	if (k->channels_version[0])
		snprintf(c->head.channels_version, sizeof(c->head.channels_version), "%s", k->channels_version);
	if (k->sfu_pem[0])
		snprintf(c->pem, sizeof(c->pem), "%s", k->sfu_pem);
	return 0;
}

/* --- heartbeat ------------------------------------------------------------------------------------------ */

void step_heartbeat(struct refreshd *d, struct news *n)
{
	CLEANUP(reply_done) struct reply p = { 0 };
	struct ask q = { .method = "POST", .path = "/api/partner/heartbeat", .timeout_us = SHORT_TIMEOUT };
	char body[256], why[WHY_MAX];
	struct wr w = wr_from(body, sizeof(body));

	(void)n;
	heartbeat_write(d->local.node_id, &w);
	q.body = wr_span_of(&w);
	central_ask(d, &q, &p);
	if (p.r == 0 && p.status == 200) {
		report_step(&d->report, STEP_HEARTBEAT, OUTCOME_OK, "");
		return;
	}
	reply_why(&p, "heartbeat", why);
	failed(d, STEP_HEARTBEAT, why);
}

/* --- what needs the service token ----------------------------------------------------------------------- */

static bool is_passing(const struct reply *p)
{
	return p->r < 0 || p->status >= 500;
}

/* Asks with the service token, again after each gap while the failure may pass. */
static void ask_patiently(const struct refreshd *d, struct ask *q, const uint64_t *gap, size_t n_gaps, struct reply *ret)
{
	for (size_t i = 0;; i++) {
		central_ask(d, q, ret);
		if (!is_passing(ret) || i == n_gaps)
			return;
		reply_done(ret);
		loop_nap(d->patience && d->patience < gap[i] ? d->patience : gap[i]);
	}
}

static int with_token(struct refreshd *d, enum step s, struct secret *ret)
{
	char why[WHY_MAX];
	int r = service_token(d, ret);

	if (r == 0 && ret->n)
		return 0;
	snprintf(why, sizeof(why),
		 "no service token (%s): have central's admin run partner-cli rotate-service-token --node-id %s --force and "
		 "write it to %.100s/token",
		 r < 0 ? err_str(r) : "empty", d->local.node_id, d->st.etc);
	failed(d, s, why);
	return ERR_MISSING;
}

static void xprobe_failed(struct refreshd *d, enum xprobe x, const char *why)
{
	d->report.xprobe[x]++;
	failed(d, STEP_CROSS_PROBE, why);
}

static void take_cross_probe(struct refreshd *d, struct news *n, const char *path, const struct reply *p)
{
	struct secret token = { 0 };
	int r = cross_probe_parse(blob_span(&p->body), &token);

	if (r == ERR_MISSING) {
		xprobe_failed(d, XPROBE_EMPTY, "central's answer has no cross-probe token; the old one stays");
		return;
	}
	if (r < 0) {
		xprobe_failed(d, XPROBE_MALFORMED, "central's answer is no cross-probe token; the old one stays");
		return;
	}
	r = file_write_atomic(path, secret_span(&token), 0600);
	secret_done(&token);
	if (r < 0)
		xprobe_failed(d, XPROBE_WRITE, err_str(r));
	else
		report_step(&d->report, STEP_CROSS_PROBE, OUTCOME_OK, "a new token");
	n->new_token |= r == 0;
}

void step_cross_probe(struct refreshd *d, struct news *n)
{
	static const uint64_t gap[] = { DUR_SEC(2), DUR_SEC(5) };
	CLEANUP(reply_done) struct reply p = { 0 };
	struct secret token = { 0 };
	struct ask q = { .method = "GET", .path = "/api/partner/cross-probe-token", .bearer = &token, .timeout_us = LONG_TIMEOUT };
	char path[DISK_PATH_MAX], why[WHY_MAX];

	if (disk_path(path, "%s/cross-probe-token", d->st.etc) < 0 || !due_cross_probe(disk_now(), disk_written(path))) {
		report_step(&d->report, STEP_CROSS_PROBE, OUTCOME_SKIPPED, "not due");
		return;
	}
	if (with_token(d, STEP_CROSS_PROBE, &token) < 0) {
		d->report.xprobe[XPROBE_NO_TOKEN]++;
		return;
	}
	ask_patiently(d, &q, gap, ARRAY_LEN(gap), &p);
	secret_done(&token);
	if (reply_good(&p)) {
		take_cross_probe(d, n, path, &p);
		return;
	}
	reply_why(&p, "cross-probe token", why);
	if (p.r < 0) {
		xprobe_failed(d, XPROBE_FETCH, why);
	} else {
		report_http(&d->report, p.status);
		failed(d, STEP_CROSS_PROBE, why);
	}
}

/* --- node-config ---------------------------------------------------------------------------------------- */

/* Tokens do not belong into it, and a roster that is not there now is the one we have. */
static int tidy(struct span answer, struct span old, struct blob *ret)
{
	struct doc_set set[] = {
		{ "service_token", { NULL, 0 } },
		{ "cross_probe_token", { NULL, 0 } },
		{ "peer_roster", { NULL, 0 } },
	};
	struct json_tok *tok = mem_alloc(NODE_TOKENS_MAX * sizeof(*tok));
	size_t n = 2;
	struct json j;
	struct wr w;
	int r = tok ? json_parse(answer, tok, NODE_TOKENS_MAX, &j) : ERR_NOMEM;

	if (r == 0 && json_get(&j, 0, "peer_roster") < 0 && json_parse(old, tok, NODE_TOKENS_MAX, &j) == 0) {
		int at = json_get(&j, 0, "peer_roster");

		if (at >= 0) {
			set[n].json = json_raw(&j, at);
			n++;
		}
	}
	if (r == 0)
		r = blob_room(ret, NODE_DOC_MAX);
	if (r == 0) {
		w = blob_wr(ret);
		r = doc_patch(answer, set, n, &w);
	}
	mem_free(tok);
	return r < 0 ? r : blob_take(ret, &w);
}

/* Good as a whole and about this node, or not taken at all. */
static int judge_doc(const struct refreshd *d, struct news *n, struct span doc, char why[WHY_MAX])
{
	struct node *node = mem_alloc(sizeof(*node));
	struct node_diag diag = { 0 };
	int r = node ? node_parse(doc, node, &diag) : ERR_NOMEM;

	if (r < 0) {
		snprintf(why, WHY_MAX, "central's node-config is not taken: %s", diag.text[0] ? diag.text : err_str(r));
	} else if (strcmp(node->node_id, d->local.node_id) != 0) {
		snprintf(why, WHY_MAX, "central's node-config is not taken: node_id is another node's");
		r = ERR_MALFORMED;
	} else {
		snprintf(n->hysteria2, sizeof(n->hysteria2), "%s", node->hysteria2_server);
	}
	if (node)
		node_done(node);
	mem_free(node);
	return r;
}

static int take_doc(struct refreshd *d, struct news *n, struct span answer, char why[WHY_MAX])
{
	CLEANUP(blob_done) struct blob old = { 0 };
	char path[DISK_PATH_MAX];
	int r = judge_doc(d, n, answer, why);

	if (r < 0)
		return r;
	r = disk_path(path, "%s/node-config.json", n->now.dir);
	if (r == 0)
		r = blob_load(&old, path, NODE_DOC_MAX);
	if (r == 0)
		r = tidy(answer, blob_span(&old), &n->doc);
	if (r < 0)
		snprintf(why, WHY_MAX, "central's node-config: %s", err_str(r));
	return r;
}

void step_node_config(struct refreshd *d, struct news *n)
{
	static const uint64_t gap[] = { DUR_SEC(2), DUR_SEC(2), DUR_SEC(2) };
	CLEANUP(reply_done) struct reply p = { 0 };
	struct secret token = { 0 };
	char header[128], why[WHY_MAX];
	struct ask q = { .method = "GET", .path = "/api/partner/node-config", .bearer = &token, .header = header,
			 .timeout_us = LONG_TIMEOUT, .reply_max = NODE_DOC_MAX };

	if (with_token(d, STEP_NODE_CONFIG, &token) < 0)
		return;
	snprintf(header, sizeof(header), "X-Node-Id: %s", d->local.node_id);
	ask_patiently(d, &q, gap, ARRAY_LEN(gap), &p);
	secret_done(&token);
	if (!reply_good(&p)) {
		reply_why(&p, "node-config", why);
		failed(d, STEP_NODE_CONFIG, why);
	} else if (take_doc(d, n, blob_span(&p.body), why) < 0) {
		blob_done(&n->doc);
		failed(d, STEP_NODE_CONFIG, why);
	} else {
		report_step(&d->report, STEP_NODE_CONFIG, OUTCOME_OK, "");
	}
}

/* --- hy2 credentials ------------------------------------------------------------------------------------ */

static int keep_hy2(const struct refreshd *d, const struct hy2_credentials *c)
{
	char path[DISK_PATH_MAX], text[2048];
	struct wr w = wr_from(text, sizeof(text));
	struct json_out o = json_out(&w);
	int r = disk_path(path, "%s/hy2-credentials.json", d->st.lib);

	jo_obj(&o);
	jo_key(&o, "auth_pass");
	jo_str(&o, secret_span(&c->auth_pass));
	jo_key(&o, "obfs_pass");
	jo_str(&o, secret_span(&c->obfs_pass));
	jo_obj_end(&o);
	if (r == 0)
		r = w.bad ? ERR_LIMIT : disk_put(path, wr_span_of(&w), 0600);
	wipe(text, sizeof(text));
	return r;
}

void step_hy2(struct refreshd *d, struct news *n)
{
	CLEANUP(reply_done) struct reply p = { 0 };
	struct hy2_credentials c = { 0 };
	struct secret token = { 0 };
	struct ask q = { .method = "GET", .path = "/api/partner/hy2-credentials", .bearer = &token, .timeout_us = SHORT_TIMEOUT };
	struct node_diag diag = { 0 };
	char why[WHY_MAX];
	int r;

	if (!n->hysteria2[0]) {
		report_step(&d->report, STEP_HY2, OUTCOME_SKIPPED, "no hysteria2_server");
		return;
	}
	if (with_token(d, STEP_HY2, &token) < 0)
		return;
	central_ask(d, &q, &p);
	secret_done(&token);
	if (!reply_good(&p)) {
		reply_why(&p, "hy2 credentials", why);
		failed(d, STEP_HY2, why);
		return;
	}
	r = hy2_parse(blob_span(&p.body), &c, &diag);
	if (r < 0) {
		snprintf(why, sizeof(why), "central's hy2 credentials: %s", diag.text);
	} else {
		r = keep_hy2(d, &c);
		snprintf(why, sizeof(why), "writing the hy2 credentials: %s", err_str(r));
	}
	hy2_done(&c);
	report_step(&d->report, STEP_HY2, r < 0 ? OUTCOME_FAILED : OUTCOME_OK, r < 0 ? why : "");
}

void news_done(struct news *n)
{
	reply_done(&n->keys_reply);
	blob_done(&n->doc);
	*n = (struct news){ 0 };
}
