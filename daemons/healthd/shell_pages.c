/* SPDX-License-Identifier: AGPL-3.0-only */
/* The siblings' metrics, asked for in the background, and what is served over HTTP: /metrics of the whole node, the status
 * page, /healthz. */
#include <stdio.h>
#include <stdlib.h>

#include "healthd/healthd.h"
#include "healthd/page/prom_merge.h"
#include "healthd/page/status_page.h"
#include "healthd/verdict/verdict.h"
#include "sys/conf_file.h"
#include "sys/log.h"
#include "sys/prom.h"

#define POLL_EVERY DUR_SEC(15)
#define LISTEN_EVERY DUR_SEC(30)
#define WHOLE_PAGE_MAX (5 * PROM_PAGE_MAX)
#define METRICS "io.oxpulse.Edge.Metrics"

/* --- the siblings --------------------------------------------------------------------------------------- */

static void forget(struct sibling_page *p)
{
	free(p->text);
	p->text = NULL;
	p->n = 0;
}

static void on_page(const struct varlink_answer *a, void *arg)
{
	struct sibling_page *p = arg;

	p->ask = NULL;
	forget(p);
	if (a->r < 0)
		return;
	p->text = malloc(PROM_PAGE_MAX);
	if (p->text && json_get_str(a->doc, a->params, "text", p->text, PROM_PAGE_MAX, &p->n) < 0)
		forget(p);
}

void pages_poll(void *arg)
{
	struct healthd *d = arg;

	for (int i = 0; i < DAEMON_MAX_; i++) {
		struct sibling_page *p = &d->page[i];
		char path[HEALTHD_PATH_MAX];

		if (i == DAEMON_FRONT || p->ask || !facts_path(path, d->conf.control_directory, ov_daemon_names[i]))
			continue;
		if (varlink_ask(d->loop, path, METRICS, span_of("", 0), d->conf.timeout, on_page, p, &p->ask) < 0)
			forget(p);
	}
	timer_set(d->page_timer, mono_add(loop_now(d->loop), POLL_EVERY));
}

void pages_cancel(struct healthd *d)
{
	for (int i = 0; i < DAEMON_MAX_; i++) {
		varlink_ask_cancel(d->page[i].ask);
		d->page[i].ask = NULL;
		forget(&d->page[i]);
	}
}

static struct span text_of(const struct sibling_page *p)
{
	return span_of(p->text ? p->text : "", p->n);
}

/* Bytes per second since the run before; a counter that went back is a daemon that began anew. */
static void relay_load(struct healthd *d, mono_t now)
{
	struct overview *v = &d->ov;
	uint64_t passed = mono_since(now, d->relay_before);

	v->relay_rate_known = d->relay_before.us && passed && v->relayed_bytes >= d->relay_bytes_before;
	if (v->relay_rate_known) {
		v->relay_rate = (v->relayed_bytes - d->relay_bytes_before) * US_PER_SEC / passed;
		history_add(&v->relay_24h, now, v->relay_rate);
	}
	d->relay_bytes_before = v->relayed_bytes;
	d->relay_before = now;
}

void pages_load(struct healthd *d)
{
	struct span sfud = text_of(&d->page[DAEMON_SFUD]), turnd = text_of(&d->page[DAEMON_TURND]);
	struct overview *v = &d->ov;
	mono_t now = loop_now(d->loop);

	v->calls_known = prom_sum(sfud, "sfu_active_rooms", &v->rooms) &&
			 prom_sum(sfud, "sfu_active_participants", &v->participants);
	if (v->calls_known)
		history_add(&v->participants_24h, now, v->participants);
	v->relay_known = prom_sum(turnd, "turn_allocations", &v->allocations) &&
			 prom_sum(turnd, "turn_relayed_bytes_total", &v->relayed_bytes);
	if (v->relay_known)
		relay_load(d, now);
}

/* --- /metrics ------------------------------------------------------------------------------------------- */

static bool take(struct healthd *d, struct prom_merge *m, struct span page, const char *whose)
{
	uint32_t line = 0;
	int r = page.n ? prom_merge_add(m, page, &line) : ERR_MISSING;

	if (r < 0 && r != ERR_MISSING) {
		d->stats.pages_refused++;
		log_notice("the metrics of %s are left out: line %u is not what Prometheus reads", whose, line);
	}
	return r == 0;
}

static void merge(struct healthd *d, struct prom_merge *m, char *own, char *refresh, struct wr *out)
{
	struct wr w = wr_from(own, PROM_PAGE_MAX);
	char path[HEALTHD_PATH_MAX];
	size_t n = 0;

	for (int i = 0; i < DAEMON_MAX_; i++)
		d->ov.daemon[i].page_ok = take(d, m, text_of(&d->page[i]), ov_daemon_names[i]);
	if (facts_path(path, d->conf.state_directory, "refresh.prom") &&
	    conf_file_read(path, refresh, PROM_PAGE_MAX, &n) == 0)
		take(d, m, span_of(refresh, n), path);
	d->stats.series_dropped += prom_merge_dropped(m);
	metrics_write(d, &w);
	take(d, m, wr_span_of(&w), "healthd");
	prom_merge_write(m, out);
}

static void on_metrics(const struct http_request *q, struct http_reply *ret, void *arg)
{
	struct prom_merge *m = prom_merge_new();
	char *own = malloc(PROM_PAGE_MAX), *refresh = malloc(PROM_PAGE_MAX);

	(void)q;
	ret->type = "text/plain; version=0.0.4";
	if (m && own && refresh)
		merge(arg, m, own, refresh, &ret->body);
	else
		ret->status = 503;
	prom_merge_free(m);
	free(own);
	free(refresh);
}

/* --- the other pages ------------------------------------------------------------------------------------ */

static const char *const page_headers[] = {
	"Content-Security-Policy: " STATUS_PAGE_CSP,
	"X-Content-Type-Options: nosniff",
	"Referrer-Policy: no-referrer",
	"Cache-Control: no-store",
	NULL,
};

static void on_status_page(const struct http_request *q, struct http_reply *ret, void *arg)
{
	struct healthd *d = arg;

	(void)q;
	ret->headers = page_headers;
	ret->type = "text/html; charset=utf-8";
	status_page_write(&d->ov, loop_now(d->loop), loop_wall(d->loop), &ret->body);
}

/* For monitors: 200 while people are served. */
static void on_healthz(const struct http_request *q, struct http_reply *ret, void *arg)
{
	struct healthd *d = arg;
	struct json_out o = json_out(&ret->body);
	struct verdict t;

	(void)q;
	verdict_node(&d->ov, loop_wall(d->loop), &t);
	ret->status = t.state == VERDICT_OK || t.state == VERDICT_WARN ? 200 : 503;
	ret->type = "application/json";
	jo_obj(&o);
	jo_key(&o, "verdict");
	jo_str(&o, span_str(verdict_str(t.state)));
	jo_key(&o, "problems");
	jo_arr(&o);
	for (uint32_t i = 0; i < t.n; i++)
		jo_str(&o, span_str(t.line[i].text));
	jo_arr_end(&o);
	jo_obj_end(&o);
	wr_str(&ret->body, "\n");
}

static const struct http_route routes[] = {
	{ "/", STATUS_PAGE_MAX, on_status_page },
	{ "/metrics", WHOLE_PAGE_MAX, on_metrics },
	{ "/healthz", 32 * 1024, on_healthz },
	{ 0 },
};

/* An address of the mesh comes when the mesh does: what cannot be bound now is tried again. */
void pages_listen(void *arg)
{
	struct healthd *d = arg;
	bool missing = false;

	for (uint32_t i = 0; i < d->conf.listen.n; i++) {
		char text[ADDR_TEXT_MAX];
		int r = d->http_at[i] ? 0 : http_small_open(d->loop, &d->conf.listen.a[i], routes, d, &d->http_at[i]);

		if (r < 0 && !d->listen_said[i])
			log_err(r,
				"status page on %s (another process on this port, or an address that is not there yet?); "
				"trying again every %u s",
				addr_fmt(&d->conf.listen.a[i], text), (unsigned)(LISTEN_EVERY / US_PER_SEC));
		if (r == 0 && d->listen_said[i])
			log_info("status page on %s", addr_fmt(&d->conf.listen.a[i], text));
		d->listen_said[i] = r < 0;
		missing |= r < 0;
	}
	timer_set(d->listen_timer, missing ? mono_add(loop_now(d->loop), LISTEN_EVERY) : MONO_NEVER);
}

void pages_close(struct healthd *d)
{
	for (uint32_t i = 0; i < CONF_LIST_MAX; i++) {
		http_small_close(d->http_at[i]);
		d->http_at[i] = NULL;
	}
}
