/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sim/turn_world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "turnd/req.h"

#define IDLE_MAX 100000

/* --- what workers share ------------------------------------------------------------------------------------------ */

static struct turn_world *world_of(void *owner)
{
	return ((struct turn_worker *)owner)->w;
}

static struct turn_worker *worker_of_port(struct turn_world *w, int family, uint16_t port)
{
	for (uint32_t i = 0; i < w->n_workers; i++)
		if (rig_relay_open(&w->worker[i].rig, family, port))
			return &w->worker[i];
	return NULL;
}

static int relay_open(void *owner, struct handle alloc, int family, uint16_t port, bool tcp)
{
	struct turn_world *w = world_of(owner);

	return worker_of_port(w, family, port) ? TURN_PORT_TAKEN : w->rig_ops.relay_open(owner, alloc, family, port, tcp);
}

static bool relay_is_open(void *owner, int family, uint16_t port)
{
	return worker_of_port(world_of(owner), family, port) != NULL;
}

static int take(void *owner, struct span user)
{
	struct turn_world *w = world_of(owner);

	return w->rig_ops.quota_take(&w->worker[0], user);
}

static void give(void *owner, struct span user)
{
	struct turn_world *w = world_of(owner);

	w->rig_ops.quota_give(&w->worker[0], user);
}

static uint32_t draw(void *owner)
{
	struct turn_world *w = world_of(owner);

	return w->rig_ops.draw(&w->worker[0]);
}

uint32_t turn_world_worker(const struct turn_world *w, const struct path *path)
{
	for (uint32_t i = 0; i < w->n_steers; i++)
		if (path_eq(&w->steer[i].path, path))
			return w->steer[i].worker;
	return path->remote.port % w->n_workers;
}

static void steer(struct turn_world *w, const struct path *path, uint32_t worker)
{
	w->handed_over++;
	if (turn_world_worker(w, path) == worker)
		return;
	if (w->n_steers == TURN_WORLD_STEERS)
		abort();
	w->steer[w->n_steers].path = *path;
	w->steer[w->n_steers++].worker = worker;
}

/* --- life -------------------------------------------------------------------------------------------------------- */

struct turn_world *turn_world_new(uint64_t seed, uint32_t n_workers)
{
	struct turn_world *w = calloc(1, sizeof(*w));

	if (!w)
		abort();
	w->seed = seed;
	w->n_workers = n_workers;
	net_init(&w->net, seed);
	for (uint32_t i = 0; i < n_workers; i++) {
		struct turn_rig *r = &w->worker[i].rig;

		w->worker[i].w = w;
		rig_init(r);
		rng_seed(&r->rng, seed + 1000 * (i + 1));
		r->conf.worker = (uint8_t)i;
		r->conf.n_workers = (uint8_t)n_workers;
		rig_start(r);
		w->rig_ops = w->ops = *r->t.ops;
		r->t.ops = &w->ops;
	}
	w->ops.relay_open = relay_open;
	w->ops.relay_is_open = relay_is_open;
	w->ops.quota_take = take;
	w->ops.quota_give = give;
	w->ops.draw = draw;
	w->now = w->worker[0].rig.now;
	return w;
}

void turn_world_free(struct turn_world *w, int failures)
{
	if (failures)
		printf("# seed %" PRIu64 "\n", w->seed);
	for (uint32_t i = w->n_workers; i;)
		rig_done(&w->worker[--i].rig); /* the first has the quota of all */
	for (uint32_t i = 0; i < w->n_clients; i++)
		turn_client_free(w->client[i]);
	net_done(&w->net);
	free(w);
}

void turn_world_step_wall(struct turn_world *w, int64_t seconds)
{
	for (uint32_t i = 0; i < w->n_workers; i++) {
		struct turn *t = &w->worker[i].rig.t;
		wall_t wall = wall_of(t, w->now);

		turn_set_wall(t, w->now, (wall_t){ wall.us + (uint64_t)seconds * US_PER_SEC });
	}
}

/* --- the net ----------------------------------------------------------------------------------------------------- */

static void carry(struct turn_world *w, const struct net_way *way, struct net_item item, struct span dgram)
{
	uint64_t lost = w->net.lost;
	uint32_t index, seq;
	struct span data;

	net_send(&w->net, way, item, dgram, w->now);
	if (w->net.lost != lost && turn_numbered(dgram, &index, &seq, &data) && index < w->n_clients)
		w->client[index]->fate[seq].lost = true;
}

void turn_world_up(struct turn_world *w, struct turn_client *c, struct turn_way *p, const struct addr *to, struct span dgram)
{
	struct net_item item = { .kind = NET_UP, .peer = c->index, .path = { .remote = p->public, .local = *to } };

	carry(w, &p->up, item, dgram);
}

static struct turn_way *mapping(struct turn_world *w, const struct addr *public, struct turn_client **ret)
{
	for (uint32_t i = 0; i < w->n_clients; i++) {
		*ret = w->client[i];
		for (uint32_t k = 0; k < (*ret)->n_paths; k++)
			if (addr_eq(&(*ret)->path[k].public, public))
				return &(*ret)->path[k];
	}
	abort(); /* the core made an address up */
}

/* From one relayed address to another the way has no length. */
static void leave(struct turn_world *w, const struct rig_sent *s)
{
	static const struct net_way inside;
	struct net_item item = { .kind = NET_DOWN, .path = s->path };
	bool hairpin = addr_same_ip(&s->path.remote, &s->path.local);
	struct turn_client *c;
	struct turn_way *p;

	if (hairpin) {
		item = (struct net_item){ .kind = NET_UP, .path = { .remote = s->path.local, .local = s->path.remote } };
		carry(w, &inside, item, span_of(s->b, s->n));
		return;
	}
	p = mapping(w, &s->path.remote, &c);
	carry(w, &p->down, item, span_of(s->b, s->n));
}

static void collect(struct turn_world *w, struct turn_worker *o)
{
	if (o->rig.n_lost)
		abort();
	for (uint32_t i = 0; i < o->rig.n_sent; i++)
		leave(w, &o->rig.sent[i]);
	rig_clear(&o->rig);
}

static void to_core(struct turn_world *w, const struct client *c, struct span msg)
{
	uint32_t at = turn_world_worker(w, &c->path);
	struct turn_worker *o = &w->worker[at];

	if (rig_input(&o->rig, c, msg) == DROP_OTHER_WORKER) {
		at = o->rig.t.other;
		if (rig_input(&w->worker[at].rig, c, msg) == DROP_NONE)
			steer(w, &c->path, at);
		collect(w, &w->worker[at]);
	}
	collect(w, o);
}

/* A relayed address is known by two: where it is bound, and what clients are told. */
static void to_server(struct turn_world *w, const struct net_item *it)
{
	const struct turn_conf *conf = &w->worker[0].rig.conf;
	struct client c = { .path = it->path, .via = VIA_UDP };
	struct turn_worker *o;
	struct rig_sent s = { .path = { .remote = it->path.local, .local = it->path.remote }, .n = it->n };

	if (it->path.local.port < conf->min_port) {
		to_core(w, &c, span_of(it->b, it->n));
		return;
	}
	o = worker_of_port(w, family_of(&it->path.local), it->path.local.port);
	if (!o)
		return;
	memcpy(s.b, it->b, it->n);
	(void)rig_hairpin(&o->rig, &s);
	collect(w, o);
}

/* What comes from a relay port is presented as from the external address. */
static void to_client(struct turn_world *w, const struct net_item *it)
{
	struct addr from = it->path.local;
	struct turn_client *c;
	struct turn_way *p = mapping(w, &it->path.remote, &c);
	uint32_t index, seq;
	struct span data;

	if (from.port >= w->worker[0].rig.conf.min_port)
		memcpy(from.ip, w->worker[0].rig.conf.relay[family_of(&from)].external.ip, sizeof(from.ip));
	if (!p->dead) {
		turn_client_input(c, &from, span_of(it->b, it->n));
		return;
	}
	w->unsolicited++;
	if (turn_numbered(span_of(it->b, it->n), &index, &seq, &data) && index < w->n_clients)
		w->client[index]->fate[seq].closed = true;
}

/* --- time -------------------------------------------------------------------------------------------------------- */

static mono_t next_at(const struct turn_world *w)
{
	mono_t at = net_next(&w->net);

	for (uint32_t i = 0; i < w->n_workers; i++)
		at = mono_min(at, turn_next(&w->worker[i].rig.t));
	for (uint32_t i = 0; i < w->n_clients; i++)
		at = mono_min(at, turn_client_next(w->client[i]));
	return at;
}

static void set_now(struct turn_world *w, mono_t now)
{
	w->now = now;
	for (uint32_t i = 0; i < w->n_workers; i++)
		w->worker[i].rig.now = now;
}

static void turn_all(struct turn_world *w)
{
	struct net_item it;

	while (net_pop(&w->net, w->now, &it)) {
		if (it.kind == NET_UP)
			to_server(w, &it);
		else
			to_client(w, &it);
		free(it.b);
	}
	for (uint32_t i = 0; i < w->n_workers; i++) {
		if (mono_reached(w->now, turn_next(&w->worker[i].rig.t)))
			rig_tick(&w->worker[i].rig, 0);
		collect(w, &w->worker[i]);
	}
	for (uint32_t i = 0; i < w->n_clients; i++)
		if (mono_reached(w->now, turn_client_next(w->client[i])))
			turn_client_tick(w->client[i]);
}

void turn_world_pass(struct turn_world *w, uint64_t us)
{
	mono_t until = mono_add(w->now, us);
	uint64_t idle = 0;

	for (mono_t at; (at = next_at(w)).us <= until.us;) {
		idle = at.us <= w->now.us ? idle + 1 : 0;
		if (idle > IDLE_MAX) {
			printf("# the clock stands at %" PRIu64 " us: a deadline that its tick does not move\n", w->now.us);
			abort();
		}
		set_now(w, at.us > w->now.us ? at : w->now);
		turn_all(w);
	}
	set_now(w, until);
}

static bool have_addresses(const struct turn_client *a, const struct turn_client *b)
{
	return (a->allocated || a->conf.plain) && (b->allocated || b->conf.plain);
}

bool turn_world_connect(struct turn_world *w, struct turn_client *a, struct turn_client *b)
{
	mono_t until = mono_add(w->now, DUR_SEC(60));

	while (!have_addresses(a, b) && !mono_reached(w->now, until))
		turn_world_pass(w, DUR_MS(100));
	if (!have_addresses(a, b))
		return false;
	turn_client_reach(a, b);
	turn_client_reach(b, a);
	while (!(turn_client_reaches(a) && turn_client_reaches(b)) && !mono_reached(w->now, until))
		turn_world_pass(w, DUR_MS(100));
	return turn_client_reaches(a) && turn_client_reaches(b);
}

/* --- sums -------------------------------------------------------------------------------------------------------- */

uint32_t turn_world_allocs(const struct turn_world *w)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < w->n_workers; i++)
		n += w->worker[i].rig.t.allocs.live;
	return n;
}

uint32_t turn_world_relays(const struct turn_world *w)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < w->n_workers; i++)
		n += w->worker[i].rig.n_relays;
	return n;
}

uint64_t turn_world_drops(const struct turn_world *w, enum drop d)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < w->n_workers; i++)
		for (int k = DROP_NONE + 1; k < DROP_MAX_; k++)
			if (d == DROP_NONE ? k != DROP_OTHER_WORKER : k == (int)d)
				n += w->worker[i].rig.t.stats.drops[k];
	return n;
}

uint64_t turn_world_ended(const struct turn_world *w)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < w->n_workers; i++)
		n += w->worker[i].rig.t.stats.ended;
	return n;
}
