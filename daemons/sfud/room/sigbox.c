/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sfud/room/sigbox.h"

void sigbox_init(struct sigbox *sb, struct sig_out *out, uint32_t max, uint8_t *mem, size_t size,
		 void (*full)(struct sigbox *), void *owner)
{
	*sb = (struct sigbox){ .out = out, .max = max, .mem = mem, .size = size, .full = full, .owner = owner };
}

void sigbox_clear(struct sigbox *sb)
{
	sb->n = 0;
	sb->used = 0;
}

struct wr sigbox_reserve(struct sigbox *sb, size_t max)
{
	if (sb->n == sb->max || sb->size - sb->used < max)
		sb->full(sb);
	return wr_from(sb->mem + sb->used, sb->size - sb->used < max ? 0 : max);
}

bool sigbox_commit(struct sigbox *sb, struct handle member, const struct wr *w)
{
	if (w->bad)
		return false;
	sb->out[sb->n++] = (struct sig_out){ .member = member, .at = sb->used, .n = wr_len(w) };
	sb->used += wr_len(w);
	return true;
}

void sigbox_close(struct sigbox *sb, struct handle member, enum sig_close code, const char *reason)
{
	if (sb->n == sb->max)
		sb->full(sb);
	sb->out[sb->n++] = (struct sig_out){ .member = member, .close = code, .reason = reason };
}
