/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sfud/room/sfu.h"

#include "sfud/room/room.h"
#include "sfud/signal/signal.h"
#include "wire/demux.h"

#define TICK_FLOOR DUR_MS(1)

static bool scratch_alloc(struct sfu *s)
{
	s->sdp_in = mem_alloc(sizeof(*s->sdp_in));
	s->sdp_out = mem_alloc(sizeof(*s->sdp_out));
	s->text = mem_alloc(SDP_TEXT_MAX);
	s->sdp_text = mem_alloc(SDP_TEXT_MAX);
	return s->sdp_in && s->sdp_out && s->text && s->sdp_text;
}

int sfu_init(struct sfu *s, const struct sfu_conf *c, struct rng *rng, const struct dtls_ops *ops,
	     struct dtls_ctx *ctx, const uint8_t fingerprint[DTLS_FINGERPRINT_LEN], struct outbox *out, struct sigbox *sig)
{
	*s = (struct sfu){ .conf = *c, .rng = rng, .dtls_ops = ops, .dtls_ctx = ctx, .out = out, .sig = sig };
	memcpy(s->fingerprint, fingerprint, DTLS_FINGERPRINT_LEN);
	slab_init(&s->rooms, sizeof(struct room), c->max_rooms);
	slab_init(&s->members, sizeof(struct member), c->max_members);
	slab_init(&s->tracks, sizeof(struct track), c->max_members * MEMBER_TRACKS_MAX);
	slab_init(&s->streams, sizeof(struct stream), c->max_members * MEMBER_TRACKS_MAX * LAYERS_MAX);
	slab_init(&s->subs, sizeof(struct sub), c->max_members * LINES_MAX);
	hmap_init(&s->by_name, rng);
	paths_init(&s->paths, c->max_members, rng);
	dq_init(&s->members_due);
	dq_init(&s->rooms_due);
	if (scratch_alloc(s))
		return 0;
	sfu_done(s);
	return ERR_NOMEM;
}

static void free_members(struct sfu *s)
{
	struct handle h;
	uint32_t slot = 0;
	struct member *m;
	struct track *t;
	struct stream *st;
	struct room *r;

	while ((m = slab_next(&s->members, &slot, &h))) {
		transport_done(&m->tp);
		mem_free(m->twcc);
		mem_free(m->lines);
	}
	for (slot = 0; (t = slab_next(&s->tracks, &slot, &h));)
		mem_free(t->subs);
	for (slot = 0; (st = slab_next(&s->streams, &slot, &h));)
		cache_done(&st->cache);
	for (slot = 0; (r = slab_next(&s->rooms, &slot, &h));)
		mem_free(r->members);
}

void sfu_done(struct sfu *s)
{
	struct slab *const slabs[] = { &s->rooms, &s->members, &s->tracks, &s->streams, &s->subs };

	free_members(s);
	for (size_t i = 0; i < ARRAY_LEN(slabs); i++)
		slab_done(slabs[i]);
	hmap_done(&s->by_name);
	paths_done(&s->paths);
	dq_done(&s->members_due);
	dq_done(&s->rooms_due);
	mem_free(s->sdp_in);
	mem_free(s->sdp_out);
	mem_free(s->text);
	mem_free(s->sdp_text);
	*s = (struct sfu){ 0 };
}

/* A check that is answered with an error proves nothing (RFC 8445 7.3.1.1). */
static bool proved(const struct member *m, const struct path *path)
{
	for (size_t i = 0; i < ICE_PATHS_MAX; i++)
		if (m->tp.ice.paths[i].used && path_eq(&m->tp.ice.paths[i].path, path))
			return true;
	return false;
}

static enum drop input_stun(struct sfu *s, const struct path *path, struct span dgram, mono_t now)
{
	struct transport_in in = { 0 };
	struct stun_msg msg;
	struct member *m;
	enum transport_state before;
	enum drop d;

	if (stun_parse(dgram, &msg) < 0)
		return DROP_STUN_MALFORMED;
	if (msg.cls != STUN_REQUEST || msg.method != STUN_BINDING)
		return DROP_STUN_UNEXPECTED;
	m = member_get(s, paths_find_ufrag(&s->paths, ice_local_ufrag(msg.username)));
	if (!m)
		return DROP_STUN_UNEXPECTED;
	before = m->tp.state;
	d = transport_stun(&m->tp, &msg, path, now, s->out, &in);
	if (d != DROP_NONE)
		return d;
	if (in.ice == ICE_PATH_LOST_AND_NEW)
		paths_forget(&s->paths, &in.lost, m->self);
	if (proved(m, path))
		paths_learn(&s->paths, path, m->self);
	if (m->tp.state != before)
		s->stats.ice[m->tp.state]++;
	/* Consent only moves later, so the filed deadline stays good until it fires. */
	member_file_by(s, m, transport_next(&m->tp));
	return DROP_NONE;
}

static void connected(struct sfu *s, struct member *m)
{
	s->stats.ice[TRANSPORT_MEDIA]++;
	if (!m->was_connected)
		s->stats.connects++;
	m->was_connected = true;
	for (uint8_t i = 0; i < m->n_lines; i++) {
		struct sub *sub = sub_get(s, m->lines[i].sub);

		if (sub)
			sub->asked = false; /* nothing reached the subscriber so far: ask anew */
	}
}

static enum drop input_member(struct sfu *s, struct member *m, const struct path *path, uint8_t *p, size_t n, mono_t now)
{
	struct transport_in in = { 0 };
	enum drop d = transport_input(&m->tp, path, p, n, now, s->out, &in);

	if (m->tp.state == TRANSPORT_ENDED)
		member_file_by(s, m, now); /* the tick ends the member: not here, under its caller's feet */
	if (d != DROP_NONE)
		return d;
	if (in.kind == TRANSPORT_RTP)
		return media_rtp(s, m, in.p, in.n, now);
	if (in.kind == TRANSPORT_RTCP)
		return media_rtcp(s, m, span_of(in.p, in.n), now);
	if (in.opened)
		connected(s, m);
	if (m->tp.state != TRANSPORT_ENDED)
		member_file(s, m); /* a handshake step: rare */
	return DROP_NONE;
}

enum drop sfu_input(struct sfu *s, const struct path *path, uint8_t *p, size_t n, mono_t now)
{
	enum demux kind = demux(span_of(p, n));
	enum drop d = DROP_UNKNOWN_KIND;

	if (kind == DEMUX_STUN) {
		d = input_stun(s, path, span_of(p, n), now);
	} else if (kind == DEMUX_DTLS || kind == DEMUX_RTP || kind == DEMUX_RTCP) {
		struct member *m = member_get(s, paths_find(&s->paths, path));

		d = m ? input_member(s, m, path, p, n, now) : DROP_UNKNOWN_PATH;
	}
	s->stats.drops[d]++;
	return d;
}

void sfu_flush(struct sfu *s, mono_t now)
{
	forward_flush(s, now);
}

static void member_tick(struct sfu *s, struct member *m, mono_t now)
{
	struct handle self = m->self;

	if (m->tp.ops)
		transport_tick(&m->tp, now, s->out);
	if (m->tp.state == TRANSPORT_ENDED) {
		s->stats.ends[m->tp.end]++;
		member_end(s, m, SIG_CLOSE_SHUTDOWN, "media ended", now);
		return;
	}
	session_tick(s, m, now);
	m = member_get(s, self);
	if (!m)
		return;
	feedback_tick(s, m, now);
	member_file(s, m);
	/* A deadline that its tick did not move would spin: it may not come due in the same turn again. */
	if (m->timer.pos && m->timer.at.us <= now.us)
		(void)dq_set(&s->members_due, &m->timer, mono_add(now, TICK_FLOOR));
}

void sfu_tick(struct sfu *s, mono_t now)
{
	struct dq_node *n;

	while ((n = dq_first(&s->members_due)) && mono_reached(now, n->at)) {
		struct member *m = CONTAINER_OF(n, struct member, timer);

		dq_del(&s->members_due, n);
		member_tick(s, m, now);
	}
	while ((n = dq_first(&s->rooms_due)) && mono_reached(now, n->at)) {
		dq_del(&s->rooms_due, n);
		room_tick(s, CONTAINER_OF(n, struct room, timer), now);
	}
}

mono_t sfu_next(const struct sfu *s)
{
	return mono_min(dq_next_at(&s->members_due), dq_next_at(&s->rooms_due));
}

void member_file_by(struct sfu *s, struct member *m, mono_t at)
{
	/* Without memory for a grown queue the old deadline stays: late, never lost. */
	if (m->timer.pos == 0 || at.us < m->timer.at.us)
		(void)dq_set(&s->members_due, &m->timer, at);
}

void member_file(struct sfu *s, struct member *m)
{
	mono_t at = mono_min(m->tp.ops ? transport_next(&m->tp) : MONO_NEVER, m->session_by);

	if (m->kicked || (m->tp.ops && m->tp.state == TRANSPORT_ENDED))
		at = (mono_t){ 0 }; /* an offer to make; or it said goodbye and the next tick ends the member */
	(void)dq_set(&s->members_due, &m->timer, mono_min(at, feedback_next(s, m)));
}

void sfu_text(struct sfu *s, struct handle member, struct span text, mono_t now)
{
	struct member *m = member_get(s, member);
	struct sig_in in;

	if (!m || !member_attached(m))
		return;
	sig_parse(text, s->text, SDP_TEXT_MAX, &in);
	session_message(s, m, &in, now);
}

void sfu_gone(struct sfu *s, struct handle member, mono_t now)
{
	struct member *m = member_get(s, member);

	if (!m || !member_attached(m))
		return;
	session_detach(s, m, now);
}

void sfu_shutdown(struct sfu *s, mono_t now)
{
	struct handle h;
	uint32_t slot = 0;
	struct member *m;

	while ((m = slab_next(&s->members, &slot, &h)))
		member_end(s, m, SIG_CLOSE_SHUTDOWN, "shutting down", now);
}
