/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * First byte 0: the rest is a feedback body; it is read whole or not at all. Otherwise the rest is a script of
 * five-byte steps (what, time, number); every report, into any room, says the truth about each number.
 */
#include "base/seqno.h"
#include "fuzz.h"
#include "sfud/media/rtcp.h"
#include "sfud/media/twcc.h"

#define STEPS 200            /* of 16 seconds at most: less than the 71 minutes that 32 bits can tell */
#define CYCLE_US (UINT64_C(64000) << 24)

struct world {
	struct {
		uint64_t ext, at; /* first arrival of the newest packet with this number */
	} seen[65536];
	uint64_t top, at_us;
	uint8_t fb_count;
	unsigned calls;
};

static void check(void *arg, uint16_t seq, bool received, int64_t delta_us)
{
	struct world *w = arg;
	uint64_t ext = seq16_extend(w->top, seq);

	MUST(ext <= w->top && ext + TWCC_WINDOW > w->top);
	MUST(received == (w->seen[seq].ext == ext));
	MUST(received || delta_us == 0);
	if (received) {
		w->at_us = (w->at_us + (uint64_t)delta_us + CYCLE_US) % CYCLE_US;
		MUST(w->at_us == w->seen[seq].at / 250 * 250 % CYCLE_US);
	}
}

static void seen(struct world *w, uint16_t seq, mono_t now)
{
	uint64_t ext;

	if (w->top == 0)
		w->top = UINT64_C(65536) + seq;
	ext = seq16_extend(w->top, seq);
	if (ext > w->top)
		w->top = ext;
	if (ext + TWCC_WINDOW <= w->top || w->seen[seq].ext == ext)
		return;
	w->seen[seq].ext = ext;
	w->seen[seq].at = (uint32_t)now.us ? now.us : now.us - 1;
}

static void report(struct twcc *t, struct world *w, size_t room, mono_t now)
{
	static uint8_t buf[6000];
	struct wr out = wr_from(buf, room);
	bool any = twcc_report(t, &out, 1, 2, now);
	struct rtcp p;
	size_t at = 0;

	MUST(!out.bad && any == (wr_len(&out) != 0));
	while (rtcp_next(wr_span_of(&out), &at, &p) == 1) {
		MUST(p.type == RTCP_RTPFB && p.count == RTPFB_TWCC);
		w->at_us = be24_at(p.body.p + 12) * UINT64_C(64000);
		MUST(p.body.p[15] == w->fb_count++);
		MUST(twcc_read(p.body, check, w) == 0);
	}
	MUST(at == wr_len(&out));
	MUST(!t->started || t->base > t->top || !mono_is_never(twcc_next(t)));
	/* With room for all, all is told. */
	MUST(room < sizeof(buf) || mono_is_never(twcc_next(t)));
}

static void script(struct rd *r)
{
	static struct world w;
	static struct twcc t;
	mono_t now = { UINT64_C(1) << (rd_u8(r) % 50) };
	uint16_t seq = 0;

	memset(&w, 0, sizeof(w));
	twcc_init(&t);
	for (int i = 0; i < STEPS && rd_left(r) >= 5; i++) {
		uint8_t what = rd_u8(r);
		uint16_t dt = rd_be16(r);
		uint16_t n = rd_be16(r);

		now = mono_add(now, what & 0x80 ? dt * UINT64_C(244) : dt);
		seq = (uint16_t)(seq + (what & 0x40 ? n : 1 + n % 32 - (n & 32)));
		if ((what & 7) == 7) {
			report(&t, &w, what & 8 ? n % 300 : 6000, now);
		} else {
			twcc_seen(&t, seq, now);
			seen(&w, seq, now);
		}
	}
	report(&t, &w, 6000, now);
}

static void count(void *arg, uint16_t seq, bool received, int64_t delta_us)
{
	(void)seq;
	MUST(received || delta_us == 0);
	++*(unsigned *)arg;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct rd r = rd_from(span_of(data, n));
	unsigned calls = 0;

	if (n == 0)
		return 0;
	if (rd_u8(&r) != 0) {
		script(&r);
		return 0;
	}
	if (twcc_read(span_of(r.p, rd_left(&r)), count, &calls) == 0)
		MUST(calls == be16_at(r.p + 10));
	else
		MUST(calls == 0);
	return 0;
}
