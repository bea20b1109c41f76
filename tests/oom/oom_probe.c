/* SPDX-License-Identifier: AGPL-3.0-only */
/* Each kind of probe again and again, each time with another allocation failing. Nobody real answers: it is the ends that count. */
#include <stdlib.h>
#include <unistd.h>

#include "base/slab.h"
#include "healthd/shell_probe.h"
#include "sys/stream.h"
#include "t.h"

#define SWEEP_MAX 500
#define SECRET "of nobody's business"

struct world {
	struct loop *loop;
	struct http_client *http;
	struct stream_listener *listener;
	struct addr at;
	struct secret secret;
	struct probe *probe;
	struct probe_env env;
	unsigned calls;
	struct probe_result result;
};

static struct world w;

/* A server that has no place for anybody. */
static size_t on_data(struct stream *s, struct span in)
{
	static const char busy[] = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

	stream_write(s, SPAN_LIT(busy));
	stream_finish(s, DUR_MS(100));
	return in.n;
}

static void on_close(struct stream *s, int why)
{
	(void)s;
	(void)why;
}

static void *on_accept(struct stream *s, const struct stream_peer *peer, void *arg)
{
	(void)s;
	(void)peer;
	return arg;
}

static void start(void)
{
	static const struct stream_ops ops = { on_data, on_close };
	const struct stream_listen_conf c = {
		.ops = &ops,
		.limits = { .in_max = 65536, .out_max = 65536 },
		.max_streams = 8,
		.on_accept = on_accept,
		.arg = &w,
	};
	const struct addr at = addr_v4(127, 0, 0, 1, 0);

	w.loop = loop_new();
	w.http = w.loop ? http_client_new(w.loop) : NULL;
	if (!w.http || stream_listen_tcp(w.loop, &at, &c, &w.listener) < 0)
		abort();
	w.at = stream_listener_addr(w.listener);
	w.env = (struct probe_env){ w.loop, w.http, DUR_SEC(5) };
	EQ(secret_set(&w.secret, SPAN_LIT(SECRET)), 0);
}

static void finish(void)
{
	stream_listener_free(w.listener);
	http_client_free(w.http);
	loop_free(w.loop);
}

static void on_result(const struct probe_result *r, void *arg)
{
	(void)arg;
	w.calls++;
	w.result = *r;
	loop_stop(w.loop);
}

/* --- the kinds ---------------------------------------------------------------------------------------------------- */

static int turn_udp(void)
{
	const struct probe_turn q = { .at = w.at, .secret = &w.secret };

	return probe_turn(&w.env, &q, on_result, NULL, &w.probe);
}

static int turn_tcp(void)
{
	const struct probe_turn q = { .at = w.at, .secret = &w.secret, .transport = PROBE_TCP };

	return probe_turn(&w.env, &q, on_result, NULL, &w.probe);
}

static int stun_tls(void)
{
	const struct probe_stun q = { .at = w.at, .transport = PROBE_TLS, .name = "turn.test" };

	return probe_stun(&w.env, &q, on_result, NULL, &w.probe);
}

static int sfu(void)
{
	const struct probe_sfu q = { .signal = w.at, .secret = &w.secret };

	return probe_sfu(&w.env, &q, on_result, NULL, &w.probe);
}

static int peer(void)
{
	const struct probe_peer q = { .host = "127.0.0.1", .port = w.at.port, .transport = PROBE_TLS, .allow_internal = true };

	return probe_peer(&w.env, &q, on_result, NULL, &w.probe);
}

static int http(void)
{
	char url[128], at[ADDR_TEXT_MAX];
	const struct probe_http q = { .ask = { .url = url }, .what = "the test" };

	snprintf(url, sizeof(url), "http://%s/", addr_fmt(&w.at, at));
	return probe_http(&w.env, &q, on_result, NULL, &w.probe);
}

static const struct kind {
	const char *row;
	int (*begin)(void);
	const char *reason; /* when nothing fails */
} kinds[] = {
	{ "TURN over UDP: ", turn_udp, "refused" },
	{ "TURN over TCP: ", turn_tcp, "other" },
	{ "STUN over TLS: ", stun_tls, "tls" },
	{ "sfud: ", sfu, "status" },
	{ "a peer: ", peer, "tls" },
	{ "HTTP: ", http, "status" },
};

/* 0: it could not begin, otherwise it ended once. */
static bool run(const struct kind *k, size_t nth, size_t *ret_made)
{
	int r;

	w.calls = 0;
	(void)mem_fail_at(nth);
	r = k->begin();
	if (r == 0)
		(void)loop_run(w.loop);
	*ret_made = mem_fail_at(SIZE_MAX);
	OK(r == 0 || r == ERR_NOMEM);
	EQ(w.calls, r == 0);
	return r == 0;
}

static void every_failing_allocation_is_an_end(void)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		size_t made, n, failed = 0;
		char cause[PROBE_TEXT_MAX];

		t_row = kinds[i].row;
		OK(run(&kinds[i], SIZE_MAX, &made));
		EQ_STR(w.result.reason, kinds[i].reason);
		memcpy(cause, w.result.cause, sizeof(cause));
		for (n = 0; n < SWEEP_MAX; n++) {
			bool began = run(&kinds[i], n, &made);

			if (made <= n)
				break; /* it made fewer: none failed */
			failed += !began || strcmp(w.result.cause, cause) != 0;
			OK(!began || (!w.result.ok && w.result.reason[0] && w.result.cause[0] && w.result.fix[0]));
		}
		OK(n > 0 && n < SWEEP_MAX && failed > 0);
		OK(run(&kinds[i], SIZE_MAX, &made));
		EQ_STR(w.result.reason, kinds[i].reason);
		printf("# %s%zu allocations\n", kinds[i].row, n);
	}
}

/* At any turn of the loop: no call, nothing left. */
static void on_turns(void *arg)
{
	unsigned *left = arg;

	if ((*left)-- == 0)
		loop_stop(w.loop);
}

static void cancelled_at_any_turn_it_is_not_called(void)
{
	unsigned left = 0;

	OK(loop_turn_end(w.loop, on_turns, &left) == 0);
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		t_row = kinds[i].row;
		for (unsigned turns = 1; turns < 12; turns++) {
			w.calls = 0;
			left = turns;
			EQ(kinds[i].begin(), 0);
			(void)loop_run(w.loop);
			if (w.calls == 0)
				probe_cancel(w.probe);
			else
				break;
		}
	}
	left = UINT32_MAX;
	probe_cancel(NULL);
}

T_MAIN(T(start), T(every_failing_allocation_is_an_end), T(cancelled_at_any_turn_it_is_not_called), T(finish))
