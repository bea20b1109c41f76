/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sfud/room/room.h"

struct room *room_get(const struct sfu *s, struct handle h)
{
	return slab_get(&s->rooms, h);
}

struct member *member_get(const struct sfu *s, struct handle h)
{
	return slab_get(&s->members, h);
}

static struct room *room_find(const struct sfu *s, const char *name)
{
	struct hmap_node *n = hmap_first(&s->by_name, hmap_hash(&s->by_name, name, strlen(name)));

	for (; n; n = hmap_next(n)) {
		struct room *r = CONTAINER_OF(n, struct room, by_name);

		if (strcmp(r->name, name) == 0)
			return r;
	}
	return NULL;
}

static struct room *room_open(struct sfu *s, const char *name)
{
	size_t n = strlen(name);
	struct handle h;
	struct room *r;

	if (n >= ROOM_NAME_MAX)
		return NULL;
	r = slab_new(&s->rooms, &h);
	if (!r)
		return NULL;
	r->self = h;
	r->solo_since = MONO_NEVER;
	memcpy(r->name, name, n + 1);
	if (hmap_put(&s->by_name, &r->by_name, hmap_hash(&s->by_name, name, n)) < 0) {
		slab_free(&s->rooms, h);
		return NULL;
	}
	return r;
}

static void room_close(struct sfu *s, struct room *r)
{
	hmap_del(&s->by_name, &r->by_name);
	dq_del(&s->rooms_due, &r->timer);
	mem_free(r->members);
	slab_free(&s->rooms, r->self);
}

/* The solo clock runs while exactly one member is here. */
static void room_counted(struct sfu *s, struct room *r, mono_t now)
{
	if (r->n_members != 1 || s->conf.solo_kick == 0) {
		r->solo_since = MONO_NEVER;
		dq_del(&s->rooms_due, &r->timer);
	} else if (mono_is_never(r->solo_since)) {
		r->solo_since = now;
		(void)dq_set(&s->rooms_due, &r->timer, mono_add(now, s->conf.solo_kick));
	}
}

static bool room_add(struct sfu *s, struct room *r, struct handle h, mono_t now)
{
	struct handle *members = mem_room(r->members, r->n_members, &r->cap_members, UINT32_MAX, sizeof(h));

	if (!members)
		return false;
	r->members = members;
	r->members[r->n_members++] = h;
	room_counted(s, r, now);
	return true;
}

static void room_remove(struct sfu *s, struct room *r, struct handle h, mono_t now)
{
	for (uint32_t i = 0; i < r->n_members; i++) {
		if (!handle_eq(r->members[i], h))
			continue;
		memmove(&r->members[i], &r->members[i + 1], (r->n_members - i - 1) * sizeof(h));
		r->n_members--;
		break;
	}
	if (r->n_members == 0)
		room_close(s, r);
	else
		room_counted(s, r, now);
}

void room_tick(struct sfu *s, struct room *r, mono_t now)
{
	struct member *m;

	if (mono_is_never(r->solo_since) || r->n_members != 1)
		return;
	m = member_get(s, r->members[0]);
	if (!m)
		return;
	s->stats.solo_kicked++;
	member_end(s, m, SIG_CLOSE_SHUTDOWN, "alone for too long", now);
}

static struct member *room_member(const struct sfu *s, const struct room *r, uint64_t sub)
{
	for (uint32_t i = 0; i < r->n_members; i++) {
		struct member *m = member_get(s, r->members[i]);

		if (m && m->sub == sub)
			return m;
	}
	return NULL;
}

static struct member *member_open(struct sfu *s, struct room *r, uint64_t sub, mono_t now)
{
	struct handle h;
	struct member *m = slab_new(&s->members, &h);

	if (!m)
		return NULL;
	m->self = h;
	m->room = r->self;
	m->sub = sub;
	m->report_at = MONO_NEVER;
	m->rtcp_ssrc = rng_u32(s->rng);
	if (!room_add(s, r, h, now)) {
		slab_free(&s->members, h);
		return NULL;
	}
	return m;
}

int sfu_join(struct sfu *s, const char *room, uint64_t sub, mono_t now, struct handle *ret)
{
	struct room *r = room_find(s, room);
	struct member *m = r ? room_member(s, r, sub) : NULL;

	if (m && member_attached(m)) {
		s->stats.replaced++;
		sigbox_close(s->sig, m->self, SIG_CLOSE_REPLACED, "session_replaced");
		session_detach(s, m, now);
	}
	if (!m) {
		bool fresh = r == NULL;

		if (fresh)
			r = room_open(s, room);
		if (!r)
			return ERR_LIMIT;
		m = member_open(s, r, sub, now);
		if (!m) {
			if (fresh)
				room_close(s, r);
			return ERR_LIMIT;
		}
	}
	m->session = SESSION_OFFER;
	m->session_by = mono_add(now, OFFER_WAIT);
	member_file(s, m);
	*ret = m->self;
	return 0;
}

/* Everything that a call negotiated: what others receive from this member and what it receives from them. */
static void member_clear_media(struct sfu *s, struct member *m, mono_t now)
{
	for (uint8_t i = 0; i < m->n_lines; i++) {
		struct track *t = track_get(s, m->lines[i].track);

		if (t)
			track_close(s, t, now);
	}
	while (m->n_subs)
		sub_close(s, sub_get(s, m->subs[m->n_subs - 1]));
	m->n_lines = 0;
	m->n_ssrcs = 0;
	m->next_mid = 0;
	m->remb_bps = 0;
	m->rtt_us = 0;
	m->report_at = MONO_NEVER;
	if (m->twcc)
		twcc_init(m->twcc);
}

static void member_clear_transport(struct sfu *s, struct member *m)
{
	for (size_t i = 0; i < ICE_PATHS_MAX; i++)
		if (m->tp.ice.paths[i].used)
			paths_forget(&s->paths, &m->tp.ice.paths[i].path, m->self);
	for (size_t i = 0; i < TRANSPORT_STATE_MAX_; i++)
		s->stats.odd_event[i] += m->tp.odd_event[i];
	if (m->tp.ops) {
		paths_forget_ufrag(&s->paths, m->tp.ice.ufrag);
		transport_done(&m->tp);
	}
	m->tp = (struct transport){ 0 };
}

void member_end(struct sfu *s, struct member *m, enum sig_close code, const char *reason, mono_t now)
{
	struct room *r = room_get(s, m->room);

	if (member_attached(m) && code != SIG_CLOSE_NONE)
		sigbox_close(s->sig, m->self, code, reason);
	if (m->tp.ops && m->tp.state != TRANSPORT_ENDED)
		transport_close(&m->tp, now, s->out);
	member_clear_media(s, m, now);
	member_clear_transport(s, m);
	if (m->was_connected)
		s->stats.disconnects++;
	mem_free(m->twcc);
	mem_free(m->lines);
	dq_del(&s->members_due, &m->timer);
	struct handle self = m->self;

	slab_free(&s->members, self);
	if (r)
		room_remove(s, r, self, now);
}

int member_renew(struct sfu *s, struct member *m, mono_t now)
{
	if (m->tp.ops && m->tp.state != TRANSPORT_ENDED)
		transport_close(&m->tp, now, s->out);
	member_clear_media(s, m, now);
	member_clear_transport(s, m);
	transport_init(&m->tp, s->dtls_ops, s->dtls_ctx, s->rng, now);
	return paths_learn_ufrag(&s->paths, m->tp.ice.ufrag, m->self);
}
