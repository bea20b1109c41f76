/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sfud/media/rx.h"

#define SEQ_MOD 65536u
#define LOST_MAX 0x7fffff
#define LOST_MIN (-0x800000)

/* `us` in units of 1/rate seconds; no product overflows for any rate a clock has. */
static uint64_t in_units(uint64_t us, uint32_t rate)
{
	return us / US_PER_SEC * rate + us % US_PER_SEC * rate / US_PER_SEC;
}

void rx_init(struct rx *x, uint32_t ssrc, uint32_t clock)
{
	*x = (struct rx){ .ssrc = ssrc, .clock = clock };
}

static void begin(struct rx *x, uint64_t ext, uint32_t transit)
{
	x->started = true;
	x->first = x->top = ext;
	x->packets = 1;
	x->prior_expected = x->prior_packets = 0;
	x->jitter_q4 = 0;
	x->last_transit = transit;
}

/* RFC 3550 A.8: J += (|D| - J) / 16, kept as 16 J. */
static void jitter(struct rx *x, uint32_t transit)
{
	uint32_t d = transit - x->last_transit;
	uint64_t j;

	if (d >> 31)
		d = 0 - d;
	j = (uint64_t)x->jitter_q4 + d - ((x->jitter_q4 + UINT64_C(8)) >> 4);
	x->jitter_q4 = j > UINT32_MAX ? UINT32_MAX : (uint32_t)j;
	x->last_transit = transit;
}

enum rx_verdict rx_seen(struct rx *x, uint16_t seq, uint32_t ts, size_t bytes, mono_t now, uint64_t *ret_ext)
{
	uint32_t transit = (uint32_t)in_units(now.us, x->clock) - ts;
	uint16_t ahead = (uint16_t)(seq - (uint16_t)x->top);

	x->bytes += bytes;
	if (!x->started) {
		x->last = now;
		begin(x, SEQ_MOD + seq, transit);
		*ret_ext = x->top;
		return RX_NEW;
	}
	if (ahead == 0 || ahead > SEQ_MOD - RX_MISORDER) {
		x->packets++;
		*ret_ext = ahead ? x->top + ahead - SEQ_MOD : x->top;
		return RX_OLD_FILL;
	}
	*ret_ext = x->top + ahead;
	x->last = now;
	if (ahead >= RX_DROPOUT) {
		begin(x, *ret_ext, transit);
		return RX_RESTART;
	}
	x->top = *ret_ext;
	x->packets++;
	jitter(x, transit);
	return RX_NEW;
}

void rx_sr(struct rx *x, const struct rtcp_sr *sr, mono_t now)
{
	x->sr = *sr;
	x->lsr = sr->ntp_sec << 16 | sr->ntp_frac >> 16;
	x->lsr_at = now;
}

/* RFC 3550 A.3: of what was expected since the last report, in 1/256. */
static uint8_t lost_fraction(uint64_t expected, uint64_t received)
{
	uint64_t q;

	if (expected <= received)
		return 0;
	q = (expected - received) * 256 / expected;
	return q > UINT8_MAX ? UINT8_MAX : (uint8_t)q;
}

static uint32_t since_sr(const struct rx *x, mono_t now)
{
	uint64_t units;

	if (x->lsr == 0)
		return 0;
	units = in_units(mono_since(now, x->lsr_at), 65536);
	return units > UINT32_MAX ? UINT32_MAX : (uint32_t)units;
}

bool rx_report(struct rx *x, mono_t now, struct rtcp_report *ret)
{
	uint64_t expected = x->top - x->first + 1;
	int64_t lost = (int64_t)(expected - x->packets);

	if (!x->started)
		return false;
	*ret = (struct rtcp_report){
		.ssrc = x->ssrc,
		.lost_fraction = lost_fraction(expected - x->prior_expected, x->packets - x->prior_packets),
		.lost_total = (int32_t)(lost > LOST_MAX ? LOST_MAX : lost < LOST_MIN ? LOST_MIN : lost),
		.highest_seq = (uint32_t)(x->top - SEQ_MOD),
		.jitter = x->jitter_q4 >> 4,
		.lsr = x->lsr,
		.dlsr = since_sr(x, now),
	};
	x->prior_expected = expected;
	x->prior_packets = x->packets;
	return true;
}
