/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sfud/signal/signal.h"

#include "base/json.h"

#define STREAM_ID_MAX 40 /* "peer-<u64>-screen" */
#define TOKENS 64 /* our messages have five members; unknown ones may bring a few more */

static const struct {
	const char *key, *value;
	enum sig_kind kind;
} names[] = {
	{ "kind", "offer", SIG_OFFER },
	{ "type", "answer-renegotiate", SIG_ANSWER },
	{ "kind", "bwe-hint", SIG_BWE_HINT },
	{ "kind", "ice", SIG_ICE },
};

static enum sig_kind kind_of(const struct json *j)
{
	char text[32];
	size_t n;

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (json_get_str(j, 0, names[i].key, text, sizeof(text), &n) == 0 && strcmp(text, names[i].value) == 0)
			return names[i].kind;
	return SIG_OTHER;
}

void sig_parse(struct span text, uint8_t *buf, size_t cap, struct sig_in *ret)
{
	struct json_tok tok[TOKENS];
	struct json j;
	size_t n = 0;

	*ret = (struct sig_in){ .kind = SIG_MALFORMED };
	if (json_parse(text, tok, TOKENS, &j) < 0 || json_type_of(&j, 0) != JSON_OBJECT)
		return;
	struct sig_in in = { .kind = kind_of(&j) };
	switch (in.kind) {
	case SIG_OFFER:
	case SIG_ANSWER:
		if (json_get_str(&j, 0, "sdp", (char *)buf, cap, &n) < 0 || n == 0)
			return;
		in.sdp = span_of(buf, n);
		break;
	case SIG_BWE_HINT:
		if (json_get_u64(&j, 0, "bps", &in.bps) < 0)
			return;
		break;
	case SIG_ICE:
	case SIG_OTHER:
	case SIG_MALFORMED:
		break;
	}
	*ret = in;
}

void sig_write_answer(struct wr *w, struct span sdp)
{
	struct json_out o = json_out(w);

	jo_obj(&o);
	jo_key(&o, "kind");
	jo_str(&o, span_str("answer"));
	jo_key(&o, "sdp");
	jo_str(&o, sdp);
	jo_obj_end(&o);
}

void sig_write_offer(struct wr *w, struct span sdp, const char *mid)
{
	struct json_out o = json_out(w);

	jo_obj(&o);
	jo_key(&o, "type");
	jo_str(&o, span_str("offer-renegotiate"));
	jo_key(&o, "sdp");
	jo_str(&o, sdp);
	jo_key(&o, "mid");
	jo_str(&o, span_str(mid));
	jo_obj_end(&o);
}

void sig_stream_id(struct wr *w, uint64_t peer_id)
{
	wr_str(w, "peer-");
	wr_dec(w, peer_id);
}

void sig_write_map(struct wr *w, const uint64_t *peer_ids, size_t n)
{
	struct json_out o = json_out(w);

	jo_obj(&o);
	jo_key(&o, "type");
	jo_str(&o, span_str("tracks_map"));
	jo_key(&o, "tracks");
	jo_arr(&o);
	for (size_t i = 0; i < n; i++) {
		uint8_t id[STREAM_ID_MAX];
		struct wr t = wr_from(id, sizeof(id));

		sig_stream_id(&t, peer_ids[i]);
		jo_obj(&o);
		jo_key(&o, "stream_id");
		jo_str(&o, wr_span_of(&t));
		jo_key(&o, "peer_id");
		jo_u64(&o, peer_ids[i]);
		jo_obj_end(&o);
	}
	jo_arr_end(&o);
	jo_obj_end(&o);
}

void sig_write_update(struct wr *w, const struct sig_track *tracks, size_t n)
{
	struct json_out o = json_out(w);

	jo_obj(&o);
	jo_key(&o, "type");
	jo_str(&o, span_str("tracks_map_update"));
	jo_key(&o, "tracks");
	jo_arr(&o);
	for (size_t i = 0; i < n; i++) {
		uint8_t id[STREAM_ID_MAX];
		struct wr t = wr_from(id, sizeof(id));

		sig_stream_id(&t, tracks[i].peer_id);
		if (tracks[i].screen)
			wr_str(&t, "-screen");
		jo_obj(&o);
		jo_key(&o, "mid");
		jo_str(&o, span_str(tracks[i].mid));
		jo_key(&o, "peer_id");
		jo_u64(&o, tracks[i].peer_id);
		jo_key(&o, "kind");
		jo_str(&o, span_str(tracks[i].video ? "video" : "audio"));
		jo_key(&o, "stream_id");
		jo_str(&o, wr_span_of(&t));
		jo_obj_end(&o);
	}
	jo_arr_end(&o);
	jo_obj_end(&o);
}
