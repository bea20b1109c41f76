/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * The SFU's core: rooms, members and the forwarding between them. One root object, no sockets, no clock, no
 * randomness, no logging. The shell calls one of input/flush/tick/join/text/gone, delivers the two boxes and waits
 * until sfu_next.
 */
#ifndef SFUD_SFU_H
#define SFUD_SFU_H

#include "base/hmap.h"
#include "sfud/room/member.h"
#include "sfud/room/sigbox.h"
#include "sfud/room/stats.h"
#include "sfud/transport/paths.h"

#define ROOM_NAME_MAX 256
#define ADVERTISE_MAX 8
#define BURSTS 8

struct sfu_conf {
	struct addr candidate[ADVERTISE_MAX]; /* host candidates, with port */
	uint32_t n_candidates;
	uint32_t max_members, max_rooms;
	uint64_t solo_kick;    /* microseconds; 0 = off */
	uint64_t bwe_hint_gap; /* least time between accepted bwe-hints of one member */
};

struct room {
	struct handle self;
	struct hmap_node by_name;
	char name[ROOM_NAME_MAX];
	struct handle *members; /* grows */
	uint32_t n_members, cap_members;
	mono_t solo_since; /* MONO_NEVER unless exactly one member is here */
	struct dq_node timer;
};

struct sfu {
	struct sfu_conf conf;
	struct rng *rng;
	const struct dtls_ops *dtls_ops;
	struct dtls_ctx *dtls_ctx;
	uint8_t fingerprint[DTLS_FINGERPRINT_LEN]; /* our certificate */
	struct slab rooms, members, tracks, streams, subs;
	struct paths paths;
	struct hmap by_name;
	struct dq members_due, rooms_due;
	struct burst burst[BURSTS];
	struct outbox *out;
	struct sigbox *sig;
	struct sfu_stats stats;
	struct sdp *sdp_in, *sdp_out; /* scratch: too large for the stack */
	uint8_t *text, *sdp_text;     /* the same, SDP_TEXT_MAX each: what came in, what goes out */
};

/* out and sig are borrowed for the life of sfu. ERR_NOMEM. */
int sfu_init(struct sfu *s, const struct sfu_conf *c, struct rng *rng, const struct dtls_ops *ops,
	     struct dtls_ctx *ctx, const uint8_t fingerprint[DTLS_FINGERPRINT_LEN], struct outbox *out,
	     struct sigbox *sig);
void sfu_done(struct sfu *s);

/* One datagram, decrypted in place; media is queued until sfu_flush, so the memory must stay until then. */
enum drop sfu_input(struct sfu *s, const struct path *path, uint8_t *p, size_t n, mono_t now);
/* Forwards what the last inputs queued. Call before their memory is reused. */
void sfu_flush(struct sfu *s, mono_t now);
void sfu_tick(struct sfu *s, mono_t now);
mono_t sfu_next(const struct sfu *s);

/* A WebSocket with a valid token. A member of the same room and sub is taken over: its old WebSocket gets 4031 first.
 * ERR_LIMIT (rooms, members), ERR_NOMEM. */
int sfu_join(struct sfu *s, const char *room, uint64_t sub, mono_t now, struct handle *ret);
/* One text frame of the member's WebSocket. */
void sfu_text(struct sfu *s, struct handle member, struct span text, mono_t now);
/* The WebSocket is gone; media goes on for GRACE. */
void sfu_gone(struct sfu *s, struct handle member, mono_t now);
/* Ends every member: close 1001 and close_notify. */
void sfu_shutdown(struct sfu *s, mono_t now);

#endif
