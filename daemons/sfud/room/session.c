/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sfud/room/room.h"

#define ENVELOPE 256 /* JSON around an SDP */
#define UPDATE_ENTRY 160 /* bytes of JSON about one line, at most */
#define OFFER_AGAIN DUR_SEC(1)

/* Worst case of JSON escaping: CR and LF double; sdp_write emits no other character that needs it. */
static size_t json_room(size_t sdp)
{
	return sdp + sdp / 2 + ENVELOPE;
}

static void send_map(struct sfu *s, struct member *m)
{
	uint64_t ids[SDP_MEDIA_MAX * 8];
	const struct room *r = room_get(s, m->room);
	struct wr w;
	size_t n = 0;

	for (uint32_t i = 0; r && i < r->n_members && n < ARRAY_LEN(ids); i++) {
		const struct member *other = member_get(s, r->members[i]);

		if (other && other != m && other->n_lines)
			ids[n++] = other->sub;
	}
	w = sigbox_reserve(s->sig, ENVELOPE + n * 80);
	sig_write_map(&w, ids, n);
	if (sigbox_commit(s->sig, m->self, &w))
		s->stats.map_sent[n > 0]++;
}

/* Every announced track of the others, in the order of their owners. */
static void subscribe_all(struct sfu *s, struct member *m)
{
	const struct room *r = room_get(s, m->room);

	for (uint32_t i = 0; r && i < r->n_members; i++) {
		struct member *other = member_get(s, r->members[i]);

		for (uint8_t k = 0; other && other != m && k < other->n_lines; k++) {
			struct track *t = track_get(s, other->lines[k].track);

			if (t && t->announced)
				(void)sub_open(s, t, m);
		}
	}
}

static void announce_own(struct sfu *s, struct member *m, mono_t now)
{
	for (uint8_t i = 0; i < m->n_lines; i++) {
		struct track *t = track_get(s, m->lines[i].track);

		if (t && !t->announced && !t->extra)
			track_announce(s, t, now);
	}
}

static void refuse(struct sfu *s, struct member *m, enum offer_outcome why, enum sig_close code, const char *reason,
		   mono_t now)
{
	s->stats.offers[why]++;
	member_end(s, m, code, reason, now);
}

static bool resumes(const struct member *m, const struct sdp *offer)
{
	return m->tp.ops && m->tp.state == TRANSPORT_MEDIA &&
	       memcmp(m->tp.fingerprint, offer->fingerprint, DTLS_FINGERPRINT_LEN) == 0;
}

/* RFC 8445 9, RFC 8839 4.4.3.1.1: an offer with new credentials is an ICE restart, and its answer brings new ones,
 * too. */
static int set_remote(struct sfu *s, struct member *m, const struct sdp *offer)
{
	bool known = m->tp.ice.remote_ufrag[0] != '\0';

	if (known && !span_is(offer->ufrag, m->tp.ice.remote_ufrag)) {
		paths_forget_ufrag(&s->paths, m->tp.ice.ufrag);
		ice_restart(&m->tp.ice, s->rng);
		if (paths_learn_ufrag(&s->paths, m->tp.ice.ufrag, m->self) < 0)
			return ERR_NOMEM;
	}
	return transport_set_remote(&m->tp, offer->ufrag, offer->pwd, offer->fingerprint);
}

static bool send_answer(struct sfu *s, struct member *m)
{
	struct span sdp;
	struct wr w;

	if (!negotiate_write(s, m, true, &sdp))
		return false;
	w = sigbox_reserve(s->sig, json_room(sdp.n));
	sig_write_answer(&w, sdp);
	return sigbox_commit(s->sig, m->self, &w);
}

/* The same certificate on a new WebSocket: what was in flight is offered again, everything else goes on. */
static void forget_in_flight(struct sfu *s, struct member *m)
{
	for (uint8_t i = 0; i < m->n_subs; i++) {
		struct sub *sub = sub_get(s, m->subs[i]);

		if (sub && sub->state == SUB_NEGOTIATING)
			m->renegotiate = true;
	}
}

static void on_offer(struct sfu *s, struct member *m, const struct sig_in *in, mono_t now)
{
	struct sdp *offer = s->sdp_in;
	const char *why = NULL;
	bool resumed;
	int r;

	if (sdp_parse(in->sdp, offer, &why) < 0) {
		refuse(s, m, OFFER_SDP_ERR, SIG_CLOSE_BAD_OFFER, "bad sdp", now);
		return;
	}
	resumed = resumes(m, offer);
	if (!resumed && member_renew(s, m, now) < 0) {
		refuse(s, m, OFFER_SDP_ERR, SIG_CLOSE_INTERNAL, "internal", now);
		return;
	}
	r = set_remote(s, m, offer);
	if (r == 0)
		r = negotiate_offer(s, m, offer, now);
	if (r < 0) {
		refuse(s, m, OFFER_SDP_ERR, SIG_CLOSE_INTERNAL, "sdp rejected", now);
		return;
	}
	if (!send_answer(s, m)) {
		refuse(s, m, OFFER_SDP_ERR, SIG_CLOSE_INTERNAL, "internal", now);
		return;
	}
	s->stats.offers[OFFER_OK]++;
	s->stats.answers_sent++;
	s->stats.resumed += resumed;
	m->session = SESSION_STABLE;
	m->session_by = MONO_NEVER;
	m->tries = 0;
	send_map(s, m);
	if (resumed)
		forget_in_flight(s, m);
	else
		subscribe_all(s, m);
	announce_own(s, m, now);
	session_kick(s, m, now);
	member_file(s, m);
}

/* The offer stays unanswered: once more, a few times. */
static void offer_again(struct sfu *s, struct member *m, mono_t now)
{
	m->session = SESSION_STABLE;
	m->session_by = MONO_NEVER;
	m->renegotiate = true;
	if (++m->tries < OFFER_TRIES)
		session_kick(s, m, now);
}

static void on_answer(struct sfu *s, struct member *m, const struct sig_in *in, mono_t now)
{
	const char *why = NULL;

	if (sdp_parse(in->sdp, s->sdp_in, &why) < 0) {
		s->stats.reneg_answers[RENEG_ERR]++;
		offer_again(s, m, now);
		member_file(s, m);
		return;
	}
	s->stats.reneg_answers[RENEG_OK]++;
	m->session = SESSION_STABLE;
	m->session_by = MONO_NEVER;
	m->tries = 0;
	negotiate_answered(s, m, s->sdp_in, now);
	session_kick(s, m, now);
	member_file(s, m);
}

static void first_not_offer(struct sfu *s, struct member *m, const struct sig_in *in, mono_t now)
{
	(void)in;
	refuse(s, m, OFFER_JSON_ERR, SIG_CLOSE_BAD_OFFER, "bad offer", now);
}

static void answer_unasked(struct sfu *s, struct member *m, const struct sig_in *in, mono_t now)
{
	(void)m;
	(void)in;
	(void)now;
	s->stats.reneg_answers[RENEG_STATE_MISMATCH]++;
}

/* ICE candidates, unknown messages, and a second offer: glare is the client's to avoid. */
static void ignore(struct sfu *s, struct member *m, const struct sig_in *in, mono_t now)
{
	(void)m;
	(void)in;
	(void)now;
	s->stats.text_ignored++;
}

static void count_bad(struct sfu *s, struct member *m, const struct sig_in *in, mono_t now)
{
	(void)m;
	(void)in;
	(void)now;
	s->stats.text_bad++;
}

static void on_bwe_hint(struct sfu *s, struct member *m, const struct sig_in *in, mono_t now)
{
	(void)in; /* counted only, as in the existing system: the sender's own feedback knows better */
	if (mono_since(now, m->bwe_hint_at) < s->conf.bwe_hint_gap && m->bwe_hint_at.us) {
		s->stats.bwe_hints_early++;
		return;
	}
	m->bwe_hint_at = now;
	s->stats.bwe_hints++;
}

/* Whose the lines of this offer are. */
static void send_update(struct sfu *s, struct member *m)
{
	struct sig_track entry[LINES_MAX];
	size_t n = 0;
	struct wr w;

	for (uint8_t i = 0; i < m->n_subs; i++) {
		const struct sub *sub = sub_get(s, m->subs[i]);
		const struct track *t = sub && sub->state == SUB_NEGOTIATING ? track_get(s, sub->track) : NULL;
		const struct member *from = t ? member_get(s, t->owner) : NULL;

		if (!from)
			continue;
		entry[n++] = (struct sig_track){ m->lines[sub->line].mid, from->sub, t->video, t->extra };
		s->stats.reneg_sent[t->video]++;
	}
	if (!n)
		return;
	w = sigbox_reserve(s->sig, ENVELOPE + n * UPDATE_ENTRY);
	sig_write_update(&w, entry, n);
	(void)sigbox_commit(s->sig, m->self, &w);
}

/* No memory or no room for the offer: nothing else may ever ask for it again. */
static void try_later(struct sfu *s, struct member *m, mono_t now)
{
	m->session_by = mono_add(now, OFFER_AGAIN);
	member_file_by(s, m, m->session_by);
}

void session_kick(struct sfu *s, struct member *m, mono_t now)
{
	const char *mid;
	struct span sdp;
	struct wr w;

	if (m->session != SESSION_STABLE || !m->renegotiate)
		return;
	mid = negotiate_next(s, m);
	if (!mid) {
		m->renegotiate = false;
		return;
	}
	if (!negotiate_write(s, m, false, &sdp)) {
		try_later(s, m, now);
		return;
	}
	w = sigbox_reserve(s->sig, json_room(sdp.n));
	sig_write_offer(&w, sdp, mid);
	if (!sigbox_commit(s->sig, m->self, &w)) {
		try_later(s, m, now);
		return;
	}
	m->session = SESSION_OFFERED;
	m->session_by = mono_add(now, ANSWER_WAIT);
	send_update(s, m);
	member_file_by(s, m, m->session_by);
}

void session_kick_soon(struct sfu *s, struct member *m, mono_t now)
{
	m->kicked = true;
	member_file_by(s, m, now);
}

static void offer_late(struct sfu *s, struct member *m, const struct sig_in *in, mono_t now)
{
	(void)in;
	refuse(s, m, OFFER_TIMEOUT, SIG_CLOSE_BAD_OFFER, "bad offer", now);
}

static void answer_late(struct sfu *s, struct member *m, const struct sig_in *in, mono_t now)
{
	(void)in;
	s->stats.reneg_answers[RENEG_TIMEOUT]++;
	offer_again(s, m, now);
}

static void kick(struct sfu *s, struct member *m, const struct sig_in *in, mono_t now)
{
	(void)in;
	session_kick(s, m, now);
}

static void grace_over(struct sfu *s, struct member *m, const struct sig_in *in, mono_t now)
{
	(void)in;
	member_end(s, m, SIG_CLOSE_NONE, NULL, now);
}

static void detach(struct sfu *s, struct member *m, const struct sig_in *in, mono_t now)
{
	(void)in;
	(void)s;
	m->session = SESSION_DETACHED;
	m->session_by = m->tp.ops ? mono_add(now, GRACE) : now;
}

static void detach_unanswered(struct sfu *s, struct member *m, const struct sig_in *in, mono_t now)
{
	if (m->tp.ops == NULL)
		s->stats.offers[OFFER_WS_CLOSED]++;
	detach(s, m, in, now);
}

static void detach_offered(struct sfu *s, struct member *m, const struct sig_in *in, mono_t now)
{
	s->stats.reneg_answers[RENEG_WS_CLOSED]++;
	detach(s, m, in, now);
}

enum event { /* the messages first, in the order of enum sig_kind */
	EV_OFFER = SIG_OFFER,
	EV_ANSWER = SIG_ANSWER,
	EV_BWE_HINT = SIG_BWE_HINT,
	EV_ICE = SIG_ICE,
	EV_OTHER = SIG_OTHER,
	EV_MALFORMED = SIG_MALFORMED,
	EV_TIMEOUT, /* session_by */
	EV_GONE,    /* the WebSocket */
	EV_MAX_
};

typedef void act_fn(struct sfu *s, struct member *m, const struct sig_in *in, mono_t now);

/* The table of member.h. Empty cells cannot happen: a detached member has no WebSocket that could speak or go. */
static act_fn *const step[SESSION_MAX_][EV_MAX_] = {
	[SESSION_OFFER] = { [EV_OFFER] = on_offer, [EV_ANSWER] = first_not_offer, [EV_BWE_HINT] = first_not_offer,
			    [EV_ICE] = first_not_offer, [EV_OTHER] = first_not_offer, [EV_MALFORMED] = first_not_offer,
			    [EV_TIMEOUT] = offer_late, [EV_GONE] = detach_unanswered },
	[SESSION_STABLE] = { [EV_OFFER] = ignore, [EV_ANSWER] = answer_unasked, [EV_BWE_HINT] = on_bwe_hint,
			     [EV_ICE] = ignore, [EV_OTHER] = ignore, [EV_MALFORMED] = count_bad, [EV_TIMEOUT] = kick,
			     [EV_GONE] = detach },
	[SESSION_OFFERED] = { [EV_OFFER] = ignore, [EV_ANSWER] = on_answer, [EV_BWE_HINT] = on_bwe_hint,
			      [EV_ICE] = ignore, [EV_OTHER] = ignore, [EV_MALFORMED] = count_bad,
			      [EV_TIMEOUT] = answer_late, [EV_GONE] = detach_offered },
	[SESSION_DETACHED] = { [EV_TIMEOUT] = grace_over },
};

static void on(struct sfu *s, struct member *m, enum event ev, const struct sig_in *in, mono_t now)
{
	act_fn *act = step[m->session][ev];

	if (act)
		act(s, m, in, now);
	else
		s->stats.session_odd_event++;
}

void session_message(struct sfu *s, struct member *m, const struct sig_in *in, mono_t now)
{
	on(s, m, (enum event)in->kind, in, now);
}

void session_detach(struct sfu *s, struct member *m, mono_t now)
{
	on(s, m, EV_GONE, NULL, now);
	member_file(s, m);
}

void session_tick(struct sfu *s, struct member *m, mono_t now)
{
	if (m->kicked) {
		m->kicked = false;
		session_kick(s, m, now);
	}
	if (!mono_reached(now, m->session_by))
		return;
	m->session_by = MONO_NEVER;
	on(s, m, EV_TIMEOUT, NULL, now);
}
