/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * The Prometheus page. Names are those of the existing system, doubled prefixes included, so that dashboards keep
 * working; per-peer series are left out on purpose: their labels grew without bound there, and
 * io.oxpulse.Sfu.ListRooms tells more.
 */
#include "sfud/sfud.h"
static const struct prom_label no_label;

static void write_rooms(const struct sfud *d, struct prom *p)
{
	const struct sfu_stats *s = &d->sfu.stats;

	prom_gauge(p, "sfu_active_rooms", "Rooms with at least one member.", d->sfu.rooms.live);
	prom_gauge(p, "sfu_active_participants", "Members of all rooms.", d->sfu.members.live);
	prom_counter(p, "sfu_client_connect_total", "Members whose media connected.", s->connects);
	prom_counter(p, "sfu_client_disconnect_total", "Members whose media ended.", s->disconnects);
	prom_counter(p, "sfu_session_replaced_total", "Sessions closed by a newer one of the same sub.", s->replaced);
	prom_counter(p, "sfu_session_resumed_total", "Calls kept over a lost WebSocket.", s->resumed);
	prom_counter(p, "sfu_sfu_solo_room_kicked_total", "Members disconnected because they were alone.", s->solo_kicked);
}

static void write_media(const struct sfud *d, struct prom *p)
{
	static const char *const kinds[] = { "audio", "video" };
	static const char *const layers[] = { "q", "h", "f", "other" };
	const struct sfu_stats *s = &d->sfu.stats;

	prom_family(p, "sfu_forwarded_packets_total", "Packets sent to subscribers.", "kind", kinds, s->forwarded, 2);
	prom_family(p, "sfu_forwarded_bytes_total", "Their RTP bytes.", "kind", kinds, s->forwarded_bytes, 2);
	prom_family(p, "sfu_received_packets_total", "Packets received from publishers.", "kind", kinds, s->received, 2);
	prom_family(p, "sfu_received_bytes_total", "Their RTP bytes.", "kind", kinds, s->received_bytes, 2);
	prom_family(p, "sfu_layer_selection_total", "Forwarded packets by simulcast layer.", "layer", layers,
	       s->layer_packets, 4);
	prom_counter(p, "sfu_rtx_sent_total", "Retransmissions sent to subscribers.", s->rtx_sent);
	prom_counter(p, "sfu_nacks_received_total", "NACK packets of subscribers.", s->nacks_in);
	prom_counter(p, "sfu_nacks_sent_total", "NACK packets to publishers.", s->nacks_out);
	prom_counter(p, "sfu_plis_received_total", "Picture loss indications of subscribers.", s->plis_in);
	prom_counter(p, "sfu_firs_received_total", "Full intra requests of subscribers.", s->firs_in);
	prom_counter(p, "sfu_plis_sent_total", "Picture loss indications to publishers.", s->plis_out);
	prom_counter(p, "sfu_packets_lost_total", "Packets of publishers never recovered.", s->lost);
	prom_histogram(p, "sfu_forward_latency_seconds", "From receive to send, inside this process.", &s->latency,
		  &hist_latency);
}

static void write_drops(const struct sfud *d, struct prom *p)
{
	static const char *const name = "sfu_drops_total";

	prom_head(p, name, "counter", "Datagrams, packets and feedback that went no further, by reason.");
	for (int i = DROP_NONE + 1; i < DROP_MAX_; i++)
		prom_sample(p, name, (struct prom_label){ "reason", drop_str((enum drop)i) }, no_label, d->sfu.stats.drops[i]);
}

static void write_signal(const struct sfud *d, struct prom *p)
{
	static const char *const refusals[] = { "missing_token", "room_mismatch", "expired_token", "invalid_token" };
	static const char *const codes[] = { "1000", "1001", "4001", "4002", "4003", "4031", "other" };
	static const char *const offers[] = { "ok", "timeout", "ws_closed", "json_err", "sdp_err" };
	static const char *const algs[] = { "hs256", "eddsa" };
	static const char *const full[] = { "at_capacity", "draining" };
	const struct sfu_stats *s = &d->sfu.stats;
	const uint64_t rejected[] = { d->signal.at_capacity, d->signal.draining };

	prom_gauge(p, "sfu_client_ws_disabled", "1: no key for room tokens, nobody can join.", d->ws == NULL);
	prom_gauge(p, "sfu_client_ws_active_sessions", "Open signalling sessions.", d->sessions);
	prom_counter(p, "sfu_client_ws_sessions_started_total", "Signalling sessions opened.", d->signal.started);
	prom_family(p, "sfu_client_ws_handshake_failures_total", "Refused upgrades.", "reason", refusals, d->signal.refused,
	       WS_REFUSAL_MAX_);
	prom_family(p, "sfu_client_ws_offer_processed_total", "First offers.", "outcome", offers, s->offers, OFFER_MAX_);
	prom_counter(p, "sfu_client_ws_answer_sent_total", "Answers to first offers.", s->answers_sent);
	prom_family(p, "sfu_client_ws_session_ended_total", "Ended sessions by close code.", "close_code", codes,
	       d->signal.ended, 7);
	prom_histogram(p, "sfu_client_ws_session_duration_seconds", "Length of signalling sessions.", &d->signal.duration,
		  &hist_session);
	prom_family(p, "sfu_sfu_admission_rejected_total", "Sessions refused with 503.", "reason", full, rejected, 2);
	prom_family(p, "sfu_relay_jwt_verify_total", "Tokens that verified.", "algorithm", algs, d->signal.verified + 1, 2);
	prom_counter(p, "sfu_sfu_bwe_hint_received_total", "bwe-hint messages counted.", s->bwe_hints);
	prom_counter(p, "sfu_sfu_bwe_hint_throttled_total", "bwe-hint messages that came too early.", s->bwe_hints_early);
	prom_counter(p, "sfu_client_ws_messages_ignored_total", "Messages of no known kind.", s->text_ignored);
	prom_counter(p, "sfu_client_ws_messages_bad_total", "Messages that were not valid JSON.", s->text_bad);
}

static void write_wire(const struct sfud *d, struct prom *p)
{
	static const char *const kinds[] = { "audio", "video" };
	static const char *const outcomes[] = { "ok", "err", "timeout", "ws_closed", "state_mismatch" };
	static const char *const booleans[] = { "false", "true" };
	static const char *const ice[] = { "new", "checking", "connected", "disconnected" };
	static const char *const results[] = { "no_track", "wired" };
	static const char *const ends[] = { "none", "setup", "consent", "dtls", "closed" };
	const struct sfu_stats *s = &d->sfu.stats;
	const struct ws_counters ws = d->ws ? ws_server_counters(d->ws) : (struct ws_counters){ 0 };

	prom_family(p, "sfu_sfu_renegotiation_offers_sent_total", "Offers of a track.", "kind", kinds, s->reneg_sent, 2);
	prom_family(p, "sfu_sfu_renegotiation_answers_total", "What became of them.", "outcome", outcomes, s->reneg_answers,
	       RENEG_MAX_);
	prom_family(p, "sfu_sfu_subscription_setup_total", "Subscriptions; no_track: no common codec, or a limit.", "result",
	       results, s->subs_wired, 2);
	prom_family(p, "sfu_tracks_map_sent_total", "tracks_map messages.", "has_peers", booleans, s->map_sent, 2);
	prom_family(p, "sfu_sdp_msid_injected_total", "Media lines of answers.", "has_msid", booleans, s->msid_written, 2);
	prom_family(p, "sfu_ice_state_total", "Transport states entered.", "state", ice, s->ice, TRANSPORT_STATE_MAX_);
	prom_family(p, "sfu_transport_odd_events_total", "Events that the state of an ended transport did not expect.",
	       "state", ice, s->odd_event, TRANSPORT_STATE_MAX_);
	prom_family(p, "sfu_transport_ended_total", "Transports that ended by themselves.", "reason", ends, s->ends,
	       ARRAY_LEN(ends));
	prom_counter(p, "sfu_client_ws_connections_refused_total", "TCP connections closed at once: as many as may be are open.",
		ws.connections_refused);
	prom_counter(p, "sfu_client_ws_protocol_errors_total", "Sockets closed for breaking RFC 6455 or the size limit.",
		ws.protocol_errors);
	prom_counter(p, "sfu_client_ws_binary_ignored_total", "Binary messages ignored.", ws.binary);
	prom_counter(p, "sfu_client_ws_bad_requests_total", "Upgrade requests that were not HTTP.", ws.bad_heads);
	prom_counter(p, "sfu_client_ws_slow_requests_total", "Upgrade requests that took too long.", ws.slow_heads);
}

static void write_tracks(const struct sfud *d, struct prom *p)
{
	static const char *const name = "sfu_sfu_track_out_state_transitions_total";
	static const char *const states[] = { "to_open", "negotiating", "open" };

	prom_counter(p, "sfu_session_odd_events_total", "Events that the state of a session did not expect.",
		d->sfu.stats.session_odd_event);
	prom_head(p, name, "counter", "State changes of subscriptions.");
	for (size_t from = 0; from < ARRAY_LEN(states); from++)
		for (size_t to = 0; to < ARRAY_LEN(states); to++) {
			if (from == to)
				continue;
			prom_sample(p, name, (struct prom_label){ "from", states[from] },
				    (struct prom_label){ "to", states[to] }, d->sfu.stats.sub_moves[from][to]);
		}
}

static void write_sockets(const struct sfud *d, struct prom *p)
{
	static const char *const name = "sfu_udp_send_failed_total";
	const struct udp_stats *s = udp_mem_stats(d->udp_mem);

	prom_head(p, name, "counter", "Datagrams that the kernel did not take.");
	for (int i = 0; i < UDP_ERR_MAX_; i++)
		prom_sample(p, name, (struct prom_label){ "error_kind", udp_err_str((enum udp_err)i) }, no_label, s->failed[i]);
	prom_counter(p, "sfu_udp_sent_datagrams_total", "Datagrams sent.", s->sent_dgrams);
	prom_counter(p, "sfu_udp_sent_messages_total", "Segmented messages they went out in.", s->sent_msgs);
	prom_counter(p, "sfu_udp_received_datagrams_total", "Datagrams received.", s->recv_dgrams);
	prom_counter(p, "sfu_udp_truncated_total", "Datagrams dropped for their size.", s->truncated);
	prom_gauge(p, "sfu_udp_gso", "1: sends with segmentation offload.", d->udp.gso);
	prom_counter(p, "sfu_udp_loop_iterations_total", "Turns of the event loop.", d->iterations);
	prom_counter(p, "sfu_control_refused_total", "Control clients closed for bad input.",
		d->control ? varlink_refused(d->control) : 0);
}

void metrics_write(const struct sfud *d, struct wr *w)
{
	struct prom p = { w, { "edge_id", d->conf.edge_id } };

	write_rooms(d, &p);
	write_media(d, &p);
	write_drops(d, &p);
	write_signal(d, &p);
	write_wire(d, &p);
	write_tracks(d, &p);
	write_sockets(d, &p);
}

static void write_page(void *arg, struct wr *w)
{
	metrics_write(arg, w);
}

int metrics_open(struct sfud *d)
{
	d->page = (struct prom_page){ write_page, d };
	return prom_serve(d->loop, &d->conf.metrics_bind, &d->page, &d->metrics);
}
