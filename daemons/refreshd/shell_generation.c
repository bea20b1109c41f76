/* SPDX-License-Identifier: AGPL-3.0-only */
#include "refreshd/shell_generation.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "refreshd/shell_disk.h"
#include "sys/conf_file.h"
#include "sys/file_atomic.h"
#include "sys/log.h"

#define MANIFEST "manifest.json"
#define NODE_DOC "node-config.json"
#define MANIFEST_MAX 32768
#define TOKENS_MAX 1024
#define LIST_MAX 256

/* --- sums ----------------------------------------------------------------------------------------------- */

static int sum_of(struct span text, char ret[65])
{
	uint8_t digest[32];
	struct wr w = wr_from(ret, 64);

	if (EVP_Digest(text.p ? text.p : (const uint8_t *)"", text.n, digest, NULL, EVP_sha256(), NULL) != 1)
		return ERR_NOMEM;
	wr_hex(&w, span_of(digest, sizeof(digest)));
	ret[64] = '\0';
	return 0;
}

/* --- manifest ------------------------------------------------------------------------------------------- */

static void write_str(struct json_out *o, const char *key, const char *value)
{
	jo_key(o, key);
	jo_str(o, span_str(value));
}

static int write_file_row(struct json_out *o, const char *path, struct span text, unsigned parts, const char *credential)
{
	char sum[65];
	int r = sum_of(text, sum);

	if (r < 0)
		return r;
	jo_obj(o);
	write_str(o, "path", path);
	write_str(o, "sha256", sum);
	if (credential)
		write_str(o, "credential", credential);
	jo_key(o, "parts");
	jo_arr(o);
	for (int p = 0; p < PART_MAX_; p++) {
		if (parts & 1U << p)
			jo_str(o, span_str(part_name[p]));
	}
	jo_arr_end(o);
	jo_obj_end(o);
	return 0;
}

static int manifest_write(struct wr *w, const struct generation *g, const struct render_set *files, struct span doc)
{
	struct json_out o = json_out(w);
	int r;

	jo_obj(&o);
	jo_key(&o, "number");
	jo_u64(&o, g->number);
	write_str(&o, "reason", g->reason);
	write_str(&o, "made_at", g->made_at);
	write_str(&o, "keys_version", g->keys_version);
	write_str(&o, "channels_version", g->channels_version);
	write_str(&o, "server_name", g->server_name);
	jo_key(&o, "files");
	jo_arr(&o);
	r = write_file_row(&o, NODE_DOC, doc, 0, NULL);
	for (uint32_t i = 0; r == 0 && i < files->n; i++) {
		const struct render_file *f = &files->file[i];

		r = write_file_row(&o, f->path, f->text, f->parts, f->credential);
	}
	jo_arr_end(&o);
	jo_obj_end(&o);
	wr_u8(w, '\n');
	return r < 0 ? r : w->bad ? ERR_LIMIT : 0;
}

static unsigned parts_of(const struct json *j, int row)
{
	int list = json_get(j, row, "parts");
	unsigned parts = 0;

	if (list < 0 || json_type_of(j, list) != JSON_ARRAY)
		return 0;
	for (int at = json_first(j, list); at >= 0; at = json_next(j, list, at)) {
		for (int p = 0; p < PART_MAX_; p++) {
			struct span raw = json_raw(j, at); /* with its quotes */

			if (raw.n == strlen(part_name[p]) + 2 && memcmp(raw.p + 1, part_name[p], raw.n - 2) == 0)
				parts |= 1U << p;
		}
	}
	return parts;
}

static bool path_is_ours(const char *path)
{
	return path[0] != '/' && path[0] != '.' && !strstr(path, "..");
}

static int read_rows(const struct json *j, struct manifest *ret)
{
	int list = json_get(j, 0, "files");

	ret->n = 0;
	if (list < 0 || json_type_of(j, list) != JSON_ARRAY)
		return ERR_MALFORMED;
	for (int at = json_first(j, list); at >= 0; at = json_next(j, list, at)) {
		struct manifest_file *f = &ret->file[ret->n];

		if (ret->n == ARRAY_LEN(ret->file))
			return ERR_MALFORMED;
		f->credential[0] = '\0';
		if (json_get_str(j, at, "path", f->path, sizeof(f->path), NULL) < 0 || !path_is_ours(f->path) ||
		    json_get_str(j, at, "sha256", f->sha256, sizeof(f->sha256), NULL) < 0)
			return ERR_MALFORMED;
		(void)json_get_str(j, at, "credential", f->credential, sizeof(f->credential), NULL);
		f->parts = parts_of(j, at);
		ret->n++;
	}
	return 0;
}

static void read_head(const struct json *j, struct generation *g)
{
	(void)json_get_str(j, 0, "reason", g->reason, sizeof(g->reason), NULL);
	(void)json_get_str(j, 0, "made_at", g->made_at, sizeof(g->made_at), NULL);
	(void)json_get_str(j, 0, "keys_version", g->keys_version, sizeof(g->keys_version), NULL);
	(void)json_get_str(j, 0, "channels_version", g->channels_version, sizeof(g->channels_version), NULL);
	(void)json_get_str(j, 0, "server_name", g->server_name, sizeof(g->server_name), NULL);
}

/* Either may be NULL. */
static int manifest_load(const char *dir, struct generation *head, struct manifest *rows)
{
	CLEANUP(blob_done) struct blob b = { 0 };
	struct json_tok tok[TOKENS_MAX];
	char path[DISK_PATH_MAX];
	struct json j;
	int r = disk_path(path, "%s/" MANIFEST, dir);

	if (r == 0)
		r = blob_load(&b, path, MANIFEST_MAX);
	if (r == 0)
		r = json_parse(blob_span(&b), tok, TOKENS_MAX, &j) < 0 ? ERR_MALFORMED : 0;
	if (r == 0 && head)
		read_head(&j, head);
	return r == 0 && rows ? read_rows(&j, rows) : r;
}

int generation_manifest(const struct generation *g, struct manifest *ret)
{
	ret->n = 0;
	return g->number ? manifest_load(g->dir, NULL, ret) : 0;
}

static const struct manifest_file *row_of(const struct manifest *m, const char *path)
{
	for (uint32_t i = 0; i < m->n; i++) {
		if (strcmp(m->file[i].path, path) == 0)
			return &m->file[i];
	}
	return NULL;
}

bool generation_has(const struct manifest *m, const struct render_set *files)
{
	if (m->n != files->n + 1)
		return false;
	for (uint32_t i = 0; i < files->n; i++) {
		const struct manifest_file *f = row_of(m, files->file[i].path);
		char sum[65];

		if (!f || sum_of(files->file[i].text, sum) < 0 || strcmp(sum, f->sha256) != 0)
			return false;
	}
	return true;
}

/* --- finding -------------------------------------------------------------------------------------------- */

static int dir_of(const struct state *s, uint64_t number, char ret[static 320])
{
	int n = snprintf(ret, 320, "%s/generations/%llu", s->lib, (unsigned long long)number);

	return n < 320 ? 0 : -ENAMETOOLONG;
}

int generation_find(const struct state *s, uint64_t number, struct generation *ret)
{
	struct generation g = { .number = number };
	int r = dir_of(s, number, g.dir);

	if (r == 0)
		r = manifest_load(g.dir, &g, NULL);
	if (r == 0)
		*ret = g;
	return r;
}

/* "12" and nothing else; 0 otherwise. */
static uint64_t number_of(const char *name)
{
	char *end;
	uint64_t n;

	if (*name < '1' || *name > '9' || strlen(name) > 18)
		return 0;
	n = strtoull(name, &end, 10);
	return *end ? 0 : n;
}

int generation_current(const struct state *s, struct generation *ret)
{
	static const char prefix[] = "generations/";
	char path[DISK_PATH_MAX], target[64];
	uint64_t number;
	ssize_t n;
	int r = disk_path(path, "%s/current", s->lib);

	*ret = (struct generation){ 0 };
	if (r < 0)
		return r;
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return errno == ENOENT ? 0 : -errno;
	target[n] = '\0';
	if (strncmp(target, prefix, sizeof(prefix) - 1) != 0)
		return ERR_MALFORMED;
	number = number_of(target + sizeof(prefix) - 1);
	if (number == 0)
		return ERR_MALFORMED;
	r = generation_find(s, number, ret);
	if (r < 0) {
		*ret = (struct generation){ .number = number };
		(void)dir_of(s, number, ret->dir);
	}
	return r == -ENOENT ? ERR_MALFORMED : r;
}

static int cmp_number(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? 1 : *x > *y ? -1 : 0;
}

/* Numbers of all directories, newest first; how many, or -errno. */
static int list_numbers(const struct state *s, uint64_t ret[LIST_MAX])
{
	char path[DISK_PATH_MAX];
	struct dirent *e;
	int n = 0, r = disk_path(path, "%s/generations", s->lib);
	DIR *dir;

	if (r < 0)
		return r;
	dir = opendir(path);
	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	while (n < LIST_MAX && (e = readdir(dir)) != NULL) {
		uint64_t number = number_of(e->d_name);

		if (number)
			ret[n++] = number;
	}
	closedir(dir);
	qsort(ret, (size_t)n, sizeof(*ret), cmp_number);
	return n;
}

int generation_before(const struct state *s, uint64_t number, struct generation *ret)
{
	uint64_t all[LIST_MAX];
	int n = list_numbers(s, all);

	for (int i = 0; i < n; i++) {
		if (all[i] < number && generation_find(s, all[i], ret) == 0)
			return 0;
	}
	return n < 0 ? n : -ENOENT;
}

/* --- staging -------------------------------------------------------------------------------------------- */

static int make_parent(const struct generation *g, const char *path)
{
	const char *slash = strrchr(path, '/');
	char dir[DISK_PATH_MAX];
	int r;

	if (!slash)
		return 0;
	r = disk_path(dir, "%s/%.*s", g->dir, (int)(slash - path), path);
	return r < 0 ? r : disk_make_dir(dir, strncmp(path, "secrets/", 8) == 0 ? 0700 : 0755);
}

static int put(const struct generation *g, const char *path, struct span text, mode_t mode)
{
	char full[DISK_PATH_MAX];
	int r = disk_path(full, "%s/%s", g->dir, path);

	if (r == 0)
		r = make_parent(g, path);
	return r < 0 ? r : file_write_atomic(full, text, mode);
}

static int put_all(const struct generation *g, const struct render_set *files, struct span doc)
{
	char text[MANIFEST_MAX];
	struct wr w = wr_from(text, sizeof(text));
	int r = put(g, NODE_DOC, doc, 0600);

	for (uint32_t i = 0; r == 0 && i < files->n; i++)
		r = put(g, files->file[i].path, files->file[i].text, files->file[i].secret ? 0600 : 0644);
	if (r == 0)
		r = file_sync_dir(g->dir);
	if (r == 0)
		r = manifest_write(&w, g, files, doc);
	return r < 0 ? r : put(g, MANIFEST, wr_span_of(&w), 0644);
}

int generation_stage(const struct state *s, const struct render_set *files, struct span node_doc, struct generation *g)
{
	uint64_t all[LIST_MAX];
	char path[DISK_PATH_MAX];
	int n = list_numbers(s, all), r;

	if (n < 0)
		return n;
	g->number = n ? all[0] + 1 : 1;
	r = dir_of(s, g->number, g->dir);
	if (r == 0 && mkdir(g->dir, 0755) < 0)
		r = -errno;
	if (r < 0)
		return r;
	r = chmod(g->dir, 0755) < 0 ? -errno : put_all(g, files, node_doc);
	if (r == 0)
		r = disk_path(path, "%s/generations", s->lib);
	if (r == 0)
		r = file_sync_dir(path);
	if (r < 0)
		generation_discard(g);
	return r;
}

void generation_discard(const struct generation *g)
{
	char path[DISK_PATH_MAX];
	int r;

	if (disk_path(path, "%s/" MANIFEST, g->dir) == 0)
		(void)unlink(path); /* first: what is half gone must not look complete */
	r = disk_remove_tree(g->dir);
	if (r < 0)
		log_warn("removing %s: %s", g->dir, err_str(r));
}

/* --- comparing ------------------------------------------------------------------------------------------ */

int generation_diff(const struct generation *old, const struct generation *new, unsigned *ret_parts)
{
	struct manifest a, b;
	unsigned parts = 0;
	int r = generation_manifest(old, &a);

	if (r == 0)
		r = generation_manifest(new, &b);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < b.n; i++) {
		const struct manifest_file *f = row_of(&a, b.file[i].path);

		if (!f || strcmp(f->sha256, b.file[i].sha256) != 0)
			parts |= b.file[i].parts;
	}
	for (uint32_t i = 0; i < a.n; i++) {
		if (!row_of(&b, a.file[i].path))
			parts |= a.file[i].parts;
	}
	*ret_parts = old->number ? parts : PARTS_ALL;
	return 0;
}

int generation_intact(const struct generation *g, char *ret_path, size_t cap)
{
	CLEANUP(blob_done) struct blob b = { 0 };
	char path[DISK_PATH_MAX], sum[65];
	struct manifest m;
	int r = generation_manifest(g, &m);

	snprintf(ret_path, cap, "%s/" MANIFEST, g->dir);
	for (uint32_t i = 0; r == 0 && i < m.n; i++) {
		snprintf(ret_path, cap, "%s/%s", g->dir, m.file[i].path);
		r = disk_path(path, "%s/%s", g->dir, m.file[i].path);
		if (r == 0)
			r = blob_load(&b, path, RENDER_BYTES_MAX);
		if (r == 0)
			r = sum_of(blob_span(&b), sum);
		if (r == 0 && strcmp(sum, m.file[i].sha256) != 0)
			r = ERR_UNEXPECTED;
		blob_done(&b);
	}
	return r < 0 ? ERR_UNEXPECTED : 0;
}

/* --- flipping ------------------------------------------------------------------------------------------- */

static int journal(const struct state *s, const struct generation *from, const struct generation *to, const char *phase)
{
	char path[DISK_PATH_MAX], text[160];
	int r = disk_path(path, "%s/apply.json", s->lib);
	int n = snprintf(text, sizeof(text), "{\"from\":%llu,\"to\":%llu,\"phase\":\"%s\"}\n", (unsigned long long)from->number,
			 (unsigned long long)to->number, phase);

	return r < 0 ? r : file_write_atomic(path, span_of(text, (size_t)n), 0600);
}

static int point_at(const struct state *s, const struct generation *g)
{
	char path[DISK_PATH_MAX], target[64];
	int r = disk_path(path, "%s/current", s->lib);

	if (r < 0)
		return r;
	if (g->number == 0) {
		if (unlink(path) < 0 && errno != ENOENT)
			return -errno;
		return file_sync_dir(s->lib);
	}
	snprintf(target, sizeof(target), "generations/%llu", (unsigned long long)g->number);
	return file_link_atomic(path, target);
}

int generation_flip(const struct state *s, const struct generation *from, const struct generation *to)
{
	int r = journal(s, from, to, "flipping");

	return r < 0 ? r : point_at(s, to);
}

int generation_verifying(const struct state *s, const struct generation *from, const struct generation *to)
{
	return journal(s, from, to, "verifying");
}

int generation_back(const struct state *s, const struct generation *from)
{
	return point_at(s, from);
}

int generation_end(const struct state *s)
{
	char path[DISK_PATH_MAX];
	int r = disk_path(path, "%s/apply.json", s->lib);

	if (r < 0)
		return r;
	if (unlink(path) < 0 && errno != ENOENT)
		return -errno;
	return file_sync_dir(s->lib);
}

int generation_interrupted(const struct state *s, struct generation *ret_from, struct generation *ret_to)
{
	struct generation from = { 0 }, to = { 0 };
	struct json_tok tok[16];
	char path[DISK_PATH_MAX], text[256];
	struct json j;
	size_t n;
	int r = disk_path(path, "%s/apply.json", s->lib);

	if (r == 0)
		r = conf_file_read(path, text, sizeof(text), &n);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (json_parse(span_of(text, n), tok, ARRAY_LEN(tok), &j) < 0 || json_get_u64(&j, 0, "from", &from.number) < 0 ||
	    json_get_u64(&j, 0, "to", &to.number) < 0)
		return ERR_MALFORMED;
	if (from.number)
		r = generation_find(s, from.number, &from);
	if (r == 0)
		r = dir_of(s, to.number, to.dir);
	if (r < 0)
		return r;
	(void)generation_find(s, to.number, &to);
	*ret_from = from;
	*ret_to = to;
	return 1;
}

/* --- pruning -------------------------------------------------------------------------------------------- */

int generation_prune(const struct state *s)
{
	uint64_t all[LIST_MAX];
	struct generation now, g;
	int n, kept = 0, r = generation_current(s, &now);

	if (r < 0)
		return r == ERR_MALFORMED ? 0 : r;
	n = list_numbers(s, all);
	for (int i = 0; i < n; i++) {
		bool complete = generation_find(s, all[i], &g) == 0;

		if (complete && all[i] <= now.number && kept < GENERATIONS_KEPT) {
			kept++;
			continue;
		}
		g = (struct generation){ .number = all[i] };
		if (dir_of(s, all[i], g.dir) == 0)
			generation_discard(&g);
	}
	disk_sweep(s->lib);
	return n < 0 ? n : 0;
}
