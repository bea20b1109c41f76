/* SPDX-License-Identifier: AGPL-3.0-only */
/* Bytes between sockets and the core: receive a batch, call, flush, re-file the deadline. Decides nothing. */
#include <signal.h>
#include <stdlib.h>

#include "sfud/sfud.h"
#include "sys/log.h"
#include "sys/notify.h"
#include "sys/rng_kernel.h"

#define RECV_ROUNDS 8              /* batches per turn, so that timers and signalling get theirs */
#define STOP_WAIT DUR_MS(400)      /* for the close frames of an orderly stop */

static void send_out(struct outbox *ob)
{
	struct sfud *d = ob->owner;

	udp_send(&d->udp, ob);
	if (!d->udp.gso && !d->gso_said) {
		log_notice("a route refuses UDP segmentation offload; sending packet by packet from now on");
		d->gso_said = true;
	}
}

/* The forwarding latency that this process causes: from the receive call's return to the send call's. */
static void send_and_measure(struct sfud *d, uint64_t before)
{
	uint64_t packets = d->sfu.stats.forwarded[0] + d->sfu.stats.forwarded[1] - before;

	if (d->out.n)
		send_out(&d->out);
	if (packets)
		hist_add(&d->sfu.stats.latency, &hist_latency, mono_since(loop_clock(), d->recv_at), packets);
}

static void on_udp(int fd, unsigned events, void *arg)
{
	struct sfud *d = arg;
	const struct udp_stats *stats = udp_mem_stats(d->udp_mem);

	(void)fd;
	(void)events;
	for (int round = 0; round < RECV_ROUNDS; round++) {
		uint64_t msgs = stats->recv_msgs;
		int n = udp_recv(&d->udp, d->dgrams);
		uint64_t before = d->sfu.stats.forwarded[0] + d->sfu.stats.forwarded[1];

		if (n <= 0)
			break;
		d->recv_at = loop_clock();
		for (int i = 0; i < n; i++)
			(void)sfu_input(&d->sfu, &d->dgrams[i].path, d->dgrams[i].p, d->dgrams[i].n, d->recv_at);
		sfu_flush(&d->sfu, d->recv_at);
		send_and_measure(d, before);
		/* A call that did not fill its batch emptied the socket: asking again would only hear so. */
		if (stats->recv_msgs - msgs < UDP_RX_MSGS && n < UDP_RX_DGRAMS)
			break;
	}
}

static void on_timer(void *arg)
{
	struct sfud *d = arg;

	sfu_tick(&d->sfu, loop_now(d->loop));
}

static void check_drained(struct sfud *d)
{
	if (d->stopping || mono_is_never(d->drain_by))
		return;
	if (d->sessions == 0 || mono_reached(loop_now(d->loop), d->drain_by)) {
		log_notice("drained; %u sessions left", d->sessions);
		raise(SIGTERM);
		d->drain_by = MONO_NEVER;
	}
}

static void turn_end(void *arg)
{
	struct sfud *d = arg;

	if (d->out.n)
		send_out(&d->out);
	if (d->sig.n)
		signal_deliver(&d->sig);
	check_drained(d);
	d->iterations++;
	timer_set(d->timer, mono_min(sfu_next(&d->sfu), d->drain_by));
}

static void on_stopped(void *arg)
{
	struct sfud *d = arg;

	loop_stop(d->loop);
}

static void on_stop(int signo, void *arg)
{
	struct sfud *d = arg;

	(void)signo;
	if (d->stopping)
		return;
	d->stopping = true;
	notify_stopping();
	log_info("stopping: %u sessions, %u members", d->sessions, d->sfu.members.live);
	sfu_shutdown(&d->sfu, loop_now(d->loop));
	timer_set(d->stop_timer, mono_add(loop_now(d->loop), d->sessions ? STOP_WAIT : 0));
}

int sfud_reload(struct sfud *d, struct wr *frozen)
{
	struct sfud_conf fresh = { 0 };
	int r = sfud_conf_load(d->conf_path, &fresh);

	if (r < 0)
		return r;
	sfud_conf_frozen(&d->conf, &fresh, frozen);
	fresh.media_port = d->conf.media_port;
	for (uint32_t i = 0; i < fresh.sfu.n_candidates; i++)
		fresh.sfu.candidate[i].port = d->udp.local.port;
	/* Pools keep their size; a raised cap needs a restart to be used in full. */
	if (fresh.max_participants > d->conf.max_participants && fresh.sfu.max_members > d->sfu.members.max) {
		fresh.max_participants = (d->sfu.members.max - 16) / 2;
		wr_str(frozen, wr_len(frozen) ? " Rooms.MaxParticipants" : "Rooms.MaxParticipants");
	}
	sfud_conf_done(&d->conf);
	d->conf = fresh;
	d->sfu.conf = fresh.sfu;
	log_set_level(fresh.level);
	log_info("configuration reloaded");
	return 0;
}

void sfud_drain(struct sfud *d, uint64_t limit)
{
	if (!mono_is_never(d->drain_by))
		return;
	d->drain_by = mono_add(loop_now(d->loop), limit);
	notify_status("draining: %u sessions", d->sessions);
	log_notice("draining: no new sessions; ends when the last of %u is gone", d->sessions);
}

static int open_media(struct sfud *d)
{
	const struct udp_conf c = { .bind = d->conf.media_bind, .rcvbuf = d->conf.receive_buffer,
				    .sndbuf = d->conf.send_buffer };
	char text[ADDR_TEXT_MAX];
	int r;

	d->udp_mem = udp_mem_new();
	if (!d->udp_mem)
		return log_err(ERR_NOMEM, "buffers of the media socket");
	r = udp_open(&d->udp, d->udp_mem, &c);
	if (r < 0)
		return log_err(r, "media socket on %s (another process on this port?)", addr_fmt(&c.bind, text));
	for (uint32_t i = 0; i < d->conf.sfu.n_candidates; i++)
		d->conf.sfu.candidate[i].port = d->udp.local.port;
	d->dtls_ctx = dtls_ctx_new();
	if (!d->dtls_ctx)
		return log_err(ERR_NOMEM, "making the DTLS certificate");
	r = sfu_init(&d->sfu, &d->conf.sfu, &d->rng, &dtls_mem_ops, d->dtls_ctx, dtls_ctx_fingerprint(d->dtls_ctx),
		     &d->out, &d->sig);
	if (r < 0)
		return log_err(r, "setting up rooms");
	d->sfu_ready = true;
	d->udp_watch = loop_watch(d->loop, d->udp.fd, LOOP_READ, on_udp, d);
	return d->udp_watch ? 0 : log_err(ERR_NOMEM, "watching the media socket");
}

static int open_loop(struct sfud *d)
{
	d->loop = loop_new();
	if (!d->loop)
		return log_err(ERR_NOMEM, "event loop");
	d->rng = rng_kernel();
	d->drain_by = MONO_NEVER;
	d->timer = loop_timer(d->loop, on_timer, d);
	d->stop_timer = loop_timer(d->loop, on_stopped, d);
	d->out_mem = malloc(OUT_BYTES);
	d->sig_mem = malloc(SIG_BYTES);
	if (!d->timer || !d->stop_timer || !d->out_mem || !d->sig_mem ||
	    loop_signal(d->loop, SIGTERM, on_stop, d) < 0 || loop_signal(d->loop, SIGINT, on_stop, d) < 0 ||
	    loop_signal(d->loop, SIGHUP, edge_control_hangup, &d->edge) < 0 || loop_turn_end(d->loop, turn_end, d) < 0)
		return log_err(ERR_NOMEM, "event loop");
	outbox_init(&d->out, d->out_msgs, OUT_MSGS, d->out_mem, OUT_BYTES, send_out, d);
	sigbox_init(&d->sig, d->sig_outs, SIG_MSGS, d->sig_mem, SIG_BYTES, signal_deliver, d);
	return 0;
}

int sfud_open(struct sfud *d)
{
	char media[ADDR_TEXT_MAX];
	int r = open_loop(d);

	if (r == 0)
		r = open_media(d);
	if (r == 0)
		r = signal_open(d);
	if (r == 0)
		r = metrics_open(d);
	if (r == 0)
		r = ctl_open(d);
	if (r == 0)
		r = notify_watchdog(d->loop);
	if (r < 0)
		return r;
	log_info("media on UDP %s, %u host candidates", addr_fmt(&d->udp.local, media), d->conf.sfu.n_candidates);
	return 0;
}

int sfud_loop(struct sfud *d)
{
	int r = loop_run(d->loop);

	return r < 0 ? log_err(r, "event loop") : 0;
}

void sfud_close(struct sfud *d)
{
	if (d->loop)
		loop_unwatch(d->udp_watch);
	varlink_close(d->control);
	if (d->metrics)
		http_small_close(d->metrics);
	signal_close(d);
	if (d->sfu_ready)
		sfu_done(&d->sfu);
	dtls_ctx_free(d->dtls_ctx);
	udp_close(&d->udp);
	udp_mem_free(d->udp_mem);
	loop_free(d->loop);
	free(d->out_mem);
	free(d->sig_mem);
	sfud_conf_done(&d->conf);
}
