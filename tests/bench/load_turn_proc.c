/* SPDX-License-Identifier: AGPL-3.0-only */
/* Processor, memory and descriptors of another process. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/load_turn.h"

void load_turn_watch(struct load_turn *l)
{
	if (clock_getcpuclockid(l->pid, &l->clock) != 0)
		load_turn_die("there is no such server process");
}

uint64_t load_turn_cpu_ns(const struct load_turn *l)
{
	struct timespec t;

	if (clock_gettime(l->clock, &t) < 0)
		load_turn_die("the server has ended");
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static DIR *proc_dir(pid_t pid, const char *name)
{
	char path[64];
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	d = opendir(path);
	if (!d)
		load_turn_die(path);
	return d;
}

uint64_t load_turn_wait_ns(pid_t pid)
{
	DIR *d = proc_dir(pid, "task");
	uint64_t sum = 0;

	for (const struct dirent *e = readdir(d); e; e = readdir(d)) {
		unsigned long long ran, waited;
		char path[300];
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%d/task/%.20s/schedstat", (int)pid, e->d_name);
		f = e->d_name[0] == '.' ? NULL : fopen(path, "re");
		if (!f)
			continue;
		if (fscanf(f, "%llu %llu", &ran, &waited) == 2)
			sum += waited;
		fclose(f);
	}
	closedir(d);
	return sum;
}

uint32_t load_turn_fds(pid_t pid)
{
	DIR *d = proc_dir(pid, "fd");
	uint32_t n = 0;

	for (const struct dirent *e = readdir(d); e; e = readdir(d))
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

uint64_t load_turn_rss_kb(pid_t pid)
{
	unsigned long long kb = 0;
	char line[256];
	FILE *f;

	snprintf(line, sizeof(line), "/proc/%d/status", (int)pid);
	f = fopen(line, "re");
	if (!f)
		load_turn_die(line);
	while (kb == 0 && fgets(line, sizeof(line), f))
		(void)sscanf(line, "VmRSS: %llu", &kb);
	fclose(f);
	return kb;
}

double load_turn_socket_kb(void)
{
	static const char *const wanted[] = { "UDP", "sock_inode_cache", "filp", "dentry" };
	unsigned active, all, size;
	char line[512], name[64];
	double sum = 0;
	FILE *f = fopen("/proc/slabinfo", "re");

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%63s %u %u %u", name, &active, &all, &size) != 4)
			continue;
		for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
			sum += strcmp(name, wanted[i]) == 0 ? size : 0;
	}
	if (f)
		fclose(f);
	return sum / 1024;
}
