/* SPDX-License-Identifier: AGPL-3.0-only */
#include "turnd/perm.h"

#include "base/err.h"
#include "base/slab.h"

void perms_done(struct perms *p)
{
	mem_free(p->perm);
	mem_free(p->channel);
	*p = (struct perms){ 0 };
}

void perms_keep(struct perms *p, bool (*wanted)(const void *arg, const struct addr *peer), const void *arg)
{
	for (uint32_t i = 0; i < p->n_perms;)
		if (wanted(arg, &p->perm[i].ip))
			i++;
		else
			p->perm[i] = p->perm[--p->n_perms];
	for (uint32_t i = 0; i < p->n_channels;)
		if (wanted(arg, &p->channel[i].peer))
			i++;
		else
			p->channel[i] = p->channel[--p->n_channels];
}

static struct perm *find(const struct perms *p, const struct addr *peer)
{
	for (uint32_t i = 0; i < p->n_perms; i++)
		if (addr_same_ip(&p->perm[i].ip, peer))
			return &p->perm[i];
	return NULL;
}

static void forget_expired(struct perms *p, mono_t now)
{
	for (uint32_t i = 0; i < p->n_perms;)
		if (mono_reached(now, p->perm[i].until))
			p->perm[i] = p->perm[--p->n_perms];
		else
			i++;
	for (uint32_t i = 0; i < p->n_channels;)
		if (mono_reached(now, p->channel[i].until))
			p->channel[i] = p->channel[--p->n_channels];
		else
			i++;
}

/* How many of these are no entries yet; one named twice counts once. */
static uint32_t count_new(const struct perms *p, const struct addr *peer, size_t n)
{
	uint32_t fresh = 0;

	for (size_t i = 0; i < n; i++) {
		bool known = find(p, &peer[i]) != NULL;

		for (size_t k = 0; k < i && !known; k++)
			known = addr_same_ip(&peer[k], &peer[i]);
		fresh += !known;
	}
	return fresh;
}

static int make_room(struct perms *p, uint32_t n, uint32_t max)
{
	if (n > max)
		return ERR_LIMIT;
	while (p->cap_perms < n) {
		struct perm *more = mem_room(p->perm, p->cap_perms, &p->cap_perms, max, sizeof(*p->perm));

		if (!more)
			return ERR_NOMEM;
		p->perm = more;
	}
	return 0;
}

static void install(struct perms *p, const struct addr *peer, mono_t now)
{
	struct perm *e = find(p, peer);

	if (!e) {
		e = &p->perm[p->n_perms++];
		e->ip = *peer;
		e->ip.port = 0;
	}
	e->until = mono_add(now, PERM_LIFE);
}

int perm_add(struct perms *p, const struct addr *peer, size_t n, uint32_t max, mono_t now)
{
	int r;

	forget_expired(p, now);
	r = make_room(p, p->n_perms + count_new(p, peer, n), max);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++)
		install(p, &peer[i], now);
	return 0;
}

bool perm_has(const struct perms *p, const struct addr *peer, mono_t now)
{
	const struct perm *e = find(p, peer);

	return e && !mono_reached(now, e->until);
}

int channel_bind(struct perms *p, uint16_t number, const struct addr *peer, uint32_t max_perms, uint32_t max_channels,
		 mono_t now)
{
	struct channel *table, *c;
	int r;

	forget_expired(p, now);
	c = (struct channel *)channel_by_number(p, number, now);
	if ((c && !addr_eq(&c->peer, peer)) || (!c && channel_by_peer(p, peer, now)))
		return ERR_UNEXPECTED;
	table = c ? p->channel : mem_room(p->channel, p->n_channels, &p->cap_channels, max_channels, sizeof(*table));
	if (!table)
		return p->n_channels >= max_channels ? ERR_LIMIT : ERR_NOMEM;
	p->channel = table;
	r = perm_add(p, peer, 1, max_perms, now);
	if (r < 0)
		return r;
	if (!c)
		c = &p->channel[p->n_channels++];
	*c = (struct channel){ .peer = *peer, .until = mono_add(now, CHANNEL_LIFE), .number = number };
	return 0;
}

const struct channel *channel_by_number(const struct perms *p, uint16_t number, mono_t now)
{
	for (uint32_t i = 0; i < p->n_channels; i++)
		if (p->channel[i].number == number && !mono_reached(now, p->channel[i].until))
			return &p->channel[i];
	return NULL;
}

const struct channel *channel_by_peer(const struct perms *p, const struct addr *peer, mono_t now)
{
	for (uint32_t i = 0; i < p->n_channels; i++)
		if (addr_eq(&p->channel[i].peer, peer) && !mono_reached(now, p->channel[i].until))
			return &p->channel[i];
	return NULL;
}
