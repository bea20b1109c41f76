/* SPDX-License-Identifier: AGPL-3.0-only */
/* What follows a generation outside of it: links where the daemons' units and tools look, copies in the formats of the existing
 * system. */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/slab.h"
#include "refreshd/refreshd.h"
#include "sys/file_atomic.h"
#include "sys/log.h"

/* --- links ---------------------------------------------------------------------------------------------- */

/* A file that somebody put there is kept under another name. */
static int link_one(const struct refreshd *d, const char *name)
{
	char path[DISK_PATH_MAX], target[DISK_PATH_MAX], was[DISK_PATH_MAX], old[DISK_PATH_MAX];
	struct stat st;
	ssize_t n;
	int r = disk_path(path, "%s/%s", d->st.etc, name);

	if (r == 0)
		r = disk_path(target, "%s/current/%s", d->st.lib, name);
	if (r == 0)
		r = disk_path(old, "%s.before", path);
	if (r < 0)
		return r;
	n = readlink(path, was, sizeof(was) - 1);
	if (n >= 0) {
		was[n] = '\0';
		if (strcmp(was, target) == 0)
			return 0;
	} else if (lstat(path, &st) == 0) {
		if (rename(path, old) < 0)
			return -errno;
		log_notice("%s was a file; it is %s now", path, old);
	}
	return file_link_atomic(path, target);
}

void copies_link(const struct refreshd *d)
{
	static const char *const names[] = {
		"sfud.conf", "turnd.conf", "tunneld.conf", "healthd.conf", "node-config.json", "front/nginx.conf",
	};
	char path[DISK_PATH_MAX];
	int r = disk_path(path, "%s/front", d->st.etc);

	if (r == 0)
		r = disk_make_dir(d->st.etc, 0755);
	if (r == 0)
		r = disk_make_dir(path, 0755);
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(names); i++)
		r = link_one(d, names[i]);
	if (r < 0)
		log_err(r, "linking %s to %s/current", d->st.etc, d->st.lib);
}

/* --- copies --------------------------------------------------------------------------------------------- */

static int put(const struct refreshd *d, const char *name, struct span text, mode_t mode)
{
	char path[DISK_PATH_MAX];
	int r = disk_path(path, "%s/%s", d->st.lib, name);

	return r < 0 ? r : disk_put(path, text, mode);
}

static int put_line(const struct refreshd *d, const char *name, const char *line)
{
	char text[160];
	int n = snprintf(text, sizeof(text), "%s\n", line);

	return *line ? put(d, name, span_of(text, (size_t)n), 0644) : 0;
}

/* SFU_SIGNING_PUBLIC_KEY='-----BEGIN PUBLIC KEY-----\n...': line ends as two characters, quoted for a shell. */
static int put_sfu_key(const struct refreshd *d, const struct generation *g)
{
	char path[DISK_PATH_MAX], pem[SFU_PEM_MAX], text[SFU_PEM_MAX * 2 + 64];
	struct wr w = wr_from(text, sizeof(text));
	size_t n;
	int r = disk_path(path, "%s/sfu-signing-key.pem", g->dir);

	if (r == 0)
		r = conf_file_read(path, pem, sizeof(pem), &n);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	wr_str(&w, "SFU_SIGNING_PUBLIC_KEY='");
	for (size_t i = 0; i < n; i++) {
		if (pem[i] == '\n')
			wr_str(&w, "\\n");
		else
			wr_u8(&w, (uint8_t)pem[i]);
	}
	wr_str(&w, "'\n");
	return put(d, "sfu-keys.env", wr_span_of(&w), 0600);
}

static int put_roster(const struct refreshd *d, struct span doc)
{
	struct json_tok *tok = mem_alloc(NODE_TOKENS_MAX * sizeof(*tok));
	struct json j;
	int at, r = tok ? json_parse(doc, tok, NODE_TOKENS_MAX, &j) : ERR_NOMEM;

	if (r == 0) {
		at = json_get(&j, 0, "peer_roster");
		if (at >= 0)
			r = put(d, "peer-roster.json", json_raw(&j, at), 0644);
	}
	mem_free(tok);
	return r;
}

/* Which channels central told of, by the names of the existing system; only ch2, the mesh, is carried so far. */
static int put_channels(const struct refreshd *d, const struct node *n)
{
	char text[128];
	int len = snprintf(text, sizeof(text), "xray=skipped\nhysteria2=skipped\nnaive=skipped\nawg=%s\n",
			   n->awg.allocated_ip[0] ? "active" : "skipped");

	return put(d, "channels-status.env", span_of(text, (size_t)len), 0640);
}

static int write_all(struct refreshd *d, const struct generation *g, struct span doc, struct node *n)
{
	struct node_diag diag;
	int r = node_parse(doc, n, &diag);

	if (r == 0)
		r = put_line(d, "keys-version", g->keys_version);
	if (r == 0)
		r = put_line(d, "channels-version", g->channels_version);
	if (r == 0)
		r = put_sfu_key(d, g);
	if (r == 0)
		r = put_roster(d, doc);
	if (r == 0)
		r = put_channels(d, n);
	if (r == 0) {
		snprintf(d->local.node_id, sizeof(d->local.node_id), "%s", n->node_id);
		snprintf(d->local.turns_subdomain, sizeof(d->local.turns_subdomain), "%s", n->turns_subdomain);
		r = local_save(d);
	}
	return r;
}

void copies_write(struct refreshd *d, const struct generation *g)
{
	CLEANUP(blob_done) struct blob doc = { 0 };
	struct node *n = mem_alloc(sizeof(*n));
	char path[DISK_PATH_MAX];
	int r = n ? disk_path(path, "%s/node-config.json", g->dir) : ERR_NOMEM;

	if (r == 0)
		r = blob_load(&doc, path, NODE_DOC_MAX);
	if (r == 0)
		r = write_all(d, g, blob_span(&doc), n);
	if (n)
		node_done(n);
	mem_free(n);
	if (r < 0)
		log_err(r, "writing the copies in %s", d->st.lib);
}
