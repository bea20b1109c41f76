/* SPDX-License-Identifier: AGPL-3.0-only */
/* An answer gets the same verdict however it is cut, and once there is a verdict no more is wanted. */
#include "fuzz.h"
#include "tunneld/health.h"

static enum why judge(struct span in, size_t piece)
{
	static struct health h;
	enum why why = WHY_MAX_;

	health_begin(&h);
	for (size_t at = 0; at < in.n; at += piece) {
		size_t n = in.n - at < piece ? in.n - at : piece;

		if (health_input(&h, span_of(in.p + at, n), &why)) {
			MUST(why < WHY_MAX_ && why != WHY_CUT);
			return why;
		}
		MUST(h.n <= HEALTH_HEAD_MAX && h.body <= HEALTH_BODY_MAX);
	}
	why = health_end(&h);
	MUST(why == WHY_NONE || why == WHY_CUT);
	return why;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct span in = span_of(data, n);
	enum why whole = judge(in, n ? n : 1);

	MUST(why_str(whole)[0]);
	for (size_t piece = 1; piece <= 9 && piece < n; piece += 2) {
		enum why cut = judge(in, piece);

		/* A length is told before, or together with, what exceeds it. */
		MUST(cut == whole || n > HEALTH_HEAD_MAX);
	}
	return 0;
}
