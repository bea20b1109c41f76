/* SPDX-License-Identifier: AGPL-3.0-only */
/* The front's configuration: on a node as part of a generation, and alone by `refreshd front`. */
#include "refreshd/shell_front.h"

#include <stdio.h>
#include <sysexits.h>

#include "refreshd/render/template.h"
#include "refreshd/shell_spawn.h"
#include "sys/file_atomic.h"
#include "sys/host_addrs.h"

#define FILE_MAX 131072
#define ASK_LIMIT DUR_SEC(10)

static int nginx_version(char ret[32], struct node_diag *diag)
{
	static const char mark[] = "nginx/";
	const char *program = disk_nginx(), *at;
	char output[512] = "";
	size_t n;

	if (program)
		(void)spawn_wait((const char *const[]){ program, "-v", NULL },
				 (const char *const[]){ "PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL }, ASK_LIMIT, output,
				 sizeof(output));
	at = strstr(output, mark);
	n = at ? strspn(at + sizeof(mark) - 1, "0123456789.") : 0;
	if (n == 0 || n >= 32) {
		snprintf(diag->text, sizeof(diag->text),
			 "cannot tell nginx's version: install Debian's nginx package or set NGINX to the program");
		return ERR_MISSING;
	}
	memcpy(ret, at + sizeof(mark) - 1, n);
	ret[n] = '\0';
	return 0;
}

static int load(struct blob *b, const char *path, struct node_diag *diag)
{
	int r = blob_load(b, path, FILE_MAX);

	if (r < 0)
		snprintf(diag->text, sizeof(diag->text), "cannot read %.180s: %s", path, err_str(r));
	return r;
}

static int load_share(const struct refreshd *d, struct blob *b, const char *name, struct node_diag *diag)
{
	char path[DISK_PATH_MAX];
	int r = disk_path(path, "%s/front/%s", d->args.share, name);

	return r < 0 ? r : load(b, path, diag);
}

int front_load(const struct refreshd *d, struct front_files *ret, struct node_diag *diag)
{
	int r = nginx_version(ret->nginx_version, diag);

	if (r == 0)
		r = load_share(d, &ret->template, "nginx.conf.in", diag);
	if (r == 0)
		r = load_share(d, &ret->values, "front.values", diag);
	return r < 0 ? r : load_share(d, &ret->node_values, "node.values", diag);
}

void front_done(struct front_files *f)
{
	blob_done(&f->template);
	blob_done(&f->values);
	blob_done(&f->node_values);
}

/* --- alone ---------------------------------------------------------------------------------------------- */

#define SETS_MAX (1 + ARGS_FILES_MAX + ARGS_VALUES_MAX)

struct fill {
	struct front_files front;
	struct blob file[ARGS_FILES_MAX];
	struct template_values set[SETS_MAX];
	size_t n;
};

static void fill_done(struct fill *f)
{
	front_done(&f->front);
	for (size_t i = 0; i < ARRAY_LEN(f->file); i++)
		blob_done(&f->file[i]);
}

static int gather(const struct refreshd *d, struct fill *f, struct node_diag *diag)
{
	const struct args *a = &d->args;
	int r = nginx_version(f->front.nginx_version, diag);

	if (r == 0)
		r = a->template_file ? load(&f->front.template, a->template_file, diag) :
				       load_share(d, &f->front.template, "nginx.conf.in", diag);
	if (r == 0)
		r = load_share(d, &f->front.values, "front.values", diag);
	f->set[f->n++] = (struct template_values){ "front.values", blob_span(&f->front.values) };
	for (uint32_t i = 0; r == 0 && i < a->n_values_files; i++) {
		r = load(&f->file[i], a->values_file[i], diag);
		f->set[f->n++] = (struct template_values){ a->values_file[i], blob_span(&f->file[i]) };
	}
	for (uint32_t i = 0; r == 0 && i < a->n_values; i++) {
		if (strpbrk(a->value[i], "\r\n")) {
			snprintf(diag->text, sizeof(diag->text), "a value has more than one line: %.20s...", a->value[i]);
			return ERR_MALFORMED;
		}
		f->set[f->n++] = (struct template_values){ "command line", span_str(a->value[i]) };
	}
	return r;
}

static int fill(const struct refreshd *d, struct fill *f, struct node_diag *diag)
{
	CLEANUP(blob_done) struct blob out = { 0 };
	struct wr w;
	int r = gather(d, f, diag);

	if (r == 0)
		r = blob_room(&out, RENDER_BYTES_MAX);
	if (r < 0)
		return r;
	w = blob_wr(&out);
	r = template_fill(blob_span(&f->front.template), f->set, f->n, f->front.nginx_version, host_has_v6(), &w, diag);
	if (r < 0)
		return r;
	r = file_write_atomic(d->args.output, wr_span_of(&w), 0644);
	if (r < 0)
		snprintf(diag->text, sizeof(diag->text), "writing %.180s: %s", d->args.output, err_str(r));
	return r;
}

int cmd_front(struct refreshd *d)
{
	CLEANUP(fill_done) struct fill f = { 0 };
	struct node_diag diag = { 0 };
	int r;

	if (!d->args.output) {
		fprintf(stderr, "refreshd: no output file: give -o OUTPUT\n");
		return EX_USAGE;
	}
	r = fill(d, &f, &diag);
	if (r < 0)
		fprintf(stderr, "refreshd: %s\n", diag.text[0] ? diag.text : err_str(r));
	return r < 0 ? EX_DATAERR : 0;
}
