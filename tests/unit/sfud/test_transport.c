/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sfud/transport/transport.h"

#include "t.h"
#include "unit/sfud/ice_rig.h"

#define AT(s) ((mono_t){ DUR_SEC(s) })

struct rig {
	struct transport t;
	struct dtls_ctx ctx;
	struct rng rng;
	struct rig_box box;
	struct transport_in in;
	struct srtp_tx peer; /* seals what the peer sends */
	struct srtp_rx peer_rx;
};

static const uint8_t fingerprint[DTLS_FINGERPRINT_LEN] = { 1, 2, 3 };

static void rig_init(struct rig *r)
{
	struct dtls_keys k = { 0 };

	memset(r, 0, sizeof(*r));
	rng_seed(&r->rng, 3);
	rig_box_init(&r->box);
	transport_init(&r->t, &rig_dtls_ops, &r->ctx, &r->rng, AT(0));
	rig_dtls_keys(&(struct dtls){ .ctx = &r->ctx, .state = DTLS_OPEN }, &k);
	EQ(srtp_tx_init(&r->peer, k.suite, span_of(k.rx, srtp_master_len(k.suite))), 0);
	EQ(srtp_rx_init(&r->peer_rx, k.suite, span_of(k.tx, srtp_master_len(k.suite))), 0);
}

static void rig_done(struct rig *r)
{
	transport_done(&r->t);
	srtp_tx_done(&r->peer);
	srtp_rx_done(&r->peer_rx);
	EQ(r->ctx.open, 0);
}

static int set_remote(struct rig *r)
{
	return transport_set_remote(&r->t, SPAN_LIT("peer"), SPAN_LIT("password"), fingerprint);
}

static enum drop check(struct rig *r, uint8_t host, unsigned flags, mono_t now)
{
	struct path path = rig_path(host);
	struct rig_request q;

	rig_request(&q, r->t.ice.ufrag, "peer", r->t.ice.pwd, flags);
	return transport_stun(&r->t, &q.m, &path, now, &r->box.out, &r->in);
}

static enum drop dtls(struct rig *r, char payload, mono_t now)
{
	struct path path = rig_path(1);
	uint8_t b[14];

	return transport_input(&r->t, &path, b, rig_record(b, payload), now, &r->box.out, &r->in);
}

static size_t rtp(struct rig *r, uint8_t b[64], uint16_t seq)
{
	memset(b, 0x55, 64);
	b[0] = 0x80;
	b[1] = 96;
	put_be16(b + 2, seq);
	return srtp_seal(&r->peer, b, 12, 40, seq);
}

static enum drop media(struct rig *r, uint16_t seq)
{
	struct path path = rig_path(1);
	uint8_t b[64];

	return transport_input(&r->t, &path, b, rtp(r, b, seq), AT(1), &r->box.out, &r->in);
}

/* To MEDIA at second 1, on path 1. */
static void up(struct rig *r)
{
	rig_init(r);
	EQ(set_remote(r), 0);
	EQ(check(r, 1, RIG_NOMINATE, AT(1)), DROP_NONE);
	EQ(dtls(r, 'h', AT(1)), DROP_NONE);
	EQ(dtls(r, 'o', AT(1)), DROP_NONE);
	OK(r->in.opened);
	EQ(r->t.state, TRANSPORT_MEDIA);
	rig_sent(&r->box);
}

/* What the state table says: each protocol is heard only once the one below it is done. */
static void each_layer_waits_for_the_one_below(void)
{
	struct rig r;

	rig_init(&r);
	EQ(set_remote(&r), 0);
	EQ(dtls(&r, 'o', AT(0)), DROP_UNKNOWN_PATH);
	EQ(media(&r, 1), DROP_UNKNOWN_PATH);
	EQ(r.t.state, TRANSPORT_ICE);
	EQ(rig_sent(&r.box), 0);

	EQ(check(&r, 1, 0, AT(1)), DROP_NONE);
	EQ(r.in.ice, ICE_PATH_NEW);
	EQ(r.t.state, TRANSPORT_DTLS);
	EQ(rig_sent(&r.box), 1);
	EQ(media(&r, 1), DROP_SRTP_EARLY);

	EQ(dtls(&r, 'h', AT(1)), DROP_NONE);
	OK(!r.in.opened);
	EQ(rig_sent(&r.box), 1);
	EQ(media(&r, 1), DROP_SRTP_EARLY);
	EQ(dtls(&r, 'o', AT(2)), DROP_NONE);
	OK(r.in.opened);
	EQ(r.t.state, TRANSPORT_MEDIA);
	EQ(media(&r, 1), DROP_NONE);
	EQ(r.in.kind, TRANSPORT_RTP);
	EQ(r.in.n, 40);
	EQ(r.in.p[39], 0x55);
	EQ(media(&r, 1), DROP_SRTP_REPLAY);
	EQ(dtls(&r, 'h', AT(2)), DROP_NONE);
	OK(!r.in.opened);
	rig_done(&r);
}

/* The peer's checks may overtake its SDP; then set_remote opens the association. */
static void checks_may_come_before_the_sdp(void)
{
	struct rig r;

	rig_init(&r);
	EQ(check(&r, 1, 0, AT(1)), DROP_NONE);
	EQ(r.ctx.open, 0);
	EQ(dtls(&r, 'h', AT(1)), DROP_DTLS_STATE);
	r.ctx.no_memory = true;
	EQ(set_remote(&r), ERR_NOMEM);
	r.ctx.no_memory = false;
	EQ(check(&r, 1, 0, AT(1)), DROP_NONE); /* tries again */
	EQ(r.ctx.open, 1);
	EQ(set_remote(&r), 0);
	EQ(dtls(&r, 'o', AT(1)), DROP_NONE);
	EQ(r.t.state, TRANSPORT_MEDIA);
	EQ(transport_set_remote(&r.t, SPAN_LIT("peer"), SPAN_LIT("p"), (const uint8_t[DTLS_FINGERPRINT_LEN]){ 9 }), ERR_UNEXPECTED);
	EQ(set_remote(&r), 0);
	rig_done(&r);
}

/* Every way to the end, and why. */
static void every_end_has_its_reason(void)
{
	const struct { const char *row; char dtls; mono_t tick; enum transport_end want; } rows[] = {
		{ "handshake failed: ", 'f', { 0 }, TRANSPORT_END_DTLS },
		{ "closed by the peer: ", 'c', { 0 }, TRANSPORT_END_CLOSED },
		{ "consent: ", 0, { DUR_SEC(31) }, TRANSPORT_END_CONSENT },
		{ "closed by us: ", 0, { 0 }, TRANSPORT_END_CLOSED },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct rig r;

		t_row = rows[i].row;
		up(&r);
		if (rows[i].dtls)
			EQ(dtls(&r, rows[i].dtls, AT(2)), rows[i].dtls == 'f' ? DROP_DTLS_STATE : DROP_NONE);
		else if (rows[i].tick.us)
			transport_tick(&r.t, rows[i].tick, &r.box.out);
		else
			transport_close(&r.t, AT(2), &r.box.out);
		EQ(r.t.state, TRANSPORT_ENDED);
		EQ(r.t.end, rows[i].want);
		EQ(r.ctx.open, 0);
		OK(mono_is_never(transport_next(&r.t)));
		rig_sent(&r.box);
		/* Nothing brings it back. */
		EQ(check(&r, 1, 0, AT(3)), DROP_STUN_UNEXPECTED);
		EQ(dtls(&r, 'o', AT(3)), DROP_DTLS_STATE);
		EQ(media(&r, 9), DROP_SRTP_EARLY);
		EQ(set_remote(&r), ERR_UNEXPECTED);
		transport_tick(&r.t, AT(99), &r.box.out);
		transport_close(&r.t, AT(99), &r.box.out);
		EQ(r.t.end, rows[i].want);
		EQ(rig_sent(&r.box), 0);
		rig_done(&r);
	}
}

/* RFC 7675 5.1: consent lives 30 s behind the last valid check, not one tick less. */
static void consent_ends_after_30_s_of_silence(void)
{
	const struct { const char *row; mono_t at; bool check; enum transport_state want; } rows[] = {
		{ "fresh: ", { DUR_SEC(2) }, false, TRANSPORT_MEDIA },
		{ "last instant: ", { DUR_SEC(31) - 1 }, true, TRANSPORT_MEDIA },
		{ "old deadline: ", { DUR_SEC(31) }, false, TRANSPORT_MEDIA },
		{ "last instant again: ", { DUR_SEC(61) - 2 }, false, TRANSPORT_MEDIA },
		{ "deadline: ", { DUR_SEC(61) - 1 }, false, TRANSPORT_ENDED },
	};
	struct rig r;

	up(&r);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		t_row = rows[i].row;
		transport_tick(&r.t, rows[i].at, &r.box.out);
		EQ(r.t.state, rows[i].want);
		if (rows[i].check)
			EQ(check(&r, 1, 0, rows[i].at), DROP_NONE);
	}
	EQ(r.t.end, TRANSPORT_END_CONSENT);
	rig_done(&r);
}

/* The way to MEDIA may take TRANSPORT_SETUP and no longer, whatever the peer keeps sending. */
static void a_slow_set_up_ends(void)
{
	struct rig r;

	t_row = "no check: ";
	rig_init(&r);
	EQ(transport_next(&r.t).us, TRANSPORT_SETUP);
	transport_tick(&r.t, (mono_t){ TRANSPORT_SETUP - 1 }, &r.box.out);
	EQ(r.t.state, TRANSPORT_ICE);
	transport_tick(&r.t, (mono_t){ TRANSPORT_SETUP }, &r.box.out);
	EQ(r.t.end, TRANSPORT_END_SETUP);
	rig_done(&r);

	t_row = "no handshake: ";
	rig_init(&r);
	EQ(set_remote(&r), 0);
	for (uint32_t s = 1; s < 30; s++) {
		EQ(check(&r, 1, 0, AT(s)), DROP_NONE);
		EQ(dtls(&r, 'h', AT(s)), DROP_NONE);
		transport_tick(&r.t, AT(s), &r.box.out);
		EQ(r.t.state, TRANSPORT_DTLS);
	}
	transport_tick(&r.t, AT(30), &r.box.out);
	EQ(r.t.end, TRANSPORT_END_SETUP);
	rig_done(&r);

	t_row = "no keys: ";
	rig_init(&r);
	r.ctx.no_keys = true;
	EQ(set_remote(&r), 0);
	EQ(check(&r, 1, 0, AT(1)), DROP_NONE);
	EQ(dtls(&r, 'o', AT(1)), DROP_DTLS_STATE);
	OK(!r.in.opened);
	EQ(r.t.end, TRANSPORT_END_DTLS);
	rig_done(&r);
}

/* The table of timers: the earliest of set-up, consent and flight is reported, and a tick sends the flight again. */
static void the_earliest_deadline_is_reported(void)
{
	struct rig r;

	rig_init(&r);
	EQ(set_remote(&r), 0);
	EQ(check(&r, 1, 0, AT(5)), DROP_NONE);
	EQ(transport_next(&r.t).us, AT(30).us);
	EQ(dtls(&r, 'h', AT(6)), DROP_NONE);
	EQ(transport_next(&r.t).us, AT(7).us);
	rig_sent(&r.box);
	transport_tick(&r.t, AT(6), &r.box.out);
	EQ(rig_sent(&r.box), 0);
	transport_tick(&r.t, AT(7), &r.box.out);
	transport_tick(&r.t, AT(7), &r.box.out);
	EQ(rig_sent(&r.box), 1);
	EQ(dtls(&r, 'o', AT(8)), DROP_NONE);
	EQ(transport_next(&r.t).us, AT(35).us);
	rig_done(&r);
}

static bool sent_to(struct rig *r, uint8_t host)
{
	struct path path = rig_path(host);

	return rig_sent(&r->box) == 1 && path_eq(&r->box.sent[0].path, &path);
}

static void send_rtp(struct rig *r, uint16_t seq)
{
	uint8_t *p = outbox_reserve(&r->box.out, 40 + SRTP_OVERHEAD);

	memset(p, 0x66, 40);
	p[0] = 0x80;
	put_be16(p + 2, seq);
	transport_send_rtp(&r->t, &r->box.out, p, 12, 40, seq);
}

/* What is sent is sealed with our key and takes the selected path; before MEDIA nothing leaves. */
static void media_is_sealed_and_takes_the_selected_path(void)
{
	struct rig r;
	struct sent *s = r.box.sent;
	uint8_t *p;

	rig_init(&r);
	send_rtp(&r, 1);
	EQ(rig_sent(&r.box), 0);
	rig_done(&r);

	up(&r);
	send_rtp(&r, 1);
	OK(sent_to(&r, 1));
	EQ(srtp_open(&r.peer_rx, s[0].b, &s[0].n), DROP_NONE);
	EQ(s[0].n, 40);
	p = outbox_reserve(&r.box.out, 28 + SRTP_OVERHEAD);
	memset(p, 0x80, 28);
	transport_send_rtcp(&r.t, &r.box.out, p, 28);
	OK(sent_to(&r, 1));
	EQ(srtcp_open(&r.peer_rx, s[0].b, &s[0].n), DROP_NONE);
	EQ(s[0].n, 28);

	EQ(check(&r, 2, RIG_NOMINATE, AT(2)), DROP_NONE);
	EQ(r.in.ice, ICE_PATH_NEW);
	rig_sent(&r.box);
	send_rtp(&r, 2);
	OK(sent_to(&r, 2));
	rig_done(&r);
}

/* RFC 8445 9: an ICE restart changes no key; the old path serves until the first check with the new credentials. */
static void a_restart_keeps_media_flowing(void)
{
	struct rig r;

	up(&r);
	EQ(media(&r, 1), DROP_NONE);
	ice_restart(&r.t.ice, &r.rng);
	EQ(media(&r, 2), DROP_NONE);
	send_rtp(&r, 1);
	OK(sent_to(&r, 1));
	EQ(check(&r, 3, 0, AT(5)), DROP_NONE);
	rig_sent(&r.box);
	send_rtp(&r, 2);
	OK(sent_to(&r, 3));
	EQ(set_remote(&r), 0);
	EQ(media(&r, 3), DROP_NONE);
	EQ(r.t.state, TRANSPORT_MEDIA);
	EQ(r.ctx.open, 1);
	rig_done(&r);
}

/* A ninth path names the one that had to go, so that the caller's table never holds more than the peer's. */
static void a_ninth_path_names_the_lost_one(void)
{
	struct path want = rig_path(2);
	struct rig r;

	up(&r);
	for (uint8_t i = 2; i <= ICE_PATHS_MAX; i++) {
		EQ(check(&r, i, 0, AT(i)), DROP_NONE);
		EQ(r.in.ice, ICE_PATH_NEW);
	}
	EQ(check(&r, 9, 0, AT(9)), DROP_NONE);
	EQ(r.in.ice, ICE_PATH_LOST_AND_NEW);
	OK(path_eq(&r.in.lost, &want));
	rig_done(&r);
}

/* RFC 7983: what is none of ours, or not a record, is dropped by its reason and changes nothing. */
static void other_datagrams_are_dropped(void)
{
#define R(s) { (const uint8_t *)(s), sizeof(s) - 1 }
	const struct { const char *row; struct span b; enum drop want; } rows[] = {
		{ "empty: ", R(""), DROP_UNKNOWN_KIND },
		{ "zrtp: ", R("\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), DROP_UNKNOWN_KIND },
		{ "turn: ", R("\x40\0\0\4abcdefghijklmnop"), DROP_UNKNOWN_KIND },
		{ "text: ", R("GET / HTTP/1.1\r\n\r\nabcdefgh"), DROP_UNKNOWN_KIND },
		{ "stun: ", R("\0\1\0\0\x21\x12\xa4\x42" "abcdefghijkl"), DROP_STUN_UNEXPECTED },
		{ "dtls 1.3: ", R("\x16\xfe\xfc\0\0\0\0\0\0\0\0\0\1h"), DROP_DTLS_MALFORMED },
		{ "record too long: ", R("\x16\xfe\xfd\0\0\0\0\0\0\0\0\0\2h"), DROP_DTLS_MALFORMED },
		{ "rtp: ", R("\x80\x60\0\1abcdefghijklmnopqrstuvwxyz"), DROP_SRTP_AUTH },
		{ "rtcp: ", R("\x80\xc8\0\1abcdefghijklmnopqrst\x80\0\0\1"), DROP_SRTP_AUTH },
	};
	struct path path = rig_path(1);
	struct rig r;

	up(&r);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t b[64];

		t_row = rows[i].row;
		memcpy(b, rows[i].b.p, rows[i].b.n);
		EQ(transport_input(&r.t, &path, b, rows[i].b.n, AT(2), &r.box.out, &r.in), rows[i].want);
		EQ(r.in.kind, TRANSPORT_NOTHING);
		EQ(r.t.state, TRANSPORT_MEDIA);
	}
	EQ(rig_sent(&r.box), 0);
	EQ(media(&r, 5), DROP_NONE);
	rig_done(&r);
#undef R
}

T_MAIN(T(each_layer_waits_for_the_one_below), T(checks_may_come_before_the_sdp), T(every_end_has_its_reason),
       T(consent_ends_after_30_s_of_silence), T(a_slow_set_up_ends), T(the_earliest_deadline_is_reported),
       T(media_is_sealed_and_takes_the_selected_path), T(a_restart_keeps_media_flowing),
       T(a_ninth_path_names_the_lost_one), T(other_datagrams_are_dropped))
