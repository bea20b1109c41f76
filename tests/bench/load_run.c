/* SPDX-License-Identifier: AGPL-3.0-only */
/* The generator's loop, and the histogram it fills. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "bench/load.h"

#define EVENTS 64
#define PEER_TICK DUR_MS(50) /* between two looks at all peers' timers */
#define JOIN_WAIT DUR_SEC(10)
#define FDS_MAX 8192

void lat_add(struct lat *h, uint64_t from_ns, uint64_t to_ns)
{
	uint64_t i = to_ns > from_ns ? (to_ns - from_ns) / LAT_STEP_NS : 0;

	h->n++;
	h->bucket[i < LAT_BUCKETS ? i : LAT_BUCKETS]++;
}

double lat_us(const struct lat *h, double quantile)
{
	uint64_t want = (uint64_t)((double)h->n * quantile), below = 0;

	for (size_t i = 0; i <= LAT_BUCKETS; i++) {
		below += h->bucket[i];
		if (below > want)
			return (double)(i + 1) * LAT_STEP_NS / 1000;
	}
	return (double)LAT_BUCKETS * LAT_STEP_NS / 1000;
}

static void out_full(struct outbox *ob)
{
	(void)ob;
	errno = 0;
	load_die("a DTLS flight of more than 16 datagrams");
}

void load_init(struct load *l, const char *sfud_exe, const char *profiles, uint32_t max_peers)
{
	struct rlimit files;

	memset(l, 0, sizeof(*l));
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < FDS_MAX) {
		files.rlim_cur = files.rlim_max < FDS_MAX ? files.rlim_max : FDS_MAX;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	l->profiles = profiles;
	l->max_peers = max_peers;
	l->peers = calloc(max_peers, sizeof(*l->peers));
	l->dtls_ctx = dtls_ctx_new();
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (!l->peers || !l->dtls_ctx || l->epoll < 0)
		load_die("setting up");
	outbox_init(&l->out, l->msgs, ARRAY_LEN(l->msgs), l->out_mem, sizeof(l->out_mem), out_full, l);
	load_sfud_start(&l->sfud, sfud_exe);
}

void load_done(struct load *l)
{
	load_sfud_stop(&l->sfud);
	for (uint32_t i = 0; i < l->n_peers; i++)
		load_peer_done(&l->peers[i]);
	dtls_ctx_free(l->dtls_ctx);
	close(l->epoll);
	free(l->peers);
}

static void wait_events(struct load *l, mono_t until)
{
	struct epoll_event ev[EVENTS];
	uint64_t us = l->measuring ? 0 : mono_since(until, load_now());
	struct timespec ts = { .tv_sec = (time_t)(us / US_PER_SEC), .tv_nsec = (long)(us % US_PER_SEC * 1000) };
	int n = epoll_pwait2(l->epoll, ev, EVENTS, &ts, NULL);

	if (n < 0 && errno != EINTR)
		load_die("epoll");
	for (uint32_t i = 0; l->measuring && i < l->n_peers; i++)
		load_peer_readable(&l->peers[i]);
	for (int i = 0; i < n; i++) {
		struct load_peer *p = &l->peers[ev[i].data.u64 >> 1];

		if (ev[i].data.u64 & 1)
			load_ws_readable(p);
		else
			load_peer_readable(p);
	}
}

/*
 * While measuring, the media sockets are asked one after another instead of watched: on loopback it is sfud's send that
 * wakes a sleeping receiver or files its socket as readable, on sfud's account. With a network between, neither happens.
 */
void load_measure(struct load *l, bool on)
{
	for (uint32_t i = 0; i < l->n_peers; i++) {
		struct epoll_event ev = { .events = EPOLLIN, .data.u64 = l->peers[i].sub << 1 };

		if (epoll_ctl(l->epoll, on ? EPOLL_CTL_DEL : EPOLL_CTL_ADD, l->peers[i].udp, &ev) < 0)
			load_die("epoll");
	}
	l->measuring = on;
}

/* One turn; returns the time after which all peers' timers are looked at again. */
static mono_t turn(struct load *l, mono_t until, mono_t tick_at)
{
	mono_t now = load_now();

	load_pub_tick(l, now);
	if (mono_reached(now, tick_at)) {
		for (uint32_t i = 0; i < l->n_peers; i++)
			load_peer_tick(&l->peers[i], now);
		tick_at = mono_add(now, PEER_TICK);
	}
	wait_events(l, mono_min(mono_min(until, tick_at), load_pub_next(l)));
	return tick_at;
}

void load_run(struct load *l, uint64_t us)
{
	mono_t until = mono_add(load_now(), us), tick_at = { 0 };

	while (!mono_reached(load_now(), until))
		tick_at = turn(l, until, tick_at);
}

static _Noreturn void die_stuck(const struct load_peer *p)
{
	static const char *const names[] = {
		[LOAD_HTTP] = "upgrade", [LOAD_OFFERED] = "offer", [LOAD_ICE] = "ICE",
		[LOAD_DTLS] = "DTLS", [LOAD_MEDIA] = "tracks",
	};
	char why[128];

	snprintf(why, sizeof(why), "peer %u did not get through within 10 s: %s, %u tracks", (unsigned)p->sub, names[p->state],
		 p->tracks);
	errno = 0;
	load_die(why);
}

void load_join(struct load *l, bool publisher)
{
	mono_t until = mono_add(load_now(), JOIN_WAIT), tick_at = { 0 };
	const struct load_peer *p = &l->peers[l->n_peers];

	load_peer_start(l, publisher);
	while (!load_peer_ready(p)) {
		tick_at = turn(l, until, tick_at);
		if (mono_reached(load_now(), until))
			die_stuck(p);
	}
}
