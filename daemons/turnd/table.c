/* SPDX-License-Identifier: AGPL-3.0-only */
/* Allocations and by whom they are found. A client's messages come in runs, so the last one found is asked first. */
#include "turnd/req.h"

#define BURST_MIN 65536 /* bytes: a limit of less than one datagram per second would stop everything */
#define DRY DUR_MS(1)   /* after the total bandwidth ran out, this long nobody asks for more */

static bool in_use(const struct client_key *k)
{
	return k->client.via != VIA_MAX_;
}

bool client_same(const struct client *a, const struct client *b)
{
	if (a->via != b->via)
		return false;
	return a->via == VIA_UDP ? path_eq(&a->path, &b->path) : handle_eq(a->conn, b->conn);
}

/* What differs between clients of one server: all of the remote address, both ports, the end of the local address. */
static uint64_t hash_of(const struct turn *t, const struct client *c)
{
	uint8_t key[24];

	if (c->via != VIA_UDP)
		return hmap_hash(&t->clients, &c->conn, sizeof(c->conn));
	memcpy(key, c->path.remote.ip, 16);
	put_be16(key + 16, c->path.remote.port);
	put_be16(key + 18, c->path.local.port);
	memcpy(key + 20, c->path.local.ip + 12, 4);
	return hmap_hash(&t->clients, key, sizeof(key));
}

struct alloc *alloc_get(const struct turn *t, struct handle h)
{
	return slab_get(&t->allocs, h);
}

static struct alloc *find(const struct turn *t, const struct client *c)
{
	for (struct hmap_node *n = hmap_first(&t->clients, hash_of(t, c)); n; n = hmap_next(n)) {
		struct client_key *k = CONTAINER_OF(n, struct client_key, node);

		if (client_same(&k->client, c))
			return alloc_get(t, k->alloc);
	}
	return NULL;
}

struct alloc *alloc_by_client(struct turn *t, const struct client *c)
{
	struct alloc *a = client_same(c, &t->last) ? alloc_get(t, t->last_alloc) : NULL;

	if (a)
		return a;
	a = find(t, c);
	if (a) {
		t->last = *c;
		t->last_alloc = a->self;
	}
	return a;
}

/* --- made and ended ---------------------------------------------------------------------------------------------- */

static int file_key(struct turn *t, struct alloc *a, struct client_key *k, const struct client *c)
{
	int r;

	r = hmap_put(&t->clients, &k->node, hash_of(t, c));
	if (r < 0)
		return r;
	k->client = *c;
	k->alloc = a->self;
	return 0;
}

static void unfile_key(struct turn *t, struct client_key *k)
{
	if (!in_use(k))
		return;
	hmap_del(&t->clients, &k->node);
	k->client.via = VIA_MAX_;
	t->last_alloc = (struct handle){ 0 };
}

struct alloc *alloc_new(struct turn *t, const struct client *c, struct span user, mono_t now)
{
	uint64_t bps = t->conf.max_bps;
	struct handle h;
	struct alloc *a = slab_new(&t->allocs, &h);

	if (!a)
		return NULL;
	a->self = h;
	a->started = now;
	a->expires = a->settle = MONO_NEVER;
	a->now.client.via = a->former.client.via = VIA_MAX_;
	bucket_init(&a->rate, bps, bps > BURST_MIN ? bps : BURST_MIN, now);
	a->user = mem_alloc(user.n + 1);
	if (!a->user || file_key(t, a, &a->now, c) < 0) {
		mem_free(a->user);
		slab_free(&t->allocs, h);
		return NULL;
	}
	memcpy(a->user, user.p, user.n);
	a->user_n = (uint8_t)user.n;
	return a;
}

void alloc_free(struct turn *t, struct alloc *a)
{
	streams_end_of(t, a);
	relay_close_all(t, a);
	t->ops->quota_give(t->owner, span_of(a->user, a->user_n));
	unfile_key(t, &a->now);
	unfile_key(t, &a->former);
	dq_del(&t->due, &a->timer);
	perms_done(&a->perms);
	mem_free(a->user);
	wipe(a->key, sizeof(a->key));
	slab_free(&t->allocs, a->self);
}

void alloc_end(struct turn *t, struct alloc *a)
{
	t->stats.ended++;
	alloc_free(t, a);
}

int alloc_file(struct turn *t, struct alloc *a)
{
	return dq_set(&t->due, &a->timer, in_use(&a->former) ? mono_min(a->expires, a->settle) : a->expires);
}

void allocs_tick(struct turn *t, mono_t now)
{
	for (struct dq_node *n; (n = dq_first(&t->due)) && mono_reached(now, n->at);) {
		struct alloc *a = CONTAINER_OF(n, struct alloc, timer);

		if (mono_reached(now, a->expires)) {
			t->stats.expired++;
			alloc_end(t, a);
		} else {
			alloc_settle(t, a);
		}
	}
}

/* --- RFC 8016 ---------------------------------------------------------------------------------------------------- */

/* Has room: the map never shrinks, and one entry just left it. */
static void refile_key(struct turn *t, struct alloc *a, struct client_key *k, const struct client *c)
{
	unfile_key(t, k);
	(void)file_key(t, a, k, c);
}

void alloc_move(struct turn *t, struct alloc *a, const struct client *c, mono_t now)
{
	struct client was = a->now.client;

	refile_key(t, a, &a->now, c);
	refile_key(t, a, &a->former, &was);
	a->settle = mono_add(now, ALLOC_SETTLE);
	(void)alloc_file(t, a); /* is queued already */
	t->stats.moved++;
}

void alloc_settle(struct turn *t, struct alloc *a)
{
	unfile_key(t, &a->former);
	a->settle = MONO_NEVER;
	(void)alloc_file(t, a); /* is queued already */
}

const struct client *alloc_client(const struct alloc *a)
{
	return in_use(&a->former) ? &a->former.client : &a->now.client;
}

void turn_client_gone(struct turn *t, const struct client *c)
{
	struct alloc *a = find(t, c);

	if (!a)
		return;
	if (in_use(&a->former)) {
		struct client stays = client_same(c, &a->now.client) ? a->former.client : a->now.client;

		refile_key(t, a, &a->now, &stays);
		alloc_settle(t, a);
	} else if (!a->mobile) {
		alloc_end(t, a);
	}
}

/* --- bandwidth --------------------------------------------------------------------------------------------------- */

static bool draw(struct turn *t, size_t n, mono_t now)
{
	if (!mono_reached(now, t->dry_until))
		return false;
	t->drawn += t->ops->draw(t->owner);
	if (t->drawn >= n)
		return true;
	t->dry_until = mono_add(now, DRY);
	return false;
}

enum drop alloc_spend(struct turn *t, struct alloc *a, size_t n, mono_t now)
{
	if (t->drawn < n && !draw(t, n, now))
		return DROP_TOTAL_BANDWIDTH;
	if (!bucket_take(&a->rate, n, now))
		return DROP_BANDWIDTH;
	t->drawn -= n;
	return DROP_NONE;
}
