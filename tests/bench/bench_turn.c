/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * What a TURN server that runs already costs, one line "name value" per figure for run_turn.sh, which starts the
 * servers, gives them and this generator a processor each, and compares. N clients with time-limited credentials and
 * MESSAGE-INTEGRITY (SHA-1), as browsers do, one channel each to a peer in this process.
 *
 *   alloc_*   allocations with authentication (Allocate, 401, Allocate), many in flight: per second, per CPU second
 *   rss_*     resident set with idle allocations, less that before the first, per 1,000; the kernel's sockets aside
 *   burst_*   6 packets of 1,200 bytes at a time, in turn from clients and from peers: a video frame every 33 ms
 *   single_*  packets of 200 bytes, evenly spaced: audio every 20 ms
 *   loaded_*  the same at a rate that keeps the server busy: at low rates much of the cost is waking up
 *   rtt_*     client, relay, peer, relay, client at low load
 *   _pcs      relayed packets per CPU second of the server process, user and system, all threads. On loopback
 *             the kernel's receive half runs in the sender's context, so it is in the figure.
 *   _peak     packets per second at which at most 0.5 % are lost
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/load_turn.h"

#define LOSS_MAX 0.005
#define BUSY_MAX 0.95
#define GENERATOR_WINDOW 256 /* allocations in flight */
#define RSS_FEW 1000
#define RSS_MANY 4000
#define BURST_LOADED 120000 /* packets per second */
#define SINGLE_LOADED 40000
#define STEP_UP 1.5
#define STEPS 14
#define HALVINGS 4 /* with the step that failed first */
#define FULL 0.97
#define STEP_NS UINT64_C(400000000)
#define WARM_NS UINT64_C(300000000)
#define SECOND_NS UINT64_C(1000000000)

struct options {
	uint16_t port;
	uint32_t flows, seconds;
	const char *phases;
	double rate;
};

static void say(const char *kind, const char *name, double value)
{
	printf("%s_%s %.*f\n", kind, name, value < 100 ? 4 : 0, value);
}

static bool generator_bound(const struct turn_result *r)
{
	return r->busy > BUSY_MAX || r->dropped > 0 || r->behind > 0.02;
}

static double per_cpu_second(const struct turn_result *r)
{
	return r->server_ns ? (double)r->got * 1e9 / (double)r->server_ns : 0;
}

/* --- allocations and memory ---------------------------------------------------------------------------- */

static void allocations(struct load_turn *l)
{
	uint64_t base = load_turn_rss_kb(l->pid), cpu = load_turn_cpu_ns(l), few, many, ns;
	uint32_t fds = load_turn_fds(l->pid);
	double sockets;

	ns = load_turn_bring(l, 0, RSS_FEW, TURN_PROVE, GENERATOR_WINDOW);
	few = load_turn_rss_kb(l->pid);
	ns += load_turn_bring(l, RSS_FEW, RSS_MANY, TURN_PROVE, GENERATOR_WINDOW);
	cpu = load_turn_cpu_ns(l) - cpu;
	many = load_turn_rss_kb(l->pid);
	sockets = (double)(load_turn_fds(l->pid) - fds) / RSS_MANY;
	say("alloc", "per_s", RSS_MANY * 1e9 / (double)ns);
	say("alloc", "pcs", RSS_MANY * 1e9 / (double)cpu);
	say("alloc", "cpu", (double)cpu / (double)ns);
	say("alloc", "again", (double)l->again);
	say("rss", "base_kb", (double)base);
	say("rss", "at_1000", ((double)few - (double)base) * 1000 / RSS_FEW);
	say("rss", "at_4000", ((double)many - (double)base) * 1000 / RSS_MANY);
	say("rss", "sockets", sockets);
	say("rss", "kernel_kb", sockets * load_turn_socket_kb());
	fflush(stdout);
	load_turn_bring(l, 0, RSS_MANY, TURN_RELEASE, GENERATOR_WINDOW);
}

/* --- traffic --------------------------------------------------------------------------------------------- */

static void trace(const char *kind, const struct turn_plan *p, const struct turn_result *r)
{
	printf("# %s %.0f pps: %.3f%% lost, server %.1f%%, generator busy %.1f%%, waited %.1f%%, behind %.1f%%, %u dropped, "
	       "%llu bad\n",
	       kind, p->pps, r->loss * 100, (double)r->server_ns * 100 / (double)r->ns, r->busy * 100, r->wait * 100,
	       r->behind * 100, r->dropped, (unsigned long long)r->bad);
	fflush(stdout);
}

/* A step that fails although the server was not busy is tried once more: this machine may have been. */
static bool holds(struct load_turn *l, const char *kind, struct turn_plan *p, struct turn_result *r)
{
	for (int i = 0; i < 2; i++) {
		load_turn_run(l, p, r);
		trace(kind, p, r);
		if (r->loss <= LOSS_MAX && r->behind <= 0.02)
			return true;
		if ((double)r->server_ns >= FULL * (double)r->ns)
			break;
	}
	return false;
}

/* Up until it does not hold, then halves the last step. */
static void peak(struct load_turn *l, const char *kind, struct turn_plan plan, double start)
{
	struct turn_result r, best = { 0 }, worst = { 0 };
	double good = 0, bad = 0;

	plan.ns = STEP_NS;
	plan.pps = start;
	for (int i = 0, halved = 0; i < STEPS && halved < HALVINGS && plan.pps > start / 10; i++) {
		if (holds(l, kind, &plan, &r)) {
			good = plan.pps;
			best = r;
		} else {
			bad = plan.pps;
			worst = r;
		}
		halved += good > 0 && bad > 0;
		plan.pps = bad <= 0 ? good * STEP_UP : good <= 0 ? bad / 2 : (good + bad) / 2;
	}
	say(kind, "peak", (double)best.got * 1e9 / (double)(best.ns ? best.ns : 1));
	say(kind, "peak_pcs", per_cpu_second(&best));
	say(kind, "peak_cpu", (double)best.server_ns / (double)(best.ns ? best.ns : 1));
	say(kind, "peak_busy", best.busy);
	say(kind, "peak_generator", generator_bound(&worst) || bad <= 0);
}

static void loaded(struct load_turn *l, const char *kind, struct turn_plan plan, double pps)
{
	struct turn_result r;

	plan.pps = pps;
	plan.ns = SECOND_NS;
	load_turn_run(l, &plan, &r);
	trace(kind, &plan, &r);
	say(kind, "loaded_pcs", per_cpu_second(&r));
	say(kind, "loaded_cpu", (double)r.server_ns / (double)r.ns);
	say(kind, "loaded_loss", r.loss);
}

static void traffic(struct load_turn *l, const struct options *o, const char *kind, struct turn_plan plan,
		    double loaded_pps)
{
	struct turn_result r;

	if (o->rate > 0)
		plan.pps = o->rate;
	plan.ns = WARM_NS;
	load_turn_run(l, &plan, &r);
	plan.ns = o->seconds * SECOND_NS;
	load_turn_run(l, &plan, &r);
	trace(kind, &plan, &r);
	say(kind, "pps", (double)r.got * 1e9 / (double)r.ns);
	say(kind, "pcs", per_cpu_second(&r));
	say(kind, "cpu", (double)r.server_ns / (double)r.ns);
	say(kind, "loss", r.loss);
	say(kind, "wait", (double)r.server_wait_ns / (double)r.ns + r.wait);
	say(kind, "busy", r.busy);
	say(kind, "generator", generator_bound(&r));
	say(kind, "bad", (double)r.bad);
	if (!strchr(o->phases, 'p'))
		return;
	loaded(l, kind, plan, loaded_pps);
	peak(l, kind, plan, loaded_pps);
}

static void round_trips(struct load_turn *l, const struct options *o)
{
	const struct turn_plan plan = {
		.pps = 1000, .burst = 1, .size = 200, .ns = o->seconds * SECOND_NS, .echo = true
	};
	struct turn_result r;

	load_turn_run(l, &plan, &r);
	trace("rtt", &plan, &r);
	say("rtt", "p50", load_turn_rtt_us(l, &r, 0.5));
	say("rtt", "p99", load_turn_rtt_us(l, &r, 0.99));
	say("rtt", "loss", r.loss);
	say("rtt", "wait", (double)r.server_wait_ns / (double)r.ns + r.wait);
}

static void phases(struct load_turn *l, const struct options *o)
{
	const struct turn_plan burst = { .pps = o->flows * 6 * 30, .burst = 6, .size = 1200 };
	const struct turn_plan single = { .pps = o->flows * 50, .burst = 1, .size = 200 };

	if (strchr(o->phases, 'm'))
		allocations(l);
	if (!strpbrk(o->phases, "bsr"))
		return;
	load_turn_bring(l, 0, o->flows, TURN_BIND, GENERATOR_WINDOW);
	if (strchr(o->phases, 'r'))
		round_trips(l, o);
	if (strchr(o->phases, 'b'))
		traffic(l, o, "burst", burst, BURST_LOADED);
	if (strchr(o->phases, 's'))
		traffic(l, o, "single", single, SINGLE_LOADED);
	load_turn_bring(l, 0, o->flows, TURN_RELEASE, GENERATOR_WINDOW);
}

static _Noreturn void usage(void)
{
	fprintf(stderr, "usage: bench_turn -p PORT -P PID -s SECRET [-r REALM] [-n FLOWS] [-t SECONDS] [-R PPS] [-x PHASES]\n"
			"  the server listens on 127.0.0.1:PORT. Phases: m allocations and memory, b bursts, s single packets,\n"
			"  r round trips, p: b and s at higher rates, too. -R: their rate without p.\n");
	exit(2);
}

static void options_parse(int argc, char **argv, struct options *o, struct load_turn *l)
{
	int c;

	*o = (struct options){ .flows = 100, .seconds = 2, .phases = "mbsrp" };
	l->realm = "bench";
	while ((c = getopt(argc, argv, "p:P:s:r:n:t:R:x:")) != -1) {
		if (c == 'p')
			o->port = (uint16_t)strtoul(optarg, NULL, 10);
		else if (c == 'P')
			l->pid = (pid_t)strtol(optarg, NULL, 10);
		else if (c == 's')
			l->secret = optarg;
		else if (c == 'r')
			l->realm = optarg;
		else if (c == 'n')
			o->flows = (uint32_t)strtoul(optarg, NULL, 10);
		else if (c == 't')
			o->seconds = (uint32_t)strtoul(optarg, NULL, 10);
		else if (c == 'R')
			o->rate = strtod(optarg, NULL);
		else if (c == 'x')
			o->phases = optarg;
		else
			usage();
	}
	if (!o->port || l->pid <= 0 || !l->secret || !o->flows || o->flows > TURN_FLOWS_MAX || !o->seconds)
		usage();
}

int main(int argc, char **argv)
{
	static struct load_turn l;
	struct options o;

	options_parse(argc, argv, &o, &l);
	l.server = addr_v4(127, 0, 0, 1, o.port);
	l.n_flows = o.flows;
	load_turn_init(&l);
	phases(&l, &o);
	load_turn_done(&l);
	return 0;
}
