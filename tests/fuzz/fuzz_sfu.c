/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * A script of what can happen to the whole core: people join, talk, break off, come back, lie, and time passes. After each
 * step: both ends of every relation agree, no list exceeds its bound, what is counted as live is reachable, and a
 * tick leaves no deadline in the past.
 */
#include "fuzz.h"
#include "sfud/room/room.h"
#include "sim/peer.h"

#define CLIENTS 5
#define STEPS_MAX 64

static void room_counts(const struct sfu *s)
{
	uint32_t slot = 0, members = 0;
	struct handle h;
	const struct room *r;

	while ((r = slab_next(&s->rooms, &slot, &h))) {
		MUST(r->n_members > 0);
		for (uint32_t i = 0; i < r->n_members; i++) {
			const struct member *m = member_get(s, r->members[i]);

			MUST(m && handle_eq(m->room, h));
		}
		members += r->n_members;
	}
	MUST(members == s->members.live);
}

static uint32_t member_counts(const struct sfu *s, const struct member *m)
{
	MUST(m->n_lines <= LINES_MAX && m->n_subs <= LINES_MAX && m->n_ssrcs <= SSRC_MAP_MAX);
	for (uint8_t i = 0; i < m->n_subs; i++) {
		const struct sub *sub = sub_get(s, m->subs[i]);

		MUST(sub && handle_eq(sub->owner, m->self) && track_get(s, sub->track));
		MUST(sub->state == SUB_TO_OPEN || (sub->line < m->n_lines && handle_eq(m->lines[sub->line].sub, sub->self)));
	}
	for (uint8_t i = 0; i < m->n_lines; i++)
		MUST(m->lines[i].role != LINE_OUT || handle_is_none(m->lines[i].sub) || sub_get(s, m->lines[i].sub));
	MUST(m->session == SESSION_OFFER || m->n_lines > 0 || m->session == SESSION_DETACHED);
	return m->n_subs;
}

static void track_counts(const struct sfu *s, uint32_t subs)
{
	uint32_t slot = 0, listed = 0, streams = 0;
	struct handle h;
	const struct track *t;

	while ((t = slab_next(&s->tracks, &slot, &h))) {
		const struct member *m = member_get(s, t->owner);

		MUST(m && t->line < m->n_lines && handle_eq(m->lines[t->line].track, h));
		for (uint32_t i = 0; i < t->n_subs; i++)
			MUST(sub_get(s, t->subs[i]));
		for (uint32_t i = 0; i < LAYERS_MAX; i++)
			streams += stream_get(s, t->stream[i]) != NULL;
		listed += t->n_subs;
	}
	MUST(listed == subs && subs == s->subs.live);
	MUST(streams == s->streams.live);
}

static void invariants(const struct sfu *s)
{
	uint32_t slot = 0, subs = 0, transports = 0, paths = 0;
	struct handle h;
	const struct member *m;

	room_counts(s);
	while ((m = slab_next(&s->members, &slot, &h))) {
		subs += member_counts(s, m);
		transports += m->tp.ops != NULL;
		for (uint32_t i = 0; i < ICE_PATHS_MAX; i++)
			paths += m->tp.ice.paths[i].used;
	}
	track_counts(s, subs);
	MUST(s->paths.ufrags.live == transports);
	MUST(s->paths.paths.live <= paths);
}

static void say(struct peer *p, uint8_t which, struct span raw)
{
	static const char *const said[] = {
		"{\"kind\":\"ice\",\"candidate\":\"x\"}", "{\"kind\":\"bwe-hint\",\"bps\":1}", "{",
		"{\"type\":\"answer-renegotiate\",\"sdp\":\"v=0\"}", "{\"kind\":\"offer\",\"sdp\":\"v=0\"}", "{}",
	};

	if (which < ARRAY_LEN(said))
		peer_say(p, said[which]);
	else
		world_text(p->w, p, raw);
}

static void inject(struct world *w, struct peer *p, uint8_t how, struct span raw)
{
	struct path path = { .remote = p->addr, .local = world_addr() };
	uint8_t b[OUTBOX_DGRAM_MAX] = { 0 };
	size_t n = raw.n < 256 ? raw.n : 256;

	if (n)
		memcpy(b, raw.p, n);
	if (how & 1)
		path.remote.port ^= 0x100;
	if (p->connected && how & 2 && n >= 12) {
		const struct track_out *t = &p->video[how >> 4 & 1];

		b[0] = 0x80 | (b[0] & 0x3f & ~0x1f); /* no CSRCs and no extension: the header ends at 12 */
		b[1] = how & 4 ? t->rtx_pt : t->pt;
		put_be16(b + 2, (uint16_t)(t->seq + 1 + b[2]));
		put_be32(b + 8, how & 8 ? be32_at(b + 8) : how & 4 ? t->rtx_ssrc : t->ssrc);
		n = srtp_seal(&p->tx, b, 12, n, t->seq + 1 + b[2]);
	} else if (p->connected && how & 4 && n >= 8) {
		b[0] = 0x80 | (b[0] & 0x3f);
		b[1] = (uint8_t)(200 + b[1] % 8);
		n = srtcp_seal(&p->tx, b, n);
	}
	(void)world_inject(w, &path, span_of(b, n));
}

static void spoil(struct peer *p, uint8_t how)
{
	p->mute_answers = how & 1;
	p->bad_answers = how & 2;
	p->up.dead = how & 4;
	p->down.dead = how & 8;
	p->muted = how & 16;
	p->storm = how & 32;
	if (how & 64)
		p->lines[how % (p->n_lines ? p->n_lines : 1)].dir = (enum sdp_dir)(how & 3);
	if (how & 128)
		p->video[0].paused = !p->video[0].paused;
}

static void step(struct world *w, struct rd *r)
{
	uint8_t op = rd_u8(r), arg = rd_u8(r);
	struct peer *p = w->peers[arg % CLIENTS];
	struct span raw = { 0 };

	if (op % 12 == 3 || op % 12 == 4) {
		raw = rd_span(r, rd_u8(r));
		if (r->bad)
			return;
	}
	switch (op % 12) {
	case 0:
		if (!p->ws_open)
			(void)peer_join(p);
		break;
	case 1:
		if (!p->ws_open)
			(void)peer_open(p);
		break;
	case 2:
		if (p->ws_open)
			peer_offer(p);
		break;
	case 3:
		say(p, arg / CLIENTS % 8, raw);
		break;
	case 4:
		inject(w, p, op ^ arg, raw);
		break;
	case 5:
		sfu_tick(&w->s, w->now);
		MUST(sfu_next(&w->s).us > w->now.us);
		break;
	case 6:
		peer_lose(p);
		break;
	case 7:
		if (!p->gone)
			peer_leave(p);
		break;
	case 8:
		spoil(p, rd_u8(r));
		break;
	case 9:
		peer_lose(p);
		peer_renew(p);
		break;
	case 10:
		peer_rebind(p);
		break;
	default:
		/* Long waits only with nothing to send, for the sake of speed. */
		for (uint32_t i = 0; op & 0x80 && i < w->n_peers; i++)
			w->peers[i]->muted = true;
		world_pass(w, DUR_MS(2) * arg + (op & 0x80 ? DUR_SEC(5) : 0));
	}
	world_collect(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct world w;
	struct rd r = rd_from(span_of(data, n));

	MUST(world_init(&w, &(struct world_conf){ .seed = 1, .solo_kick = DUR_SEC(20), .max_members = 6, .max_rooms = 2 }));
	for (uint64_t i = 0; i < CLIENTS; i++) {
		struct peer_conf c = { .room = i == 3 ? "b" : "a", .audio = i != 2, .video = true, .simulcast = i == 1,
				       .screen = i == 2, .data = i == 0, .quiet = i > 1, .sub = i == 4 ? 1 : i + 1 };

		(void)peer_new(&w, &c);
	}
	for (int i = 0; i < STEPS_MAX && rd_left(&r) >= 2; i++) {
		step(&w, &r);
		invariants(&w.s);
	}
	sfu_shutdown(&w.s, w.now);
	invariants(&w.s);
	MUST(w.s.members.live + w.s.rooms.live + w.s.tracks.live + w.s.streams.live + w.s.subs.live == 0);
	MUST(w.s.paths.paths.live + w.s.paths.ufrags.live == 0);
	world_done(&w, 0);
	return 0;
}
