/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * A reservation always starts where the last message ends, so joining it is arithmetic and moves no
 * byte. Only a commit that finds no message left moves its datagram, to the front of the emptied box.
 * A message is contiguous or in pieces, never both: pieces of one message lie next to each other in ob->part.
 */
#include "base/outbox.h"

#define PIECES 2 /* of a datagram at most: head and payload */

void outbox_init(struct outbox *ob, struct out_msg *msg, uint32_t max, uint8_t *mem, size_t size,
		 void (*full)(struct outbox *), void *owner)
{
	*ob = (struct outbox){ .msg = msg, .max = max, .mem = mem, .size = size, .full = full, .owner = owner };
}

void outbox_parts(struct outbox *ob, struct span *part, uint32_t max)
{
	ob->part = part;
	ob->max_parts = max;
}

void outbox_clear(struct outbox *ob)
{
	ob->n = 0;
	ob->used = 0;
	ob->n_parts = 0;
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
static bool joins(const struct outbox *ob, const struct path *path, size_t n, bool in_pieces)
{
	const struct out_msg *m;

	if (!ob->open)
		return false;
	m = &ob->msg[ob->n - 1];
	return n <= m->seg && m->len + n <= OUTBOX_MSG_BYTES && m->df == ob->df && (m->data == NULL) == in_pieces &&
	       path_eq(&m->path, path);
}

/* One more datagram of the last message. */
static struct out_msg *extend(struct outbox *ob, size_t n)
{
	struct out_msg *m = &ob->msg[ob->n - 1];

	m->len += (uint32_t)n;
	m->segs++;
	ob->open = n == m->seg && m->segs < OUTBOX_SEGS_MAX;
	return m;
}

static struct out_msg *begin(struct outbox *ob, const struct path *path, size_t n)
{
	struct out_msg *m = &ob->msg[ob->n++];

	*m = (struct out_msg){ .path = *path, .seg = (uint16_t)n, .segs = 1, .df = ob->df, .len = (uint32_t)n };
	ob->open = true;
	return m;
}

void outbox_commit(struct outbox *ob, const struct path *path, size_t n)
{
	if (n == 0)
		return;
	ob->dgrams++;
	if (joins(ob, path, n, false)) {
		extend(ob, n);
		ob->used += n;
		return;
	}
	if (ob->n == ob->max) {
		const uint8_t *data = ob->mem + ob->used;

		flush(ob);
		memmove(ob->mem, data, n);
	}
	begin(ob, path, n)->data = ob->mem + ob->used;
	ob->used += n;
}

static void add_piece(struct outbox *ob, struct out_msg *m, struct span s)
{
	if (s.n == 0)
		return;
	ob->part[ob->n_parts++] = s;
	m->parts++;
}

void outbox_put(struct outbox *ob, const struct path *path, struct span head, struct span payload)
{
	size_t n = head.n + payload.n;
	bool join = joins(ob, path, n, true);
	uint8_t *to;
	struct out_msg *m;

	if (n == 0)
		return;
	if (ob->size - ob->used < head.n || ob->max_parts - ob->n_parts < PIECES || (ob->n == ob->max && !join)) {
		flush(ob);
		join = false;
	}
	ob->dgrams++;
	if (join) {
		m = extend(ob, n);
	} else {
		m = begin(ob, path, n);
		m->part = ob->part + ob->n_parts;
	}
	to = ob->mem + ob->used;
	if (head.n)
		memcpy(to, head.p, head.n);
	ob->used += head.n;
	add_piece(ob, m, span_of(to, head.n));
	add_piece(ob, m, payload);
}

size_t out_msg_dgram(const struct out_msg *m, uint32_t i, uint8_t *ret)
{
	size_t at = (size_t)i * m->seg, n, done = 0;

	if (i >= m->segs || at >= m->len)
		return 0;
	n = m->len - at < m->seg ? m->len - at : m->seg;
	if (m->data) {
		memcpy(ret, m->data + at, n);
		return n;
	}
	for (const struct span *s = m->part; done < n; s++) {
		size_t k = s->n > at ? s->n - at : 0;

		if (k > n - done)
			k = n - done;
		if (k)
			memcpy(ret + done, s->p + at, k);
		at = k ? 0 : at - s->n;
		done += k;
	}
	return n;
}
