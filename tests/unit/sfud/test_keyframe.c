/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sfud/media/keyframe.h"

#include "t.h"

#define MS(n) ((mono_t){ DUR_MS(n) })

/* RFC 4585 6.3.1: at most one PLI per KEYFRAME_GAP, the first at once; an early wish waits for the end of the
 * gap, and a keyframe fulfils it. */
static void wishes_fold_into_one_request_per_gap(void)
{
	const struct {
		const char *row;
		enum { WANT, DUE, SEEN } ev;
		uint64_t at_ms;
		bool send;
		uint64_t next_ms; /* 0: never */
	} step[] = {
		{ "nobody waits: ", DUE, 0, false, 0 },
		{ "first wish: ", WANT, 1, true, 0 },
		{ "nothing left to ask: ", DUE, 400, false, 0 },
		{ "too early: ", WANT, 2, false, 501 },
		{ "another one: ", WANT, 300, false, 501 },
		{ "still too early: ", DUE, 500, false, 501 },
		{ "gap over: ", DUE, 501, true, 0 },
		{ "repeated call: ", DUE, 501, false, 0 },
		{ "early again: ", WANT, 600, false, 1001 },
		{ "keyframe: ", SEEN, 700, false, 0 },
		{ "nobody waits any longer: ", DUE, 1100, false, 0 },
		{ "gap long over: ", WANT, 5000, true, 0 },
		{ "keyframe does not end the gap: ", SEEN, 5001, false, 0 },
		{ "a newcomer: ", WANT, 5002, false, 5500 },
		{ "late call: ", DUE, 9000, true, 0 },
		{ "the gap counts from the request: ", WANT, 9499, false, 9500 },
		{ "exactly at its end: ", WANT, 9500, true, 0 },
	};
	struct keyframe k = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(step); i++) {
		bool send = false;

		t_row = step[i].row;
		if (step[i].ev == WANT)
			send = keyframe_want(&k, MS(step[i].at_ms));
		else if (step[i].ev == DUE)
			send = keyframe_due(&k, MS(step[i].at_ms));
		else
			keyframe_seen(&k);
		EQ(send, step[i].send);
		EQ(keyframe_next(&k).us, step[i].next_ms ? DUR_MS(step[i].next_ms) : UINT64_MAX);
	}
}

/* Who waits and repeats the wish with every packet has a lost PLI repeated, once per gap. */
static void a_repeated_wish_repeats_the_request(void)
{
	struct keyframe k = { 0 };
	int sent = 0;

	for (uint64_t ms = 0; ms < 2000; ms += 10)
		sent += keyframe_want(&k, MS(ms));
	EQ(sent, 4);
}

T_MAIN(T(wishes_fold_into_one_request_per_gap), T(a_repeated_wish_repeats_the_request))
