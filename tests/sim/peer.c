/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sim/peer.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "sim/null_dtls.h"
#include "wire/stun.h"

#define CHECK_SETUP DUR_MS(250)
#define CHECK_CONSENT DUR_MS(2500)
#define HELLO_AGAIN DUR_MS(250)
#define TEXT_MAX (128 * 1024)

static void add_line(struct peer *p, enum sdp_kind kind, const char *mid)
{
	struct peer_line *l = &p->lines[p->n_lines++];

	*l = (struct peer_line){ .kind = kind, .dir = SDP_SENDONLY, .ours = true };
	memcpy(l->mid, mid, strlen(mid) + 1);
}

/* A new RTCPeerConnection: lines, credentials, certificate, SSRCs. */
static void begin(struct peer *p)
{
	static const char hex[] = "0123456789abcdef";

	srtp_rx_done(&p->rx);
	srtp_tx_done(&p->tx);
	p->checked = p->connected = p->gone = false;
	p->check_at = p->hello_at = p->audio_at = p->video_at = p->feedback_at = p->report_at = MONO_NEVER;
	p->n_lines = p->n_in = 0;
	for (size_t i = 0; i < 22; i++)
		p->pwd[i] = hex[rng_below(&p->w->net.rng, 16)];
	for (size_t i = 0; i < 4; i++)
		p->ufrag[i] = hex[rng_below(&p->w->net.rng, 16)];
	rng_bytes(&p->w->net.rng, p->fingerprint, sizeof(p->fingerprint));
	if (p->conf.audio)
		add_line(p, SDP_AUDIO, "0");
	if (p->conf.video)
		add_line(p, SDP_VIDEO, "1");
	if (p->conf.screen)
		add_line(p, SDP_VIDEO, "2");
	if (p->conf.data)
		add_line(p, SDP_APPLICATION, "9");
	peer_media_init(p);
}

struct peer *peer_new(struct world *w, const struct peer_conf *c)
{
	struct peer *p = calloc(1, sizeof(*p));

	if (!p || w->n_peers == WORLD_PEERS)
		abort();
	p->w = w;
	p->conf = *c;
	p->index = w->n_peers;
	p->addr = addr_v4(192, 0, 2, (uint8_t)(p->index + 1), 5000);
	p->up = p->down = (struct net_way){ .delay = DUR_MS(20) };
	p->muted = c->quiet;
	w->peers[w->n_peers++] = p;
	begin(p);
	return p;
}

void peer_free(struct peer *p)
{
	srtp_rx_done(&p->rx);
	srtp_tx_done(&p->tx);
	free(p->audio.history);
	for (size_t i = 0; i < PEER_LAYERS; i++)
		free(p->video[i].history);
	free(p);
}

void peer_renew(struct peer *p)
{
	begin(p);
}

void peer_rebind(struct peer *p)
{
	p->addr.port++;
	p->check_at = p->w->now;
}

/* --- signalling -------------------------------------------------------------------------------------------------- */

bool peer_open(struct peer *p)
{
	struct handle h;

	if (sfu_join(&p->w->s, p->conf.room, p->conf.sub, p->w->now, &h) < 0) {
		world_collect(p->w);
		return false;
	}
	world_collect(p->w); /* a close of whom this one replaces, while the handle is still theirs */
	p->member = h;
	p->connection++;
	p->ws_open = p->ws_bound = true;
	p->close_code = 0;
	p->offers_open = 0;
	return true;
}

static void say_sdp(struct peer *p, const char *key, const char *kind, bool answer)
{
	uint8_t *sdp = malloc(TEXT_MAX), *text = malloc(TEXT_MAX);
	struct wr w = wr_from(sdp, TEXT_MAX), t = wr_from(text, TEXT_MAX);
	struct json_out o = json_out(&t);

	if (!sdp || !text)
		abort();
	peer_write_sdp(p, &w, answer);
	jo_obj(&o);
	jo_key(&o, key);
	jo_str(&o, span_str(kind));
	jo_key(&o, "sdp");
	jo_str(&o, wr_span_of(&w));
	if (answer) {
		jo_key(&o, "mid");
		jo_str(&o, span_str("0"));
	}
	jo_obj_end(&o);
	world_text(p->w, p, wr_span_of(&t));
	free(sdp);
	free(text);
}

void peer_offer(struct peer *p)
{
	say_sdp(p, "kind", "offer", false);
}

bool peer_join(struct peer *p)
{
	if (!peer_open(p))
		return false;
	peer_offer(p);
	return true;
}

void peer_say(struct peer *p, const char *text)
{
	world_text(p->w, p, span_str(text));
}

void peer_lose(struct peer *p)
{
	struct handle h = p->member;
	bool bound = p->ws_bound;

	p->ws_open = p->ws_bound = false;
	if (bound)
		sfu_gone(&p->w->s, h, p->w->now);
	world_collect(p->w);
}

static void log_letter(struct peer *p, char c)
{
	if (p->n_log + 1 < sizeof(p->log))
		p->log[p->n_log++] = c;
	p->log[p->n_log] = '\0';
}

static void on_sdp(struct peer *p, const struct json *j, bool offer)
{
	static struct sdp s;
	const char *why = NULL;
	char *sdp = malloc(TEXT_MAX);
	size_t n;

	if (!sdp)
		abort();
	if (json_get_str(j, 0, "sdp", sdp, TEXT_MAX, &n) < 0 || sdp_parse(span_of(sdp, n), &s, &why) < 0) {
		printf("# unreadable description: %s\n", why ? why : "no sdp");
		log_letter(p, '?');
	} else {
		peer_read_sdp(p, &s, offer);
	}
	free(sdp);
	if (!offer) {
		p->check_at = p->w->now;
		return;
	}
	p->offers_open++;
	p->in_flight_max = p->offers_open > p->in_flight_max ? p->offers_open : p->in_flight_max;
	if (p->mute_answers)
		return;
	p->offers_open--;
	if (p->bad_answers)
		peer_say(p, "{\"type\":\"answer-renegotiate\",\"sdp\":\"nonsense\",\"mid\":\"0\"}");
	else
		say_sdp(p, "type", "answer-renegotiate", true);
}

static void on_update(struct peer *p, const struct json *j)
{
	int list = json_get(j, 0, "tracks");

	for (int at = json_first(j, list); at >= 0; at = json_next(j, list, at)) {
		char mid[SDP_MID_MAX + 1];
		uint64_t id;

		if (json_get_str(j, at, "mid", mid, sizeof(mid), NULL) < 0 || json_get_u64(j, at, "peer_id", &id) < 0)
			continue;
		for (uint32_t i = 0; i < p->n_in; i++)
			if (strcmp(p->in[i].mid, mid) == 0)
				p->in[i].mapped = id;
	}
}

static void on_map(struct peer *p, const struct json *j)
{
	int list = json_get(j, 0, "tracks");

	p->map_peers = 0;
	for (int at = json_first(j, list); at >= 0; at = json_next(j, list, at))
		p->map_peers++;
}

void peer_text(struct peer *p, struct span text)
{
	struct json_tok tok[1024];
	struct json j;
	char kind[32] = "";

	if (json_parse(text, tok, ARRAY_LEN(tok), &j) < 0) {
		log_letter(p, '?');
		return;
	}
	if (json_get_str(&j, 0, "kind", kind, sizeof(kind), NULL) < 0)
		(void)json_get_str(&j, 0, "type", kind, sizeof(kind), NULL);
	if (strcmp(kind, "answer") == 0) {
		log_letter(p, 'A');
		on_sdp(p, &j, false);
	} else if (strcmp(kind, "offer-renegotiate") == 0) {
		log_letter(p, 'O');
		on_sdp(p, &j, true);
	} else if (strcmp(kind, "tracks_map") == 0) {
		log_letter(p, 'M');
		on_map(p, &j);
	} else {
		log_letter(p, strcmp(kind, "tracks_map_update") == 0 ? 'U' : '?');
		on_update(p, &j);
	}
}

void peer_closed(struct peer *p, unsigned code)
{
	log_letter(p, 'C');
	p->close_code = code;
	p->ws_open = false;
}

/* --- transport --------------------------------------------------------------------------------------------------- */

static void send_check(struct peer *p)
{
	uint8_t b[512], user[64], tid[STUN_TID_LEN], tie[8] = { 1 }, prio[4] = { 0x6e, 0, 1, 0xff };
	struct wr u = wr_from(user, sizeof(user)), w = wr_from(b, sizeof(b));

	rng_bytes(&p->w->net.rng, tid, sizeof(tid));
	wr_str(&u, p->sfu_ufrag);
	wr_str(&u, ":");
	wr_str(&u, p->ufrag);
	stun_begin(&w, STUN_REQUEST, STUN_BINDING, tid);
	stun_put(&w, STUN_ATTR_USERNAME, wr_span_of(&u));
	stun_put(&w, STUN_ATTR_PRIORITY, span_of(prio, sizeof(prio)));
	stun_put(&w, STUN_ATTR_ICE_CONTROLLING, span_of(tie, sizeof(tie)));
	stun_put(&w, STUN_ATTR_USE_CANDIDATE, span_of(NULL, 0));
	stun_put_integrity(&w, span_str(p->sfu_pwd));
	stun_put_fingerprint(&w);
	world_send(p->w, p, wr_span_of(&w));
}

static void send_record(struct peer *p, char what)
{
	uint8_t b[NULL_DTLS_RECORD];

	world_send(p->w, p, span_of(b, null_dtls_record(b, what)));
}

static void on_stun(struct peer *p, struct span dgram)
{
	struct stun_msg m;

	if (stun_parse(dgram, &m) < 0 || m.cls != STUN_SUCCESS || stun_check_integrity(&m, span_str(p->sfu_pwd)) < 0 ||
	    !addr_eq(&m.mapped, &p->addr)) {
		p->stray++;
		return;
	}
	if (!p->checked)
		p->hello_at = p->w->now;
	p->checked = true;
}

static void on_record(struct peer *p, struct span dgram)
{
	struct dtls_keys k = null_dtls_keys(p->fingerprint);
	size_t n = srtp_master_len(k.suite);

	if (dgram.n < NULL_DTLS_RECORD || dgram.p[13] != NULL_DTLS_HELLO || p->connected)
		return;
	if (srtp_rx_init(&p->rx, k.suite, span_of(k.tx, n)) < 0 || srtp_tx_init(&p->tx, k.suite, span_of(k.rx, n)) < 0) {
		srtp_rx_done(&p->rx); /* the sweep of allocations fails ours, too: the next hello tries again */
		return;
	}
	p->connected = true;
	p->hello_at = MONO_NEVER;
	p->connected_at = p->audio_at = p->video_at = p->feedback_at = p->w->now;
	p->report_at = mono_add(p->w->now, DUR_SEC(1));
}

void peer_dgram(struct peer *p, uint8_t *b, size_t n, mono_t sent)
{
	if (p->gone || n == 0)
		return;
	if (b[0] < 4) {
		on_stun(p, span_of(b, n));
	} else if (b[0] < 64) {
		on_record(p, span_of(b, n));
	} else if (!p->connected) {
		p->early++;
	} else if (b[1] >= 192 && b[1] < 224) {
		if (srtcp_open(&p->rx, b, &n) == DROP_NONE)
			peer_rtcp(p, span_of(b, n), sent);
		else
			p->undecrypted++;
	} else if (srtp_open(&p->rx, b, &n) == DROP_NONE) {
		peer_rtp(p, b, n);
	} else {
		p->undecrypted++;
	}
}

void peer_leave(struct peer *p)
{
	if (p->connected)
		send_record(p, NULL_DTLS_CLOSE);
	p->gone = true;
	peer_lose(p);
}

/* --- time -------------------------------------------------------------------------------------------------------- */

mono_t peer_next(const struct peer *p)
{
	mono_t at = mono_min(p->check_at, p->hello_at);

	if (p->gone)
		return MONO_NEVER;
	at = mono_min(at, mono_min(p->audio_at, p->video_at));
	return mono_min(at, mono_min(p->feedback_at, p->report_at));
}

void peer_tick(struct peer *p)
{
	mono_t now = p->w->now;

	if (mono_reached(now, p->check_at)) {
		if (!p->no_checks)
			send_check(p);
		p->check_at = mono_add(now, p->checked ? CHECK_CONSENT : CHECK_SETUP);
	}
	if (mono_reached(now, p->hello_at)) {
		send_record(p, NULL_DTLS_HELLO);
		p->hello_at = mono_add(now, HELLO_AGAIN);
	}
	if (!p->connected)
		return;
	peer_publish(p);
	peer_feedback(p);
}

struct track_in *peer_in(struct peer *p, uint64_t from, bool video)
{
	for (uint32_t i = 0; i < p->n_in; i++)
		if (p->in[i].live && p->in[i].from == from && p->in[i].video == video)
			return &p->in[i];
	return NULL;
}

uint32_t peer_broken(struct peer *p, const struct peer *from, uint32_t margin, uint32_t *ret_whole)
{
	const struct track_in *t = peer_in(p, from->conf.sub, true);
	uint32_t broken = 0;

	*ret_whole = 0;
	for (uint32_t f = t ? t->key_frame : 0; t && !mono_is_never(t->key_at) && f + margin < from->video[t->layer].frame; f++) {
		uint16_t whole = (uint16_t)((1u << from->video[t->layer].count[f % PEER_FRAMES]) - 1);
		bool ok = f <= t->last_frame && t->got[f % IN_FRAMES] == whole;

		broken += !ok;
		*ret_whole += ok;
	}
	return broken;
}
