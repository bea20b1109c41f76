/* SPDX-License-Identifier: AGPL-3.0-only */
/* What must not get through, and what strangers may not cost. */
#include "base/slab.h"
#include "sfud/media/rtcp.h"
#include "sim/null_dtls.h"
#include "sim/peer.h"
#include "t.h"
#include "wire/stun.h"

#define SEED 20260814

struct shot {
	struct world w;
	struct peer *p;
	struct path path;
	uint8_t b[512];
	size_t n;
};

static void begin(struct shot *s)
{
	struct peer_conf c = { .room = "r", .audio = true, .video = true, .sub = 1 };

	OK(world_init(&s->w, &(struct world_conf){ .seed = SEED }));
	s->p = peer_new(&s->w, &c);
	c.sub = 2;
	OK(peer_join(peer_new(&s->w, &c)) && peer_join(s->p));
	world_pass(&s->w, DUR_SEC(2));
	s->path = (struct path){ .remote = s->p->addr, .local = world_addr() };
}

static enum drop fire(struct shot *s)
{
	uint64_t counted[DROP_MAX_];
	enum drop d;

	memcpy(counted, s->w.s.stats.drops, sizeof(counted));
	d = world_inject(&s->w, &s->path, span_of(s->b, s->n));
	EQ(s->w.s.stats.drops[d], counted[d] + 1);
	return d;
}

static void check_of(struct shot *s, const char *ufrag, const char *pwd, bool controlled)
{
	static const uint8_t tid[STUN_TID_LEN] = "transaction", tie[8] = { 1 };
	uint8_t user[64];
	struct wr u = wr_from(user, sizeof(user)), w = wr_from(s->b, sizeof(s->b));

	wr_str(&u, ufrag);
	wr_str(&u, ":");
	wr_str(&u, s->p->ufrag);
	stun_begin(&w, STUN_REQUEST, STUN_BINDING, tid);
	stun_put(&w, STUN_ATTR_USERNAME, wr_span_of(&u));
	stun_put(&w, controlled ? STUN_ATTR_ICE_CONTROLLED : STUN_ATTR_ICE_CONTROLLING, span_of(tie, sizeof(tie)));
	stun_put_integrity(&w, span_str(pwd));
	stun_put_fingerprint(&w);
	s->n = wr_len(&w);
}

static void rtp_of(struct shot *s, uint8_t pt, uint32_t ssrc, uint64_t index, size_t payload)
{
	memset(s->b, 0, sizeof(s->b));
	s->b[0] = 0x80;
	s->b[1] = pt;
	put_be16(s->b + 2, (uint16_t)index);
	put_be32(s->b + 8, ssrc);
	s->n = srtp_seal(&s->p->tx, s->b, 12, 12 + payload, index);
}

/* Each reason of drop.h that a datagram from outside can cause, by the datagram that causes it; none changes
 * anything. */
static void strangers_are_dropped_for_a_reason(void)
{
	struct shot s;
	struct path theirs;

	begin(&s);
	theirs = s.path;
	s.n = 100;
	s.b[0] = 0x50;
	EQ(fire(&s), DROP_UNKNOWN_KIND);
	s.path.remote.port++;
	rtp_of(&s, 96, s.p->video[0].ssrc, s.p->video[0].seq + 5, 40);
	EQ(fire(&s), DROP_UNKNOWN_PATH);
	s.n = null_dtls_record(s.b, NULL_DTLS_HELLO);
	EQ(fire(&s), DROP_UNKNOWN_PATH);
	check_of(&s, s.p->sfu_ufrag, "another password entirely", false);
	EQ(fire(&s), DROP_STUN_INTEGRITY);
	check_of(&s, "nobody00", s.p->sfu_pwd, false);
	EQ(fire(&s), DROP_STUN_UNEXPECTED);
	s.b[3]++;
	EQ(fire(&s), DROP_STUN_MALFORMED);
	EQ(s.w.s.paths.paths.live, 2);
	s.path = theirs;
	s.n = 14;
	memset(s.b, 22, s.n);
	EQ(fire(&s), DROP_DTLS_MALFORMED);
	world_pass(&s.w, DUR_SEC(1));
	EQ(s.w.s.members.live, 2);
	world_done(&s.w, t_failures);
}

/* The same for packets of a member: replayed, altered, of no stream, of no use. */
static void packets_are_dropped_for_a_reason(void)
{
	struct shot s;
	uint8_t again[512];

	begin(&s);
	rtp_of(&s, 96, s.p->video[0].ssrc, s.p->video[0].seq + 5, 40);
	memcpy(again, s.b, s.n);
	EQ(fire(&s), DROP_NONE);
	memcpy(s.b, again, s.n);
	EQ(fire(&s), DROP_SRTP_REPLAY);
	rtp_of(&s, 96, s.p->video[0].ssrc, s.p->video[0].seq + 6, 40);
	s.b[20] ^= 1;
	EQ(fire(&s), DROP_SRTP_AUTH);
	rtp_of(&s, 77 + 40, 4711, 1, 40);
	EQ(fire(&s), DROP_RTP_UNKNOWN);
	rtp_of(&s, 97, s.p->video[0].rtx_ssrc, 1, 0);
	EQ(fire(&s), DROP_RTP_PADDING);
	/* A retransmission of the first one. */
	memset(s.b, 0, sizeof(s.b));
	s.b[0] = 0x80;
	s.b[1] = 97;
	put_be16(s.b + 2, 2);
	put_be32(s.b + 8, s.p->video[0].rtx_ssrc);
	put_be16(s.b + 12, (uint16_t)(s.p->video[0].seq + 5));
	s.n = srtp_seal(&s.p->tx, s.b, 12, 60, 2);
	EQ(fire(&s), DROP_RTP_DUPLICATE);
	world_done(&s.w, t_failures);
}

/* The same for RTCP. */
static void feedback_is_dropped_for_a_reason(void)
{
	struct shot s;
	struct wr w;

	begin(&s);
	w = wr_from(s.b, sizeof(s.b));
	rtcp_put_pli(&w, s.p->rtcp_ssrc, 4711);
	s.n = srtcp_seal(&s.p->tx, s.b, wr_len(&w));
	EQ(fire(&s), DROP_RTCP_UNKNOWN);
	w = wr_from(s.b, sizeof(s.b));
	rtcp_put_rr(&w, s.p->rtcp_ssrc, NULL, 0);
	put_be16(s.b + 2, 77);
	s.n = srtcp_seal(&s.p->tx, s.b, wr_len(&w));
	EQ(fire(&s), DROP_RTCP_MALFORMED);
	world_done(&s.w, t_failures);
}

/* Media that comes before the handshake is not media. */
static void media_before_the_handshake_is_early(void)
{
	struct shot s;
	struct peer_conf c = { .room = "r", .video = true, .sub = 3 };
	struct srtp_tx tx;

	begin(&s);
	tx = s.p->tx;
	s.p = peer_new(&s.w, &c);
	OK(peer_join(s.p));
	world_pass(&s.w, DUR_MS(50));
	s.path.remote = s.p->addr;
	check_of(&s, s.p->sfu_ufrag, s.p->sfu_pwd, false);
	EQ(fire(&s), DROP_NONE);
	memset(s.b, 0, 64);
	s.b[0] = 0x80;
	s.b[1] = 96;
	s.n = srtp_seal(&tx, s.b, 12, 40, 1);
	EQ(fire(&s), DROP_SRTP_EARLY);
	world_done(&s.w, t_failures);
}

/* RFC 8445 7.3.1.1: a check in the wrong role is answered with 487. It proves no path: none is registered, however
 * often. */
static void a_refused_check_opens_no_path(void)
{
	struct shot s;

	begin(&s);
	for (uint16_t i = 0; i < 100; i++) {
		s.path.remote.port++;
		check_of(&s, s.p->sfu_ufrag, s.p->sfu_pwd, true);
		EQ(fire(&s), DROP_NONE);
	}
	EQ(s.w.s.paths.paths.live, 2);
	world_done(&s.w, t_failures);
}

/* A hundred thousand datagrams from unknown addresses allocate nothing and open nothing; the call goes on meanwhile. */
static void a_flood_of_strangers_costs_no_memory(void)
{
	struct shot s;
	size_t made;
	uint32_t whole;
	const struct sfu *c = &s.w.s;

	begin(&s);
	world_pass(&s.w, DUR_SEC(3));
	(void)mem_fail_at(SIZE_MAX);
	for (uint32_t i = 0; i < 100000; i++) {
		static const uint8_t head[4] = { 0x00, 0x16, 0x80, 0x81 };

		rng_bytes(&s.w.net.rng, s.b, 64);
		s.n = rng_below(&s.w.net.rng, 65);
		s.b[0] = head[i % 4];
		s.path.remote = addr_v4(203, 0, (uint8_t)(i >> 8), (uint8_t)i, (uint16_t)(i * 7 + 1));
		if (i % 16 == 0)
			check_of(&s, "nobody00", "nobody's password 000000", false);
		OK(world_inject(&s.w, &s.path, span_of(s.b, s.n)) != DROP_NONE);
	}
	made = mem_fail_at(SIZE_MAX);
	EQ(made, 0);
	EQ(c->members.live, 2);
	EQ(c->paths.paths.live, 2);
	EQ(c->paths.ufrags.live, 2);
	EQ(c->tracks.live, 4);
	EQ(c->streams.live, 4);
	EQ(c->subs.live, 4);
	world_pass(&s.w, DUR_SEC(2));
	EQ(peer_broken(s.w.peers[0], s.w.peers[1], 3, &whole), 0);
	world_done(&s.w, t_failures);
}

T_MAIN(T(strangers_are_dropped_for_a_reason), T(packets_are_dropped_for_a_reason), T(feedback_is_dropped_for_a_reason),
       T(media_before_the_handshake_is_early), T(a_refused_check_opens_no_path), T(a_flood_of_strangers_costs_no_memory))
