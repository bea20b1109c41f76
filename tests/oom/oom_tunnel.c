/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * tunneld's life with the nth allocation failing, for every n: it opens, probes, takes a stream, moves bytes, reloads and closes,
 * or says that it cannot; what it served before is served, and nothing is left behind.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/log.h"
#include "sys/sock.h"
#include "t.h"
#include "tunneld/tunneld.h"

#define NTH_MAX 400

static char dir[64];

static const char *at(const char *name)
{
	static char path[4][128];
	static unsigned turn;
	char *p = path[turn++ % ARRAY_LEN(path)];

	snprintf(p, sizeof(path[0]), "%s/%s", dir, name);
	return p;
}

static void put_conf(uint16_t port)
{
	FILE *f = fopen(at("conf"), "w");

	if (!f)
		abort();
	fprintf(f, "[Pool]\nWeb=%s\nWs=%s\nChannelDirectory=%s\n[Channel1]\nName=a\nAddress=127.0.0.1:%u\n", at("web"), at("ws"),
		at("channels"), port);
	fprintf(f, "[Metrics]\nPort=0\n[Control]\nSocket=none\n[Log]\nLevel=emerg\n");
	fclose(f);
}

static void stop(void *loop)
{
	loop_stop(loop);
}

static void run(struct tunneld *d, uint64_t ms)
{
	struct timer *t = loop_timer(d->loop, stop, d->loop);

	if (!t)
		return;
	timer_set(t, mono_add(loop_now(d->loop), DUR_MS(ms)));
	EQ(tunneld_loop(d), 0);
	timer_free(t);
}

/* A stream there and back; true when the bytes came. */
static bool stream(struct tunneld *d, int listener)
{
	int client = sock_connect_unix(at("web")), got = -1;
	char word[5] = "";
	struct addr peer;

	if (client < 0 || write(client, "ping", 4) != 4)
		abort();
	run(d, 2);
	run(d, 2);
	while ((got = sock_accept(listener, &peer)) >= 0) { /* probes, too, which get no answer */
		ssize_t n = read(got, word, 4);

		if (n == 4 && memcmp(word, "ping", 4) == 0)
			break;
		close(got);
	}
	close(client);
	if (got >= 0)
		close(got);
	run(d, 2);
	return got >= 0;
}

static int descriptors(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* False: the allocation never came. */
static bool life(size_t nth, int listener, bool *ret_served)
{
	struct tunneld d = { .conf_path = at("conf") };
	uint8_t names[256];
	struct wr frozen = wr_from(names, sizeof(names));
	size_t made;

	*ret_served = false;
	EQ(tunneld_conf_load(d.conf_path, &d.conf), 0);
	mem_fail_at(nth);
	if (tunneld_open(&d) == 0) {
		(void)stream(&d, listener);
		(void)tunneld_reload(&d, &frozen);
		(void)stream(&d, listener);
		made = mem_fail_at(SIZE_MAX);
		*ret_served = stream(&d, listener);
		EQ(d.flows.live, 0);
		EQ(d.blocks.large + d.blocks.small, 0);
	} else {
		made = mem_fail_at(SIZE_MAX);
	}
	tunneld_close(&d);
	return made > nth;
}

static void every_allocation_may_fail(void)
{
	struct addr a = addr_v4(127, 0, 0, 1, 0);
	int listener = sock_listen_tcp(&a), before;
	uint32_t served = 0, n;
	bool more = true, ok;

	strcpy(dir, "/tmp/oom-tunnel-XXXXXX");
	if (listener < 0 || !mkdtemp(dir) || mkdir(at("channels"), 0700) < 0)
		abort();
	a = sock_local(listener);
	put_conf(a.port);
	log_open("oom", LOG_EMERG);
	(void)life(SIZE_MAX, listener, &ok);
	OK(ok);
	before = descriptors();
	for (n = 0; more && n < NTH_MAX; n++) {
		char row[32];

		snprintf(row, sizeof(row), "allocation %u: ", n);
		t_row = row;
		more = life(n, listener, &ok);
		served += ok;
		EQ(descriptors(), before);
	}
	t_row = "";
	printf("# %u allocations, %u lives went on\n", n, served);
	OK(n < NTH_MAX && n > 20 && served > 5);
	close(listener);
	rmdir(at("channels"));
	unlink(at("conf"));
	EQ(rmdir(dir), 0);
}

T_MAIN(T(every_allocation_may_fail))
