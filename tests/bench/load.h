/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * A load generator for sfud in one thread: one publisher, N subscribers, each with its own WebSocket, UDP socket,
 * ICE checks, DTLS association and SRTP keys, as a browser has. Packets carry a number and the time they were sent
 * at. Every subscriber authenticates every packet. Anything unexpected ends the process.
 */
#ifndef TESTS_BENCH_LOAD_H
#define TESTS_BENCH_LOAD_H

#include <stdint.h>
#include <wslay/wslay.h>

#include "base/mono.h"
#include "base/outbox.h"
#include "bench/load_sfud.h"
#include "sfud/signal/sdp.h"
#include "sfud/transport/dtls_mem.h"

#define LOAD_PT_AUDIO 111
#define LOAD_PT_VIDEO 96
#define LOAD_UFRAG "load"
#define LOAD_PWD "loadgeneratorpassword+/"
#define LOAD_SSRC_AUDIO 0x11111111u
#define LOAD_SSRC_VIDEO 0x22222222u
#define LOAD_TEXT (SDP_TEXT_MAX * 2)
#define LOAD_TRAILER 16  /* of each payload: number, time */
#define LAT_STEP_NS 2000 /* one bucket */
#define LAT_BUCKETS 50000

enum load_kind { LOAD_AUDIO, LOAD_VIDEO, LOAD_KINDS };
enum load_state { LOAD_HTTP, LOAD_OFFERED, LOAD_ICE, LOAD_DTLS, LOAD_MEDIA };

struct load;

/* One RTP stream as a subscriber sees it. */
struct load_flow {
	bool started;
	uint32_t ssrc;
	uint16_t top;
	uint64_t packets;
};

struct load_peer {
	struct load *load;
	uint64_t sub;
	bool publisher;
	enum load_state state;
	int tcp, udp;
	char http[2048];
	size_t n_http;
	wslay_event_context_ptr ws;
	char remote_ufrag[SDP_LINE_MAX], remote_pwd[SDP_LINE_MAX];
	struct dtls *dtls;
	struct srtp_rx rx;
	struct srtp_tx tx;
	unsigned tracks; /* offers answered */
	struct load_flow flow[LOAD_KINDS];
	mono_t stun_at, report_at;
};

struct load_pub {
	struct load_peer *peer;
	bool on, keyframe;      /* keyframe: asked for */
	mono_t frame_at, audio_at, sr_at;
	uint64_t seq[LOAD_KINDS]; /* SRTP index; the number of the next packet */
	uint32_t ts[LOAD_KINDS], bytes[LOAD_KINDS];
	uint16_t twcc;
	uint64_t random, keyframes, nacks, plis;
};

struct lat {
	uint64_t n, bucket[LAT_BUCKETS + 1];
};

struct load_stats {
	uint64_t from[LOAD_KINDS], to[LOAD_KINDS]; /* numbers that count */
	uint64_t delivered[LOAD_KINDS];
	uint64_t bad_auth, bad_payload, gaps, backwards; /* of sequence numbers */
	struct lat wire; /* sent .. arrived at the receiver's socket */
	struct lat app;  /* sent .. returned by its recv call: the generator's own queueing, too */
};

struct load {
	struct load_sfud sfud;
	const char *profiles; /* use_srtp */
	int epoll;
	struct dtls_ctx *dtls_ctx;
	struct load_peer *peers;
	uint32_t n_peers, max_peers;
	bool measuring; /* the media sockets are polled, not watched */
	struct load_pub pub;
	struct load_stats stats;
	struct outbox out;
	struct out_msg msgs[16];
	uint8_t out_mem[16 * OUTBOX_DGRAM_MAX];
	struct sdp sdp;
	uint8_t text[LOAD_TEXT], sdp_text[LOAD_TEXT], json[LOAD_TEXT];
};

mono_t load_now(void);
uint64_t load_wall_ns(void);

/* load_ws.c: the signalling socket. */
void load_ws_open(struct load_peer *p);
void load_ws_readable(struct load_peer *p);
void load_ws_send(struct load_peer *p, struct span text);
void load_ws_done(struct load_peer *p);

/* load_sdp.c: texts. */
void load_sdp_offer(struct wr *w, const struct load_peer *p);
/* The answer to the daemon's offer: each line echoed, received where it sends. */
void load_sdp_answer(struct wr *w, const struct load_peer *p, struct span offer);

/* load_peer.c: one participant, from its token to decrypted packets. */
void load_peer_start(struct load *l, bool publisher);
void load_peer_text(struct load_peer *p, struct span text); /* a message of the daemon */
void load_peer_readable(struct load_peer *p);
void load_peer_tick(struct load_peer *p, mono_t now);
bool load_peer_ready(const struct load_peer *p);
void load_peer_send(struct load_peer *p, const uint8_t *dgram, size_t n);
void load_peer_send_rtcp(struct load_peer *p, struct wr *w); /* with room for SRTP_OVERHEAD behind it */
void load_peer_done(struct load_peer *p);

/* load_pub.c: what the publisher sends, and what it is asked for. */
void load_pub_start(struct load *l, mono_t now);
void load_pub_tick(struct load *l, mono_t now);
mono_t load_pub_next(const struct load *l);
void load_pub_rtcp(struct load *l, struct span packet);

/* load_run.c: the loop. */
void load_init(struct load *l, const char *sfud_exe, const char *profiles, uint32_t max_peers);
void load_done(struct load *l);
void load_measure(struct load *l, bool on);
void load_run(struct load *l, uint64_t us);
void load_join(struct load *l, bool publisher); /* returns when that peer's media can flow */
void lat_add(struct lat *h, uint64_t from_ns, uint64_t to_ns);
double lat_us(const struct lat *h, double quantile);

#endif
