/* SPDX-License-Identifier: AGPL-3.0-only */
/* Counters of the core, plain numbers that only grow; shell_metrics.c gives them their names. */
#ifndef SFUD_STATS_H
#define SFUD_STATS_H

#include "base/hist.h"
#include "sfud/drop.h"
#include "sfud/media/layer.h"
#include "sfud/transport/transport.h"

enum reneg_outcome { RENEG_OK, RENEG_ERR, RENEG_TIMEOUT, RENEG_WS_CLOSED, RENEG_STATE_MISMATCH, RENEG_MAX_ };
enum offer_outcome { OFFER_OK, OFFER_TIMEOUT, OFFER_WS_CLOSED, OFFER_JSON_ERR, OFFER_SDP_ERR, OFFER_MAX_ };

struct sfu_stats {
	uint64_t drops[DROP_MAX_];
	uint64_t forwarded[2], forwarded_bytes[2]; /* audio, video */
	uint64_t received[2], received_bytes[2];
	uint64_t rtx_sent, nacks_in, nacks_out, plis_in, firs_in, plis_out, lost;
	uint64_t layer_packets[LAYERS_MAX + 1]; /* q, h, f, no layer */
	uint64_t connects, disconnects, replaced, resumed, solo_kicked;
	uint64_t ends[TRANSPORT_END_CLOSED + 1];
	uint64_t offers[OFFER_MAX_], answers_sent;
	uint64_t reneg_sent[2], reneg_answers[RENEG_MAX_]; /* sent: audio, video */
	uint64_t map_sent[2];            /* without, with peers */
	uint64_t msid_written[2];        /* answers' lines without, with an msid of the client's */
	uint64_t subs_wired[2];          /* refused, wired */
	uint64_t sub_moves[3][3];        /* subscription state from, to */
	uint64_t ice[TRANSPORT_STATE_MAX_];
	uint64_t bwe_hints, bwe_hints_early;
	uint64_t text_ignored, text_bad;
	uint64_t session_odd_event; /* an event that a session's state table has no cell for */
	uint64_t odd_event[TRANSPORT_STATE_MAX_]; /* of ended transports: events their state table has no cell for */
	struct hist latency; /* hist_latency: receive to send, filled by the shell */
};

#endif
