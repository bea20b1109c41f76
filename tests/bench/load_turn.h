/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * A load generator for a TURN server in one thread that polls: N clients behind one UDP socket, each with a loopback
 * address of its own (all of 127/8 is local) in a /24 of its own, and a few peers. It sends with GSO and receives with
 * GRO, so that it costs little beside the server. A client's flow has its index for a channel number. Anything
 * unexpected ends the process.
 */
#ifndef TESTS_BENCH_LOAD_TURN_H
#define TESTS_BENCH_LOAD_TURN_H

#include <sys/types.h>
#include <time.h>

#include "base/err.h"
#include "base/mono.h"
#include "sys/udp.h"
#include "wire/turn.h"
#include "wire/turn_cred.h"

#define TURN_PEERS 4
#define TURN_CLIENTS_MAX 16384
#define TURN_FLOWS_MAX 4096 /* channel numbers */
#define TURN_NONCE_MAX 160
#define TURN_RTTS_MAX 65536
#define TURN_MSGS 64
#define TURN_SPANS 2048

enum turn_step { TURN_IDLE, TURN_ASK, TURN_PROVE, TURN_BIND, TURN_RELEASE, TURN_DONE };

struct turn_client {
	struct addr at, relayed;
	char user[32]; /* "<expiry>:<index>" */
	uint8_t key[STUN_KEY_MAX], n_key;
	uint8_t nonce[TURN_NONCE_MAX], n_nonce;
	uint8_t step, tries, serial; /* serial: of the nonces */
	uint64_t sent_ns;
};

/* A socket of the generator with all it needs to send and receive. */
struct turn_port {
	struct udp udp;
	struct udp_mem *mem;
	struct outbox out;
	struct out_msg msg[TURN_MSGS];
	struct span part[TURN_SPANS];
	uint8_t bytes[TURN_MSGS * 1024];
};

/* Bursts are spread evenly over time and over the flows; every round over all flows turns the direction. */
struct turn_plan {
	double pps; /* packets sent per second, both directions together */
	uint32_t burst, size; /* packets of `size` bytes of payload */
	uint64_t ns;
	bool echo; /* clients send, peers send it back: counts what comes back */
};

struct turn_result {
	uint64_t sent, got, bad, ns;
	uint64_t server_ns, server_wait_ns; /* CPU time; time it was ready and had no processor */
	double loss, busy, behind; /* shares: of packets; of the generator's time; of what should have been sent */
	double wait;               /* of the generator's time: it had no processor */
	uint32_t dropped;          /* by the generator's own sockets */
	uint32_t n_rtts;
};

struct load_turn {
	struct addr server;
	pid_t pid;
	clockid_t clock; /* the server's CPU time */
	const char *realm, *secret;
	struct turn_client *client;
	uint32_t n_flows;
	uint64_t again; /* requests sent again, for no answer came */
	struct turn_port front, peer[TURN_PEERS];
	const struct turn_plan *plan;
	struct turn_result *result;
	uint32_t run; /* in every packet: what is late belongs to no later run */
	uint32_t rtt_ns[TURN_RTTS_MAX];
	struct dgram dgrams[UDP_RX_DGRAMS];
};

_Noreturn void load_turn_die(const char *what);
uint64_t load_turn_now(void); /* ns */
void load_turn_init(struct load_turn *l);
void load_turn_done(struct load_turn *l);

/* load_turn_client.c: brings clients [from, to) to TURN_PROVE (they have an allocation), TURN_BIND (and a channel) or
 * TURN_RELEASE (nothing), `window` of them at a time. Returns the time it took. */
uint64_t load_turn_bring(struct load_turn *l, uint32_t from, uint32_t to, enum turn_step goal, uint32_t window);
void load_turn_clients(struct load_turn *l);
static inline uint16_t load_turn_channel(uint32_t flow)
{
	return (uint16_t)(TURN_CHANNEL_MIN + flow % TURN_FLOWS_MAX);
}
static inline struct turn_port *load_turn_peer(struct load_turn *l, uint32_t flow)
{
	return &l->peer[flow % TURN_PEERS];
}

/* load_turn_flow.c */
void load_turn_run(struct load_turn *l, const struct turn_plan *p, struct turn_result *r);
double load_turn_rtt_us(struct load_turn *l, const struct turn_result *r, double quantile);

/* load_turn_proc.c: what the server costs, from outside. */
void load_turn_watch(struct load_turn *l);
uint64_t load_turn_cpu_ns(const struct load_turn *l);
uint64_t load_turn_wait_ns(pid_t pid); /* of all its threads */
uint64_t load_turn_rss_kb(pid_t pid);
uint32_t load_turn_fds(pid_t pid);
double load_turn_socket_kb(void); /* of kernel memory that a UDP socket takes, empty; 0: not to be had */

#endif
