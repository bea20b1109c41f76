/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sfud/room/room.h"

static void copy_text(char *to, size_t cap, struct span from)
{
	size_t n = from.n < cap - 1 ? from.n : cap - 1;

	if (n)
		memcpy(to, from.p, n);
	to[n] = '\0';
}

static enum sdp_dir mirrored(enum sdp_dir d)
{
	static const enum sdp_dir mirror[] = {
		[SDP_INACTIVE] = SDP_INACTIVE,
		[SDP_SENDONLY] = SDP_RECVONLY,
		[SDP_RECVONLY] = SDP_SENDONLY,
		[SDP_SENDRECV] = SDP_SENDRECV,
	};

	return mirror[d];
}

static bool carries_in(const struct line *l)
{
	return l->role == LINE_IN && (l->dir == SDP_RECVONLY || l->dir == SDP_SENDRECV);
}

static bool is_media(const struct sdp_media *d)
{
	return (d->kind == SDP_AUDIO || d->kind == SDP_VIDEO) && !d->rejected && d->bundled && d->rtcp_mux &&
	       d->mid.n > 0;
}

/* The next line, empty; NULL at LINES_MAX or without memory. Lines may move: keep indexes, not pointers, across it. */
static struct line *new_line(struct member *m)
{
	struct line *lines = mem_room(m->lines, m->n_lines, &m->cap_lines, LINES_MAX, sizeof(*lines));

	if (!lines)
		return NULL;
	m->lines = lines;
	m->lines[m->n_lines] = (struct line){ 0 };
	return &m->lines[m->n_lines++];
}

static struct line *line_by_mid(struct member *m, struct span mid)
{
	for (uint8_t i = 0; i < m->n_lines; i++)
		if (span_is(mid, m->lines[i].mid))
			return &m->lines[i];
	return NULL;
}

static void line_from_offer(struct line *l, const struct sdp_media *d)
{
	*l = (struct line){ .role = is_media(d) ? LINE_IN : LINE_REFUSED, .kind = d->kind, .dir = mirrored(d->dir) };
	copy_text(l->mid, sizeof(l->mid), d->mid);
	copy_text(l->proto, sizeof(l->proto), d->proto);
	copy_text(l->fmt, sizeof(l->fmt), d->fmt);
	for (uint32_t i = 0; i < d->n_rids; i++)
		copy_text(l->rid[l->n_rids++], sizeof(l->rid[0]), d->rid[i]);
}

static void learn_ssrcs(struct sfu *s, struct member *m, struct track *t, const struct sdp_media *d)
{
	const struct caps *c = member_caps(m, t->video);

	if (t->n_layers > 1 || d->n_ssrcs == 0 || c->n_codecs == 0)
		return; /* simulcast is told by rid, the rest by mid */
	struct stream *st = track_stream(s, t, 0, d->ssrc[0].ssrc, c->codec[0].clock);

	if (!st || m->n_ssrcs + 2 > SSRC_MAP_MAX)
		return;
	m->ssrcs[m->n_ssrcs++] = (struct ssrc_entry){ d->ssrc[0].ssrc, false, st->self };
	if (d->ssrc[0].rtx)
		m->ssrcs[m->n_ssrcs++] = (struct ssrc_entry){ d->ssrc[0].rtx, true, st->self };
}

/* Microphone and first camera are announced at once, so that tiles are ready before media; a further video line is
 * usually a slot for a screen that nobody shares yet. */
static bool open_tracks(struct sfu *s, struct member *m, const struct sdp *offer)
{
	bool have[2] = { false, false };
	unsigned n = 0;

	for (uint8_t i = 0; i < m->n_lines && n < MEMBER_TRACKS_MAX; i++) {
		struct line *l = &m->lines[i];
		bool video = l->kind == SDP_VIDEO;
		struct track *t = track_get(s, l->track);

		if (!t && !carries_in(l))
			continue;
		if (!t) {
			t = track_open(s, m, i, have[video]);
			if (!t)
				return false;
			learn_ssrcs(s, m, t, &offer->media[i]);
		}
		have[video] = true;
		n++;
	}
	return true;
}

/* The first line of a kind says which numbers its codecs and extensions have, for all lines (BUNDLE). */
static bool add_line(struct member *m, const struct sdp_media *d)
{
	struct caps *c = member_caps(m, d->kind == SDP_VIDEO);
	struct line *l = new_line(m);

	if (!l)
		return false;
	line_from_offer(l, d);
	if (l->role != LINE_IN)
		return true;
	if (c->n_codecs == 0)
		caps_from_media(c, d);
	if (c->n_codecs == 0)
		l->role = LINE_REFUSED;
	return true;
}

static int first_offer(struct sfu *s, struct member *m, const struct sdp *offer)
{
	if (offer->n_media == 0)
		return ERR_LIMIT;
	m->audio = (struct caps){ 0 };
	m->video = (struct caps){ 0 };
	for (uint32_t i = 0; i < offer->n_media; i++)
		if (!add_line(m, &offer->media[i]))
			return ERR_LIMIT;
	return open_tracks(s, m, offer) ? 0 : ERR_LIMIT;
}

/* Lines of ours that were in flight when the WebSocket was lost may be unknown to the client: they are offered
 * again. */
static bool withdraw_unseen(struct sfu *s, struct member *m, uint32_t seen)
{
	while (m->n_lines > seen) {
		const struct line *l = &m->lines[m->n_lines - 1];
		struct sub *sub = sub_get(s, l->sub);

		if (l->role != LINE_OUT || (sub && sub->state == SUB_OPEN))
			return false;
		if (sub)
			sub_move(s, sub, SUB_TO_OPEN);
		m->n_lines--;
	}
	return true;
}

static void resume_out(struct sfu *s, struct line *l, enum sdp_dir theirs)
{
	struct sub *sub = sub_get(s, l->sub);
	bool receives = theirs == SDP_RECVONLY || theirs == SDP_SENDRECV;

	if (receives && sub)
		return;
	/* An answer may not send where the offer does not receive: what is missing is offered next. */
	l->dir = SDP_INACTIVE;
	l->want_idle = false;
	if (sub && sub->state == SUB_OPEN)
		sub_move(s, sub, SUB_NEGOTIATING);
}

/* The lines of a session that goes on: ours must all be there, in place; new ones may follow. */
static int resumed_offer(struct sfu *s, struct member *m, const struct sdp *offer, mono_t now)
{
	if (!withdraw_unseen(s, m, offer->n_media))
		return ERR_MALFORMED;
	for (uint32_t i = 0; i < offer->n_media; i++) {
		const struct sdp_media *d = &offer->media[i];
		struct track *t;
		struct line *l;

		if (i >= m->n_lines) {
			if (!add_line(m, d))
				return ERR_LIMIT;
			continue;
		}
		l = &m->lines[i];
		if (!span_is(d->mid, l->mid))
			return ERR_MALFORMED;
		if (l->role == LINE_OUT)
			resume_out(s, l, d->dir);
		if (l->role != LINE_IN)
			continue;
		l->dir = mirrored(d->dir);
		t = track_get(s, l->track);
		if (t && !carries_in(l))
			track_close(s, t, now);
	}
	return open_tracks(s, m, offer) ? 0 : ERR_LIMIT;
}

int negotiate_offer(struct sfu *s, struct member *m, const struct sdp *offer, mono_t now)
{
	int r = m->n_lines == 0 ? first_offer(s, m, offer) : resumed_offer(s, m, offer, now);

	m->sdp_version++;
	return r;
}

/* One m-line of ours. Texts are borrowed from the member and from `ids`, which must outlive the writing. */
static void put_line(struct sfu *s, const struct member *m, const struct line *l, char ids[96], struct sdp_media *d)
{
	const struct caps *c = l->kind == SDP_VIDEO ? &m->video : &m->audio;
	const struct sub *sub = sub_get(s, l->sub);
	const struct track *t = sub ? track_get(s, sub->track) : NULL;
	const struct member *from = t ? member_get(s, t->owner) : NULL;
	struct wr id = wr_from(ids, 96);

	*d = (struct sdp_media){ .kind = l->kind, .mid = span_str(l->mid), .proto = span_str(l->proto),
				 .fmt = span_str(l->fmt), .dir = l->dir, .rejected = l->role == LINE_REFUSED,
				 .bundled = l->role != LINE_REFUSED, .rtcp_mux = true, .rtcp_rsize = true };
	if (d->rejected)
		return;
	if (from) {
		caps_put_offer(t->video ? &from->video : &from->audio, c, d);
		sig_stream_id(&id, from->sub);
		wr_str(&id, t->extra ? "-screen " : " ");
		sig_stream_id(&id, from->sub);
		wr_str(&id, t->extra ? "-screen-video" : t->video ? "-video" : "-audio");
		d->cname = span_of(ids, (size_t)((uint8_t *)memchr(ids, ' ', wr_len(&id)) - (uint8_t *)ids));
		d->ssrc[d->n_ssrcs++] = (struct sdp_ssrc){ sub->ssrc, t->video ? sub->rtx_ssrc : 0 };
	} else {
		caps_put_answer(c, d);
		sig_stream_id(&id, m->sub);
		wr_str(&id, " ");
		sig_stream_id(&id, m->sub);
		wr_str(&id, l->kind == SDP_VIDEO ? "-video" : "-audio");
		for (uint8_t i = 0; i < l->n_rids; i++)
			d->rid[d->n_rids++] = span_str(l->rid[i]);
	}
	if (l->dir == SDP_SENDONLY || l->dir == SDP_SENDRECV)
		d->msid = wr_span_of(&id);
}

bool negotiate_write(struct sfu *s, struct member *m, bool answer, struct span *ret)
{
	static const size_t ids = 96;
	char *id_mem = mem_alloc(ids * LINES_MAX);
	struct sdp *d = s->sdp_out;
	struct wr w = wr_from(s->sdp_text, SDP_TEXT_MAX);

	if (!id_mem)
		return false;
	d->ufrag = span_str(m->tp.ice.ufrag);
	d->pwd = span_str(m->tp.ice.pwd);
	d->has_fingerprint = true;
	memcpy(d->fingerprint, s->fingerprint, DTLS_FINGERPRINT_LEN);
	d->setup = answer ? SDP_SETUP_PASSIVE : SDP_SETUP_ACTPASS;
	d->ice_lite = true;
	d->session_id = ((uint64_t)m->rtcp_ssrc << 16) + 1;
	d->version = ++m->sdp_version;
	d->n_candidates = s->conf.n_candidates;
	memcpy(d->candidate, s->conf.candidate, sizeof(d->candidate));
	d->n_media = m->n_lines;
	for (uint8_t i = 0; i < m->n_lines; i++) {
		put_line(s, m, &m->lines[i], id_mem + i * ids, &d->media[i]);
		if (answer && m->lines[i].role == LINE_IN)
			s->stats.msid_written[d->media[i].msid.n > 0]++;
	}
	sdp_write(&w, d);
	mem_free(id_mem);
	*ret = wr_span_of(&w);
	return !w.bad;
}

/* A free line of that kind, or a new one. -1 when the session is full. */
static int place_line(struct member *m, enum sdp_kind kind)
{
	uint8_t text[SDP_MID_MAX];
	struct wr mid;
	struct line *l;

	for (uint8_t i = 0; i < m->n_lines; i++) {
		l = &m->lines[i];
		if (l->role == LINE_OUT && l->kind == kind && l->dir == SDP_INACTIVE && handle_is_none(l->sub) &&
		    !l->want_idle)
			return i;
	}
	l = new_line(m);
	if (!l)
		return -1;
	*l = (struct line){ .role = LINE_OUT, .kind = kind, .dir = SDP_INACTIVE };
	do { /* a number that no line of the client's has; this one's own is no number yet */
		mid = wr_from(text, SDP_MID_MAX);
		wr_dec(&mid, m->next_mid++);
	} while (line_by_mid(m, wr_span_of(&mid)));
	memcpy(l->mid, text, wr_len(&mid));
	return m->n_lines - 1;
}

static void place_sub(struct sfu *s, struct member *m, struct sub *sub, int at)
{
	struct line *l = &m->lines[at];

	l->sub = sub->self;
	sub->line = (uint8_t)at;
	sub->mid_n = (uint8_t)strlen(l->mid);
	memcpy(sub->mid, l->mid, sub->mid_n);
	sub_move(s, sub, SUB_NEGOTIATING);
}

const char *negotiate_next(struct sfu *s, struct member *m)
{
	const char *mid = NULL;

	for (uint8_t i = 0; i < m->n_lines; i++) {
		struct line *l = &m->lines[i];

		if (l->role == LINE_OUT && l->want_idle) {
			l->dir = SDP_INACTIVE;
			mid = l->mid;
		}
	}
	for (uint8_t i = 0; i < m->n_subs; i++) {
		struct sub *sub = sub_get(s, m->subs[i]);
		int at;

		if (!sub || sub->state == SUB_OPEN)
			continue;
		at = sub->state == SUB_NEGOTIATING ? sub->line : place_line(m, sub->video ? SDP_VIDEO : SDP_AUDIO);
		if (at < 0)
			continue;
		if (sub->state == SUB_TO_OPEN)
			place_sub(s, m, sub, at);
		m->lines[at].dir = SDP_SENDONLY;
		mid = m->lines[at].mid;
	}
	return mid;
}

static bool accepted(const struct sdp *answer, size_t i, const struct line *l)
{
	const struct sdp_media *d = i < answer->n_media ? &answer->media[i] : NULL;

	return d && !d->rejected && span_is(d->mid, l->mid) && (d->dir == SDP_RECVONLY || d->dir == SDP_SENDRECV);
}

void negotiate_answered(struct sfu *s, struct member *m, const struct sdp *answer, mono_t now)
{
	for (uint8_t i = 0; i < m->n_lines; i++) {
		struct line *l = &m->lines[i];
		struct sub *sub = sub_get(s, l->sub);

		if (l->role != LINE_OUT)
			continue;
		if (l->want_idle && !sub && l->dir == SDP_INACTIVE && answer->n_media) {
			l->want_idle = false; /* free for the next subscription of its kind */
			continue;
		}
		if (!sub || sub->state != SUB_NEGOTIATING || l->dir != SDP_SENDONLY)
			continue;
		if (accepted(answer, i, l)) {
			sub_move(s, sub, SUB_OPEN);
			member_file_by(s, m, now); /* a keyframe may have to be asked for */
		} else {
			sub_close(s, sub);
		}
	}
}
