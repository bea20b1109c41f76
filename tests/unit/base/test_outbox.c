/* SPDX-License-Identifier: AGPL-3.0-only */
#include "base/outbox.h"

#include "base/rng.h"
#include "t.h"

#define LOG_MAX 4096

/* What a receiver would see: datagrams in order, cut out of messages as the kernel cuts them. */
struct sent {
	uint32_t n, msgs, calls;
	struct { uint16_t n, port; uint8_t first, last; bool df, pieces; } d[LOG_MAX];
};

static void collect(struct outbox *ob)
{
	struct sent *s = ob->owner;

	s->calls++;
	for (uint32_t i = 0; i < ob->n; i++) {
		const struct out_msg *m = &ob->msg[i];
		uint32_t at = 0;

		OK(m->len <= OUTBOX_MSG_BYTES);
		OK(m->segs >= 1 && m->segs <= OUTBOX_SEGS_MAX);
		OK((m->data == NULL) == (m->parts > 0));
		for (uint32_t k = 0; k < m->segs && s->n < LOG_MAX; k++) {
			uint8_t flat[OUTBOX_DGRAM_MAX];
			size_t n = out_msg_dgram(m, k, flat);

			EQ(n, m->len - at < m->seg ? m->len - at : m->seg);
			s->d[s->n].n = (uint16_t)n;
			s->d[s->n].port = m->path.remote.port;
			s->d[s->n].first = flat[0];
			s->d[s->n].last = flat[n - 1];
			s->d[s->n].df = m->df;
			s->d[s->n].pieces = m->data == NULL;
			s->n++;
			at += (uint32_t)n;
		}
		EQ(at, m->len);
		EQ(out_msg_dgram(m, m->segs, NULL), 0);
		s->msgs++;
	}
	outbox_clear(ob);
}

static struct path to(uint16_t port)
{
	return (struct path){ addr_v4(192, 0, 2, 1, port), { .port = 0 } };
}

static void send(struct outbox *ob, uint16_t port, size_t n, uint8_t fill)
{
	struct path path = to(port);
	uint8_t *p = outbox_reserve(ob, OUTBOX_DGRAM_MAX);

	memset(p, fill, OUTBOX_DGRAM_MAX);
	outbox_commit(ob, &path, n);
}

static uint8_t lots[OUTBOX_DGRAM_MAX]; /* payload of any datagram */

/* `head` bytes that are `fill`, the rest zero. */
static void put(struct outbox *ob, uint16_t port, size_t head, size_t n, uint8_t fill)
{
	struct path path = to(port);
	uint8_t h[64];

	memset(h, fill, sizeof(h));
	outbox_put(ob, &path, span_of(h, head), span_of(lots, n - head));
	memset(h, 0xee, sizeof(h)); /* it was copied */
}

/* udp(7) UDP_SEGMENT: one path, equal segments, only the last shorter, 64 of them, one datagram's worth of bytes. */
static void coalesces(bool in_pieces)
{
	static const struct { const char *row; struct { uint16_t port, n, times; } in[4]; uint16_t segs[4]; } rows[] = {
		{ "equal: ", { { 1, 100, 3 } }, { 3 } },
		{ "shorter closes: ", { { 1, 100, 2 }, { 1, 99, 1 }, { 1, 99, 1 } }, { 3, 1 } },
		{ "full size after shorter: ", { { 1, 100, 1 }, { 1, 50, 1 }, { 1, 100, 1 } }, { 2, 1 } },
		{ "longer starts anew: ", { { 1, 100, 2 }, { 1, 101, 2 } }, { 2, 2 } },
		{ "other path: ", { { 1, 100, 2 }, { 2, 100, 1 }, { 1, 100, 1 } }, { 2, 1, 1 } },
		{ "64 at most: ", { { 1, 10, 65 } }, { 64, 1 } },
		{ "128 is two: ", { { 1, 10, 128 } }, { 64, 64 } },
		{ "65000 bytes at most: ", { { 1, 1300, 51 } }, { 50, 1 } },
		{ "shorter one fits exactly: ", { { 1, 1200, 54 }, { 1, 200, 1 } }, { 55 } },
		{ "one byte too many: ", { { 1, 1200, 54 }, { 1, 201, 1 } }, { 54, 1 } },
		{ "nothing: ", { { 1, 0, 5 } }, { 0 } },
		{ "empty between: ", { { 1, 7, 1 }, { 2, 0, 1 }, { 1, 7, 1 } }, { 2 } },
	};
	static uint8_t mem[200000];
	static struct span part[256];
	static struct sent s;
	struct out_msg msg[8];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct outbox ob;
		uint32_t n = 0;

		t_row = rows[i].row;
		memset(&s, 0, sizeof(s));
		outbox_init(&ob, msg, 8, mem, sizeof(mem), collect, &s);
		outbox_parts(&ob, part, ARRAY_LEN(part));
		for (size_t k = 0; k < 4; k++) {
			uint16_t port = rows[i].in[k].port, size = rows[i].in[k].n;

			for (int t = 0; t < rows[i].in[k].times; t++) {
				if (in_pieces)
					put(&ob, port, size < 4 ? size : 4, size, 0);
				else
					send(&ob, port, size, 0);
			}
		}
		for (; n < 4 && rows[i].segs[n]; n++)
			EQ(ob.n > n ? msg[n].segs : 0, rows[i].segs[n]);
		EQ(ob.n, n);
		EQ(s.calls, 0);
		collect(&ob);
	}
}

static void coalesces_only_what_gso_can_cut(void)
{
	coalesces(false);
}

static void pieces_coalesce_by_the_same_rule(void)
{
	coalesces(true);
}

/* A message is contiguous or in pieces, and all of it may be fragmented or nothing: else a new one begins. */
static void kinds_do_not_mix(void)
{
	static uint8_t mem[OUTBOX_DGRAM_MAX * 4];
	static struct sent s;
	struct span part[8];
	struct out_msg msg[8];
	struct outbox ob;

	memset(&s, 0, sizeof(s));
	outbox_init(&ob, msg, 8, mem, sizeof(mem), collect, &s);
	outbox_parts(&ob, part, 8);
	send(&ob, 1, 100, 1);
	put(&ob, 1, 4, 100, 2);
	put(&ob, 1, 0, 100, 0);
	put(&ob, 1, 4, 4, 3);
	send(&ob, 1, 100, 4);
	ob.df = true;
	send(&ob, 1, 100, 5);
	send(&ob, 1, 100, 6);
	put(&ob, 1, 4, 100, 7);
	ob.df = false;
	put(&ob, 1, 4, 100, 8);
	EQ(ob.n, 6);
	EQ(ob.dgrams, 9);
	EQ(msg[1].segs, 3);
	EQ(msg[1].parts, 4);
	OK(msg[1].part[1].p == lots && msg[1].part[2].p == lots);
	EQ(msg[3].segs, 2);
	collect(&ob);
	EQ(s.n, 9);
	for (uint32_t k = 0; k < 9; k++) {
		EQ(s.d[k].first, k < 2 ? k + 1 : k == 2 ? 0 : k);
		EQ(s.d[k].df, k >= 5 && k < 8);
		EQ(s.d[k].pieces, (k >= 1 && k < 4) || k >= 7);
	}
}

/* The bytes of a datagram are found wherever pieces begin and end: inside one, across several, at empty ones. */
static void datagrams_are_cut_across_pieces(void)
{
	static const uint8_t text[] = "abcdefghijklmnopqrstuvw";
	const struct span part[] = { { text, 1 }, { text + 1, 9 }, { text + 10, 0 }, { text + 10, 2 }, { text + 12, 11 } };
	const struct out_msg m = { .part = part, .parts = 5, .seg = 5, .segs = 5, .len = 23 };
	uint8_t flat[OUTBOX_DGRAM_MAX];

	for (uint32_t i = 0; i < 5; i++)
		EQ_SPAN(span_of(flat, out_msg_dgram(&m, i, flat)), span_of(text + i * 5, i < 4 ? 5 : 3));
	EQ(out_msg_dgram(&m, 5, flat), 0);
}

/* The local address is part of the path: an answer must leave from where it was asked. */
static void local_address_splits(void)
{
	static uint8_t mem[OUTBOX_DGRAM_MAX * 4];
	struct out_msg msg[4];
	struct path p = to(1);
	struct outbox ob;

	outbox_init(&ob, msg, 4, mem, sizeof(mem), collect, NULL);
	outbox_reserve(&ob, 10);
	outbox_commit(&ob, &p, 10);
	p.local = addr_v4(198, 51, 100, 1, 0);
	outbox_reserve(&ob, 10);
	outbox_commit(&ob, &p, 10);
	EQ(ob.n, 2);
	OK(path_eq(&msg[1].path, &p));
	OK(msg[1].data == msg[0].data + 10);
}

/* Whatever the memory, every datagram comes out once, in order, whole; a commit never fails. */
static void loses_nothing_at_any_size(void)
{
	static const struct { uint32_t max; size_t size; uint32_t parts; } rows[] = {
		{ 1, OUTBOX_DGRAM_MAX, 2 }, { 1, 100000, 50 }, { 2, 5000, 3 }, { 16, OUTBOX_DGRAM_MAX + 1, 4 },
		{ 64, 300000, 500 }, { 64, OUTBOX_DGRAM_MAX, 500 },
	};
	static uint8_t mem[300000];
	static struct span part[500];
	static struct sent s;
	struct out_msg msg[64];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		static struct { uint16_t n, port; uint8_t first, last; bool df; } want[LOG_MAX];
		struct outbox ob;
		struct rng rng;
		uint32_t n = 0;
		uint16_t size = 1200, port = 1;
		bool pieces = false;

		memset(&s, 0, sizeof(s));
		rng_seed(&rng, i);
		outbox_init(&ob, msg, rows[i].max, mem, rows[i].size, collect, &s);
		outbox_parts(&ob, part, rows[i].parts);
		while (n < LOG_MAX) {
			if (rng_below(&rng, 4) == 0)
				size = (uint16_t)(1 + rng_below(&rng, OUTBOX_DGRAM_MAX));
			if (rng_below(&rng, 8) == 0)
				port = (uint16_t)(1 + rng_below(&rng, 3));
			if (rng_below(&rng, 8) == 0) {
				send(&ob, port, 0, 0xee); /* taken back */
				continue;
			}
			want[n].n = size;
			want[n].port = port;
			want[n].first = (uint8_t)n;
			want[n].last = (uint8_t)n;
			if (rng_below(&rng, 16) == 0)
				pieces = !pieces;
			if (rng_below(&rng, 32) == 0)
				ob.df = !ob.df;
			want[n].df = ob.df;
			if (pieces && size > 64) {
				put(&ob, port, 1 + rng_below(&rng, 64), size, (uint8_t)n);
				want[n].last = 0;
			} else {
				send(&ob, port, size, (uint8_t)n);
			}
			OK(ob.used <= ob.size);
			OK(ob.n <= ob.max);
			OK(ob.n_parts <= ob.max_parts);
			n++;
		}
		EQ(ob.dgrams, LOG_MAX);
		collect(&ob);
		EQ(s.n, n);
		for (uint32_t k = 0; k < n; k++) {
			EQ(s.d[k].n, want[k].n);
			EQ(s.d[k].port, want[k].port);
			EQ(s.d[k].first, want[k].first);
			EQ(s.d[k].last, want[k].last);
			EQ(s.d[k].df, want[k].df);
		}
	}
}

/* One message of room still coalesces: 64 equal datagrams are one call to `full`, not 64. */
static void one_message_is_enough_to_coalesce(void)
{
	static uint8_t mem[100000];
	static struct sent s;
	struct out_msg msg[1];
	struct outbox ob;

	memset(&s, 0, sizeof(s));
	outbox_init(&ob, msg, 1, mem, sizeof(mem), collect, &s);
	for (int i = 0; i < 128; i++)
		send(&ob, 1, 700, (uint8_t)i);
	EQ(s.calls, 1);
	EQ(s.n, 64);
	send(&ob, 2, 700, 0);
	EQ(s.calls, 2);
	EQ(s.n, 128);
	EQ(s.msgs, 2);
}

T_MAIN(T(coalesces_only_what_gso_can_cut), T(pieces_coalesce_by_the_same_rule), T(kinds_do_not_mix),
       T(datagrams_are_cut_across_pieces), T(local_address_splits), T(loses_nothing_at_any_size),
       T(one_message_is_enough_to_coalesce))
