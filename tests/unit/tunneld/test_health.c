/* SPDX-License-Identifier: AGPL-3.0-only */
#include "tunneld/health.h"

#include "t.h"

#define CHUNKED "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
#define OK_HEAD "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"

/* The verdict of an answer that comes in pieces and ends; -1 when it was there before the end. */
static enum why judge(struct span in, size_t piece, bool *ret_early)
{
	static struct health h;
	enum why why;

	health_begin(&h);
	for (size_t at = 0; at < in.n; at += piece) {
		size_t n = in.n - at < piece ? in.n - at : piece;

		*ret_early = health_input(&h, span_of(in.p + at, n), &why);
		if (*ret_early)
			return why;
	}
	*ret_early = false;
	return health_end(&h);
}

static void judges_what_answers(void)
{
	static const struct {
		const char *row, *text;
		enum why want;
		bool early; /* before the end of the stream */
	} rows[] = {
		{ "ok: ", OK_HEAD "\r\nok", WHY_NONE, true },
		{ "nothing said of the length: ", "HTTP/1.1 200 OK\r\n\r\nok", WHY_NONE, false },
		{ "an empty one: ", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", WHY_NONE, true },
		{ "no content: ", "HTTP/1.1 204 No Content\r\n\r\n", WHY_NONE, true },
		{ "HTTP/1.0: ", "HTTP/1.0 200 OK\r\n\r\nok", WHY_NONE, false },
		{ "chunks: ", CHUNKED "2\r\nok\r\n0\r\n\r\n", WHY_NONE, true },
		{ "chunks with all that may be: ",
		  CHUNKED "01;x=y\r\n0\r\nA\r\n0\r\n\r\n56789\r\n0\r\nT: u\r\n\r\n", WHY_NONE, true },
		{ "a chunk without a size: ", CHUNKED "\r\n0\r\n\r\n", WHY_GARBAGE, true },
		{ "a chunk longer than its size: ", CHUNKED "1\r\nok\r\n", WHY_GARBAGE, true },
		{ "a size beyond all: ", CHUNKED "fffffffff\r\n", WHY_GARBAGE, true },
		{ "no reason: ", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", WHY_NONE, true },
		{ "the last good one: ", "HTTP/1.1 299 x\r\nContent-Length: 0\r\n\r\n", WHY_NONE, true },
		{ "more than it said: ", OK_HEAD "\r\nokay", WHY_NONE, true },
		{ "nothing at all: ", "", WHY_CUT, false },
		{ "half a head: ", "HTTP/1.1 200 OK\r\nContent-", WHY_CUT, false },
		{ "half a body: ", OK_HEAD "\r\no", WHY_CUT, false },
		{ "half a trailer: ", CHUNKED "0\r\nT: u\r\n", WHY_CUT, false },
		{ "half the chunks: ", CHUNKED "2\r\nok\r\n0\r\n", WHY_CUT, false },
		{ "redirect: ", "HTTP/1.1 301 Moved\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", WHY_STATUS, true },
		{ "not modified: ", "HTTP/1.1 304 x\r\n\r\n", WHY_STATUS, true },
		{ "a front without its back: ", "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", WHY_STATUS, true },
		{ "not for us: ", "HTTP/1.1 404 x\r\n\r\n", WHY_STATUS, true },
		{ "go on: ", "HTTP/1.1 100 Continue\r\n\r\n", WHY_STATUS, true },
		{ "another protocol: ", "SSH-2.0-OpenSSH_9.2\r\n", WHY_GARBAGE, true },
		{ "HTTP/2: ", "HTTP/2 200\r\n\r\n", WHY_GARBAGE, true },
		{ "TLS: ", "\x15\x03\x01\x02\x02\r\n", WHY_GARBAGE, true },
		{ "zeros: ", "\r\n\r\n\r\n", WHY_GARBAGE, true },
		{ "a length that is none: ", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", WHY_GARBAGE, true },
		{ "two lengths: ", OK_HEAD "Content-Length: 3\r\n\r\nok", WHY_GARBAGE, true },
		{ "a bare line feed: ", "HTTP/1.1 200 OK\nContent-Length: 0\n\n", WHY_GARBAGE, true },
		{ "too long, it says: ", "HTTP/1.1 200 OK\r\nContent-Length: 65537\r\n\r\n", WHY_TOO_LONG, true },
	};
	bool early;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct span in = span_str(rows[i].text);

		t_row = rows[i].row;
		for (size_t piece = 1; piece <= in.n + 1; piece++) {
			EQ(judge(in, piece, &early), rows[i].want);
			EQ(early, rows[i].early);
		}
	}
}

static void has_patience_for_so_many_bytes(void)
{
	static uint8_t big[HEALTH_HEAD_MAX + HEALTH_BODY_MAX + 2];
	struct wr w = wr_from(big, sizeof(big));
	bool early;
	size_t head;

	wr_str(&w, "HTTP/1.1 200 OK\r\n\r\n");
	head = wr_len(&w);
	memset(big + head, 'x', sizeof(big) - head);
	EQ(judge(span_of(big, head + HEALTH_BODY_MAX), 1000, &early), WHY_NONE);
	OK(!early);
	EQ(judge(span_of(big, head + HEALTH_BODY_MAX + 1), 1000, &early), WHY_TOO_LONG);
	OK(early);
	EQ(judge(span_of(big, sizeof(big)), sizeof(big), &early), WHY_TOO_LONG);

	w = wr_from(big, sizeof(big));
	wr_str(&w, "HTTP/1.1 200 OK\r\nX: ");
	memset(big + wr_len(&w), 'x', HEALTH_HEAD_MAX);
	EQ(judge(span_of(big, HEALTH_HEAD_MAX - 1), 500, &early), WHY_CUT);
	EQ(judge(span_of(big, HEALTH_HEAD_MAX), 500, &early), WHY_TOO_LONG);
	OK(early);
}

static void asks_one_thing(void)
{
	static const struct {
		const char *row, *host, *path;
		size_t room;
		int want;
	} rows[] = {
		{ "plain: ", "oxpulse.chat", "/api/health", 512, 0 },
		{ "a port: ", "[2001:db8::1]:8907", "/", 512, 0 },
		{ "no host: ", "", "/", 512, ERR_MALFORMED },
		{ "no path: ", "a", "", 512, ERR_MALFORMED },
		{ "not from the root: ", "a", "api", 512, ERR_MALFORMED },
		{ "a blank in the path: ", "a", "/api health", 512, ERR_MALFORMED },
		{ "a line in the host: ", "a\r\nX: y", "/", 512, ERR_MALFORMED },
		{ "beyond ASCII: ", "\xc3\xa9.example", "/", 512, ERR_MALFORMED },
		{ "no room: ", "oxpulse.chat", "/api/health", 60, ERR_LIMIT },
	};
	uint8_t buf[512];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct wr w = wr_from(buf, rows[i].room);

		t_row = rows[i].row;
		EQ(health_request(&w, span_str(rows[i].host), span_str(rows[i].path)), rows[i].want);
		if (i == 0)
			EQ_SPAN(wr_span_of(&w), SPAN_LIT("GET /api/health HTTP/1.1\r\nHost: oxpulse.chat\r\nAccept: */*\r\n"
							 "Connection: close\r\n\r\n"));
	}
}

static void names_every_reason(void)
{
	for (enum why w = 0; w < WHY_MAX_; w++) {
		OK(why_str(w)[0] && why_text(w)[0]);
		for (enum why o = 0; o < w; o++)
			OK(strcmp(why_str(w), why_str(o)) != 0);
	}
}

T_MAIN(T(judges_what_answers), T(has_patience_for_so_many_bytes), T(asks_one_thing), T(names_every_reason))
