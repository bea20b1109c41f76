/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sfud/room/room.h"

struct track *track_get(const struct sfu *s, struct handle h)
{
	return slab_get(&s->tracks, h);
}

struct stream *stream_get(const struct sfu *s, struct handle h)
{
	return slab_get(&s->streams, h);
}

struct sub *sub_get(const struct sfu *s, struct handle h)
{
	return slab_get(&s->subs, h);
}

struct track *track_open(struct sfu *s, struct member *owner, uint8_t line, bool extra)
{
	struct handle h;
	struct track *t = slab_new(&s->tracks, &h);

	if (!t)
		return NULL;
	t->self = h;
	t->owner = owner->self;
	t->line = line;
	t->extra = extra;
	t->video = owner->lines[line].kind == SDP_VIDEO;
	t->n_layers = owner->lines[line].n_rids ? owner->lines[line].n_rids : 1;
	owner->lines[line].track = h;
	return t;
}

struct stream *track_stream(struct sfu *s, struct track *t, uint8_t layer, uint32_t ssrc, uint32_t clock)
{
	struct stream *st = stream_get(s, t->stream[layer]);
	struct handle h;

	if (st)
		return st;
	st = slab_new(&s->streams, &h);
	if (!st)
		return NULL;
	st->self = h;
	st->track = t->self;
	st->layer = layer;
	rx_init(&st->rx, ssrc, clock);
	nack_reset(&st->nack);
	cache_init(&st->cache, TRACK_CACHE_BYTES);
	t->stream[layer] = h;
	return st;
}

static void stream_close(struct sfu *s, struct handle h)
{
	struct stream *st = stream_get(s, h);

	if (!st)
		return;
	cache_done(&st->cache);
	slab_free(&s->streams, h);
}

void track_close(struct sfu *s, struct track *t, mono_t now)
{
	struct member *owner = member_get(s, t->owner);

	while (t->n_subs) {
		struct sub *sub = sub_get(s, t->subs[t->n_subs - 1]);
		struct member *m = sub ? member_get(s, sub->owner) : NULL;

		if (sub)
			sub_close(s, sub);
		else
			t->n_subs--;
		if (m)
			session_kick_soon(s, m, now);
	}
	for (uint8_t i = 0; owner && i < owner->n_ssrcs;) {
		struct stream *st = stream_get(s, owner->ssrcs[i].stream);

		if (!st || !handle_eq(st->track, t->self)) {
			i++;
			continue;
		}
		srtp_rx_forget(&owner->tp.rx, owner->ssrcs[i].ssrc);
		owner->ssrcs[i] = owner->ssrcs[--owner->n_ssrcs];
	}
	for (uint8_t i = 0; i < LAYERS_MAX; i++)
		stream_close(s, t->stream[i]);
	mem_free(t->subs);
	slab_free(&s->tracks, t->self);
}

static bool list_sub(struct track *t, struct handle h)
{
	struct handle *subs = mem_room(t->subs, t->n_subs, &t->cap_subs, UINT32_MAX, sizeof(h));

	if (!subs)
		return false;
	t->subs = subs;
	t->subs[t->n_subs++] = h;
	return true;
}

static void unlist_sub(struct track *t, struct handle h)
{
	for (uint32_t i = 0; i < t->n_subs; i++)
		if (handle_eq(t->subs[i], h)) {
			t->subs[i] = t->subs[--t->n_subs];
			return;
		}
}

static bool shares_codec(const uint8_t pt_map[128])
{
	for (size_t i = 0; i < 128; i++)
		if (pt_map[i] != CAPS_NO_PT)
			return true;
	return false;
}

/* RFC 7714 8.1: the nonce is SSRC and index, so two streams under one key must never have the same SSRC. */
static uint32_t fresh_ssrc(struct sfu *s, const struct member *m, uint32_t other)
{
	uint32_t ssrc;
	bool taken;

	do {
		ssrc = rng_u32(s->rng);
		taken = ssrc == 0 || ssrc == other || ssrc == m->rtcp_ssrc;
		for (uint8_t i = 0; i < m->n_subs; i++) {
			const struct sub *sub = sub_get(s, m->subs[i]);

			taken |= sub && (sub->ssrc == ssrc || sub->rtx_ssrc == ssrc);
		}
	} while (taken);
	return ssrc;
}

static struct sub *wire(struct sfu *s, struct track *t, struct member *m)
{
	const struct member *from = member_get(s, t->owner);
	const struct caps *theirs = t->video ? &from->video : &from->audio;
	struct caps *ours = member_caps(m, t->video);
	struct handle h;
	struct sub *sub;

	if (ours->n_codecs == 0)
		*ours = *theirs; /* its first offer had no such line: the publisher's numbers are as good as any */
	sub = m->n_subs < LINES_MAX ? slab_new(&s->subs, &h) : NULL;
	if (!sub)
		return NULL;
	sub->self = h;
	sub->track = t->self;
	sub->owner = m->self;
	sub->video = t->video;
	sub->target = -1;
	caps_map_pts(theirs, ours, sub->pt_map);
	caps_map_exts(theirs, ours, sub->ext_map);
	sub->mid_id = ours->mid_id;
	sub->ssrc = fresh_ssrc(s, m, 0);
	sub->rtx_ssrc = fresh_ssrc(s, m, sub->ssrc);
	/* Below 2^15, so that losing the first packets cannot hide a roll-over (RFC 3711 3.3.1). */
	rewrite_init(&sub->rw, (uint16_t)(rng_u32(s->rng) & 0x7fff), rng_u32(s->rng));
	sub->rtx_index = rng_u32(s->rng) & 0x7fff;
	if (!shares_codec(sub->pt_map) || !list_sub(t, h)) {
		slab_free(&s->subs, h);
		return NULL;
	}
	m->subs[m->n_subs++] = h;
	m->renegotiate = true;
	return sub;
}

struct sub *sub_open(struct sfu *s, struct track *t, struct member *m)
{
	struct sub *sub = wire(s, t, m);

	s->stats.subs_wired[sub != NULL]++;
	return sub;
}

void sub_close(struct sfu *s, struct sub *sub)
{
	struct track *t = track_get(s, sub->track);
	struct member *m = member_get(s, sub->owner);

	if (t)
		unlist_sub(t, sub->self);
	for (uint8_t i = 0; m && i < m->n_subs; i++) {
		if (!handle_eq(m->subs[i], sub->self))
			continue;
		memmove(&m->subs[i], &m->subs[i + 1], (size_t)(m->n_subs - i - 1) * sizeof(m->subs[0]));
		m->n_subs--;
		break;
	}
	if (m && sub->state != SUB_TO_OPEN && sub->line < m->n_lines) {
		m->lines[sub->line].sub = (struct handle){ 0 };
		m->lines[sub->line].want_idle = true;
		m->renegotiate = true;
	}
	slab_free(&s->subs, sub->self);
}

void sub_move(struct sfu *s, struct sub *sub, enum sub_state to)
{
	s->stats.sub_moves[sub->state][to]++;
	sub->state = to;
}

void track_announce(struct sfu *s, struct track *t, mono_t now)
{
	const struct member *owner = member_get(s, t->owner);
	const struct room *r = owner ? room_get(s, owner->room) : NULL;

	t->announced = true;
	for (uint32_t i = 0; r && i < r->n_members; i++) {
		struct member *m = member_get(s, r->members[i]);

		/* Who has not sent an offer yet gets all tracks after its answer. */
		if (!m || m == owner || !m->tp.ops || m->n_lines == 0)
			continue;
		if (sub_open(s, t, m))
			session_kick_soon(s, m, now);
	}
}
