/* SPDX-License-Identifier: AGPL-3.0-only */
/* The channels: as configured, at start and at a reload; and how one goes when its streams have. */
#include <stdio.h>
#include <unistd.h>

#include "sys/log.h"
#include "sys/sock.h"
#include "tunneld/shell_flow.h"

/* What a reload adds, before any of it is in use. */
struct fresh {
	void *impl;
	int fd;      /* of its socket; -1: none, or the one with the same name hands it over */
	int slot;    /* of the same channel that is running; -1: new */
	int heir_of; /* of one that had the name, but was another; -1: none */
};

static bool has_doors(const struct tunneld_conf *c)
{
	return strcmp(c->channel_directory, "none") != 0;
}

static void door_path(const struct tunneld_conf *c, const char *name, char *to, size_t n)
{
	snprintf(to, n, "%s/%s", c->channel_directory, name);
}

static void on_broken(void *arg, int err)
{
	struct chan *c = arg;

	pool_broken(&c->d->pool, c->slot, why_of(err), loop_now(c->d->loop));
}

/* --- going ----------------------------------------------------------------------------------------------- */

void chan_free(struct chan *c)
{
	if (!c->impl)
		return;
	probe_free(c);
	door_close(&c->door);
	c->conf.type->stop(c->impl);
	c->impl = NULL;
	memset(&c->conf, 0, sizeof(c->conf));
}

void chan_left(struct chan *c, unsigned use)
{
	if (!pool_closed(&c->d->pool, c->slot, use))
		return;
	log_info("channel %s, which the configuration no longer has, is closed", c->conf.name);
	chan_free(c);
}

static void retire(struct tunneld *d, uint32_t slot)
{
	struct chan *c = &d->chan[slot];

	door_close(&c->door);
	if (pool_retire(&d->pool, slot)) {
		chan_free(c);
		return;
	}
	log_info("channel %s is no longer in the configuration: its %llu streams may end", c->conf.name,
		 (unsigned long long)pool_open(&d->pool, slot));
}

/* The retired channel that is to make room: its streams are cut. */
static void make_room(struct tunneld *d)
{
	for (uint32_t i = 0; i < POOL_SLOTS; i++) {
		if (!d->chan[i].impl || !d->pool.ch[i].retired)
			continue;
		flows_reset(d, i, WHY_RESET);
		return;
	}
}

/* --- coming ---------------------------------------------------------------------------------------------- */

static bool same(const struct channel_conf *a, const struct channel_conf *b)
{
	return strcmp(a->name, b->name) == 0 && strcmp(a->address, b->address) == 0 && a->type == b->type;
}

static void look_up(const struct tunneld *d, const struct channel_conf *c, struct fresh *f)
{
	*f = (struct fresh){ .fd = -1, .slot = -1, .heir_of = -1 };
	for (int i = 0; i < POOL_SLOTS; i++) {
		const struct chan *o = &d->chan[i];

		if (!o->impl || d->pool.ch[i].retired || strcmp(o->conf.name, c->name) != 0)
			continue;
		if (same(&o->conf, c))
			f->slot = i;
		else
			f->heir_of = i;
	}
}

/* Everything that can fail. */
static int prepare(struct tunneld *d, const struct tunneld_conf *conf, const struct channel_conf *c, struct fresh *f)
{
	char path[DOOR_PATH_MAX];

	look_up(d, c, f);
	if (f->slot >= 0 || f->heir_of >= 0 || !has_doors(conf))
		return 0;
	door_path(conf, c->name, path, sizeof(path));
	f->fd = sock_listen_unix(path, DOOR_MODE);
	return f->fd < 0 ? log_err(f->fd, "channel %s: socket %s (Pool.ChannelDirectory must exist and belong to this user)",
				   c->name, path) :
			   0;
}

static void undo(const struct tunneld_conf *conf, struct fresh *f, uint32_t n)
{
	char path[DOOR_PATH_MAX];

	for (uint32_t i = 0; i < n; i++) {
		if (f[i].fd < 0)
			continue;
		close(f[i].fd);
		door_path(conf, conf->channel[i].name, path, sizeof(path));
		(void)unlink(path);
	}
}

static void inherit(struct door *from, int *fd)
{
	loop_unwatch(from->watch);
	*fd = from->fd;
	*from = (struct door){ .fd = -1 };
}

/* A new channel in a free slot, of which there is always one: those in use are the old ones and those that retired. */
static int add(struct tunneld *d, const struct tunneld_conf *conf, uint32_t at, struct fresh *f)
{
	struct channel_owner owner = { .broken = on_broken };
	int slot = pool_add(&d->pool, loop_now(d->loop)), r;
	struct chan *c;

	if (slot < 0)
		return slot;
	c = &d->chan[slot];
	*c = (struct chan){ .d = d, .slot = (uint32_t)slot, .conf = conf->channel[at], .door = { .fd = -1 } };
	owner.arg = c;
	r = c->conf.type->start(d->loop, &c->conf, &owner, &c->impl);
	if (r < 0) {
		c->impl = NULL;
		pool_drop(&d->pool, (uint32_t)slot);
		return r;
	}
	f->slot = slot;
	if (f->fd < 0)
		return 0;
	c->door = (struct door){ .d = d, .use = ORDER_MAX_, .slot = (uint32_t)slot, .own = true, .fd = -1 };
	door_path(conf, conf->channel[at].name, c->door.path, sizeof(c->door.path));
	r = door_open(&c->door, f->fd);
	f->fd = -1;
	return r; /* without its socket it still serves the others */
}

static uint32_t in_use(const struct tunneld *d)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < POOL_SLOTS; i++)
		n += d->chan[i].impl != NULL;
	return n;
}

static bool kept(const struct fresh *f, uint32_t n, int slot)
{
	for (uint32_t i = 0; i < n; i++) {
		if (f[i].slot == slot)
			return true;
	}
	return false;
}

static void set_orders(struct tunneld *d, const struct tunneld_conf *conf, const struct fresh *f)
{
	for (enum order o = 0; o < ORDER_MAX_; o++) {
		struct pool_list l = { 0 };

		for (uint32_t i = 0; i < conf->order[o].n; i++) {
			int slot = f[conf->order[o].slot[i]].slot;

			if (slot >= 0)
				l.slot[l.n++] = (uint8_t)slot;
		}
		pool_set_order(&d->pool, o, &l);
	}
}

/* What memory does not suffice for is missing until the next reload. */
static void apply(struct tunneld *d, const struct tunneld_conf *conf, struct fresh *f)
{
	for (uint32_t i = 0; i < conf->n_channels; i++) {
		if (f[i].heir_of >= 0)
			inherit(&d->chan[f[i].heir_of].door, &f[i].fd);
	}
	for (int i = 0; i < POOL_SLOTS; i++) {
		if (d->chan[i].impl && !d->pool.ch[i].retired && !kept(f, conf->n_channels, i))
			retire(d, (uint32_t)i);
	}
	for (uint32_t i = 0; i < conf->n_channels; i++) {
		int one = 0;

		if (f[i].slot < 0 && in_use(d) == POOL_SLOTS)
			make_room(d);
		if (f[i].slot < 0)
			one = add(d, conf, i, &f[i]);
		if (one < 0)
			log_err(one, "channel %s: not there until the next reload", conf->channel[i].name);
	}
	undo(conf, f, conf->n_channels);
	set_orders(d, conf, f);
}

int chans_reload(struct tunneld *d, const struct tunneld_conf *fresh)
{
	const struct pool_conf pc = { .interval = fresh->health_interval, .passes = fresh->health_passes,
				      .fails = fresh->health_fails };
	struct fresh f[POOL_CHANNELS];
	int r = 0;

	for (uint32_t i = 0; i < fresh->n_channels; i++) {
		r = prepare(d, fresh, &fresh->channel[i], &f[i]);
		if (r < 0) {
			undo(fresh, f, i);
			return r;
		}
	}
	d->pool.conf = pc;
	apply(d, fresh, f);
	return 0;
}

int chans_open(struct tunneld *d)
{
	int r;

	if (has_doors(&d->conf))
		doors_sweep(d->conf.channel_directory);
	if (d->conf.n_channels == 0)
		log_warn("no channel is configured: every stream is closed at once (see [Channel1] in tunneld(8))");
	r = chans_reload(d, &d->conf);
	if (r < 0)
		return r;
	return in_use(d) == d->conf.n_channels ? 0 : ERR_NOMEM;
}

void chans_close(struct tunneld *d)
{
	for (uint32_t i = 0; i < POOL_SLOTS; i++)
		chan_free(&d->chan[i]);
}
