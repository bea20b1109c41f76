/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sim/track_in.h"

#include "base/seqno.h"

#define REORDER DUR_MS(30)

void track_in_bind(struct track_in *t, mono_t now)
{
	*t = (struct track_in){ .live = true, .live_at = now, .key_at = MONO_NEVER, .first_at = MONO_NEVER };
}

static void missing_cut(struct track_in *t, uint32_t i)
{
	memmove(&t->missing[i], &t->missing[i + 1], (t->n_missing - i - 1) * sizeof(t->missing[0]));
	t->n_missing--;
}

static void miss(struct track_in *t, uint64_t seq, mono_t now)
{
	t->seen[seq & 0xffff] = 0;
	if (!t->video)
		return;
	if (t->n_missing == IN_MISSING) {
		missing_cut(t, 0);
		t->given_up++;
	}
	t->missing[t->n_missing].seq = seq;
	t->missing[t->n_missing].since = now;
	t->missing[t->n_missing].due = mono_add(now, REORDER);
	t->missing[t->n_missing++].tries = 0;
}

static void open_gap(struct track_in *t, uint64_t seq, mono_t now)
{
	if (seq - t->top > IN_MISSING) {
		t->resets++;
		t->given_up += seq - t->top - 1 + t->n_missing;
		t->n_missing = 0;
		t->key_complete = false;
		return;
	}
	for (uint64_t s = t->top + 1; s < seq; s++)
		miss(t, s, now);
}

static void clock_packet(struct track_in *t, mono_t now)
{
	uint64_t silence = t->packets > 1 ? mono_since(now, t->last_at) : 0;

	t->max_silence = silence > t->max_silence ? silence : t->max_silence;
	t->last_at = now;
}

bool track_in_seen(struct track_in *t, uint16_t seq, bool recovered, mono_t now)
{
	uint64_t ext;

	if (!t->started) {
		t->started = true;
		t->first = t->top = 65536u + seq;
		t->first_at = now;
		t->seen[seq] = 1;
		t->packets++;
		clock_packet(t, now);
		return true;
	}
	ext = seq16_extend(t->top, seq);
	if (ext > t->top) {
		open_gap(t, ext, now);
		t->top = ext;
		t->seen[seq] = 0;
	}
	if (t->seen[seq]) {
		t->twice++;
		return false;
	}
	t->seen[seq] = 1;
	while (ext < t->first) /* a straggler from before the first one shows that there was more */
		if (--t->first > ext)
			miss(t, t->first, now);
	for (uint32_t i = 0; i < t->n_missing; i++)
		if (t->missing[i].seq == ext)
			missing_cut(t, i);
	t->packets++;
	t->recovered += recovered;
	clock_packet(t, now);
	return true;
}

/* A keyframe is of use when all of it is here. */
static void note_key(struct track_in *t, const struct stamp *st, mono_t now)
{
	uint16_t whole = (uint16_t)((1u << st->count) - 1);

	if (!st->key || t->got[st->frame % IN_FRAMES] != whole)
		return;
	t->key_complete = true;
	if (!mono_is_never(t->key_at))
		return;
	t->key_at = now;
	t->key_frame = st->frame;
}

void track_in_stamp(struct track_in *t, const struct stamp *st, mono_t now)
{
	bool first = t->packets == 1;

	if (first) {
		t->first_frame = t->last_frame = st->frame;
		t->layer = st->layer;
	}
	if (st->frame <= t->first_frame) { /* stragglers included */
		t->first_frame = st->frame;
		t->first_was_key = st->key;
	}
	if (st->frame > t->last_frame) {
		for (uint32_t i = t->last_frame + 1; i <= st->frame && i - t->last_frame <= IN_FRAMES; i++)
			t->got[i % IN_FRAMES] = 0;
		t->last_frame = st->frame;
	}
	if (st->layer != t->layer && t->video) {
		t->switches++;
		t->bad_switches += !st->key || st->index != 0;
		t->layer = st->layer;
	}
	t->got[st->frame % IN_FRAMES] |= (uint16_t)(1u << st->index);
	note_key(t, st, now);
}

uint32_t track_in_nack(struct track_in *t, mono_t now, uint64_t rtt_us, uint16_t *ret, uint32_t max)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < t->n_missing;) {
		if (mono_reached(now, mono_add(t->missing[i].since, IN_GIVE_UP))) {
			missing_cut(t, i);
			t->given_up++;
			t->key_complete = false;
			continue;
		}
		if (n < max && mono_reached(now, t->missing[i].due)) {
			ret[n++] = (uint16_t)t->missing[i].seq;
			t->missing[i].due = mono_add(now, rtt_us);
			t->missing[i].tries++;
		}
		i++;
	}
	return n;
}

uint32_t track_in_holes(const struct track_in *t, uint32_t margin)
{
	uint32_t n = 0;

	for (uint64_t s = t->first; t->started && s + margin < t->top; s++)
		n += !t->seen[s & 0xffff];
	return n;
}
