/* SPDX-License-Identifier: AGPL-3.0-only */
#include "tunneld/shell_flow.h"

#include <unistd.h>

#define LOOK DUR_MS(500)

static void refuse(struct tunneld *d, int fd, enum refusal why)
{
	d->n.refused[why]++;
	close(fd);
}

/* --- dialing --------------------------------------------------------------------------------------------- */

static struct chan *chan_of(const struct flow *f, uint32_t i)
{
	return &f->d->chan[f->race.cand.slot[i]];
}

/* The channel may be gone afterwards, if it had retired. */
static void attempt_end(struct flow *f, uint32_t i)
{
	struct attempt *a = &f->attempt[i];

	if (!a->s)
		return;
	a->s->type->close(a->s, true);
	a->s = NULL;
	chan_left(chan_of(f, i), f->use);
}

static void attempt_failed(struct flow *f, uint32_t i, enum why why)
{
	struct tunneld *d = f->d;

	pool_failed(&d->pool, f->race.cand.slot[i], why, loop_now(d->loop));
	race_failed(&f->race, i);
	attempt_end(f, i);
}

static void on_opened(void *arg, int err, unsigned events);
static void on_ready(void *arg, unsigned events);

static const struct channel_user user = { .opened = on_opened, .ready = on_ready };

static void attempt_begin(struct flow *f, uint32_t i)
{
	struct chan *c = chan_of(f, i);
	int r;

	if (!c->impl || f->d->pool.ch[c->slot].retired) { /* by a reload since */
		race_failed(&f->race, i);
		return;
	}
	f->attempt[i].f = f;
	r = c->conf.type->open(c->impl, &user, &f->attempt[i], &f->attempt[i].s);
	if (r < 0) {
		pool_failed(&f->d->pool, c->slot, why_of(r), loop_now(f->d->loop));
		race_failed(&f->race, i);
		return;
	}
	pool_opened(&f->d->pool, c->slot, f->use);
}

static void give_up(struct flow *f, enum why why)
{
	for (uint32_t i = 0; i < f->race.begun; i++) {
		if (f->attempt[i].s)
			attempt_failed(f, i, why);
	}
	f->d->n.refused[why == WHY_LOCAL ? REFUSED_MEMORY : REFUSED_CONNECT]++;
	flow_close(f, false);
}

static void dial_on(struct flow *f)
{
	mono_t now = loop_now(f->d->loop);
	int i;

	while ((i = race_begin(&f->race, now)) >= 0)
		attempt_begin(f, (uint32_t)i);
	if (race_over(&f->race, now))
		give_up(f, WHY_TIMEOUT);
	else if (dq_set(&f->d->dials, &f->due, race_next(&f->race)) < 0)
		give_up(f, WHY_LOCAL);
}

void flow_accept(struct tunneld *d, int fd, unsigned use, int only)
{
	struct pool_list cand = { .n = 1, .slot = { (uint8_t)only } };
	struct handle self;
	struct flow *f;

	d->n.accepted[use]++;
	if (!mono_is_never(d->drain_by) || d->stopping) {
		refuse(d, fd, REFUSED_DRAINING);
		return;
	}
	if (only < 0)
		pool_choose(&d->pool, (enum order)use, &cand);
	if (cand.n == 0) {
		refuse(d, fd, REFUSED_DOWN);
		return;
	}
	f = slab_new(&d->flows, &self);
	if (!f) {
		refuse(d, fd, d->flows.live >= d->flows.max ? REFUSED_LIMIT : REFUSED_MEMORY);
		return;
	}
	f->d = d;
	f->self = self;
	f->use = use;
	f->client = fd;
	race_init(&f->race, &cand, d->conf.connect_timeout, loop_now(d->loop));
	dial_on(f);
}

void flow_tick(struct tunneld *d, mono_t now)
{
	struct dq_node *n;

	while ((n = dq_first(&d->dials)) && mono_reached(now, n->at))
		dial_on(CONTAINER_OF(n, struct flow, due));
}

/* --- joined ---------------------------------------------------------------------------------------------- */

static void run(struct flow *f)
{
	struct tunneld *d = f->d;

	switch (relay_run(f)) {
	case RELAY_ENDED:
		flow_close(f, false);
		break;
	case RELAY_BROKEN:
		flow_close(f, true);
		break;
	case RELAY_AGAIN:
		if (f->in_again)
			break;
		f->in_again = true;
		f->again_next = d->again;
		d->again = f;
		timer_set(d->again_timer, loop_now(d->loop));
		break;
	case RELAY_ON:
		if (!d->looking && (f->side[SIDE_CLIENT].unsure || f->side[SIDE_CHANNEL].unsure)) {
			d->looking = true;
			timer_set(d->look_timer, mono_add(loop_now(d->loop), LOOK));
		}
		break;
	}
}

void flows_look(void *tunneld)
{
	struct tunneld *d = tunneld;
	struct handle h;
	struct flow *f;

	d->looking = false;
	for (uint32_t at = 0; (f = slab_next(&d->flows, &at, &h));) {
		bool any = false;

		for (int i = 0; f->chan && i < 2; i++) {
			struct side *s = &f->side[i];

			any |= s->unsure;
			s->readable |= s->unsure;
			s->ending |= s->unsure;
		}
		if (any && !f->in_again)
			run(f);
	}
}

void flows_again(void *tunneld)
{
	struct tunneld *d = tunneld;
	struct flow *list = d->again;

	d->again = NULL;
	while (list) {
		struct flow *f = list;

		list = f->again_next;
		f->in_again = false;
		run(f);
	}
}

static void news(struct flow *f, int side, unsigned events)
{
	struct side *s = &f->side[side];

	s->readable |= (events & CHAN_READ) != 0;
	s->writable |= (events & CHAN_WRITE) != 0;
	s->ending |= (events & CHAN_END) != 0;
	if (!f->in_again)
		run(f);
}

/* What a watch tells can be passed on as it is: here, and by channels that are descriptors. */
_Static_assert(LOOP_READ == (int)CHAN_READ && LOOP_WRITE == (int)CHAN_WRITE && LOOP_END == (int)CHAN_END, "channel.h");

static void on_client(int fd, unsigned events, void *arg)
{
	(void)fd;
	news(arg, SIDE_CLIENT, events);
}

int flow_watch_room(struct flow *f)
{
	if (!f->room)
		f->room = loop_watch(f->d->loop, f->client, LOOP_WRITE | LOOP_EDGE, on_client, f);
	return f->room ? 0 : ERR_NOMEM;
}

static void on_ready(void *arg, unsigned events)
{
	const struct attempt *a = arg;

	news(a->f, SIDE_CHANNEL, events);
}

/* The winner's stream is the flow's from now on; those that began before it were slower. */
static void join(struct flow *f, uint32_t won, unsigned events)
{
	struct tunneld *d = f->d;
	struct chan *c = chan_of(f, won);
	struct channel_stream *s = f->attempt[won].s;
	mono_t now = loop_now(d->loop);

	for (uint32_t i = 0; i < f->race.begun; i++) {
		if (i < won && f->attempt[i].s)
			attempt_failed(f, i, WHY_SLOW);
		else if (i != won)
			attempt_end(f, i);
	}
	dq_del(&d->dials, &f->due);
	pool_connected(&d->pool, c->slot, won > 0, mono_since(now, f->race.began));
	f->chan = c;
	f->next = c->flows;
	f->prev = &c->flows;
	if (f->next)
		f->next->prev = &f->next;
	c->flows = f;
	f->side[SIDE_CLIENT] = (struct side){ .fd = f->client, .readable = true, .writable = true, .ending = true };
	f->side[SIDE_CHANNEL] = (struct side){ .s = s, .fd = s->fd, .readable = (events & CHAN_READ) != 0, .writable = true,
					       .ending = (events & CHAN_END) != 0 };
	f->watch = loop_watch(d->loop, f->client, LOOP_READ | LOOP_END | LOOP_EDGE, on_client, f);
	if (f->watch)
		run(f);
	else
		flow_close(f, true);
}

static void on_opened(void *arg, int err, unsigned events)
{
	struct attempt *a = arg;
	struct flow *f = a->f;
	uint32_t i = (uint32_t)(a - f->attempt);

	if (err == 0) {
		join(f, i, events);
		return;
	}
	attempt_failed(f, i, why_of(err));
	dial_on(f);
}

/* --- the end --------------------------------------------------------------------------------------------- */

static void unlink_again(struct flow *f)
{
	struct flow **at = &f->d->again;

	while (f->in_again && *at && *at != f)
		at = &(*at)->again_next;
	if (f->in_again && *at)
		*at = f->again_next;
}

/* A Unix socket knows no reset: the client sees one only if we leave something of it unread. Central sees one. */
void flow_close(struct flow *f, bool abort)
{
	struct tunneld *d = f->d;
	struct chan *c = f->chan;

	for (uint32_t i = 0; !c && i < f->race.begun; i++)
		attempt_end(f, i);
	dq_del(&d->dials, &f->due);
	loop_unwatch(f->room);
	loop_unwatch(f->watch);
	close(f->client);
	if (c) {
		struct channel_stream *s = f->side[SIDE_CHANNEL].s;

		unlink_again(f);
		relay_drop(f);
		s->type->close(s, abort);
		*f->prev = f->next;
		if (f->next)
			f->next->prev = f->prev;
		d->n.ended += !abort;
		d->n.aborted += abort;
		chan_left(c, f->use);
	}
	slab_free(&d->flows, f->self);
}

void flows_reset(struct tunneld *d, uint32_t slot, enum why why)
{
	struct chan *c = &d->chan[slot];
	struct handle h;
	struct flow *f;

	while ((f = c->flows)) {
		d->pool.ch[slot].n.resets++;
		flow_close(f, true);
	}
	for (uint32_t at = 0; (f = slab_next(&d->flows, &at, &h));) {
		bool any = false;

		for (uint32_t i = 0; !f->chan && i < f->race.begun; i++) {
			if (!f->attempt[i].s || f->race.cand.slot[i] != slot)
				continue;
			attempt_failed(f, i, why);
			any = true;
		}
		if (any)
			dial_on(f);
	}
}
