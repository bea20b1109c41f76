/* SPDX-License-Identifier: AGPL-3.0-only */
#include "wire/http_head.h"

#include "t.h"

static const char upgrade[] = "GET /sfu/ws/r1?token=a.b HTTP/1.1\r\n"
			      "Host: edge.example\r\n"
			      "Upgrade: websocket\r\n"
			      "connection:  keep-alive ,\tUpgrade\t \r\n"
			      "Sec-WebSocket-Protocol: bearer.a.b.c, v1\r\n"
			      "Sec-WebSocket-Protocol:, v2 ,,Bearer x y\r\n"
			      "Empty:\r\n"
			      "\r\n"
			      "frames";

/* RFC 9112 3 and 5: method, target, version, fields, and where the head ends. */
static void upgrade_request_is_read(void)
{
	struct http_head h;

	EQ(http_head_parse(SPAN_LIT(upgrade), &h), 0);
	EQ_SPAN(h.method, SPAN_LIT("GET"));
	EQ_SPAN(h.target, SPAN_LIT("/sfu/ws/r1?token=a.b"));
	EQ_SPAN(h.path, SPAN_LIT("/sfu/ws/r1"));
	EQ(h.minor, 1);
	EQ(h.n_fields, 6);
	EQ(h.len, sizeof(upgrade) - 1 - 6);
	EQ_SPAN(h.field[2].name, SPAN_LIT("connection"));
	EQ_SPAN(http_head_get(&h, "CONNECTION"), SPAN_LIT("keep-alive ,\tUpgrade"));
	EQ_SPAN(http_head_get(&h, "host"), SPAN_LIT("edge.example"));
	EQ(http_head_get(&h, "empty").n, 0);
	OK(http_head_get(&h, "empty").p != NULL);
	OK(http_head_get(&h, "absent").p == NULL);
	OK(http_token_is(http_head_get(&h, "upgrade"), "WebSocket"));
	OK(!http_token_is(http_head_get(&h, "upgrade"), "WebSockets"));
}

/* Every head is unfinished until its last byte has arrived. */
static void every_prefix_is_short(void)
{
	struct http_head h;

	for (size_t n = 0; n < sizeof(upgrade) - 1 - 6; n++)
		EQ(http_head_parse(span_of(upgrade, n), &h), ERR_SHORT);
}

/* RFC 9110 5.3 and 5.6.1: a list runs over all fields of its name; empty elements do not count. */
static void lists_are_walked(void)
{
	const struct {
		const char *name;
		const char *want[6];
	} rows[] = {
		{ "sec-websocket-protocol", { "bearer.a.b.c", "v1", "v2", "Bearer x y" } },
		{ "connection", { "keep-alive", "Upgrade" } },
		{ "upgrade", { "websocket" } },
		{ "empty", { NULL } },
		{ "absent", { NULL } },
	};
	struct http_head h;

	EQ(http_head_parse(SPAN_LIT(upgrade), &h), 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint32_t pos = 0, n = 0;
		struct span e;

		t_row = rows[i].name;
		while (http_head_list(&h, rows[i].name, &pos, &e)) {
			OK(rows[i].want[n] != NULL);
			if (!rows[i].want[n])
				break;
			EQ_SPAN(e, span_str(rows[i].want[n++]));
		}
		OK(rows[i].want[n] == NULL);
		OK(!http_head_list(&h, rows[i].name, &pos, &e));
	}
}

#define GET "GET / HTTP/1.1\r\n"

/* RFC 9110 5.5 and 5.6.2: unusual, but with one meaning. */
static void unusual_heads_are_read(void)
{
	const struct {
		const char *row;
		struct span text;
	} rows[] = {
		{ "smallest: ", SPAN_LIT(GET "\r\n") },
		{ "HTTP/1.0: ", SPAN_LIT("GET / HTTP/1.0\r\n\r\n") },
		{ "obs-text in a value: ", SPAN_LIT(GET "A: \xc3\xa4\r\n\r\n") },
		{ "tab in a value: ", SPAN_LIT(GET "A: a\tb\r\n\r\n") },
		{ "every kind of token letter: ", SPAN_LIT(GET "!#$%&'*+-.^_`|~09azAZ: 1\r\n\r\n") },
		{ "one length: ", SPAN_LIT(GET "Content-Length: 5\r\n\r\n") },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct http_head h = { .len = 99 };

		t_row = rows[i].row;
		EQ(http_head_parse(rows[i].text, &h), 0);
		EQ(h.len, rows[i].text.n);
	}
}

/* RFC 9112 2.2, 3, 5.1, 5.2, 6.3: what two servers could read in two ways is refused. */
static void lenient_forms_are_refused(void)
{
	const struct {
		const char *row;
		struct span text;
	} rows[] = {
		{ "bare LF: ", SPAN_LIT("GET / HTTP/1.1\nHost: a\n\n") },
		{ "bare LF in a field: ", SPAN_LIT(GET "A: 1\nB: 2\r\n\r\n") },
		{ "bare LF at the end: ", SPAN_LIT(GET "A: 1\r\n\n") },
		{ "bare CR in a field: ", SPAN_LIT(GET "A: 1\rB: 2\r\n\r\n") },
		{ "CR CR LF: ", SPAN_LIT(GET "A: 1\r\r\n\r\n") },
		{ "NUL in a value: ", SPAN_LIT(GET "A: 1\0002\r\n\r\n") },
		{ "NUL in a name: ", SPAN_LIT(GET "A\0: 1\r\n\r\n") },
		{ "NUL in the target: ", SPAN_LIT("GET /\0 HTTP/1.1\r\n\r\n") },
		{ "control character: ", SPAN_LIT(GET "Transfer-Encoding: \x0b" "chunked\r\n\r\n") },
		{ "DEL: ", SPAN_LIT(GET "A: \x7f\r\n\r\n") },
		{ "folded: ", SPAN_LIT(GET "A: 1\r\n 2\r\n\r\n") },
		{ "folded with a tab: ", SPAN_LIT(GET "A: 1\r\n\tB: 2\r\n\r\n") },
		{ "folded first line: ", SPAN_LIT(GET " A: 1\r\n\r\n") },
		{ "space before the colon: ", SPAN_LIT(GET "Content-Length : 5\r\n\r\n") },
		{ "tab before the colon: ", SPAN_LIT(GET "Transfer-Encoding\t: chunked\r\n\r\n") },
		{ "no colon: ", SPAN_LIT(GET "Host\r\n\r\n") },
		{ "no name: ", SPAN_LIT(GET ": 1\r\n\r\n") },
		{ "name beyond ASCII: ", SPAN_LIT(GET "\xc3\xa4: 1\r\n\r\n") },
		{ "separator in a name: ", SPAN_LIT(GET "A(b): 1\r\n\r\n") },
		{ "two hosts: ", SPAN_LIT(GET "Host: a\r\nhOST: b\r\n\r\n") },
		{ "two lengths: ", SPAN_LIT(GET "Content-Length: 5\r\nContent-length: 5\r\n\r\n") },
		{ "length and coding: ", SPAN_LIT(GET "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n") },
		{ "leading empty line: ", SPAN_LIT("\r\n" GET "\r\n") },
		{ "leading space: ", SPAN_LIT(" " GET "\r\n") },
		{ "two spaces: ", SPAN_LIT("GET  / HTTP/1.1\r\n\r\n") },
		{ "tab for a space: ", SPAN_LIT("GET\t/ HTTP/1.1\r\n\r\n") },
		{ "space in the target: ", SPAN_LIT("GET /a b HTTP/1.1\r\n\r\n") },
		{ "fragment: ", SPAN_LIT("GET /a#b HTTP/1.1\r\n\r\n") },
		{ "target beyond ASCII: ", SPAN_LIT("GET /\xc3\xa4 HTTP/1.1\r\n\r\n") },
		{ "absolute form: ", SPAN_LIT("GET http://a/ HTTP/1.1\r\n\r\n") },
		{ "asterisk form: ", SPAN_LIT("OPTIONS * HTTP/1.1\r\n\r\n") },
		{ "no target: ", SPAN_LIT("GET HTTP/1.1\r\n\r\n") },
		{ "HTTP/0.9: ", SPAN_LIT("GET /\r\n\r\n") },
		{ "HTTP/2.0: ", SPAN_LIT("PRI / HTTP/2.0\r\n\r\n") },
		{ "HTTP/1.10: ", SPAN_LIT("GET / HTTP/1.10\r\n\r\n") },
		{ "http/1.1: ", SPAN_LIT("GET / http/1.1\r\n\r\n") },
		{ "space behind the version: ", SPAN_LIT("GET / HTTP/1.1 \r\n\r\n") },
		{ "method with a separator: ", SPAN_LIT("G@T / HTTP/1.1\r\n\r\n") },
		{ "TLS hello: ", SPAN_LIT("\x16\x03\x01\x02") },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct http_head h = { .len = 99 };

		t_row = rows[i].row;
		EQ(http_head_parse(rows[i].text, &h), ERR_MALFORMED);
		EQ(h.len, 99);
	}
}

/* HTTP_FIELDS_MAX fields are read, one more is a limit. */
static void fields_are_bounded(void)
{
	for (uint32_t n = HTTP_FIELDS_MAX; n <= HTTP_FIELDS_MAX + 1; n++) {
		uint8_t buf[1024];
		struct wr w = wr_from(buf, sizeof(buf));
		struct http_head h = { .n_fields = 0 };

		wr_str(&w, GET);
		for (uint32_t i = 0; i < n; i++)
			wr_str(&w, "a: 1\r\n");
		wr_str(&w, "\r\n");
		EQ(http_head_parse(wr_span_of(&w), &h), n <= HTTP_FIELDS_MAX ? 0 : ERR_LIMIT);
		EQ(h.n_fields, n <= HTTP_FIELDS_MAX ? n : 0);
	}
}

/* A head of HTTP_HEAD_MAX bytes is read, a longer one is a limit, not a wait; its longest value is still walked. */
static void bytes_are_bounded(void)
{
	static uint8_t buf[HTTP_HEAD_MAX + 2];
	const size_t front = sizeof(GET "A:") - 1;
	struct http_head h;
	struct span e;
	uint32_t pos = 0;

	memset(buf, 'x', sizeof(buf));
	memcpy(buf, GET "A:", front);
	EQ(http_head_parse(span_of(buf, HTTP_HEAD_MAX - 1), &h), ERR_SHORT);
	EQ(http_head_parse(span_of(buf, HTTP_HEAD_MAX), &h), ERR_LIMIT);
	memcpy(buf + HTTP_HEAD_MAX - 3, "\r\n\r\n", 4);
	EQ(http_head_parse(span_of(buf, HTTP_HEAD_MAX + 1), &h), ERR_LIMIT);
	memcpy(buf + HTTP_HEAD_MAX - 4, "\r\n\r\n", 4);
	EQ(http_head_parse(span_of(buf, HTTP_HEAD_MAX + 1), &h), 0);
	EQ(h.len, HTTP_HEAD_MAX);
	OK(http_head_list(&h, "a", &pos, &e));
	EQ(e.n, HTTP_HEAD_MAX - 4 - front);
	OK(!http_head_list(&h, "a", &pos, &e));
}

/* RFC 9112 4 and 6: status, fields, and how long the body is. */
static void replies_are_read(void)
{
	const struct {
		const char *row, *text;
		int status;
		uint8_t minor;
		bool has_length, chunked;
		uint64_t length;
	} rows[] = {
		{ "smallest: ", "HTTP/1.1 200 \r\n\r\n", 200, 1, false, false, 0 },
		{ "no reason, no space: ", "HTTP/1.1 204\r\n\r\n", 204, 1, false, false, 0 },
		{ "reason of any kind: ", "HTTP/1.1 404 N\xc3\xb6t  found: at all\r\n\r\n", 404, 1, false, false, 0 },
		{ "HTTP/1.0: ", "HTTP/1.0 599 x\r\n\r\n", 599, 0, false, false, 0 },
		{ "to be continued: ", "HTTP/1.1 100 Continue\r\n\r\n", 100, 1, false, false, 0 },
		{ "length: ", "HTTP/1.1 200 OK\r\ncontent-length:  15 \r\n\r\n", 200, 1, true, false, 15 },
		{ "length 0: ", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, 1, true, false, 0 },
		{ "longest length: ", "HTTP/1.1 200 OK\r\nContent-Length: 999999999999999999\r\n\r\n", 200, 1, true, false,
		  UINT64_C(999999999999999999) },
		{ "chunks: ", "HTTP/1.1 200 OK\r\nA: b\r\nTransfer-Encoding: Chunked\r\n\r\n", 200, 1, false, true, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct http_reply_head h;
		size_t n = strlen(rows[i].text);

		t_row = rows[i].row;
		for (size_t short_n = 0; short_n < n; short_n++)
			EQ(http_reply_parse(span_of(rows[i].text, short_n), &h), ERR_SHORT);
		EQ(http_reply_parse(span_of(rows[i].text, n), &h), 0);
		EQ(h.head.len, n);
		EQ(h.status, rows[i].status);
		EQ(h.head.minor, rows[i].minor);
		EQ(h.has_length, rows[i].has_length);
		EQ(h.chunked, rows[i].chunked);
		EQ(h.length, rows[i].length);
		EQ(h.head.method.n + h.head.target.n + h.head.path.n, 0);
	}
}

#define OK200 "HTTP/1.1 200 OK\r\n"

/* A reply that two readers could read in two ways, or that ends nobody knows where, is refused. */
static void lenient_replies_are_refused(void)
{
	const struct {
		const char *row;
		struct span text;
	} rows[] = {
		{ "HTTP/0.9: ", SPAN_LIT("hello\r\n\r\n") },
		{ "HTTP/2: ", SPAN_LIT("HTTP/2 200\r\n\r\n") },
		{ "HTTP/1.10: ", SPAN_LIT("HTTP/1.10 200 OK\r\n\r\n") },
		{ "http/1.1: ", SPAN_LIT("http/1.1 200 OK\r\n\r\n") },
		{ "cut version: ", SPAN_LIT("HTTP/1.\r\n\r\n") },
		{ "no status: ", SPAN_LIT("HTTP/1.1\r\n\r\n") },
		{ "empty status: ", SPAN_LIT("HTTP/1.1 \r\n\r\n") },
		{ "two digits: ", SPAN_LIT("HTTP/1.1 20 OK\r\n\r\n") },
		{ "four digits: ", SPAN_LIT("HTTP/1.1 2000 OK\r\n\r\n") },
		{ "status 0: ", SPAN_LIT("HTTP/1.1 099 OK\r\n\r\n") },
		{ "status 600: ", SPAN_LIT("HTTP/1.1 600 OK\r\n\r\n") },
		{ "sign: ", SPAN_LIT("HTTP/1.1 +20 OK\r\n\r\n") },
		{ "two spaces: ", SPAN_LIT("HTTP/1.1  200 OK\r\n\r\n") },
		{ "tab: ", SPAN_LIT("HTTP/1.1\t200 OK\r\n\r\n") },
		{ "reason glued on: ", SPAN_LIT("HTTP/1.1 200OK\r\n\r\n") },
		{ "control character in the reason: ", SPAN_LIT("HTTP/1.1 200 O\x01K\r\n\r\n") },
		{ "bare LF: ", SPAN_LIT("HTTP/1.1 200 OK\n\n") },
		{ "a request: ", SPAN_LIT(GET "\r\n") },
		{ "folded: ", SPAN_LIT(OK200 "A: 1\r\n 2\r\n\r\n") },
		{ "space before the colon: ", SPAN_LIT(OK200 "Content-Length : 5\r\n\r\n") },
		{ "two lengths: ", SPAN_LIT(OK200 "Content-Length: 5\r\nContent-Length: 5\r\n\r\n") },
		{ "list of lengths: ", SPAN_LIT(OK200 "Content-Length: 5, 5\r\n\r\n") },
		{ "empty length: ", SPAN_LIT(OK200 "Content-Length:\r\n\r\n") },
		{ "negative length: ", SPAN_LIT(OK200 "Content-Length: -1\r\n\r\n") },
		{ "signed length: ", SPAN_LIT(OK200 "Content-Length: +1\r\n\r\n") },
		{ "hexadecimal length: ", SPAN_LIT(OK200 "Content-Length: 0x5\r\n\r\n") },
		{ "length that overflows: ", SPAN_LIT(OK200 "Content-Length: 18446744073709551617\r\n\r\n") },
		{ "length and chunks: ", SPAN_LIT(OK200 "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n") },
		{ "other coding: ", SPAN_LIT(OK200 "Transfer-Encoding: gzip\r\n\r\n") },
		{ "two codings: ", SPAN_LIT(OK200 "Transfer-Encoding: gzip, chunked\r\n\r\n") },
		{ "chunked twice: ", SPAN_LIT(OK200 "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n") },
		{ "empty coding: ", SPAN_LIT(OK200 "Transfer-Encoding:\r\n\r\n") },
		{ "chunks of HTTP/1.0: ", SPAN_LIT("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n") },
		{ "TLS alert: ", SPAN_LIT("\x15\x03\x01\x00\x02\x02\x28") },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct http_reply_head h = { .status = 99 };

		t_row = rows[i].row;
		EQ(http_reply_parse(rows[i].text, &h), ERR_MALFORMED);
		EQ(h.status, 99);
	}
}

/* The bounds of a request's head are those of a reply's. */
static void replies_are_bounded(void)
{
	static uint8_t buf[HTTP_HEAD_MAX];
	struct wr w = wr_from(buf, sizeof(buf));
	struct http_reply_head h;

	wr_str(&w, OK200);
	for (uint32_t i = 0; i <= HTTP_FIELDS_MAX; i++)
		wr_str(&w, "a: 1\r\n");
	EQ(http_reply_parse(wr_span_of(&w), &h), ERR_LIMIT);
	memset(buf, 'x', sizeof(buf));
	memcpy(buf, OK200 "A:", sizeof(OK200 "A:") - 1);
	EQ(http_reply_parse(span_of(buf, sizeof(buf) - 1), &h), ERR_SHORT);
	EQ(http_reply_parse(span_of(buf, sizeof(buf)), &h), ERR_LIMIT);
}

T_MAIN(T(upgrade_request_is_read), T(every_prefix_is_short), T(lists_are_walked), T(unusual_heads_are_read),
       T(lenient_forms_are_refused), T(fields_are_bounded), T(bytes_are_bounded), T(replies_are_read),
       T(lenient_replies_are_refused), T(replies_are_bounded))
