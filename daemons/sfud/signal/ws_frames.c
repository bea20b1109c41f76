/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * wslay 1.1 judges the text of a close frame wrongly when it comes in pieces: of each piece it skips two bytes. So it
 * is given whole control frames, and of data frames the header at once; for that the frames are followed here.
 */
#include "sfud/signal/ws_frames.h"

#include <wslay/wslay.h>

#include "base/slab.h"

#define FRAGMENTS_MAX 256 /* of one message: each costs wslay an allocation, however small it is */
#define HELD_MAX (2 + 4 + 125) /* a control frame; the longest header of a data frame is 14 */

struct ws_frames {
	wslay_event_context_ptr ctx;
	const struct ws_frames_ops *ops;
	void *arg;
	enum ws_frames_state state;
	bool malformed; /* what wslay lets pass and RFC 6455 does not */
	unsigned close_code;
	uint64_t binary;
	struct span in; /* what wslay may read in this call */
	uint8_t held[HELD_MAX];
	size_t n_held;
	uint32_t fragments; /* frames of the current message so far */
	uint64_t left; /* payload of the current data frame that has not come */
};

static ssize_t read_in(wslay_event_context_ptr ctx, uint8_t *buf, size_t n, int flags, void *user)
{
	struct ws_frames *f = user;

	(void)flags;
	if (f->in.n == 0) {
		wslay_event_set_error(ctx, WSLAY_ERR_WOULDBLOCK);
		return -1;
	}
	n = n < f->in.n ? n : f->in.n;
	memcpy(buf, f->in.p, n);
	f->in.p += n;
	f->in.n -= n;
	return (ssize_t)n;
}

static ssize_t write_out(wslay_event_context_ptr ctx, const uint8_t *data, size_t n, int flags, void *user)
{
	struct ws_frames *f = user;

	(void)ctx;
	(void)flags;
	f->ops->write(f->arg, span_of(data, n));
	return (ssize_t)n;
}

static void on_message(wslay_event_context_ptr ctx, const struct wslay_event_on_msg_recv_arg *m, void *user)
{
	struct ws_frames *f = user;

	(void)ctx;
	if (m->opcode == WSLAY_CONNECTION_CLOSE) {
		f->malformed = m->msg_length == 1; /* RFC 6455 5.5.1: a body begins with a code of two bytes */
		if (!f->malformed && f->state == WS_FRAMES_OPEN)
			f->close_code = m->status_code ? m->status_code : WS_CLOSE_NO_CODE;
	} else if (m->opcode == WSLAY_BINARY_FRAME) {
		f->binary++;
	} else if (m->opcode == WSLAY_TEXT_FRAME && f->state == WS_FRAMES_OPEN) {
		f->ops->text(f->arg, span_of(m->msg, m->msg_length));
	}
}

struct ws_frames *ws_frames_new(uint32_t max_message, const struct ws_frames_ops *ops, void *arg)
{
	static const struct wslay_event_callbacks calls = {
		.recv_callback = read_in,
		.send_callback = write_out,
		.on_msg_recv_callback = on_message,
	};
	struct ws_frames *f = mem_alloc(sizeof(*f));

	if (!f)
		return NULL;
	f->ops = ops;
	f->arg = arg;
	f->close_code = WS_CLOSE_ABNORMAL;
	if (wslay_event_context_server_init(&f->ctx, &calls, f) != 0) {
		mem_free(f);
		return NULL;
	}
	wslay_event_config_set_max_recv_msg_length(f->ctx, max_message);
	return f;
}

void ws_frames_free(struct ws_frames *f)
{
	if (!f)
		return;
	wslay_event_context_free(f->ctx);
	mem_free(f);
}

/* Instead of what wslay has queued: for a wrong header that would be a close without a code. */
static void fail(struct ws_frames *f, uint16_t code)
{
	uint8_t frame[4] = { 0x80 | WSLAY_CONNECTION_CLOSE, 2 };

	put_be16(frame + 2, code);
	if (!wslay_event_get_close_sent(f->ctx))
		f->ops->write(f->arg, span_of(frame, sizeof(frame)));
	f->state = WS_FRAMES_FAILED;
}

static void pass(struct ws_frames *f, struct span in)
{
	int r;

	f->in = in;
	r = wslay_event_recv(f->ctx);
	f->in = (struct span){ 0 };
	if (r != 0 || f->malformed) {
		fail(f, r == WSLAY_ERR_NOMEM ? WSLAY_CODE_INTERNAL_SERVER_ERROR : WSLAY_CODE_PROTOCOL_ERROR);
		return;
	}
	(void)wslay_event_send(f->ctx); /* a pong, the answer to a close, the close that names a fault */
	/* A frame that breaks RFC 6455 or the size limit makes wslay queue a close and stop reading, and that is
	 * all it says. */
	if (wslay_event_get_close_received(f->ctx))
		f->state = WS_FRAMES_CLOSED;
	else if (!wslay_event_get_read_enabled(f->ctx))
		f->state = WS_FRAMES_FAILED;
}

/*
 *  RFC 6455 5.2, as far as it is needed here:
 *   0 1 2 3 4 5 6 7 0 1 2 3 4 5 6 7
 *  | |     |C      |M|   length    | length: 126: in the next 2 bytes, 127: in the next 8 (C: then not valid)
 *  C: control frame, M: 4 bytes of mask follow the length
 */
static size_t held_wanted(const struct ws_frames *f)
{
	size_t head, length;

	if (f->n_held < 2)
		return 2;
	length = f->held[1] & 0x7f;
	head = 2 + (length == 126 ? 2u : length == 127 ? 8u : 0) + (f->held[1] & 0x80 ? 4u : 0);
	return (f->held[0] & 8) && length < 126 ? head + length : head;
}

static uint64_t payload_of_held(const struct ws_frames *f)
{
	uint8_t length = f->held[1] & 0x7f;

	if (f->held[0] & 8)
		return 0;
	return length == 126 ? be16_at(f->held + 2) : length == 127 ? be64_at(f->held + 2) : length;
}

static bool too_many_fragments(struct ws_frames *f)
{
	uint8_t opcode = f->held[0] & 15;

	if (opcode == WSLAY_CONTINUATION_FRAME)
		f->fragments++;
	else if (opcode == WSLAY_TEXT_FRAME || opcode == WSLAY_BINARY_FRAME)
		f->fragments = 1;
	return f->fragments > FRAGMENTS_MAX;
}

static size_t hold(struct ws_frames *f, struct span in)
{
	size_t n = held_wanted(f) - f->n_held, held;

	n = n < in.n ? n : in.n;
	memcpy(f->held + f->n_held, in.p, n);
	f->n_held += n;
	held = f->n_held;
	if (held < held_wanted(f))
		return n;
	f->n_held = 0;
	if (too_many_fragments(f)) {
		fail(f, WSLAY_CODE_MESSAGE_TOO_BIG);
		return n;
	}
	f->left = payload_of_held(f);
	pass(f, span_of(f->held, held));
	return n;
}

enum ws_frames_state ws_frames_input(struct ws_frames *f, struct span in)
{
	struct rd r = rd_from(in);

	while (rd_left(&r) && (f->state == WS_FRAMES_OPEN || f->state == WS_FRAMES_CLOSING)) {
		if (f->left) {
			struct span payload = rd_span(&r, f->left < rd_left(&r) ? (size_t)f->left : rd_left(&r));

			f->left -= payload.n;
			pass(f, payload);
		} else {
			rd_skip(&r, hold(f, span_of(r.p, rd_left(&r))));
		}
	}
	return f->state;
}

static void queue(struct ws_frames *f, uint8_t opcode, struct span body)
{
	struct wslay_event_msg m = { opcode, body.p, body.n };

	if (f->state == WS_FRAMES_OPEN && wslay_event_queue_msg(f->ctx, &m) == 0)
		(void)wslay_event_send(f->ctx);
}

void ws_frames_text(struct ws_frames *f, struct span text)
{
	queue(f, WSLAY_TEXT_FRAME, text);
}

void ws_frames_ping(struct ws_frames *f)
{
	queue(f, WSLAY_PING, (struct span){ 0 });
}

void ws_frames_close(struct ws_frames *f, uint16_t code, const char *reason)
{
	if (f->state != WS_FRAMES_OPEN)
		return;
	f->state = WS_FRAMES_CLOSING;
	f->close_code = code;
	(void)wslay_event_queue_close(f->ctx, code, (const uint8_t *)reason, strlen(reason));
	(void)wslay_event_send(f->ctx);
}

enum ws_frames_state ws_frames_state(const struct ws_frames *f)
{
	return f->state;
}

unsigned ws_frames_close_code(const struct ws_frames *f)
{
	return f->close_code;
}

uint64_t ws_frames_binary(const struct ws_frames *f)
{
	return f->binary;
}
