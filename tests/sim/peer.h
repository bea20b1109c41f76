/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * A browser in virtual time: negotiates, checks its path, agrees on keys, publishes video and audio, receives with
 * NACK and keyframe requests, and keeps account of everything that arrived. Reacts to what it gets; scenarios call
 * the verbs below.
 */
#ifndef TESTS_SIM_PEER_H
#define TESTS_SIM_PEER_H

#include "sim/track_in.h"
#include "sim/world.h"

#define PEER_LINES 64
#define PEER_LAYERS 3
#define PEER_HISTORY 1024
#define PEER_FRAMES 4096
#define PEER_LOG 4096

struct peer_conf {
	uint64_t sub;
	const char *room;
	bool video, audio, screen, data; /* screen: a second video line; data: a data channel */
	bool simulcast;     /* rids q, h, f instead of SSRCs */
	bool opaque;        /* no keyframe can be recognised in the payload */
	bool other_ids;     /* payload types and extension ids of another browser */
	bool quiet;         /* publishes nothing until peer->muted is cleared */
	uint16_t first_seq; /* of the video; 0: 1000 */
};

struct peer_line {
	enum sdp_kind kind;
	enum sdp_dir dir; /* as we say it */
	bool ours;
	char mid[SDP_MID_MAX + 1];
};

struct kept {
	uint16_t n, hdr;
	uint8_t b[1300];
};

/* One published SSRC. */
struct track_out {
	bool video, paused;
	uint8_t layer, pt, rtx_pt;
	const char *mid, *rid;
	uint32_t ssrc, rtx_ssrc, ts;
	uint64_t seq, rtx_seq;     /* SRTP indices */
	uint32_t frame;            /* next */
	bool want_key;
	uint8_t count[PEER_FRAMES]; /* packets of each frame */
	mono_t asked[256];         /* when the SFU sent each keyframe request that arrived */
	uint32_t n_asked, resent;
	uint64_t packets, octets;
	struct kept *history;
};

struct peer {
	struct world *w;
	struct peer_conf conf;
	uint32_t index;
	struct addr addr;
	struct net_way up, down;
	char ufrag[5], pwd[23];
	uint8_t fingerprint[DTLS_FINGERPRINT_LEN];
	/* signalling */
	bool ws_open, ws_bound; /* as the client, and as the SFU's shell sees it */
	bool mute_answers;      /* leaves offers unanswered */
	bool bad_answers;       /* answers them with nonsense */
	uint32_t connection;
	struct handle member;
	unsigned close_code;
	char log[PEER_LOG];     /* A answer, M map, O offer, U update, C close */
	size_t n_log;
	uint32_t in_flight_max, offers_open;
	char sfu_ufrag[ICE_UFRAG_LEN + 1], sfu_pwd[ICE_PWD_LEN + 1];
	struct peer_line lines[PEER_LINES];
	uint32_t n_lines;
	uint32_t map_peers;     /* entries of the last tracks_map */
	/* transport */
	bool checked, connected, gone, no_checks;
	mono_t check_at, hello_at;
	struct srtp_rx rx;
	struct srtp_tx tx;
	/* media */
	bool muted;
	struct track_out audio, video[PEER_LAYERS];
	uint32_t n_video;
	mono_t audio_at, video_at, feedback_at, report_at, connected_at;
	uint16_t twcc_seq;
	uint32_t rtcp_ssrc, twcc_reports, nacks_got;
	uint64_t twcc_received, twcc_lost;
	uint64_t remb;          /* sent with every report; 0: none */
	struct track_in in[PEER_LINES];
	uint32_t n_in;
	uint32_t undecrypted, stray, early; /* early: overtook the handshake */
	bool storm;             /* asks for a keyframe at every feedback turn */
};

/* A client of the world, not connected. Ends with the world. */
struct peer *peer_new(struct world *w, const struct peer_conf *c);
void peer_free(struct peer *p);

/* A WebSocket; false when the SFU refuses. Nothing is said on it yet. */
bool peer_open(struct peer *p);
void peer_offer(struct peer *p);
bool peer_join(struct peer *p); /* both */
void peer_say(struct peer *p, const char *text);
/* The WebSocket breaks; the SFU notices at once. */
void peer_lose(struct peer *p);
/* Closes media and WebSocket, like a closed tab. */
void peer_leave(struct peer *p);
/* A new identity: certificate and keys are forgotten. */
void peer_renew(struct peer *p);
/* Another address, like behind a NAT that forgot. */
void peer_rebind(struct peer *p);

/* The stream received from a publisher, or NULL. */
struct track_in *peer_in(struct peer *p, uint64_t from, bool video);
/* Frames of `from` that lack a packet, from the first keyframe on, the newest `margin` left out; *ret_whole: the
 * others. */
uint32_t peer_broken(struct peer *p, const struct peer *from, uint32_t margin, uint32_t *ret_whole);

/* For the world. */
mono_t peer_next(const struct peer *p);
void peer_tick(struct peer *p);
void peer_dgram(struct peer *p, uint8_t *b, size_t n, mono_t sent);
void peer_text(struct peer *p, struct span text);
void peer_closed(struct peer *p, unsigned code);

/* Between peer.c, peer_sdp.c and peer_media.c. */
void peer_write_sdp(struct peer *p, struct wr *w, bool answer);
void peer_read_sdp(struct peer *p, const struct sdp *s, bool offer);
void peer_media_init(struct peer *p);
void peer_publish(struct peer *p);
void peer_feedback(struct peer *p);
void peer_rtp(struct peer *p, uint8_t *b, size_t n);
void peer_rtcp(struct peer *p, struct span pkt, mono_t sent);

#endif
