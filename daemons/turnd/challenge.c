/* SPDX-License-Identifier: AGPL-3.0-only */
#include "turnd/challenge.h"

#include "base/err.h"
#include "base/hmap.h"
#include "base/slab.h"

int challenge_init(struct challenge *c, struct rng *rng)
{
	struct challenge_slot *slot = mem_alloc(CHALLENGE_SLOTS * sizeof(*slot));

	if (!slot)
		return ERR_NOMEM;
	for (size_t i = 0; i < CHALLENGE_SLOTS; i++)
		slot[i].credit = CHALLENGE_BURST;
	*c = (struct challenge){ .slot = slot };
	c->key[0] = rng_u64(rng);
	c->key[1] = rng_u64(rng);
	return 0;
}

void challenge_done(struct challenge *c)
{
	mem_free(c->slot);
	*c = (struct challenge){ 0 };
}

static struct challenge_slot *slot_of(const struct challenge *c, const struct addr *from)
{
	size_t n = addr_is_v4(from) ? 15 : 7; /* /24, /56 */

	return &c->slot[siphash24(c->key, from->ip, n) % CHALLENGE_SLOTS];
}

/* Rounded up, so that a quiet time never ends early; 0 means never. */
static uint32_t seconds_of(mono_t now)
{
	uint64_t s = now.us / US_PER_SEC + (now.us % US_PER_SEC != 0);

	return s ? (uint32_t)s : 1;
}

bool challenge_take(struct challenge *c, const struct addr *from, size_t received, size_t reply, mono_t now)
{
	struct challenge_slot *s = slot_of(c, from);

	if (s->refused_s && mono_since(now, (mono_t){ s->refused_s * US_PER_SEC }) >= CHALLENGE_QUIET)
		*s = (struct challenge_slot){ .credit = CHALLENGE_BURST };
	s->credit = received < CHALLENGE_BURST - s->credit ? s->credit + (uint32_t)received : CHALLENGE_BURST;
	if (reply > s->credit) {
		s->refused_s = seconds_of(now);
		return false;
	}
	s->credit -= (uint32_t)reply;
	return true;
}
