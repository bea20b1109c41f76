/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sfud/shell_ws.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <wslay/wslay.h>

#include "sys/stream.h"
#include "wire/base64.h"

#define HEAD_MAX 16384
#define HEAD_WAIT DUR_SEC(10)
#define OUT_MAX (4 * 1024 * 1024)
#define CLOSE_DRAIN DUR_MS(200)
#define SILENT_PINGS 3

struct ws {
	struct ws_server *server;
	struct stream *stream;
	wslay_event_context_ptr frames; /* NULL before the upgrade */
	void *arg;
	bool taken, closing;
	unsigned close_code;
	struct span in; /* what wslay may read in this call */
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

static ssize_t frame_read(wslay_event_context_ptr ctx, uint8_t *buf, size_t n, int flags, void *user)
{
	struct ws *ws = user;

	(void)flags;
	if (ws->in.n == 0) {
		wslay_event_set_error(ctx, WSLAY_ERR_WOULDBLOCK);
		return -1;
	}
	n = n < ws->in.n ? n : ws->in.n;
	memcpy(buf, ws->in.p, n);
	ws->in.p += n;
	ws->in.n -= n;
	return (ssize_t)n;
}

static ssize_t frame_write(wslay_event_context_ptr ctx, const uint8_t *data, size_t n, int flags, void *user)
{
	struct ws *ws = user;

	(void)ctx;
	(void)flags;
	stream_write(ws->stream, span_of(data, n));
	return (ssize_t)n;
}

static void on_message(wslay_event_context_ptr ctx, const struct wslay_event_on_msg_recv_arg *m, void *user)
{
	struct ws *ws = user;

	(void)ctx;
	if (m->opcode == WSLAY_CONNECTION_CLOSE)
		ws->close_code = m->status_code ? m->status_code : 1005;
	else if (m->opcode == WSLAY_BINARY_FRAME)
		ws->server->count.binary++;
	else if (m->opcode == WSLAY_TEXT_FRAME && !ws->closing)
		ws->server->conf.ops->text(ws, ws->arg, span_of(m->msg, m->msg_length));
}

static void flush(struct ws *ws)
{
	(void)wslay_event_send(ws->frames);
}

void ws_send(struct ws *ws, struct span text)
{
	struct wslay_event_msg m = { WSLAY_TEXT_FRAME, text.p, text.n };

	if (ws->closing || !ws->frames || wslay_event_queue_msg(ws->frames, &m) != 0)
		return;
	flush(ws);
}

void ws_close(struct ws *ws, unsigned code, const char *reason)
{
	if (ws->closing || !ws->frames)
		return;
	ws->closing = true;
	(void)wslay_event_queue_close(ws->frames, (uint16_t)code, (const uint8_t *)reason, strlen(reason));
	flush(ws);
	stream_deadline(ws->stream, mono_add(loop_now(ws->server->loop), CLOSE_DRAIN));
}

static const char *status_text(unsigned status)
{
	static const struct {
		unsigned status;
		const char *text;
	} texts[] = {
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 426, "Upgrade Required" },
		{ 431, "Request Header Fields Too Large" },
		{ 503, "Service Unavailable" },
	};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (texts[i].status == status)
			return texts[i].text;
	return "Error";
}

static void refuse(struct ws *ws, unsigned status)
{
	uint8_t buf[256];
	struct wr w = wr_from(buf, sizeof(buf));

	ws->server->count.refused++;
	wr_str(&w, "HTTP/1.1 ");
	wr_dec(&w, status);
	wr_str(&w, " ");
	wr_str(&w, status_text(status));
	if (status == 426)
		wr_str(&w, "\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13");
	wr_str(&w, "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
	stream_write(ws->stream, wr_span_of(&w));
	stream_finish(ws->stream, CLOSE_DRAIN);
}

/* RFC 6455 4.2.2: SHA-1 of the key and a fixed text, in base64. */
static void write_accept(struct wr *w, struct span key)
{
	static const char magic[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	uint8_t text[128], digest[20];
	struct wr t = wr_from(text, sizeof(text));

	wr_span(&t, key);
	wr_str(&t, magic);
	if (EVP_Digest(text, wr_len(&t), digest, NULL, EVP_sha1(), NULL) != 1)
		w->bad = true;
	base64_write(w, span_of(digest, sizeof(digest)));
}

static unsigned check_upgrade(const struct http_head *h, struct span *ret_key)
{
	bool upgrade = false;
	struct span item;

	if (!span_is(h->method, "GET"))
		return 405;
	for (uint32_t pos = 0; http_head_list(h, "Connection", &pos, &item);)
		upgrade |= http_token_is(item, "upgrade");
	if (!upgrade || !http_token_is(http_head_get(h, "Upgrade"), "websocket"))
		return 426;
	if (!span_is(http_head_get(h, "Sec-WebSocket-Version"), "13"))
		return 426;
	*ret_key = http_head_get(h, "Sec-WebSocket-Key");
	return ret_key->n == 24 ? 101 : 400;
}

static bool start_frames(struct ws *ws)
{
	static const struct wslay_event_callbacks calls = {
		.recv_callback = frame_read,
		.send_callback = frame_write,
		.on_msg_recv_callback = on_message,
	};

	if (wslay_event_context_server_init(&ws->frames, &calls, ws) != 0)
		return false;
	wslay_event_config_set_max_recv_msg_length(ws->frames, ws->server->conf.max_message);
	return true;
}

static void upgrade(struct ws *ws, const struct http_head *h)
{
	struct ws_verdict v = { .status = 503 };
	uint8_t buf[512];
	struct wr w = wr_from(buf, sizeof(buf));
	struct span key = { 0 };
	unsigned status = check_upgrade(h, &key);

	if (status == 101) {
		ws->server->conf.ops->upgrade(h, ws->server->conf.arg, &v);
		status = v.status;
	}
	if (status != 101) {
		refuse(ws, status);
		return;
	}
	ws->arg = v.arg;
	ws->taken = true;
	if (!start_frames(ws)) {
		refuse(ws, 503);
		return;
	}
	wr_str(&w, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ");
	write_accept(&w, key);
	if (v.protocol) {
		wr_str(&w, "\r\nSec-WebSocket-Protocol: ");
		wr_str(&w, v.protocol);
	}
	wr_str(&w, "\r\n\r\n");
	stream_write(ws->stream, wr_span_of(&w));
	stream_deadline(ws->stream, MONO_NEVER);
	ws->server->conf.ops->open(ws, ws->arg);
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

static size_t on_data(struct stream *s, struct span in)
{
	struct ws *ws = stream_arg(s);
	size_t used = 0;

	ws->heard = loop_now(ws->server->loop);
	if (!ws->frames) {
		used = on_head(ws, in);
		if (!ws->frames)
			return used;
	}
	ws->in = span_of(in.p + used, in.n - used);
	bool failed = wslay_event_recv(ws->frames) != 0;

	flush(ws); /* pongs, the answer to a close, the close that names a fault */
	/* A frame that breaks RFC 6455 or the size limit makes wslay queue a close and stop reading, and that is
	 * all it says. */
	if (failed || (!wslay_event_get_read_enabled(ws->frames) && !wslay_event_get_close_received(ws->frames))) {
		ws->server->count.protocol_errors++;
		ws->closing = true;
		stream_finish(s, CLOSE_DRAIN);
		return in.n;
	}
	if (wslay_event_get_close_received(ws->frames) && wslay_event_get_close_sent(ws->frames))
		stream_finish(s, CLOSE_DRAIN);
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
		ws->server->conf.ops->closed(ws, ws->arg, ws->close_code);
	if (ws->frames)
		wslay_event_context_free(ws->frames);
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
	ws->close_code = 1006;
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
		struct wslay_event_msg m = { WSLAY_PING, NULL, 0 };
		uint64_t idle = mono_since(now, ws->heard);

		next = ws->next;
		if (!ws->frames || ws->closing || idle < server->conf.ping)
			continue;
		if (idle >= server->conf.ping * SILENT_PINGS) {
			stream_finish(ws->stream, 0);
			continue;
		}
		if (wslay_event_queue_msg(ws->frames, &m) == 0)
			flush(ws);
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

struct addr ws_server_addr(const struct ws_server *s)
{
	return stream_listener_addr(s->listener);
}

struct ws_counters ws_server_counters(const struct ws_server *s)
{
	return s->count;
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
