/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * What it costs sfud to forward a packet: one publisher (video 1.5 Mbit/s at 30 frames per second, Opus at 50 packets
 * per second), N subscribers, real signalling, ICE, DTLS and SRTP over loopback, one fresh daemon for each N.
 *
 *   CPU      of the daemon's process alone, user and system, divided by the packets that arrived. On loopback the
 *            kernel's receive half runs in the sender's context, so it is in the figure.
 *   latency  from the publisher's send call to the arrival at the subscriber's socket (kernel stamp), all subscribers
 *   loss     of what the publisher sent in the window, at all subscribers; every packet is authenticated
 *   memory   resident set with N subscribers, less that with one, divided by N - 1
 */
#include <errno.h>
#include <getopt.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bench/load.h"

#define SUBS_MAX 1000
#define RUNS_MAX 8
#define CACHE_FILLS DUR_SEC(4) /* 512 KiB at 1.5 Mbit/s */
#define WARM_UP DUR_SEC(2)
#define DRAIN DUR_MS(300)
#define BAR_NS 1500.0
#define AIM_NS 700.0
#define BAR_P99_US 2000.0
#define BAR_RSS_KB 100.0
#define GCM "SRTP_AEAD_AES_128_GCM:SRTP_AES128_CM_SHA1_80"
#define CM "SRTP_AES128_CM_SHA1_80"

struct options {
	char sfud[PATH_MAX];
	const char *profiles;
	uint32_t seconds, subs[RUNS_MAX], n_subs;
};

/* What is read from outside at both ends of the window. */
struct mark {
	uint64_t cpu_ns, wait_ns, wall_ns;
	double cpu_user, own_cpu;
	struct load_metrics m;
};

struct result {
	uint32_t subs;
	double pps, ns, user_share, loss, p50, p99, p999, app_p99, own_p99, own_cpu, cpu, wait, segs, rss, rss_one;
	uint64_t bad, gaps, backwards, nacks, plis;
};

static double own_cpu(void)
{
	struct rusage ru;

	getrusage(RUSAGE_SELF, &ru);
	return (double)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) +
	       (double)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1e6;
}

static void mark_take(const struct load *l, struct mark *m)
{
	load_metrics(&l->sfud, &m->m);
	m->wall_ns = load_wall_ns();
	m->cpu_ns = load_cpu_ns(l->sfud.pid, &m->wait_ns);
	m->cpu_user = load_cpu_user(l->sfud.pid);
	m->own_cpu = own_cpu();
}

/* The upper bound of the bucket that holds the quantile, in microseconds. */
static double buckets_us(const struct load_metrics *from, const struct load_metrics *to, double quantile)
{
	size_t n = to->n;
	double all = n ? (double)(to->count[n - 1] - from->count[n - 1]) : 0;

	for (size_t i = 0; i < n; i++)
		if ((double)(to->count[i] - from->count[i]) >= all * quantile)
			return to->bound[i] * 1e6;
	return 0;
}

static void join_all(struct load *l, uint32_t subs, struct result *r)
{
	load_join(l, true);
	load_join(l, false);
	load_pub_start(l, load_now());
	load_run(l, CACHE_FILLS); /* the publisher's packet cache is no subscriber's memory */
	r->rss_one = (double)load_rss_kb(l->sfud.pid);
	for (uint32_t i = 1; i < subs; i++)
		load_join(l, false);
	load_run(l, WARM_UP);
}

static void window(struct load *l, uint32_t seconds, struct mark *from, struct mark *to, uint64_t *ret_ns)
{
	struct load_stats *s = &l->stats;

	memset(s, 0, sizeof(*s));
	mark_take(l, from);
	for (int k = 0; k < LOAD_KINDS; k++) {
		s->from[k] = l->pub.seq[k];
		s->to[k] = UINT64_MAX;
	}
	load_measure(l, true);
	load_run(l, DUR_SEC(seconds));
	load_measure(l, false);
	*ret_ns = load_wall_ns() - from->wall_ns;
	l->pub.on = false;
	for (int k = 0; k < LOAD_KINDS; k++)
		s->to[k] = l->pub.seq[k];
	load_run(l, DRAIN);
	mark_take(l, to);
}

static void evaluate(const struct load *l, const struct mark *from, const struct mark *to, uint64_t ns, struct result *r)
{
	const struct load_stats *s = &l->stats;
	uint64_t got = s->delivered[LOAD_AUDIO] + s->delivered[LOAD_VIDEO];
	uint64_t sent = s->to[LOAD_AUDIO] - s->from[LOAD_AUDIO] + s->to[LOAD_VIDEO] - s->from[LOAD_VIDEO];
	double cpu_ns = (double)(to->cpu_ns - from->cpu_ns);

	errno = 0;
	if (got == 0)
		load_die("nothing arrived");
	r->pps = (double)got * 1e9 / (double)ns;
	r->ns = cpu_ns / (double)got;
	r->user_share = (to->cpu_user - from->cpu_user) * 1e9 / cpu_ns;
	r->loss = 1.0 - (double)got / ((double)sent * r->subs);
	r->p50 = lat_us(&s->wire, 0.5);
	r->p99 = lat_us(&s->wire, 0.99);
	r->p999 = lat_us(&s->wire, 0.999);
	r->app_p99 = lat_us(&s->app, 0.99);
	r->own_p99 = buckets_us(&from->m, &to->m, 0.99);
	r->cpu = cpu_ns / (double)(to->wall_ns - from->wall_ns);
	r->wait = (double)(to->wait_ns - from->wait_ns) / (double)(to->wall_ns - from->wall_ns);
	r->segs = (double)(to->m.sent - from->m.sent) / (double)(to->m.messages - from->m.messages);
	r->own_cpu = (to->own_cpu - from->own_cpu) * 1e9 / (double)(to->wall_ns - from->wall_ns);
	r->rss = r->subs > 1 ? ((double)load_rss_kb(l->sfud.pid) - r->rss_one) / (r->subs - 1) : 0;
	r->bad = s->bad_auth + s->bad_payload;
	r->gaps = s->gaps;
	r->backwards = s->backwards;
	r->nacks = l->pub.nacks;
	r->plis = l->pub.plis;
}

static struct result run(const struct options *o, uint32_t subs)
{
	static struct load l;
	static struct mark from, to;
	struct result r = { .subs = subs };
	uint64_t ns;

	load_init(&l, o->sfud, o->profiles, subs + 1);
	join_all(&l, subs, &r);
	printf("# N=%u: sfud is process %d, measuring for %u s\n", subs, (int)l.sfud.pid, o->seconds);
	fflush(stdout);
	window(&l, o->seconds, &from, &to, &ns);
	evaluate(&l, &from, &to, ns, &r);
	load_done(&l);
	return r;
}

static void print_table(const struct result *r, uint32_t n)
{
	printf("\n%4s %8s %10s %6s %6s %6s %9s %8s %8s %8s %8s %9s %8s %5s %8s\n", "N", "pps out", "ns/packet", "user", "CPU",
	       "wait", "loss", "p50 us", "p99 us", "p999 us", "recv p99", "sfud p99", "kB/sub", "segs", "load CPU");
	for (uint32_t i = 0; i < n; i++)
		printf("%4u %8.0f %10.0f %5.0f%% %5.1f%% %5.1f%% %8.4f%% %8.0f %8.0f %8.0f %8.0f <=%7.0f %8.1f %5.1f %7.1f%%\n",
		       r[i].subs,
		       r[i].pps, r[i].ns, r[i].user_share * 100, r[i].cpu * 100, r[i].wait * 100, r[i].loss * 100, r[i].p50,
		       r[i].p99, r[i].p999, r[i].app_p99, r[i].own_p99, r[i].rss, r[i].segs, r[i].own_cpu * 100);
	printf("# user: share of sfud's CPU time. CPU, load CPU: of one core, sfud and this generator.\n"
	       "# wait: sfud was ready and had no processor; much of it means that this machine was busy otherwise.\n"
	       "# p50..p999: to the arrival at the subscriber's socket; recv p99: to the return of its recv, the\n"
	       "# generator's own queue included; sfud p99: bucket of its own histogram, receive to send.\n"
	       "# segs: datagrams that share one message to the kernel.\n");
	for (uint32_t i = 0; i < n; i++)
		if (r[i].bad || r[i].gaps || r[i].backwards || r[i].nacks)
			printf("# N=%u: %llu not authentic or not ours, %llu numbers missing, %llu backwards, "
			       "%llu NACKs to the publisher\n",
			       r[i].subs, (unsigned long long)r[i].bad, (unsigned long long)r[i].gaps,
			       (unsigned long long)r[i].backwards, (unsigned long long)r[i].nacks);
}

static bool verdict(const struct result *r)
{
	bool sound = r->loss <= 0 && r->bad == 0 && r->gaps == 0 && r->backwards == 0;
	bool ok = sound && r->ns <= BAR_NS && r->p99 <= BAR_P99_US && r->rss <= BAR_RSS_KB;

	printf("%s N=%u: loss %.4f%% (0), %.0f ns (<= %.0f, aim %.0f), p99 %.0f us (<= %.0f), %.1f kB (<= %.0f)\n",
	       ok ? "PASS" : "MISS", r->subs, r->loss * 100, r->ns, BAR_NS, AIM_NS, r->p99, BAR_P99_US, r->rss, BAR_RSS_KB);
	return ok;
}

static int print(const struct result *r, uint32_t n)
{
	bool ok = true;

	print_table(r, n);
	for (uint32_t i = 0; i < n; i++)
		ok = verdict(&r[i]) && ok;
	for (uint32_t i = 0; i < n; i++)
		printf("sfu_N%u: pps=%.0f ns_per_packet=%.0f loss=%.6f p50_us=%.0f p99_us=%.0f p999_us=%.0f rss_kb_per_sub=%.1f\n",
		       r[i].subs, r[i].pps, r[i].ns, r[i].loss, r[i].p50, r[i].p99, r[i].p999, r[i].rss);
	return ok ? 0 : 3;
}

/* BUILD/tests/bench/bench_sfu -> BUILD/daemons/sfud/sfud */
static void default_sfud(char path[PATH_MAX])
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n < 0)
		load_die("/proc/self/exe");
	self[n] = '\0';
	if (snprintf(path, PATH_MAX, "%s/../../daemons/sfud/sfud", dirname(self)) >= PATH_MAX)
		load_die("path too long");
}

static void options_parse(int argc, char **argv, struct options *o)
{
	int c;

	*o = (struct options){ .profiles = GCM, .seconds = 10 };
	default_sfud(o->sfud);
	while ((c = getopt(argc, argv, "s:t:c")) != -1) {
		if (c == 's' && snprintf(o->sfud, sizeof(o->sfud), "%s", optarg) < PATH_MAX)
			continue;
		if (c == 't')
			o->seconds = (uint32_t)strtoul(optarg, NULL, 10);
		if (c == 'c')
			o->profiles = CM;
		if (c == '?') {
			fprintf(stderr, "usage: bench_sfu [-s SFUD] [-t SECONDS] [-c] [SUBSCRIBERS...]\n"
					"  -c: AES_CM_128_HMAC_SHA1_80 instead of AEAD_AES_128_GCM\n");
			exit(2);
		}
	}
	for (; optind < argc && o->n_subs < RUNS_MAX; optind++)
		o->subs[o->n_subs++] = (uint32_t)strtoul(argv[optind], NULL, 10);
	if (o->n_subs == 0) {
		const uint32_t usual[] = { 10, 100, 500 };

		memcpy(o->subs, usual, sizeof(usual));
		o->n_subs = ARRAY_LEN(usual);
	}
	for (uint32_t i = 0; i < o->n_subs; i++)
		if (o->subs[i] == 0 || o->subs[i] > SUBS_MAX || o->seconds == 0)
			load_die("1 to 1000 subscribers, at least one second");
}

int main(int argc, char **argv)
{
	struct result r[RUNS_MAX];
	struct options o;

	options_parse(argc, argv, &o);
	for (uint32_t i = 0; i < o.n_subs; i++)
		r[i] = run(&o, o.subs[i]);
	return print(r, o.n_subs);
}
