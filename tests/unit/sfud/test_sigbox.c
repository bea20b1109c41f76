/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sfud/room/sigbox.h"

#include "t.h"

struct drain {
	uint32_t calls, frames, closes;
	char text[64];
};

static void take(struct sigbox *sb)
{
	struct drain *d = sb->owner;

	d->calls++;
	for (uint32_t i = 0; i < sb->n; i++) {
		d->frames += sb->out[i].close == SIG_CLOSE_NONE;
		d->closes += sb->out[i].close != SIG_CLOSE_NONE;
		if (sb->out[i].n < sizeof(d->text)) {
			memcpy(d->text, sb->mem + sb->out[i].at, sb->out[i].n);
			d->text[sb->out[i].n] = '\0';
		}
	}
	sigbox_clear(sb);
}

static bool say(struct sigbox *sb, const char *text, size_t max)
{
	struct wr w = sigbox_reserve(sb, max);

	wr_str(&w, text);
	return sigbox_commit(sb, (struct handle){ 1, 1 }, &w);
}

/* Frames are kept in order and emptied when the next one may not fit, by bytes or by number. */
static void a_full_box_is_emptied_first(void)
{
	struct drain d = { 0 };
	struct sig_out out[3];
	uint8_t mem[16];
	struct sigbox sb;

	sigbox_init(&sb, out, ARRAY_LEN(out), mem, sizeof(mem), take, &d);
	OK(say(&sb, "12345678", 8));
	OK(say(&sb, "abcdefgh", 8));
	EQ(d.calls, 0);
	OK(say(&sb, "x", 1));
	EQ(d.calls, 1);
	EQ(d.frames, 2);
	EQ_STR(d.text, "abcdefgh");
	OK(say(&sb, "y", 1));
	sigbox_close(&sb, (struct handle){ 1, 1 }, SIG_CLOSE_REPLACED, "session_replaced");
	EQ(d.calls, 1);
	OK(say(&sb, "z", 1));
	EQ(d.calls, 2);
	EQ(d.frames, 4);
	EQ(d.closes, 1);
	EQ(sb.n, 1);
	for (int i = 0; i < 3; i++)
		sigbox_close(&sb, (struct handle){ 1, 1 }, SIG_CLOSE_ENDED, "");
	EQ(d.calls, 3);
}

/* A message that outgrew its reservation, or is larger than the box, is not sent in part. */
static void what_does_not_fit_is_not_sent(void)
{
	struct drain d = { 0 };
	struct sig_out out[3];
	uint8_t mem[16];
	struct sigbox sb;

	sigbox_init(&sb, out, ARRAY_LEN(out), mem, sizeof(mem), take, &d);
	OK(!say(&sb, "123456789", 8));
	OK(!say(&sb, "1", 17));
	EQ(sb.n, 0);
	EQ(sb.used, 0);
	OK(say(&sb, "0123456789abcdef", 16));
}

T_MAIN(T(a_full_box_is_emptied_first), T(what_does_not_fit_is_not_sent))
