/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * What is accepted has its counts within bounds and its texts within the input, fit to be echoed. Written as it is, it
 * reads the same; answered as the daemon answers, the answer is read with the same lines.
 */
#include "fuzz.h"
#include "sfud/room/caps.h"

static struct sdp in, out, back;
static uint8_t text[2 * SDP_TEXT_MAX];

static void must_be_echoable(struct span s, const uint8_t *data, size_t n)
{
	if (s.n == 0)
		return;
	MUST(s.p >= data && s.p + s.n <= data + n);
	for (size_t i = 0; i < s.n; i++)
		MUST(s.p[i] >= 0x20 && s.p[i] < 0x7f && s.p[i] != '"' && s.p[i] != '\\');
}

static void must_hold_codecs(const struct sdp_media *m, const uint8_t *data, size_t n)
{
	bool seen[128] = { false };

	MUST(m->n_codecs <= SDP_CODECS_MAX);
	for (uint32_t i = 0; i < m->n_codecs; i++) {
		const struct sdp_codec *c = &m->codec[i];

		MUST(c->pt < 128 && !seen[c->pt] && c->apt < 128);
		MUST(c->codec < CODEC_MAX_ && c->clock > 0 && c->channels > 0);
		must_be_echoable(c->fmtp, data, n);
		must_be_echoable(sdp_fmtp_get(c->fmtp, "profile-level-id"), data, n);
		MUST(sdp_codec_same(c, c) || c->codec == CODEC_NONE || c->codec == CODEC_RTX || c->fmtp.n);
		seen[c->pt] = true;
	}
}

static void must_hold(const struct sdp_media *m, const uint8_t *data, size_t n)
{
	MUST(m->n_exts <= SDP_EXTS_MAX && m->n_ssrcs <= SDP_SSRCS_MAX && m->n_rids <= SDP_RIDS_MAX);
	MUST(m->mid.n <= SDP_MID_MAX && m->proto.n && m->fmt.n);
	MUST(!(m->bundled && m->rejected));
	must_be_echoable(m->proto, data, n);
	must_be_echoable(m->fmt, data, n);
	must_be_echoable(m->mid, data, n);
	must_be_echoable(m->msid, data, n);
	must_hold_codecs(m, data, n);
	for (uint32_t i = 0; i < m->n_exts; i++) {
		MUST(m->ext[i].id != 0 && m->ext[i].id != 15 && m->ext[i].uri.n);
		must_be_echoable(m->ext[i].uri, data, n);
	}
	for (uint32_t i = 0; i < m->n_ssrcs; i++)
		for (uint32_t k = 0; k < m->n_ssrcs; k++) {
			MUST(m->ssrc[i].ssrc && m->ssrc[i].ssrc != m->ssrc[k].rtx);
			MUST(i == k || m->ssrc[i].ssrc != m->ssrc[k].ssrc);
		}
	for (uint32_t i = 0; i < m->n_rids; i++) {
		MUST(m->rid[i].n && m->rid[i].n <= SDP_MID_MAX);
		must_be_echoable(m->rid[i], data, n);
	}
}

static void must_agree(const struct sdp_media *a, const struct sdp_media *b)
{
	MUST(a->kind == b->kind && span_eq(a->proto, b->proto) && span_eq(a->mid, b->mid));
	if (b->rejected) {
		MUST(a->rejected || a->n_codecs == 0);
		MUST(span_eq(a->fmt, b->fmt));
		return;
	}
	MUST(a->dir == b->dir && a->bundled == b->bundled && span_eq(a->msid, b->msid));
	MUST(a->rtcp_mux == b->rtcp_mux && a->rtcp_rsize == b->rtcp_rsize);
	MUST(a->n_codecs == b->n_codecs && a->n_exts == b->n_exts && a->n_ssrcs == b->n_ssrcs);
	for (uint32_t i = 0; i < a->n_codecs; i++) {
		const struct sdp_codec *x = &a->codec[i], *y = &b->codec[i];

		MUST(x->pt == y->pt && x->codec == y->codec && x->clock == y->clock);
		MUST(x->channels == y->channels && x->apt == y->apt && x->fb == y->fb);
		MUST(x->codec == CODEC_RTX || span_eq(x->fmtp, y->fmtp));
	}
	for (uint32_t i = 0; i < a->n_exts; i++)
		MUST(a->ext[i].id == b->ext[i].id && span_eq(a->ext[i].uri, b->ext[i].uri));
	for (uint32_t i = 0; i < a->n_ssrcs; i++) {
		bool found = false;

		for (uint32_t k = 0; k < b->n_ssrcs; k++)
			found |= a->ssrc[i].ssrc == b->ssrc[k].ssrc && a->ssrc[i].rtx == b->ssrc[k].rtx;
		MUST(found);
	}
}

static void must_read_back(const struct sdp *s)
{
	struct wr w = wr_from(text, sizeof(text));
	bool live = false, longer = false;
	int r;

	for (uint32_t i = 0; i < s->n_media; i++) {
		live |= !s->media[i].rejected && s->media[i].n_codecs > 0;
		/* Kinds that nobody has are all written as "text". */
		longer |= s->media[i].kind == SDP_OTHER && s->media[i].proto.n + s->media[i].fmt.n > SDP_LINE_MAX - 16;
	}
	sdp_write(&w, s);
	if (w.bad || wr_len(&w) > SDP_TEXT_MAX)
		return; /* the daemon refuses the offer */
	r = sdp_parse(wr_span_of(&w), &back, NULL);
	if (!live || longer)
		MUST(r == 0 || r == ERR_MISSING || r == ERR_LIMIT);
	else
		MUST(r == 0);
	if (r < 0)
		return;
	MUST(back.n_media == s->n_media && span_eq(back.ufrag, s->ufrag) && span_eq(back.pwd, s->pwd));
	MUST(back.setup == s->setup && memcmp(back.fingerprint, s->fingerprint, SDP_FINGERPRINT_LEN) == 0);
	for (uint32_t i = 0; i < s->n_media; i++)
		must_agree(&s->media[i], &back.media[i]);
}

static void answer(const struct sdp *offer)
{
	static struct caps caps[2];
	bool have[2] = { false, false };

	memset(&out, 0, offsetof(struct sdp, media));
	out.ufrag = SPAN_LIT("house");
	out.pwd = SPAN_LIT("0123456789abcdefghijkl");
	out.has_fingerprint = out.ice_lite = true;
	out.setup = SDP_SETUP_PASSIVE;
	out.candidate[0] = addr_v4(192, 0, 2, 1, 7878);
	out.n_candidates = 1;
	out.n_media = offer->n_media;
	for (uint32_t i = 0; i < offer->n_media; i++) {
		const struct sdp_media *d = &offer->media[i];
		bool video = d->kind == SDP_VIDEO;

		out.media[i] = (struct sdp_media){ .kind = d->kind, .proto = d->proto, .fmt = d->fmt, .mid = d->mid,
						   .dir = SDP_RECVONLY, .rtcp_mux = true, .rtcp_rsize = true };
		out.media[i].rejected = d->rejected || d->kind > SDP_VIDEO || d->mid.n == 0;
		out.media[i].bundled = !out.media[i].rejected;
		if (out.media[i].rejected)
			continue;
		if (!have[video])
			caps_from_media(&caps[video], d);
		have[video] = true;
		caps_put_answer(&caps[video], &out.media[i]);
		for (uint32_t k = 0; k < d->n_rids; k++)
			out.media[i].rid[out.media[i].n_rids++] = d->rid[k];
		out.media[i].bundled = out.media[i].n_codecs > 0;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const char *why = NULL;

	if (sdp_parse(span_of(data, n), &in, &why) < 0) {
		MUST(why && in.n_media == 0);
		return 0;
	}
	MUST(!why && in.n_media >= 1 && in.n_media <= SDP_MEDIA_MAX && in.has_fingerprint);
	MUST(in.ufrag.n >= 4 && in.ufrag.n <= 256 && in.pwd.n >= 22 && in.pwd.n <= 256);
	must_be_echoable(in.ufrag, data, n);
	must_be_echoable(in.pwd, data, n);
	for (uint32_t i = 0; i < in.n_media; i++)
		must_hold(&in.media[i], data, n);
	must_read_back(&in);
	answer(&in);
	must_read_back(&out);
	return 0;
}
