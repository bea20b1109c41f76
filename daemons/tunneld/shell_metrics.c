/* SPDX-License-Identifier: AGPL-3.0-only */
/* The Prometheus page. No label has values that strangers choose: channels are named by the configuration. A channel that has
 * retired is in the sums only, because another may have its name. */
#include "tunneld/tunneld.h"

static const struct prom_label no_label;
static const char *const directions[] = { "out", "in" };

static bool next(const struct tunneld *d, uint32_t *at, const struct chan **ret)
{
	while (*at < POOL_SLOTS) {
		const struct chan *c = &d->chan[(*at)++];

		if (!c->impl || d->pool.ch[c->slot].retired)
			continue;
		*ret = c;
		return true;
	}
	return false;
}

static struct prom_label name_of(const struct chan *c)
{
	return (struct prom_label){ "channel", c->conf.name };
}

static uint64_t is_up(const struct pool_channel *p)
{
	return p->state == POOL_UP;
}

static uint64_t is_known(const struct pool_channel *p)
{
	return p->state != POOL_UNKNOWN;
}

static uint64_t is_suspect(const struct pool_channel *p)
{
	return p->suspect;
}

static uint64_t rtt_last(const struct pool_channel *p)
{
	return p->rtt;
}

static uint64_t rtt_smooth(const struct pool_channel *p)
{
	return p->rtt_smooth;
}

static uint64_t streams_total(const struct pool_channel *p)
{
	return p->n.streams;
}

static uint64_t failovers(const struct pool_channel *p)
{
	return p->n.failovers;
}

static uint64_t resets(const struct pool_channel *p)
{
	return p->n.resets;
}

static uint64_t connect_max(const struct pool_channel *p)
{
	return p->n.connect_us_max;
}

static void write_simple(struct prom *p, const struct tunneld *d)
{
	static const struct {
		const char *name, *type, *help;
		uint64_t (*of)(const struct pool_channel *p);
		void (*sample)(struct prom *p, const char *name, struct prom_label a, struct prom_label b, uint64_t v);
	} rows[] = {
		{ "tunnel_channel_up", "gauge", "The channel is up: its latest probes passed.", is_up, prom_sample },
		{ "tunnel_channel_known", "gauge", "Enough probes have ended to tell.", is_known, prom_sample },
		{ "tunnel_channel_suspect", "gauge", "A stream could not connect through it lately.", is_suspect, prom_sample },
		{ "tunnel_rtt_seconds", "gauge", "From the latest probe's request to its answer.", rtt_last, prom_sample_us },
		{ "tunnel_rtt_smooth_seconds", "gauge", "The same, smoothed.", rtt_smooth, prom_sample_us },
		{ "tunnel_streams_total", "counter", "Streams connected through the channel.", streams_total, prom_sample },
		{ "tunnel_failovers_total", "counter", "Of these, after a better channel had failed or was slow.",
		  failovers, prom_sample },
		{ "tunnel_resets_total", "counter", "Streams that ended because the channel went down.", resets, prom_sample },
		{ "tunnel_connect_max_seconds", "gauge", "The longest a stream waited to be connected through it.",
		  connect_max, prom_sample_us },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct chan *c;

		prom_head(p, rows[i].name, rows[i].type, rows[i].help);
		for (uint32_t at = 0; next(d, &at, &c);)
			rows[i].sample(p, rows[i].name, name_of(c), no_label, rows[i].of(&d->pool.ch[c->slot]));
	}
}

static void write_reasons(struct prom *p, const struct tunneld *d)
{
	static const char *const failed = "tunnel_connect_failed_total", *const probes = "tunnel_probes_total";
	const struct chan *c;

	prom_head(p, failed, "counter", "Attempts of streams to connect that came to nothing, by reason.");
	for (uint32_t at = 0; next(d, &at, &c);) {
		for (enum why w = WHY_NONE + 1; w < WHY_CUT; w++)
			prom_sample(p, failed, name_of(c), (struct prom_label){ "reason", why_str(w) },
				    d->pool.ch[c->slot].n.connect_failed[w]);
	}
	prom_head(p, probes, "counter", "Probes that ended, by result.");
	for (uint32_t at = 0; next(d, &at, &c);) {
		for (enum why w = WHY_NONE; w < WHY_MAX_; w++)
			prom_sample(p, probes, name_of(c), (struct prom_label){ "result", why_str(w) },
				    d->pool.ch[c->slot].n.probes[w]);
	}
}

static void write_uses(struct prom *p, const struct tunneld *d)
{
	static const char *const streams = "tunnel_streams", *const accepted = "tunnel_accepted_total";
	const struct chan *c;

	prom_head(p, streams, "gauge", "Streams of a channel, those that connect included, by the socket they came in by.");
	for (uint32_t at = 0; next(d, &at, &c);) {
		for (unsigned use = 0; use <= ORDER_MAX_; use++)
			prom_sample(p, streams, name_of(c), (struct prom_label){ "socket", order_str(use) },
				    d->pool.ch[c->slot].open[use]);
	}
	prom_head(p, accepted, "counter", "Connections accepted, by socket.");
	for (unsigned use = 0; use <= ORDER_MAX_; use++)
		prom_sample(p, accepted, (struct prom_label){ "socket", order_str(use) }, no_label, d->n.accepted[use]);
}

static void write_bytes(struct prom *p, const struct tunneld *d)
{
	static const char *const name = "tunnel_bytes_total";
	const struct prom_label none = p->all;
	const struct chan *c;

	prom_head(p, name, "counter", "Bytes, from central (in) and to central (out), by channel and socket.");
	for (uint32_t at = 0; next(d, &at, &c);) {
		p->all = name_of(c);
		for (unsigned use = 0; use <= ORDER_MAX_; use++) {
			for (size_t dir = 0; dir < 2; dir++)
				prom_sample(p, name, (struct prom_label){ "socket", order_str(use) },
					    (struct prom_label){ "direction", directions[dir] },
					    d->pool.ch[c->slot].n.bytes[use][dir]);
		}
	}
	p->all = none;
}

void metrics_write(struct tunneld *d, struct wr *w)
{
	static const char *const reasons[REFUSED_MAX_] = { [REFUSED_DOWN] = "down", [REFUSED_CONNECT] = "connect",
							   [REFUSED_LIMIT] = "limit", [REFUSED_DRAINING] = "draining",
							   [REFUSED_MEMORY] = "memory" };
	struct prom p = { .w = w };
	uint64_t retired = 0;

	for (uint32_t i = 0; i < POOL_SLOTS; i++)
		retired += d->pool.ch[i].retired ? pool_open(&d->pool, i) : 0;
	write_simple(&p, d);
	write_reasons(&p, d);
	write_uses(&p, d);
	write_bytes(&p, d);
	prom_family(&p, "tunnel_refused_total", "Connections closed without a channel.", "reason", reasons, d->n.refused,
		    REFUSED_MAX_);
	prom_gauge(&p, "tunnel_retired_streams", "Streams of channels that the configuration no longer has.", retired);
	prom_counter(&p, "tunnel_ended_total", "Streams that both ends ended.", d->n.ended);
	prom_counter(&p, "tunnel_aborted_total", "Streams that one end broke off, or that a channel took along.", d->n.aborted);
	prom_counter(&p, "tunnel_spliced_bytes_total", "Bytes that were not copied on their way.", d->n.spliced);
	prom_gauge(&p, "tunnel_blocks", "Blocks of memory that hold bytes on their way.", d->blocks.large + d->blocks.small);
	prom_counter(&p, "tunnel_control_refused_total", "Control clients closed for bad input.",
		     d->control ? varlink_refused(d->control) : 0);
}

static void write_page(void *arg, struct wr *w)
{
	metrics_write(arg, w);
}

int metrics_open(struct tunneld *d)
{
	struct addr at = d->conf.metrics_bind;

	at.port = d->conf.metrics_port;
	d->page = (struct prom_page){ write_page, d };
	return prom_serve(d->loop, &at, &d->page, &d->metrics);
}
