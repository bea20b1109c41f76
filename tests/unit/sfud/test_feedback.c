/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sfud/media/rtcp.h"

#include "sfud/room/room.h"
#include "sim/peer.h"
#include "t.h"

#define SEED 7

static void start(struct world *w)
{
	OK(world_init(w, &(struct world_conf){ .seed = SEED }));
	for (uint64_t sub = 1; sub <= 2; sub++) {
		struct peer_conf c = { .room = "r", .audio = true, .video = true, .sub = sub };

		OK(peer_join(peer_new(w, &c)));
	}
	world_pass(w, DUR_SEC(3));
}

static enum drop tell(struct world *w, const struct wr *pkt)
{
	return media_rtcp(&w->s, member_get(&w->s, w->peers[0]->member), wr_span_of(pkt), w->now);
}

/* Each kind of feedback is counted and heeded for a stream that is sent, and DROP_RTCP_UNKNOWN for any other. */
static void feedback_is_counted_by_kind(void)
{
	struct world w;
	uint8_t b[256];
	uint16_t seq = 1;
	uint32_t ours;

	start(&w);
	ours = peer_in(w.peers[0], 2, true)->ssrc;
	for (int known = 0; known < 2; known++) {
		enum drop want = known ? DROP_NONE : DROP_RTCP_UNKNOWN;
		uint32_t ssrc = known ? ours : 4711;
		struct wr p = wr_from(b, sizeof(b));

		t_row = known ? "known: " : "unknown: ";
		rtcp_put_pli(&p, 1, ssrc);
		EQ(tell(&w, &p), want);
		p = wr_from(b, sizeof(b));
		rtcp_put_nack(&p, 1, ssrc, &seq, 1);
		EQ(tell(&w, &p), want);
		p = wr_from(b, sizeof(b));
		rtcp_put_fir(&p, 1, ssrc, 1);
		EQ(tell(&w, &p), want);
	}
	EQ(w.s.stats.plis_in, 2);
	EQ(w.s.stats.firs_in, 2);
	EQ(w.s.stats.nacks_in, 1);
	world_done(&w, 0);
}

/* RFC 3550 6.4.1: from sender report and its echo the round trip is known: 40 ms here, give or take the report's delay. */
static void reports_tell_the_round_trip(void)
{
	struct world w;

	start(&w);
	world_pass(&w, DUR_SEC(10));
	for (uint32_t i = 0; i < 2; i++) {
		const struct member *m = member_get(&w.s, w.peers[i]->member);

		OK(m && m->rtt_us >= DUR_MS(39) && m->rtt_us <= DUR_MS(45));
	}
	world_done(&w, 0);
}

/* A truncated compound packet is malformed; what stood in front of the damage was heeded. */
static void a_damaged_compound_is_malformed(void)
{
	struct world w;
	uint8_t b[256];
	struct wr p = wr_from(b, sizeof(b));

	start(&w);
	rtcp_put_pli(&p, 1, peer_in(w.peers[0], 2, true)->ssrc);
	rtcp_put_rr(&p, 1, NULL, 0);
	EQ(media_rtcp(&w.s, member_get(&w.s, w.peers[0]->member), span_of(b, wr_len(&p) - 4), w.now), DROP_RTCP_MALFORMED);
	EQ(w.s.stats.plis_in, 1);
	world_done(&w, 0);
}

/* A silent publisher is asked for nothing: no feedback is due but the report of the second. */
static void silence_is_not_answered(void)
{
	struct world w;
	uint32_t reports, asked;

	start(&w);
	w.peers[0]->muted = true;
	world_pass(&w, DUR_SEC(1));
	reports = w.peers[0]->twcc_reports;
	asked = w.peers[0]->video[0].n_asked;
	world_pass(&w, DUR_SEC(10));
	EQ(w.peers[0]->twcc_reports, reports);
	EQ(w.peers[0]->video[0].n_asked, asked);
	world_done(&w, 0);
}

T_MAIN(T(feedback_is_counted_by_kind), T(reports_tell_the_round_trip), T(a_damaged_compound_is_malformed),
       T(silence_is_not_answered))
