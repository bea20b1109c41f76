/* SPDX-License-Identifier: AGPL-3.0-only */
/* From a node document to the files of a generation: gathers what the renderer wants to know of this host. */
#include <errno.h>
#include <stdio.h>

#include "base/json.h"
#include "base/slab.h"
#include "refreshd/node/same.h"
#include "refreshd/refreshd.h"
#include "refreshd/render/sni.h"
#include "refreshd/shell_front.h"
#include "sys/host_addrs.h"
#include "sys/log.h"

#define KEY_FILE "sfu-signing-key.pem"
#define TURN_SECRETS_MAX 4096 /* bytes */

int candidate_from(struct candidate *c, const struct generation *g, const char *reason)
{
	char path[DISK_PATH_MAX];
	size_t n;
	int r = disk_path(path, "%s/node-config.json", g->dir);

	if (r == 0)
		r = blob_load(&c->doc, path, NODE_DOC_MAX);
	if (r < 0)
		return log_err(r, "reading %s", path);
	snprintf(c->head.reason, sizeof(c->head.reason), "%s", reason);
	snprintf(c->head.keys_version, sizeof(c->head.keys_version), "%s", g->keys_version);
	snprintf(c->head.channels_version, sizeof(c->head.channels_version), "%s", g->channels_version);
	r = disk_path(path, "%s/" KEY_FILE, g->dir);
	if (r == 0)
		r = conf_file_read(path, c->pem, sizeof(c->pem), &n);
	if (r < 0)
		c->pem[0] = '\0';
	return r < 0 && r != -ENOENT ? log_err(r, "reading %s", path) : 0;
}

/* --- a tree that is not at its usual place -------------------------------------------------------------- */

/* With --state, --config or --run the files name the tree's own paths. */
static int move_files(const struct refreshd *d, struct candidate *c)
{
	const struct swap places[] = {
		{ "/var/lib/oxpulse-partner-edge", d->args.state },
		{ "/etc/oxpulse-partner-edge", d->args.config },
		{ "/run/oxpulse-partner-edge", d->args.run },
	};
	struct wr w;
	int r;

	if (!d->args.moved)
		return 0;
	r = blob_room(&c->moved, RENDER_BYTES_MAX);
	if (r < 0)
		return r;
	w = blob_wr(&c->moved);
	for (uint32_t i = 0; i < c->set.n; i++) {
		struct render_file *f = &c->set.file[i];
		uint8_t *from = w.p;

		if (f->secret)
			continue;
		swap_write(&w, f->text, places, ARRAY_LEN(places));
		f->text = span_of(from, (size_t)(w.p - from));
	}
	return w.bad ? ERR_LIMIT : 0;
}

/* --- rendering ------------------------------------------------------------------------------------------ */

/* An address that nobody told: the host's own, where it is global. */
static void guess_address(struct local *l, const struct node *n)
{
	char text[ADDR_TEXT_MAX];
	struct addr a;

	if (l->public_ip[0] || n->public_ip[0] || !host_primary(true, &a) || addr_classify(&a) != ADDR_GLOBAL)
		return;
	snprintf(l->public_ip, sizeof(l->public_ip), "%s", addr_fmt_ip(&a, text));
}

static void keep_registered(struct local *l, const struct node *n)
{
	snprintf(l->node_id, sizeof(l->node_id), "%s", n->node_id);
	snprintf(l->turns_subdomain, sizeof(l->turns_subdomain), "%s", n->turns_subdomain);
}

static void pick_name(struct candidate *c)
{
	const char *pool[NODE_SNI_MAX];

	sni_date(disk_now(), c->date);
	c->pool = node_sni_pool(c->node, pool);
	c->pick = c->pool ? sni_pick(c->node->node_id, c->date, c->pool) : 0;
	snprintf(c->head.server_name, sizeof(c->head.server_name), "%s",
		 c->pool ? pool[c->pick] : c->node->reality.server_name);
}

/* Those that the relay takes now. Without any, or unreadable, the newest stands alone. */
static void load_turn_secrets(const struct refreshd *d, struct blob *ret)
{
	char path[DISK_PATH_MAX];

	if (disk_path(path, "%s/current/secrets/turn-secret", d->st.lib) == 0)
		(void)blob_load(ret, path, TURN_SECRETS_MAX);
}

static int render(struct refreshd *d, struct candidate *c, struct node_diag *diag)
{
	CLEANUP(front_done) struct front_files front = { 0 };
	CLEANUP(blob_done) struct blob had = { 0 };
	struct render_in in = {
		.node = c->node,
		.local = &d->local,
		.now = disk_now(),
		.sfu_pem = c->pem,
		.ipv6 = host_has_v6(),
	};
	struct wr w;
	int r = front_load(d, &front, diag);

	if (r == 0)
		r = blob_room(&c->arena, RENDER_BYTES_MAX);
	if (r < 0)
		return r;
	load_turn_secrets(d, &had);
	in.turn_secrets_had = blob_span(&had);
	in.front_template = blob_span(&front.template);
	in.front_values = blob_span(&front.values);
	in.node_values = blob_span(&front.node_values);
	in.nginx_version = front.nginx_version;
	w = blob_wr(&c->arena);
	r = render_all(&in, &w, &c->set, diag);
	if (r < 0 && !diag->text[0])
		snprintf(diag->text, sizeof(diag->text), "rendering: %s", err_str(r));
	return r;
}

int candidate_render(struct refreshd *d, struct candidate *c, char why[WHY_MAX])
{
	struct node_diag diag = { 0 };
	int r;

	if (!c->node)
		c->node = mem_alloc(sizeof(*c->node));
	if (!c->node) {
		snprintf(why, WHY_MAX, "%s", err_str(ERR_NOMEM));
		return ERR_NOMEM;
	}
	node_done(c->node);
	r = node_parse(blob_span(&c->doc), c->node, &diag);
	if (r == 0) {
		keep_registered(&d->local, c->node);
		guess_address(&d->local, c->node);
		pick_name(c);
		r = render(d, c, &diag);
	}
	if (r == 0)
		r = move_files(d, c);
	if (r < 0)
		snprintf(why, WHY_MAX, "%s", diag.text[0] ? diag.text : err_str(r));
	return r;
}

/* --- comparing ------------------------------------------------------------------------------------------ */

int candidate_is(const struct candidate *c, const struct generation *g, bool *ret)
{
	CLEANUP(blob_done) struct blob old = { 0 };
	char path[DISK_PATH_MAX];
	struct manifest m;
	int r = generation_manifest(g, &m);

	*ret = false;
	if (r == 0)
		r = disk_path(path, "%s/node-config.json", g->dir);
	if (r == 0 && g->number)
		r = blob_load(&old, path, NODE_DOC_MAX);
	if (r < 0)
		return r;
	*ret = g->number && generation_has(&m, &c->set) && strcmp(c->head.keys_version, g->keys_version) == 0 &&
	       strcmp(c->head.channels_version, g->channels_version) == 0 && json_same(blob_span(&c->doc), blob_span(&old));
	return 0;
}

void candidate_done(struct candidate *c)
{
	if (c->node)
		node_done(c->node);
	mem_free(c->node);
	blob_done(&c->doc);
	blob_done(&c->arena);
	blob_done(&c->moved);
	*c = (struct candidate){ 0 };
}
