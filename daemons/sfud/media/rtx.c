/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sfud/media/rtx.h"

#define OSN_LEN 2

int rtx_unwrap(uint8_t *pkt, size_t *n, const struct rtp *r, uint32_t ssrc, uint8_t pt)
{
	uint8_t *payload = pkt + r->payload_at;

	if (r->payload_n < OSN_LEN)
		return ERR_SHORT;
	pkt[1] = (uint8_t)((pkt[1] & 0x80) | (pt & 0x7f));
	memcpy(pkt + 2, payload, OSN_LEN);
	put_be32(pkt + 8, ssrc);
	memmove(payload, payload + OSN_LEN, *n - r->payload_at - OSN_LEN);
	*n -= OSN_LEN;
	return 0;
}

void rtx_budget_sent(struct rtx_budget *b, size_t bytes)
{
	b->bytes += bytes / RTX_SHARE;
	if (b->bytes > RTX_SAVED)
		b->bytes = RTX_SAVED;
}

/* Time fills up to one second's worth only, so that the floor is a floor and not an addition. */
static void refill(struct rtx_budget *b, mono_t now)
{
	uint64_t passed = mono_since(now, b->last);
	uint64_t more = passed >= US_PER_SEC ? RTX_FLOOR : passed * RTX_FLOOR / US_PER_SEC;

	if (b->bytes + more >= RTX_FLOOR) {
		b->bytes = b->bytes > RTX_FLOOR ? b->bytes : RTX_FLOOR;
		b->last = now;
	} else {
		/* Only the time that became whole bytes is used up. */
		b->bytes += more;
		b->last = mono_add(b->last, more * US_PER_SEC / RTX_FLOOR);
	}
}

bool rtx_budget_take(struct rtx_budget *b, size_t bytes, mono_t now)
{
	refill(b, now);
	if (b->bytes < bytes)
		return false;
	b->bytes -= bytes;
	return true;
}
