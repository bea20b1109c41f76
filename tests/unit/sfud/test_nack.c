/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sfud/media/nack.h"

#include "base/rng.h"
#include "t.h"

#define MS(n) ((mono_t){ DUR_MS(n) })
#define TOP 100000

/* The timer table of nack.h, row by row: a gap is asked for after NACK_REORDER, then once per rtt but not
 * within NACK_MIN, NACK_TRIES times, and given up at NACK_GIVE_UP or when the last try went unanswered. */
static void the_timer_table_holds(void)
{
	const struct {
		const char *row;
		uint64_t at_ms, rtt_ms;
		uint32_t asked, lost;
		uint64_t next_ms; /* 0: never */
	} step[] = {
		{ "gap: ", 0, 100, 0, 0, 5 },
		{ "just before: ", 4, 100, 0, 0, 5 },
		{ "ask: ", 5, 100, 1, 0, 105 },
		{ "repeated call: ", 5, 100, 0, 0, 105 },
		{ "again after rtt: ", 105, 1, 1, 0, 125 },
		{ "no sooner than NACK_MIN: ", 124, 1, 0, 0, 125 },
		{ "rtt below NACK_MIN: ", 125, 1, 1, 0, 145 },
		{ "late call: ", 500, 400, 1, 0, 900 },
		{ "last one: ", 900, 400, 1, 0, 1000 },
		{ "give up: ", 1000, 400, 0, 1, 0 },
	};
	struct nack k = { 0 };
	uint16_t seqs[8];

	EQ(nack_seen(&k, TOP, MS(0)), 0);
	EQ(mono_is_never(nack_next(&k)), true);
	EQ(nack_seen(&k, TOP + 2, MS(0)), 0);
	for (size_t i = 0; i < ARRAY_LEN(step); i++) {
		uint32_t lost = 0;

		t_row = step[i].row;
		EQ(nack_due(&k, MS(step[i].at_ms), DUR_MS(step[i].rtt_ms), seqs, 8, &lost), step[i].asked);
		if (step[i].asked)
			EQ(seqs[0], (uint16_t)(TOP + 1));
		EQ(lost, step[i].lost);
		EQ(nack_next(&k).us, step[i].next_ms ? DUR_MS(step[i].next_ms) : UINT64_MAX);
	}
}

/* The row "give up ... or tries": after NACK_TRIES requests there is one more wait, then the number is lost. */
static void tries_are_limited(void)
{
	struct nack k = { 0 };
	uint32_t asked = 0, lost = 0;
	uint16_t seq;
	mono_t t;

	(void)nack_seen(&k, TOP, MS(0));
	(void)nack_seen(&k, TOP + 2, MS(0));
	for (t = nack_next(&k); !mono_is_never(t); t = nack_next(&k))
		asked += nack_due(&k, t, 0, &seq, 1, &lost);
	EQ(asked, NACK_TRIES);
	EQ(lost, 1);
}

/* A packet that comes, late or by retransmission, is not asked for again. */
static void an_arrival_closes_its_gap(void)
{
	struct nack k = { 0 };
	uint16_t seqs[8];
	uint32_t lost = 0;

	(void)nack_seen(&k, TOP, MS(0));
	(void)nack_seen(&k, TOP + 4, MS(0));
	EQ(k.n, 3);
	EQ(nack_seen(&k, TOP + 2, MS(1)), 0);
	EQ(nack_seen(&k, TOP + 2, MS(1)), 0); /* twice */
	EQ(nack_seen(&k, TOP - 7, MS(1)), 0); /* older than everything */
	EQ(nack_due(&k, MS(5), 0, seqs, 8, &lost), 2);
	EQ(seqs[0], (uint16_t)(TOP + 1));
	EQ(seqs[1], (uint16_t)(TOP + 3));
	(void)nack_seen(&k, TOP + 1, MS(6));
	(void)nack_seen(&k, TOP + 3, MS(6));
	EQ(mono_is_never(nack_next(&k)), true);
	EQ(lost, 0);
}

/* NACK_MAX numbers at once: a larger gap forgets the oldest and says how many. */
static void too_large_a_gap_forgets_the_oldest(void)
{
	const struct {
		const char *row;
		uint64_t first, second; /* sizes of two gaps */
		uint32_t lost1, lost2, n;
		uint64_t oldest;
	} c[] = {
		{ "just fits: ", NACK_MAX, 0, 0, 0, NACK_MAX, 1 },
		{ "one too many: ", NACK_MAX + 1, 0, 1, 0, NACK_MAX, 2 },
		{ "the older gap gives way: ", NACK_MAX, 10, 0, 10, NACK_MAX, 11 },
		{ "entirely: ", 10, NACK_MAX + 5, 0, 15, NACK_MAX, 17 },
		{ "enormous: ", 10, UINT64_C(1) << 40, 0, UINT32_MAX, NACK_MAX, 12 + (UINT64_C(1) << 40) - NACK_MAX },
	};

	for (size_t i = 0; i < ARRAY_LEN(c); i++) {
		struct nack k = { 0 };

		t_row = c[i].row;
		(void)nack_seen(&k, TOP, MS(0));
		EQ(nack_seen(&k, TOP + c[i].first + 1, MS(0)), c[i].lost1);
		EQ(nack_seen(&k, TOP + c[i].first + 1 + c[i].second + 1, MS(0)), c[i].lost2);
		EQ(k.n, c[i].n);
		EQ(k.item[0].seq, TOP + c[i].oldest);
	}
}

/* A request has room for `max` numbers; the others stay due. */
static void what_finds_no_room_stays_due(void)
{
	struct nack k = { 0 };
	uint16_t seqs[2];
	uint32_t lost = 0;

	(void)nack_seen(&k, TOP, MS(0));
	(void)nack_seen(&k, TOP + 6, MS(0));
	for (unsigned i = 1; i <= 5; i += 2) {
		EQ(nack_due(&k, MS(5), DUR_MS(100), seqs, 2, &lost), i < 5 ? 2 : 1);
		EQ(seqs[0], (uint16_t)(TOP + i));
	}
	EQ(nack_due(&k, MS(5), DUR_MS(100), seqs, 2, &lost), 0);
	nack_reset(&k);
	EQ(mono_is_never(nack_next(&k)), true);
	EQ(nack_seen(&k, 5, MS(9)), 0); /* a new beginning, wherever */
	EQ(k.n, 0);
}

/* Oracle: a flag for every number. What is missing, what is asked, what is lost must agree at every step. */
static void agrees_with_a_naive_set(void)
{
	enum { SPAN = 4000 };
	static bool missing[SPAN];
	static mono_t since[SPAN];
	struct rng rng;

	rng_seed(&rng, 3);
	for (int turn = 0; turn < 60; turn++) {
		struct nack k = { 0 };
		uint64_t top = 65536 - 50; /* the low 16 bits wrap early */
		uint32_t lost = 0, lost_want = 0;
		const uint64_t start = top;

		memset(missing, 0, sizeof(missing));
		(void)nack_seen(&k, top, MS(0));
		for (uint64_t ms = 1; ms < 1000; ms += 3) {
			bool fresh = rng_below(&rng, 4) != 0;
			uint64_t seq = fresh ? top + 1 + (rng_below(&rng, 5) ? 0 : rng_below(&rng, 12))
					     : top - rng_below(&rng, (uint32_t)(top - start) + 1);
			uint16_t seqs[NACK_MAX];
			uint32_t n = 0, asked;

			for (uint64_t s = top + 1; s < seq; s++) {
				missing[s - start] = true;
				since[s - start] = MS(ms);
			}
			missing[seq - start] = false;
			top = seq > top ? seq : top;
			lost += nack_seen(&k, seq, MS(ms));
			asked = nack_due(&k, MS(ms), DUR_MS(60), seqs, NACK_MAX, &lost);
			for (uint32_t i = 0; i < asked; i++) {
				OK(missing[(uint16_t)(seqs[i] - start)]);
				OK(i == 0 || (uint16_t)(seqs[i] - seqs[i - 1]) < SPAN);
			}
			for (uint64_t s = 0; s <= top - start; s++) {
				if (missing[s] && mono_since(MS(ms), since[s]) >= DUR_MS(5 + 60 * NACK_TRIES) &&
				    (k.n == 0 || k.item[0].seq > start + s)) {
					missing[s] = false;
					lost_want++;
				}
				if (missing[s])
					OK(n < k.n && k.item[n].seq == start + s);
				n += missing[s];
			}
			EQ(k.n, n);
			EQ(lost, lost_want);
			if (t_failures)
				return;
		}
	}
}

T_MAIN(T(the_timer_table_holds), T(tries_are_limited), T(an_arrival_closes_its_gap),
       T(too_large_a_gap_forgets_the_oldest), T(what_finds_no_room_stays_due), T(agrees_with_a_naive_set))
