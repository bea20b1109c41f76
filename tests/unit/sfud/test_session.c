/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sim/peer.h"
#include "t.h"

#define SEED 1

static struct peer *client(struct world *w, uint64_t sub)
{
	struct peer_conf c = { .room = "r", .audio = true, .video = true, .sub = sub };

	return peer_new(w, &c);
}

static void start(struct world *w, uint32_t n)
{
	OK(world_init(w, &(struct world_conf){ .seed = SEED }));
	for (uint32_t i = 0; i < n; i++)
		OK(peer_join(client(w, i + 1)));
	world_pass(w, DUR_SEC(3));
}

/* docs/signalling.md: answer, tracks_map, then offers for all tracks that wait, each with its tracks_map_update,
 * never two in flight. The map lists who is there; the first one gets an empty one. */
static void messages_come_in_order(void)
{
	static const struct {
		const char *row, *log;
		uint32_t map;
	} want[] = { { "first: ", "AMOUOU", 0 }, { "second: ", "AMOUOU", 1 }, { "third: ", "AMOU", 2 } };
	struct world w;

	OK(world_init(&w, &(struct world_conf){ .seed = SEED }));
	for (uint32_t i = 0; i < 3; i++) {
		OK(peer_join(client(&w, i + 1)));
		world_pass(&w, DUR_SEC(1));
	}
	for (uint32_t i = 0; i < 3; i++) {
		t_row = want[i].row;
		EQ_STR(w.peers[i]->log, want[i].log);
		EQ(w.peers[i]->map_peers, want[i].map);
		EQ(w.peers[i]->in_flight_max, 1);
	}
	EQ(w.s.stats.map_sent[0], 1);
	EQ(w.s.stats.map_sent[1], 2);
	EQ(w.s.stats.reneg_answers[RENEG_OK], 2 + 2 + 1);
	EQ(w.s.stats.reneg_sent[0] + w.s.stats.reneg_sent[1], 12);
	world_done(&w, t_failures);
}

/* The first frame must be an offer: anything else closes with 4002, what cannot be negotiated with 4003. */
static void a_bad_first_frame_is_refused(void)
{
#define CARRIER "a=ice-ufrag:abcd\\r\\na=ice-pwd:0123456789012345678901\\r\\n"
	static const struct {
		const char *row, *text;
		unsigned code;
		enum offer_outcome counted;
	} row[] = {
		{ "no JSON: ", "hello", 4002, OFFER_JSON_ERR },
		{ "wrong kind: ", "{\"kind\":\"ice\",\"candidate\":\"x\"}", 4002, OFFER_JSON_ERR },
		{ "a later frame: ", "{\"type\":\"answer-renegotiate\",\"sdp\":\"v=0\"}", 4002, OFFER_JSON_ERR },
		{ "no sdp: ", "{\"kind\":\"offer\"}", 4002, OFFER_JSON_ERR },
		{ "empty sdp: ", "{\"kind\":\"offer\",\"sdp\":\"\"}", 4002, OFFER_JSON_ERR },
		{ "nonsense: ", "{\"kind\":\"offer\",\"sdp\":\"nonsense\"}", 4002, OFFER_SDP_ERR },
		{ "no lines: ", "{\"kind\":\"offer\",\"sdp\":\"v=0\\r\\n" CARRIER "\"}", 4002, OFFER_SDP_ERR },
	};

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct world w;
		struct peer *p;

		t_row = row[i].row;
		OK(world_init(&w, &(struct world_conf){ .seed = SEED }));
		p = client(&w, 1);
		OK(peer_open(p));
		peer_say(p, row[i].text);
		world_pass(&w, DUR_MS(100));
		EQ(p->close_code, row[i].code);
		EQ_STR(p->log, "C");
		EQ(w.s.stats.offers[row[i].counted], 1);
		EQ(w.s.members.live, 0);
		world_done(&w, t_failures);
	}
}

/* After the handshake no frame closes: what is malformed is counted, what is unknown or out of turn is ignored. */
static void later_frames_do_no_harm(void)
{
	struct world w;
	struct peer *p;

	start(&w, 2);
	p = w.peers[0];
	peer_say(p, "{\"kind\":");
	peer_say(p, "{\"kind\":\"bwe-hint\",\"bps\":\"many\"}");
	peer_say(p, "[]");
	world_pass(&w, DUR_MS(100));
	EQ(w.s.stats.text_bad, 3);
	peer_say(p, "{\"kind\":\"ice\",\"candidate\":\"x\"}");
	peer_say(p, "{\"type\":\"chat\"}");
	peer_offer(p); /* glare is the client's to avoid */
	world_pass(&w, DUR_MS(100));
	EQ(w.s.stats.text_ignored, 3);
	peer_say(p, "{\"type\":\"answer-renegotiate\",\"sdp\":\"v=0\",\"mid\":\"0\"}");
	world_pass(&w, DUR_MS(100));
	EQ(w.s.stats.reneg_answers[RENEG_STATE_MISMATCH], 1);
	EQ_STR(p->log, "AMOU");
	EQ(p->close_code, 0);
	world_done(&w, t_failures);
}

/* An offer without an answer is made again after 10 s, three times in all, and never two at once; the answer to the last
 * one still opens what was in it. */
static void a_missing_answer_is_asked_for_again(void)
{
	static const struct {
		const char *row, *log;
		uint64_t sec;
	} step[] = { { "first: ", "AMOU", 9 }, { "second: ", "AMOUOU", 10 }, { "third: ", "AMOUOUOU", 10 },
		     { "no fourth: ", "AMOUOUOU", 30 } };
	struct world w;
	struct peer *p;

	OK(world_init(&w, &(struct world_conf){ .seed = SEED }));
	OK(peer_join(client(&w, 1)));
	p = client(&w, 2);
	p->mute_answers = true;
	OK(peer_join(p));
	for (size_t i = 0; i < ARRAY_LEN(step); i++) {
		t_row = step[i].row;
		world_pass(&w, DUR_SEC(step[i].sec));
		EQ_STR(p->log, step[i].log);
	}
	EQ(w.s.stats.reneg_answers[RENEG_TIMEOUT], 3);
	EQ(p->close_code, 0);
	world_done(&w, t_failures);
}

/* An answer that cannot be read is as good as none: the tracks are offered again. */
static void a_bad_answer_is_asked_for_again(void)
{
	struct world w;
	struct peer *p;

	OK(world_init(&w, &(struct world_conf){ .seed = SEED }));
	OK(peer_join(client(&w, 1)));
	p = client(&w, 2);
	p->bad_answers = true;
	OK(peer_join(p));
	world_pass(&w, DUR_MS(70));
	p->bad_answers = false;
	world_pass(&w, DUR_SEC(3));
	EQ(w.s.stats.reneg_answers[RENEG_ERR], 1);
	OK(peer_in(p, 1, true) && peer_in(p, 1, true)->key_complete);
	EQ(p->close_code, 0);
	EQ(w.s.subs.live, 4);
	world_done(&w, t_failures);
}

/* One bwe-hint per 100 ms and member counts. */
static void hints_are_throttled(void)
{
	struct world w;

	start(&w, 1);
	for (int i = 0; i < 20; i++) {
		peer_say(w.peers[0], "{\"kind\":\"bwe-hint\",\"from\":\"x\",\"ts\":1,\"bps\":500000}");
		world_pass(&w, DUR_MS(25));
	}
	world_pass(&w, DUR_MS(100));
	EQ(w.s.stats.bwe_hints, 5);
	EQ(w.s.stats.bwe_hints_early, 15);
	world_done(&w, t_failures);
}

T_MAIN(T(messages_come_in_order), T(a_bad_first_frame_is_refused), T(later_frames_do_no_harm),
       T(a_missing_answer_is_asked_for_again), T(a_bad_answer_is_asked_for_again), T(hints_are_throttled))
