/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sfud/media/twcc.h"

#include "base/seqno.h"
#include "sfud/media/rtcp.h"

/*
 *  |V=2|P| FMT=15  |    PT=205     |            length             |
 *  |                     SSRC of packet sender                     |
 *  |                      SSRC of media source                     |
 *  |     base sequence number      |     packet status count       |
 *  |           reference time (64 ms)              |fb pkt. count  |
 *  |  chunks, 16 bit each    |   deltas, 8 or 16 bit   |  zeros    |
 *
 *  chunk  |0| S |      run length       |   that many packets of symbol S
 *         |1|0| 14 symbols of one bit   |
 *         |1|1|  7 symbols of two bits  |
 */
#define HDR_LEN 20
#define TICK_US 250
#define REF_TICKS 256 /* 64 ms */
#define RUN_MAX 0x1fff
#define ONE_BIT_N 14
#define TWO_BIT_N 7

/* A received packet's symbol is also the number of bytes of its delta. */
enum { SYM_LOST, SYM_SMALL, SYM_LARGE, SYM_RESERVED };

_Static_assert(TWCC_WINDOW <= RUN_MAX, "one run can cover all");

void twcc_init(struct twcc *t)
{
	*t = (struct twcc){ .next = MONO_NEVER };
}

static void begin(struct twcc *t, uint16_t seq)
{
	t->started = true;
	t->top = t->base = UINT64_C(65536) + seq;
}

/* Numbers between the old top and the new one are missing so far. */
static void advance(struct twcc *t, uint64_t seq)
{
	if (seq - t->top >= TWCC_WINDOW)
		memset(t->at_us, 0, sizeof(t->at_us));
	else
		for (uint64_t s = t->top + 1; s < seq; s++)
			t->at_us[s % TWCC_WINDOW] = 0;
	t->at_us[seq % TWCC_WINDOW] = 0;
	t->top = seq;
	if (t->base + TWCC_WINDOW <= seq)
		t->base = seq + 1 - TWCC_WINDOW;
}

void twcc_seen(struct twcc *t, uint16_t seq, mono_t now)
{
	uint64_t ext;
	uint32_t at = (uint32_t)now.us;

	if (!t->started)
		begin(t, seq);
	ext = seq16_extend(t->top, seq);
	if (ext > t->top)
		advance(t, ext);
	if (ext + TWCC_WINDOW <= t->top || t->at_us[ext % TWCC_WINDOW])
		return; /* forgotten, or a duplicate */
	if (ext < t->base)
		t->base = ext;
	t->at_us[ext % TWCC_WINDOW] = at ? at : UINT32_MAX; /* 0 is taken: a microsecond earlier */
	if (mono_is_never(t->next))
		t->next = mono_add(now, TWCC_INTERVAL);
}

/* What goes into one feedback packet. */
struct batch {
	uint32_t n;
	size_t delta_bytes;
	uint64_t ref; /* in units of 64 ms */
	uint8_t sym[TWCC_WINDOW];
	int16_t delta[TWCC_WINDOW];
};

static uint64_t arrival_ticks(uint32_t at_us, mono_t now)
{
	uint32_t age = (uint32_t)now.us - at_us;

	return now.us > age ? (now.us - age) / TICK_US : 0;
}

/* An upper bound: each chunk but the last takes TWO_BIT_N symbols at least. */
static size_t size_bound(size_t n, size_t delta_bytes)
{
	return (HDR_LEN + (n + TWO_BIT_N - 1) / TWO_BIT_N * 2 + delta_bytes + 3) & ~(size_t)3;
}

/* As many packets from base on as have room, and as the 16 bits of a delta can span. */
static void collect(const struct twcc *t, size_t room, mono_t now, struct batch *b)
{
	uint64_t last = 0;
	bool any = false;

	b->n = 0;
	b->delta_bytes = 0;
	b->ref = now.us / TICK_US / REF_TICKS;
	for (uint64_t s = t->base; s <= t->top; s++) {
		uint32_t at = t->at_us[s % TWCC_WINDOW];
		uint8_t sym = SYM_LOST;
		int64_t d = 0;

		if (at) {
			uint64_t tick = arrival_ticks(at, now);

			if (!any) {
				b->ref = tick / REF_TICKS;
				last = b->ref * REF_TICKS;
			}
			any = true;
			d = (int64_t)(tick - last);
			if (d < INT16_MIN || d > INT16_MAX)
				return;
			sym = d >= 0 && d <= UINT8_MAX ? SYM_SMALL : SYM_LARGE;
			last = tick;
		}
		if (size_bound(b->n + 1, b->delta_bytes + sym) > room)
			return;
		b->sym[b->n] = sym;
		b->delta[b->n++] = (int16_t)d;
		b->delta_bytes += sym;
	}
}

/* The chunk that takes most of the n symbols; returns how many. */
static size_t put_chunk(struct wr *w, const uint8_t *sym, size_t n)
{
	size_t run = 1, plain = 0;
	unsigned bits = 0;

	while (run < n && sym[run] == sym[0])
		run++;
	while (plain < n && plain < ONE_BIT_N && sym[plain] <= SYM_SMALL)
		plain++;
	if (run == n || run >= ONE_BIT_N || (run >= TWO_BIT_N && plain < ONE_BIT_N && plain < n)) {
		wr_be16(w, (uint16_t)((unsigned)sym[0] << 13 | (unsigned)run));
		return run;
	}
	if (plain == n || plain == ONE_BIT_N) {
		for (size_t i = 0; i < plain; i++)
			bits |= (unsigned)sym[i] << (ONE_BIT_N - 1 - i);
		wr_be16(w, (uint16_t)(0x8000 | bits));
		return plain;
	}
	n = n < TWO_BIT_N ? n : TWO_BIT_N;
	for (size_t i = 0; i < n; i++)
		bits |= (unsigned)sym[i] << 2 * (TWO_BIT_N - 1 - i);
	wr_be16(w, (uint16_t)(0xc000 | bits));
	return n;
}

static void put_batch(const struct twcc *t, struct wr *w, uint32_t sender, uint32_t media, const struct batch *b)
{
	size_t at = wr_len(w), len;

	wr_u8(w, 0x80 | RTPFB_TWCC);
	wr_u8(w, RTCP_RTPFB);
	wr_be16(w, 0);
	wr_be32(w, sender);
	wr_be32(w, media);
	wr_be16(w, (uint16_t)t->base);
	wr_be16(w, (uint16_t)b->n);
	wr_be24(w, (uint32_t)(b->ref & 0xffffff));
	wr_u8(w, t->count);
	for (size_t i = 0; i < b->n;)
		i += put_chunk(w, b->sym + i, b->n - i);
	for (size_t i = 0; i < b->n; i++) {
		if (b->sym[i] == SYM_SMALL)
			wr_u8(w, (uint8_t)b->delta[i]);
		else if (b->sym[i] == SYM_LARGE)
			wr_be16(w, (uint16_t)b->delta[i]);
	}
	wr_zero(w, (4 - (wr_len(w) - at) % 4) % 4);
	len = wr_len(w) - at;
	if (!w->bad)
		put_be16(w->start + at + 2, (uint16_t)(len / 4 - 1));
}

bool twcc_report(struct twcc *t, struct wr *w, uint32_t sender, uint32_t media, mono_t now)
{
	bool any = false;

	while (t->started && t->base <= t->top) {
		struct batch b;

		collect(t, wr_left(w), now, &b);
		if (b.n == 0) {
			t->next = any ? now : mono_add(now, TWCC_INTERVAL);
			return any;
		}
		put_batch(t, w, sender, media, &b);
		t->base += b.n;
		t->count++;
		any = true;
	}
	t->next = MONO_NEVER;
	return any;
}

mono_t twcc_next(const struct twcc *t)
{
	return t->next;
}

/* Reads symbols out of chunks, one by one. */
struct sym_rd {
	struct rd r;
	uint16_t chunk;
	unsigned left; /* symbols of the current chunk */
};

static uint8_t next_sym(struct sym_rd *s)
{
	if (s->left == 0) {
		s->chunk = rd_be16(&s->r);
		if (s->chunk >> 15 == 0)
			s->left = s->chunk & RUN_MAX;
		else
			s->left = s->chunk & 0x4000 ? TWO_BIT_N : ONE_BIT_N;
		if (s->r.bad || s->left == 0)
			return SYM_RESERVED;
	}
	s->left--;
	if (s->chunk >> 15 == 0)
		return s->chunk >> 13 & 3;
	if (s->chunk & 0x4000)
		return s->chunk >> 2 * s->left & 3;
	return s->chunk >> s->left & 1;
}

int twcc_read(struct span body, void (*fn)(void *arg, uint16_t seq, bool received, int64_t delta_us), void *arg)
{
	struct sym_rd s = { .r = rd_from(body) };
	struct sym_rd again;
	size_t delta_bytes = 0;
	uint16_t base, n;

	rd_skip(&s.r, 8);
	base = rd_be16(&s.r);
	n = rd_be16(&s.r);
	rd_skip(&s.r, 4);
	if (s.r.bad)
		return ERR_SHORT;
	again = s;
	for (unsigned i = 0; i < n; i++) {
		uint8_t sym = next_sym(&s);

		if (sym == SYM_RESERVED)
			return s.r.bad ? ERR_SHORT : ERR_MALFORMED;
		delta_bytes += sym;
	}
	if (rd_left(&s.r) < delta_bytes)
		return ERR_SHORT;
	for (unsigned i = 0; i < n; i++) {
		uint8_t sym = next_sym(&again);
		int64_t ticks = 0;

		if (sym == SYM_SMALL)
			ticks = rd_u8(&s.r);
		else if (sym == SYM_LARGE)
			ticks = (int16_t)rd_be16(&s.r);
		fn(arg, (uint16_t)(base + i), sym != SYM_LOST, ticks * TICK_US);
	}
	return 0;
}
