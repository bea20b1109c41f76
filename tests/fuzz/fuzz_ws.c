/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * WebSocket and JSON signalling: whatever bytes a client sends after the upgrade, messages are valid UTF-8 and not
 * larger than the limit; the same messages, answers and end come out however the bytes are cut; what is written is
 * frames of a server, at most one of them a close, and that one the last. Two bytes in front choose the cuts.
 */
#include "fuzz.h"
#include "sfud/signal/signal.h"
#include "sfud/signal/ws_frames.h"

#define INPUT_MAX 4096
#define MAX_MESSAGE 512
#define CLOSE 0x88

struct run {
	uint8_t texts[4 * INPUT_MAX], out[4 * INPUT_MAX]; /* a frame of six bytes or more makes four, and its body */
	struct wr texts_w, out_w;
	enum ws_frames_state state;
	unsigned close_code;
	uint64_t binary;
};

static bool is_utf8(struct span s)
{
	struct rd r = rd_from(s);

	while (rd_left(&r)) {
		uint32_t c = rd_u8(&r), more = c < 0x80 ? 0 : c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
		static const uint32_t least[] = { 0, 0x80, 0x800, 0x10000 };

		if (more && (c < 0xc2 || c > 0xf4))
			return false;
		c &= more ? 0x3fu >> more : 0x7fu;
		for (uint32_t i = 0; i < more; i++) {
			uint32_t b = rd_u8(&r);

			if ((b & 0xc0) != 0x80)
				return false;
			c = c << 6 | (b & 0x3f);
		}
		if (c < least[more] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
			return false;
	}
	return !r.bad;
}

static void on_write(void *arg, struct span out)
{
	struct run *run = arg;

	wr_span(&run->out_w, out);
	MUST(!run->out_w.bad);
}

static void on_text(void *arg, struct span text)
{
	struct run *run = arg;
	uint8_t buf[MAX_MESSAGE];
	struct sig_in in;

	MUST(text.n <= MAX_MESSAGE);
	MUST(is_utf8(text));
	sig_parse(text, buf, text.n, &in);
	MUST(in.kind <= SIG_MALFORMED);
	wr_be16(&run->texts_w, (uint16_t)text.n);
	wr_span(&run->texts_w, text);
	wr_u8(&run->texts_w, (uint8_t)in.kind);
	MUST(!run->texts_w.bad);
}

static void must_be_frames(struct span out, enum ws_frames_state state)
{
	struct rd r = rd_from(out);
	bool closed = false;

	while (rd_left(&r)) {
		uint8_t first = rd_u8(&r), n = rd_u8(&r);

		MUST(!closed && (first == CLOSE || first == 0x8a));
		closed = first == CLOSE;
		MUST(n <= 125);
		rd_skip(&r, n);
		MUST(!r.bad);
	}
	MUST(closed == (state != WS_FRAMES_OPEN));
}

/* Chunks of 1 to 256 bytes by a small generator; seed 0: all at once. */
static void play(struct run *run, struct span in, uint32_t seed)
{
	static const struct ws_frames_ops ops = { on_write, on_text };
	struct ws_frames *f = ws_frames_new(MAX_MESSAGE, &ops, run);
	struct rd r = rd_from(in);
	uint32_t most = 1u << (seed & 7) << (seed >> 3 & 1);

	MUST(f);
	run->texts_w = wr_from(run->texts, sizeof(run->texts));
	run->out_w = wr_from(run->out, sizeof(run->out));
	while (rd_left(&r)) {
		size_t n = rd_left(&r);

		if (seed) {
			seed = seed * 1664525 + 1013904223;
			n = (seed >> 16) % most + 1 < n ? (seed >> 16) % most + 1 : n;
		}
		(void)ws_frames_input(f, rd_span(&r, n));
	}
	run->state = ws_frames_state(f);
	run->close_code = ws_frames_close_code(f);
	run->binary = ws_frames_binary(f);
	ws_frames_free(f);
	must_be_frames(wr_span_of(&run->out_w), run->state);
}

static void must_be_same(const struct run *a, const struct run *b)
{
	MUST(span_eq(wr_span_of(&a->texts_w), wr_span_of(&b->texts_w)));
	MUST(span_eq(wr_span_of(&a->out_w), wr_span_of(&b->out_w)));
	MUST(a->state == b->state);
	MUST(a->close_code == b->close_code);
	MUST(a->binary == b->binary);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct run whole, cut;
	struct span in;

	if (n < 2 || n > INPUT_MAX)
		return 0;
	in = span_of(data + 2, n - 2);
	play(&whole, in, 0);
	play(&cut, in, 1u << 16); /* byte by byte */
	must_be_same(&whole, &cut);
	play(&cut, in, be16_at(data) | 1u << 16);
	must_be_same(&whole, &cut);
	return 0;
}
