/* SPDX-License-Identifier: AGPL-3.0-only */
/* The daemon under test as a child process: starts it with a configuration of its own, reads what it costs, ends it. */
#ifndef TESTS_BENCH_LOAD_SFUD_H
#define TESTS_BENCH_LOAD_SFUD_H

#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/hist.h"

struct load_sfud {
	pid_t pid;
	uint16_t media_port, signal_port, metrics_port;
	char dir[64], secret[33];
	cpu_set_t cpus; /* the generator's before it left one to the daemon */
};

/* What it says of itself. */
struct load_metrics {
	uint64_t sent, messages; /* datagrams, and the segmented messages they went out in */
	double bound[HIST_BUCKETS + 1]; /* of its latency histogram, seconds */
	uint64_t count[HIST_BUCKETS + 1]; /* cumulative */
	size_t n;
};

_Noreturn void load_die(const char *what);

void load_sfud_start(struct load_sfud *s, const char *exe);
void load_sfud_stop(struct load_sfud *s);
uint64_t load_cpu_ns(pid_t pid, uint64_t *ret_waited); /* user and system time so far; and the time it waited for a processor */
double load_cpu_user(pid_t pid); /* the user part of it so far, in seconds (tick accuracy) */
uint64_t load_rss_kb(pid_t pid);
void load_metrics(const struct load_sfud *s, struct load_metrics *ret);

#endif
