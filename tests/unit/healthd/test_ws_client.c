/* SPDX-License-Identifier: AGPL-3.0-only */
#include "healthd/probe/ws_client.h"

#include "t.h"

/* RFC 6455 1.3: its own example. */
#define KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define PROOF "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
#define LINE "HTTP/1.1 101 Switching Protocols\r\n"
#define UPGRADE "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define ACCEPT "Sec-WebSocket-Accept: " PROOF "\r\n"

static struct ws_client c;
static struct rng rng;
static uint8_t buf[2 * WS_CLIENT_MESSAGE_MAX];

static void an_upgrade_asks_as_the_rfc_says(void)
{
	char key[WS_CLIENT_KEY_LEN + 1], other[WS_CLIENT_KEY_LEN + 1];
	struct wr w = wr_from(buf, sizeof(buf));

	rng_seed(&rng, 1);
	ws_client_key(&rng, key);
	ws_client_key(&rng, other);
	EQ(strlen(key), WS_CLIENT_KEY_LEN);
	OK(strcmp(key, other) != 0);
	ws_client_request(&w, SPAN_LIT("127.0.0.1:8920"), SPAN_LIT("/sfu/ws/r"), KEY, SPAN_LIT("a, b"));
	EQ_SPAN(wr_span_of(&w), SPAN_LIT("GET /sfu/ws/r HTTP/1.1\r\nHost: 127.0.0.1:8920\r\nConnection: Upgrade\r\n"
					 "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " KEY "\r\n"
					 "Sec-WebSocket-Protocol: a, b\r\n\r\n"));
}

static void only_the_proof_for_our_key_is_taken(void)
{
	static const struct {
		const char *row, *head;
		int want, status;
		bool accepted;
	} rows[] = {
		{ "good: ", LINE UPGRADE ACCEPT "\r\n", 0, 101, true },
		{ "other case: ", LINE "upgrade: WebSocket\r\nSEC-WEBSOCKET-ACCEPT:" PROOF "\r\n\r\n", 0, 101, true },
		{ "no proof: ", LINE UPGRADE "\r\n", 0, 101, false },
		{ "wrong proof: ", LINE UPGRADE "Sec-WebSocket-Accept: AAAA\r\n\r\n", 0, 101, false },
		{ "empty proof: ", LINE UPGRADE "Sec-WebSocket-Accept:\r\n\r\n", 0, 101, false },
		{ "to another protocol: ", LINE "Upgrade: h2c\r\n" ACCEPT "\r\n", 0, 101, false },
		{ "200: ", "HTTP/1.1 200 OK\r\n" UPGRADE ACCEPT "\r\n", 0, 200, false },
		{ "401: ", "HTTP/1.1 401 Unauthorized\r\n\r\n", 0, 401, false },
		{ "no reason: ", "HTTP/1.1 503\r\n\r\n", 0, 503, false },
		{ "HTTP/1.0: ", "HTTP/1.0 101 X\r\n\r\n", ERR_MALFORMED, 0, false },
		{ "no status: ", "HTTP/1.1 1x1 X\r\n\r\n", ERR_MALFORMED, 0, false },
		{ "a long status: ", "HTTP/1.1 1010\r\n\r\n", ERR_MALFORMED, 0, false },
		{ "status 42: ", "HTTP/1.1 042 X\r\n\r\n", ERR_MALFORMED, 0, false },
		{ "status 999: ", "HTTP/1.1 999 X\r\n\r\n", ERR_MALFORMED, 0, false },
		{ "SSH: ", "SSH-2.0-OpenSSH_9.2p1\r\n", ERR_MALFORMED, 0, false },
		{ "an empty line: ", "\r\n", ERR_MALFORMED, 0, false },
		{ "not yet: ", LINE UPGRADE, ERR_SHORT, 0, false },
		{ "nothing yet: ", "", ERR_SHORT, 0, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct span in = span_str(rows[i].head);
		struct ws_response r = { 0 };

		t_row = rows[i].row;
		EQ(ws_client_response(in, KEY, &r), rows[i].want);
		EQ(r.status, rows[i].status);
		EQ(r.accepted, rows[i].accepted);
		EQ(r.len, rows[i].want == 0 ? in.n : 0);
	}
}

static void a_head_without_end_is_too_long(void)
{
	struct ws_response r;

	memset(buf, 'x', sizeof(buf));
	EQ(ws_client_response(span_of(buf, WS_CLIENT_HEAD_MAX - 1), KEY, &r), ERR_SHORT);
	EQ(ws_client_response(span_of(buf, WS_CLIENT_HEAD_MAX), KEY, &r), ERR_LIMIT);
	memcpy(buf, LINE, sizeof(LINE) - 1);
	EQ(ws_client_response(span_of(buf, WS_CLIENT_HEAD_MAX), KEY, &r), ERR_LIMIT);
}

static int next(const char *bytes, size_t n, struct ws_frame *f)
{
	*f = (struct ws_frame){ 0 };
	return ws_client_next(&c, span_of(bytes, n), f);
}

#define NEXT(bytes, f) next(bytes, sizeof(bytes) - 1, f)

static void messages_come_whole_or_in_fragments(void)
{
	struct ws_frame f;

	c.in_message = false;
	EQ(NEXT("\x81\x05hello", &f), 0);
	EQ(f.op, WS_OP_TEXT);
	EQ_SPAN(f.body, SPAN_LIT("hello"));
	EQ(f.len, 7);
	EQ(NEXT("\x01\x03hel", &f), 0);
	EQ(f.op, WS_OP_CONTINUE);
	EQ(NEXT("\x89\x01p", &f), 0); /* a ping between fragments */
	EQ(f.op, WS_OP_PING);
	EQ_SPAN(f.body, SPAN_LIT("p"));
	EQ(NEXT("\x80\x02lo", &f), 0);
	EQ(f.op, WS_OP_TEXT);
	EQ_SPAN(f.body, SPAN_LIT("hello"));
	EQ(NEXT("\x82\x02xy", &f), 0); /* binary: nothing to act on */
	EQ(f.op, WS_OP_CONTINUE);
	EQ(NEXT("\x88\x04\x03\xe8ok", &f), 0);
	EQ(f.op, WS_OP_CLOSE);
	EQ(f.close, 1000);
	EQ(NEXT("\x88\x00", &f), 0);
	EQ(f.close, 1005);
}

static void what_no_server_may_send_is_refused(void)
{
	static const struct {
		const char *row, *bytes;
		size_t n;
		bool in_message;
		int want;
	} rows[] = {
		{ "masked: ", "\x81\x81\0\0\0\0x", 7, false, ERR_MALFORMED },
		{ "reserved bit: ", "\xc1\x01x", 3, false, ERR_MALFORMED },
		{ "opcode 3: ", "\x83\x01x", 3, false, ERR_MALFORMED },
		{ "opcode 11: ", "\x8b\x01x", 3, false, ERR_MALFORMED },
		{ "a ping in fragments: ", "\x09\x01x", 3, false, ERR_MALFORMED },
		{ "a long ping: ", "\x89\x7e\x00\x80", 4, false, ERR_MALFORMED },
		{ "a close of one byte: ", "\x88\x01x", 3, false, ERR_MALFORMED },
		{ "continues nothing: ", "\x80\x01x", 3, false, ERR_MALFORMED },
		{ "text within text: ", "\x81\x01x", 3, true, ERR_MALFORMED },
		{ "larger than may be: ", "\x81\x7e\x80\x01", 4, false, ERR_LIMIT },
		{ "of 2^63 bytes: ", "\x81\x7f\x80\0\0\0\0\0\0\0", 10, false, ERR_LIMIT },
		{ "half a header: ", "\x81", 1, false, ERR_SHORT },
		{ "half a length: ", "\x81\x7e\x01", 3, false, ERR_SHORT },
		{ "half a body: ", "\x81\x02x", 3, false, ERR_SHORT },
		{ "nothing: ", "", 0, false, ERR_SHORT },
	};
	struct ws_frame f;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		t_row = rows[i].row;
		c.in_message = rows[i].in_message;
		EQ(next(rows[i].bytes, rows[i].n, &f), rows[i].want);
		EQ(f.len, 0);
	}
}

static void fragments_have_a_limit_together(void)
{
	struct ws_frame f;
	int r = 0, n = 0;

	memset(buf, 'x', sizeof(buf));
	memcpy(buf, "\x01\x7e\x40\x00", 4); /* 16 KiB */
	c.in_message = false;
	for (; r == 0; n++) {
		r = ws_client_next(&c, span_of(buf, 4 + 0x4000), &f);
		buf[0] = 0;
	}
	EQ(r, ERR_LIMIT);
	EQ(n, 3);
}

/* RFC 6455 5.3: a client masks, whatever the size. */
static void frames_of_ours_are_masked(void)
{
	static const size_t sizes[] = { 0, 1, 125, 126, 4000 };
	static uint8_t body[4000];

	rng_seed(&rng, 5);
	memset(body, 'b', sizeof(body));
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		size_t n = sizes[i], head = n < 126 ? 2 : 4;
		struct wr w = wr_from(buf, sizeof(buf));
		bool same = true;

		ws_client_put(&w, WS_OP_TEXT, span_of(body, n), &rng);
		EQ(wr_len(&w), head + 4 + n);
		EQ(buf[0], 0x81);
		EQ(buf[1], 0x80 | (n < 126 ? n : 126));
		for (size_t k = 0; k < n; k++)
			same &= (buf[head + 4 + k] ^ buf[head + k % 4]) == 'b';
		OK(same);
	}
	struct wr w = wr_from(buf, 8);

	ws_client_put(&w, WS_OP_TEXT, span_of(body, 3), &rng);
	OK(w.bad);
	w = wr_from(buf, sizeof(buf));
	ws_client_put_close(&w, 1000, &rng);
	EQ(wr_len(&w), 8);
	EQ(buf[0], 0x88);
}

T_MAIN(T(an_upgrade_asks_as_the_rfc_says), T(only_the_proof_for_our_key_is_taken), T(a_head_without_end_is_too_long),
       T(messages_come_whole_or_in_fragments), T(what_no_server_may_send_is_refused), T(fragments_have_a_limit_together),
       T(frames_of_ours_are_masked))
