/* SPDX-License-Identifier: AGPL-3.0-only */
#include "base/outbox.h"

#include "base/rng.h"
#include "t.h"

#define LOG_MAX 4096

/* What a receiver would see: datagrams in order, cut out of messages as the kernel cuts them. */
struct sent {
	uint32_t n, msgs, calls;
	struct { uint16_t n, port; uint8_t first, last; } d[LOG_MAX];
};

static void collect(struct outbox *ob)
{
	struct sent *s = ob->owner;

	s->calls++;
	for (uint32_t i = 0; i < ob->n; i++) {
		const struct out_msg *m = &ob->msg[i];
		uint32_t at = 0, segs = 0;

		OK(m->len <= OUTBOX_MSG_BYTES);
		OK(m->segs >= 1 && m->segs <= OUTBOX_SEGS_MAX);
		for (; at < m->len && s->n < LOG_MAX; segs++) {
			uint32_t n = m->len - at < m->seg ? m->len - at : m->seg;

			s->d[s->n].n = (uint16_t)n;
			s->d[s->n].port = m->path.remote.port;
			s->d[s->n].first = m->data[at];
			s->d[s->n].last = m->data[at + n - 1];
			s->n++;
			at += n;
		}
		EQ(segs, m->segs);
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

/* udp(7) UDP_SEGMENT: one path, equal segments, only the last shorter, 64 of them, one datagram's worth of bytes. */
static void coalesces_only_what_gso_can_cut(void)
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
	struct out_msg msg[8];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct sent s = { 0 };
		struct outbox ob;
		uint32_t n = 0;

		t_row = rows[i].row;
		outbox_init(&ob, msg, 8, mem, sizeof(mem), collect, &s);
		for (size_t k = 0; k < 4; k++) {
			for (int t = 0; t < rows[i].in[k].times; t++)
				send(&ob, rows[i].in[k].port, rows[i].in[k].n, 0);
		}
		for (; n < 4 && rows[i].segs[n]; n++)
			EQ(ob.n > n ? msg[n].segs : 0, rows[i].segs[n]);
		EQ(ob.n, n);
		EQ(s.calls, 0);
		collect(&ob);
	}
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
	static const struct { uint32_t max; size_t size; } rows[] = {
		{ 1, OUTBOX_DGRAM_MAX }, { 1, 100000 }, { 2, 5000 }, { 16, OUTBOX_DGRAM_MAX + 1 }, { 64, 300000 },
	};
	static uint8_t mem[300000];
	static struct sent s;
	struct out_msg msg[64];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		static struct { uint16_t n, port; uint8_t first; } want[LOG_MAX];
		struct outbox ob;
		struct rng rng;
		uint32_t n = 0;
		uint16_t size = 1200, port = 1;

		memset(&s, 0, sizeof(s));
		rng_seed(&rng, i);
		outbox_init(&ob, msg, rows[i].max, mem, rows[i].size, collect, &s);
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
			send(&ob, port, size, (uint8_t)n);
			OK(ob.used <= ob.size);
			OK(ob.n <= ob.max);
			n++;
		}
		EQ(ob.dgrams, LOG_MAX);
		collect(&ob);
		EQ(s.n, n);
		for (uint32_t k = 0; k < n; k++) {
			EQ(s.d[k].n, want[k].n);
			EQ(s.d[k].port, want[k].port);
			EQ(s.d[k].first, want[k].first);
			EQ(s.d[k].last, want[k].first);
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

T_MAIN(T(coalesces_only_what_gso_can_cut), T(local_address_splits), T(loses_nothing_at_any_size),
       T(one_message_is_enough_to_coalesce))
