/* SPDX-License-Identifier: AGPL-3.0-only */
#include "tunneld/tunneld_conf.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sys/log.h"
#include "t.h"

#define TWO "[Channel1]\nName=ch2\nAddress=10.9.0.2:8907\n[Channel3]\nName=ch5\nAddress=[2001:db8::5]:443\n"

static char logged[4096];

/* A file of that text, read; what was said about it is kept. */
static int load(const char *text, struct tunneld_conf *ret)
{
	int file = memfd_create("conf", MFD_CLOEXEC), log = memfd_create("log", MFD_CLOEXEC), old = dup(STDERR_FILENO), r;
	char path[64];
	ssize_t n;

	if (file < 0 || log < 0 || old < 0 || write(file, text, strlen(text)) != (ssize_t)strlen(text))
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	log_open("test", LOG_INFO);
	dup2(log, STDERR_FILENO);
	r = tunneld_conf_load(path, ret);
	dup2(old, STDERR_FILENO);
	n = pread(log, logged, sizeof(logged) - 1, 0);
	logged[n < 0 ? 0 : n] = '\0';
	close(old);
	close(log);
	close(file);
	return r;
}

static void defaults_are_those_of_the_fleet(void)
{
	struct tunneld_conf c;

	EQ(load("", &c), 0);
	EQ_STR(c.socket[ORDER_WEB], "/run/oxpulse-partner-edge/web");
	EQ_STR(c.socket[ORDER_WS], "/run/oxpulse-partner-edge/ws");
	EQ_STR(c.channel_directory, "/run/oxpulse-tunneld");
	EQ_STR(c.health_host, "oxpulse.chat");
	EQ_STR(c.health_path, "/api/health");
	EQ(c.health_interval, DUR_SEC(10));
	EQ(c.health_timeout, DUR_SEC(3));
	EQ(c.health_passes, 2);
	EQ(c.health_fails, 3);
	EQ(c.connect_timeout, DUR_MS(1800));
	EQ(c.max_streams, 4096);
	EQ(c.metrics_port, 9642);
	EQ(c.n_channels, 0);
	EQ(c.order[ORDER_WEB].n, 0);
}

static void channels_and_orders(void)
{
	static const struct {
		const char *row, *text;
		uint32_t n[ORDER_MAX_];
		uint8_t slot[ORDER_MAX_][2];
	} rows[] = {
		{ "all, as numbered: ", TWO, { 2, 2 }, { { 0, 1 }, { 0, 1 } } },
		{ "one order: ", TWO "[Pool]\nWsOrder=ch5 ch2\n", { 2, 2 }, { { 0, 1 }, { 1, 0 } } },
		{ "not all of them: ", TWO "[Pool]\nWebOrder=ch5\n", { 1, 2 }, { { 1 }, { 0, 1 } } },
		{ "commas and blanks: ", TWO "[Pool]\nWebOrder= ch5 ,  ch2 ,\n", { 2, 2 }, { { 1, 0 }, { 0, 1 } } },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct tunneld_conf c;

		t_row = rows[i].row;
		EQ(load(rows[i].text, &c), 0);
		EQ(c.n_channels, 2);
		EQ_STR(c.channel[1].name, "ch5");
		EQ_STR(c.channel[1].address, "[2001:db8::5]:443");
		OK(c.channel[1].type == &channel_tcp);
		for (enum order o = 0; o < ORDER_MAX_; o++) {
			EQ(c.order[o].n, rows[i].n[o]);
			for (uint32_t k = 0; k < rows[i].n[o]; k++)
				EQ(c.order[o].slot[k], rows[i].slot[o][k]);
		}
	}
}

static void refuses_what_cannot_be_meant(void)
{
	static const struct {
		const char *row, *text, *says;
	} rows[] = {
		{ "no name: ", "[Channel2]\nAddress=10.0.0.1:1\n", "Channel2.Name: missing" },
		{ "a name that is no file: ", "[Channel2]\nName=a/b\nAddress=10.0.0.1:1\n", "Channel2.Name: 1 to 31 of" },
		{ "a long one: ", "[Channel2]\nName=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\nAddress=10.0.0.1:1\n", "Name: 1 to 31 of" },
		{ "a name twice: ", TWO "[Channel2]\nName=ch2\nAddress=10.0.0.1:1\n", "Channel2.Name: another channel" },
		{ "no address: ", "[Channel1]\nName=a\n", "Channel1.Address: not an address" },
		{ "no port: ", "[Channel1]\nName=a\nAddress=10.0.0.1\n", "Channel1.Address: not an address" },
		{ "any address: ", "[Channel1]\nName=a\nAddress=0.0.0.0:1\n", "Channel1.Address: not an address" },
		{ "a host name: ", "[Channel1]\nName=a\nAddress=central:1\n", "Channel1.Address: not an address" },
		{ "a type nobody knows: ", "[Channel1]\nName=a\nType=tor\nAddress=10.0.0.1:1\n", "no such type; there are: tcp" },
		{ "an unknown channel: ", TWO "[Pool]\nWebOrder=ch2 ch9\n", "Pool.WebOrder: there is no channel ch9" },
		{ "twice in an order: ", TWO "[Pool]\nWsOrder=ch2 ch2\n", "Pool.WsOrder: names a channel twice" },
		{ "a seventh: ", "[Channel7]\nName=a\n", "unknown section [Channel7]" },
		{ "no passes: ", "[Pool]\nHealthPasses=0\n", "at least 1" },
		{ "no fails: ", "[Pool]\nHealthFails=0\n", "at least 1" },
		{ "no pause: ", "[Pool]\nHealthInterval=1ms\n", "at least 100ms" },
		{ "no time: ", "[Pool]\nHealthTimeout=0\n", "at least 10ms" },
		{ "a blank in the path: ", "[Pool]\nHealthPath=/a b\n", "HealthHost and HealthPath" },
		{ "too patient: ", "[Pool]\nConnectTimeout=1m\n", "Pool.ConnectTimeout: between" },
		{ "no streams: ", "[Pool]\nMaxStreams=0\n", "Pool.MaxStreams: between" },
		{ "misspelt: ", "[Pool]\nWebOder=a\n", "did you mean Pool.WebOrder?" },
	};
	struct tunneld_conf c;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		t_row = rows[i].row;
		EQ(load(rows[i].text, &c), ERR_MALFORMED);
		if (!strstr(logged, rows[i].says))
			EQ_STR(logged, rows[i].says);
	}
}

static void dump_reads_back_to_itself(void)
{
	static uint8_t text[32768];
	struct wr w = wr_from(text, sizeof(text) - 1);
	struct tunneld_conf a, b;

	EQ(load(TWO "[Pool]\nWebOrder=ch5 ch2\nHealthInterval=1500ms\n[Log]\nLevel=debug\n", &a), 0);
	conf_dump(&w, tunneld_keys, &a);
	OK(!w.bad);
	text[wr_len(&w)] = '\0';
	EQ(load((const char *)text, &b), 0);
	OK(memcmp(&a, &b, sizeof(a)) == 0);
}

static void some_keys_need_a_restart(void)
{
	struct tunneld_conf a, b;
	char names[256] = "";
	struct wr w = wr_from(names, sizeof(names) - 1);

	EQ(load(TWO, &a), 0);
	EQ(load("[Pool]\nWs=/x\nMaxStreams=9\nHealthFails=7\n[Metrics]\nPort=1\n", &b), 0);
	tunneld_conf_frozen(&a, &b, &w);
	EQ_STR(names, "Pool.Ws Pool.MaxStreams Metrics.Port");
	tunneld_conf_keep(&a, &b);
	EQ(b.max_streams, 4096);
	EQ_STR(b.socket[ORDER_WS], a.socket[ORDER_WS]);
	EQ(b.health_fails, 7);
	EQ(b.n_channels, 0);
}

static void a_level_that_is_none_is_info(void)
{
	struct tunneld_conf c;

	EQ(load("[Log]\nLevel=loud\n", &c), 0);
	EQ(c.level, LOG_INFO);
	OK(strstr(logged, "using info"));
}

T_MAIN(T(defaults_are_those_of_the_fleet), T(channels_and_orders), T(refuses_what_cannot_be_meant), T(dump_reads_back_to_itself),
       T(some_keys_need_a_restart), T(a_level_that_is_none_is_info))
