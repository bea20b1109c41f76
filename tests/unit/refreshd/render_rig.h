/* SPDX-License-Identifier: AGPL-3.0-only */
/* Everything rendered, with the front's own files. FRONT_DIR comes from the build. */
#ifndef TESTS_REFRESHD_RENDER_RIG_H
#define TESTS_REFRESHD_RENDER_RIG_H

#include "refreshd/render/render.h"
#include "refreshd_rig.h"

#define RIG_FILE_MAX 65536

static struct node rig_node;
static struct node_diag rig_diag;
static struct render_set rig_set;

static inline struct span rig_file(const char *name, char *buf)
{
	char path[512];
	FILE *f;
	size_t n;

	snprintf(path, sizeof(path), FRONT_DIR "/%s", name);
	f = fopen(path, "rb");
	if (!f) {
		t_fail(__FILE__, __LINE__, path);
		return span_of(buf, 0);
	}
	n = fread(buf, 1, RIG_FILE_MAX, f);
	fclose(f);
	return span_of(buf, n);
}

static inline struct render_in rig_in(const struct node *n, const struct local *l)
{
	static char template[RIG_FILE_MAX], values[RIG_FILE_MAX], node_values[RIG_FILE_MAX];

	return (struct render_in){
		.node = n, .local = l, .sfu_pem = "", .nginx_version = "1.22.1", .ipv6 = true,
		.front_template = rig_file("nginx.conf.in", template), .front_values = rig_file("front.values", values),
		.node_values = rig_file("node.values", node_values),
	};
}

/* The document with one place changed, rendered into rig_set. */
static inline int rig_render(const char *from, const char *to, const struct local *l)
{
	static char arena[RENDER_BYTES_MAX];
	struct wr w = wr_from(arena, sizeof(arena));
	struct render_in in = rig_in(&rig_node, l);

	EQ(node_parse(rig_with(from, to), &rig_node, &rig_diag), 0);
	return render_all(&in, &w, &rig_set, &rig_diag);
}

static inline struct span rig_find(const struct render_set *s, const char *path)
{
	for (uint32_t i = 0; i < s->n; i++) {
		if (strcmp(s->file[i].path, path) == 0)
			return s->file[i].text;
	}
	return span_of("", 0);
}

static inline bool rig_has(const char *path, const char *words)
{
	struct span s = rig_find(&rig_set, path);

	return memmem(s.p, s.n, words, strlen(words)) != NULL;
}

#endif
