/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * A reservation always starts where the last message ends, so joining it is arithmetic and moves no
 * byte. Only a commit that finds no message left moves its datagram, to the front of the emptied box.
 */
#include "base/outbox.h"

void outbox_init(struct outbox *ob, struct out_msg *msg, uint32_t max, uint8_t *mem, size_t size,
		 void (*full)(struct outbox *), void *owner)
{
	*ob = (struct outbox){ .msg = msg, .max = max, .mem = mem, .size = size, .full = full, .owner = owner };
}

void outbox_clear(struct outbox *ob)
{
	ob->n = 0;
	ob->used = 0;
	ob->open = false;
}

static void flush(struct outbox *ob)
{
	ob->full(ob);
	outbox_clear(ob); /* a `full` that forgot must not become a write past the end */
}

uint8_t *outbox_reserve(struct outbox *ob, size_t max)
{
	/* No message left and none to join: empty the box now, so that the commit need not move the datagram. */
	if (ob->size - ob->used < max || (ob->n == ob->max && !ob->open))
		flush(ob);
	return ob->mem + ob->used;
}

/* The rule of UDP_SEGMENT: one path, every datagram as long as the first, and only the last one shorter. */
static bool joins(const struct outbox *ob, const struct path *path, size_t n)
{
	const struct out_msg *m;

	if (!ob->open)
		return false;
	m = &ob->msg[ob->n - 1];
	return n <= m->seg && m->len + n <= OUTBOX_MSG_BYTES && path_eq(&m->path, path);
}

void outbox_commit(struct outbox *ob, const struct path *path, size_t n)
{
	struct out_msg *m;

	if (n == 0)
		return;
	ob->dgrams++;
	if (joins(ob, path, n)) {
		m = &ob->msg[ob->n - 1];
		m->len += (uint32_t)n;
		m->segs++;
		ob->open = n == m->seg && m->segs < OUTBOX_SEGS_MAX;
		ob->used += n;
		return;
	}
	if (ob->n == ob->max) {
		const uint8_t *data = ob->mem + ob->used;

		flush(ob);
		memmove(ob->mem, data, n);
	}
	m = &ob->msg[ob->n++];
	*m = (struct out_msg){ *path, ob->mem + ob->used, (uint32_t)n, (uint16_t)n, 1 };
	ob->used += n;
	ob->open = true;
}
