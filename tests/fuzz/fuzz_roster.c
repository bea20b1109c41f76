/* SPDX-License-Identifier: AGPL-3.0-only */
/* Whatever the file holds: the names of peers are names, and whose turn it is comes round to each of them, never to
 * oneself. */
#include "fuzz.h"
#include "healthd/verdict/roster.h"

static struct roster r;

static void must_be_a_name(const struct roster_peer *p)
{
	size_t n = strlen(p->host);

	MUST(n > 0 && n < ROSTER_NAME_MAX && p->id[0] && p->turns_port && p->udp_port);
	MUST(strchr(p->host, '.') && strspn(p->host, "0123456789.") != n);
	for (size_t i = 0; i < n; i++)
		MUST(strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.", p->host[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const struct roster_peer *pick[ROSTER_PICK];
	static bool seen[ROSTER_PEERS_MAX];
	uint32_t offset = n ? data[0] : 0;
	int e = roster_parse(span_of(data, n), &r);

	MUST(e == 0 || e == ERR_MALFORMED);
	if (e < 0)
		return 0;
	MUST(r.n <= ROSTER_PEERS_MAX);
	memset(seen, 0, sizeof(seen));
	for (uint32_t i = 0; i < r.n; i++)
		must_be_a_name(&r.peer[i]);
	for (uint32_t run = 0; run <= r.n; run++) {
		uint32_t got = roster_pick(&r, r.n ? r.peer[0].id : "", &offset, pick);

		MUST(got <= ROSTER_PICK);
		for (uint32_t i = 0; i < got; i++) {
			MUST(strcmp(pick[i]->id, r.peer[0].id) != 0);
			seen[pick[i] - r.peer] = true;
		}
	}
	for (uint32_t i = 0; i < r.n; i++)
		MUST(seen[i] || strcmp(r.peer[i].id, r.peer[0].id) == 0);
	return 0;
}
