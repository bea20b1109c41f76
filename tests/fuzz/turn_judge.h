/* SPDX-License-Identifier: AGPL-3.0-only */
/* A TURN core with small bounds under a shell that judges: what it asks for, what it sends, and what it has become. */
#ifndef TESTS_FUZZ_TURN_JUDGE_H
#define TESTS_FUZZ_TURN_JUDGE_H

#include "fuzz.h"
#include "sim/turn_rig.h"

#define STEPS_MAX 96
#define CLIENTS 8
#define RING 8
#define ALIVE_MAX 16
#define PREFIXES 8
#define LIFE_MAX 3600
#define PORT 3478
#define PORT_OTHER 3479
#define PORT_FIRST 50000
#define PORT_LAST 50007
#define SHORT_ERROR 120 /* RFC 8489 9.2.4 with this realm */

/* One run of the fuzzer. */
struct script {
	struct turn_rig r; /* the first member: the owner of the core's operations */
	struct turn_ops ops, rig_ops;
	struct rd in;
	struct rig_client client[CLIENTS];
	struct span last; /* a message that was sent, and may be again */
	uint8_t last_mem[OUTBOX_DGRAM_MAX];
	struct rig_sent astray; /* what went from one relayed address to another */
	uint8_t ticket[RING][TICKET_LEN], token[RING][TURN_TOKEN_LEN], connect_tid[STEPS_MAX][STUN_TID_LEN];
	uint32_t n_tickets, n_tokens, n_connects;
	struct {
		uint32_t id;
		bool connecting, joined;
	} alive[ALIVE_MAX]; /* streams the shell has for the core */
	uint32_t n_alive;
	struct handle joined[RING];
	uint32_t n_joined;
	struct {
		uint8_t ip[16];
		size_t in, out;
		mono_t first;
	} prefix[PREFIXES];
	uint32_t n_prefixes;
	struct path told[STEPS_MAX + CLIENTS]; /* to where nonces went: who is there may have proved it */
	uint32_t n_told;
};

/* Starts the core. r.conf is ready, the clients are added afterwards. */
void judge_start(struct script *s);
/* After each step: `who` sent `request`, or nobody did. Forgets what was sent. */
void judge(struct script *s, const struct rig_client *who, struct span request);
/* After turn_done. */
void judge_end(const struct script *s);

/* A nonce went there. */
void judge_told(struct script *s, const struct path *path);
/* Octets that came from this address's prefix, or (`out`) went there unproven. */
size_t *judge_prefix(struct script *s, const struct addr *a, bool out);
/* Streams of peers that the shell has. */
void judge_add_alive(struct script *s, uint32_t id, bool connecting);
void judge_del_alive(struct script *s, uint32_t id);

#endif
