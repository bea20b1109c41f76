/* SPDX-License-Identifier: AGPL-3.0-only */
/* The Prometheus page: the sums of all workers, each asked in its own thread. No label has values that strangers choose. */
#include <stdio.h>

#include "turnd/turnd.h"

struct sums {
	struct turn_stats turn;
	struct worker_stats worker;
	struct udp_stats udp;
	uint64_t allocations, streams, conns;
	struct per_worker {
		uint64_t packets[2], turns, allocations;
	} each[WORKERS_MAX];
};

/* Counters are nothing but uint64_t. */
static void add(void *sum, const void *more, size_t bytes)
{
	uint64_t *to = sum;
	const uint64_t *from = more;

	for (size_t i = 0; i < bytes / sizeof(*to); i++)
		to[i] += from[i];
}

_Static_assert(sizeof(struct turn_stats) % sizeof(uint64_t) == 0 && sizeof(struct udp_stats) % sizeof(uint64_t) == 0 &&
		       sizeof(struct worker_stats) % sizeof(uint64_t) == 0,
	       "counters are uint64_t");

/* mail_dropped is written by whoever posts. */
static void sum_worker(struct worker *w, void *arg)
{
	struct sums *s = arg;
	struct per_worker *p = &s->each[w->index];

	pthread_mutex_lock(&w->mail_lock);
	add(&s->worker, &w->stats, sizeof(s->worker));
	pthread_mutex_unlock(&w->mail_lock);
	add(&s->turn, &w->turn.stats, sizeof(s->turn));
	add(&s->udp, udp_mem_stats(w->mem), sizeof(s->udp));
	s->allocations += w->turn.allocs.live;
	s->streams += w->turn.streams.live;
	s->conns += w->conns.live;
	memcpy(p->packets, w->turn.stats.packets, sizeof(p->packets));
	p->turns = w->turns;
	p->allocations = w->turn.allocs.live;
}

static const struct prom_label no_label;
static const char *const directions[] = { "to_peer", "to_client" };
/* By method number; RFC 8489 18.2, RFC 8656 17, RFC 6062 6.1. */
static const char *const methods[TURN_METHODS] = {
	[1] = "binding", [3] = "allocate", [4] = "refresh", [6] = "send", [7] = "data", [8] = "create_permission",
	[9] = "channel_bind", [10] = "connect", [11] = "connection_bind", [12] = "connection_attempt",
};

static void write_answered(struct prom *p, const struct turn_stats *s)
{
	static const char *const name = "turn_responses_total", *const results[] = { "success", "error" };

	prom_head(p, name, "counter", "Responses sent.");
	for (size_t m = 0; m < TURN_METHODS; m++) {
		for (size_t i = 0; methods[m] && i < 2; i++)
			prom_sample(p, name, (struct prom_label){ "method", methods[m] },
				    (struct prom_label){ "result", results[i] }, s->answered[m][i]);
	}
}

static void write_errors(struct prom *p, const struct turn_stats *s)
{
	static const char *const name = "turn_errors_total";

	prom_head(p, name, "counter", "Error responses sent, by code; codes that never were are left out.");
	for (unsigned i = 0; i < ARRAY_LEN(s->errors); i++) {
		char code[8];

		snprintf(code, sizeof(code), "%u", 300 + i);
		if (s->errors[i])
			prom_sample(p, name, (struct prom_label){ "code", code }, no_label, s->errors[i]);
	}
}

static void write_turn(struct prom *p, const struct sums *sums)
{
	const struct turn_stats *s = &sums->turn;
	const char *via[VIA_MAX_];

	for (int i = 0; i < VIA_MAX_; i++)
		via[i] = via_str((enum via)i);
	prom_gauge(p, "turn_allocations", "Allocations that live.", sums->allocations);
	prom_family(p, "turn_requests_total", "Requests received.", "method", methods, s->requests, TURN_METHODS);
	prom_family(p, "turn_indications_total", "Indications received.", "method", methods, s->indications, TURN_METHODS);
	write_answered(p, s);
	write_errors(p, s);
	prom_family(p, "turn_allocated_total", "Allocations made, by the client's transport.", "via", via, s->allocated,
		    VIA_MAX_);
	prom_counter(p, "turn_ended_total", "Allocations that ended.", s->ended);
	prom_counter(p, "turn_expired_total", "Of these, because their lifetime was over.", s->expired);
	prom_counter(p, "turn_moved_total", "Allocations that followed their client to another address.", s->moved);
	prom_family(p, "turn_relayed_packets_total", "Datagrams relayed.", "direction", directions, s->packets, 2);
	prom_family(p, "turn_relayed_bytes_total", "Their bytes, without headers.", "direction", directions, s->bytes, 2);
	prom_counter(p, "turn_hairpin_packets_total", "Datagrams to another client of this server.", s->hairpin);
	prom_gauge(p, "turn_tcp_streams", "TCP connections to peers.", sums->streams);
	prom_counter(p, "turn_tcp_streams_joined_total", "TCP connections joined to a client's.", s->streams);
	prom_counter(p, "turn_auth_failed_total", "Requests with wrong credentials.", s->auth_failed);
	prom_counter(p, "turn_auth_expired_total", "Requests with credentials whose time was over.", s->auth_expired);
}

static void write_drops(struct prom *p, const struct turn_stats *s)
{
	static const char *const name = "turn_drops_total";

	prom_head(p, name, "counter", "What arrived and went no further, by reason.");
	for (int i = DROP_NONE + 1; i < DROP_MAX_; i++)
		prom_sample(p, name, (struct prom_label){ "reason", drop_str((enum drop)i) }, no_label, s->drops[i]);
}

static void write_conns(struct prom *p, const struct sums *sums)
{
	const struct worker_stats *s = &sums->worker;
	const char *via[VIA_MAX_];

	for (int i = 0; i < VIA_MAX_; i++)
		via[i] = i == VIA_UDP ? NULL : via_str((enum via)i);
	prom_gauge(p, "turn_connections", "Streams and DTLS sessions of clients that are open.", sums->conns);
	prom_family(p, "turn_connections_total", "Streams and DTLS sessions of clients.", "via", via, s->conns, VIA_MAX_);
	prom_counter(p, "turn_connections_refused_total", "Closed at once: too many are open.", s->conns_refused);
	prom_counter(p, "turn_connections_ended_total", "Closed.", s->conns_ended);
	prom_counter(p, "turn_tls_failed_total", "TLS and DTLS handshakes that failed.", s->tls_failed);
	prom_counter(p, "turn_covered_total", "TLS connections handed to the cover site.", s->covered);
	prom_counter(p, "turn_proxy_refused_total", "Forwarded connections without a good PROXY header.", s->proxy_refused);
	prom_counter(p, "turn_framing_total", "Streams closed because they were no TURN.", s->framing);
	prom_counter(p, "turn_stream_blocked_total", "Messages that a client's stream had no room for.", s->blocked);
}

static void write_workers(struct prom *p, const struct turnd *d, const struct sums *sums)
{
	static const char *const packets = "turn_worker_packets_total", *const turns = "turn_worker_turns_total";
	const struct worker_stats *s = &sums->worker;
	char index[12];

	prom_gauge(p, "turn_workers", "Threads.", d->n_workers);
	prom_head(p, packets, "counter", "Datagrams relayed, by thread.");
	for (uint32_t i = 0; i < d->n_workers; i++) {
		snprintf(index, sizeof(index), "%u", i);
		for (size_t k = 0; k < 2; k++)
			prom_sample(p, packets, (struct prom_label){ "worker", index },
				    (struct prom_label){ "direction", directions[k] }, sums->each[i].packets[k]);
	}
	prom_head(p, turns, "counter", "Turns of the event loop, by thread.");
	for (uint32_t i = 0; i < d->n_workers; i++) {
		snprintf(index, sizeof(index), "%u", i);
		prom_sample(p, turns, (struct prom_label){ "worker", index }, no_label, sums->each[i].turns);
	}
	prom_counter(p, "turn_handed_over_total", "Messages handed to the thread that has their allocation.", s->handed_over);
	prom_counter(p, "turn_mail_dropped_total", "Of these, lost because it was not keeping up.", s->mail_dropped);
	prom_counter(p, "turn_steered_total", "Sockets opened for clients that had come to the wrong thread.", s->steered);
}

static void write_sockets(struct prom *p, const struct turnd *d, const struct sums *sums)
{
	static const char *const name = "turn_udp_send_failed_total";
	const struct udp_stats *s = &sums->udp;

	prom_head(p, name, "counter", "Datagrams that the kernel did not take.");
	for (int i = 0; i < UDP_ERR_MAX_; i++)
		prom_sample(p, name, (struct prom_label){ "error_kind", udp_err_str((enum udp_err)i) }, no_label, s->failed[i]);
	prom_counter(p, "turn_udp_sent_datagrams_total", "Datagrams sent.", s->sent_dgrams);
	prom_counter(p, "turn_udp_sent_messages_total", "Segmented messages they went out in.", s->sent_msgs);
	prom_counter(p, "turn_udp_send_calls_total", "System calls that sent them.", s->sent_calls);
	prom_counter(p, "turn_udp_received_datagrams_total", "Datagrams received.", s->recv_dgrams);
	prom_counter(p, "turn_udp_received_messages_total", "Segmented messages they came in.", s->recv_msgs);
	prom_counter(p, "turn_udp_receive_calls_total", "System calls that received them.", s->recv_calls);
	prom_counter(p, "turn_udp_truncated_total", "Datagrams dropped for their size.", s->truncated);
	prom_counter(p, "turn_udp_gso_refused_total", "Segmented messages that went out datagram by datagram.", s->gso_refused);
	prom_counter(p, "turn_control_refused_total", "Control clients closed for bad input.",
		     d->control ? varlink_refused(d->control) : 0);
}

void metrics_write(struct turnd *d, struct wr *w)
{
	struct prom p = { .w = w };
	struct sums sums = { 0 };

	worker_each(d, sum_worker, &sums);
	write_turn(&p, &sums);
	write_drops(&p, &sums.turn);
	write_conns(&p, &sums);
	write_workers(&p, d, &sums);
	write_sockets(&p, d, &sums);
}

static void write_page(void *arg, struct wr *w)
{
	metrics_write(arg, w);
}

int metrics_open(struct turnd *d)
{
	struct addr at = d->conf.metrics_bind;

	at.port = d->conf.metrics_port;
	d->page = (struct prom_page){ write_page, d };
	return prom_serve(d->worker[0].loop, &at, &d->page, &d->metrics);
}
