/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sfud/transport/paths.h"

struct path_entry {
	struct hmap_node node;
	struct path path;
	struct handle self, member;
};

struct ufrag_entry {
	struct hmap_node node;
	char ufrag[ICE_UFRAG_LEN];
	struct handle self, member;
};

void paths_init(struct paths *p, uint32_t max, struct rng *rng)
{
	slab_init(&p->paths, sizeof(struct path_entry), max * ICE_PATHS_MAX);
	slab_init(&p->ufrags, sizeof(struct ufrag_entry), max);
	hmap_init(&p->by_path, rng);
	hmap_init(&p->by_ufrag, rng);
}

void paths_done(struct paths *p)
{
	slab_done(&p->paths);
	slab_done(&p->ufrags);
	hmap_done(&p->by_path);
	hmap_done(&p->by_ufrag);
}

static struct path_entry *find_path(const struct paths *p, const struct path *path)
{
	struct hmap_node *n = hmap_first(&p->by_path, hmap_hash(&p->by_path, path, sizeof(*path)));

	for (; n; n = hmap_next(n)) {
		struct path_entry *e = CONTAINER_OF(n, struct path_entry, node);

		if (path_eq(&e->path, path))
			return e;
	}
	return NULL;
}

static struct ufrag_entry *find_ufrag(const struct paths *p, struct span ufrag)
{
	struct hmap_node *n;

	if (ufrag.n != ICE_UFRAG_LEN)
		return NULL;
	for (n = hmap_first(&p->by_ufrag, hmap_hash(&p->by_ufrag, ufrag.p, ufrag.n)); n; n = hmap_next(n)) {
		struct ufrag_entry *e = CONTAINER_OF(n, struct ufrag_entry, node);

		if (memcmp(e->ufrag, ufrag.p, ICE_UFRAG_LEN) == 0)
			return e;
	}
	return NULL;
}

struct handle paths_find(const struct paths *p, const struct path *path)
{
	const struct path_entry *e = find_path(p, path);

	return e ? e->member : (struct handle){ 0 };
}

struct handle paths_find_ufrag(const struct paths *p, struct span ufrag)
{
	const struct ufrag_entry *e = find_ufrag(p, ufrag);

	return e ? e->member : (struct handle){ 0 };
}

void paths_learn(struct paths *p, const struct path *path, struct handle member)
{
	struct path_entry *e = find_path(p, path);
	struct handle h;

	if (e) {
		e->member = member;
		return;
	}
	e = slab_new(&p->paths, &h);
	if (!e)
		return;
	e->self = h;
	e->member = member;
	e->path = *path;
	if (hmap_put(&p->by_path, &e->node, hmap_hash(&p->by_path, path, sizeof(*path))) < 0)
		slab_free(&p->paths, h);
}

void paths_forget(struct paths *p, const struct path *path, struct handle member)
{
	struct path_entry *e = find_path(p, path);

	if (!e || !handle_eq(e->member, member))
		return;
	hmap_del(&p->by_path, &e->node);
	slab_free(&p->paths, e->self);
}

int paths_learn_ufrag(struct paths *p, const char ufrag[ICE_UFRAG_LEN], struct handle member)
{
	struct handle h;
	struct ufrag_entry *e = slab_new(&p->ufrags, &h);

	if (!e)
		return ERR_NOMEM;
	e->self = h;
	e->member = member;
	memcpy(e->ufrag, ufrag, ICE_UFRAG_LEN);
	if (hmap_put(&p->by_ufrag, &e->node, hmap_hash(&p->by_ufrag, e->ufrag, ICE_UFRAG_LEN)) < 0) {
		slab_free(&p->ufrags, h);
		return ERR_NOMEM;
	}
	return 0;
}

void paths_forget_ufrag(struct paths *p, const char ufrag[ICE_UFRAG_LEN])
{
	struct ufrag_entry *e = find_ufrag(p, span_of(ufrag, ICE_UFRAG_LEN));

	if (!e)
		return;
	hmap_del(&p->by_ufrag, &e->node);
	slab_free(&p->ufrags, e->self);
}
