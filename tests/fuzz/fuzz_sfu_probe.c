/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * A probe of sfud whose stream and datagrams the input speaks on, with good answers in between. Whatever comes, no more
 * is used than was given, the probe ends in its time, and is satisfied only if its check was answered under the
 * password. Once it is over it is silent.
 *
 *   one byte of action, two of size, that many bytes
 */
#include "fuzz.h"
#include "unit/healthd/sfu_script.h"

enum action { STREAM, ACCEPT, ANSWER, TEXT, DGRAM, CHECK, TICK, END, ABANDON, ACTION_MAX_ };

static struct sfu_script s;
static bool vouched;

static void stream(struct span in)
{
	size_t room = sizeof(s.in) - s.in_n;

	if (in.n > room)
		return; /* a leg would have closed by now */
	sfu_say(&s, in);
	MUST(s.in_n <= sizeof(s.in));
}

static void text(struct span in)
{
	static char body[40000];

	if (in.n)
		memcpy(body, in.p, in.n < 30000 ? in.n : 30000);
	if (s.in_n + in.n + 8 < sizeof(s.in))
		sfu_frame(&s, WS_OP_TEXT, body, in.n < 30000 ? in.n : 30000);
}

static void act(enum action a, struct span in)
{
	struct addr at = s.p.check_at;

	switch (a) {
	case STREAM:
		stream(in);
		break;
	case ACCEPT:
		if (s.in_n + 256 < sizeof(s.in))
			sfu_accept(&s);
		break;
	case ANSWER:
		if (s.in_n + 512 < sizeof(s.in))
			sfu_text(&s, SFU_ANSWER);
		break;
	case TEXT:
		text(in);
		break;
	case DGRAM:
		sfu_probe_dgram(&s.p, &at, in, s.now);
		break;
	case CHECK:
		vouched |= sfu_answer_check(&s, &at, STUN_SUCCESS, SPAN_LIT(SFU_PWD), true);
		break;
	case TICK:
		s.now = s.p.step == SFU_PROBE_DONE ? s.now : sfu_probe_next(&s.p);
		(void)sfu_probe_tick(&s.p, s.now);
		break;
	case END:
		sfu_probe_stream_end(&s.p, s.now);
		break;
	case ABANDON:
		sfu_probe_abandon(&s.p, s.now);
		break;
	case ACTION_MAX_:
		break;
	}
	sfu_collect(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct rd r = rd_from(span_of(data, n));

	sfu_start(&s, (struct addr){ 0 });
	vouched = false;
	while (rd_left(&r)) {
		enum action a = rd_u8(&r) % ACTION_MAX_;
		size_t size = rd_be16(&r);

		act(a, rd_span(&r, size < rd_left(&r) ? size : rd_left(&r)));
		MUST(s.p.step <= SFU_PROBE_DONE);
	}
	for (int i = 0; i < 100 && s.p.step != SFU_PROBE_DONE; i++)
		act(TICK, (struct span){ 0 });
	MUST(s.p.step == SFU_PROBE_DONE && s.p.end.why != PROBE_GOING);
	MUST(mono_since(s.now, (mono_t){ DUR_SEC(100) }) <= SFU_DEADLINE + SFU_CLOSE_TIME);
	MUST(s.p.end.why != PROBE_OK || vouched);
	MUST(mono_is_never(sfu_probe_next(&s.p)));
	s.p.out_n = 0;
	(void)sfu_probe_stream(&s.p, span_of(data, n), s.now);
	MUST(s.p.out_n == 0 && sfu_probe_tick(&s.p, MONO_NEVER).n == 0);
	sfu_probe_done(&s.p);
	return 0;
}
