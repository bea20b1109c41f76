/* SPDX-License-Identifier: AGPL-3.0-only */
#include "turnd/quota.h"

#define USERS_MAX (1u << 20)
#define RATE_MAX (UINT64_C(1) << 40)
/* Less than this is nothing: pieces of a few bytes would bring every packet to the lock. */
#define PIECE_MIN (QUOTA_PIECE / 16)

struct quota_user {
	struct hmap_node by_name, by_hash;
	struct handle self;
	uint8_t *name; /* owned */
	size_t name_n;
	uint32_t used;
	uint8_t hash[STUN_USERHASH_LEN];
};

static uint64_t rate_of(uint64_t bps)
{
	return bps < RATE_MAX ? bps : RATE_MAX;
}

/* One second, and at least what one draw asks for. */
static uint64_t burst_of(uint64_t rate)
{
	return rate < QUOTA_PIECE ? QUOTA_PIECE : rate;
}

void quota_init(struct quota *q, uint32_t per_user, uint32_t total, uint64_t total_bps, struct rng *rng, mono_t now)
{
	uint64_t rate = rate_of(total_bps);

	*q = (struct quota){ .per_user = per_user, .total = total };
	bucket_init(&q->bytes, rate, burst_of(rate), now);
	hmap_init(&q->users, rng);
	hmap_init(&q->hashes, rng);
	slab_init(&q->slab, sizeof(struct quota_user), USERS_MAX);
}

void quota_done(struct quota *q)
{
	struct quota_user *u;
	struct handle h;

	for (uint32_t slot = 0; (u = slab_next(&q->slab, &slot, &h));)
		mem_free(u->name);
	slab_done(&q->slab);
	hmap_done(&q->users);
	hmap_done(&q->hashes);
}

void quota_set(struct quota *q, uint32_t per_user, uint32_t total, uint64_t total_bps, mono_t now)
{
	uint64_t rate = rate_of(total_bps);

	q->per_user = per_user;
	q->total = total;
	bucket_set(&q->bytes, rate, burst_of(rate), now);
}

static struct quota_user *find(const struct quota *q, struct span user)
{
	struct hmap_node *n = hmap_first(&q->users, hmap_hash(&q->users, user.p, user.n));

	for (; n; n = hmap_next(n)) {
		struct quota_user *u = CONTAINER_OF(n, struct quota_user, by_name);

		if (span_eq(span_of(u->name, u->name_n), user))
			return u;
	}
	return NULL;
}

/* Into both maps, or into none. */
static bool file(struct quota *q, struct quota_user *u)
{
	if (hmap_put(&q->users, &u->by_name, hmap_hash(&q->users, u->name, u->name_n)) < 0)
		return false;
	if (hmap_put(&q->hashes, &u->by_hash, hmap_hash(&q->hashes, u->hash, sizeof(u->hash))) == 0)
		return true;
	hmap_del(&q->users, &u->by_name);
	return false;
}

static void forget(struct quota *q, struct quota_user *u)
{
	mem_free(u->name);
	slab_free(&q->slab, u->self);
}

static struct quota_user *add(struct quota *q, struct span user, struct span realm)
{
	struct quota_user *u;
	struct handle h;

	if (user.n > STUN_USERNAME_MAX)
		return NULL;
	u = slab_new(&q->slab, &h);
	if (!u)
		return NULL;
	u->self = h;
	u->name_n = user.n;
	u->name = mem_alloc(user.n);
	if (u->name) {
		if (user.n)
			memcpy(u->name, user.p, user.n);
		stun_userhash(user, realm, u->hash);
		if (file(q, u))
			return u;
	}
	forget(q, u);
	return NULL;
}

int quota_take(struct quota *q, struct span user, struct span realm)
{
	struct quota_user *u = find(q, user);

	if (u && q->per_user && u->used >= q->per_user)
		return 486;
	if (q->total && q->used >= q->total)
		return 508;
	if (!u)
		u = add(q, user, realm);
	if (!u)
		return 508;
	u->used++;
	q->used++;
	return 0;
}

void quota_give(struct quota *q, struct span user)
{
	struct quota_user *u = find(q, user);

	if (!u)
		return;
	q->used--;
	if (--u->used)
		return;
	hmap_del(&q->users, &u->by_name);
	hmap_del(&q->hashes, &u->by_hash);
	forget(q, u);
}

int quota_user_by_hash(const struct quota *q, const uint8_t hash[STUN_USERHASH_LEN], struct span *ret)
{
	struct hmap_node *n = hmap_first(&q->hashes, hmap_hash(&q->hashes, hash, STUN_USERHASH_LEN));

	for (; n; n = hmap_next(n)) {
		const struct quota_user *u = CONTAINER_OF(n, struct quota_user, by_hash);

		if (memcmp(u->hash, hash, STUN_USERHASH_LEN) == 0) {
			*ret = span_of(u->name, u->name_n);
			return 0;
		}
	}
	return ERR_MISSING;
}

uint32_t quota_draw(struct quota *q, mono_t now)
{
	if (q->bytes.rate == 0)
		return UINT32_MAX;
	for (uint32_t n = QUOTA_PIECE; n >= PIECE_MIN; n /= 2) {
		if (bucket_take(&q->bytes, n, now))
			return n;
	}
	return 0;
}
