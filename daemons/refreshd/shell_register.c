/* SPDX-License-Identifier: AGPL-3.0-only */
/* register: keys of our own, one request, the answer kept before anything else can fail, then the first generation. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/slab.h"
#include "refreshd/node/doc.h"
#include "refreshd/refreshd.h"
#include "refreshd/shell_identity.h"
#include "refreshd/shell_steps.h"
#include "sys/file_atomic.h"
#include "sys/host_addrs.h"
#include "sys/log.h"

#define ATTEMPTS 4
#define REGISTER_TIMEOUT DUR_SEC(30)
#define RETRY_GAP DUR_MS(500)
#define BRANDING_MAX 65536
#define CA_MAX 262144

/* The answer as it came. It stays until the generation made of it is in force. */
static int answer_path(const struct refreshd *d, char ret[DISK_PATH_MAX])
{
	return disk_path(ret, "%s/register.json", d->st.lib);
}

/* --- what is asked with --------------------------------------------------------------------------------- */

static int input(struct blob *b, const char *path, size_t max, const char *option)
{
	int r = path ? blob_load(b, path, max) : 0;

	return r < 0 ? args_unreadable(r, option, path) : 0;
}

int register_inputs(struct refreshd *d)
{
	int r = input(&d->branding, d->args.branding, BRANDING_MAX, "branding-config");

	if (r == 0)
		r = input(&d->manual, d->args.manual, NODE_DOC_MAX, "manual-config");
	return r < 0 ? r : input(&d->ca, d->args.central_ca, CA_MAX, "central-ca");
}

static int set(char *to, size_t cap, const char *from, const char *option)
{
	if (!from)
		return 0;
	if ((size_t)snprintf(to, cap, "%s", from) >= cap) {
		log_at(LOG_ERR, NULL, "--%s is too long", option);
		return ERR_LIMIT;
	}
	return 0;
}

/* A copy that every daemon here can read. */
static int keep_ca(struct refreshd *d)
{
	char path[DISK_PATH_MAX];
	int r;

	if (d->ca.n == 0)
		return 0;
	r = disk_make_dir(d->st.etc, 0755);
	if (r == 0)
		r = disk_path(path, "%s/central-ca.pem", d->st.etc);
	if (r == 0)
		r = disk_put(path, blob_span(&d->ca), 0644);
	if (r < 0)
		return log_err(r, "writing %s/central-ca.pem", d->st.etc);
	return set(d->local.central_ca, sizeof(d->local.central_ca), path, "central-ca");
}

/* Remembered before the request, so that a second run can finish without its options. */
static int take_facts(struct refreshd *d)
{
	const struct args *a = &d->args;
	CLEANUP(blob_done) struct blob b = { 0 };
	struct local *l = &d->local;
	struct node_diag diag = { 0 };
	struct wr w;
	int r = set(l->partner_id, sizeof(l->partner_id), a->partner_id, "partner-id");

	r = r < 0 ? r : set(l->domain, sizeof(l->domain), a->domain, "domain");
	r = r < 0 ? r : set(l->region, sizeof(l->region), a->region, "region");
	r = r < 0 ? r : set(l->public_ip, sizeof(l->public_ip), a->public_ip, "public-ip");
	r = r < 0 ? r : set(l->private_ip, sizeof(l->private_ip), a->private_ip, "private-ip");
	r = r < 0 ? r : set(l->central_url, sizeof(l->central_url), a->central, "central");
	r = r < 0 ? r : keep_ca(d);
	if (r < 0)
		return r;
	if (!l->partner_id[0] || !l->domain[0]) {
		log_at(LOG_ERR, NULL, "register wants --partner-id and --domain");
		return ERR_MISSING;
	}
	if (!l->installed_at[0])
		disk_time(disk_now(), l->installed_at);
	r = blob_room(&b, LOCAL_ENV_MAX * 2);
	if (r < 0)
		return r;
	w = blob_wr(&b);
	r = local_write(l, (struct span){ 0 }, &w);
	if (r == 0)
		r = blob_take(&b, &w);
	if (r == 0)
		r = local_parse(blob_span(&b), l, &diag); /* as the next run will read it */
	if (r < 0) {
		log_at(LOG_ERR, NULL, "%s", diag.text[0] ? diag.text : err_str(r));
		return r;
	}
	r = local_save(d);
	return r < 0 ? log_err(r, "writing %s/install.env", d->st.lib) : 0;
}

static int write_request(struct refreshd *d, const struct identity *id, struct blob *ret)
{
	char own[ADDR_TEXT_MAX] = "";
	struct node_diag diag = { 0 };
	struct addr a;
	struct wr w;
	struct register_request q = {
		.partner_id = d->local.partner_id,
		.domain = d->local.domain,
		.token = &d->args.token,
		.public_ip = d->local.public_ip,
		.region = d->local.region,
		.awg_pubkey = id->awg_public,
		.reality_public_key = id->reality_public,
		.reality_uuid = id->uuid,
		.branding = blob_span(&d->branding),
	};
	int r;

	if (!q.public_ip[0] && host_primary(true, &a) && addr_is_global(&a))
		q.public_ip = addr_fmt_ip(&a, own);
	r = blob_room(ret, BRANDING_MAX + 8192);
	if (r < 0)
		return r;
	w = blob_wr(ret);
	r = register_write(&q, &w, &diag);
	if (r == 0)
		r = blob_take(ret, &w);
	if (r < 0)
		log_at(LOG_ERR, NULL, "nothing was sent, the token is unused: %s", diag.text[0] ? diag.text : err_str(r));
	return r;
}

/* --- the request ---------------------------------------------------------------------------------------- */

static int keep_answer(const struct refreshd *d, struct span body)
{
	char path[DISK_PATH_MAX];
	int r = answer_path(d, path);

	return r < 0 ? r : file_write_atomic(path, body, 0600);
}

static int code_of(int status)
{
	return status >= 400 && status < 500 ? EX_NOPERM : EX_UNAVAILABLE;
}

/* 0 and the answer on disk, or an exit code. */
static int ask(struct refreshd *d, struct span request)
{
	const struct ask q = { .method = "POST", .path = "/api/partner/register", .body = request, .timeout_us = REGISTER_TIMEOUT,
			       .reply_max = NODE_DOC_MAX };
	bool maybe_sent = false;

	for (unsigned attempt = 1;; attempt++) {
		CLEANUP(reply_done) struct reply p = { 0 };
		struct node_diag diag = { 0 };
		enum register_next next;
		int r;

		central_ask(d, &q, &p);
		maybe_sent |= p.r < 0 && p.maybe_sent;
		next = register_judge(p.status, blob_span(&p.body), p.why, maybe_sent, &diag);
		if (next == REGISTER_OK) {
			r = keep_answer(d, blob_span(&p.body));
			if (r < 0)
				log_err(r,
					"central has answered and the token is used up, but %s/register.json cannot be written",
					d->st.lib);
			return r < 0 ? EX_IOERR : 0;
		}
		log_at(next == REGISTER_RETRY && attempt < ATTEMPTS ? LOG_WARNING : LOG_ERR, NULL, "%s", diag.text);
		if (next == REGISTER_STOP || attempt == ATTEMPTS)
			return code_of(p.status);
		loop_nap(RETRY_GAP * attempt);
	}
}

static int ask_central(struct refreshd *d)
{
	CLEANUP(blob_done) struct blob request = { 0 };
	struct identity id;
	int r = identity_load(d->st.etc, &id);

	if (r < 0)
		return EX_CONFIG;
	r = write_request(d, &id, &request);
	if (r < 0)
		return EX_DATAERR;
	return ask(d, blob_span(&request));
}

static int take_manual(struct refreshd *d)
{
	struct identity id;
	int r = identity_load(d->st.etc, &id);

	if (r < 0)
		return EX_CONFIG;
	r = keep_answer(d, blob_span(&d->manual));
	if (r < 0)
		log_err(r, "writing %s/register.json", d->st.lib);
	return r < 0 ? EX_IOERR : 0;
}

/* --- from the answer to a generation -------------------------------------------------------------------- */

/* Whether there is a token of ours already. An empty file is none: central gives one out once. */
static bool has_service_token(const char *path, const struct secret *sent)
{
	CLEANUP(secret_done) struct secret have = { 0 };
	int r = disk_has(path) ? conf_file_secret(path, &have) : ERR_MISSING;

	if (r == ERR_MISSING)
		return false;
	if (sent->n && (sent->n != have.n || !ct_eq(sent->b, have.b, have.n)))
		log_warn("central sent another service token, but %s exists and is kept; to take a new one remove it first", path);
	return true;
}

/* Whether <etc>/token is good to go on with. */
static int keep_service_token(const struct refreshd *d, const struct register_extra *e, const char *node_id)
{
	CLEANUP(secret_done) struct secret own = { 0 };
	const struct secret *token = &e->service_token;
	char path[DISK_PATH_MAX];
	int r = disk_path(path, "%s/token", d->st.etc);

	if (r < 0 || has_service_token(path, token))
		return r;
	if (token->n == 0 && service_token(d, &own) == 0)
		token = &own;
	if (token->n) {
		r = file_write_atomic(path, secret_span(token), 0600);
		return r < 0 ? log_err(r, "writing %s", path) : 0;
	}
	log_at(LOG_ERR, NULL,
	       "central sent no service token, as it does when a node registers again, and there is none here: have its admin run "
	       "partner-cli rotate-service-token --node-id %s --force, write the token to %s (0600, owner oxpulse-refreshd), "
	       "and run refreshd register again; no new registration token is needed", node_id, path);
	return ERR_MISSING;
}

static void keep_cross_probe(const struct refreshd *d, const struct register_extra *e)
{
	char path[DISK_PATH_MAX];
	int r = disk_path(path, "%s/cross-probe-token", d->st.etc);

	if (r == 0 && e->cross_probe_token.n)
		r = file_write_atomic(path, secret_span(&e->cross_probe_token), 0600);
	if (r < 0)
		log_err(r, "writing %s", path);
	if (e->cross_probe_refused)
		log_warn("central's cross-probe token is none; refresh will ask for another");
}

/* What is kept in files of its own does not stay in the document; whose it is, which node-config tells and register does not,
 * comes in. */
static int document_of(const struct local *l, struct span answer, struct blob *ret)
{
	char text[512];
	struct wr t = wr_from(text, sizeof(text)), w;
	struct doc_set set[] = {
		{ "service_token", { NULL, 0 } },
		{ "cross_probe_token", { NULL, 0 } },
		{ "partner_id", json_quoted(&t, l->partner_id) },
		{ "domain", { NULL, 0 } },
	};
	int r = blob_room(ret, NODE_DOC_MAX);

	set[3].json = json_quoted(&t, l->domain);
	if (r < 0)
		return r;
	w = blob_wr(ret);
	r = t.bad ? ERR_LIMIT : doc_patch(answer, set, ARRAY_LEN(set), &w);
	return r < 0 ? r : blob_take(ret, &w);
}

static void take_keys(struct refreshd *d, struct candidate *c)
{
	CLEANUP(news_done) struct news n = { 0 };

	step_keys(d, &n);
	if (n.has_keys && news_patch(&n, c) < 0)
		log_warn("central's keys could not be taken over; refresh will try again");
}

static int finish_from(struct refreshd *d, struct span answer)
{
	CLEANUP(candidate_done) struct candidate c = { 0 };
	struct register_extra extra = { 0 };
	struct node_diag diag = { 0 };
	char why[WHY_MAX] = "";
	enum applied a;
	int r = document_of(&d->local, answer, &c.doc);

	if (r == 0)
		r = register_extra_parse(answer, &extra, &diag);
	snprintf(c.head.reason, sizeof(c.head.reason), "register");
	if (r == 0)
		r = candidate_render(d, &c, why);
	if (r < 0) {
		register_extra_done(&extra);
		log_at(LOG_ERR, NULL, "central's answer, kept in %s/register.json, is not good: %s", d->st.lib,
		       why[0] ? why : diag.text[0] ? diag.text : err_str(r));
		return EX_CONFIG;
	}
	r = keep_service_token(d, &extra, c.node->node_id);
	if (r == 0)
		keep_cross_probe(d, &extra);
	register_extra_done(&extra);
	if (r < 0)
		return r == ERR_MISSING ? EX_CONFIG : EX_IOERR;
	take_keys(d, &c);
	a = apply(d, &c, why);
	if (a == APPLY_REFUSED || a == APPLY_BACK)
		return EX_CONFIG;
	log_notice("registered as %s", c.node->node_id);
	return 0;
}

static int finish_register(struct refreshd *d)
{
	CLEANUP(blob_done) struct blob answer = { 0 };
	char path[DISK_PATH_MAX];
	int code, r = answer_path(d, path);

	if (r == 0)
		r = blob_load(&answer, path, NODE_DOC_MAX);
	if (r < 0) {
		log_err(r, "reading %s", path);
		return EX_IOERR;
	}
	code = finish_from(d, blob_span(&answer));
	if (code == 0 && unlink(path) < 0)
		log_err(-errno, "removing %s", path);
	return code;
}

/* --- the command ---------------------------------------------------------------------------------------- */

static bool is_other(const char *given, const char *known)
{
	return given && known[0] && strcmp(given, known) != 0;
}

/* An answer that waits is worth more than a token: it is finished first, unless it is not good and there is a token to ask anew
 * with. */
static int go_on(struct refreshd *d)
{
	char path[DISK_PATH_MAX];
	int code;

	if (!d->args.force && !d->args.manual && answer_path(d, path) == 0 && disk_has(path)) {
		if (is_other(d->args.partner_id, d->local.partner_id) || is_other(d->args.domain, d->local.domain)) {
			log_at(LOG_ERR, NULL, "%s is central's answer for %s at %s; --force asks anew, for others", path,
			       d->local.partner_id, d->local.domain);
			return EX_USAGE;
		}
		log_notice("finishing an earlier registration from %s; no token is used", path);
		if (take_facts(d) < 0)
			return EX_USAGE;
		code = finish_register(d);
		if (code != EX_CONFIG || d->args.token.n == 0)
			return code;
		log_notice("asking central again, with the token that was given");
	} else if (take_facts(d) < 0) {
		return EX_USAGE;
	}
	if (!d->args.manual && d->args.token.n == 0) {
		log_at(LOG_ERR, NULL,
		       "register wants a token: --token-file FILE, --token=- or $OXPULSE_PARTNER_TOKEN; "
		       "central's admin makes one with partner-cli issue-token");
		return EX_USAGE;
	}
	code = d->args.manual ? take_manual(d) : ask_central(d);
	return code ? code : finish_register(d);
}

int cmd_register(struct refreshd *d)
{
	char path[DISK_PATH_MAX];
	struct generation now = { 0 };
	int code;

	if (begin(d, DUR_SEC(10), &code) < 0)
		return finish(d, code);
	/* An answer that waits is that of a second registration. */
	if (generation_current(&d->st, &now) == 0 && now.number && !d->args.force &&
	    (answer_path(d, path) < 0 || !disk_has(path))) {
		log_notice("this node is registered already, as %s; nothing was sent, the token is unused. --force registers again",
			   d->local.node_id);
		return finish(d, 0);
	}
	code = go_on(d);
	return finish(d, code);
}
