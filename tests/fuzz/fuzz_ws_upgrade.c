/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * The upgrade request: a head that passes has a key of 24 bytes from the head itself and is answered with one line per
 * field, whatever the key's bytes are; any other gets one of three refusals and no key.
 */
#include "fuzz.h"
#include "sfud/signal/ws_upgrade.h"

#define INPUT_MAX 8192

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct http_head h, answer;
	uint8_t buf[512];
	struct wr w = wr_from(buf, sizeof(buf));
	struct span key = { 0 };
	size_t lines = 0;
	unsigned status;

	if (n > INPUT_MAX || http_head_parse(span_of(data, n), &h) < 0)
		return 0;
	status = ws_upgrade_check(&h, &key);
	if (status != 101) {
		MUST(status == 400 || status == 405 || status == 426);
		MUST(key.n == 0);
		ws_upgrade_refuse(&w, status);
	} else {
		MUST(key.n == 24 && key.p > data && key.p + key.n < data + h.len);
		ws_upgrade_accept(&w, key, "v1");
	}
	MUST(!w.bad);
	for (size_t i = 0; i < wr_len(&w); i++)
		lines += buf[i] == '\n';
	MUST(lines == (status == 426 ? 6 : status == 101 ? 6 : 4));
	MUST(http_head_parse(wr_span_of(&w), &answer) == ERR_MALFORMED); /* an answer is no request */
	return 0;
}
