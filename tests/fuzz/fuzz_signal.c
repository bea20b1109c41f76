/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * A message is of one kind and has the fields of that kind only; a text that came in goes out in a message that is JSON
 * and holds the same text. Track lists made of arbitrary numbers read back as those numbers.
 */
#include "base/json.h"
#include "fuzz.h"
#include "sfud/signal/signal.h"

#define TEXT_MAX 4096
#define IDS 8

static uint8_t buf[TEXT_MAX], out[6 * TEXT_MAX + 256];
static char again[TEXT_MAX];
static struct json_tok tok[256];

static struct json read_back(const struct wr *w)
{
	struct json j;

	MUST(!w->bad);
	MUST(json_parse(wr_span_of(w), tok, 256, &j) == 0);
	return j;
}

static void must_hold_text(const struct wr *w, struct span sdp)
{
	struct json j = read_back(w);
	size_t n;

	MUST(json_get_str(&j, 0, "sdp", again, sizeof(again), &n) == 0);
	MUST(span_eq(span_of(again, n), sdp));
}

static void must_list(const uint8_t *data, size_t n)
{
	uint64_t ids[IDS] = { 0 };
	size_t n_ids = n / 8 < IDS ? n / 8 : IDS;
	struct sig_track tracks[IDS];
	struct wr w = wr_from(out, sizeof(out));
	struct sig_in in;
	int at;

	for (size_t i = 0; i < n_ids; i++) {
		ids[i] = be64_at(data + i * 8);
		tracks[i] = (struct sig_track){ "3", ids[i], (ids[i] & 1) != 0, (ids[i] & 2) != 0 };
	}
	sig_write_map(&w, ids, n_ids);
	struct json j = read_back(&w);

	at = json_first(&j, json_get(&j, 0, "tracks"));
	for (size_t i = 0; i < n_ids; i++, at = json_next(&j, json_get(&j, 0, "tracks"), at)) {
		uint64_t id = 0;

		MUST(at >= 0 && json_get_u64(&j, at, "peer_id", &id) == 0 && id == ids[i]);
	}
	MUST(at < 0);
	sig_parse(wr_span_of(&w), buf, sizeof(buf), &in);
	MUST(in.kind == SIG_OTHER);
	w = wr_from(out, sizeof(out));
	sig_write_update(&w, tracks, n_ids);
	j = read_back(&w);
	MUST(j.tok[json_get(&j, 0, "tracks")].children == n_ids);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct wr w = wr_from(out, sizeof(out));
	struct sig_in in;
	bool has_sdp;

	if (n > TEXT_MAX)
		return 0;
	must_list(data, n);
	sig_parse(span_of(data, n), buf, n, &in);
	has_sdp = in.kind == SIG_OFFER || in.kind == SIG_ANSWER;
	MUST(in.kind <= SIG_MALFORMED);
	MUST(has_sdp == (in.sdp.n > 0));
	MUST(in.bps == 0 || in.kind == SIG_BWE_HINT);
	if (!has_sdp)
		return 0;
	MUST(in.sdp.p == buf && in.sdp.n < n);
	sig_write_answer(&w, in.sdp);
	must_hold_text(&w, in.sdp);
	w = wr_from(out, sizeof(out));
	sig_write_offer(&w, in.sdp, "3");
	must_hold_text(&w, in.sdp);
	return 0;
}
