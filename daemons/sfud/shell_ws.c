/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sfud/shell_ws.h"

#include <errno.h>
#include <stdlib.h>

#include "sfud/signal/ws_frames.h"
#include "sfud/signal/ws_upgrade.h"
#include "sys/stream.h"

#define HEAD_MAX 16384
#define HEAD_WAIT DUR_SEC(10)
#define OUT_MAX (4 * 1024 * 1024)
#define CLOSE_DRAIN DUR_MS(200)
#define SILENT_PINGS 3

struct ws {
	struct ws_server *server;
	struct stream *stream;
	struct ws_frames *frames; /* NULL before the upgrade */
	void *arg;
	bool taken;
	mono_t heard;
	struct ws *next, **link;
};

struct ws_server {
	struct loop *loop;
	struct ws_conf conf;
	struct stream_listener *listener;
	struct timer *ping;
	struct ws *all;
	struct ws_counters count;
};

static void on_frames_write(void *arg, struct span out)
{
	struct ws *ws = arg;

	stream_write(ws->stream, out);
}

static void on_frames_text(void *arg, struct span text)
{
	struct ws *ws = arg;

	ws->server->conf.ops->text(ws, ws->arg, text);
}

static const struct ws_frames_ops frames_ops = { on_frames_write, on_frames_text };

static bool is_open(const struct ws *ws)
{
	return ws->frames && ws_frames_state(ws->frames) == WS_FRAMES_OPEN;
}

void ws_send(struct ws *ws, struct span text)
{
	if (is_open(ws))
		ws_frames_text(ws->frames, text);
}

void ws_close(struct ws *ws, unsigned code, const char *reason)
{
	if (!is_open(ws))
		return;
	ws_frames_close(ws->frames, (uint16_t)code, reason);
	stream_deadline(ws->stream, mono_add(loop_now(ws->server->loop), CLOSE_DRAIN));
}

static void refuse(struct ws *ws, unsigned status)
{
	uint8_t buf[256];
	struct wr w = wr_from(buf, sizeof(buf));

	ws->server->count.refused++;
	ws_upgrade_refuse(&w, status);
	stream_write(ws->stream, wr_span_of(&w));
	stream_finish(ws->stream, CLOSE_DRAIN);
}

static void upgrade(struct ws *ws, const struct http_head *h)
{
	struct ws_server *server = ws->server;
	struct ws_verdict v = { .status = 503 };
	uint8_t buf[512];
	struct wr w = wr_from(buf, sizeof(buf));
	struct span key = { 0 };
	unsigned status = ws_upgrade_check(h, &key);

	if (status == 101) {
		server->conf.ops->upgrade(h, server->conf.arg, &v);
		status = v.status;
	}
	if (status != 101) {
		refuse(ws, status);
		return;
	}
	ws->arg = v.arg;
	ws->taken = true;
	ws->frames = ws_frames_new(server->conf.max_message, &frames_ops, ws);
	if (!ws->frames) {
		refuse(ws, 503);
		return;
	}
	ws_upgrade_accept(&w, key, v.protocol);
	stream_write(ws->stream, wr_span_of(&w));
	stream_deadline(ws->stream, MONO_NEVER);
	server->conf.ops->open(ws, ws->arg);
}

static size_t on_head(struct ws *ws, struct span in)
{
	struct http_head h;
	int r = http_head_parse(in, &h);

	if (r == ERR_SHORT && in.n < HEAD_MAX)
		return 0;
	if (r < 0) {
		ws->server->count.bad_heads++;
		refuse(ws, r == ERR_MALFORMED ? 400 : 431);
		return in.n;
	}
	upgrade(ws, &h);
	return h.len;
}

static void on_frames(struct ws *ws, struct span in)
{
	uint64_t binary = ws_frames_binary(ws->frames);
	enum ws_frames_state state = ws_frames_input(ws->frames, in);

	ws->server->count.binary += ws_frames_binary(ws->frames) - binary;
	if (state == WS_FRAMES_FAILED)
		ws->server->count.protocol_errors++;
	if (state == WS_FRAMES_FAILED || state == WS_FRAMES_CLOSED)
		stream_finish(ws->stream, CLOSE_DRAIN);
}

static size_t on_data(struct stream *s, struct span in)
{
	struct ws *ws = stream_arg(s);
	size_t used = 0;

	ws->heard = loop_now(ws->server->loop);
	if (!ws->frames)
		used = on_head(ws, in);
	if (!ws->frames)
		return used;
	on_frames(ws, span_of(in.p + used, in.n - used));
	return in.n;
}

static void on_close(struct stream *s, int why)
{
	struct ws *ws = stream_arg(s);

	if (!ws->taken && why == -ETIMEDOUT)
		ws->server->count.slow_heads++;
	*ws->link = ws->next;
	if (ws->next)
		ws->next->link = ws->link;
	if (ws->taken)
		ws->server->conf.ops->closed(ws, ws->arg,
					     ws->frames ? ws_frames_close_code(ws->frames) : WS_CLOSE_ABNORMAL);
	ws_frames_free(ws->frames);
	free(ws);
}

static void *on_accept(struct stream *s, const struct stream_peer *peer, void *arg)
{
	struct ws_server *server = arg;
	struct ws *ws = calloc(1, sizeof(*ws));

	(void)peer; /* the front's; the client's address is nobody's business here */
	if (!ws)
		return NULL;
	ws->server = server;
	ws->stream = s;
	ws->heard = loop_now(server->loop);
	ws->next = server->all;
	ws->link = &server->all;
	if (ws->next)
		ws->next->link = &ws->next;
	server->all = ws;
	stream_deadline(s, mono_add(ws->heard, HEAD_WAIT));
	return ws;
}

static void ping_idle(void *arg)
{
	struct ws_server *server = arg;
	mono_t now = loop_now(server->loop);
	struct ws *next;

	for (struct ws *ws = server->all; ws; ws = next) {
		uint64_t idle = mono_since(now, ws->heard);

		next = ws->next;
		if (!is_open(ws) || idle < server->conf.ping)
			continue;
		if (idle >= server->conf.ping * SILENT_PINGS)
			stream_finish(ws->stream, 0);
		else
			ws_frames_ping(ws->frames);
	}
	timer_set(server->ping, mono_add(now, server->conf.ping / 2));
}

int ws_server_open(struct loop *l, const struct ws_conf *c, struct ws_server **ret)
{
	static const struct stream_ops ops = { on_data, on_close };
	struct ws_server *s = calloc(1, sizeof(*s));
	int r = ERR_NOMEM;

	if (!s)
		return r;
	s->loop = l;
	s->conf = *c;
	struct stream_listen_conf listen = {
		.ops = &ops,
		.limits = { .in_max = HEAD_MAX + 65536, .out_max = OUT_MAX },
		.max_streams = c->max_conns,
		.on_accept = on_accept,
		.arg = s,
	};

	s->ping = loop_timer(l, ping_idle, s);
	if (s->ping)
		r = stream_listen_tcp(l, &c->listen, &listen, &s->listener);
	if (r < 0) {
		ws_server_close(s);
		return r;
	}
	timer_set(s->ping, mono_add(loop_now(l), c->ping / 2));
	*ret = s;
	return 0;
}

struct ws_counters ws_server_counters(const struct ws_server *s)
{
	struct ws_counters c = s->count;

	c.connections_refused = stream_listener_refused(s->listener);
	return c;
}

void ws_server_close(struct ws_server *s)
{
	if (!s)
		return;
	stream_listener_free(s->listener);
	while (s->all)
		stream_close(s->all->stream, 0);
	if (s->ping)
		timer_free(s->ping);
	free(s);
}
