/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sfud/signal/ws_frames.h"

#include "base/slab.h"
#include "t.h"

#define MAX_MESSAGE 300

enum { CONT = 0, TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10, FIN = 0x80, MASKED = 0x80 };

/* Everything that came out: bytes for the wire, and "[message]" for each text. */
static uint8_t out[1 << 17], texts[4096];
static struct wr out_w, texts_w;
static struct ws_frames *frames;
static enum { LISTENS, ECHOES, CLOSES } manner;

static void on_write(void *arg, struct span bytes)
{
	EQ(arg == &manner, true);
	wr_span(&out_w, bytes);
}

static void on_text(void *arg, struct span text)
{
	EQ(arg == &manner, true);
	wr_u8(&texts_w, '[');
	wr_span(&texts_w, text);
	wr_u8(&texts_w, ']');
	if (manner == ECHOES)
		ws_frames_text(frames, text);
	if (manner == CLOSES)
		ws_frames_close(frames, 4001, "enough");
}

static void start(void)
{
	static const struct ws_frames_ops ops = { on_write, on_text };

	manner = LISTENS;
	out_w = wr_from(out, sizeof(out));
	texts_w = wr_from(texts, sizeof(texts));
	frames = ws_frames_new(MAX_MESSAGE, &ops, &manner);
	OK(frames);
}

static void finish(void)
{
	OK(!out_w.bad && !texts_w.bad);
	ws_frames_free(frames);
}

#define OUT(s) EQ_SPAN(wr_span_of(&out_w), SPAN_LIT(s))
#define TEXTS(s) EQ_SPAN(wr_span_of(&texts_w), SPAN_LIT(s))

static enum ws_frames_state give(struct span in)
{
	return ws_frames_input(frames, in);
}

/* A client's frame, with the mask of the examples in RFC 6455 5.7. */
static void put(struct wr *w, unsigned first, const void *body, size_t n)
{
	static const uint8_t mask[4] = { 0x37, 0xfa, 0x21, 0x3d };
	const uint8_t *p = body;

	wr_u8(w, (uint8_t)first);
	if (n < 126) {
		wr_u8(w, (uint8_t)(MASKED | n));
	} else if (n <= UINT16_MAX) {
		wr_u8(w, MASKED | 126);
		wr_be16(w, (uint16_t)n);
	} else {
		wr_u8(w, MASKED | 127);
		wr_be64(w, n);
	}
	wr_bytes(w, mask, sizeof(mask));
	for (size_t i = 0; i < n; i++)
		wr_u8(w, p[i] ^ mask[i % 4]);
}

static enum ws_frames_state give_frame(unsigned first, const void *body, size_t n)
{
	static uint8_t buf[1 << 17];
	struct wr w = wr_from(buf, sizeof(buf));

	put(&w, first, body, n);
	return give(wr_span_of(&w));
}

static enum ws_frames_state give_str(unsigned first, const char *body)
{
	return give_frame(first, body, strlen(body));
}

/* RFC 6455 5.7: the masked examples are read; the unmasked ones are what we write. */
static void examples_of_the_rfc(void)
{
	static const uint8_t zeros[65536];

	start();
	EQ(give(SPAN_LIT("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58")), WS_FRAMES_OPEN);
	TEXTS("[Hello]");
	EQ(give_str(TEXT, "Hel"), WS_FRAMES_OPEN);
	TEXTS("[Hello]");
	EQ(give_str(FIN | CONT, "lo"), WS_FRAMES_OPEN);
	TEXTS("[Hello][Hello]");
	/* A pong nobody asked for. */
	EQ(give(SPAN_LIT("\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58")), WS_FRAMES_OPEN);
	OUT("");
	EQ(give_str(FIN | PING, "Hello"), WS_FRAMES_OPEN);
	OUT("\x8a\x05Hello");
	ws_frames_text(frames, SPAN_LIT("Hello"));
	OUT("\x8a\x05Hello\x81\x05Hello");
	ws_frames_ping(frames);
	OUT("\x8a\x05Hello\x81\x05Hello\x89\x00");
	out_w = wr_from(out, sizeof(out));
	ws_frames_text(frames, span_of(zeros, 256));
	EQ(wr_len(&out_w), 256 + 4);
	EQ_SPAN(span_of(out, 4), SPAN_LIT("\x81\x7e\x01\x00"));
	out_w = wr_from(out, sizeof(out));
	ws_frames_text(frames, span_of(zeros, 65536));
	EQ(wr_len(&out_w), 65536 + 10);
	EQ_SPAN(span_of(out, 10), SPAN_LIT("\x81\x7f\0\0\0\0\0\x01\0\0"));
	EQ(give_frame(FIN | BINARY, zeros, 256), WS_FRAMES_OPEN);
	EQ(ws_frames_binary(frames), 1);
	TEXTS("[Hello][Hello]");
	EQ(ws_frames_close_code(frames), WS_CLOSE_ABNORMAL);
	finish();
}

/* RFC 6455 5.4 and 5.5: control frames come between the fragments of a message, and are answered at once. */
static void control_frames_between_fragments(void)
{
	start();
	EQ(give_str(TEXT, "a"), WS_FRAMES_OPEN);
	EQ(give_str(FIN | PING, "1"), WS_FRAMES_OPEN);
	OUT("\x8a\x01" "1");
	EQ(give_str(CONT, ""), WS_FRAMES_OPEN);
	EQ(give_str(CONT, "b"), WS_FRAMES_OPEN);
	EQ(give_str(FIN | PONG, "?"), WS_FRAMES_OPEN);
	EQ(give_str(FIN | PING, "2"), WS_FRAMES_OPEN);
	EQ(give_str(FIN | CONT, "c"), WS_FRAMES_OPEN);
	TEXTS("[abc]");
	OUT("\x8a\x01" "1\x8a\x01" "2");
	EQ(give_str(TEXT, "d"), WS_FRAMES_OPEN);
	EQ(give_frame(FIN | CLOSE, "\x03\xe8", 2), WS_FRAMES_CLOSED); /* unfinished: never delivered */
	TEXTS("[abc]");
	finish();
}

/* Wherever TCP cuts, the same messages and the same answers come out. */
static void every_cut_gives_the_same(void)
{
	static const char want_out[] = "\x8a\x02hi\x88\x04\x03\xe8\xc3\xa9", want_texts[] = "[\xe2\x82\xac uro][][x]";
	uint8_t buf[256];
	struct wr w = wr_from(buf, sizeof(buf));
	char row[32];

	put(&w, TEXT, "\xe2\x82", 2); /* a character in two fragments */
	put(&w, FIN | PING, "hi", 2);
	put(&w, FIN | CONT, "\xac uro", 5);
	put(&w, FIN | TEXT, "", 0);
	put(&w, FIN | BINARY, "\xff", 1);
	put(&w, FIN | TEXT, "x", 1);
	put(&w, FIN | CLOSE, "\x03\xe8\xc3\xa9", 4);
	for (size_t a = 0; a <= wr_len(&w); a++) {
		snprintf(row, sizeof(row), "cut at %zu: ", a);
		t_row = row;
		start();
		(void)give(span_of(buf, a));
		EQ(give(span_of(buf + a, wr_len(&w) - a)), WS_FRAMES_CLOSED);
		OUT(want_out);
		TEXTS(want_texts);
		finish();
	}
	t_row = "byte by byte: ";
	start();
	for (size_t i = 0; i < wr_len(&w); i++)
		(void)give(span_of(buf + i, 1));
	EQ(ws_frames_state(frames), WS_FRAMES_CLOSED);
	EQ(ws_frames_binary(frames), 1);
	OUT(want_out);
	TEXTS(want_texts);
	finish();
}

/* RFC 6455 5.1, 5.2, 5.4, 5.5, 7.4.1, 8.1: what breaks the protocol ends the connection with the code for it, at once
 * and for good. */
static void faults_are_named(void)
{
	static const struct {
		const char *row;
		struct span in;
		unsigned code;
	} rows[] = {
		{ "unmasked: ", SPAN_LIT("\x81\x05Hello"), 1002 },
		{ "unmasked ping: ", SPAN_LIT("\x89\x00"), 1002 },
		{ "RSV1: ", SPAN_LIT("\xc1\x80\0\0\0\0"), 1002 },
		{ "RSV3: ", SPAN_LIT("\x91\x80\0\0\0\0"), 1002 },
		{ "opcode 3: ", SPAN_LIT("\x83\x80\0\0\0\0"), 1002 },
		{ "opcode 11: ", SPAN_LIT("\x8b\x80\0\0\0\0"), 1002 },
		{ "126 bytes of ping: ", SPAN_LIT("\x89\xfe\x00\x7e\0\0\0\0"), 1002 },
		{ "65536 bytes of close: ", SPAN_LIT("\x88\xff\0\0\0\0\0\1\0\0\0\0\0\0"), 1002 },
		{ "ping in fragments: ", SPAN_LIT("\x09\x80\0\0\0\0"), 1002 },
		{ "5 as 16 bits: ", SPAN_LIT("\x81\xfe\x00\x05\0\0\0\0"), 1002 },
		{ "65535 as 64 bits: ", SPAN_LIT("\x81\xff\0\0\0\0\0\0\xff\xff\0\0\0\0"), 1002 },
		{ "length of 2^63: ", SPAN_LIT("\x81\xff\x80\0\0\0\0\0\0\0\0\0\0\0"), 1002 },
		{ "continues nothing: ", SPAN_LIT("\x80\x80\0\0\0\0"), 1002 },
		{ "message in a message: ", SPAN_LIT("\x01\x81\0\0\0\0a\x81\x81\0\0\0\0b"), 1002 },
		{ "close of one byte: ", SPAN_LIT("\x88\x81\0\0\0\0a"), 1002 },
		{ "close with 999: ", SPAN_LIT("\x88\x82\0\0\0\0\x03\xe7"), 1002 },
		{ "close with 1005: ", SPAN_LIT("\x88\x82\0\0\0\0\x03\xed"), 1002 },
		{ "close with 1006: ", SPAN_LIT("\x88\x82\0\0\0\0\x03\xee"), 1002 },
		{ "close whose reason is not UTF-8: ", SPAN_LIT("\x88\x83\0\0\0\0\x03\xe8\xff"), 1007 },
		{ "lone continuation byte: ", SPAN_LIT("\x81\x81\0\0\0\0\x80"), 1007 },
		{ "character without end: ", SPAN_LIT("\x81\x82\0\0\0\0\xe2\x82"), 1007 },
		{ "overlong slash: ", SPAN_LIT("\x81\x82\0\0\0\0\xc0\xaf"), 1007 },
		{ "surrogate: ", SPAN_LIT("\x81\x83\0\0\0\0\xed\xa0\x80"), 1007 },
		{ "beyond U+10FFFF: ", SPAN_LIT("\x81\x84\0\0\0\0\xf4\x90\x80\x80"), 1007 },
		{ "fragments that do not fit: ", SPAN_LIT("\x01\x81\0\0\0\0\xe2\x80\x81\0\0\0\0a"), 1007 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t want[] = { FIN | CLOSE, 2, (uint8_t)(rows[i].code >> 8), (uint8_t)rows[i].code };

		t_row = rows[i].row;
		start();
		EQ(give(rows[i].in), WS_FRAMES_FAILED);
		EQ_SPAN(wr_span_of(&out_w), span_of(want, sizeof(want)));
		EQ(give_str(FIN | TEXT, "late"), WS_FRAMES_FAILED);
		ws_frames_text(frames, SPAN_LIT("late"));
		ws_frames_ping(frames);
		ws_frames_close(frames, 1000, "late");
		EQ_SPAN(wr_span_of(&out_w), span_of(want, sizeof(want)));
		TEXTS("");
		EQ(ws_frames_close_code(frames), WS_CLOSE_ABNORMAL);
		finish();

		start();
		for (size_t k = 0; k < rows[i].in.n; k++)
			(void)give(span_of(rows[i].in.p + k, 1));
		EQ_SPAN(wr_span_of(&out_w), span_of(want, sizeof(want)));
		finish();
	}
}

/* RFC 6455 10.4: each fragment costs an allocation, so a message may not come in arbitrarily many. */
static void many_fragments_are_1009(void)
{
	start();
	EQ(give_frame(TEXT, NULL, 0), WS_FRAMES_OPEN);
	for (int i = 1; i < 256; i++)
		EQ(give_frame(CONT, NULL, 0), WS_FRAMES_OPEN);
	EQ(give_frame(CONT, NULL, 0), WS_FRAMES_FAILED);
	OUT("\x88\x02\x03\xf1");
	TEXTS("");
	finish();
}

/* RFC 6455 10.4: a message is max_message bytes at most, in one frame or in many; what would be more is not waited
 * for. */
static void larger_messages_are_1009(void)
{
	static const uint8_t body[MAX_MESSAGE + 1] = { [MAX_MESSAGE] = 0 };

	start();
	EQ(give_frame(FIN | TEXT, body, MAX_MESSAGE), WS_FRAMES_OPEN);
	EQ(give_frame(TEXT, body, MAX_MESSAGE), WS_FRAMES_OPEN);
	EQ(give_frame(FIN | PING, body, 125), WS_FRAMES_OPEN); /* counts for itself */
	EQ(give_frame(FIN | CONT, body, 0), WS_FRAMES_OPEN);
	EQ(wr_len(&texts_w), 2 * (MAX_MESSAGE + 2));
	finish();

	start();
	EQ(give_frame(FIN | TEXT, body, MAX_MESSAGE + 1), WS_FRAMES_FAILED);
	OUT("\x88\x02\x03\xf1");
	TEXTS("");
	finish();

	start();
	EQ(give_frame(TEXT, body, MAX_MESSAGE), WS_FRAMES_OPEN);
	EQ(give_frame(CONT, body, 1), WS_FRAMES_FAILED);
	OUT("\x88\x02\x03\xf1");
	TEXTS("");
	finish();

	start();
	EQ(give_frame(FIN | BINARY, body, MAX_MESSAGE + 1), WS_FRAMES_FAILED);
	OUT("\x88\x02\x03\xf1");
	EQ(ws_frames_binary(frames), 0);
	finish();

	start();
	EQ(give(SPAN_LIT("\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0x")), WS_FRAMES_FAILED);
	OUT("\x88\x02\x03\xf1");
	finish();
}

/* RFC 6455 5.5.1: the peer's close is echoed and its code is told; what comes behind it does not count. */
static void peer_closes(void)
{
	start();
	EQ(give(SPAN_LIT("\x88\x86\0\0\0\0\x0f\xa1" "bye!\x81\x81\0\0\0\0a\xff\xff")), WS_FRAMES_CLOSED);
	OUT("\x88\x06\x0f\xa1" "bye!");
	TEXTS("");
	EQ(ws_frames_close_code(frames), 4001);
	ws_frames_text(frames, SPAN_LIT("late"));
	ws_frames_close(frames, 1000, "");
	OUT("\x88\x06\x0f\xa1" "bye!");
	EQ(give(SPAN_LIT("\xff\xff")), WS_FRAMES_CLOSED);
	finish();

	start();
	EQ(give_str(FIN | CLOSE, ""), WS_FRAMES_CLOSED);
	OUT("\x88\x00");
	EQ(ws_frames_close_code(frames), WS_CLOSE_NO_CODE);
	finish();
}

/* RFC 6455 5.5.1 and 7.1.2: after our close frame nothing more is sent, and we wait for theirs; pings on the way are no
 * fault, texts come too late, and a fault is one without a second close frame. */
static void we_close(void)
{
	start();
	ws_frames_close(frames, 4002, "bad offer");
	EQ(ws_frames_state(frames), WS_FRAMES_CLOSING);
	OUT("\x88\x0b\x0f\xa2" "bad offer");
	ws_frames_text(frames, SPAN_LIT("late"));
	ws_frames_close(frames, 1000, "again");
	EQ(give_str(FIN | TEXT, "on its way"), WS_FRAMES_CLOSING);
	EQ(give_str(FIN | PING, "?"), WS_FRAMES_CLOSING);
	TEXTS("");
	EQ(ws_frames_close_code(frames), 4002); /* whether an echo comes or not, and whatever it says */
	EQ(give_frame(FIN | CLOSE, "\x03\xe8", 2), WS_FRAMES_CLOSED);
	OUT("\x88\x0b\x0f\xa2" "bad offer");
	EQ(ws_frames_close_code(frames), 4002);
	finish();

	start();
	ws_frames_close(frames, 1001, "");
	EQ(give(SPAN_LIT("\x81\x05Hello")), WS_FRAMES_FAILED);
	OUT("\x88\x02\x03\xe9");
	finish();

	start();
	ws_frames_close(frames, 1001, "");
	EQ(give(SPAN_LIT("\x89\xfe\x00\x7e\0\0\0\0")), WS_FRAMES_FAILED);
	OUT("\x88\x02\x03\xe9");
	finish();
}

/* A message may be answered, or be the last, from within its delivery. */
static void the_receiver_may_write(void)
{
	start();
	manner = ECHOES;
	EQ(give(SPAN_LIT("\x89\x81\0\0\0\0p\x81\x81\0\0\0\0a\x81\x81\0\0\0\0b")), WS_FRAMES_OPEN);
	TEXTS("[a][b]");
	OUT("\x8a\x01p\x81\x01" "a\x81\x01" "b");
	finish();

	start();
	manner = CLOSES;
	EQ(give(SPAN_LIT("\x81\x81\0\0\0\0a\x81\x81\0\0\0\0b")), WS_FRAMES_CLOSING);
	TEXTS("[a]");
	OUT("\x88\x08\x0f\xa1" "enough");
	finish();
}

static void no_memory_is_no_frames(void)
{
	static const struct ws_frames_ops ops = { on_write, on_text };

	(void)mem_fail_at(0);
	OK(!ws_frames_new(MAX_MESSAGE, &ops, &manner));
	(void)mem_fail_at(SIZE_MAX);
	ws_frames_free(NULL);
}

T_MAIN(T(examples_of_the_rfc), T(control_frames_between_fragments), T(every_cut_gives_the_same), T(faults_are_named),
       T(larger_messages_are_1009), T(many_fragments_are_1009),
       T(peer_closes), T(we_close), T(the_receiver_may_write), T(no_memory_is_no_frames))
