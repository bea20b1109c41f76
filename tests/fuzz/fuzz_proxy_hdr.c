/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * A header ends where it says, wherever the input ends: each shorter input is short, what follows changes nothing. What it
 * said, written again, is read the same.
 */
#include "fuzz.h"
#include "turnd/proxy_hdr.h"

static void must_write_again(const struct proxy_hdr *h)
{
	struct proxy_hdr again;
	uint8_t buf[107];
	struct wr w = wr_from(buf, sizeof(buf));

	proxy_hdr_write(&w, &h->client, &h->server);
	MUST(!w.bad);
	MUST(proxy_hdr_parse(wr_span_of(&w), &again) == 0);
	MUST(again.n == wr_len(&w) && !again.local);
	MUST(addr_eq(&again.client, &h->client) && addr_eq(&again.server, &h->server));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct proxy_hdr h, again;
	int r = proxy_hdr_parse(span_of(data, n), &h);

	MUST(r == 0 || r == ERR_SHORT || r == ERR_MALFORMED);
	if (r == ERR_SHORT)
		MUST(n < PROXY_HDR_MAX);
	for (size_t i = 0; i < n && i < PROXY_HDR_MAX; i++) {
		int early = proxy_hdr_parse(span_of(data, i), &again);

		if (r == ERR_SHORT || (r == 0 && i < h.n))
			MUST(early == ERR_SHORT);
		else if (r == 0)
			MUST(early == 0 && again.n == h.n);
		else
			MUST(early != 0);
	}
	if (r < 0)
		return 0;
	MUST(h.n <= n && h.n <= PROXY_HDR_MAX);
	if (h.local)
		MUST(addr_is_unset(&h.client) && addr_is_unset(&h.server));
	else
		must_write_again(&h);
	return 0;
}
