/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sfud/signal/ws_upgrade.h"

#include "t.h"

#define KEY "dGhlIHNhbXBsZSBub25jZQ=="

static uint8_t buf[1024];

static unsigned check(const char *line, const char *fields, struct span *ret_key)
{
	static char text[1024];
	static struct http_head h;

	snprintf(text, sizeof(text), "%s\r\nHost: server.example.com\r\n%s\r\n", line, fields);
	EQ(http_head_parse(span_str(text), &h), 0);
	return ws_upgrade_check(&h, ret_key);
}

/* RFC 6455 1.3: the request and the answer of the example. */
static void example_of_the_rfc(void)
{
	struct wr w = wr_from(buf, sizeof(buf));
	struct span key = { 0 };

	EQ(check("GET /chat HTTP/1.1",
		 "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: " KEY "\r\n"
		 "Origin: http://example.com\r\nSec-WebSocket-Protocol: chat, superchat\r\nSec-WebSocket-Version: 13\r\n",
		 &key), 101);
	EQ_SPAN(key, SPAN_LIT(KEY));
	ws_upgrade_accept(&w, key, "chat");
	EQ_SPAN(wr_span_of(&w), SPAN_LIT("HTTP/1.1 101 Switching Protocols\r\n"
					 "Upgrade: websocket\r\nConnection: Upgrade\r\n"
					 "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
					 "Sec-WebSocket-Protocol: chat\r\n\r\n"));
	w = wr_from(buf, sizeof(buf));
	ws_upgrade_accept(&w, key, NULL);
	EQ_SPAN(wr_span_of(&w), SPAN_LIT("HTTP/1.1 101 Switching Protocols\r\n"
					 "Upgrade: websocket\r\nConnection: Upgrade\r\n"
					 "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"));
}

#define UP "Upgrade: websocket\r\n"
#define CONN "Connection: Upgrade\r\n"
#define V13 "Sec-WebSocket-Version: 13\r\n"
#define K "Sec-WebSocket-Key: " KEY "\r\n"

/* RFC 6455 4.2.1: what must be there, in any case and order, and the answer when it is not. */
static void requests_are_judged(void)
{
	static const struct {
		const char *line, *fields;
		unsigned want;
	} rows[] = {
		{ "GET / HTTP/1.1", UP CONN V13 K, 101 },
		{ "GET / HTTP/1.1", "connection: keep-alive, UPGRADE\r\n" K V13 "UPGRADE: WebSocket\r\n", 101 },
		{ "GET / HTTP/1.1", "Connection: keep-alive\r\n" CONN UP V13 K, 101 },
		{ "POST / HTTP/1.1", UP CONN V13 K, 405 },
		{ "get / HTTP/1.1", UP CONN V13 K, 405 },
		{ "HEAD / HTTP/1.1", "", 405 },
		{ "GET / HTTP/1.1", "", 426 },
		{ "GET / HTTP/1.1", UP V13 K, 426 },
		{ "GET / HTTP/1.1", CONN V13 K, 426 },
		{ "GET / HTTP/1.1", UP "Connection: close\r\n" V13 K, 426 },
		{ "GET / HTTP/1.1", UP "Connection: Upgrades\r\n" V13 K, 426 },
		{ "GET / HTTP/1.1", "Upgrade: h2c\r\n" CONN V13 K, 426 },
		{ "GET / HTTP/1.1", UP CONN K, 426 },
		{ "GET / HTTP/1.1", UP CONN K "Sec-WebSocket-Version: 8\r\n", 426 },
		{ "GET / HTTP/1.1", UP CONN K "Sec-WebSocket-Version: 13, 8\r\n", 426 },
		{ "GET / HTTP/1.1", UP CONN V13, 400 },
		{ "GET / HTTP/1.1", UP CONN V13 "Sec-WebSocket-Key:\r\n", 400 },
		{ "GET / HTTP/1.1", UP CONN V13 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=\r\n", 400 },
		{ "GET / HTTP/1.1", UP CONN V13 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ===\r\n", 400 },
	};
	char row[32];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct span key = { 0 };

		snprintf(row, sizeof(row), "row %zu: ", i);
		t_row = row;
		EQ(check(rows[i].line, rows[i].fields, &key), rows[i].want);
		EQ(key.n, rows[i].want == 101 ? 24 : 0);
	}
}

/* RFC 6455 4.2.2 and 4.4: a refusal is a whole answer; one for the version tells which we speak. */
static void refusals_are_whole_answers(void)
{
	static const struct {
		unsigned status;
		const char *want;
	} rows[] = {
		{ 400, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" },
		{ 401, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" },
		{ 404, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" },
		{ 405, "HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" },
		{ 426, "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
		       "Content-Length: 0\r\nConnection: close\r\n\r\n" },
		{ 431, "HTTP/1.1 431 Request Header Fields Too Large\r\n"
		       "Content-Length: 0\r\nConnection: close\r\n\r\n" },
		{ 503, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" },
		{ 418, "HTTP/1.1 418 Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct wr w = wr_from(buf, sizeof(buf));

		ws_upgrade_refuse(&w, rows[i].status);
		EQ_SPAN(wr_span_of(&w), span_str(rows[i].want));
	}
}

/* An answer is whole or not there. */
static void small_buffers_fail(void)
{
	struct wr w = wr_from(buf, sizeof(buf));
	size_t n;

	ws_upgrade_accept(&w, SPAN_LIT(KEY), NULL);
	for (n = wr_len(&w); n--;) {
		w = wr_from(buf, n);
		ws_upgrade_accept(&w, SPAN_LIT(KEY), NULL);
		OK(w.bad);
	}
	w = wr_from(buf, sizeof(buf));
	ws_upgrade_accept(&w, SPAN_LIT(KEY "="), NULL);
	OK(w.bad);
}

T_MAIN(T(example_of_the_rfc), T(requests_are_judged), T(refusals_are_whole_answers), T(small_buffers_fail))
