/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * A TURN probe and a server that answers well, lies, or lets the input speak for it. Whatever comes, the probe ends in
 * its time, sends no more than its timers allow, and is satisfied only if its datum went through the server both ways.
 * Once it is over it is silent.
 *
 *   first byte   what the server lies about, and whether the legs are streams
 *   then         one byte of action, two of size, that many bytes
 */
#include "fuzz.h"
#include "unit/healthd/turn_script.h"

#define SENT_MAX 300

enum action { HEAR, SERVE, SPOIL, TICK, LOSE, ABANDON, ACTION_MAX_ };

static struct script s;

/* What the server would say to the first message waiting, with the input laid over it. */
static void spoil(struct span with)
{
	uint8_t msg[STUN_TX_BYTES];
	struct turn_probe_out *o = &s.p.box.out[0];
	size_t n = s.p.box.n ? o->n : 0;

	memcpy(msg, o->b, n);
	if (n > 1)
		msg[0] |= 1; /* a response of its transaction */
	for (size_t i = 0; i < with.n && i < n; i++)
		msg[i] ^= with.p[i];
	script_hear(&s, o->leg < TURN_PROBE_LEGS ? o->leg : 0, span_of(msg, n));
}

static void act(enum action a, struct span in)
{
	uint32_t leg = in.n & 1;

	switch (a) {
	case HEAR:
		script_hear(&s, leg, in);
		break;
	case SERVE:
		script_flush(&s);
		break;
	case SPOIL:
		spoil(in);
		break;
	case TICK:
		s.now = s.p.step == TURN_PROBE_DONE ? s.now : turn_probe_next(&s.p);
		turn_probe_tick(&s.p, s.now);
		break;
	case LOSE:
		turn_probe_lost(&s.p, leg, s.now);
		break;
	case ABANDON:
		turn_probe_abandon(&s.p, s.now);
		break;
	case ACTION_MAX_:
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct rd r = rd_from(span_of(data, n));
	uint8_t first = rd_u8(&r);

	MUST(script_start(&s, (enum lie)((first & 0x7f) % LIE_MAX_), NULL, first & 0x80) == 0);
	while (rd_left(&r) && s.sent < SENT_MAX) {
		enum action a = rd_u8(&r) % ACTION_MAX_;
		size_t size = rd_be16(&r);

		act(a, rd_span(&r, size < rd_left(&r) ? size : rd_left(&r)));
		MUST(s.p.box.n <= TURN_PROBE_BOX && s.p.step <= TURN_PROBE_DONE);
	}
	MUST(script_run(&s));
	MUST(s.p.end.why != PROBE_GOING && mono_since(s.now, (mono_t){ DUR_SEC(100) }) <= SCRIPT_DEADLINE + SCRIPT_RELEASE);
	MUST(s.p.end.why != PROBE_OK || (s.relayed[0] && s.relayed[1]));
	MUST(mono_is_never(turn_probe_next(&s.p)));
	s.p.box.n = 0;
	turn_probe_tick(&s.p, MONO_NEVER);
	act(HEAR, span_of(data, n));
	MUST(s.p.box.n == 0);
	turn_probe_done(&s.p);
	return 0;
}
