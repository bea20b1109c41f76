/* SPDX-License-Identifier: AGPL-3.0-only */
/* Probes: one HTTP request over a stream of the channel, as any stream of it would be. */
#include <errno.h>

#include "sys/log.h"
#include "tunneld/shell_flow.h"

enum why why_of(int err)
{
	switch (err) {
	case 0:
		return WHY_NONE;
	case -ECONNREFUSED:
		return WHY_REFUSED;
	case -ETIMEDOUT:
		return WHY_TIMEOUT;
	case -ECONNRESET:
	case -EPIPE:
	case -ECONNABORTED:
		return WHY_RESET;
	case ERR_NOMEM:
	case -ENOMEM:
	case -ENOBUFS:
	case -EMFILE:
	case -ENFILE:
	case -EADDRNOTAVAIL:
	case -EAGAIN:
		return WHY_LOCAL;
	default:
		return WHY_UNREACHABLE; /* by a router or the firewall, whatever it says */
	}
}

struct probe {
	struct chan *c;
	struct timer *timer;
	struct channel_stream *s; /* NULL: at rest */
	bool joined;
	uint8_t request[HEALTH_REQUEST_MAX];
	struct wr w;
	size_t sent;
	mono_t asked;             /* the request was on its way */
	uint64_t rtt;             /* from then to the first byte of the answer */
	struct health health;
};

static void say(const struct chan *c, enum pool_change change, enum why why)
{
	if (change == POOL_WENT_UP)
		log_notice("channel %s is up", c->conf.name);
	else if (change == POOL_WENT_DOWN)
		log_warn("channel %s (%s) is down: %s", c->conf.name, c->conf.address, why_text(why));
}

/* The channel may be gone afterwards, if it had retired. */
static void verdict(struct probe *p, enum why why)
{
	struct chan *c = p->c;
	struct tunneld *d = c->d;
	enum pool_change change;

	if (p->s)
		p->s->type->close(p->s, why != WHY_NONE);
	p->s = NULL;
	timer_set(p->timer, MONO_NEVER);
	change = pool_probed(&d->pool, c->slot, why, p->rtt, loop_now(d->loop));
	say(c, change, why);
	if (change == POOL_WENT_DOWN)
		flows_reset(d, c->slot, why);
}

static void on_timer(void *arg)
{
	verdict(arg, WHY_TIMEOUT);
}

/* Until there is nothing to do now. A verdict: true. */
static bool answer(struct probe *p, enum why *ret)
{
	uint8_t buf[4096];

	for (;;) {
		ssize_t n = p->s->type->read(p->s, buf, sizeof(buf));

		if (n == -EAGAIN)
			return false;
		if (n == -EINTR)
			continue;
		if (n > 0 && p->rtt == 0)
			p->rtt = mono_since(loop_clock(), p->asked) + 1;
		if (n < 0)
			*ret = why_of((int)n);
		else if (n == 0)
			*ret = health_end(&p->health);
		if (n <= 0 || health_input(&p->health, span_of(buf, (size_t)n), ret))
			return true;
	}
}

static bool ask(struct probe *p, enum why *ret)
{
	struct span out = wr_span_of(&p->w);

	while (p->sent < out.n) {
		ssize_t n = p->s->type->write(p->s, out.p + p->sent, out.n - p->sent);

		if (n == -EAGAIN)
			return false;
		if (n < 0 && n != -EINTR) {
			*ret = why_of((int)n);
			return true;
		}
		p->sent += n > 0 ? (size_t)n : 0;
		p->asked = loop_clock();
	}
	return false;
}

static void go_on(struct probe *p)
{
	enum why why;

	if (ask(p, &why) || (p->sent == wr_span_of(&p->w).n && answer(p, &why)))
		verdict(p, why);
}

static void on_opened(void *arg, int err, unsigned events)
{
	struct probe *p = arg;

	(void)events;
	p->joined = err == 0;
	if (err < 0)
		verdict(p, why_of(err));
	else
		go_on(p);
}

static void on_ready(void *arg, unsigned events)
{
	struct probe *p = arg;

	(void)events;
	if (p->joined)
		go_on(p);
}

static struct probe *probe_of(struct chan *c)
{
	struct probe *p = c->probe;

	if (p)
		return p;
	p = mem_alloc(sizeof(*p));
	if (!p)
		return NULL;
	p->c = c;
	p->timer = loop_timer(c->d->loop, on_timer, p);
	if (!p->timer) {
		mem_free(p);
		return NULL;
	}
	c->probe = p;
	return p;
}

void probe_begin(struct chan *c)
{
	static const struct channel_user user = { .opened = on_opened, .ready = on_ready };
	const struct tunneld_conf *conf = &c->d->conf;
	mono_t now = loop_now(c->d->loop);
	struct probe *p = probe_of(c);
	int r;

	if (!p) {
		(void)pool_probed(&c->d->pool, c->slot, WHY_LOCAL, 0, now);
		return;
	}
	p->joined = false;
	p->sent = 0;
	p->rtt = 0;
	health_begin(&p->health);
	p->w = wr_from(p->request, sizeof(p->request));
	(void)health_request(&p->w, span_str(conf->health_host), span_str(conf->health_path)); /* checked with the configuration */
	r = c->conf.type->open(c->impl, &user, p, &p->s);
	if (r < 0)
		verdict(p, why_of(r));
	else
		timer_set(p->timer, mono_add(now, conf->health_timeout));
}

void probe_free(struct chan *c)
{
	struct probe *p = c->probe;

	if (!p)
		return;
	if (p->s)
		p->s->type->close(p->s, true);
	timer_free(p->timer);
	mem_free(p);
	c->probe = NULL;
}
