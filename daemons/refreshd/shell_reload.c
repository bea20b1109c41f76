/* SPDX-License-Identifier: AGPL-3.0-only */
/* Telling the parts that their files are new: daemons by their control sockets, with the credentials they use; the front by a
 * request that root carries out (RUN/requests, RUN/results). */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/json.h"
#include "refreshd/refreshd.h"
#include "sys/log.h"
#include "sys/rng_kernel.h"
#include "sys/varlink.h"
#include "sys/varlink_client.h"

#define CALL_LIMIT DUR_SEC(15)
#define REQUEST_LIMIT DUR_SEC(20)
#define REQUEST_LOOK DUR_MS(50)
#define CREDENTIAL_MAX 8192

/* --- control calls -------------------------------------------------------------------------------------- */

struct heard {
	int r;
	char error[128], reason[256], state[32], restart[256];
	uint64_t sessions, uptime;
};

static void read_restart(const struct json *j, int params, struct wr *w)
{
	int list = json_get(j, params, "restart");

	if (list < 0 || json_type_of(j, list) != JSON_ARRAY)
		return;
	for (int at = json_first(j, list); at >= 0; at = json_next(j, list, at)) {
		if (wr_len(w))
			wr_str(w, " ");
		if (json_type_of(j, at) == JSON_STRING)
			json_unescape(j, at, w);
	}
}

static void on_heard(const struct varlink_answer *a, void *arg)
{
	struct heard *h = arg;
	struct wr w = wr_from(h->restart, sizeof(h->restart) - 1);

	h->r = a->r;
	snprintf(h->error, sizeof(h->error), "%s", a->error);
	if (!a->doc)
		return;
	(void)json_get_str(a->doc, a->params, "reason", h->reason, sizeof(h->reason), NULL);
	(void)json_get_str(a->doc, a->params, "state", h->state, sizeof(h->state), NULL);
	(void)json_get_u64(a->doc, a->params, "sessions", &h->sessions);
	(void)json_get_u64(a->doc, a->params, "uptime", &h->uptime);
	read_restart(a->doc, a->params, &w);
	h->restart[wr_len(&w)] = '\0';
}

static int call(const struct refreshd *d, int part, const char *method, struct span params, struct heard *ret)
{
	char socket[DISK_PATH_MAX];
	int r = disk_path(socket, "%s/%s", d->args.run, part_name[part]);

	*ret = (struct heard){ 0 };
	if (r == 0)
		r = varlink_ask_wait(socket, method, params, CALL_LIMIT, on_heard, ret);
	return r;
}

static bool not_there(int r)
{
	return r == -ENOENT || r == -ECONNREFUSED;
}

/* --- requests ------------------------------------------------------------------------------------------- */

static int put_request(const char *path, const char *nonce)
{
	char new[DISK_PATH_MAX];
	int fd, r = disk_path(new, "%s.refreshd", path);
	bool good;

	if (r < 0)
		return r;
	(void)unlink(new);
	fd = open(new, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	good = write(fd, nonce, strlen(nonce)) == (ssize_t)strlen(nonce);
	close(fd);
	r = !good ? -EIO : rename(new, path) < 0 ? -errno : 0;
	if (r < 0)
		(void)unlink(new);
	return r;
}

/* 1: answered, the word is in ret; 0: not yet. */
static int look(const char *path, const char *nonce, char *ret, size_t cap)
{
	char text[128];
	size_t n;

	if (conf_file_read(path, text, sizeof(text), &n) < 0 || strncmp(text, nonce, strlen(nonce)) != 0 ||
	    text[strlen(nonce)] != ' ')
		return 0;
	snprintf(ret, cap, "%s", text + strlen(nonce) + 1);
	ret[strcspn(ret, "\r\n ")] = '\0';
	return 1;
}

/* "ok", "failed", "not-running", or "" when nobody took it. -ENOENT: there is no place for requests. */
static int request(const struct refreshd *d, const char *verb, char ret[32])
{
	char path[DISK_PATH_MAX], result[DISK_PATH_MAX], nonce[33];
	struct rng rng = rng_kernel();
	struct wr w = wr_from(nonce, sizeof(nonce) - 1);
	uint8_t bytes[16];
	mono_t until = mono_add(loop_clock(), REQUEST_LIMIT);
	int r = disk_path(path, "%s/requests/%s", d->args.run, verb);

	rng_bytes(&rng, bytes, sizeof(bytes));
	wr_hex(&w, span_of(bytes, sizeof(bytes)));
	nonce[32] = '\0';
	ret[0] = '\0';
	if (r == 0)
		r = disk_path(result, "%s/results/%s", d->args.run, verb);
	for (; r == 0; loop_nap(REQUEST_LOOK)) {
		r = put_request(path, nonce);
		if (r != -EPERM || mono_reached(loop_clock(), until))
			break;
		r = 0; /* healthd's request lies there; it will be taken soon */
	}
	while (r == 0 && !look(result, nonce, ret, 32)) {
		if (mono_reached(loop_clock(), until)) {
			(void)unlink(path);
			break;
		}
		loop_nap(REQUEST_LOOK);
	}
	return r;
}

/* --- reload of one part --------------------------------------------------------------------------------- */

const struct token_file token_files[2] = { { "token", "service-token" }, { "cross-probe-token", "cross-probe-token" } };

static int credential_write(const char *dir, const char *name, const char *credential, struct json_out *o)
{
	CLEANUP(blob_done) struct blob b = { 0 }, text = { 0 };
	char path[DISK_PATH_MAX];
	struct wr w;
	int r = disk_path(path, "%s/%s", dir, name);

	if (r == 0)
		r = blob_load(&b, path, CREDENTIAL_MAX);
	if (r == 0)
		r = blob_room(&text, CREDENTIAL_MAX * 2);
	if (r < 0)
		return r;
	w = blob_wr(&text);
	base64_write(&w, blob_span(&b));
	jo_key(o, credential);
	jo_str(o, wr_span_of(&w));
	return 0;
}

/* One that is not there is not sent. */
static int tokens_write(const struct refreshd *d, struct json_out *o)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(token_files); i++) {
		r = credential_write(d->st.etc, token_files[i].name, token_files[i].credential, o);
		if (r == -ENOENT)
			r = 0;
	}
	return r;
}

/* What the part may read of secrets, as the parameters of Reload. */
static int params_write(const struct refreshd *d, const struct generation *g, int part, struct blob *b)
{
	struct manifest m;
	struct json_out o;
	struct wr w;
	int r = generation_manifest(g, &m);

	if (r == 0)
		r = blob_room(b, VARLINK_MSG_MAX - 256);
	if (r < 0)
		return r;
	w = blob_wr(b);
	o = json_out(&w);
	jo_obj(&o);
	jo_key(&o, "credentials");
	jo_obj(&o);
	for (uint32_t i = 0; r == 0 && i < m.n; i++) {
		if (m.file[i].credential[0] && m.file[i].parts & 1U << part)
			r = credential_write(g->dir, m.file[i].path, m.file[i].credential, &o);
	}
	if (r == 0 && part == PART_HEALTHD)
		r = tokens_write(d, &o);
	jo_obj_end(&o);
	jo_obj_end(&o);
	return r < 0 ? r : blob_take(b, &w);
}

static bool verb_of(int part, char ret[32])
{
	static const bool known[PART_MAX_] = {
		[PART_FRONT] = true, [PART_SFUD] = true, [PART_TURND] = true, [PART_TUNNELD] = true };

	snprintf(ret, 32, "restart-%s", part_name[part]);
	return known[part];
}

static void forget(struct refreshd *d, int part)
{
	d->report.restart[part][0] = '\0';
	d->report.restart_since[part] = 0;
}

/* Nobody is cut off by a restart that nobody uses. */
static void restart_if_idle(struct refreshd *d, int part)
{
	char verb[32], word[32];
	struct heard h;

	if (call(d, part, "io.oxpulse.Edge.Status", SPAN_LIT("{}"), &h) < 0)
		return;
	if (h.sessions || !verb_of(part, verb)) {
		log_warn("%s needs a restart for %s; it has %llu sessions", part_name[part], d->report.restart[part],
			 (unsigned long long)h.sessions);
	} else if (request(d, verb, word) == 0 && strcmp(word, "ok") == 0) {
		log_notice("%s was restarted, which %s needed; it had no sessions", part_name[part], d->report.restart[part]);
		forget(d, part);
	} else {
		log_warn("%s needs a restart for %s, and nobody carried it out: systemctl restart oxpulse-%s", part_name[part],
			 d->report.restart[part], part_name[part]);
	}
}

static int reload_daemon(struct refreshd *d, const struct generation *g, int part, bool *ret_live, char why[WHY_MAX])
{
	CLEANUP(blob_done) struct blob params = { 0 };
	struct heard h;
	int r = params_write(d, g, part, &params);

	if (r < 0) {
		snprintf(why, WHY_MAX, "credentials of %s: %s", part_name[part], err_str(r));
		return r;
	}
	r = call(d, part, "io.oxpulse.Edge.Reload", blob_span(&params), &h);
	*ret_live = r == 0;
	if (not_there(r)) {
		log_info("%s does not run; it will start with the new file", part_name[part]);
		forget(d, part);
		return 0;
	}
	if (r < 0) {
		snprintf(why, WHY_MAX, "%s did not reload: %s%s%.180s", part_name[part], h.error[0] ? h.error : err_str(r),
			 h.reason[0] ? ": " : "", h.reason);
		return ERR_UNEXPECTED;
	}
	log_info("%s reloaded", part_name[part]);
	if (h.restart[0]) {
		snprintf(d->report.restart[part], sizeof(d->report.restart[part]), "%s", h.restart);
		d->report.restart_since[part] = disk_now().us / US_PER_SEC;
	}
	return 0;
}

/* Its directory is there from before nginx reads its file until it has ended, and may be closed to us: then it counts as
 * running. */
static bool front_runs(const struct refreshd *d)
{
	char path[DISK_PATH_MAX], text[32];
	size_t n;
	long pid;
	int r = disk_path(path, "%s/../oxpulse-front/nginx.pid", d->args.run);

	if (r == 0)
		r = conf_file_read(path, text, sizeof(text), &n);
	if (r < 0)
		return r != -ENOENT;
	pid = strtol(text, NULL, 10);
	return pid <= 0 || kill((pid_t)pid, 0) == 0 || errno != ESRCH;
}

static int reload_front(const struct refreshd *d, bool strict, char why[WHY_MAX])
{
	char word[32] = "not-running";
	int r = front_runs(d) ? request(d, "reload-front", word) : 0;

	if (r == -ENOENT) {
		log_info("the front was not asked to reload: there is no %s/requests", d->args.run);
		return 0;
	}
	if (r == 0 && strcmp(word, "ok") == 0) {
		log_info("front reloaded");
		return 0;
	}
	if (r == 0 && strcmp(word, "not-running") == 0) {
		log_info("front does not run; it will start with the new file");
		return 0;
	}
	if (r < 0)
		snprintf(why, WHY_MAX, "asking for a reload of the front: %s", err_str(r));
	else if (word[0] == '\0')
		snprintf(why, WHY_MAX, "nobody reloaded the front: is oxpulse-partner-edge-request.path active?");
	else
		snprintf(why, WHY_MAX, "the front did not reload: see the journal of oxpulse-front.service");
	if (!strict && r == 0 && word[0] == '\0') {
		log_notice("%s", why);
		return 0;
	}
	return ERR_UNEXPECTED;
}

/* --- all of them ---------------------------------------------------------------------------------------- */

int reload_parts(struct refreshd *d, const struct generation *g, unsigned parts, bool strict, unsigned *ret_live, char why[WHY_MAX])
{
	int r = 0;

	*ret_live = 0;
	for (int p = 0; p < PART_MAX_ && r == 0; p++) {
		bool live = false;

		if (!(parts & 1U << p))
			continue;
		r = p == PART_FRONT ? reload_front(d, strict, why) : reload_daemon(d, g, p, &live, why);
		if (live)
			*ret_live |= 1U << p;
	}
	return r;
}

int reload_serving(const struct refreshd *d, unsigned live, char why[WHY_MAX])
{
	for (int p = 0; p < PART_MAX_; p++) {
		struct heard h;
		int r;

		if (!(live & 1U << p))
			continue;
		r = call(d, p, "io.oxpulse.Edge.Status", SPAN_LIT("{}"), &h);
		if (r < 0)
			snprintf(why, WHY_MAX, "%s does not answer after its reload: %s", part_name[p],
				 h.error[0] ? h.error : err_str(r));
		else if (strcmp(h.state, "serving") != 0)
			snprintf(why, WHY_MAX, "%s is %s after its reload", part_name[p], h.state);
		else
			continue;
		return ERR_UNEXPECTED;
	}
	return 0;
}

void reload_tokens(struct refreshd *d)
{
	char why[WHY_MAX] = "";
	struct generation now;
	unsigned live;

	if (generation_current(&d->st, &now) == 0 && reload_parts(d, &now, 1U << PART_HEALTHD, false, &live, why) < 0)
		log_warn("a new token is not in use yet: %s", why);
}

void reload_pending(struct refreshd *d)
{
	uint64_t now = disk_now().us / US_PER_SEC;

	for (int p = 0; p < PART_MAX_; p++) {
		uint64_t since = d->report.restart_since[p];
		struct heard h;
		int r;

		if (!d->report.restart[p][0])
			continue;
		r = call(d, p, "io.oxpulse.Edge.Status", SPAN_LIT("{}"), &h);
		if (not_there(r) || (r == 0 && now > since && h.uptime + 1 < now - since))
			forget(d, p);
		else if (r == 0)
			restart_if_idle(d, p);
	}
}
