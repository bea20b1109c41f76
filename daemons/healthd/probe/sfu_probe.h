/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * sfud for real: its signalling dialogue (docs/signalling.md) up to the answer, then an ICE Binding request (RFC 8445 7.2.2) to the
 * answer's candidate, answered under the answer's password. Pure. The shell has a TCP stream and, from CHECK on, a UDP socket to
 * check_at. The struct must not move.
 *
 *   state     event                             next     does
 *   UPGRADE   101 with the proof for our key    ANSWER   the offer
 *   ANSWER    "kind":"answer" with a candidate  CHECK    the Binding request, again and again
 *   CHECK     a response under the password     CLOSE    close 1000; end.why is OK
 *   any       refused, broken, closed, late     CLOSE    close 1000 if there is a WebSocket; end.why says what
 *   CLOSE     their close, end, or its time     DONE
 */
#ifndef HEALTHD_SFU_PROBE_H
#define HEALTHD_SFU_PROBE_H

#include "healthd/probe/probe_end.h"
#include "healthd/probe/sfu_sdp.h"
#include "healthd/probe/stun_tx.h"
#include "healthd/probe/ws_client.h"

#define SFU_PROBE_ROOM "healthprobe-"
#define SFU_PROBE_LIFE DUR_SEC(60) /* of the token */
#define SFU_PROBE_OUT 8192
#define SFU_PROBE_SDP_MAX 32768

enum sfu_probe_step { SFU_PROBE_UPGRADE, SFU_PROBE_ANSWER, SFU_PROBE_CHECK, SFU_PROBE_CLOSE, SFU_PROBE_DONE };

struct sfu_probe_conf {
	struct addr signal;
	struct span secret; /* HS256; borrowed by init */
	struct addr media;  /* unset: the answer's first candidate */
	wall_t wall;
	mono_t deadline;    /* of all that comes before the close */
	uint64_t close_us;  /* how long that may take */
};

struct sfu_probe {
	enum sfu_probe_step step;
	struct probe_end end;
	bool strange, closed; /* something came that was no answer; our close frame is out */
	struct addr check_at; /* set from CHECK on */
	struct stun_tx tx;
	struct ws_client ws;
	char key[WS_CLIENT_KEY_LEN + 1];
	char ufrag[8 + 1], pwd[24 + 1]; /* ours */
	char their_ufrag[SFU_SDP_ICE_MAX + 1], their_pwd[SFU_SDP_ICE_MAX + 1];
	struct addr media;
	uint64_t us, close_us; /* us: round trip of the check, once ok */
	mono_t deadline;       /* of the present step */
	struct rng *rng;
	uint8_t out[SFU_PROBE_OUT]; /* for the stream; the shell sends it and sets out_n = 0 after each call */
	size_t out_n;
	char sdp[SFU_PROBE_SDP_MAX];
};

/* The upgrade is in out. ERR_LIMIT: the secret makes no token. */
int sfu_probe_init(struct sfu_probe *p, const struct sfu_probe_conf *c, struct rng *rng);
/* Bytes of the stream: how many were used. The others come again with more behind them. */
size_t sfu_probe_stream(struct sfu_probe *p, struct span in, mono_t now);
void sfu_probe_stream_end(struct sfu_probe *p, mono_t now);
void sfu_probe_dgram(struct sfu_probe *p, const struct addr *from, struct span dgram, mono_t now);
/* The datagram for check_at to send now; empty: none. */
struct span sfu_probe_tick(struct sfu_probe *p, mono_t now);
mono_t sfu_probe_next(const struct sfu_probe *p);
/* Ends now; nobody waits for their close. */
void sfu_probe_abandon(struct sfu_probe *p, mono_t now);
void sfu_probe_done(struct sfu_probe *p); /* wipes */

#endif
