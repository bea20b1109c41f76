/* SPDX-License-Identifier: AGPL-3.0-only */
/* The one root object of the daemon; only main.c and shell*.c include it. */
#ifndef SFUD_SFUD_H
#define SFUD_SFUD_H

#include "sfud/room/sfu.h"
#include "sfud/sfud_conf.h"
#include "sfud/shell_ws.h"
#include "sfud/transport/dtls_mem.h"
#include "sys/edge_control.h"
#include "sys/prom.h"
#include "sys/udp.h"

#define OUT_MSGS 128
#define OUT_BYTES (128 * 1024) /* stays in a core's cache; four times as much made nothing faster */
#define SIG_MSGS 128
#define SIG_BYTES (1024 * 1024)

enum ws_refusal { WS_MISSING_TOKEN, WS_ROOM_MISMATCH, WS_EXPIRED_TOKEN, WS_INVALID_TOKEN, WS_REFUSAL_MAX_ };

struct ws_session; /* one signalling WebSocket; shell_signal.c */

struct signal_stats {
	uint64_t started, refused[WS_REFUSAL_MAX_], at_capacity, draining;
	uint64_t verified[3]; /* by enum jwt_alg */
	uint64_t ended[8];    /* by close code: see shell_metrics.c */
	struct hist duration; /* hist_session */
};

struct sfud {
	struct sfud_conf conf;
	const char *conf_path;
	struct loop *loop;
	struct rng rng;
	struct udp_mem *udp_mem;
	struct udp udp;
	struct watch *udp_watch;
	struct timer *timer;
	struct dgram dgrams[UDP_RX_DGRAMS];
	struct out_msg out_msgs[OUT_MSGS];
	uint8_t *out_mem, *sig_mem;
	struct sig_out sig_outs[SIG_MSGS];
	struct outbox out;
	struct sigbox sig;
	struct dtls_ctx *dtls_ctx;
	struct sfu sfu;
	bool sfu_ready, gso_said;
	struct ws_server *ws;
	struct ws_session **by_slot; /* the session of the member in that slot */
	uint32_t sessions;
	struct signal_stats signal;
	struct http_small *metrics;
	struct prom_page page;
	struct varlink *control;
	struct edge_control edge;
	mono_t drain_by;          /* MONO_NEVER while serving */
	mono_t recv_at;           /* when the datagrams in flight were received */
	uint64_t iterations;
	bool stopping;
	struct timer *stop_timer;
};

/* shell.c. Every function that returns an error has logged it. */
int sfud_open(struct sfud *d);
int sfud_loop(struct sfud *d);
void sfud_close(struct sfud *d);
void sfud_drain(struct sfud *d, uint64_t limit);
/* New configuration from the same files; writes the keys that need a restart into frozen. ERR_MALFORMED: nothing
 * changed. */
int sfud_reload(struct sfud *d, struct wr *frozen);

/* shell_signal.c */
int signal_open(struct sfud *d);
void signal_close(struct sfud *d);
void signal_deliver(struct sigbox *sb);

/* shell_metrics.c */
void metrics_write(const struct sfud *d, struct wr *w);
int metrics_open(struct sfud *d);

/* shell_ctl.c */
int ctl_open(struct sfud *d);

#endif
