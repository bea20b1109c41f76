/* SPDX-License-Identifier: AGPL-3.0-only */
/* The reports of a run (control plane 1.4), one after the other: the channels, the relay as "coturn", the peers. */
#include <stdio.h>

#include "healthd/healthd.h"
#include "sys/log.h"

#define SELF_TIMEOUT DUR_SEC(15)
#define PEER_TIMEOUT DUR_SEC(8)
#define RUN_MAX DUR_SEC(40) /* what is not sent by then is not sent: the next run is near */
#define POST_TURN OV_CHANNELS_MAX
#define POST_PEERS (OV_CHANNELS_MAX + 1)

static void next(struct healthd *d);

static struct ov_report *last_report(struct healthd *d)
{
	return &d->ov.run.report[d->ov.run.n_reports - 1];
}

static void on_answer(const struct http_answer *a, void *arg)
{
	struct healthd *d = arg;
	struct ov_report *r = last_report(d);
	enum report_verdict v;

	d->run.post = NULL;
	r->status = a->r < 0 ? 0 : a->status;
	v = report_judge(r->status);
	d->stats.reports[r->target[0] != '\0'][v]++;
	if (a->r < 0)
		snprintf(r->why, sizeof(r->why), "%s", a->why);
	if (v == REPORT_TAKEN)
		d->stats.reported_at = loop_wall(d->loop);
	else if (v == REPORT_REFUSED)
		log_warn("central refuses the report of %s%s%s with status %d: %s", r->name, r->target[0] ? " about " : "",
			 r->target, r->status,
			 r->target[0] ? "the cross-probe token or the roster is out of date; the daily refresh renews both"
				      : "the service token is not accepted; ask central's admin for partner-cli "
					"rotate-service-token");
	else
		log_info("report of %s not taken (%s, status %d): the next run tries again", r->name,
			 a->r < 0 ? a->why : "central is busy", r->status);
	next(d);
}

/* fn of a call that was never made */
static void not_sent(struct healthd *d, int r)
{
	const struct http_answer none = { .r = r, .why = "the request could not be made" };

	on_answer(&none, d);
}

static void send(struct healthd *d, const char *name, const char *target, const struct wr *body)
{
	const struct secret *token = target[0] ? &d->conf.cross_probe_token : &d->conf.token;
	struct ov_report *rep = &d->ov.run.report[d->ov.run.n_reports++];
	char url[CONF_TEXT_MAX + 40];
	struct http_ask q = {
		.method = "POST", .url = url, .bearer = token, .body = wr_span_of(body), .reply_max = 4096,
		.ca_file = d->conf.ca_file[0] ? d->conf.ca_file : NULL,
		.timeout_us = target[0] ? PEER_TIMEOUT : SELF_TIMEOUT,
	};
	int r;

	*rep = (struct ov_report){ 0 };
	snprintf(rep->name, sizeof(rep->name), "%s", name);
	snprintf(rep->target, sizeof(rep->target), "%s", target);
	snprintf(url, sizeof(url), "%s/api/partner/channel-health", d->conf.url);
	r = body->bad ? ERR_LIMIT : http_client_ask(d->http, &q, on_answer, d, &d->run.post);
	if (r < 0)
		not_sent(d, r);
}

/* --- what there is to say ------------------------------------------------------------------------------- */

static bool send_own(struct healthd *d, enum probed which)
{
	const struct ov_probe *p = &d->ov.probe[which];
	struct report_self q = {
		.node_id = d->conf.id, .probed_at = p->at, .rtt_us = p->us, .ok = p->ok, .version = EDGE_VERSION };
	uint8_t body[REPORT_BODY_MAX];
	struct wr w = wr_from(body, sizeof(body));
	char name[REPORT_NAME_MAX] = "coturn";

	if (!p->name[0] || !p->known || (which != PROBED_TURN && report_channel(p->name, name) < 0))
		return false;
	q.channel = name;
	if (which == PROBED_TURN) {
		q.mode = p->mode;
		q.reason = p->reason;
		q.skipped = d->turn_skipped;
	}
	report_self_write(&q, &w);
	send(d, name, "", &w);
	return true;
}

static bool send_peer(struct healthd *d, const struct peer_probe *p)
{
	const struct report_peer q = { .node_id = d->conf.id, .target = p->peer.id, .udp = p->udp, .probed_at = p->at,
				       .rtt_us = p->result.us, .ok = p->result.ok };
	uint8_t body[REPORT_BODY_MAX];
	struct wr w = wr_from(body, sizeof(body));

	if (!p->judged)
		return false;
	report_peer_write(&q, &w);
	send(d, p->udp ? "coturn-udp" : "coturn-tls", p->peer.id, &w);
	return true;
}

/* Sends what is next; false at the end. */
static bool send_next(struct healthd *d)
{
	while (d->run.next_post < POST_PEERS + d->run.n_peers) {
		uint32_t i = d->run.next_post++;

		if (i >= POST_PEERS ? send_peer(d, &d->run.peer[i - POST_PEERS]) :
		    i == POST_TURN  ? send_own(d, PROBED_TURN) :
				      send_own(d, (enum probed)(PROBED_CHANNEL + i)))
			return true;
	}
	return false;
}

static void next(struct healthd *d)
{
	if (mono_since(loop_now(d->loop), d->run.began) > RUN_MAX) {
		log_warn("reports took too long (central does not answer?): the rest of this run is not sent");
		run_posted(d);
	} else if (!send_next(d)) {
		run_posted(d);
	}
}

void post_begin(struct healthd *d)
{
	struct ov_run *run = &d->ov.run;

	d->run.next_post = 0;
	if (!d->conf.url[0])
		snprintf(run->not_reported, sizeof(run->not_reported), "Central.Url is not set: this node reports to nobody");
	else if (!d->conf.id[0])
		snprintf(run->not_reported, sizeof(run->not_reported), "Node.Id is not set: this node is not registered");
	else
		run->no_token = d->conf.token.n == 0;
	if (run->no_token)
		snprintf(run->not_reported, sizeof(run->not_reported),
			 "there is no service token (%.100s): register the node, or ask central's admin for partner-cli "
			 "rotate-service-token",
			 d->conf.token_file);
	if (run->not_reported[0]) {
		if (!d->token_said)
			log_notice("nothing is reported: %s", run->not_reported);
		d->token_said = true;
		run_posted(d);
		return;
	}
	next(d);
}

void post_cancel(struct healthd *d)
{
	http_call_cancel(d->run.post);
	d->run.post = NULL;
}
